"""The population graph: participants are nodes, similar participants are joined.

An estimator's ``fit`` calls these, and learns ``sigma`` (:func:`mean_distance`) on its labelled
training rows: unlike the rest of this package they look across participants.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

Metric = Literal["correlation", "cosine", "euclidean"]
Combine = Literal["product", "similarity", "phenotype"]

CATEGORICAL = ("sex", "site")
CONTINUOUS: Mapping[str, float] = MappingProxyType({"age": 2.0})

_TIE = 1e-6  # affinities are single precision: closer than this they are equal
_BLOCK = 2**24  # affinities computed at a time: 64 MiB
_Term = Callable[[slice], NDArray[np.float32]]
_Participants = tuple[ArrayLike | None, pd.DataFrame | None]


def phenotype_agreement(
    phenotype: pd.DataFrame,
    other: pd.DataFrame | None = None,
    *,
    categorical: Sequence[str] = CATEGORICAL,
    continuous: Mapping[str, float] = CONTINUOUS,
) -> NDArray[np.float32]:
    r"""Count the phenotypes in which two participants agree.

    .. math:: H_{ij} = \sum_h \gamma_h(i, j)

    with γ = 1 where categories are equal or numbers differ by less than their tolerance, and 0
    otherwise (Parisot et al. 2018, Medical Image Analysis 48, 117-130). A value missing on either
    side agrees with nothing.

    Parameters
    ----------
    phenotype : DataFrame (S, .)
        One row per participant.
    other : DataFrame (Q, .), optional
        The participants to compare with; the same ones by default.
    categorical : sequence of str
        Columns that agree when equal.
    continuous : mapping of str to float
        Columns that agree when they differ by less than this, in the column's unit.

    Returns
    -------
    ndarray (S, S) or (S, Q), float32
        Counts between 0 and the number of phenotypes, the diagonal included.

    Raises
    ------
    ValueError
        For an absent column, a continuous one that is not numeric, or a tolerance <= 0.

    Examples
    --------
    >>> phenotype = pd.DataFrame({"sex": ["male", "male", None], "age": [20.0, 21.5, 21.0]})
    >>> phenotype_agreement(phenotype, categorical=["sex"], continuous={"age": 1.0})
    array([[2., 1., 0.],
           [1., 2., 1.],
           [0., 1., 1.]], dtype=float32)
    """
    other = phenotype if other is None else other
    return _agreement(*_phenotype_columns(phenotype, other, categorical, continuous))


def similarity(
    features: ArrayLike,
    other: ArrayLike | None = None,
    *,
    sigma: float | None = None,
    metric: Metric = "correlation",
) -> NDArray[np.float32]:
    r"""Gaussian similarity of participants' features.

    .. math:: s_{ij} = \exp\left(-\frac{d_{ij}^2}{2 \sigma^2}\right)

    Parameters
    ----------
    features : array (S, F)
        One row per participant.
    other : array (Q, F), optional
        The participants to compare with; the same ones by default.
    sigma : float, optional
        Width of the kernel, in units of the distance; ``mean_distance(features)`` by default.
    metric : {"correlation", "cosine", "euclidean"}
        The distance d: 1 - Pearson correlation, 1 - cosine, or Euclidean.

    Returns
    -------
    ndarray (S, S) or (S, Q), float32
        Similarities in [0, 1].

    Raises
    ------
    ValueError
        For NaN, constant rows ("correlation"), zero rows ("cosine"), or sigma <= 0.

    Examples
    --------
    >>> similarity([[1, 2, 3], [2, 4, 6], [3, 2, 1]], sigma=1.0).round(3)
    array([[1.   , 1.   , 0.135],
           [1.   , 1.   , 0.135],
           [0.135, 0.135, 1.   ]], dtype=float32)
    """
    left = _directions(features, metric)
    right = left if other is None else _directions(other, metric)
    return _similarity(
        left, right, _mean_distance(left, metric) if sigma is None else sigma, metric
    )


def mean_distance(features: ArrayLike, *, metric: Metric = "correlation") -> float:
    """Mean distance over the pairs of different participants: the usual ``sigma``.

    Parameters
    ----------
    features : array (S, F)
        One row per participant: in an estimator, the labelled training rows.
    metric : {"correlation", "cosine", "euclidean"}
        As in :func:`similarity`.

    Returns
    -------
    float

    Examples
    --------
    >>> mean_distance([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]], metric="euclidean").__round__(3)
    3.333
    """
    return _mean_distance(_directions(features, metric), metric)


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
        right = _directions(features, metric)
        width = _mean_distance(right, metric) if sigma is None else sigma
        if new_features is not features:  # double, so that rounding hides how many rows came along
            left = _directions(new_features, metric)
        else:  # single precision, and one triangle of the product: four times as fast
            left = right = right if metric == "euclidean" else right.astype(np.float32)
        terms.append(lambda rows: _similarity(left[rows], right, width, metric))
    if combine != "similarity":
        if phenotype is None or new_phenotype is None:
            raise ValueError(f'combine={combine!r} needs phenotype, or write combine="similarity".')
        a, b, widths = _phenotype_columns(new_phenotype, phenotype, categorical, continuous)
        terms.append(lambda rows: _agreement(a[rows], b, widths))
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
    rows = _rows(features)
    return np.argsort(rows.view(f"V{rows.itemsize * rows.shape[1]}").ravel(), kind="stable")


def _blocks(
    terms: list[_Term], n_rows: int, n_columns: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield the affinities of some rows at a time to all columns."""
    for rows in _row_blocks(n_rows, n_columns):
        yield rows, reduce(np.multiply, (term(rows) for term in terms))


