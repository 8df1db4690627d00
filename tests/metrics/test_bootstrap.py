"""Resamples keep what they must, and intervals hold what they should."""

import numpy as np
import pytest

from brainograph.metrics.bootstrap import above_noise, mean, percentile, ratio, resamples


def test_resamples_keep_the_size_of_each_stratum():
    strata = np.array([0, 0, 0, 2, 2, 1, 1, 1, 1])
    drawn = resamples(strata, unit=np.arange(9), n_bootstrap=50, random_state=0)
    assert drawn.shape == (9, 51)
    assert (drawn[:, 0] == 1).all()
    for stratum, size in ((0, 3), (1, 4), (2, 2)):
        assert (drawn[strata == stratum].sum(axis=0) == size).all()
    assert len(np.unique(drawn, axis=1).T) > 20


def test_units_come_together_and_mixed_ones_replace_mixed_ones():
    # Units 0 and 1 are patients, 2 and 3 controls, 4 and 5 have one of each.
    unit = np.array([0, 0, 1, 1, 2, 3, 4, 4, 5, 5])
    strata = np.array([1, 1, 1, 1, 0, 0, 0, 1, 0, 1])
    drawn = resamples(strata, unit=unit, n_bootstrap=40, random_state=0)
    for one in range(6):
        members = drawn[unit == one]
        assert (members == members[0]).all()
    assert (drawn[:4].sum(axis=0) == 4).all()
    assert (drawn[6:].sum(axis=0) == 4).all()


def test_same_seed_same_resamples():
    def draw(seed):
        return resamples(np.zeros(20, int), unit=np.arange(20), n_bootstrap=5, random_state=seed)

    assert (draw(0) == draw(0)).all()
    assert (draw(0) != draw(1)).any()


def test_mean_leaves_out_what_is_missing():
    a, b = np.array([1.0, np.nan, np.nan]), np.array([3.0, 4.0, np.nan])
    assert mean([a, b]) == pytest.approx([2, 4, np.nan], nan_ok=True)
    assert np.isnan(ratio(np.array([1.0]), np.array([0.0])))


def test_percentiles_by_hand():
    low, high = percentile(np.r_[np.arange(101.0), np.nan], 0.9)
    assert (low, high) == pytest.approx((5, 95))
    assert np.isnan(percentile(np.array([np.nan]), 0.9)).all()


def test_interval_above_noise_by_hand():
    resampled = np.r_[0.25, np.linspace(0.2, 0.4, 101)]
    noise = np.r_[0, np.linspace(0, 0.2, 101)]
    assert above_noise(resampled, noise, 0.9) == pytest.approx((0.25 - 0.18, 0.39))
    assert above_noise(resampled, 2 * noise, 0.9) == pytest.approx((0, 0.39))
    assert np.isnan(above_noise(resampled * np.nan, noise, 0.9)).all()


@pytest.mark.parametrize("truth", [0.0, 0.5])
def test_interval_above_noise_holds_the_truth(rng, truth):
    # The range of six means, of which one differs by the truth; each mean has an error of .2.
    covered = []
    for _ in range(1000):
        found = 0.2 * rng.normal(size=6) + truth * (np.arange(6) == 5)
        resampled = np.c_[found, found[:, None] + 0.2 * rng.normal(size=(6, 300))]
        low, high = above_noise(
            np.ptp(resampled, axis=0), np.ptp(resampled - resampled[:, :1], axis=0), 0.95
        )
        covered.append(low <= truth <= high)
    assert np.mean(covered) >= 0.935
