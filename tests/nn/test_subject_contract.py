"""What every subject-level network owes its users, over everything ``brainograph.nn`` exports.

A new network gets a row in ``TABLE``: its name and the hyper-parameters of each case.
"""

import inspect

import pytest
import torch
from torch import nn

import brainograph.nn as networks
from brainograph.nn import BrainBatch

R, T = 10, 70
SMALL_GCN = {"BrainGCN": {"hidden_channels": 8, "concat_channels": 2}}
SMALL_SFCN = {"encoder": "SFCN", "channels": (4, 8), "out_channels": 8}
TABLE = {
    "BrainGCN": [
        *({"conv": conv} for conv in ("gcn", "gat", "gin", "graphconv", "sage", "cheb")),
        {"conv": "transformer", "residual": True, "jumping": "cat", "readout": "sum"},
        {"conv": "graphconv", "pooling": "topk", "readout": "mean+max", "jumping": "sum"}
        | {"sign": "signed", "node_features": ("profile", "measures/thickness", "profile/sc")},
        {"pooling": "sag", "readout": "mean", "jumping": "max", "sign": "absolute"},
        {"pooling": "diff", "readout": "max", "edges": ("fc", "sc")}
        | {"density": None, "threshold": 0.05},
        {"node_features": ("identity", "strength"), "binary": True, "num_layers": 3},
    ],
    "BrainNetCNN": [{}],
    "BrainNetworkTransformer": [{}, {"num_layers": 1, "n_clusters": 3}],
    "CNN1d": [{}, {"num_layers": 3, "kernel_size": 3}],
    "GraphImagingNet": [
        {},
        {"graphs": {"MSTGC": {"window": 30}, "sc": {"network": "BrainGCN", "edges": "sc"}}},
        *(
            {"graphs": SMALL_GCN, "images": {"t1": SMALL_SFCN}, "channels": 16, **params}
            for params in (
                {"fusion": "concat", "similarity_weight": 0.1, "contrastive_weight": 0.1},
                {"fusion": "add", "late": "weighted", "auxiliary_weight": 0.3},
                {"fusion": "tensor", "fusion_params": {"rank": 4}, "discriminative_weight": 0.1},
                {"fusion": "cross_attention", "auxiliary_weight": 0.3, "adaptive_temperature": 0.5},
                {"fusion": "hierarchical", "stages": {"BrainGCN": ["norms.0"], "t1": ["blocks.0"]}},
                {"fusion": None, "late": "mean", "modality_dropout": 0.2},
            )
        ),
    ],
    "HGPSL": [
        {},
        {"edges": ("fc", "sc"), "fusion": "attention"},
        {"edges": ("fc", "morph"), "structure_learning": False},
    ],
    "IGLCN": [{"n_neighbors": 3}, {"features": ("connectivity/fc", "measures/thickness")}],
    "ImageAutoencoder": [
        {"modalities": ("t1",), "encoder_params": {"channels": (8, 16), "out_channels": 16}}
        | {"decoder_channels": (8, 4)},
    ],
    "ImagingNet": [
        {"modalities": ("t1",), "encoder_params": {"channels": (8, 16), "out_channels": 16}},
    ],
    "LSTM": [{}, {"num_layers": 2}],
    "MeanMLP": [{}, {"num_layers": 3, "hidden_channels": 16}],
    "MSTGC": [
        {},
        {"channels": ("dynamic", "morph"), "window": 20, "step": 5},
        {"channels": ("fc", "band:0.01-0.08"), "temporal": "mean", "infomin_estimator": "vclub"},
        {"channels": ("dynamic",), "window": None, "temporal": "mean", "attention": False},
    ],
    "STAGIN": [
        {"window": 30, "step": 8, "hidden_channels": 16, "readout": kind}
        for kind in ("sero", "garo", "mean")
    ],
}
CASES = [
    pytest.param((name, params), id=f"{name}-{i}")
    for name in TABLE
    for i, params in enumerate(TABLE[name])
]


