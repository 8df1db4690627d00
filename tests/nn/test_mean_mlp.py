import pytest
import torch

from brainograph.nn import BrainBatch, MeanMLP


def test_it_is_the_mean_over_time_of_the_logits_of_each_volume():
    """The paper's order: the head first, then the mean."""
    torch.manual_seed(0)
    network = MeanMLP(3, 2, hidden_channels=5).eval()
    series = torch.randn(2, 6, 3)
    logits = network(BrainBatch(series=series, lengths=torch.tensor([6, 4])))
    for i, length in enumerate((6, 4)):
        each = network.head(network.layers[0](series[i, :length]))
        assert torch.allclose(logits[i], each.mean(0), atol=1e-6)


def test_the_order_of_volumes_plays_no_part():
    network = MeanMLP(3, 2).eval()
    series, lengths = torch.randn(1, 6, 3), torch.tensor([6])
    shuffled = series[:, torch.randperm(6)]
    first = network(BrainBatch(series=series, lengths=lengths))
    second = network(BrainBatch(series=shuffled, lengths=lengths))
    assert torch.allclose(first, second, atol=1e-6)


def test_padding_may_hold_anything():
    network = MeanMLP(3, 2).eval()
    series = torch.randn(1, 6, 3)
    series[:, 4:] = torch.nan
    assert network(BrainBatch(series=series, lengths=torch.tensor([4]))).isfinite().all()


def test_no_layer_is_refused():
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        MeanMLP(3, 2, num_layers=0)
