"""VMM-DGCN: filters of several sizes, a graph for each."""

import pytest
import torch
from torch.nn import functional

from brainograph.nn import BrainBatch
from brainograph.nn.population import VMMDGCN, Join


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    fc = torch.randn(5, 9, 9, generator=generator)
    phenotypes = torch.randn(5, 2, generator=generator)
    return BrainBatch(connectivity={"fc": fc}, phenotypes=phenotypes)


def test_a_graph_for_each_kernel(batch):
    net, join = (
        VMMDGCN(9, 2, kernel_sizes=(1, 3, 5, 7), n_phenotypes=2).eval(),
        Join(torch.ones(5, 5)),
    )
    codes = net.encode(batch)
    assert codes.shape == (5, 4, 8 * 16 + 2)
    assert torch.equal(codes[:, 2, -2:], batch.phenotypes)
    assert net.propagate(codes, join).shape == (5, 2)
    assert len(join.graphs) == 4


def test_a_filter_sees_bands_of_whole_rows(batch):
    net = VMMDGCN(9, 2, kernel_sizes=(3,), filters=2, n_bands=9).eval()
    batch.phenotypes = None
    convolve = net.filters[0]
    kernel = convolve.weight.mT[:, None]  # (2, 1, 3 rows, 9 columns)
    rows = functional.pad(batch.connectivity["fc"][:, None], (0, 0, 1, 1))
    found = torch.relu(functional.conv2d(rows, kernel, convolve.bias))[..., 0].flatten(1)
    expected = functional.layer_norm(found, found.shape[1:])
    assert torch.allclose(net.encode(batch)[:, 0], expected, atol=1e-5)


@pytest.mark.parametrize("fusion", ["concat", "attention"])
def test_a_participant_is_encoded_alone_and_gradients_reach_all_weights(batch, fusion):
    net = VMMDGCN(9, 2, fusion=fusion, num_layers=6, n_phenotypes=2).eval()
    alone = torch.cat([net.encode(batch[[i]]) for i in range(5)])
    assert torch.allclose(net.encode(batch), alone, atol=1e-5)
    net.propagate(net.encode(batch), Join(1 - torch.eye(5)))[:, 0].square().sum().backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match=r"fusion must be one of .*'sum'"):
        VMMDGCN(9, 2, fusion="sum")
    with pytest.raises(ValueError, match=r"odd numbers, got \(2, 3\)"):
        VMMDGCN(9, 2, kernel_sizes=(2, 3))
