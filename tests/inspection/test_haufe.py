"""Patterns by hand: a feature that cancels noise has a weight and no pattern."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationGraphClassifier, TransductiveClassifier
from brainograph.inspection import haufe_patterns, planted_auc, to_regions
from brainograph.nn.conv import mean_of_neighbors
from brainograph.preprocessing import MIDA, Edges, Harmonized, Measures


def test_suppressor_has_weight_but_no_pattern(rng):
    signal, noise = rng.normal(size=(2, 4000))
    signal -= signal.mean()
    noise -= noise.mean() + signal * (noise @ signal) / (signal @ signal)  # exactly uncorrelated
    x = np.column_stack([signal + noise, noise])
    people = pd.DataFrame({"target": signal}, index=[f"s{i}" for i in range(4000)])
    cohort = Cohort(people, pd.DataFrame(index=["front", "back"]), measures={"area": x})
    model = make_pipeline(Measures(), LinearRegression()).fit(cohort, signal)
    weights = haufe_patterns(model, cohort, weights=True)
    np.testing.assert_allclose(weights["importance"], [1, -1], atol=1e-9)
    found = haufe_patterns(model, cohort)
    np.testing.assert_allclose(found["importance"], [1, 0], atol=1e-9)
    assert found["region_a"].astype(str).tolist() == ["front", "back"]
    assert to_regions(found)["importance"].round(6).tolist() == [1, 0]


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(60, n_regions=12, site_effect=1.0, prevalence=0.5)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy()


def test_equals_the_matrix_formula_through_a_pipeline(cohort, y):
    model = make_pipeline(Edges(), StandardScaler(), SVC(kernel="linear")).fit(cohort, y)
    x = model[:-1].transform(cohort)
    w = model[-1].coef_[0]
    covariance = np.cov(x, rowvar=False)
    expected = covariance @ w / (w @ covariance @ w)
    found = haufe_patterns(model, cohort)
    np.testing.assert_allclose(found["importance"], expected, rtol=1e-6)
    assert planted_auc(found, cohort) >= 0.9
    assert planted_auc(to_regions(found), cohort) >= 0.9


def test_several_classes_equal_the_matrix_formula(cohort):
    y = pd.qcut(cohort.phenotype["age"].fillna(40), 3, labels=False).to_numpy()
    model = make_pipeline(Edges(), LogisticRegression()).fit(cohort, y)
    x = model[:-1].transform(cohort)
    W = model[-1].coef_ - model[-1].coef_.sum(0)  # against the others, by hand
    W = (3 * model[-1].coef_ - model[-1].coef_.sum(0)) / 2
    x_cov = np.cov(x, rowvar=False)
    expected = np.linalg.pinv(W @ x_cov @ W.T) @ W @ x_cov
    found = haufe_patterns(model, cohort)
    np.testing.assert_allclose(
        found["importance"].to_numpy().reshape(3, -1), expected, rtol=1e-4, atol=1e-6
    )
    assert found["class"].unique().tolist() == [0, 1, 2]


def test_population_graph_is_read_through_its_neighbours(cohort, y):
    model = PopulationGraphClassifier(
        num_layers=0, skip_smoothing=0.5, optimizer="lbfgs", n_members=1, validation_fraction=0,
        max_epochs=5,
    )  # fmt: skip
    hidden = np.where(np.arange(60) < 20, -1, y)
    model.fit(cohort, hidden)
    member = model._members[0]
    order = np.argsort(cohort.participant_ids)
    x = member.features.transform(cohort[order])
    z = x + 0.5 * (mean_of_neighbors(member.adj).numpy() @ x)
    w = np.diff(member.network.skip.weight.detach().double().numpy(), axis=0)[0]
    s = z @ w
    expected = ((z - z.mean(0)).T @ (s - s.mean())) / ((s - s.mean()) ** 2).sum()
    found = haufe_patterns(model, cohort)
    np.testing.assert_allclose(found["importance"], expected, rtol=1e-3, atol=1e-5)
    assert planted_auc(found, cohort) >= 0.9


def test_components_are_expressed_in_edges(cohort, y):
    model = TransductiveClassifier(Harmonized(Edges(), MIDA(10)), LogisticRegression())
    model.fit(cohort, y)
    with pytest.raises(ValueError, match=r"features=Edges\(\).fit\(cohort\)"):
        haufe_patterns(model, cohort)
    found = haufe_patterns(model, cohort, features=Edges().fit(cohort))
    assert planted_auc(found, cohort) >= 0.9


def test_models_that_are_not_linear_are_refused(cohort, y):
    population = PopulationGraphClassifier(max_epochs=2).fit(cohort, y)
    with pytest.raises(ValueError, match="has 1 graph convolutions"):
        haufe_patterns(population, cohort)
    curved = make_pipeline(Edges(), SVC()).fit(cohort, y)
    with pytest.raises(ValueError, match="no weights"):
        haufe_patterns(curved, cohort)
    with pytest.raises(ValueError, match="two or more"):
        haufe_patterns(curved, cohort[:1])
