import pytest
import torch

from brainograph.nn import IGLCN, BrainBatch

R = 6


def people(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    fc = 0.3 * torch.randn(n, R, R, generator=generator)
    fc[:, 0, 1] += 2.0 * y - 1
    return BrainBatch(connectivity={"fc": fc.triu(1) + fc.triu(1).mT}), y


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = IGLCN(R, 2, n_neighbors=3, n_support=20)
    made.train()(people(30)[0])
    return made.eval()


def test_rows_of_the_graph_sum_to_one_over_the_nearest(network):
    graph = network.neighbors(people(7, seed=1)[0])
    assert graph.shape == (7, 20)
    assert torch.allclose(graph.sum(1), torch.ones(7))
    assert ((graph > 0).sum(1) == 3).all()


def test_nobody_listens_to_themselves_in_training(network):
    latent, _ = network._embed(network._vectors(people(9)[0]))
    graph, _ = network._graph(latent, latent, alone=True)
    assert not graph.diagonal().any()
    alone, _ = network._graph(latent[:1], latent[:1], alone=True)
    assert not alone.any()


def test_an_answer_depends_on_no_other_query(network):
    one, others = people(1, seed=5)[0], people(40, seed=6)[0]
    both = BrainBatch(
        connectivity={"fc": torch.cat([one.connectivity["fc"], others.connectivity["fc"]])}
    )
    before = network.support.clone()
    assert torch.allclose(network(both)[:1], network(one), atol=1e-6)
    assert torch.equal(network.support, before)


def test_the_last_participants_of_training_are_remembered(network):
    network.train()
    network(people(5, seed=2)[0])
    assert int(network.n_seen) == 20
    assert torch.equal(network.support[:5], network._vectors(people(5, seed=2)[0]))
    assert torch.equal(network.support[5:], network._vectors(people(30)[0])[:15])


def test_the_edge_that_tells_the_classes_apart_gets_the_highest_gate():
    torch.manual_seed(0)
    network = IGLCN(R, 2, n_neighbors=5, n_support=40, gate_weight=0.01)
    batch, y = people(40)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        network.loss(batch, y).backward()
        optimizer.step()
    assert network.gates().argmax() == 0  # the pair (0, 1)
    held_out, truth = people(60, seed=3)
    assert (network.eval()(held_out).argmax(1) == truth).float().mean() > 0.9


def test_the_sign_of_the_concentration_term_is_a_choice():
    losses = {}
    for weight in (-1.0, 0.0, 1.0):
        torch.manual_seed(0)
        network = IGLCN(R, 2, concentration=weight, dropout=0.0)
        batch, y = people(8)
        losses[weight] = network.loss(batch, y).item()
    assert losses[1.0] < losses[0.0] < losses[-1.0]


def test_other_features_are_refused():
    with pytest.raises(ValueError, match=r"list of connectivity/NAME and measures/NAME, got \['s"):
        IGLCN(R, 2, features=["series"])
