import numpy as np
import pytest
import torch

from brainograph.graphs import sparsify
from brainograph.nn.sparsify import strongest_edges, without_diagonal


@pytest.fixture
def matrices():
    generator = torch.Generator().manual_seed(0)
    series = torch.randn(6, 30, 21, generator=generator, dtype=torch.float64)
    return torch.stack([torch.corrcoef(one.T) for one in series]).float()


@pytest.mark.parametrize("sign", ["positive", "absolute", "signed"])
@pytest.mark.parametrize(
    "rule", [{}, {"density": 0.1}, {"density": 0.7}, {"density": 1.0}, {"threshold": 0.2}]
)
def test_the_rule_is_that_of_the_graphs(matrices, sign, rule):
    expected = sparsify(matrices.numpy(), sign=sign, **rule)
    assert np.array_equal(strongest_edges(matrices, sign=sign, **rule).numpy(), expected)


def test_of_equal_edges_those_that_do_not_all_fit_are_left_out():
    matrix = torch.tensor([[[1, 0.5, 0.5], [0.5, 1, 0.9], [0.5, 0.9, 1]]])
    assert strongest_edges(matrix, density=2 / 3).count_nonzero() == 2
    assert strongest_edges(matrix, density=1.0).count_nonzero() == 6


def test_an_edge_is_kept_in_both_directions_or_in_none(matrices):
    """A correlation from a matrix product is symmetric only to rounding."""
    generator = torch.Generator().manual_seed(1)
    rounded = matrices * (1 + 1e-7 * torch.randn(matrices.shape, generator=generator))
    kept = strongest_edges(rounded, density=0.3) != 0
    assert torch.equal(kept, kept.mT)
    assert (kept.sum(dim=(1, 2)) == 2 * round(0.3 * 210)).all()


def test_kept_weights_pass_gradients_and_the_input_stays(matrices):
    before = matrices.clone()
    weights = matrices.clone().requires_grad_()
    for sign in ("positive", "absolute", "signed"):
        weights.grad = None
        graph = strongest_edges(weights, density=0.2, sign=sign)
        graph.sum().backward()
        assert torch.equal(weights.grad != 0, graph != 0)
    strongest_edges(matrices, density=0.2)
    without_diagonal(matrices)
    assert torch.equal(matrices, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density": 10}, r"density must be in \(0, 1\], got 10. For 10 % .* density=0.10"),
        ({"density": 0.1, "threshold": 0.1}, "give density or threshold, not both"),
        ({"threshold": -1}, "threshold must be >= 0, got -1"),
        ({"sign": "both"}, r"sign must be one of \('positive', 'absolute', 'signed'\), got 'both'"),
    ],
)
def test_other_options_are_refused(matrices, options, message):
    with pytest.raises(ValueError, match=message):
        strongest_edges(matrices, **options)


def test_cpu_and_gpu_agree(matrices):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    expected = strongest_edges(matrices, density=0.3, sign="signed")
    assert torch.equal(strongest_edges(matrices.cuda(), density=0.3, sign="signed").cpu(), expected)
