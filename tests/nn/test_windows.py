import numpy as np
import pytest
import torch

from brainograph.connectivity import sliding_window
from brainograph.nn.windows import sliding_correlation

LENGTHS = [50, 37, 20]


@pytest.fixture
def series():
    """Padded series with a large offset, whose padding holds NaN."""
    generator = torch.Generator().manual_seed(0)
    padded = torch.randn(3, 50, 12, generator=generator) + 100
    for subject, length in enumerate(LENGTHS):
        padded[subject, length:] = torch.nan
    return padded


@pytest.mark.parametrize("fisher", [False, True])
@pytest.mark.parametrize(("window", "step"), [(20, 1), (20, 7), (5, 3)])
def test_windows_are_those_of_the_connectivity_package(series, window, step, fisher):
    correlation, inside = sliding_correlation(
        series, torch.tensor(LENGTHS), window=window, step=step, fisher_z=fisher
    )
    assert correlation.dtype == torch.float32
    assert correlation.shape[:2] == inside.shape == (3, 1 + (50 - window) // step)
    for subject, length in enumerate(LENGTHS):
        own = series[subject, :length].double().numpy()
        expected = sliding_window(
            own, window, step=step, kind="fisher z" if fisher else "correlation"
        )
        assert inside[subject].sum() == len(expected) == 1 + (length - window) // step
        actual = correlation[subject, inside[subject]].numpy()
        assert np.abs(actual - expected).max() < (1e-4 if fisher else 1e-5)
        assert not correlation[subject, ~inside[subject]].any()


def test_a_constant_region_has_no_correlations(series):
    series[:, :, 3] = 7.0
    correlation, inside = sliding_correlation(series, torch.tensor(LENGTHS), window=20, step=10)
    assert not correlation[:, :, 3].any()
    assert not correlation[:, :, :, 3].any()
    assert correlation[inside].isfinite().all()


def test_a_scan_shorter_than_the_window_is_refused(series):
    with pytest.raises(ValueError, match=r"has 20 volumes, got 21. Write window=20"):
        sliding_correlation(series, torch.tensor(LENGTHS), window=21, step=1)
