"""Describe each region of one subject by numbers: the node features ``x`` of a brain graph."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brainograph.graphs import measures as graph
from brainograph.graphs.sparsify import sparsify, symmetric

__all__ = ["Kind", "alff", "node_features", "series_moments"]

Kind = Literal[
    "profile",
    "degree",
    "strength",
    "clustering",
    "local_efficiency",
    "moments",
    "alff",
    "falff",
    "coordinates",
    "measures",
]


def node_features(
    connectivity: ArrayLike,
    *,
    kinds: Sequence[Kind] = ("profile", "strength"),
    adjacency: ArrayLike | None = None,
    series: ArrayLike | None = None,
    t_r: float | None = None,
    band: tuple[float, float] = (0.01, 0.08),
    coordinates: ArrayLike | None = None,
    measures: Mapping[str, ArrayLike] | None = None,
    regions: Sequence[str] | None = None,
) -> tuple[NDArray[np.float32], list[str]]:
    """Put the features of the regions of one subject side by side.

    Parameters
    ----------
    connectivity : array (R, R)
        Symmetric; its rows, with a zero diagonal, are the "profile".
    kinds : sequence of str
        In the order wanted: "profile" (R columns), "degree", "strength", "clustering",
        "local_efficiency" (see :mod:`brainograph.graphs.measures`), "moments" (mean, standard
        deviation, skewness and excess kurtosis of the series), "alff", "falff" (see
        :func:`alff`), "coordinates" (x, y, z), "measures" (one column each).
    adjacency : array (R, R), optional
        The sparsified graph, weights >= 0, of which degree, strength, clustering and local
        efficiency are taken; the positive part of the connectivity by default.
    series : array (T, R), optional
        For "moments", "alff" and "falff".
    t_r : float, optional
        Repetition time in seconds, for "alff" and "falff".
    band : (float, float)
        Of "alff" and "falff", in Hz.
    coordinates : array (R, 3), optional
        For "coordinates", in mm: ``cohort.regions[["x", "y", "z"]]``.
    measures : mapping of str to array (R,), optional
        For "measures": regional thickness, volume ... of the subject.
    regions : sequence of str (R,), optional
        Name the columns of the profile.

    Returns
    -------
    x : ndarray (R, C), float32
    names : list of str (C,)

    Raises
    ------
    ValueError
        For an unknown kind, an input that a kind needs and was not given, or another number of
        regions.

    Examples
    --------
    >>> x, names = node_features([[1, 0.5], [0.5, 1]], coordinates=[[-4, 0, 2], [4, 0, 2]],
    ...                          kinds=["strength", "coordinates"])
    >>> names
    ['strength', 'x', 'y', 'z']
    >>> x
    array([[ 0.5, -4. ,  0. ,  2. ],
           [ 0.5,  4. ,  0. ,  2. ]], dtype=float32)
    """
    matrix = symmetric(connectivity)
    unknown = [kind for kind in kinds if kind not in get_args(Kind)]
    if isinstance(kinds, str) or unknown or not kinds:
        raise ValueError(f"kinds must be a list of {get_args(Kind)}, got {kinds!r}.")
    A = sparsify(matrix) if adjacency is None else symmetric(adjacency, name="adjacency")
    n_regions = len(matrix)
    columns: list[NDArray] = []
    names: list[str] = []
    for kind in kinds:
        if kind == "profile":
            labels = range(n_regions) if regions is None else regions
            values, new = matrix, [f"profile_{label}" for label in labels]
        elif kind == "moments":
            values = series_moments(_needed(series, "series", kind))
            new = ["mean", "std", "skewness", "kurtosis"]
        elif kind in ("alff", "falff"):
            both = alff(_needed(series, "series", kind), t_r=_needed(t_r, "t_r", kind), band=band)
            values, new = both[kind == "falff"], [kind]
        elif kind == "coordinates":
            values, new = np.asarray(_needed(coordinates, "coordinates", kind)), ["x", "y", "z"]
        elif kind == "measures":
            table = _needed(measures, "measures", kind)
            values, new = np.stack([np.asarray(v) for v in table.values()], axis=1), list(table)
        else:
            values, new = _MEASURES[kind](A), [kind]
        values = values.reshape(len(values), -1)
        if values.shape != (n_regions, len(new)):
            raise ValueError(
                f"{kind!r} needs the shape {(n_regions, len(new))} for {n_regions} regions, got "
                f"{values.shape}."
            )
        columns.append(values)
        names += new
    x = np.concatenate(columns, axis=1).astype(np.float32)
    broken = [names[column] for column in np.flatnonzero(~np.isfinite(x).all(axis=0))]
    if broken:
        raise ValueError(f"node features {broken} hold NaN or infinity: impute or leave them out.")
    return x, names


_MEASURES: dict[str, Callable[[ArrayLike], NDArray]] = {
    "degree": graph.degree,
    "strength": graph.strength,
    "clustering": graph.clustering,
    "local_efficiency": graph.local_efficiency,
}


def series_moments(series: ArrayLike) -> NDArray[np.float64]:
    """Mean, standard deviation, skewness and excess kurtosis of each region's series.

    Parameters
    ----------
    series : array (T, R)
        Skewness and kurtosis of constant regions are 0.

    Returns
    -------
    ndarray (R, 4)
        Population moments (divided by T), as scipy.stats.

    Examples
    --------
    >>> series_moments([[0.0, 1.0], [2.0, 1.0]])
    array([[ 1.,  1.,  0., -2.],
           [ 1.,  0.,  0.,  0.]])
    """
    values = _series(series)
    mean, std = values.mean(axis=0), values.std(axis=0)
    varies = np.ptp(values, axis=0) > 0
    z = (values - mean) / np.where(varies, std, 1)
    shape = [std, (z**3).mean(axis=0), (z**4).mean(axis=0) - 3]
    return np.stack([mean, *np.where(varies, shape, 0)], axis=1)


def alff(
    series: ArrayLike, *, t_r: float, band: tuple[float, float] = (0.01, 0.08)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Amplitude of low-frequency fluctuations, and its fraction of all amplitudes.

    .. math:: a_f = \frac{2}{T} \left| \sum_t (s_t - \bar s) e^{-2 \pi i f t} \right|, \quad
              \mathrm{ALFF} = \frac{1}{n} \sum_{f \in \mathrm{band}} a_f, \quad
              \mathrm{fALFF} = \sum_{f \in \mathrm{band}} a_f \Big/ \sum_{f > 0} a_f

    Zang et al. (2007), Brain Dev 29, 83-91; Zou et al. (2008), J Neurosci Methods 172, 137-141.
    ALFF compares scanners only after division by its mean over regions; fALFF needs series that
    were not band-pass filtered.

    Parameters
    ----------
    series : array (T, R)
        One subject.
    t_r : float
        Repetition time in seconds.
    band : (float, float)
        Lowest and highest frequency in Hz, both included.

    Returns
    -------
    alff : ndarray (R,)
        In the unit of the series.
    falff : ndarray (R,)
        In [0, 1]; 0 for constant regions.

    Raises
    ------
    ValueError
        For t_r <= 0, or a band in which the series has no frequency.

    Examples
    --------
    >>> t = 2.0 * np.arange(100)
    >>> slow, fast = np.sin(2 * np.pi * 0.05 * t), np.sin(2 * np.pi * 0.2 * t)
    >>> alff(np.stack([slow, slow + fast], axis=1), t_r=2.0, band=(0.04, 0.06))[1].round(3)
    array([1. , 0.5])
    """
    values = _series(series)
    if not t_r > 0:
        raise ValueError(f"t_r must be > 0 seconds, got {t_r}.")
    frequencies = np.fft.rfftfreq(len(values), t_r)
    rounding = 1e-9 * frequencies[1]
    inside = (frequencies >= band[0] - rounding) & (frequencies <= band[1] + rounding)
    inside[0] = False
    if not inside.any():
        raise ValueError(
            f"{len(values)} volumes at t_r={t_r:g} s resolve {frequencies[1]:.3g} to "
            f"{frequencies[-1]:.3g} Hz, none of it in band={band}."
        )
    amplitude = np.abs(np.fft.rfft(values - values.mean(axis=0), axis=0)) * 2 / len(values)
    amplitude *= np.ptp(values, axis=0) > 0
    total = amplitude[1:].sum(axis=0)
    low = amplitude[inside]
    return low.mean(axis=0), low.sum(axis=0) / np.where(total > 0, total, 1)


def _series(series: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise ValueError(f"series must have the shape (T, R) with T >= 2, got {values.shape}.")
    return values


def _needed(value: Any, name: str, kind: str) -> Any:
    if value is None:
        raise ValueError(f"kind {kind!r} needs {name}: write node_features(..., {name}=...).")
    return value