def _row_blocks(n_rows: int, n_columns: int) -> list[slice]:
    step = max(1, _BLOCK // n_columns)
    return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]


def _dense(terms: list[_Term], n: int) -> NDArray[np.float32]:
    graph = np.empty((n, n), dtype=np.float32)
    for rows, block in _blocks(terms, n, n):
        graph[rows] = block
    for rows in _row_blocks(n, n) if n * n > _BLOCK else ():  # the halves were rounded apart
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


def _phenotype_columns(
    phenotype: pd.DataFrame,
    other: pd.DataFrame,
    categorical: Sequence[str],
    continuous: Mapping[str, float],
) -> tuple[NDArray, NDArray, NDArray]:
    """Numbers (S, H) and (Q, H) and tolerances (H,), 0 for a category; missing is NaN."""
    names = [*categorical, *continuous]
    if isinstance(categorical, str) or not names:
        raise ValueError(
            f"name at least one phenotype, got categorical={categorical!r} and continuous="
            f'{dict(continuous)}. Write categorical=["site"], continuous={{"age": 2.0}}.'
        )
    absent = [name for name in names if name not in phenotype or name not in other]
    if absent:
        raise ValueError(f"phenotype has no column {absent}: it has {list(phenotype.columns)}.")
    bad = {name: width for name, width in continuous.items() if not width > 0}
    if bad:
        raise ValueError(f"tolerances must be > 0, got {bad}. For age +-2 write {{'age': 2.0}}.")
    columns = []
    for name in names:
        both = pd.concat([phenotype[name].astype(object), other[name].astype(object)])
        columns.append(_numbers(both) if name in continuous else pd.factorize(both)[0])
    stacked = np.stack(columns, axis=1).astype(float)
    categories = stacked[:, : len(categorical)]
    categories[categories < 0] = np.nan  # a view: factorize gives missing values -1
    tolerance = np.array([0.0] * len(categorical) + list(continuous.values()))
    return stacked[: len(phenotype)], stacked[len(phenotype) :], tolerance


