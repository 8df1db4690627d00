"""Sparsify a batch of connectivity matrices on its device, keeping gradients."""

from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Sign", "check_rule", "strongest_edges", "without_diagonal"]

Sign = Literal["positive", "absolute", "signed"]


def check_rule(*, density: float | None, threshold: float | None, sign: str) -> None:
    """Refuse options that :func:`strongest_edges` cannot follow.

    Raises
    ------
    ValueError
        For two rules, a value out of range, or another sign.
    """
    if density is not None and threshold is not None:
        raise ValueError(
            f"give density or threshold, not both, got density={density} and "
            f"threshold={threshold}. For a threshold alone write density=None."
        )
    if density is not None and not 0 < density <= 1:
        raise ValueError(
            f"density must be in (0, 1], got {density}. For 10 % of the edges write density=0.10."
        )
    if threshold is not None and not threshold >= 0:
        raise ValueError(f"threshold must be >= 0, got {threshold}. The sign is set by sign=.")
    if sign not in get_args(Sign):
        raise ValueError(f"sign must be one of {get_args(Sign)}, got {sign!r}.")


def without_diagonal(connectivity: Tensor) -> Tensor:
    """Return matrices (..., R, R) with a diagonal of 0: the connection profiles of the regions.

    Examples
    --------
    >>> without_diagonal(torch.ones(2, 2))
    tensor([[0., 1.],
            [1., 0.]])
    """
    copy = connectivity.clone()
    copy.diagonal(dim1=-2, dim2=-1).zero_()
    return copy


def strongest_edges(
    connectivity: Tensor,
    *,
    density: float | None = None,
    threshold: float | None = None,
    sign: Sign = "positive",
) -> Tensor:
    """Keep the strong edges of each symmetric matrix of a batch.

    The rule of :func:`brainograph.graphs.sparsify` for tensors, on any device; the weights that
    are kept pass gradients on. Unlike there, an edge as strong as the strongest one left out is
    left out, too.

    Parameters
    ----------
    connectivity : Tensor (B, R, R)
        Symmetric; the diagonal is ignored.
    density : float, optional
        Keep this fraction of the R (R - 1) / 2 edges: fewer where fewer have the sign.
    threshold : float, optional
        Keep edges stronger than this. Without a rule all edges of the sign stay.
    sign : {"positive", "absolute", "signed"}
        "positive" drops negative weights, "absolute" keeps magnitudes, "signed" ranks by
        magnitude and keeps the sign.

    Returns
    -------
    Tensor (B, R, R)
        Zero diagonal.

    Raises
    ------
    ValueError
        For two rules, a value out of range, or another sign.

    Examples
    --------
    >>> strongest_edges(
    ...     torch.tensor([[[1, 0.8, -0.9], [0.8, 1, 0.2], [-0.9, 0.2, 1]]]), density=1 / 3
    ... )
    tensor([[[0.0000, 0.8000, 0.0000],
             [0.8000, 0.0000, 0.0000],
             [0.0000, 0.0000, 0.0000]]])
    """
    check_rule(density=density, threshold=threshold, sign=sign)
    if sign == "signed":
        weights = without_diagonal(connectivity)
    else:
        weights = connectivity.abs() if sign == "absolute" else connectivity.clamp(min=0)
        weights.diagonal(dim1=-2, dim2=-1).zero_()
    if density is None:
        return functional.hardshrink(weights, threshold) if threshold else weights
    limits = _limits(weights.detach(), density)
    # One graph at a time stays in the cache of a CPU: three times faster than a mask of the batch
    return torch.stack(
        [functional.hardshrink(graph, limit) for graph, limit in zip(weights, limits, strict=True)]
    )


def _limits(weights: Tensor, density: float) -> list[float]:
    """Return, for each graph, a strength between the weakest edge kept and the strongest left out.

    Half way, since a matrix from a device is symmetric only to rounding.
    """
    n_regions = weights.shape[-1]
    n_pairs = n_regions * (n_regions - 1) // 2
    left_out = n_pairs - round(density * n_pairs)
    if left_out == 0:
        return [0.0] * len(weights)
    if left_out == n_pairs:
        return [torch.inf] * len(weights)
    if weights.device.type != "cpu":
        upper = torch.ones_like(weights[0], dtype=torch.bool).triu(1)
        strength = weights.abs().masked_select(upper).view(len(weights), n_pairs)
        return strength.sort(dim=-1).values[:, left_out - 1 : left_out + 1].mean(dim=-1).tolist()
    # numpy's partition is ten times faster than torch's kthvalue and topk on a CPU
    pairs = np.flatnonzero(np.triu(np.ones((n_regions, n_regions), dtype=bool), 1))
    edges = np.empty(n_pairs, dtype=np.float32)
    limits = []
    for graph in weights.float().numpy().reshape(len(weights), -1):
        np.take(graph, pairs, out=edges, mode="clip")
        np.abs(edges, out=edges)
        edges.partition(left_out)  # one index alone takes numpy's fast way
        limits.append((float(edges[left_out]) + float(edges[:left_out].max())) / 2)
    return limits
