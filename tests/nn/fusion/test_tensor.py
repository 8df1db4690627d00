import pytest
import torch

from brainograph.nn.fusion import TensorFusion


def test_the_products_are_those_of_the_outer_product():
    fusion = TensorFusion([2, 1, 1], 1)
    a, b, c = torch.tensor([[2.0, 3.0]]), torch.tensor([[5.0]]), torch.tensor([[7.0]])
    outer = torch.einsum(
        "i,j,k->ijk",
        torch.tensor([2.0, 3.0, 1.0]),
        torch.tensor([5.0, 1.0]),
        torch.tensor([7.0, 1.0]),
    )
    expected = outer.flatten() @ fusion.map.weight[0] + fusion.map.bias[0]
    torch.testing.assert_close(fusion([a, b, c])[0, 0], expected)


def test_low_rank_is_a_whole_tensor_made_of_factors():
    torch.manual_seed(0)
    low = TensorFusion([2, 3], 4, rank=2)
    low.mix.data = torch.tensor([0.3, -1.2])
    whole = TensorFusion([2, 3], 4)
    weight = torch.einsum("r,rio,rjo->oij", low.mix, *low.factors)
    whole.map.weight.data, whole.map.bias.data = weight.reshape(4, -1), low.bias.data
    two = [torch.randn(6, 2), torch.randn(6, 3)]
    torch.testing.assert_close(low(two), whole(two))


def test_a_tensor_that_would_not_fit_says_how_large_it_is():
    with pytest.raises(MemoryError) as said:
        TensorFusion([64, 64, 64, 64], 64)
    text = str(said.value)
    assert "17,850,625 products, and 1,142,440,000 weights (4.3 GiB)" in text
    assert "rank=8" in text
    fits = int(text.split("at most ")[1].split()[0])
    TensorFusion([fits] * 4, 64)
    with pytest.raises(MemoryError):
        TensorFusion([fits + 1] * 4, 64)
    assert TensorFusion([64] * 4, 64, rank=8)([torch.randn(2, 64)] * 4).isfinite().all()


def test_rank():
    with pytest.raises(ValueError, match="rank must be at least 1, got 0"):
        TensorFusion([2], 2, rank=0)
