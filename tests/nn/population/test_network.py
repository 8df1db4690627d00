"""What all population networks share."""

import numpy as np
import pytest
import torch

from brainograph.nn import BrainBatch
from brainograph.nn.population import PopulationNetwork
from brainograph.nn.population.choice import network_class
from brainograph.nn.population.network import Standardize


def test_standardize_learns_the_moments_of_all_batches(rng):
    values = rng.normal(3, 2, (10, 4)).astype(np.float32)
    values[:, 2] = 5
    scale = Standardize(4)
    for part in (values[:3], values[3:3], values[3:]):
        scale.update(torch.from_numpy(part))
    expected = (values - values.mean(0)) / np.where(values.std(0) > 0, values.std(0), 1)
    assert np.allclose(scale(torch.from_numpy(values)), expected, atol=1e-5)
    assert scale(torch.full((1, 4), 9.0))[0, 2] == 0  # it did not vary


def test_standardize_changes_nothing_before_it_has_seen_anybody():
    assert torch.equal(Standardize(2)(torch.ones(3, 2)), torch.ones(3, 2))


def test_a_network_must_encode_and_propagate():
    network = PopulationNetwork()
    with pytest.raises(NotImplementedError):
        network.encode(BrainBatch())
    with pytest.raises(NotImplementedError):
        network.propagate(torch.zeros(2, 2), lambda x: x)
    assert network.penalty() == 0


def test_networks_are_chosen_by_name():
    assert network_class(PopulationNetwork) is PopulationNetwork
    names = "'EHGCN', 'EVGCN', 'MMGNN', 'VMMDGCN'"
    with pytest.raises(ValueError, match=rf"one of \[{names}\], got 'GCN'"):
        network_class("GCN")
