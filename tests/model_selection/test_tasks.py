import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline

from brainograph.datasets import simulate_cohort
from brainograph.model_selection import cross_validate
from brainograph.model_selection.tasks import check_target, hide, predict, strata, task_of
from brainograph.preprocessing import Edges


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=60, n_regions=8, random_state=2)


def test_the_task_is_read_from_model_and_labels():
    assert task_of(LogisticRegression(), np.array([0, 1, -1])) == "binary"
    assert task_of(LogisticRegression(), np.array([0, 1, 2])) == "multiclass"
    assert task_of(make_pipeline(Edges(), Ridge()), np.array([3.5])) == "regression"


def test_hidden_targets_are_unlabelled():
    assert hide(np.array([0, 1, 1]), np.array([2]), "binary").tolist() == [-1, -1, 1]
    hidden = hide(np.array([0.5, 1.5]), np.array([0]), "regression")
    assert hidden[0] == 0.5
    assert np.isnan(hidden[1])


def test_a_number_is_spread_by_its_fifths():
    y = np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9, np.nan])
    assert strata(y, "regression").tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, -1]


def test_classes_must_count_from_zero(cohort):
    with pytest.raises(ValueError, match=r"must be 0 and 1 .* got \[1, 2\]"):
        check_target(np.repeat([1, 2], 30), cohort, "binary")
    with pytest.raises(ValueError, match=r"needed is \(60,\)"):
        check_target(np.zeros(3), cohort, "binary")


def test_decision_values_become_scores_in_their_order(cohort):
    y = cohort.phenotype["diagnosis"].to_numpy()
    model = make_pipeline(Edges(), RidgeClassifier()).fit(cohort, y)
    score = predict(model, cohort, "binary")["y_score"]
    assert (np.argsort(score) == np.argsort(model.decision_function(cohort))).all()
    three = np.arange(60) % 3
    model = make_pipeline(Edges(), RidgeClassifier()).fit(cohort, three)
    probability = predict(model, cohort, "multiclass")
    assert list(probability) == ["p_0", "p_1", "p_2"]
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-6)


def test_several_classes_are_cross_validated(cohort):
    age = cohort.phenotype["age"]
    y = pd.qcut(age, 3, labels=False).fillna(-1).to_numpy(dtype=int).copy()
    y[:3] = -1
    models = {"lr": make_pipeline(Edges(), LogisticRegression()), "none": DummyClassifier()}
    results = cross_validate(models, cohort, y, progress=False)
    table = results.predictions
    assert len(table) == 2 * (y != -1).sum()
    assert {"p_0", "p_1", "p_2"} <= set(table)
    assert results.provenance["task"] == "multiclass"


def test_a_number_is_cross_validated(cohort):
    y = cohort.connectivity["fc"][:, 0, 1].astype(float)  # to be read off the edges
    y[:4] = np.nan
    results = cross_validate(make_pipeline(Edges(), Ridge(0.01)), cohort, y, progress=False)
    table = results.predictions
    assert len(table) == 56
    assert np.corrcoef(table["y_true"], table["y_pred"])[0, 1] > 0.9
    models = {"number": make_pipeline(Edges(), Ridge()), "class": DummyClassifier()}
    with pytest.raises(ValueError, match="cannot be compared"):
        cross_validate(models, cohort, y, progress=False)
