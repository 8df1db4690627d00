"""What every subject-level network owes its users."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.brain_gcn import BrainGCN
from brainograph.nn.brain_network_transformer import BrainNetworkTransformer
from brainograph.nn.brainnetcnn import BrainNetCNN
from brainograph.nn.cnn1d import CNN1d
from brainograph.nn.hgpsl import HGPSL
from brainograph.nn.iglcn import IGLCN
from brainograph.nn.lstm import LSTM
from brainograph.nn.stagin import STAGIN

R, T = 9, 40
TOPK = {"pooling": "topk", "readout": "mean+max", "jumping": "sum"}
TABLE = {
    BrainGCN: [
        *({"conv": conv} for conv in ("gcn", "gat", "gin", "graphconv", "sage", "cheb")),
        {"conv": "transformer", "residual": True, "jumping": "cat", "readout": "sum"},
        {**TOPK, "conv": "graphconv", "sign": "signed", "node_features": ("profile", "measures/m")},
        {"pooling": "sag", "readout": "mean", "jumping": "max", "sign": "absolute"},
        {"pooling": "diff", "readout": "max", "edges": ("fc", "sc"), "threshold": 0.1}
        | {"density": None},
        {"node_features": ("identity", "strength", "profile/sc"), "binary": True, "num_layers": 3},
    ],
    BrainNetCNN: [{}],
    BrainNetworkTransformer: [{}, {"num_layers": 1, "n_clusters": 3}],
    CNN1d: [{}, {"num_layers": 3, "kernel_size": 3}],
    HGPSL: [{}, {"edges": ("fc", "sc"), "fusion": "attention"}, {"structure_learning": False}],
    IGLCN: [{"n_neighbors": 3}, {"features": ("connectivity/fc", "measures/m")}],
    LSTM: [{}, {"num_layers": 2}],
    STAGIN: [
        {"window": 15, "step": 5, "hidden_channels": 16, "readout": kind}
        for kind in ("sero", "garo", "mean")
    ],
}
CASES = [
    pytest.param(network, options, id=f"{network.__name__}-{i}")
    for network, choices in TABLE.items()
    for i, options in enumerate(choices)
]

pytestmark = pytest.mark.parametrize(("network", "options"), CASES)


def participants(n=8, seed=0):
    """Participants whose first two regions agree or disagree, by class."""
    generator = torch.Generator().manual_seed(seed)
    y = (torch.arange(n) % 2).long()
    series = torch.randn(n, T, R, generator=generator)
    series[:, :, 1] = (2.0 * y - 1)[:, None] * series[:, :, 0] + 0.3 * series[:, :, 1]
    lengths = T - 5 * (torch.arange(n) % 3)
    connectivity = {}
    for name, part in (("fc", slice(0, 25)), ("sc", slice(10, 35))):
        connectivity[name] = torch.stack([torch.corrcoef(one[part].T) for one in series])
    for scan, length in zip(series, lengths, strict=True):
        scan[length:] = 0
    measures = {"m": torch.randn(n, R, generator=generator)}
    return BrainBatch(
        series=series, lengths=lengths, connectivity=connectivity, measures=measures
    ), y


@pytest.fixture
def new(network, options):
    """Make the network, always with the same weights; one that remembers has seen others."""

    def build(n_classes=2, **others):
        torch.manual_seed(0)
        made = network(R, n_classes, **(options | others))
        if isinstance(made, IGLCN):
            made.train()(participants(6, seed=9)[0])
        return made

    return build


def objective(network, batch, y):
    own = getattr(network, "loss", None)
    return own(batch, y) if own else functional.cross_entropy(network(batch), y)


def test_output_shape(new):
    batch, _ = participants()
    assert new(3)(batch).shape == (8, 3)


def test_it_reads_what_it_says(new):
    """With nothing but what ``reads`` names the logits are the same."""
    network, (batch, _) = new().eval(), participants()
    reads = network.reads
    assert reads
    bare = BrainBatch(
        series=batch.series if "series" in reads else None,
        lengths=batch.lengths if "series" in reads else None,
        connectivity={k: v for k, v in batch.connectivity.items() if f"connectivity/{k}" in reads},
        measures={k: v for k, v in batch.measures.items() if f"measures/{k}" in reads},
    )
    assert torch.equal(network(bare), network(batch))


def test_a_gradient_reaches_every_parameter(new):
    network, (batch, y) = new().eval(), participants()
    for parameter in network.parameters():  # zero weights would hide the path behind them
        if parameter.ndim > 1:
            nn.init.xavier_normal_(parameter)
        elif not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    objective(network, batch, y).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_a_participant_has_the_same_logits_alone_and_in_a_batch(new):
    network, (batch, _) = new().eval(), participants()
    together = network(batch)
    for i in range(len(batch)):
        assert torch.allclose(network(batch[[i]].trim()), together[[i]], atol=1e-5)


def test_padding_plays_no_part(new):
    network, (batch, _) = new().eval(), participants()
    expected = network(batch)
    batch.series[~batch.mask] = 7.0
    assert torch.allclose(network(batch), expected, atol=1e-5)


def test_regions_without_signal_do_no_harm(new):
    network, (batch, y) = new(), participants()
    batch.series[:, :, 3] = 0
    for matrices in batch.connectivity.values():
        matrices[:, 3] = matrices[:, :, 3] = 0
    loss = objective(network.train(), batch, y)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_a_batch_of_one_can_be_trained_on(new):
    network, (batch, y) = new().train(), participants()
    loss = objective(network, batch[[0]].trim(), y[:1])
    loss.backward()
    assert loss.isfinite()


def test_numbers_can_be_predicted(new):
    network, (batch, y) = new(1).train(), participants()
    logits = network(batch)
    assert logits.shape == (8, 1)
    if hasattr(network, "loss"):
        network.loss(batch, y.float() + 0.5).backward()


def test_the_same_seed_gives_the_same_weights_and_dropout(new):
    outputs = []
    for _ in range(2):
        network = new().train()
        torch.manual_seed(3)
        outputs.append(network(participants()[0]))
    assert torch.equal(*outputs)


def test_dropout_is_on_in_training_and_off_in_evaluation(new):
    network, (batch, _) = new().train(), participants()
    assert not torch.equal(network(batch), network(batch))
    network.eval()
    assert torch.equal(network(batch), network(batch))


def test_eight_participants_can_be_overfitted(new):
    network, (batch, y) = new(dropout=0.0), participants()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    network.train()
    for _ in range(80):
        optimizer.zero_grad()
        objective(network, batch, y).backward()
        optimizer.step()
    assert (network.eval()(batch).argmax(1) == y).all()


def test_state_dict_round_trip(new, network, options):
    trained, (batch, _) = new().eval(), participants()
    torch.manual_seed(1)
    other = network(R, 2, **options).eval()
    assert not torch.equal(other(batch), trained(batch))
    other.load_state_dict(trained.state_dict())
    assert torch.equal(other(batch), trained(batch))


def test_cpu_and_gpu_agree(new):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    network, (batch, _) = new().eval(), participants()
    expected = network(batch)
    actual = network.cuda()(batch.to("cuda")).cpu()
    assert torch.allclose(actual, expected, atol=1e-4)
