import pytest
import torch
from torch.autograd import gradcheck

from brainograph.nn import HGPSL
from brainograph.nn.hgpsl import _Pool, sparsemax


def test_sparsemax_is_a_projection_on_the_simplex():
    expected = torch.tensor([[0.75, 0.25, 0.0], [1 / 3, 1 / 3, 1 / 3], [0.0, 0.0, 1.0]])
    scores = torch.tensor([[1.0, 0.5, -1.0], [7.0, 7.0, 7.0], [0.0, 0.0, 5.0]])
    assert torch.allclose(sparsemax(scores), expected)
    generator = torch.Generator().manual_seed(0)
    many = sparsemax(2 * torch.randn(5, 20, 20, generator=generator))
    assert torch.allclose(many.sum(-1), torch.ones(5, 20), atol=1e-5)
    assert (many == 0).any(-1).all()


def test_the_gradient_of_sparsemax_is_right():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    assert gradcheck(sparsemax, scores)


def test_pooling_keeps_the_nodes_that_differ_most_from_their_neighbours():
    """On the path 0 - 1 - 2, node features 1, 1, 5 differ from their neighbours by 0, 2 and 4."""
    x = torch.tensor([[[1.0], [1.0], [5.0]]])
    adj = torch.tensor([[[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]])
    kept, edges = _Pool(1, 0.5, None)(x, adj)
    assert kept.flatten().tolist() == [5, 1]
    assert edges.tolist() == [[[0, 1], [1, 0]]]


def test_learned_edges_are_sparse_shares_that_the_old_edges_raise():
    torch.manual_seed(0)
    x, adj = torch.randn(2, 21, 4), torch.rand(2, 21, 21).triu(1)
    adj = adj + adj.mT
    pool = _Pool(4, 0.5, 1.0)
    kept, edges = pool(x, adj)
    assert kept.shape == (2, 11, 4)
    assert edges.shape == (2, 11, 11)
    assert (edges.sum(-1) <= 1 + 1e-5).all()
    assert (edges == 0).float().mean() > 0.1
    assert torch.equal(edges.diagonal(dim1=1, dim2=2), torch.zeros(2, 11))
    pool.structure_weight = 1000.0  # the strongest old edge wins alone
    old = _Pool(4, 0.5, None)(x, adj)[1]
    assert torch.equal(pool(x, adj)[1].argmax(-1), old.argmax(-1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sign": "signed"}, "HGPSL cannot take negative weights. Write sign='absolute'"),
        ({"fusion": "sum"}, r"fusion must be one of \('concat', 'attention'\), got 'sum'"),
        ({"ratio": 1.5}, r"ratio must be in \(0, 1\], got 1.5"),
    ],
)
def test_other_choices_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        HGPSL(9, 2, **options)
