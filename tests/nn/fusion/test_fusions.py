"""What every fusion owes its users: absent modalities count as not there."""

from itertools import product

import pytest
import torch

from brainograph.nn.fusion import (
    AddFusion,
    ConcatFusion,
    CrossAttentionFusion,
    GatedFusion,
    HierarchicalFusion,
    LateFusion,
    TensorFusion,
    make_fusion,
)

D = (3, 4, 5)  # features of the three modalities
C = 8
TABLE = {
    "concat": lambda d: ConcatFusion(d, C),
    "add": lambda d: AddFusion(d, C),
    "tensor": lambda d: TensorFusion(d, C),
    "tensor_rank": lambda d: TensorFusion(d, C, rank=3),
    "gated": lambda d: GatedFusion(d, C),
    "cross_attention": lambda d: CrossAttentionFusion(d, C, heads=2, num_layers=2),
    "hierarchical": lambda d: HierarchicalFusion([[1, n - 1] for n in d], C),
    "late_max": lambda d: LateFusion(len(d), 4, "max"),
    "late_mean": lambda d: LateFusion(len(d), 4, "mean"),
    "late_product": lambda d: LateFusion(len(d), 4, "product"),
    "late_weighted": lambda d: LateFusion(len(d), 4, "weighted"),
    "late_stacking": lambda d: LateFusion(len(d), 4, "stacking"),
}
SUBSETS = [s for s in product([True, False], repeat=3) if any(s)]


@pytest.fixture(params=TABLE)
def name(request):
    return request.param


@pytest.fixture
def fusion(name):
    torch.manual_seed(0)
    network = TABLE[name](D).eval()
    for weights in network.parameters():  # zero or equal weights would hide what they do
        if weights.unique().numel() <= 2:
            torch.nn.init.normal_(weights, std=0.5)
    return network


@pytest.fixture
def features(name):
    torch.manual_seed(1)
    return [torch.randn(7, 4 if name.startswith("late") else d) for d in D]


PRESENT = torch.tensor(SUBSETS)  # seven participants, each with another subset


def without_last(name, fusion):
    """Return the fusion of the first two modalities, with their weights."""
    smaller = TABLE[name](D[:2])
    given, own = fusion.state_dict(), smaller.state_dict()
    if name == "tensor":  # products with the third modality's 1 are those of the others alone
        weight = given["map.weight"].reshape(C, D[0] + 1, D[1] + 1, D[2] + 1)
        given["map.weight"] = weight[..., -1].reshape(C, -1)
    cut = {key: given[key][: value.shape[0]] for key, value in own.items()}
    smaller.load_state_dict(cut)
    return smaller.eval()


def test_removing_a_modality_equals_its_absence_everywhere(name, fusion, features):
    present = torch.tensor([[True, True, False]]).repeat(7, 1)
    smaller = without_last(name, fusion)
    torch.testing.assert_close(fusion(features, present), smaller(features[:2]))
    contributions = fusion.contributions(features, present)
    torch.testing.assert_close(contributions[:, :2], smaller.contributions(features[:2]))


@pytest.mark.parametrize("rubbish", [1e6, torch.inf, torch.nan])
def test_what_an_absent_modality_holds_does_not_matter_bit_for_bit(fusion, features, rubbish):
    spoilt = [
        torch.where(PRESENT[:, m, None], x, torch.full_like(x, rubbish))
        for m, x in enumerate(features)
    ]
    assert torch.equal(fusion(features, PRESENT), fusion(spoilt, PRESENT))
    assert torch.equal(
        fusion.contributions(features, PRESENT), fusion.contributions(spoilt, PRESENT)
    )


def test_gradients_are_finite_whatever_is_absent(fusion, features):
    spoilt = [
        torch.where(PRESENT[:, m, None], x, torch.full_like(x, torch.nan)).requires_grad_()
        for m, x in enumerate(features)
    ]
    fusion(spoilt, PRESENT).sum().backward()
    for x in [*spoilt, *fusion.parameters()]:
        assert x.grad is None or x.grad.isfinite().all()
    for m, x in enumerate(spoilt):
        assert not x.grad[~PRESENT[:, m]].any()


def test_contributions_are_shares_of_those_that_are_there(fusion, features):
    contributions = fusion.contributions(features, PRESENT)
    torch.testing.assert_close(contributions.sum(dim=1), torch.ones(7))
    assert (contributions >= 0).all()
    assert not contributions[~PRESENT].any()
    alone = PRESENT.sum(dim=1) == 1
    assert torch.equal(contributions[alone], PRESENT[alone].float())


def test_everybody_has_everything_by_default(fusion, features):
    assert torch.equal(fusion(features), fusion(features, torch.ones(7, 3, dtype=torch.bool)))


