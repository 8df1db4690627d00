import pytest
import torch
from torch_geometric.data import Data

from brainograph.nn import PopulationGCN


def test_the_linear_path_by_hand():
    """logits = (x + beta * mean of neighbours) w; the isolated third hears nobody."""
    adj = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    network = PopulationGCN(1, 1, num_layers=0, skip_smoothing=0.5)
    network.skip.weight.data.fill_(2.0)
    batch = Data(x=torch.tensor([[1.0], [2.0], [5.0]]), adj=adj)
    assert network(batch).ravel().tolist() == [4.0, 5.0, 10.0]
    batch.adj = adj.to_sparse_coo().coalesce()
    assert network(batch).ravel().tolist() == [4.0, 5.0, 10.0]


def test_a_network_starts_from_equal_odds():
    batch = Data(x=torch.randn(4, 3), adj=torch.zeros(4, 4))
    assert (PopulationGCN(3, 2, num_layers=0)(batch) == 0).all()


@pytest.mark.parametrize(("layers", "skip"), [(0, False), (-1, True)])
def test_a_network_without_a_path_is_refused(layers, skip):
    with pytest.raises(ValueError, match="no path would be left"):
        PopulationGCN(3, 2, num_layers=layers, linear_skip=skip)
