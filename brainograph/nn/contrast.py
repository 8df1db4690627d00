"""Contrastive terms: what views of one subject should share, and what they should not."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["VariationalClub", "hsic", "info_nce"]


def info_nce(first: Tensor, second: Tensor, *, temperature: float = 0.5) -> Tensor:
    r"""Bound on how little two views know of each other; lower means they share more.

    .. math:: \tfrac12 [\mathrm{CE}(U V^\top / \tau, I) + \mathrm{CE}(V U^\top / \tau, I)]

    with rows of unit length: a subject's own other view is the positive, those of the other
    subjects are the negatives (van den Oord et al. 2018). 0 for a batch of one.

    Parameters
    ----------
    first, second : Tensor (B, C)
        Two views of B subjects.
    temperature : float
        Sharpness.

    Examples
    --------
    >>> views = torch.eye(3)
    >>> bool(info_nce(views, views) < info_nce(views, views.roll(1, 0)))
    True
    """
    similarity = functional.normalize(first, dim=-1) @ functional.normalize(second, dim=-1).T
    own = torch.arange(len(first), device=first.device)
    similarity = similarity / temperature
    return (
        functional.cross_entropy(similarity, own) + functional.cross_entropy(similarity.T, own)
    ) / 2


def hsic(first: Tensor, second: Tensor) -> Tensor:
    r"""Hilbert-Schmidt independence criterion of two views with linear kernels.

    .. math:: \mathrm{tr}(K H L H) / (B - 1)^2 = \lVert \bar U^\top \bar V \rVert_F^2 / (B - 1)^2

    with centred views (Gretton et al. 2005): 0 where no linear function of one view covaries
    with one of the other, and for a batch of one.

    Parameters
    ----------
    first, second : Tensor (B, C), (B, D)
        Two views of B subjects.

    Examples
    --------
    >>> x = torch.tensor([[1.0], [2.0], [3.0]])
    >>> hsic(x, x).item(), hsic(x, torch.ones(3, 1)).item()
    (1.0, 0.0)
    """
    if len(first) < 2:
        return first.sum() * 0
    covariance = (first - first.mean(0)).T @ (second - second.mean(0)) / (len(first) - 1)
    return covariance.square().sum()


class VariationalClub(nn.Module):
    r"""Upper bound on the mutual information of two views (vCLUB, Cheng et al. 2020).

    .. math:: \frac1B \sum_i \log q(v_i \mid u_i) - \frac1{B^2} \sum_{ij} \log q(v_j \mid u_i)

    with a Gaussian q whose mean and variance a small network reads off u. ``forward`` returns the
    bound, which moves the views and not q, plus the negative log likelihood, which moves q and not
    the views.

    Examples
    --------
    >>> VariationalClub(4)(torch.randn(5, 4), torch.randn(5, 4)).shape
    torch.Size([])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mean = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels)
        )
        self.log_variance = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels), nn.Tanh()
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the bound and the fit of q, to be minimised together."""
        if len(first) < 2:
            return first.sum() * 0
        fit = -self._log_density(first.detach(), second.detach()).diagonal().mean()
        frozen = {name: value.detach() for name, value in self.named_parameters()}
        mean, log_variance = (
            torch.func.functional_call(part, _under(frozen, name), first)
            for name, part in (("mean", self.mean), ("log_variance", self.log_variance))
        )
        pairs = _gaussian(mean, log_variance, second)
        return pairs.diagonal().mean() - pairs.mean() + fit

    def _log_density(self, first: Tensor, second: Tensor) -> Tensor:
        return _gaussian(self.mean(first), self.log_variance(first), second)


def _under(parameters: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the parameters of one part, by their names in it."""
    start = f"{name}."
    return {k.removeprefix(start): v for k, v in parameters.items() if k.startswith(start)}


def _gaussian(mean: Tensor, log_variance: Tensor, values: Tensor) -> Tensor:
    """Return log q(v_j | u_i) for all pairs (B, B)."""
    squares = (values[None] - mean[:, None]).square() / log_variance.exp()[:, None]  # (B, B, C)
    constant = math.log(2 * math.pi)
    return -0.5 * (squares + log_variance[:, None] + constant).sum(-1)
