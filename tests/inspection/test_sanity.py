"""An explainer that ignores the model is caught; those that read it pass."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationGraphClassifier, SubjectGraphClassifier, Training
from brainograph.inspection import (
    attribute,
    consensus,
    explain_folds,
    haufe_patterns,
    occlude,
    planted_auc,
    randomized,
    sanity_check,
    significance,
    stability,
    summarize,
    to_regions,
)
from brainograph.preprocessing import Edges


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(48, n_regions=16, n_volumes=(60, 70))


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy()


@pytest.fixture(scope="module")
def subject(cohort, y):
    training = Training(max_epochs=12, validation_fraction=0.0, lr=0.01)
    return SubjectGraphClassifier("BrainNetCNN", training=training, device="cpu").fit(cohort, y)


@pytest.fixture(scope="module")
def population(cohort, y):
    return PopulationGraphClassifier(max_epochs=20, validation_fraction=0, n_members=1).fit(
        cohort, y
    )


def ignores_the_model(model, cohort):
    """An explanation that shows the data: how strongly each region is connected."""
    strength = np.abs(cohort.connectivity["fc"]).sum(axis=1)
    regions, ids = cohort.regions.index.tolist(), cohort.participant_ids
    rows = {"participant_id": np.repeat(ids, len(regions)), "region": regions * len(ids)}
    return pd.DataFrame(rows | {"importance": strength.ravel()})


def test_broken_explainer_is_caught(subject, population, cohort):
    for model in (subject, population):
        table = sanity_check(ignores_the_model, model, cohort)
        assert table["rank_correlation"].tolist() == [pytest.approx(1)]
        assert not table["passed"].any()
    cascade = sanity_check(ignores_the_model, subject, cohort, randomization="cascading", n_draws=1)
    assert not cascade["passed"].any()


@pytest.mark.parametrize("explain", [lambda m, c: attribute(m, c, n_steps=8), occlude])
def test_honest_explainers_pass(subject, population, cohort, explain):
    for model in (subject, population):
        table = sanity_check(explain, model, cohort)
        assert table["randomized"].tolist() == ["all"]
        assert table["passed"].all()


def test_cascade_goes_from_the_last_layer_to_the_first(subject, cohort):
    table = sanity_check(occlude, subject, cohort[:12], randomization="cascading", n_draws=2)
    names = [name for name, _ in subject._members[0].named_parameters()]
    assert table["randomized"].iloc[0] == names[-1].rpartition(".")[0]
    assert table["randomized"].iloc[-1] == names[0].rpartition(".")[0]
    assert table["rank_correlation"].iloc[-1] < 0.5


def test_randomizing_leaves_the_model_alone(subject, population, cohort, y):
    for model in (subject, population):
        before = model.predict_proba(cohort)
        other = randomized(model, random_state=1).predict_proba(cohort)
        assert np.abs(other - before).max() > 0.01
        np.testing.assert_array_equal(model.predict_proba(cohort), before)
    for last in (LogisticRegression(), SVC(kernel="linear")):
        linear = make_pipeline(Edges(), last).fit(cohort, y)
        weights = linear[-1].coef_.copy()
        other = randomized(linear)[-1].coef_
        assert sorted(other.ravel()) == sorted(weights.ravel())
        assert (other != weights).any()
        np.testing.assert_array_equal(linear[-1].coef_, weights)
        assert sanity_check(occlude, linear, cohort[:10])["passed"].all()
    with pytest.raises(ValueError, match="no weights"):
        randomized(make_pipeline(Edges(), SVC()).fit(cohort, y))
    with pytest.raises(ValueError, match="randomization must be"):
        sanity_check(occlude, subject, cohort, randomization="some")


def test_stability_by_hand():
    one = pd.DataFrame({"region": list("abcd"), "importance": [4.0, -3.0, 2.0, 1.0]})
    two = pd.DataFrame({"region": list("dcba"), "importance": [1.0, 4.0, 3.0, 2.0]})
    row = stability({"x": one, "y": two}, k=2).iloc[0]
    assert row["rank_correlation"] == pytest.approx(0.2)  # ranks 4321 and 2341 of a, b, c, d
    assert row["jaccard"] == pytest.approx(1 / 3)  # {a, b} and {b, c}
    assert row["jaccard_by_chance"] == pytest.approx((4 / 3 + 1) / 6)  # 1, 4, 1 of 6 pairs
    found = consensus({"x": one, "y": two}, k=2).set_index("region")
    assert found["share_in_top"].to_dict() == {"a": 0.5, "b": 1.0, "c": 0.5, "d": 0.0}
    assert found.loc["b", ["importance", "effect"]].tolist() == [3.0, 0.0]
    with pytest.raises(ValueError, match="two fits or more"):
        stability({"x": one})
    with pytest.raises(ValueError, match="explain other things"):
        stability({"x": one, "y": two.assign(region=list("efgh"))})


def test_folds_are_stable_where_something_is_planted(cohort, y):
    model = make_pipeline(Edges(), LogisticRegression())
    rows = np.arange(48)
    splits = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]

    def explain(fitted, some):
        assert set(some.participant_ids) < set(cohort.participant_ids)
        return to_regions(haufe_patterns(fitted, some))

    tables = explain_folds(explain, model, cohort, y, splits)
    assert list(tables) == ["fold 0, seed 0", "fold 1, seed 0", "fold 2, seed 0"]
    found = stability(tables, k=6)
    assert (found["jaccard"] > found["jaccard_by_chance"]).all()
    top = consensus(tables, k=6).head(6)["region"]
    assert len({*top} & {*cohort.provenance["truth"]["regions"]}) >= 5


def test_permuted_labels_tell_planted_from_chance(cohort, y):
    model = make_pipeline(Edges(), LogisticRegression())

    def explain(fitted, some):
        return to_regions(haufe_patterns(fitted, some, weights=True))

    table = significance(explain, model, cohort, y, n_permutations=39, within="site")
    planted = table["region"].isin(cohort.provenance["truth"]["regions"])
    assert (table["p_max"] >= table["p"]).all()
    assert (table["p_fdr"] >= table["p"] - 1e-12).all()
    assert table[planted]["p"].median() <= 0.05 < table[~planted]["p"].median()
    assert table[planted]["p_max"].min() <= 0.05
    assert table["p"].min() == pytest.approx(1 / 40)
    null = simulate_cohort(48, n_regions=16, n_volumes=(60, 70), effect=0.0)
    y0 = null.phenotype["diagnosis"].to_numpy()
    chance = significance(explain, model, null, y0, n_permutations=19)
    assert chance["p_max"].min() > 0.05
    with pytest.raises(ValueError, match="n_permutations"):
        significance(explain, model, cohort, y, n_permutations=0)
    with pytest.raises(ValueError, match="no phenotype 'scanner'"):
        significance(explain, model, cohort, y, within="scanner")


def test_planted_auc_counts_regions_and_edges(cohort):
    truth = cohort.provenance["truth"]
    edges = pd.DataFrame(truth["edges"], columns=["region_b", "region_a"]).assign(importance=-2.0)
    others = pd.DataFrame({"region_a": ["x", "y"], "region_b": ["y", "z"], "importance": 1.0})
    assert planted_auc(pd.concat([edges, others], ignore_index=True), cohort) == 1
    assert planted_auc(pd.concat([edges.assign(importance=0.0), others]), cohort) == 0
    with pytest.raises(ValueError, match="truth is planted in regions and edges"):
        planted_auc(pd.DataFrame({"network": ["a"], "importance": [1.0]}), cohort)
    with pytest.raises(ValueError, match="no planted truth"):
        planted_auc(edges, replace(cohort, provenance={}))
    with pytest.raises(ValueError, match="importance and one of"):
        summarize(pd.DataFrame({"a": [1]}))
