import pytest
import torch
from torch_geometric.nn import (
    ChebConv,
    GATConv,
    GCNConv,
    GINConv,
    GraphConv,
    SAGEConv,
    TransformerConv,
)

from brainograph.nn import conv as single
from brainograph.nn.dense_conv import (
    DenseCheb,
    DenseGAT,
    DenseGCN,
    DenseGIN,
    DenseGraphConv,
    DenseSAGE,
    DenseTransformer,
    make_dense_conv,
    weighted_softmax,
)

B, R, IN, OUT = 3, 20, 6, 5


@pytest.fixture(params=["weighted", "binary", "directed"])
def graphs(request):
    """Nodes and sparse graphs, the last node of the first graph without a neighbour."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(B, R, IN, generator=generator)
    adj = torch.rand(B, R, R, generator=generator)
    adj = adj * (torch.rand(B, R, R, generator=generator) > 0.6)
    if request.param != "directed":
        adj = adj.triu(1) + adj.triu(1).mT
    adj.diagonal(dim1=1, dim2=2).zero_()
    adj[0, -1] = adj[0, :, -1] = 0
    return request.param, x, adj.sign() if request.param == "binary" else adj


def one_by_one(layer, x, adj, weighted):
    """Give PyTorch Geometric one graph after the other, edges from source to target."""
    outputs = []
    for nodes, graph in zip(x, adj, strict=True):
        edges = graph.to_sparse_coo().coalesce()
        weights = (edges.values(),) if weighted else ()
        outputs.append(layer(nodes, edges.indices().flip(0), *weights))
    return torch.stack(outputs)


def gcn():
    ours, theirs = DenseGCN(IN, OUT), GCNConv(IN, OUT)
    theirs.lin.weight, theirs.bias = ours.linear.weight, ours.bias
    return ours, theirs


def cheb():
    ours, theirs = DenseCheb(IN, OUT, K=4), ChebConv(IN, OUT, K=4)
    for mine, their in zip(ours.linears, theirs.lins, strict=True):
        their.weight = mine.weight
    theirs.bias = ours.bias
    return ours, theirs


def graph_conv():
    ours, theirs = DenseGraphConv(IN, OUT), GraphConv(IN, OUT)
    theirs.lin_root.weight, theirs.lin_rel.bias = ours.own.weight, ours.own.bias
    theirs.lin_rel.weight = ours.neighbors.weight
    return ours, theirs


def sage():
    ours, theirs = DenseSAGE(IN, OUT), SAGEConv(IN, OUT)
    theirs.lin_r.weight, theirs.lin_l.bias = ours.own.weight, ours.own.bias
    theirs.lin_l.weight = ours.neighbors.weight
    return ours, theirs


def gin():
    ours = DenseGIN(IN, OUT)
    first, second = torch.nn.Linear(IN, OUT), torch.nn.Linear(OUT, OUT)
    torch.nn.init.constant_(ours.epsilon, 0.3)
    theirs = GINConv(torch.nn.Sequential(first, torch.nn.ReLU(), second), train_eps=True)
    first.weight, first.bias = ours.first.weight, ours.bias
    second.weight, second.bias, theirs.eps = ours.second.weight, ours.second.bias, ours.epsilon
    return ours, theirs


def gat():
    ours, theirs = DenseGAT(IN, OUT, heads=2), GATConv(IN, OUT, heads=2, concat=False)
    theirs.lin.weight = ours.linear.weight
    theirs.att_dst.data, theirs.att_src.data = ours.att_target[None], ours.att_source[None]
    return ours, theirs


def transformer():
    ours = DenseTransformer(IN, OUT, heads=2)
    theirs = TransformerConv(IN, OUT, heads=2, concat=False)
    for mine, their in (
        (ours.query, theirs.lin_query),
        (ours.key, theirs.lin_key),
        (ours.value, theirs.lin_value),
        (ours.own, theirs.lin_skip),
    ):
        their.weight, their.bias = mine.weight, mine.bias
    return ours, theirs


@pytest.mark.parametrize(
    ("layers", "weighted"),
    [
        (gcn, True),
        (cheb, True),
        (graph_conv, True),
        (sage, False),
        (gin, False),
        (gat, False),
        (transformer, False),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_layer_is_that_of_pytorch_geometric(layers, weighted, graphs):
    kind, x, adj = graphs
    if kind == "directed" and layers is cheb:
        pytest.skip("ChebConv takes the degree of the other end of a directed edge")
    torch.manual_seed(0)
    ours, theirs = layers()
    adj = adj if weighted else adj.sign()
    expected = one_by_one(theirs, x, adj, weighted)
    assert torch.allclose(ours(x, adj), expected, atol=1e-5)


@pytest.mark.parametrize(("name", "layer"), [("gat", single.GAT), ("sage", single.SAGE)])
def test_weights_count_as_in_the_layers_for_one_graph(name, layer, graphs):
    _, x, adj = graphs
    torch.manual_seed(0)
    ours, theirs = make_dense_conv(name, IN, OUT), layer(IN, OUT)
    theirs.load_state_dict(ours.state_dict())
    expected = torch.stack([theirs(*pair) for pair in zip(x, adj, strict=True)])
    assert torch.allclose(ours(x, adj), expected, atol=1e-5)


def test_attention_starts_from_the_weights():
    """With equal scores the attention is the share of the weight, here 1 : 3."""
    attention = weighted_softmax(torch.full((1, 3), 200.0), torch.tensor([[0.5, 1.5, 0.0]]))
    assert torch.allclose(attention, torch.tensor([[0.25, 0.75, 0.0]]))


@pytest.mark.parametrize("name", ["gcn", "gat", "gin", "graphconv", "sage", "cheb", "transformer"])
def test_gradients_reach_the_edges_also_where_there_are_none(name, graphs):
    _, x, adj = graphs
    torch.manual_seed(0)
    adj = adj.clone().requires_grad_()
    make_dense_conv(name, IN, OUT)(x, adj).square().sum().backward()
    assert adj.grad.isfinite().all()
    assert adj.grad.abs().sum() > 0


def test_negative_weights_are_refused_by_those_that_cannot_take_them():
    for name in ("gcn", "gat", "cheb", "transformer"):
        with pytest.raises(ValueError, match=f"conv='{name}' cannot take negative weights. Write"):
            make_dense_conv(name, IN, OUT, negative_weights=True)
    for name in ("gin", "graphconv", "sage"):
        conv = make_dense_conv(name, IN, OUT, negative_weights=True)
        assert conv(torch.ones(B, R, IN), -torch.ones(B, R, R)).isfinite().all()


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"conv must be one of \('gcn', .*got 'GCNConv'"):
        make_dense_conv("GCNConv", IN, OUT)
