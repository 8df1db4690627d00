import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from brainograph.model_selection.checks.auc import above_chance, auc, null_deviation, paired_test


def test_auc_is_scikit_learns_with_ties(rng):
    y, score = rng.integers(2, size=60), rng.integers(6, size=60).astype(float)
    assert auc(y, score) == pytest.approx(roc_auc_score(y, score), abs=1e-12)


def test_auc_in_strata_compares_nobody_across_them():
    y, strata = np.array([0, 1, 0, 1, 1]), np.array(["A", "A", "B", "B", "C"])
    assert auc(y, np.array([5.0, 6.0, 1.0, 0.0, 9.0]), strata) == 0.5
    assert np.isnan(auc(np.array([1, 1]), np.array([0.0, 1.0])))


@pytest.mark.parametrize("stratified", [False, True])
def test_null_deviation_is_that_of_permuted_labels(rng, stratified):
    y = np.array([1] * 12 + [0] * 28)
    strata = np.arange(40) % 3 if stratified else None
    score, values = rng.standard_normal(40), []
    for _ in range(1500):
        labels = y.copy()
        for code in np.unique(np.zeros(40) if strata is None else strata):
            rows = np.arange(40) if strata is None else np.flatnonzero(strata == code)
            labels[rows] = rng.permutation(y[rows])
        values.append(auc(labels, score, strata))
    assert np.mean(values) == pytest.approx(0.5, abs=0.01)
    assert np.std(values) == pytest.approx(null_deviation(y, strata), rel=0.08)


def test_above_chance():
    y = np.array([0, 1] * 50)
    score = np.arange(100.0)
    assert not above_chance(y, score)
    assert above_chance(y, y + 0.1 * score / 100)


def test_paired_test_is_the_normal_test_of_delong(rng):
    """By hand on one stratum: the variance of the differences of placements."""
    y = np.array([0] * 30 + [1] * 25)
    first = y + rng.standard_normal(55)
    second = 0.3 * y + rng.standard_normal(55)
    difference, p = paired_test(y, first, second)
    assert difference == pytest.approx(roc_auc_score(y, first) - roc_auc_score(y, second))
    placements = []
    for score in (first, second):
        patients, controls = score[y == 1], score[y == 0]
        placements.append(
            ([np.mean(v > controls) for v in patients], [np.mean(patients > v) for v in controls])
        )
    variance = sum(
        np.var(np.subtract(placements[0][k], placements[1][k]), ddof=1) / n
        for k, n in ((0, 25), (1, 30))
    )
    assert p == pytest.approx(2 * stats.norm.sf(abs(difference) / np.sqrt(variance)), rel=1e-9)
    assert paired_test(y, first, first) == (0.0, 1.0)


def test_paired_test_holds_its_level(rng):
    """Of 400 pairs of scores that are equally good about 5 % differ at 5 %."""
    y, strata = np.arange(90) % 2, np.repeat([0, 1, 2], 30)
    found = [
        paired_test(y, y + rng.standard_normal(90), y + rng.standard_normal(90), strata)[1] < 0.05
        for _ in range(400)
    ]
    assert 0.02 < np.mean(found) < 0.09
