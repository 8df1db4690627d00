import pytest
import torch
from torch_geometric.nn import ChebConv, GATConv, GCNConv, GraphConv, SAGEConv

from brainograph.nn.conv import GAT, GCN, SAGE, Cheb, make_conv

NAMES = ["gcn", "cheb", "sage", "gat", "GraphConv", "TransformerConv"]


@pytest.fixture
def graph():
    torch.manual_seed(1)
    adj = torch.rand(9, 9) * (torch.rand(9, 9) < 0.5)
    adj = torch.triu(adj, 1)
    adj = adj + adj.T
    adj[4] = adj[:, 4] = 0  # an isolated node
    sparse = adj.to_sparse_coo().coalesce()
    return torch.randn(9, 5), adj, sparse


def test_gcn_by_hand():
    adj = torch.tensor([[0.0, 3.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    layer = GCN(1, 1)
    torch.nn.init.ones_(layer.linear.weight)
    x = torch.tensor([[1.0], [2.0], [5.0]])
    # degrees with self-loops 4, 4, 1: row 0 is 1/4 * 1 + 3/4 * 2
    assert torch.allclose(layer(x, adj), torch.tensor([[1.75], [1.25], [5.0]]))


def test_gcn_equals_pyg(graph):
    x, adj, sparse = graph
    ours, theirs = GCN(5, 3), GCNConv(5, 3)
    theirs.lin.weight.data = ours.linear.weight.data
    expected = theirs(x, sparse.indices().flip(0), sparse.values())
    assert torch.allclose(ours(x, adj), expected, atol=1e-6)


@pytest.mark.parametrize("K", [1, 2, 3, 5])
def test_cheb_equals_pyg(graph, K):
    x, adj, sparse = graph
    ours, theirs = Cheb(5, 3, K=K), ChebConv(5, 3, K)
    for mine, their in zip(ours.linears, theirs.lins, strict=True):
        their.weight.data = mine.weight.data
    expected = theirs(x, sparse.indices().flip(0), sparse.values())
    assert torch.allclose(ours(x, adj), expected, atol=2e-6)


def test_sage_equals_pyg_on_binary_edges(graph):
    x, adj, _ = graph
    binary = (adj > 0).float()
    ours, theirs = SAGE(5, 3), SAGEConv(5, 3)
    theirs.lin_l.weight.data = ours.neighbors.weight.data
    theirs.lin_l.bias.data = ours.own.bias.data
    theirs.lin_r.weight.data = ours.own.weight.data
    expected = theirs(x, binary.nonzero().T.flip(0))
    assert torch.allclose(ours(x, binary), expected, atol=1e-6)


def test_gat_equals_pyg_on_binary_edges(graph):
    x, adj, _ = graph
    binary = (adj > 0).float()
    ours, theirs = GAT(5, 3, heads=2), GATConv(5, 3, heads=2, concat=False)
    theirs.lin.weight.data = ours.linear.weight.data
    theirs.att_src.data = ours.att_source.data[None]
    theirs.att_dst.data = ours.att_target.data[None]
    expected = theirs(x, binary.nonzero().T.flip(0))
    assert torch.allclose(ours(x, binary), expected, atol=1e-6)


def test_pyg_layers_by_name_get_the_weights(graph):
    x, adj, sparse = graph
    ours = make_conv("GraphConv", 5, 3)
    theirs = GraphConv(5, 3)
    theirs.load_state_dict(ours.layer.state_dict())
    expected = theirs(x, sparse.indices().flip(0), sparse.values())
    assert torch.allclose(ours(x, adj), expected, atol=1e-6)
    assert not torch.allclose(ours(x, (adj > 0).float()), expected, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_dense_and_sparse_agree_with_their_gradients(graph, name):
    x, adj, sparse = graph
    layer = make_conv(name, 5, 3)
    gradients = []
    for a in (adj, sparse):
        layer.zero_grad()
        out = layer(x, a)
        (out**2).sum().backward()
        gradients.append([p.grad.clone() for p in layer.parameters()])
    assert torch.allclose(layer(x, adj), layer(x, sparse), atol=1e-5)
    for dense, scattered in zip(*gradients, strict=True):
        assert torch.allclose(dense, scattered, atol=1e-4)
        assert dense.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_a_listener_changes_nobody(graph, name):
    """A node that only listens gets an answer and leaves every other answer as it was."""
    x, adj, _ = graph
    layer = make_conv(name, 5, 3)
    larger = torch.zeros(10, 10)
    larger[:9, :9] = adj
    larger[9, :3] = 0.7
    answer = layer(torch.cat([x, torch.ones(1, 5)]), larger)
    assert torch.allclose(answer[:9], layer(x, adj), atol=1e-6)
    larger[9, 3:6] = 0.2
    assert not torch.allclose(layer(torch.cat([x, torch.ones(1, 5)]), larger)[9], answer[9])


def test_unknown_names_say_what_is_allowed():
    with pytest.raises(ValueError, match="must be one of gcn, cheb, sage, gat"):
        make_conv("chebyshev", 5, 3)
    with pytest.raises(ValueError, match=r"takes \(in_channels, out_channels\).*got 'GINConv'"):
        make_conv("GINConv", 5, 3)
    with pytest.raises(ValueError, match="K must be at least 1"):
        Cheb(5, 3, K=0)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ChebConv", "missing 1 required positional argument: 'K'"),
        ("PointTransformerConv", "It says: "),
        ("EGConv", "must be divisible by the number of heads"),
        ("MixHopConv", r"Three nodes give \(3, 9\), not \(3, 3\)"),
        ("PANConv", "It says: "),
        ("MeshCNNConv", "It says: "),
    ],
)
def test_layers_that_plain_graphs_cannot_feed_are_refused(name, reason):
    with pytest.raises(ValueError, match=f"works on a plain weighted graph.*{name!r}.*{reason}"):
        make_conv(name, 5, 3)


def test_trying_a_layer_out_leaves_no_trace():
    torch.manual_seed(0)
    expected = GraphConv(5, 3).state_dict()
    after = torch.rand(1)
    torch.manual_seed(0)
    conv = make_conv("GraphConv", 5, 3)
    assert torch.equal(torch.rand(1), after)
    assert conv.training
    assert all(torch.equal(conv.layer.state_dict()[k], v) for k, v in expected.items())
