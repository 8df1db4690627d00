"""Expected calibration error by hand and against scikit-learn's curve."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from brainograph.metrics.calibration import calibration_error


def test_two_bins_by_hand():
    # [.2, .3) holds .2 and .25 with one patient, [.9, 1] holds .9 and 1 with two.
    y, p = np.array([0, 1, 1, 1]), np.array([0.2, 0.25, 0.9, 1.0])
    expected = abs(1 - 0.45) / 4 + abs(2 - 1.9) / 4
    assert calibration_error(y, p, np.ones((4, 1)))[0] == pytest.approx([expected])


def test_equals_the_curve_weighted_by_its_bins(rng):
    y, p = rng.integers(0, 2, 300), rng.uniform(size=300)
    observed, said = calibration_curve(y, p, n_bins=10)
    size = np.histogram(p, np.linspace(0, 1, 11))[0]
    expected = (size * np.abs(observed - said)).sum() / 300
    assert calibration_error(y, p, np.ones((300, 1)))[0] == pytest.approx([expected])


def test_a_resample_equals_its_rows(rng):
    y, p = rng.integers(0, 2, 50), rng.uniform(size=50)
    drawn = rng.poisson(1, (50, 3)).astype(np.float32)
    for b, found in enumerate(calibration_error(y, p, drawn)[0]):
        rows = np.repeat(np.arange(50), drawn[:, b].astype(int))
        alone = calibration_error(y[rows], p[rows], np.ones((len(rows), 1)))[0]
        assert found == pytest.approx(alone[0])


def test_a_share_told_to_everybody_is_calibrated():
    assert calibration_error(np.tile([0, 1], 20), np.full(40, 0.5), np.ones((40, 1)))[0] == [0]


def test_noise_is_the_distance_from_the_data(rng):
    y, p = rng.integers(0, 2, 50), rng.uniform(size=50)
    drawn = np.c_[np.ones(50), np.zeros(50)].astype(np.float32)
    drawn[:25, 1] = 2
    error, noise = calibration_error(y, p, drawn)
    assert noise[0] == 0
    assert abs(error[1] - error[0]) <= noise[1] <= error[0] + error[1]