def test_a_participant_alone_is_as_in_the_batch(fusion, features):
    together = fusion(features, PRESENT)
    alone = [fusion([x[[i]] for x in features], PRESENT[[i]]) for i in range(7)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_every_modality_that_is_there_matters(fusion, features):
    full = torch.ones(7, 3, dtype=torch.bool)
    for m in range(3):
        others = full.clone()
        others[:, m] = False
        assert not torch.allclose(fusion(features, full), fusion(features, others))


def test_a_participant_without_any_modality_is_named(fusion, features):
    present = PRESENT.clone()
    present[4] = False
    with pytest.raises(ValueError, match=r"1 participants have no modality at all: rows \[4\]"):
        fusion(features, present)


def test_other_widths_and_shapes_are_refused(fusion, features):
    with pytest.raises(ValueError, match="is for modalities of"):
        fusion(features[:2], PRESENT)
    with pytest.raises(ValueError, match=r"present must be .* = \(7, 3\)"):
        fusion(features, PRESENT[:, :2])


def test_concatenation_is_one_affine_layer():
    fusion = ConcatFusion([1, 2], 1)
    fusion.maps[0].weight.data = torch.tensor([[2.0]])
    fusion.maps[1].weight.data = torch.tensor([[1.0, -1.0]])
    fusion.bias.data = torch.tensor([0.5])
    two = [torch.tensor([[3.0], [3.0]]), torch.tensor([[5.0, 1.0], [5.0, 1.0]])]
    present = torch.tensor([[True, True], [True, False]])
    assert fusion(two, present).tolist() == [[(6 + 4) / 2 + 0.5], [6.5]]


def test_addition_weighs():
    fusion = AddFusion([2, 2], 2)
    fusion.scores.data = torch.tensor([3.0, 1.0]).log()
    two = [torch.tensor([[4.0, 0.0]]), torch.tensor([[0.0, 8.0]])]
    torch.testing.assert_close(fusion(two), torch.tensor([[3.0, 2.0]]))
    torch.testing.assert_close(fusion.contributions(two), torch.tensor([[0.75, 0.25]]))


def test_gates_weigh_channels():
    fusion = GatedFusion([1, 1], 2)
    for linear in [*fusion.maps, *fusion.gates]:
        linear.weight.data.zero_()
    fusion.maps[0].bias.data = torch.tensor([1.0, 2.0])
    fusion.maps[1].bias.data = torch.tensor([3.0, 4.0])
    fusion.gates[0].bias.data = torch.tensor([1.0, 3.0]).log()
    fusion.gates[1].bias.data = torch.tensor([1.0, 1.0]).log()
    two = [torch.zeros(1, 1)] * 2
    t = torch.tensor([1.0, 2.0, 3.0, 4.0]).tanh()
    expected = torch.stack([(t[0] + t[2]) / 2, 0.75 * t[1] + 0.25 * t[3]])
    torch.testing.assert_close(fusion(two), expected[None])
    torch.testing.assert_close(fusion.contributions(two), torch.tensor([[0.625, 0.375]]))


def test_attention_is_that_of_torch():
    """One layer of two modalities, from torch's own attention function."""
    torch.manual_seed(0)
    fusion = CrossAttentionFusion([3, 4], C, heads=1).eval()
    two = [torch.randn(1, 3), torch.randn(1, 4)]
    tokens = torch.stack([one(x) for one, x in zip(fusion.maps, two, strict=True)], dim=1)
    layer = fusion.layers[0]
    projected = tokens @ layer.attention.in_proj_weight.T + layer.attention.in_proj_bias
    q, k, v = projected.chunk(3, dim=-1)
    weights = (q @ k.mT / C**0.5).softmax(dim=-1)
    h = layer.norms[0](tokens + layer.attention.out_proj(weights @ v))
    expected = layer.norms[1](h + layer.mlp(h)).mean(dim=1)
    torch.testing.assert_close(fusion(two), expected)
    torch.testing.assert_close(fusion.contributions(two), weights.mean(dim=1))


@pytest.mark.parametrize("params", [{"heads": 3}, {"heads": 0}, {"num_layers": 0}])
def test_attention_refuses(params):
    with pytest.raises(ValueError, match="heads must divide the 8 channels"):
        CrossAttentionFusion([2], 8, **params)


def test_stages_join_late():
    """The first stage is that of the modality with two; the last is of both."""
    torch.manual_seed(0)
    fusion = HierarchicalFusion([[2, 3], [4]], C)
    a, b = torch.randn(1, 5), torch.randn(1, 4)
    first = fusion.norms[0](fusion.maps[0][0](a[:, :2])).relu()
    both = (fusion.maps[0][1](a[:, 2:]) + fusion.maps[1][0](b)) / 2
    expected = fusion.norms[1](both + fusion.carry[0](first)).relu()
    torch.testing.assert_close(fusion([a, b]), expected)


@pytest.mark.parametrize("name", ["concat", "add", "gated", "cross_attention", "tensor"])
def test_by_name(name):
    fusion = make_fusion(name, [[2, 1], [4]], C)
    assert fusion([torch.randn(2, 3), torch.randn(2, 4)]).shape == (2, C)


def test_names_and_parameters_that_do_not_exist():
    with pytest.raises(ValueError, match=r"fusion must be one of \('concat', .*got 'sum'"):
        make_fusion("sum", [[2]], C)
    with pytest.raises(ValueError, match=r"TensorFusion has no parameter \['heads'\]; it has"):
        make_fusion("tensor", [[2]], C, {"heads": 2})
    with pytest.raises(ValueError, match=r"HierarchicalFusion has no parameter \['rank'\]"):
        make_fusion("hierarchical", [[2]], C, {"rank": 2})
    with pytest.raises(ValueError, match="at least one modality"):
        ConcatFusion([], C)
