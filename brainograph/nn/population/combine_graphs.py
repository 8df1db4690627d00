"""Combine the population graphs of several modalities to one."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

__all__ = ["Combination", "combine_graphs"]

Combination = Literal["mean", "hadamard", "max"]


def combine_graphs(graphs: Sequence[Tensor], present: Tensor, how: Combination) -> Tensor:
    """Return one graph of several, each pair judged by the modalities that both have.

    Parameters
    ----------
    graphs : sequence of M Tensor (N, N)
        All dense, or all sparse COO and coalesced.
    present : Tensor (N, M) of bool
        Who has which modality.
    how : {"mean", "hadamard", "max"}
        Of the weights: their mean, product or maximum.

    Returns
    -------
    Tensor (N, N)
        In the layout of the graphs.

    Raises
    ------
    ValueError
        For another way.

    Examples
    --------
    >>> one, two = torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([[0.0, 0.5], [0.0, 0.0]])
    >>> combine_graphs([one, two], torch.ones(2, 2).bool(), "mean")
    tensor([[0.0000, 0.7500],
            [0.5000, 0.0000]])
    """
    if how not in get_args(Combination):
        raise ValueError(f"graphs are combined by one of {get_args(Combination)}, got {how!r}.")
    if not graphs[0].is_sparse:
        who = present.T
        return _merge(torch.stack(list(graphs)), who[:, :, None] & who[:, None, :], how)
    n = len(present)
    keys = [graph.indices()[0] * n + graph.indices()[1] for graph in graphs]
    union = torch.unique(torch.cat(keys))  # sorted: row by row
    values = graphs[0].values().new_zeros(len(graphs), len(union))
    for row, key, graph in zip(values, keys, graphs, strict=True):
        row[torch.searchsorted(union, key)] = graph.values()
    i, j = union // n, union % n
    merged = _merge(values, (present[i] & present[j]).T, how)
    return torch.sparse_coo_tensor(
        torch.stack([i, j]), merged, (n, n), is_coalesced=True, check_invariants=False
    )


def _merge(values: Tensor, has: Tensor, how: str) -> Tensor:
    """Merge weights (M, ...) where there are any."""
    if how == "max":
        return values.amax(dim=0)
    if how == "mean":
        return values.sum(dim=0) / has.sum(dim=0).clamp(min=1)
    product = torch.where(has, values, torch.ones_like(values)).prod(dim=0)
    return product * has.any(dim=0)
