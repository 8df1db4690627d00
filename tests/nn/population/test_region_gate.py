"""The gate over regions."""

import pytest
import torch

from brainograph.nn import BrainBatch
from brainograph.nn.population import RegionGate


def gated(scores, **options):
    gate = RegionGate(len(scores), **options)
    gate.scores.data.copy_(torch.tensor(scores))
    return gate


def test_regions_are_weighed_in_all_that_is_regional():
    gate = gated([0.0, 100.0])
    batch = BrainBatch(
        series=torch.ones(1, 3, 2),
        lengths=torch.tensor([3]),
        connectivity={"fc": torch.ones(1, 2, 2)},
        measures={"thickness": torch.ones(1, 2)},
        phenotypes=torch.ones(1, 2),
    )
    out = gate(batch)
    assert out.series[0, 0].tolist() == out.measures["thickness"][0].tolist() == [0.5, 1.0]
    assert out.connectivity["fc"][0].tolist() == [[0.25, 0.5], [0.5, 1.0]]
    assert torch.equal(out.phenotypes, batch.phenotypes)
    assert batch.measures["thickness"].tolist() == [[1.0, 1.0]]


def test_the_best_regions_count_in_full_and_the_others_can_come_back():
    gate = gated([1.0, 3.0, 2.0, 0.0], n_selected=2)
    assert gate.weights().tolist() == [0.0, 1.0, 1.0, 0.0]
    gate.weights().sum().backward()
    assert (gate.scores.grad > 0).all()


def test_other_parcellations_pass():
    gate = RegionGate(3, n_selected=1)
    batch = BrainBatch(measures={"thickness": torch.ones(1, 3), "aparc/area": torch.ones(1, 5)})
    gated = gate(batch).measures
    assert (gated["thickness"].sum(), gated["aparc/area"].sum()) == (1, 5)


def test_it_cannot_select_more_than_there_are():
    with pytest.raises(ValueError, match=r"n_selected must be in 1\.\.3 regions, got 4"):
        RegionGate(3, n_selected=4)
