"""The population graph: participants are nodes, similar participants are joined.

An estimator's ``fit`` calls these, and learns ``sigma`` (:func:`mean_distance`) on its labelled
training rows: unlike the rest of this package they look across participants.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from brainograph.graphs.affinity import (
    CATEGORICAL,
    CONTINUOUS,
    Metric,
    agreement,
    directions,
    feature_rows,
    gaussian,
    mean_distance,
    mean_of_pairs,
    phenotype_agreement,
    phenotype_columns,
    row_blocks,
    similarity,
)

__all__ = [
    "CATEGORICAL",
    "CONTINUOUS",
    "Combine",
    "Metric",
    "attach",
    "isolated",
    "mean_distance",
    "phenotype_agreement",
    "population_graph",
    "similarity",
]

Combine = Literal["product", "similarity", "phenotype"]

_TIE = 1e-6  # affinities are single precision: closer than this they are equal
_Term = Callable[[slice], NDArray[np.float32]]
_Participants = tuple[ArrayLike | None, pd.DataFrame | None]


def population_graph(
    features: ArrayLike | None,
    phenotype: pd.DataFrame | None = None,
    *,
    categorical: Sequence[str] = CATEGORICAL,
    continuous: Mapping[str, float] = CONTINUOUS,
    combine: Combine = "product",
    metric: Metric = "correlation",
    sigma: float | None = None,
    n_neighbors: int | None = None,
    threshold: float | None = None,
) -> NDArray[np.float32] | sparse.csr_array:
    r"""Join participants by their phenotypes and the similarity of their features.

    .. math:: A_{ij} = \exp\left(-\frac{d_{ij}^2}{2 \sigma^2}\right) \sum_h \gamma_h(i, j)

    with the terms of :func:`similarity` and :func:`phenotype_agreement`. The graph is symmetric,
    has a zero diagonal, and does not depend on the order of the rows.

    Parameters
    ----------
    features : array (S, F) or None
        One row per participant; None only with ``combine="phenotype"``.
    phenotype : DataFrame (S, .), optional
        Rows aligned with the features; not needed with ``combine="similarity"``.
    categorical, continuous
        As in :func:`phenotype_agreement`. H is the number of columns named.
    combine : {"product", "similarity", "phenotype"}
        The product of both terms, or one of them alone.
    metric, sigma
        As in :func:`similarity`.
    n_neighbors : int, optional
        Keep each participant's strongest edges, and an edge that either end keeps. Edges equal
        to the last one kept (to 1e-6) are kept too: no tie is broken by row order.
    threshold : float, optional
        Drop edges weaker than this.

    Returns
    -------
    ndarray (S, S), float32, or csr_array (S, S) where ``n_neighbors`` or ``threshold`` is given
        Affinities in [0, H], or in [0, 1] for ``combine="similarity"``.

    Raises
    ------
    ValueError
        As :func:`similarity` and :func:`phenotype_agreement`, and where rows do not match.

    Examples
    --------
    >>> features = [[1, 2, 3], [1, 2, 3.5], [3, 2, 1]]
    >>> phenotype = pd.DataFrame({"site": ["NYU", "NYU", "UM"], "age": [10, 14, 10.5]})
    >>> graph = population_graph(features, phenotype, categorical=["site"], sigma=1.0)
    >>> graph.round(2)
    array([[0.  , 1.  , 0.14],
           [1.  , 0.  , 0.  ],
           [0.14, 0.  , 0.  ]], dtype=float32)
    """
    features = None if combine == "phenotype" else features
    order = _value_order(features, phenotype)
    rows = None if features is None else np.asarray(features)[order]
    people = rows, None if phenotype is None else phenotype.iloc[order]
    terms = _terms(people, people, categorical, continuous, combine, metric, sigma)
    _check_options(n_neighbors, threshold)
    back = np.argsort(order)
    if n_neighbors is None and threshold is None:
        return _dense(terms, len(order)).take(back, axis=0).take(back, axis=1)
    graph = _sparse(terms, (len(order), len(order)), n_neighbors, threshold, loops=False)
    return graph.maximum(graph.T)[back][:, back].sorted_indices()


def attach(
    features: ArrayLike | None,
    phenotype: pd.DataFrame | None,
    new_features: ArrayLike | None,
    new_phenotype: pd.DataFrame | None = None,
    *,
    categorical: Sequence[str] = CATEGORICAL,
    continuous: Mapping[str, float] = CONTINUOUS,
    combine: Combine = "product",
    metric: Metric = "correlation",
    sigma: float | None = None,
    n_neighbors: int | None = None,
    threshold: float | None = None,
) -> NDArray[np.float32] | sparse.csr_array:
    """Affinities of new participants to those of a population graph.

    A row does not change when other new participants come or go: each is alone with the fitted.

    Parameters
    ----------
    features, phenotype
        The S participants of the graph, as in :func:`population_graph`.
    new_features, new_phenotype
        The Q new participants.
    categorical, continuous, combine, metric, threshold
        As in :func:`population_graph`.
    sigma : float, optional
        The width with which the graph was made; the fitted participants' mean distance by default.
    n_neighbors : int, optional
        Keep each new participant's strongest edges, ties included.

    Returns
    -------
    ndarray (Q, S), float32, or csr_array (Q, S) where ``n_neighbors`` or ``threshold`` is given
        The rows of the graph over both, for the same sigma and before edges are thinned out.

    Examples
    --------
    >>> attach([[1, 2, 3], [3, 2, 1]], None, [[1, 2, 4]], combine="similarity").round(2)
    array([[1.  , 0.61]], dtype=float32)
    """
    fitted, new = (features, phenotype), (new_features, new_phenotype)
    terms = _terms(fitted, new, categorical, continuous, combine, metric, sigma)
    _check_options(n_neighbors, threshold)
    shape = _length(*new), _length(*fitted)
    if n_neighbors is None and threshold is None:
        return np.concatenate([block for _, block in _blocks(terms, *shape)])
    return _sparse(terms, shape, n_neighbors, threshold)


def isolated(graph: NDArray | sparse.csr_array) -> NDArray[np.bool_]:
    """Tell which participants have no edge: ``isolated(graph).sum()`` is their number.

    Parameters
    ----------
    graph : array or csr_array (S, S) or (Q, S)

    Returns
    -------
    ndarray (S,) or (Q,), bool

    Examples
    --------
    >>> isolated(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]]))
    array([False, False,  True])
    """
    return np.asarray(abs(graph).sum(axis=1)).ravel() == 0


def _terms(
    fitted: _Participants,
    new: _Participants,
    categorical: Sequence[str],
    continuous: Mapping[str, float],
    combine: Combine,
    metric: Metric,
    sigma: float | None,
) -> list[_Term]:
    """Return the factors of the affinity, as functions of the new rows that are wanted."""
    (features, phenotype), (new_features, new_phenotype) = fitted, new
    if combine not in get_args(Combine):
        raise ValueError(f"combine must be one of {get_args(Combine)}, got {combine!r}.")
    terms: list[_Term] = []
    if combine != "phenotype":
        if features is None or new_features is None:
            raise ValueError(f'combine={combine!r} needs features, or write combine="phenotype".')
        right = directions(features, metric)
        width = mean_of_pairs(right, metric) if sigma is None else sigma
        if new_features is not features:  # double, so that rounding hides how many rows came along
            left = directions(new_features, metric)
        else:  # single precision, and one triangle of the product: four times as fast
            left = right = right if metric == "euclidean" else right.astype(np.float32)
        terms.append(lambda rows: gaussian(left[rows], right, width, metric))
    if combine != "similarity":
        if phenotype is None or new_phenotype is None:
            raise ValueError(f'combine={combine!r} needs phenotype, or write combine="similarity".')
        a, b, widths = phenotype_columns(new_phenotype, phenotype, categorical, continuous)
        terms.append(lambda rows: agreement(a[rows], b, widths))
    return terms


def _length(features: ArrayLike | None, phenotype: pd.DataFrame | None) -> int:
    lengths = {len(part) for part in (features, phenotype) if part is not None}  # type: ignore[arg-type]
    if len(lengths) != 1:
        raise ValueError(f"features and phenotype must have the same rows, got {sorted(lengths)}.")
    return lengths.pop()


def _value_order(features: ArrayLike | None, phenotype: pd.DataFrame | None) -> NDArray[np.intp]:
    """Order participants by the bytes of their features.

    A product rounds its last bit by position: in this order a shuffle changes no value.
    """
    length = _length(features, phenotype)
    if features is None:
        return np.arange(length)
    rows = feature_rows(features)
    return np.argsort(rows.view(f"V{rows.itemsize * rows.shape[1]}").ravel(), kind="stable")


def _blocks(
    terms: list[_Term], n_rows: int, n_columns: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield the affinities of some rows at a time to all columns."""
    for rows in row_blocks(n_rows, n_columns):
        yield rows, reduce(np.multiply, (term(rows) for term in terms))