def people(n=8, seed=0):
    """Participants with everything; in those of class 1 the first three regions go together."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    series = torch.randn(n, T, R, generator=generator)
    shared = torch.randn(n, T, 1, generator=generator)
    series[..., :3] += 2 * shared * y[:, None, None]
    lengths = torch.randint(45, T + 1, (n,), generator=generator)
    lengths[0] = T
    for i, length in enumerate(lengths):
        real = series[i, :length]
        series[i, :length] = (real - real.mean(0)) / real.std(0)
        series[i, length:] = 0
    matrices = torch.stack([series[i, :length].T.corrcoef() for i, length in enumerate(lengths)])
    noise = torch.randn(n, R, R, generator=generator) / 10
    similar = (matrices + noise + noise.mT).clamp(-1, 1)
    batch = BrainBatch(
        series=series,
        lengths=lengths,
        connectivity={
            "fc": matrices,
            "morph": similar,
            "partial": similar / 2,
            "sc": similar.abs(),
        },
        measures={
            name: torch.randn(n, R, generator=generator) + y[:, None]
            for name in ("thickness", "volume")
        },
        phenotypes=torch.randn(n, 3, generator=generator),
        images={"t1": torch.randn(n, 1, 16, 16, 16, generator=generator)},
        t_r=torch.full((n,), 2.0),
    )
    return batch, y


def make(case, n_classes=2):
    """Return a network and a batch that has what it reads and nothing else."""
    name, params = case
    kind = getattr(networks, name)
    takes = inspect.signature(kind).parameters
    more = {"n_phenotypes": 3} if "n_phenotypes" in takes and "n_phenotypes" not in params else {}
    return kind(R, n_classes, **params, **more)


def given(network, batch):
    """Return the parts of a batch that a network asked for."""
    picked = BrainBatch(t_r=batch.t_r)
    for name in network.reads:
        kind, _, key = name.partition("/")
        if kind == "series":
            picked.series, picked.lengths = batch.series, batch.lengths
        elif key:
            getattr(picked, kind)[key] = getattr(batch, kind)[key]
        else:
            picked.phenotypes = batch.phenotypes
    return picked


def objective(network, batch, y):
    if hasattr(network, "loss"):
        return network.loss(batch, y)
    return nn.functional.cross_entropy(network(batch), y)


@pytest.fixture(params=CASES)
def case(request):
    torch.manual_seed(0)
    return request.param


@pytest.fixture
def network(case):
    return make(case)


@pytest.fixture
def batch(network):
    return given(network, people()[0])


Y = people()[1]


def test_the_table_is_complete():
    everything = {name: getattr(networks, name) for name in networks.__all__}
    modules = {
        k: v for k, v in everything.items() if isinstance(v, type) and issubclass(v, nn.Module)
    }
    assert {k for k, v in modules.items() if "n_regions" in inspect.signature(v).parameters} == set(
        TABLE
    )


def test_it_says_what_it_reads(network):
    assert network.reads
    assert isinstance(network.reads, tuple)
    for name in network.reads:
        kind, _, key = name.partition("/")
        assert kind in ("series", "phenotypes") or (
            kind in ("connectivity", "measures", "images") and key
        )


@pytest.mark.parametrize("n_classes", [1, 2, 3])
def test_output_shape(case, n_classes):
    network = make(case, n_classes).eval()
    logits = network(given(network, people(5)[0]))
    assert logits.shape == (5, n_classes)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


def test_hyper_parameters_are_keywords_with_defaults(case):
    """Configs name them; the first two are the regions and the classes."""
    takes = inspect.signature(getattr(networks, case[0])).parameters
    assert list(takes)[:2] == ["n_regions", "n_classes"]
    for parameter in list(takes.values())[2:]:
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty


def test_a_gradient_reaches_every_parameter(network, batch):
    network.train()
    for parameter in network.parameters():  # zero weights would hide the path behind them
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    total = 0.0
    for _ in range(3):  # dropout may cut a path once
        total = total + objective(network, batch, Y) + network(batch).square().mean()
    total.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_logits_are_the_same_alone_and_in_a_batch(network, batch):
    network.eval()
    with torch.no_grad():
        together = network(batch)
        alone = torch.cat([network(batch[[i]].trim()) for i in range(8)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_padding_changes_nothing(network, batch):
    if "series" not in network.reads:
        pytest.skip("reads no series")
    network.eval()
    longer = batch[:]
    longer.series = nn.functional.pad(batch.series, (0, 0, 0, 17))
    with torch.no_grad():
        assert torch.allclose(network(longer), network(batch), atol=1e-5)


def test_the_order_of_participants_does_not_matter(network, batch):
    network.eval()
    order = torch.randperm(8)
    with torch.no_grad():
        assert torch.allclose(network(batch[order]), network(batch)[order], atol=1e-5)


def test_the_same_seed_gives_the_same_weights_and_dropout(case):
    outputs = []
    for _ in range(2):
        torch.manual_seed(3)
        network = make(case).train()
        outputs.append(network(given(network, people()[0])))
    assert torch.equal(*outputs)


def test_evaluation_is_without_chance(network, batch):
    network.eval()
    assert torch.equal(network(batch), network(batch))


def test_a_batch_of_one_can_be_learnt_from(network, batch):
    network.train()
    value = objective(network, batch[[0]].trim(), Y[:1])
    value.backward()
    assert value.isfinite()
    for name, parameter in network.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_regions_without_signal_do_no_harm(network, batch):
    if batch.series is not None:
        batch.series[:, :, 3] = 0
    for matrices in batch.connectivity.values():
        matrices[:, 3] = matrices[:, :, 3] = 0
    value = objective(network.train(), batch, Y)
    value.backward()
    assert value.isfinite()
    for name, parameter in network.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_eight_participants_can_be_overfitted(network, batch):
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(300):
        network.train()
        optimizer.zero_grad()
        objective(network, batch, Y).backward()
        optimizer.step()
        if step % 10 == 9:
            network.eval()
            with torch.no_grad():
                if (network(batch).argmax(1) == Y).all():
                    return
    pytest.fail("eight participants could not be told apart in 300 steps")


def test_state_dict_round_trip(case, network, batch):
    network.eval()
    torch.manual_seed(1)
    other = make(case).eval()
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(batch), network(batch))


def test_the_batch_is_left_as_it_was(network, batch):
    before = [tensor.clone() for tensor in batch.tensors]
    objective(network.train(), batch, Y)
    network.eval()(batch)
    assert all(torch.equal(a, b) for a, b in zip(before, batch.tensors, strict=True))


def test_cpu_and_gpu_agree(network, batch):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    network.eval()
    expected = network(batch)
    actual = network.cuda()(batch.to("cuda")).cpu()
    assert torch.allclose(actual, expected, atol=1e-4)
