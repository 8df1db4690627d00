import itertools

import pytest
import torch

from brainograph.nn import BrainBatch, BrainGCN
from brainograph.nn.sparsify import strongest_edges

R = 8


def batch(n=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    series = torch.randn(n, 20, R, generator=generator)
    fc = torch.stack([torch.corrcoef(one.T) for one in series])
    sc = torch.rand(n, R, R, generator=generator)
    thickness = 2.5 + torch.rand(n, R, generator=generator)
    return BrainBatch(connectivity={"fc": fc, "sc": sc + sc.mT}, measures={"thickness": thickness})


def test_every_combination_of_conv_pooling_and_readout_runs():
    convs = ("gcn", "gat", "gin", "graphconv", "sage", "cheb", "transformer")
    for conv, pooling, readout, jumping in itertools.product(
        convs, ("none", "topk", "sag", "diff"), ("mean", "mean+max"), ("none", "cat", "max")
    ):
        network = BrainGCN(
            R, 3, conv=conv, pooling=pooling, readout=readout, jumping=jumping, hidden_channels=4
        )
        assert network(batch()).shape == (4, 3)


def test_node_features_stand_side_by_side():
    network = BrainGCN(
        R, 2, node_features=["profile", "profile/sc", "degree", "strength", "measures/thickness"]
    )
    given = batch()
    assert network.reads == ("connectivity/fc", "connectivity/sc", "measures/thickness")
    x, adj = network._graph(given)
    assert x.shape == (4, R, 2 * R + 3)
    assert torch.equal(x[:, :, :R], given.connectivity["fc"] * (1 - torch.eye(R)))
    assert torch.equal(x[:, :, 2 * R], (adj > 0).sum(-1) / R)
    assert torch.equal(x[:, :, 2 * R + 1], adj.sum(-1) / R)
    thickness = given.measures["thickness"]
    z = (thickness - thickness.mean(1, keepdim=True)) / thickness.std(1, correction=0, keepdim=True)
    assert torch.allclose(x[:, :, -1], z, atol=1e-3)


def test_several_kinds_of_edges_are_multiplied():
    network = BrainGCN(R, 2, edges=("fc", "sc"), density=0.4, binary=True)
    given = batch()
    product = given.connectivity["fc"] * given.connectivity["sc"]
    assert network.reads == ("connectivity/fc", "connectivity/sc")
    assert torch.equal(network._graph(given)[1], strongest_edges(product, density=0.4).sign())


def test_regions_that_are_pooled_away_score_zero():
    torch.manual_seed(0)
    network = BrainGCN(R, 2, pooling="topk", ratio=0.5, readout="mean", num_layers=2).eval()
    scores = network.region_scores(batch())
    assert scores.shape == (4, R)
    assert ((scores != 0).sum(1) == 2).all()  # 8 -> 4 -> 2
    with pytest.raises(ValueError, match=r"region_scores needs pooling\. Write pooling="):
        BrainGCN(R, 2).region_scores(batch())


@pytest.mark.parametrize("options", [{}, {"conv": "sage", "sign": "signed", "residual": True}])
def test_it_learns_which_two_regions_are_coupled(options):
    """Classes differ in one edge; held-out participants are told apart."""
    torch.manual_seed(0)
    y = torch.arange(120) % 2
    series = torch.randn(120, 40, R)
    series[:, :, 1] += (2.0 * y - 1)[:, None] * series[:, :, 0]
    fc = torch.stack([torch.corrcoef(one.T) for one in series])
    network = BrainGCN(R, 2, **options)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        logits = network(BrainBatch(connectivity={"fc": fc[:80]}))
        torch.nn.functional.cross_entropy(logits, y[:80]).backward()
        optimizer.step()
    held_out = network.eval()(BrainBatch(connectivity={"fc": fc[80:]}))
    assert (held_out.argmax(1) == y[80:]).float().mean() > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"conv": "gcn", "sign": "signed"}, "conv='gcn' cannot take negative weights. Write sign="),
        ({"conv": "GCN"}, r"conv must be one of \('gcn'"),
        ({"density": 10}, "For 10 % of the edges write density=0.10"),
        ({"pooling": "topk"}, "readout='concat' keeps the regions apart and pooling='topk' does"),
        ({"pooling": "asap"}, r"pooling must be one of \('none', 'topk', 'sag', 'diff'\)"),
        ({"readout": "median"}, "readout must be one of .* got 'median'"),
        ({"jumping": "lstm"}, "jumping must be one of .* got 'lstm'"),
        ({"num_layers": 0}, "num_layers must be at least 1, got 0"),
        ({"node_features": "profile"}, "node_features must be a list of profile, .* got 'profile'"),
        ({"node_features": ["alff"]}, r"measures/NAME and profile/NAME, got \['alff'\]"),
        ({"pooling": "topk", "readout": "mean", "ratio": 0}, r"ratio must be in \(0, 1\], got 0"),
    ],
)
def test_other_choices_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        BrainGCN(R, 2, **options)
