import pytest
import torch
from torch_geometric.nn import SAGPooling, TopKPooling, dense_diff_pool
from torch_geometric.utils import to_dense_adj

from brainograph.nn.pooling import DiffPool, SAGPool, TopKPool, induced, n_kept

R, C = 11, 4


@pytest.fixture
def graphs():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, R, C, generator=generator)
    adj = torch.rand(3, R, R, generator=generator).triu(1)
    return x, adj + adj.mT


def one_by_one(pool, x, adj):
    """Give PyTorch Geometric one graph after the other."""
    for nodes, graph in zip(x, adj, strict=True):
        edges = graph.to_sparse_coo().coalesce()
        kept, index, weight, *_ = pool(nodes, edges.indices().flip(0), edges.values())
        yield kept, to_dense_adj(index, edge_attr=weight, max_num_nodes=len(kept))[0].T


@pytest.mark.parametrize("ratio", [0.5, 0.8])
@pytest.mark.parametrize("kind", ["topk", "sag"])
def test_selection_is_that_of_pytorch_geometric(kind, ratio, graphs):
    torch.manual_seed(0)
    if kind == "sag":  # PyTorch Geometric's does not give the weights to its convolution
        graphs = graphs[0], (graphs[1] > 0.5).float()
    if kind == "topk":
        ours, theirs = TopKPool(C, R, ratio), TopKPooling(C, ratio)
        theirs.select.weight = torch.nn.Parameter(ours.direction[None])
    else:
        ours, theirs = SAGPool(C, R, ratio), SAGPooling(C, ratio)
        theirs.gnn.lin_root.weight, theirs.gnn.lin_rel.bias = (
            ours.conv.own.weight,
            ours.conv.own.bias,
        )
        theirs.gnn.lin_rel.weight = ours.conv.neighbors.weight
        theirs.select.weight.data.fill_(1.0)  # it multiplies the score by its sign alone
    x, adj, made_of = ours(*graphs)
    assert x.shape == (3, ours.n_nodes, C)
    assert torch.allclose(made_of @ graphs[0], x, atol=1e-6)
    for i, (expected_x, expected_adj) in enumerate(one_by_one(theirs, *graphs)):
        assert torch.allclose(x[i], expected_x, atol=1e-5)
        assert torch.allclose(adj[i], expected_adj, atol=1e-5)


def test_clusters_are_those_of_diff_pool_up_to_their_size(graphs):
    torch.manual_seed(0)
    ours = DiffPool(C, R, 0.4)
    x, adj, made_of = ours(*graphs)
    scores = ours.conv(*graphs)
    expected_x, expected_adj, *_ = dense_diff_pool(*graphs, scores)
    size = scores.softmax(-1).sum(1)[..., None]  # nodes in each cluster
    assert torch.allclose(x, expected_x / size, atol=1e-5)
    off_diagonal = 1 - torch.eye(ours.n_nodes)
    assert torch.allclose(adj, expected_adj / size * off_diagonal, atol=1e-5)
    assert torch.allclose(made_of.sum(-1), torch.ones(3, ours.n_nodes))


def test_an_induced_graph_has_the_edges_between_its_nodes():
    adj = torch.arange(16.0).view(1, 4, 4)
    assert induced(adj, torch.tensor([[3, 1]])).tolist() == [[[15, 13], [7, 5]]]


def test_the_number_kept_is_rounded_up_and_the_ratio_checked():
    assert [n_kept(111, ratio) for ratio in (0.5, 0.8, 1.0)] == [56, 89, 111]
    with pytest.raises(ValueError, match=r"ratio must be in \(0, 1\], got 2. .* ratio=0.5"):
        n_kept(111, 2)
