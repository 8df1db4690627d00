"""Deep graph networks: the published aggregation, and depth without collapse."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch_geometric.nn import GENConv

from brainograph.nn.conv import GCN
from brainograph.nn.population.deep_gcn import DeepGCN, SoftmaxConv


def graph(n=40, degree=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    score = torch.rand(n, n, generator=generator).fill_diagonal_(0)
    adj = (score >= score.topk(degree, dim=1).values[:, -1:]).float()
    return torch.randn(n, 8, generator=generator), adj


def test_it_is_the_published_convolution():
    x, adj = graph()
    ours = SoftmaxConv(8).eval()
    reference = GENConv(8, 8, aggr="softmax", t=1.0, learn_t=True)
    reference.mlp = ours.mlp
    edge_index = adj.nonzero().T.flip(0)
    assert torch.allclose(ours(x, adj), reference(x, edge_index), atol=1e-5)


def test_a_weight_of_two_is_two_edges():
    x, adj = graph()
    adj[0] *= 2
    adj[0, adj[0].argmax()] = 6.0
    ours = SoftmaxConv(8).eval()
    reference = GENConv(8, 8, aggr="softmax", t=1.0)
    reference.mlp = ours.mlp
    edges = adj.nonzero()
    repeated = edges.repeat_interleave(adj[edges[:, 0], edges[:, 1]].long(), dim=0)
    assert torch.allclose(ours(x, adj), reference(x, repeated.T.flip(0)), atol=1e-5)


def test_sparse_and_dense_give_the_same_and_nobody_to_hear_is_silence():
    x, adj = graph()
    adj[3] = 0
    conv = SoftmaxConv(8).eval()
    assert torch.allclose(conv(x, adj), conv(x, adj.to_sparse_coo().coalesce()), atol=1e-5)
    assert conv.aggregate(x, adj)[3].abs().sum() == 0


def test_large_values_do_not_overflow():
    x, adj = graph()
    assert torch.isfinite(SoftmaxConv(8)(1000 * x, adj)).all()


def spread(x):
    """Return the mean cosine distance of nodes, which is 0 where all have become alike."""
    return 1 - functional.cosine_similarity(x[:, None], x[None], dim=-1).mean().item()


def test_28_layers_do_not_make_nodes_alike():
    """A plain network of as many layers does, however its scale is kept up."""
    torch.manual_seed(0)
    x, adj = graph(n=60)
    h = x
    with torch.no_grad():
        for conv in [GCN(8, 8) for _ in range(28)]:
            h = functional.leaky_relu(conv(h, (adj + adj.T) / 2), 0.2)
            h = h / h.norm()
        deep = DeepGCN(8, 28).eval()(x, adj)
    assert spread(h) < 1e-5
    assert spread(deep) > 0.01


def test_a_gradient_reaches_the_first_of_28_layers():
    x, adj = graph()
    network = DeepGCN(8, 28)
    network(x, adj).square().sum().backward()
    for name, weights in network.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.abs().sum() > 0, name


def test_no_layer_is_refused():
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        DeepGCN(8, 0)
    assert isinstance(DeepGCN(8, 1), nn.Module)
