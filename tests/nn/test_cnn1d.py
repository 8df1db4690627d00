import pytest
import torch

from brainograph.nn import LSTM, BrainBatch, CNN1d


@pytest.mark.parametrize("network", [CNN1d, LSTM])
def test_what_stands_in_the_padding_plays_no_part(network):
    torch.manual_seed(0)
    made = network(4, 2).eval()
    short = torch.randn(1, 12, 4)
    padded = torch.full((1, 30, 4), torch.nan)
    padded[:, :12] = short
    lengths = torch.tensor([12])
    expected = made(BrainBatch(series=short, lengths=lengths))
    assert torch.allclose(made(BrainBatch(series=padded, lengths=lengths)), expected, atol=1e-6)


@pytest.mark.parametrize("network", [CNN1d, LSTM])
def test_it_hears_what_follows_what(network):
    """Classes differ only in whether region 1 repeats region 0 a volume later or earlier."""
    torch.manual_seed(0)
    y = torch.arange(120) % 2
    noise = torch.randn(120, 42, 3)
    later = torch.stack([noise[:, 1:41, 0], noise[:, 0:40, 0], noise[:, 1:41, 2]], -1)
    earlier = torch.stack([noise[:, 1:41, 0], noise[:, 2:42, 0], noise[:, 1:41, 2]], -1)
    series = torch.where(y[:, None, None] == 1, later, earlier)
    made, lengths = network(3, 2, dropout=0.0), torch.full((120,), 40)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    for _ in range(80):
        optimizer.zero_grad()
        logits = made(BrainBatch(series=series[:80], lengths=lengths[:80]))
        torch.nn.functional.cross_entropy(logits, y[:80]).backward()
        optimizer.step()
    logits = made.eval()(BrainBatch(series=series[80:], lengths=lengths[80:]))
    assert (logits.argmax(1) == y[80:]).float().mean() > 0.9


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match="kernel_size must be an odd number of volumes, got 4"):
        CNN1d(4, 2, kernel_size=4)
