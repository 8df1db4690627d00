import pytest
import torch
from torch import nn

from brainograph.nn.encoders import BraInf
from brainograph.nn.encoders.brainf import ProbSparseAttention, _Merge


def test_with_all_queries_it_is_plain_attention():
    torch.manual_seed(0)
    ours = ProbSparseAttention(8, 2, factor=100.0)
    theirs = nn.MultiheadAttention(8, 2, batch_first=True)
    weights = {"in_proj_weight": ours.project.weight, "in_proj_bias": ours.project.bias}
    weights |= {"out_proj.weight": ours.out.weight, "out_proj.bias": ours.out.bias}
    theirs.load_state_dict(weights)
    x = torch.randn(3, 12, 8)
    assert torch.allclose(ours(x), theirs(x, x, x)[0], atol=1e-6)


def test_few_queries_are_heard_and_the_others_get_the_mean_of_the_values():
    """One head, identity maps: ln 8 = 2.08, so three keys are looked at and three queries heard."""
    attention = ProbSparseAttention(4, 1, factor=1.0)
    with torch.no_grad():
        attention.project.weight.copy_(torch.eye(4).repeat(3, 1))
        attention.out.weight.copy_(torch.eye(4))
        attention.project.bias.zero_()
        attention.out.bias.zero_()
    x = torch.zeros(1, 8, 4)
    x[0, 0], x[0, 4], x[0, 7] = torch.eye(4)[0], 2 * torch.eye(4)[1], 3 * torch.eye(4)[2]
    out = attention(x)[0]
    heard = [0, 4, 7]  # the keys looked at (0, 3.5 -> 4, 7) are the tokens that are not zero
    others = [1, 2, 3, 5, 6]
    assert torch.allclose(out[others], x[0].mean(0).expand(5, 4))
    plain = torch.softmax(x[0] @ x[0].T / 2, dim=1) @ x[0]
    assert torch.allclose(out[heard], plain[heard], atol=1e-6)


def test_eight_patches_become_one():
    merge = _Merge(1)
    nn.init.eye_(merge.linear.weight)
    merge.norm = nn.Identity()
    x = torch.arange(4 * 2 * 3.0).reshape(1, 4, 2, 3, 1)
    out = merge(x)
    assert out.shape == (1, 2, 1, 2, 2)
    assert out[0, 1, 0, 0].tolist() == [x[0, 2, 0, 0, 0], x[0, 2, 0, 1, 0]]
    merge.linear.weight = nn.Parameter(torch.ones(2, 8))
    assert merge(x)[0, 0, 0, 1, 0] == x[0, :2, :, 2].sum()  # the fourth column is zeros
    assert merge(x)[0, 0, 0, 0, 0] == x[0, :2, :, :2].sum()


@pytest.mark.parametrize("size", [(16, 16, 16), (20, 13, 9)])
def test_checkpointing_changes_no_gradient(size):
    image, gradients = torch.randn(2, 1, *size), []
    for checkpointing in (False, True):
        torch.manual_seed(1)
        encoder = BraInf(1, 4, patch_size=4, hidden_channels=8, num_heads=2, num_layers=2,
                         checkpointing=checkpointing)  # fmt: skip
        encoder(image).square().sum().backward()
        gradients.append([p.grad for p in encoder.parameters()])
    for without, recomputed in zip(*gradients, strict=True):
        assert torch.allclose(without, recomputed, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_heads": 3}, "num_heads must divide hidden_channels, got 3 heads for 64"),
        ({"factor": 0.0}, r"factor must be positive, got 0.0. Write factor=5.0"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        BraInf(**settings)