def _dense(terms: list[_Term], n: int) -> NDArray[np.float32]:
    graph = np.empty((n, n), dtype=np.float32)
    for rows, block in _blocks(terms, n, n):
        graph[rows] = block
    blocks = row_blocks(n, n)
    for rows in blocks if len(blocks) > 1 else ():  # the halves were rounded apart
        graph[rows] = np.maximum(graph[rows], graph[:, rows].T)
    np.fill_diagonal(graph, 0)
    return graph


def _sparse(
    terms: list[_Term],
    shape: tuple[int, int],
    n_neighbors: int | None,
    threshold: float | None,
    *,
    loops: bool = True,
) -> sparse.csr_array:
    """Keep of each row the edges above the threshold and the strongest, ties included."""
    kept = []
    for rows, block in _blocks(terms, *shape):
        if not loops:
            block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = 0
        if threshold is not None:
            block[block < threshold] = 0
        if n_neighbors is not None and n_neighbors < shape[1]:
            last = np.partition(block, -n_neighbors, axis=1)[:, -n_neighbors, None]
            block[block < last * (1 - _TIE)] = 0
        kept.append(sparse.csr_array(block))
    return sparse.vstack(kept, format="csr")


def _check_options(n_neighbors: int | None, threshold: float | None) -> None:
    if n_neighbors is not None and (n_neighbors < 1 or n_neighbors != int(n_neighbors)):
        raise ValueError(f"n_neighbors must be a whole number >= 1, got {n_neighbors}.")
    if threshold is not None and not threshold > 0:
        raise ValueError(f"threshold must be > 0, got {threshold}; without one write None.")
