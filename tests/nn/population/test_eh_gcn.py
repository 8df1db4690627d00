"""EH-GCN: modalities that come and go, regions that are chosen, listening by hand."""

import dataclasses

import pytest
import torch
from torch import nn

from brainograph.nn import BrainBatch
from brainograph.nn.branch import graph_branch, image_branch
from brainograph.nn.population import EHGCN, Join

SMALL = {"BrainGCN": {"hidden_channels": 8, "concat_channels": 2, "head_channels": 6}}
T1 = {"T1w": {"encoder": "SFCN", "channels": (4, 4), "out_channels": 4}}


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    fc = torch.randn(6, 7, 7, generator=generator)
    return BrainBatch(
        connectivity={"fc": (fc + fc.mT) / 2},
        images={"T1w": torch.randn(6, 1, 16, 16, 16, generator=generator)},
        phenotypes=torch.randn(6, 3, generator=generator),
    )


def network(**params):
    torch.manual_seed(0)
    return EHGCN(7, 2, graphs=SMALL, **{"channels": 5, "hidden_channels": 6, **params}).eval()


def test_four_participants_by_hand():
    """They keep what they are, and add the mean of whom they hear; nobody hears the fourth."""
    net = EHGCN(7, 2, graphs=SMALL, hidden_channels=2).eval()
    conv = net.population.convs[0]
    for weight in (conv.own.weight, conv.neighbors.weight, net.population.head.weight):
        nn.init.eye_(weight)
    nn.init.zeros_(conv.own.bias)
    h = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.5, 0.5]])
    gamma = torch.tensor([[0.0, 1, 3, 0], [1, 0, 0, 0], [3, 0, 0, 0], [1, 1, 0, 0]])
    logits = net.propagate(h, Join(gamma, similarity=False))
    expected = [[1 + 1.5, 0.25], [1.0, 1.0], [3.0, 0.0], [0.5 + 0.5, 0.5 + 0.5]]
    assert torch.allclose(logits, torch.tensor(expected), atol=1e-6)


def test_reads_and_shapes(batch):
    net = network(images=T1, n_phenotypes=3)
    assert net.modalities == ("BrainGCN", "T1w", "phenotypes")
    assert net.reads == ("connectivity/fc", "images/T1w", "phenotypes")
    assert net.encode(batch).shape == (6, 6)
    assert net.propagate(net.encode(batch), Join(1 - torch.eye(6))).shape == (6, 2)


def test_a_participant_is_encoded_alone(batch):
    net = network(images=T1, n_phenotypes=3)
    alone = torch.cat([net.encode(batch[[i]]) for i in range(6)])
    assert torch.allclose(net.encode(batch), alone, atol=1e-5)


def test_masking_a_modality_is_not_having_it(batch):
    net = network(images=T1)
    here = torch.tensor([True, False, True, True, False, True])
    some = dataclasses.replace(batch, present={"images/T1w": here})
    without = network(images=T1)
    nn.init.zeros_(without.projections["T1w"].weight)
    codes = net.encode(some)
    assert torch.allclose(codes[~here], without.encode(batch)[~here], atol=1e-6)
    assert torch.allclose(codes[here], net.encode(batch)[here], atol=1e-6)


def test_a_new_modality_changes_no_answer_and_no_weight(batch):
    net = network()
    before, weights = net.encode(batch), {k: w.clone() for k, w in net.state_dict().items()}
    net.add_modality("T1w", image_branch("T1w", T1["T1w"], 5))
    net.add_modality("again", graph_branch("again", {"network": "BrainGCN"}, 7, 2, 5))
    assert net.reads == ("connectivity/fc", "images/T1w")
    assert torch.equal(net.eval().encode(batch), before)
    assert all(torch.equal(net.state_dict()[k], w) for k, w in weights.items())
    net.encode(batch)[:, 0].sum().backward()
    assert net.projections["T1w"].weight.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="has 'T1w' already"):
        net.add_modality("T1w", image_branch("T1w", "SFCN", 5))


def test_modalities_are_dropped_in_training_only(batch):
    net = network(images=T1, modality_dropout=0.5, dropout=0.0)
    assert torch.equal(net.encode(batch), net.encode(batch))
    torch.manual_seed(1)
    for module in net.modules():
        module.training = module is net
    assert not torch.equal(net.encode(batch), net.encode(batch))


def test_regions_are_selected(batch):
    net = network(selection="topk", n_selected=2)
    net.gate.scores.data.copy_(torch.tensor([3.0, 2.0, 0, 0, 0, 0, 0]))
    other = batch.connectivity["fc"].clone()
    other[:, 2:, 2:] += 1  # edges among regions that are not read
    changed = dataclasses.replace(batch, connectivity={"fc": other})
    assert torch.equal(net.encode(changed), net.encode(batch))
    assert net.region_scores()[:2].min() > net.region_scores()[2:].max()
    assert net.penalty() == 0


def test_a_penalty_closes_the_gate():
    net = network(selection="l1", selection_weight=2.0)
    net.gate.scores.data.zero_()
    assert net.penalty().item() == pytest.approx(1.0)
    net.penalty().backward()
    assert (net.gate.scores.grad > 0).all()


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="nothing to encode"):
        EHGCN(7, 2, graphs=())
    with pytest.raises(ValueError, match=r"selection must be one of .*'best'"):
        network(selection="best")
    with pytest.raises(ValueError, match="write both"):
        network(selection="topk")
    with pytest.raises(ValueError, match=r'region_scores needs a gate. Write selection="l1"'):
        network().region_scores()
