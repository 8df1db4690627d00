import pytest
import torch
from torch import nn

from brainograph.nn import MSTGC, STAGIN, BrainBatch, BrainGCN, BrainNetCNN
from brainograph.nn.embedding import Embedder, embedding, last_linear, tapped

BATCH = BrainBatch(
    series=torch.randn(3, 60, 8),
    lengths=torch.tensor([60, 60, 60]),
    connectivity={"fc": torch.rand(3, 8, 8)},
)


@pytest.mark.parametrize("kind", [BrainGCN, BrainNetCNN])
def test_the_last_layer_is_taken_off(kind):
    network = kind(8, 2).eval()
    expected = embedding(network, BATCH)
    n_weights = sum(p.numel() for p in network.parameters())
    layer = last_linear(network)[1]
    bare = Embedder(network)
    assert torch.equal(bare(BATCH), expected)
    assert bare(BATCH).shape == (3, bare.out_channels)
    gone = sum(p.numel() for p in layer.parameters())
    assert sum(p.numel() for p in bare.parameters()) == n_weights - gone


@pytest.mark.parametrize("network", [MSTGC(8, 2), STAGIN(8, 2, window=30)])
def test_a_network_with_a_loss_of_its_own_keeps_it(network):
    network.eval()
    y = torch.tensor([0, 1, 1])
    expected = network.loss(BATCH, y), embedding(network, BATCH)
    bare = Embedder(network)
    features, loss = bare.loss(BATCH, y)
    assert bare.has_loss
    assert torch.equal(loss, expected[0])
    assert torch.equal(features, expected[1])
    assert not network.get_submodule(last_linear(network)[0])._forward_pre_hooks


def test_without_a_linear_layer_there_is_no_embedding():
    with pytest.raises(ValueError, match="ReLU has no linear layer"):
        Embedder(nn.ReLU())


def test_taps_say_what_parts_said():
    network = BrainGCN(8, 2).eval()
    with tapped(network, ["norms.0", "norms.1"]) as said:
        network(BATCH)
    assert said["norms.0"].shape == (3, 8, 64)
    assert not network.norms[0]._forward_hooks
    with (
        pytest.raises(ValueError, match=r"BrainGCN has no part \['blocks.0'\]; it has \['convs'"),
        tapped(network, ["blocks.0"]),
    ):
        pass
