"""A mixture of kernels is explained by people, features and modalities, and by what it says."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

from brainograph.datasets import simulate_cohort
from brainograph.estimators import MultipleKernelClassifier
from brainograph.inspection import (
    attribute,
    haufe_patterns,
    modality_contributions,
    occlude,
    planted_auc,
    randomized,
    sanity_check,
    to_regions,
)
from brainograph.inspection.kernel_view import kernel_view
from brainograph.inspection.view import margin
from brainograph.preprocessing import Edges, Measures, Phenotypes


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(60, n_regions=12, n_volumes=(60, 70), missing=0.0)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy()


def blocks():
    both = make_union(Measures(["thickness"]), Phenotypes(["age"]))
    return [("edges", Edges()), ("rest", both)]


def fitted(cohort, y, **settings):
    return MultipleKernelClassifier(blocks(), **settings).fit(cohort[:50], y[:50])


@pytest.mark.parametrize("classifier", ["svm", "logistic"])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_view_says_what_the_model_says(cohort, y, kernel, classifier):
    model = fitted(cohort, y, kernel=kernel, classifier=classifier)
    view = kernel_view(model, cohort, None)
    said = view.logits(view.values, view.positions)
    expected = model.predict_proba(cohort)
    np.testing.assert_allclose(said.softmax(dim=1).numpy(), expected, atol=1e-10)


def test_three_classes(cohort, y):
    three = np.where(np.arange(60) % 5 == 0, 2, y)
    model = fitted(cohort, three, classifier="logistic")
    view = kernel_view(model, cohort, None)
    said = view.logits(view.values, view.positions).softmax(dim=1).numpy()
    np.testing.assert_allclose(said, model.predict_proba(cohort), atol=1e-10)
    assert set(haufe_patterns(model, cohort)["class"]) == {0, 1, 2}
    with pytest.raises(ValueError, match="compares pairs of the 3 classes"):
        occlude(fitted(cohort, three), cohort)


def test_attribution_adds_up_and_modalities_are_summands(cohort, y):
    model = fitted(cohort, y)
    view = kernel_view(model, cohort, None)
    one = torch.ones(60, dtype=torch.int64)
    behind = {name: read.baseline.expand(60, -1) for name, read in view.reads.items()}
    moved = margin(view.logits(view.values, view.positions), one) - margin(
        view.logits(behind, view.positions), one
    )
    shares = attribute(model, cohort, level="input", n_steps=1)
    total = shares.groupby("participant_id", sort=False)["importance"].sum()
    np.testing.assert_allclose(total, moved.numpy(), rtol=1e-4, atol=1e-5)
    lost = occlude(model, cohort, "input")  # of linear kernels, the same
    keys = ["participant_id", "input"]
    pair = lost.merge(shares, on=keys, suffixes=("", "_shared"))
    np.testing.assert_allclose(pair["importance"], pair["importance_shared"], rtol=1e-3, atol=1e-5)


def test_weights_of_kernels_are_contributions(cohort, y):
    model = fitted(cohort, y, weights=(3, 1))
    table = modality_contributions(model, cohort[:2])
    assert table["input"].tolist() == ["edges", "rest"] * 2
    assert table["importance"].tolist() == [0.75, 0.25] * 2
    with pytest.raises(ValueError, match="joins no modalities"):
        modality_contributions(make_pipeline(Edges(), LogisticRegression()), cohort)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_planted_regions_are_found(cohort, y, kernel):
    model = fitted(cohort, y, kernel=kernel)
    assert planted_auc(occlude(model, cohort), cohort) >= 0.9
    assert planted_auc(attribute(model, cohort, level="edge", n_steps=8), cohort) >= 0.9
    if kernel == "linear":
        patterns = haufe_patterns(model, cohort[:50])
        assert planted_auc(to_regions(patterns[patterns["input"] == "edges"]), cohort) >= 0.9
        return
    with pytest.raises(ValueError, match="'rbf' has no weights of features"):
        haufe_patterns(model, cohort)


def test_haufe_of_one_linear_kernel_is_that_of_its_weights(cohort, y):
    model = MultipleKernelClassifier([("edges", Edges())], classifier="logistic").fit(cohort, y)
    x = Edges().fit_transform(cohort)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    p = model.predict_proba(cohort)
    s = np.log(p[:, 1] / p[:, 0])
    expected = ((s - s.mean()) @ x) / ((s - s.mean()) ** 2).sum()
    np.testing.assert_allclose(haufe_patterns(model, cohort)["importance"], expected, rtol=1e-5)


def test_explanations_are_of_the_model(cohort, y):
    model = fitted(cohort, y)
    found = sanity_check(lambda one, people: occlude(one, people, "edge"), model, cohort)
    assert found["passed"].all()
    before = model.predict_proba(cohort)
    assert not np.allclose(randomized(model).predict_proba(cohort), before)
    assert np.array_equal(model.predict_proba(cohort), before)
    with pytest.raises(ValueError, match="one participant alone"):
        occlude(model, cohort[:1])
