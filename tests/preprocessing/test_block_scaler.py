import numpy as np
import pytest

from brainograph.preprocessing import BlockScaler


def test_the_linear_kernel_has_a_mean_diagonal_of_one(rng):
    x = rng.standard_normal((50, 30)) * np.arange(1, 31) + 7
    scaled = BlockScaler().fit_transform(x)
    assert np.mean(np.sum(scaled**2, axis=1)) == pytest.approx(1)
    ratio = scaled.std(axis=0) / x.std(axis=0)
    assert np.allclose(ratio, ratio[0])


def test_it_learns_from_fitted_rows_only(rng):
    x = rng.standard_normal((20, 4))
    scaler = BlockScaler().fit(x[:10])
    assert np.allclose(scaler.mean_, x[:10].mean(axis=0))
    assert np.array_equal(scaler.transform(x)[:10], scaler.transform(x[:10]))


def test_features_that_do_not_vary_become_zero():
    assert BlockScaler().fit_transform(np.ones((3, 2))).tolist() == [[0, 0]] * 3
