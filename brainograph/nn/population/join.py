"""Who listens to whom in a population, by phenotypes and by features that are being learnt."""

from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

__all__ = ["Attach", "Join", "Metric", "Rows"]

Metric = Literal["correlation", "cosine", "euclidean"]

_BLOCK = 2**23 + 2**16  # affinities computed at a time: above 32 MiB, memory is given back at once
_TIE = 1e-6  # closer than this two affinities are equal
_SPARSE_BELOW = 0.1  # share of edges under which a graph is stored sparsely


class Rows(Protocol):
    """A matrix of which some rows at a time are made: a tensor, or what computes them."""

    def __getitem__(self, rows: slice, /) -> Tensor:
        """Return rows (r, S)."""


class Join:
    r"""Join participants: phenotypes in which they agree, times the similarity of features.

    .. math:: A_{ij} = \gamma_{ij}\exp\left(-\frac{d_{ij}^2}{2\sigma^2}\right)

    with the distance d of features and its mean :math:`\sigma` over the pairs of participants.
    Row i is what participant i listens to; with ``n_neighbors`` the strongest of it, ties
    included. The weights are constants for the gradient: what is learnt comes through what
    participants say, not through who is heard.

    Parameters
    ----------
    agreement : Tensor (N, N) or Rows
        :math:`\gamma`, with a diagonal of 0.
    similarity : bool
        Whether features count; otherwise :math:`A = \gamma`.
    metric : {"correlation", "cosine", "euclidean"}
        Of the distance; the mean of Euclidean distances is that of their squares, rooted.
    n_neighbors : int, optional
        How many each participant listens to.
    like : Join, optional
        Whose :math:`\sigma` of each call are taken: that of everybody, for some of them.

    Attributes
    ----------
    graphs : list of Tensor (N, N)
        What was returned so far, a graph for each call; sparse where few pairs are joined.

    Examples
    --------
    >>> join = Join(1 - torch.eye(3), n_neighbors=1)
    >>> join(torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.5], [3.0, 2.0, 1.0]])) > 0
    tensor([[False,  True, False],
            [ True, False, False],
            [False,  True, False]])
    """

    def __init__(
        self,
        agreement: Rows,
        *,
        similarity: bool = True,
        metric: Metric = "correlation",
        n_neighbors: int | None = None,
        like: "Join | None" = None,
    ) -> None:
        if metric not in get_args(Metric):
            raise ValueError(f"metric must be one of {get_args(Metric)}, got {metric!r}.")
        if n_neighbors is not None and n_neighbors < 1:
            raise ValueError(f"n_neighbors must be at least 1, got {n_neighbors}.")
        self.agreement = agreement
        self.similarity = similarity
        self.metric = metric
        self.n_neighbors = n_neighbors
        self.like = like
        self.graphs: list[Tensor] = []
        self.widths: list[Tensor | None] = []

    @torch.no_grad()
    def __call__(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the graph (N, N), dense or sparse COO.

        Parameters
        ----------
        x : Tensor (N, F)
            Features.
        present : Tensor (N,) of bool, optional
            Who has them; the others are joined to nobody.
        """
        n, width = len(x), None
        units = _directions(x, self.metric) if self.similarity else x
        if self.similarity and self.like is not None:
            width = self.like.widths[len(self.graphs)]
        elif self.similarity:
            width = _mean_distance(units if present is None else units[present], self.metric)
        step = max(1, _BLOCK // max(n, 1))
        sparse = self.n_neighbors is not None and self.n_neighbors < _SPARSE_BELOW * n
        blocks = []
        for start in range(0, n, step):
            rows = slice(start, min(start + step, n))
            mask = None if present is None else present[rows]
            block = self.affinity(self.agreement[rows], units[rows], units, width, mask, present)
            blocks.append(block.to_sparse_coo() if sparse else block)
        graph = torch.cat(blocks).coalesce() if sparse else torch.cat(blocks)
        self.graphs.append(graph)
        self.widths.append(width)
        return graph

    def affinity(
        self,
        agreement: Tensor,
        left: Tensor,
        right: Tensor,
        width: Tensor | None,
        has_left: Tensor | None,
        has_right: Tensor | None,
    ) -> Tensor:
        """Return what some listen to (r, S), from agreements and directions of features."""
        graph = agreement.to(right)
        if width is not None:
            similar = _squared_distance(left, right, self.metric).mul_(-0.5 / width**2).exp_()
            graph = similar.mul_(graph)
        if has_left is not None and has_right is not None:
            graph = graph * has_left[:, None] * has_right
        if self.n_neighbors is not None and self.n_neighbors < graph.shape[1]:
            last = graph.topk(self.n_neighbors, dim=1).values[:, -1:]
            graph = graph.masked_fill(graph < last * (1 - _TIE), 0)
        return graph


class Attach:
    """Join new participants to fitted ones: they listen, and nobody listens to them.

    It is called as often, and in the same order, as the :class:`Join` of the fitted participants
    was, with features of the S fitted and then the Q new ones; the fitted graph is not made again.

    Parameters
    ----------
    fitted : Join
        That of the S fitted participants, after its calls.
    agreement : Tensor (Q, S) or Rows
        Of new with fitted participants.

    Attributes
    ----------
    heard : list of Tensor (Q, S)
        What new participants listen to, for each call.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 3.0]])
    >>> fitted = Join(1 - torch.eye(2), similarity=False)
    >>> _ = fitted(x[:2])
    >>> Attach(fitted, torch.ones(1, 2))(x)
    tensor([[0., 1., 0.],
            [1., 0., 0.],
            [1., 1., 0.]])
    """

    def __init__(self, fitted: Join, agreement: Rows) -> None:
        self.fitted = fitted
        self.agreement = agreement
        self.heard: list[Tensor] = []

    @torch.no_grad()
    def __call__(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the graph of both (S + Q, S + Q), dense or sparse COO as the fitted one."""
        call = len(self.heard)
        graph, width = self.fitted.graphs[call], self.fitted.widths[call]
        n = len(graph)
        units = x
        if width is not None:  # double: rounding must not depend on who else is new
            units, width = _directions(x.double(), self.fitted.metric), width.double()
        masks = (None, None) if present is None else (present[n:], present[:n])
        new = self.fitted.affinity(self.agreement[:], units[n:], units[:n], width, *masks)
        new = new.to(graph.dtype)
        self.heard.append(new)
        if graph.is_sparse:
            return _below(graph, new)
        whole = torch.cat([graph, new])
        return torch.cat([whole, whole.new_zeros(len(whole), len(new))], dim=1)


