import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from brainograph.datasets import simulate_cohort
from brainograph.model_selection import (
    PermutationTest,
    leave_one_site_out,
    permutation_test_linear,
    repeated_stratified,
)
from brainograph.model_selection.permutation import _orders, exchangeable, permute_labels
from brainograph.preprocessing import Edges


def double(x):
    return np.asarray(x, dtype=float)


FEATURES = make_pipeline(Edges(), FunctionTransformer(double), StandardScaler())


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=60, n_regions=14, effect=6.0, random_state=0)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


@pytest.mark.parametrize("alpha", [0.1, 100.0])
def test_it_is_what_refitting_scikit_learn_gives(cohort, y, alpha):
    splits = repeated_stratified(cohort, y, n_splits=4, n_repeats=2)
    test = permutation_test_linear(
        FEATURES, cohort, y, splits=splits, alpha=alpha, n_permutations=3, progress=False
    )
    for labels, auc, pooled in zip(
        _orders(cohort, y, 3, None, 0).T,
        [test.auc, *test.null],
        [test.pooled_auc, *test.pooled_null],
        strict=True,
    ):
        decisions, folds = np.full((2, len(y)), np.nan), []
        for split in splits:
            train, held_out = split.rows(cohort)
            features = FEATURES.fit(cohort[train])
            model = RidgeClassifier(alpha).fit(features.transform(cohort[train]), labels[train])
            score = model.decision_function(features.transform(cohort[held_out]))
            decisions[split.repeat, held_out] = score
            folds.append(roc_auc_score(labels[held_out], score))
        assert auc == pytest.approx(np.mean(folds), abs=1e-12)
        expected = np.mean([roc_auc_score(labels, repeat) for repeat in decisions])
        assert pooled == pytest.approx(expected, abs=1e-12)


def test_a_planted_effect_is_significant_and_noise_is_not(cohort, y):
    splits = repeated_stratified(cohort, y, n_splits=5)
    found = permutation_test_linear(
        FEATURES, cohort, y, splits=splits, alpha=10.0, n_permutations=99, progress=False
    )
    assert found.p_value == found.pooled_p_value == 0.01
    assert abs(found.null.mean() - 0.5) < 0.03
    noise = simulate_cohort(n_subjects=60, n_regions=14, effect=0.0, random_state=3)
    labels = noise.phenotype["diagnosis"].to_numpy()
    splits = repeated_stratified(noise, labels, n_splits=5)
    nothing = permutation_test_linear(
        FEATURES, noise, labels, splits=splits, n_permutations=99, progress=False
    )
    assert nothing.p_value > 0.05


def test_neither_row_order_nor_unlabelled_participants_change_the_numbers(cohort, y, rng):
    y = np.where(np.arange(60) < 6, -1, y)
    splits = leave_one_site_out(cohort, y)
    options = {"splits": splits, "n_permutations": 5, "progress": False}
    straight = permutation_test_linear(FEATURES, cohort, y, **options)
    order = rng.permutation(60)
    shuffled = permutation_test_linear(FEATURES, cohort[order], y[order], **options)
    assert np.allclose(straight.null, shuffled.null, atol=1e-12)
    without = permutation_test_linear(FEATURES, cohort[6:], y[6:], **options)
    assert without.auc == pytest.approx(straight.auc, abs=1e-12)


def test_within_site_keeps_what_the_sites_are_worth():
    """The diagnosis is the site and nothing else: significant freely, not within sites."""
    cohort = simulate_cohort(
        n_subjects=100, n_regions=10, effect=0.0, site_effect=3.0, n_sites=2,
        prevalence=[0.85, 0.15], random_state=1,
    )  # fmt: skip
    y = cohort.phenotype["diagnosis"].to_numpy()
    splits = repeated_stratified(cohort, y, n_splits=5)
    options = {"splits": splits, "alpha": 10.0, "n_permutations": 99, "progress": False}
    free = permutation_test_linear(FEATURES, cohort, y, **options)
    within = permutation_test_linear(FEATURES, cohort, y, within="site", **options)
    assert free.p_value == 0.01
    assert within.p_value > 0.05
    assert within.null.mean() > 0.65 > free.null.mean() + 0.1


def test_p_values_count_ties_and_themselves():
    test = PermutationTest(0.6, 0.7, np.array([0.5, 0.6, 0.7]), np.array([0.5, 0.6, 0.1]))
    assert test.p_value == 0.75
    assert test.pooled_p_value == 0.25


def test_who_exchanges_labels():
    y = np.array([0, 0, 1, 1, 0, 1, -1])
    units = np.array(["a", "a", "b", "b", "c", "d", "e"])
    cells = exchangeable(y, units=units)
    assert [cell.tolist() for cell in cells] == [[[4], [5]], [[0, 1], [2, 3]]]
    mixed = exchangeable(np.array([0, 1, 1]), units=np.array(["a", "a", "b"]))
    assert [cell.tolist() for cell in mixed] == [[[0], [1], [2]]]


def test_units_keep_one_label_and_sites_their_share(rng):
    y = np.repeat(rng.permutation(20) % 2, 2)
    units, site = np.repeat(np.arange(20), 2), np.repeat(["A", "B"], 20)
    cells = exchangeable(y, units=units, within=site)
    orders = np.array([permute_labels(y, cells, rng) for _ in range(20)])
    assert (orders[:, ::2] == orders[:, 1::2]).all()
    for name in "AB":
        assert (orders[:, site == name].sum(axis=1) == y[site == name].sum()).all()
    assert len(np.unique(orders, axis=0)) > 15


def test_groups_of_the_cohort_stay_together(cohort, y):
    twins = cohort.assign(phenotype=cohort.phenotype.assign(group=np.arange(60) // 2))
    labels = np.repeat(y[:30], 2)
    orders = _orders(twins, labels, 10, None, 0)
    assert np.array_equal(orders[::2], orders[1::2])


def test_what_cannot_be_tested_is_refused(cohort, y):
    splits = repeated_stratified(cohort, y, n_splits=3)
    with pytest.raises(ValueError, match="alpha must be above 0, got 0"):
        permutation_test_linear(FEATURES, cohort, y, splits=splits, alpha=0)
    with pytest.raises(ValueError, match="n_permutations must be at least 1"):
        permutation_test_linear(FEATURES, cohort, y, splits=splits, n_permutations=0)
    with pytest.raises(ValueError, match="no column 'scanner'"):
        permutation_test_linear(FEATURES, cohort, y, splits=splits, within="scanner")
    supervised = make_pipeline(Edges(), SelectKBest(k=5))
    with pytest.raises((ValueError, TypeError)) as caught:
        permutation_test_linear(supervised, cohort, y, splits=splits, progress=False)
    assert "Features are fitted without labels" in caught.value.__notes__[0]


def test_within_may_have_missing_values():
    cells = exchangeable(np.array([0, 1, 0, 1]), within=pd.Series(["A", None, "A", None]))
    assert [cell.tolist() for cell in cells] == [[[0], [2]], [[1], [3]]]
