"""MMGNN: branches, their graphs, and decisions fused by hand."""

import pytest
import torch

from brainograph.nn import BrainBatch
from brainograph.nn.population import MMGNN, Join

TWO = ("connectivity/morph", "measures/thickness")


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return BrainBatch(
        connectivity={"morph": torch.randn(6, 5, 5, generator=generator)},
        measures={"thickness": torch.randn(6, 5, generator=generator)},
        phenotypes=torch.randn(6, 2, generator=generator),
        present={"connectivity/morph": torch.tensor([True, True, True, True, False, True])},
    )


def network(**params):
    torch.manual_seed(0)
    return MMGNN(5, 2, modalities=TWO, channels=4, hidden_channels=4, **params).eval()


def fused(net, said, say):
    """Fuse decisions that are given."""
    net.decisions = lambda h, join: (torch.tensor(said).log(), torch.tensor(say))
    return net.propagate(torch.zeros(0), None).exp()


SAID = [[[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]], [[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]]]
SAY = [[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]  # the second participant lacks the first modality


@pytest.mark.parametrize(
    ("fusion", "both", "one"),
    [
        ("weighted", 0.5 * 0.9 + 0.25 * 0.6 + 0.25 * 0.3, 0.5 * 0.6 + 0.5 * 0.3),
        ("max", 0.9 / 1.6, 0.6 / 1.3),
        ("product", 0.162 / (0.162 + 0.028), 0.18 / (0.18 + 0.28)),
    ],
)
def test_decisions_are_fused_by_hand(fusion, both, one):
    net = network(fusion=fusion)
    net.weights.data.copy_(torch.tensor([0.5, 0.25, 0.25]).log())
    p = fused(net, SAID, SAY)
    assert torch.allclose(p, torch.tensor([[both, 1 - both], [one, 1 - one]]), atol=1e-6)


def test_a_graph_for_each_modality_and_one_of_all(batch):
    net, join = network(n_phenotypes=2), Join(1 - torch.eye(6))
    said, say = net.decisions(net.encode(batch), join)
    assert net.reads == (*TWO, "phenotypes")
    assert said.shape == (6, 3, 2)
    assert len(join.graphs) == 2
    assert say[:, 0].tolist() == [1, 1, 1, 1, 0, 1]
    assert join.graphs[0][4].sum() == join.graphs[0][:, 4].sum() == 0
    assert join.graphs[1][4].sum() > 0


@pytest.mark.parametrize("combination", ["mean", "hadamard", "max"])
def test_what_is_in_the_place_of_a_missing_modality_does_not_matter(batch, combination):
    net = network(combination=combination)
    codes = net.encode(batch)
    batch.connectivity["morph"][4] = 100.0
    assert torch.equal(net.encode(batch), codes)
    p = net.propagate(codes, Join(1 - torch.eye(6))).exp()
    assert torch.allclose(p.sum(1), torch.ones(6), atol=1e-6)


def test_only_those_who_have_a_modality_are_learnt_from(batch):
    net = network()
    net.observe(batch)
    assert [scale.n.item() for scale in net.scales] == [5, 6]


def test_gradients_reach_all_weights(batch):
    net = network(n_phenotypes=2)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    net.propagate(net.encode(batch), Join(1 - torch.eye(6)))[:, 0].sum().backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match=r"fusion must be one of .*'vote'"):
        network(fusion="vote")
    with pytest.raises(ValueError, match=r"combination must be one of .*'sum'"):
        network(combination="sum")
    with pytest.raises(ValueError, match="connectivity/NAME or measures/NAME, got 'fc'"):
        MMGNN(5, 2, modalities=("fc",))


def test_a_modality_of_another_parcellation(batch):
    names = ("connectivity/aparc/morph", "measures/aparc/area", "measures/thickness")
    net = MMGNN(5, 2, modalities=names, regions={"aparc": 3}, channels=4)
    assert [len(scale.mean) for scale in net.scales] == [3, 3, 5]
    batch.connectivity["aparc/morph"] = torch.arange(54.0).view(6, 3, 3)
    batch.measures["aparc/area"] = torch.rand(6, 3)
    assert net.encode(batch).shape == (6, 3, 5)
    assert net._features(batch, names[0])[0].tolist() == [1, 2, 5]
    with pytest.raises(ValueError, match=r"Write for example regions=\{'aparc': 68\}"):
        MMGNN(5, 2, modalities=names)


def test_a_step_of_adam_hardly_moves_a_vector_further_where_there_are_many_edges():
    moved = {}
    for n_regions in (5, 60):
        torch.manual_seed(0)
        net = MMGNN(n_regions, 2, modalities=("connectivity/fc",), dropout=0.0)
        batch = BrainBatch(connectivity={"fc": torch.randn(200, n_regions, n_regions)})
        net.observe(batch)
        before = net.encode(batch).detach()
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
        net.propagate(net.encode(batch), Join(1 - torch.eye(200)))[:100, 0].sum().backward()
        optimizer.step()
        moved[n_regions] = (net.encode(batch) - before).square().mean().sqrt().item()
    assert moved[60] / moved[5] < 3  # 177 times as many edges; 26 where they are not divided
