import pytest
import torch
from torch.nn import functional

from brainograph.nn import BrainBatch, mstgc
from brainograph.nn.contrast import hsic
from brainograph.nn.mstgc import MSTGC
from brainograph.nn.sparsify import strongest_edges, without_diagonal


def make_batch(n=6, n_volumes=60, n_regions=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    series = torch.randn(n, n_volumes, n_regions, generator=generator)
    lengths = torch.tensor([n_volumes - 7 * (i % 3) for i in range(n)])
    for i, length in enumerate(lengths):
        series[i, length:] = 0
    matrix = torch.randn(n, n_regions, n_regions, generator=generator)
    return BrainBatch(
        series=series, lengths=lengths, connectivity={"morph": (matrix + matrix.mT) / 2}
    )


def make(**settings):
    torch.manual_seed(0)
    channels = settings.pop("channels", ("dynamic", "morph"))
    return MSTGC(5, 2, channels=channels, window=20, step=8, **settings)


def test_every_window_that_lies_inside_the_scan_is_read():
    attention, owner = make().eval().channel_attention(make_batch())
    # 1 + (T - 20) // 8 for scans of 60, 53 and 46 volumes
    assert torch.bincount(owner).tolist() == [6, 5, 4, 6, 5, 4]
    assert attention.shape == (30, 5, 3)
    torch.testing.assert_close(attention.sum(-1), torch.ones(30, 5))


def test_what_it_reads_is_said():
    assert make().reads == ("series", "connectivity/morph")
    assert MSTGC(5, 2, channels=("morph",), window=None).reads == ("connectivity/morph",)


def test_all_channels_share_the_common_convolution():
    net = make()
    names = [name for name, _ in net.named_parameters() if name.startswith("common")]
    assert len(names) == 4  # two layers of weight and bias, whatever the number of channels
    assert make(shared=False).common is None
    assert make(channels=("dynamic",)).common is None


def test_the_stacks_are_two_convolutions_each():
    net, matrices = make().eval(), make_batch().connectivity["morph"]
    x, adj = without_diagonal(matrices), strongest_edges(matrices, density=0.2)
    stacks = [net.specific[1], net.common]
    found = mstgc._convolve(stacks, x, mstgc._normalized(adj))
    for stack, z in zip(stacks, found, strict=True):
        torch.testing.assert_close(z, stack.second(stack.first(x, adj).relu(), adj))


def test_a_few_scans_at_a_time_are_the_whole_batch(monkeypatch):
    net, batch, y = make().eval(), make_batch(), torch.tensor([0, 1] * 3)
    before = {name: m.clone() for name, m in batch.connectivity.items()}
    whole = torch.autograd.grad(net.loss(batch, y), list(net.parameters()))
    _, owner = net.channel_attention(batch)
    monkeypatch.setattr(mstgc, "_NUMBERS_AT_ONCE", 300)  # two scans of six windows of 5 x 5
    assert net._scans_at_once(batch) == 2
    pieces = torch.autograd.grad(net.loss(batch, y), list(net.parameters()))
    torch.testing.assert_close(pieces, whole)
    assert torch.equal(net.channel_attention(batch)[1], owner)
    torch.testing.assert_close(batch.connectivity, before, rtol=0, atol=0)


def test_without_weights_the_loss_is_cross_entropy():
    net, batch, y = make(infomax=0, infomin=0).eval(), make_batch(), torch.tensor([0, 1] * 3)
    torch.testing.assert_close(net.loss(batch, y), functional.cross_entropy(net(batch), y))
    full = make().eval()
    assert full.loss(batch, y) > functional.cross_entropy(full(batch), y)


def test_numbers_and_shares_of_classes_have_a_loss():
    settings = {"channels": ("dynamic",), "window": 20, "infomax": 0, "infomin": 0}
    batch, age = make_batch(), torch.linspace(-1, 1, 6)
    one = MSTGC(5, 1, **settings).eval()
    torch.testing.assert_close(one.loss(batch, age), (one(batch)[:, 0] - age).square().mean())
    two, share = MSTGC(5, 2, **settings).eval(), torch.tensor([[0.3, 0.7]] * 6)
    expected = -(share * two(batch).log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(two.loss(batch, share), expected)


def test_it_says_how_many_volumes_it_needs():
    assert make().min_volumes == 20
    assert MSTGC(5, 2, window=None).min_volumes == 2


@pytest.mark.parametrize("estimator", ["hsic", "vclub"])
def test_one_subject_can_be_trained_on(estimator):
    net = make(infomin_estimator=estimator)
    value = net.loss(make_batch(1), torch.tensor([1]))
    value.backward()
    assert torch.isfinite(value)


def test_infomin_makes_the_channels_say_different_things():
    batch, y = make_batch(12), torch.tensor([0, 1] * 6)

    def dependence(weight):
        net = make(infomin=weight, infomax=0, dropout=0)
        optimizer = torch.optim.Adam(net.parameters(), 1e-2)
        for _ in range(30):
            optimizer.zero_grad()
            net.loss(batch, y).backward()
            optimizer.step()
        first, second, _ = net.encode(batch).views
        return hsic(first, second).item()

    assert dependence(5.0) < 0.5 * dependence(0.0)


@pytest.mark.parametrize(
    "settings",
    [
        {"temporal": "mean"},
        {"attention": False},
        {"shared": False},
        {"channels": ("dynamic",)},
        {"channels": ("dynamic", "lag:2", "morph")},
    ],
    ids=str,
)
def test_ablations_run(settings):
    assert make(**settings).eval()(make_batch()).shape == (6, 2)


def test_one_window_is_the_static_graph():
    net = MSTGC(5, 2, channels=("dynamic",), window=None, temporal="mean").eval()
    batch = make_batch(3)
    assert net.channel_attention(batch)[0].shape == (3, 5, 1)
    alone = torch.cat([net(batch[[i]].trim()) for i in range(3)])
    torch.testing.assert_close(net(batch), alone, atol=1e-5, rtol=0)


def test_the_order_of_windows_matters_to_the_lstm_only():
    batch = make_batch(2, n_volumes=68)  # 68 and 61 volumes
    swapped = batch.series.clone()
    swapped[0, :20], swapped[0, 48:68] = batch.series[0, 48:68], batch.series[0, :20]
    other = BrainBatch(series=swapped, lengths=batch.lengths)
    nets = {
        name: MSTGC(5, 2, channels=("dynamic",), window=20, step=48, temporal=name).eval()
        for name in ("lstm", "mean")
    }
    with torch.no_grad():
        change = {n: (net(batch)[0] - net(other)[0]).abs().max().item() for n, net in nets.items()}
    assert change["mean"] < 1e-6 < change["lstm"]


def test_scans_shorter_than_a_window_are_refused():
    with pytest.raises(ValueError, match=r"46 volumes is shorter than a window of 50.*cohort\["):
        MSTGC(5, 2, window=50)(make_batch())
    with pytest.raises(ValueError, match="temporal must be one of"):
        make(temporal="gru")
