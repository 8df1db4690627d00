"""Keep the strong edges of a connectivity matrix."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Sign", "sparsify", "symmetric"]

Sign = Literal["positive", "absolute", "negative", "signed"]


def sparsify(
    connectivity: ArrayLike,
    *,
    density: float | None = None,
    n_neighbors: int | None = None,
    threshold: float | None = None,
    spanning_tree: bool = False,
    sign: Sign = "positive",
) -> NDArray[np.floating]:
    """Keep the strong edges of one or many connectivity matrices.

    Strength is the weight after the sign policy. Ties go to the edge that comes first in the
    upper triangle, so the result is deterministic; without a rule only the sign policy is applied.

    Parameters
    ----------
    connectivity : array (..., R, R)
        Symmetric matrices. The diagonal is ignored.
    density : float, optional
        Keep this fraction of the R (R - 1) / 2 edges: fewer where fewer have the sign.
    n_neighbors : int, optional
        Keep each region's strongest edges, and an edge that either end keeps.
    threshold : float, optional
        Keep edges at least this strong.
    spanning_tree : bool
        With ``density``: keep the maximum spanning tree first, so that regions are connected [1]_
        (all those that edges of this sign connect; the tree stays where density asks for fewer).
    sign : {"positive", "absolute", "negative", "signed"}
        "positive" drops negative weights, "absolute" keeps magnitudes, "negative" keeps the
        magnitudes of negative weights, "signed" ranks by magnitude and keeps the sign. On
        negative weights GCNConv and ChebConv return NaN: all but "signed" are safe for them.

    Returns
    -------
    ndarray (..., R, R)
        Symmetric to the last bit, zero diagonal, the floating type of the input.

    Raises
    ------
    ValueError
        For NaN, an asymmetric matrix, several rules at once, or a value out of range.

    References
    ----------
    .. [1] Tewarie et al. (2015). The minimum spanning tree: an unbiased method for brain network
           analysis. NeuroImage 104, 177-188.

    Examples
    --------
    >>> sparsify([[1, 0.8, -0.9], [0.8, 1, 0.2], [-0.9, 0.2, 1]], density=1 / 3)
    array([[0. , 0.8, 0. ],
           [0.8, 0. , 0. ],
           [0. , 0. , 0. ]])
    """
    rules = {"density": density, "n_neighbors": n_neighbors, "threshold": threshold}
    given = {name: value for name, value in rules.items() if value is not None}
    if len(given) > 1:
        raise ValueError(f"give one of density, n_neighbors and threshold, got {given}.")
    if spanning_tree and density is None:
        raise ValueError("spanning_tree=True needs density: write density=0.10 for 10 % of edges.")
    weights = _signed(symmetric(connectivity), sign)
    strength = np.abs(weights)
    if density is not None:
        keep = _densest(strength, density, spanning_tree)
    elif n_neighbors is not None:
        keep = _nearest(strength, n_neighbors)
    elif threshold is not None:
        if not threshold >= 0:
            raise ValueError(f"threshold must be >= 0, got {threshold}. The sign is set by sign=.")
        keep = strength >= threshold
    else:
        return weights
    return np.where(keep, weights, np.zeros((), weights.dtype))


def symmetric(connectivity: ArrayLike, *, name: str = "connectivity") -> NDArray[np.floating]:
    """Check matrices and return them with a zero diagonal, symmetric to the last bit.

    Parameters
    ----------
    connectivity : array (..., R, R)
        Symmetric to a relative 1e-5.
    name : str
        What the error messages call it.

    Returns
    -------
    ndarray (..., R, R)
        A copy in floating point: the upper triangle and its mirror.

    Raises
    ------
    ValueError
        For another shape, NaN or infinity, or an asymmetric matrix.

    Examples
    --------
    >>> symmetric([[1, 2], [2, 1]])
    array([[0., 2.],
           [2., 0.]])
    """
    matrix = np.asarray(connectivity)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(f"{name} must have the shape (..., R, R), got {matrix.shape}.")
    if not np.issubdtype(matrix.dtype, np.floating):
        matrix = matrix.astype(np.float64)
    if not np.isfinite(matrix).all():
        raise ValueError(
            f"{name} holds {np.count_nonzero(~np.isfinite(matrix))} NaN or infinite values. For "
            "regions without signal write 0: numpy.nan_to_num(matrix)."
        )
    upper = np.triu(matrix, 1)
    mirror = np.swapaxes(upper, -1, -2)
    apart = np.abs(np.tril(matrix, -1) - mirror).max(initial=0)
    if apart > 1e-5 * np.abs(upper).max(initial=0):
        raise ValueError(
            f"{name} must be symmetric, but mirrored values differ by up to {apart:.3g}. For an "
            "undirected graph write (matrix + matrix.T) / 2."
        )
    return upper + mirror


def _signed(weights: NDArray, sign: Sign) -> NDArray:
    """Apply the sign policy."""
    if sign == "positive":
        return np.maximum(weights, 0)
    if sign == "absolute":
        return np.abs(weights)
    if sign == "negative":
        return np.maximum(-weights, 0)
    if sign == "signed":
        return weights
    raise ValueError(f"sign must be one of {get_args(Sign)}, got {sign!r}.")


def _densest(strength: NDArray, density: float, spanning_tree: bool) -> NDArray[np.bool_]:
    if not 0 < density <= 1:
        raise ValueError(
            f"density must be in (0, 1], got {density:g}. For 10 % of the edges write density=0.10."
        )
    n_regions = strength.shape[-1]
    pairs = np.flatnonzero(np.triu(np.ones((n_regions, n_regions), dtype=bool), 1))
    n_edges = round(density * len(pairs))
    if spanning_tree:
        strength = np.where(_maximum_spanning_tree(strength), np.inf, strength)
        n_edges = max(n_edges, n_regions - 1)
    edges = strength.reshape(*strength.shape[:-2], -1).take(pairs, axis=-1)
    kept = np.zeros((*strength.shape[:-2], n_regions**2), dtype=bool)
    kept[..., pairs] = _largest(edges, n_edges)
    keep = kept.reshape(strength.shape)
    return keep | np.swapaxes(keep, -1, -2)


def _nearest(strength: NDArray, n_neighbors: int) -> NDArray[np.bool_]:
    n_regions = strength.shape[-1]
    if n_neighbors != int(n_neighbors) or not 1 <= n_neighbors < n_regions:
        raise ValueError(
            f"n_neighbors must be a whole number in [1, {n_regions - 1}] for {n_regions} regions, "
            f"got {n_neighbors}."
        )
    keep = _largest(strength, int(n_neighbors))
    return keep | np.swapaxes(keep, -1, -2)


def _largest(values: NDArray, k: int) -> NDArray[np.bool_]:
    """Mark the k largest values > 0 on the last axis; of equal ones the first."""
    if k == 0:
        return np.zeros(values.shape, dtype=bool)
    last = np.partition(values, -k, axis=-1)[..., -k, None]
    last = np.maximum(last, np.finfo(values.dtype).tiny)  # a weight of 0 is no edge
    kept = values >= last
    if (np.count_nonzero(kept, axis=-1) > k).any():
        above, equal = values > last, values == last
        room = k - above.sum(axis=-1, keepdims=True)
        kept = above | (equal & (np.cumsum(equal, axis=-1) <= room))
    return kept


def _maximum_spanning_tree(strength: NDArray) -> NDArray[np.bool_]:
    """Grow the tree from region 0 by its strongest edge, all matrices at once (Prim)."""
    n_regions = strength.shape[-1]
    stack = strength.reshape(-1, n_regions, n_regions)
    every = np.arange(len(stack))
    tree = np.zeros(stack.shape, dtype=bool)
    outside = np.ones(stack.shape[:2], dtype=bool)
    outside[:, 0] = False
    best, parent = stack[:, 0].copy(), np.zeros(stack.shape[:2], dtype=int)
    for _ in range(n_regions - 1):
        new = np.where(outside, best, -1).argmax(axis=1)
        old = parent[every, new]
        tree[every, new, old] = tree[every, old, new] = best[every, new] > 0
        outside[every, new] = False
        closer = stack[every, new] > best
        best = np.where(closer, stack[every, new], best)
        parent = np.where(closer, new[:, None], parent)
    return tree.reshape(strength.shape)
