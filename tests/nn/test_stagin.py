import pytest
import torch

from brainograph.nn import STAGIN, BrainBatch
from brainograph.nn.stagin import _Attention


def test_windows_beyond_a_scan_and_what_stands_there_play_no_part():
    torch.manual_seed(0)
    network = STAGIN(6, 2, window=10, step=4, hidden_channels=8).eval()
    short = torch.randn(1, 23, 6)
    padded = torch.full((1, 60, 6), torch.nan)
    padded[:, :23] = short
    lengths = torch.tensor([23])
    expected = network(BrainBatch(series=short, lengths=lengths))
    assert torch.allclose(network(BrainBatch(series=padded, lengths=lengths)), expected, atol=1e-5)


def test_attention_to_all_alike_is_half_the_mean():
    h = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    for kind in ("sero", "garo"):
        readout = _Attention(4, 5, kind)
        for parameter in readout.parameters():
            torch.nn.init.zeros_(parameter)
        assert torch.allclose(readout(h), h.mean(1) / 2, atol=1e-6)  # sigmoid(0) = 1 / 2
    assert torch.equal(_Attention(4, 5, "mean")(h), h.mean(1))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"readout must be one of \('sero', 'garo', 'mean'\)"):
        STAGIN(6, 2, readout="max")
    with pytest.raises(ValueError, match=r"has 12 volumes, got 50. Write window=12"):
        STAGIN(6, 2)(BrainBatch(series=torch.randn(1, 12, 6), lengths=torch.tensor([12])))
