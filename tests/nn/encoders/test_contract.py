"""What every image encoder owes its users, over everything ``brainograph.nn.encoders`` exports.

A new encoder gets a row in ``TABLE``: its name and the hyper-parameters of each case, all tiny.
"""

from inspect import signature

import pytest
import torch
from torch import nn

from brainograph.nn import encoders

SMALL_CNN = {"cnn": "resnet10", "cnn_params": {"widen_factor": 0.125}}
SMALL = {"num_layers": 1, "num_heads": 2, "hidden_channels": 16}
TABLE = {
    "BraInf": [
        {"patch_size": 4, "hidden_channels": 8, "num_heads": 2, "num_layers": 2, "factor": 2.0},
        {"patch_size": 8, "hidden_channels": 8, "num_layers": 1, "checkpointing": True},
    ],
    "CompositeCNN": [
        {"channels": (8, 16), "composite": kind} for kind in ("product", "weighted", "channels")
    ],
    "DilatedCNN": [{"channels": (8, 8), "dilations": (1, 2)}],
    "EncoderEnsemble": [{"hidden_channels": 4}, {"hidden_channels": 8, "members": ("inception",)}],
    "M3T": [
        {**SMALL, **SMALL_CNN, "stem_channels": 4, "token_channels": 16, "n_slices": 1, "chunk": 4}
        | {"checkpointing": True},
    ],
    "MonaiEncoder": [
        {"name": "resnet10", "params": {"widen_factor": 0.125}},
        {"name": "densenet121", "params": {"block_config": (2,), "init_features": 8}},
    ],
    "MultiStreamCNN": [
        {"channels": (8, 8), "n_slices": 4, "plane": "coronal"},
        {"channels": (8, 8), "dims": 3},
    ],
    "SFCN": [
        {"channels": (8, 8, 16)},
        {"channels": (8, 16), "norm": "group"},
        {"channels": (8, 8), "readout": "grid"},
    ],
    "SliceViT": [{**SMALL, "patch_size": 8, "image_size": 24, "n_slices": 5}],
    "TransMed": [{**SMALL, **SMALL_CNN, "n_slices": 8, "n_positions": 2}],
    "ViT": [{**SMALL, "patch_size": 8, "image_size": 32}],
}
CASES = [
    pytest.param((name, {"out_channels": 12, **params}), id=f"{name}-{i}")
    for name in TABLE
    for i, params in enumerate(TABLE[name])
]
SIZE = (12, 14, 12)
Y = torch.arange(8) % 2


def images(n=8, channels=2, size=SIZE):
    """Smooth noise; nothing tells the classes apart but the participants themselves."""
    coarse = torch.randn(n, channels, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    return nn.functional.interpolate(coarse, size, mode="trilinear")


def make(case, channels=2):
    name, params = case
    return getattr(encoders, name)(channels, **params)


@pytest.fixture(params=CASES)
def case(request):
    torch.manual_seed(0)
    return request.param


@pytest.fixture
def encoder(case):
    return make(case)


def test_the_table_is_complete():
    assert set(encoders.__all__) == set(TABLE)


def test_hyper_parameters_are_keywords_with_defaults(case):
    takes = signature(getattr(encoders, case[0])).parameters
    assert list(takes)[:2] == ["in_channels", "out_channels"]
    assert takes["in_channels"].default == 1
    for parameter in list(takes.values())[2:]:
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty


@pytest.mark.parametrize("size", [(16, 16, 16), (21, 13, 18)])
def test_output_shape(case, size):
    encoder = make(case, channels=1).eval()
    features = encoder(images(2, 1, size))
    assert features.shape == (2, encoder.out_channels) == (2, 12)
    assert features.isfinite().all()
    assert not torch.allclose(features[0], features[1], atol=1e-6)


def test_a_gradient_reaches_every_parameter(encoder):
    for parameter in encoder.parameters():  # zero weights would hide the path behind them
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    encoder(images()).pow(3).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_a_participant_is_the_same_alone_and_in_a_batch(case):
    name, params = case
    still = {"dropout": 0.0} if "dropout" in signature(getattr(encoders, name)).parameters else {}
    encoder = make((name, {**params, **still})).train()  # batch statistics would show
    batch = images(4)
    with torch.no_grad():
        together = encoder(batch)
        alone = torch.cat([encoder(batch[[i]]) for i in range(4)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_the_same_seed_gives_the_same_features(case):
    outputs = []
    for _ in range(2):
        torch.manual_seed(3)
        outputs.append(make(case).train()(images(2)))
    assert torch.equal(*outputs)


def test_volumes_without_signal_do_no_harm(encoder):
    encoder(torch.zeros(2, 2, *SIZE)).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_eight_participants_can_be_overfitted(encoder):
    head, x = nn.Linear(12, 2), images()
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.005)
    for step in range(150):
        encoder.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(encoder(x)), Y).backward()
        optimizer.step()
        if step % 5 == 4:
            encoder.eval()
            with torch.no_grad():
                if (head(encoder(x)).argmax(1) == Y).all():
                    return
    pytest.fail("eight participants could not be told apart in 150 steps")


def test_state_dict_round_trip(case, encoder):
    torch.manual_seed(1)
    other = make(case).eval()
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(other(images(2)), encoder.eval()(images(2)))