def _numbers(values: pd.Series) -> NDArray[np.float64]:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
    words = values[np.isnan(numbers) & values.notna().to_numpy()]
    if len(words):
        raise ValueError(
            f"{values.name!r} is continuous but holds {words.iloc[0]!r}. Write it in categorical, "
            "or make the column numeric with NaN for missing."
        )
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _agreement(left: NDArray, right: NDArray, tolerance: NDArray) -> NDArray[np.float32]:
    count = np.zeros((len(left), len(right)), dtype=np.uint8)
    for start in range(0, len(left), 32):  # a few rows at a time stay in the cache
        for a, b, width in zip(left[start : start + 32].T, right.T, tolerance, strict=True):
            equal = np.abs(a[:, None] - b) < width if width else a[:, None] == b  # NaN: false
            count[start : start + 32] += equal.view(np.uint8)
    return count.astype(np.float32)


def _rows(features: ArrayLike) -> NDArray[np.float64]:
    rows = np.ascontiguousarray(features, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"features must have the shape (S, F), got {rows.shape}.")
    return rows


def _directions(features: ArrayLike, metric: Metric) -> NDArray[np.float64]:
    """Rows whose products give the distance: unit vectors, or the features for "euclidean"."""
    if metric not in get_args(Metric):
        raise ValueError(f"metric must be one of {get_args(Metric)}, got {metric!r}.")
    rows = _rows(features)
    length = np.sqrt(np.einsum("sf,sf->s", rows, rows))
    broken = np.flatnonzero(~np.isfinite(length))
    if len(broken):
        given = f"{len(broken)} participants (rows {broken[:5].tolist()})"
        raise ValueError(f"features of {given} hold NaN or infinity: impute or drop them.")
    if metric == "euclidean":
        return rows
    rows = rows - (rows.mean(axis=1, keepdims=True) if metric == "correlation" else 0)
    radius = np.sqrt(np.einsum("sf,sf->s", rows, rows))
    flat = np.flatnonzero(radius <= 1e-12 * length)
    if len(flat):
        raise ValueError(
            f"features of {len(flat)} participants are constant (rows {flat[:5].tolist()}), so "
            f'they have no {metric} with others: drop these, or write metric="euclidean".'
        )
    return np.divide(rows, radius[:, None], out=rows)


def _squared_distance(left: NDArray, right: NDArray, metric: Metric) -> NDArray[np.float32]:
    product = left @ right.T  # numpy computes one triangle where right is left
    if metric == "euclidean":
        lengths = np.einsum("sf,sf->s", left, left)[:, None], np.einsum("sf,sf->s", right, right)
        return np.maximum(lengths[0] + lengths[1] - 2 * product, 0).astype(np.float32)
    distance = np.subtract(1, product, out=product).astype(np.float32, copy=False)
    return np.square(distance, out=distance)


def _similarity(left: NDArray, right: NDArray, sigma: float, metric: Metric) -> NDArray[np.float32]:
    if not sigma > 0:
        raise ValueError(
            f"sigma must be > 0, got {sigma}. It is in units of the distance: write "
            "sigma=mean_distance(features); where that is 0 all features are the same."
        )
    squared = _squared_distance(left, right, metric)
    squared *= np.float32(-0.5 / sigma**2)
    return np.exp(squared, out=squared)


def _mean_distance(directions: NDArray, metric: Metric) -> float:
    n = len(directions)
    if n < 2:
        raise ValueError(f"a mean distance needs at least 2 participants, got {n}: give sigma.")
    if metric == "euclidean":
        total = 0.0
        for rows in _row_blocks(n, n):
            squared = _squared_distance(directions[rows], directions, metric)
            total += np.sqrt(squared).sum(dtype=float)
    else:  # the sum over i != j of 1 - u_i . u_j
        summed = directions.sum(axis=0)
        total = n * n - summed @ summed
    mean = float(total / (n * (n - 1)))
    return mean if mean > 1e-12 else 0.0


def _check_options(n_neighbors: int | None, threshold: float | None) -> None:
    if n_neighbors is not None and (n_neighbors < 1 or n_neighbors != int(n_neighbors)):
        raise ValueError(f"n_neighbors must be a whole number >= 1, got {n_neighbors}.")
    if threshold is not None and not threshold > 0:
        raise ValueError(f"threshold must be > 0, got {threshold}; without one write None.")
