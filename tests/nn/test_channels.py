import numpy as np
import pytest
import torch

from brainograph.nn import BrainBatch
from brainograph.nn.channels import (
    band_pass,
    check_channels,
    lagged_correlation,
    windowed_channel,
)


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ((), "at least one of"),
        (("dynamic", "dynamic"), "must be different"),
        (("band:0.1",), "cannot be read"),
        (("band:0.1-0.05",), "is empty"),
        (("lag:0",), "cannot be read"),
        (("lag:20",), "less than half of a window of 30"),
    ],
)
def test_channels_that_cannot_be_read(channels, message):
    with pytest.raises(ValueError, match=message):
        check_channels(channels, window=30)


def test_a_band_keeps_its_sine_and_drops_the_other():
    seconds = torch.arange(120) * 2.0
    slow, fast = torch.sin(2 * np.pi * 0.025 * seconds), torch.sin(2 * np.pi * 0.1 * seconds)
    series = torch.zeros(2, 120, 1)
    series[0, :, 0] = slow + fast
    series[1, :80, 0] = (slow + fast)[:80]  # 80 volumes hold whole periods of both
    kept = band_pass(series, torch.tensor([120, 80]), torch.tensor([2.0, 2.0]), low=0.01, high=0.05)
    torch.testing.assert_close(kept[0, :, 0], slow, atol=1e-4, rtol=0)
    torch.testing.assert_close(kept[1, :80, 0], slow[:80], atol=1e-4, rtol=0)
    assert (kept[1, 80:] == 0).all()


def test_a_band_needs_the_repetition_time_and_a_scan_that_is_fast_enough():
    series, lengths = torch.randn(1, 50, 2), torch.tensor([50])
    with pytest.raises(ValueError, match="repetition_time"):
        band_pass(series, lengths, torch.tensor([torch.nan]), low=0.01, high=0.1)
    with pytest.raises(ValueError, match=r"its highest is 0.125 Hz"):
        band_pass(series, lengths, torch.tensor([4.0]), low=0.2, high=0.4)


def test_lagged_correlation_is_numpys(rng):
    series = rng.normal(size=(1, 20, 3)).astype(np.float32)
    found = lagged_correlation(torch.tensor(series), lag=2, window=10, step=5)
    assert found.shape == (1, 3, 3, 3)
    window = series[0, 5:15]
    full = np.corrcoef(window[:-2].T, window[2:].T)[:3, 3:]
    np.testing.assert_allclose(found[0, 1], (full + full.T) / 2, atol=1e-5)


def test_a_lagged_channel_has_as_many_windows_as_the_others(rng):
    batch = BrainBatch(
        series=torch.tensor(rng.normal(size=(2, 41, 4))).float(), lengths=torch.tensor([41, 30])
    )
    shapes = {
        name: windowed_channel(name, batch, window=12, step=4).shape
        for name in ("dynamic", "lag:3")
    }
    assert shapes["dynamic"] == shapes["lag:3"] == (2, 8, 4, 4)
