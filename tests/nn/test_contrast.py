import numpy as np
import pytest
import torch
from torch.nn import functional

from brainograph.nn.contrast import VariationalClub, hsic, info_nce


def test_info_nce_is_cross_entropy_of_cosines_both_ways():
    generator = torch.Generator().manual_seed(0)
    u, v = torch.randn(2, 4, 3, generator=generator)
    cosines = functional.cosine_similarity(u[:, None], v[None], dim=-1) / 0.5
    own = torch.arange(4)
    expected = (
        functional.cross_entropy(cosines, own) + functional.cross_entropy(cosines.T, own)
    ) / 2
    torch.testing.assert_close(info_nce(u, v), expected)


def test_hsic_is_the_trace_of_centred_kernels():
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    center = np.eye(6) - 1 / 6
    expected = np.trace(u @ u.T @ center @ v @ v.T @ center) / 25
    assert hsic(torch.tensor(u), torch.tensor(v)).item() == pytest.approx(expected)


@pytest.mark.parametrize("term", [info_nce, hsic, VariationalClub(3)])
def test_one_subject_has_no_contrast(term):
    view = torch.randn(1, 3, requires_grad=True)
    value = term(view, view)
    assert value.item() == 0
    value.backward()  # nothing to learn from, and nothing breaks


def test_club_tells_dependent_views_from_independent_ones():
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    u = torch.randn(256, 2, generator=generator)
    other = torch.randn(256, 2, generator=generator)
    bounds = {}
    for name, v in {"same": u + 0.3 * other, "other": other}.items():
        club = VariationalClub(2)
        optimizer = torch.optim.Adam(club.parameters(), 1e-2)
        for _ in range(200):
            optimizer.zero_grad()
            club(u, v).backward()
            optimizer.step()
        pairs = club._log_density(u, v)
        bounds[name] = (pairs.diagonal().mean() - pairs.mean()).item()
    assert bounds["same"] > bounds["other"] + 0.5


def test_the_bound_moves_the_views_and_the_fit_moves_the_density():
    torch.manual_seed(0)
    club, u, v = VariationalClub(2), torch.randn(5, 2), torch.randn(5, 2, requires_grad=True)
    club(u, v).backward()
    expected = torch.autograd.grad(
        -club._log_density(u, v.detach()).diagonal().mean(), list(club.parameters())
    )
    for weights, gradient in zip(club.parameters(), expected, strict=True):
        torch.testing.assert_close(weights.grad, gradient)
    assert v.grad.abs().sum() > 0
