"""What joins two participants: phenotypes in which they agree, and features that are alike."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "CATEGORICAL",
    "CONTINUOUS",
    "Metric",
    "agreement",
    "directions",
    "feature_rows",
    "gaussian",
    "mean_distance",
    "mean_of_pairs",
    "phenotype_agreement",
    "phenotype_columns",
    "row_blocks",
    "similarity",
]

Metric = Literal["correlation", "cosine", "euclidean"]

CATEGORICAL = ("sex", "site")
CONTINUOUS: Mapping[str, float] = MappingProxyType({"age": 2.0})

_BLOCK = 2**24  # affinities computed at a time: 64 MiB


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
    return agreement(*phenotype_columns(phenotype, other, categorical, continuous))


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
    left = directions(features, metric)
    right = left if other is None else directions(other, metric)
    return gaussian(left, right, mean_of_pairs(left, metric) if sigma is None else sigma, metric)


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
    return mean_of_pairs(directions(features, metric), metric)


def phenotype_columns(
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


def agreement(left: NDArray, right: NDArray, tolerance: NDArray) -> NDArray[np.float32]:
    """Count in how many columns rows agree (S, Q): equal, or closer than the tolerance."""
    count = np.zeros((len(left), len(right)), dtype=np.uint8)
    for start in range(0, len(left), 32):  # a few rows at a time stay in the cache
        for a, b, width in zip(left[start : start + 32].T, right.T, tolerance, strict=True):
            equal = np.abs(a[:, None] - b) < width if width else a[:, None] == b  # NaN: false
            count[start : start + 32] += equal.view(np.uint8)
    return count.astype(np.float32)


def feature_rows(features: ArrayLike) -> NDArray[np.float64]:
    """Return the features as contiguous rows (S, F)."""
    rows = np.ascontiguousarray(features, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"features must have the shape (S, F), got {rows.shape}.")
    return rows


def directions(features: ArrayLike, metric: Metric) -> NDArray[np.float64]:
    """Rows whose products give the distance: unit vectors, or the features for "euclidean"."""
    if metric not in get_args(Metric):
        raise ValueError(f"metric must be one of {get_args(Metric)}, got {metric!r}.")
    rows = feature_rows(features)
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


def gaussian(left: NDArray, right: NDArray, sigma: float, metric: Metric) -> NDArray[np.float32]:
    """Similarity of :func:`directions` (S, Q)."""
    if not sigma > 0:
        raise ValueError(
            f"sigma must be > 0, got {sigma}. It is in units of the distance: write "
            "sigma=mean_distance(features); where that is 0 all features are the same."
        )
    squared = _squared_distance(left, right, metric)
    squared *= np.float32(-0.5 / sigma**2)
    return np.exp(squared, out=squared)


def mean_of_pairs(units: NDArray, metric: Metric) -> float:
    """Mean distance of :func:`directions` over the pairs of different rows."""
    n = len(units)
    if n < 2:
        raise ValueError(f"a mean distance needs at least 2 participants, got {n}: give sigma.")
    if metric == "euclidean":
        total = 0.0
        for rows in row_blocks(n, n):
            squared = _squared_distance(units[rows], units, metric)
            total += np.sqrt(squared).sum(dtype=float)
    else:  # the sum over i != j of 1 - u_i . u_j
        summed = units.sum(axis=0)
        total = n * n - summed @ summed
    mean = float(total / (n * (n - 1)))
    return mean if mean > 1e-12 else 0.0


def row_blocks(n_rows: int, n_columns: int) -> list[slice]:
    """Cut rows so that a block of affinities to all columns stays small."""
    step = max(1, _BLOCK // n_columns)
    return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]