def _below(graph: Tensor, new: Tensor) -> Tensor:
    """Return a sparse graph (S, S) with rows (Q, S) below and nobody to hear those."""
    rows = new.to_sparse_coo().coalesce()
    indices = torch.cat(
        [graph.indices(), rows.indices() + rows.indices().new_tensor([[len(graph)], [0]])], dim=1
    )
    values = torch.cat([graph.values(), rows.values()])
    size = len(graph) + len(new)
    return torch.sparse_coo_tensor(
        indices, values, (size, size), is_coalesced=True, check_invariants=False
    )


def _directions(x: Tensor, metric: str) -> Tensor:
    """Return rows whose products give the distance; zero where there is no direction."""
    if metric == "euclidean":
        return x
    if metric == "correlation":
        x = x - x.mean(dim=1, keepdim=True)
    return torch.nn.functional.normalize(x, dim=1)


def _squared_distance(left: Tensor, right: Tensor, metric: str) -> Tensor:
    product = left @ right.T
    if metric == "euclidean":
        lengths = left.square().sum(1)[:, None] + right.square().sum(1)
        return lengths.sub_(product.mul_(2)).clamp_(min=0)
    return product.sub_(1).square_()


def _mean_distance(units: Tensor, metric: str) -> Tensor:
    """Return the mean distance over pairs, 1 where it is 0 or there are none."""
    n = len(units)
    units = units.double()
    if metric == "euclidean":
        squared = 2 * (units - units.mean(0)).square().sum() / max(n - 1, 1)
        mean = squared.sqrt()
    else:  # the sum over i != j of 1 - u_i . u_j
        mean = (n * n - units.sum(0).square().sum()) / max(n * (n - 1), 1)
    return torch.where(mean > 1e-6, mean, torch.ones_like(mean)).float()
