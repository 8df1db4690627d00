"""What every population network owes its users, over everything ``brainograph.nn`` exports.

Subject-level networks have ``test_subject_contract.py``.
"""

import inspect

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

import brainograph.nn as networks


def population(n=8, channels=6, seed=0):
    """A graph of participants whose label is the sign of their first feature."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, channels, generator=generator)
    x[:, 0] += torch.where(torch.arange(n) % 2 == 0, 2.0, -2.0)
    adj = torch.rand(n, n, generator=generator).triu(1)
    adj = adj * (adj > 0.6)
    return Data(x=x, adj=adj + adj.T, y=(torch.arange(n) % 2 == 0).long())


TABLE = {
    "PopulationGCN": [
        (lambda conv=conv, skip=skip: networks.PopulationGCN(6, 2, conv=conv, linear_skip=skip))
        for conv in ("gcn", "cheb", "sage", "gat", "GraphConv")
        for skip in (True, False)
    ]
    + [lambda: networks.PopulationGCN(6, 2, num_layers=0, skip_smoothing=0.5)],
}
CASES = [
    pytest.param(make, id=f"{name}-{i}") for name in TABLE for i, make in enumerate(TABLE[name])
]


@pytest.fixture(params=CASES)
def make(request):
    torch.manual_seed(0)
    return request.param


def test_the_table_is_complete():
    everything = {name: getattr(networks, name) for name in networks.__all__}
    modules = {
        k: v for k, v in everything.items() if isinstance(v, type) and issubclass(v, nn.Module)
    }
    subject_level = {
        k for k, v in modules.items() if "n_regions" in inspect.signature(v).parameters
    }
    assert set(modules) - subject_level == set(TABLE)


def test_output_shape(make):
    assert make()(population()).shape == (8, 2)


def test_a_gradient_reaches_every_parameter(make):
    network, batch = make().eval(), population()
    for parameter in network.parameters():  # zero weights would hide the path behind them
        nn.init.normal_(parameter, std=0.5)
    (network(batch) ** 2).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_answers_are_the_same_alone_and_beside_another_population(make):
    """Two populations without an edge between them do not hear each other."""
    network, one, two = make().eval(), population(8), population(5, seed=1)
    both = Data(x=torch.cat([one.x, two.x]), adj=torch.block_diag(one.adj, two.adj))
    together = network(both)
    assert torch.allclose(together[:8], network(one), atol=1e-6)
    assert torch.allclose(together[8:], network(two), atol=1e-6)


def test_the_order_of_participants_does_not_matter(make):
    network, batch = make().eval(), population()
    order = torch.randperm(8)
    shuffled = Data(x=batch.x[order], adj=batch.adj[order][:, order])
    assert torch.allclose(network(shuffled), network(batch)[order], atol=1e-6)


def test_the_same_seed_gives_the_same_weights_and_dropout(make):
    outputs = []
    for _ in range(2):
        torch.manual_seed(3)
        outputs.append(make().train()(population()))
    assert torch.equal(*outputs)


def test_dropout_is_on_in_training_and_off_in_evaluation(make):
    network, batch = make(), population()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5)
    network.train()
    if network.convs:
        assert not torch.equal(network(batch), network(batch))
    network.eval()
    assert torch.equal(network(batch), network(batch))


def test_eight_participants_can_be_overfitted(make):
    network, batch = make(), population()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(batch), batch.y)
        loss.backward()
        optimizer.step()
    assert (network.eval()(batch).argmax(1) == batch.y).all()


def test_state_dict_round_trip(make):
    network, batch = make().eval(), population()
    other = make().eval()
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(batch), network(batch))


def test_cpu_and_gpu_agree(make):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    network, batch = make().eval(), population()
    expected = network(batch)
    actual = network.cuda()(batch.to("cuda")).cpu()
    assert torch.allclose(actual, expected, atol=1e-4)
