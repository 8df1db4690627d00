"""Connectivity that changes in time: correlation in sliding windows."""

import warnings
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, DTypeLike

from brainograph.connectivity.kernel import fisher_z, windowed_correlation
from brainograph.connectivity.series import (
    check_choice,
    check_series,
    find_constant,
    report_constant,
    shorten,
)

__all__ = ["DynamicKind", "Window", "sliding_window", "window_starts"]

Window = Literal["rectangular", "hann", "hamming", "gaussian"]
DynamicKind = Literal["correlation", "fisher z"]
_MIN_LENGTH = 3


def _to_volumes(name: str, value: float, t_r: float | None) -> int:
    """Convert seconds, or an integral number of volumes, to volumes."""
    if t_r is None:
        if value != int(value) or value < 1:
            raise ValueError(
                f"{name} must be a whole number of volumes, got {value}. For {value} seconds give "
                "the repetition time too: t_r=2.0."
            )
        return int(value)
    if value <= 0:
        raise ValueError(f"{name} must be more than 0 s, got {value}.")
    return max(1, int(np.floor(value / t_r + 0.5)))


def _taper(window: str, length: int) -> np.ndarray:
    """Return the weights of a window by name."""
    if window == "hann":
        return np.hanning(length)
    if window == "hamming":
        return np.hamming(length)
    if window == "gaussian":
        from_center = np.arange(length) - (length - 1) / 2
        return np.exp(-0.5 * (from_center / (length / 6)) ** 2)
    return np.ones(length)


def _window_weights(window: Window | ArrayLike, length: int) -> np.ndarray:
    """Return the weight of each volume of a window."""
    if isinstance(window, str):
        check_choice("window", window, Window)
        weights = _taper(window, length)
    else:
        weights = np.asarray(window, dtype=np.float64)
    if weights.shape != (length,) or not np.isfinite(weights).all() or (weights < 0).any():
        listed = ", ".join(repr(name) for name in get_args(Window))
        raise ValueError(
            f"window must be one of {listed}, or {length} weights that are not negative, one for "
            f"each volume of the window, got an array of shape {weights.shape}."
        )
    if np.count_nonzero(weights) < _MIN_LENGTH:
        raise ValueError(
            f"window must give at least {_MIN_LENGTH} volumes a weight above 0, got "
            f"{np.count_nonzero(weights)} of {length}. Make length larger."
        )
    return weights


def window_starts(
    n_volumes: int, length: float, *, step: float = 1, t_r: float | None = None
) -> np.ndarray:
    """Return the first volume of each full window.

    A window's center is its start + (length - 1) / 2, in volumes.

    Parameters
    ----------
    n_volumes : int
        Volumes T of the scan.
    length, step : float (seconds) with ``t_r``, else int (volumes)
        As of :func:`sliding_window`.
    t_r : float (seconds), optional
        Repetition time.

    Returns
    -------
    array (W,) of int
        W = 1 + (T - length) // step, or none if the window is longer than the scan.

    Examples
    --------
    >>> window_starts(10, 4, step=3)
    array([0, 3, 6])
    >>> window_starts(10, 8.0, step=6.0, t_r=2.0)
    array([0, 3, 6])
    """
    last = n_volumes - _to_volumes("length", length, t_r)
    return np.arange(0, last + 1, _to_volumes("step", step, t_r))


def _repetition_times(t_r: float | Sequence[float] | None, n_subjects: int) -> list[float | None]:
    """Return one repetition time for each subject, or None for each."""
    if t_r is None:
        return [None] * n_subjects
    times = np.atleast_1d(np.asarray(t_r, dtype=np.float64))
    if times.shape not in {(1,), (n_subjects,)} or not (np.isfinite(times) & (times > 0)).all():
        raise ValueError(
            f"t_r must be a repetition time in seconds above 0, one or one for each of the "
            f"{n_subjects} subjects, got {t_r!r}."
        )
    return np.broadcast_to(times, n_subjects).tolist()


def _check_lengths(
    lengths: list[int], n_volumes: list[int], length: float, *, in_seconds: bool
) -> None:
    """Raise a ValueError if a window has too few volumes or more than its scan."""
    if min(lengths) < _MIN_LENGTH:
        unit = " s" if in_seconds else ""
        raise ValueError(
            f"length={length}{unit} is {min(lengths)} volumes; a correlation needs at least "
            f"{_MIN_LENGTH}. The field's windows are 30 to 60 s long."
        )
    short = [s for s, (w, t) in enumerate(zip(lengths, n_volumes, strict=True)) if w > t]
    if short:
        longest = min(n_volumes[s] / lengths[s] * length for s in short)
        have = shorten([f"{s}: {n_volumes[s]} of {lengths[s]}" for s in short])
        raise ValueError(
            f"The window of length={length} is longer than the scan (subject: volumes there and "
            f"needed) {have}. Write length={longest:.{1 if in_seconds else 0}f} or less, or leave "
            "those subjects out."
        )


def _one_scan(
    series: np.ndarray,
    constant: np.ndarray,
    length: int,
    step: int,
    weights: np.ndarray,
    kind: DynamicKind,
    dtype: np.dtype,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrices (W, R, R) of one scan and in how many windows each region is constant."""
    values = np.array(series)
    values[:, constant] = 0
    n_volumes, n_regions = values.shape
    n_windows = 1 + (n_volumes - length) // step
    matrices = np.empty((n_windows, n_regions, n_regions), dtype)  # in huge pages, unlike torch's
    out = torch.from_numpy(matrices)
    windowed_correlation(
        torch.from_numpy(values),
        length,
        step=step,
        weights=None if np.ptp(weights) == 0 else torch.from_numpy(weights),
        dtype=out.dtype,
        out=out,
    )
    silent = (np.diagonal(matrices, axis1=1, axis2=2) == 0).sum(0)
    if kind == "fisher z":
        fisher_z(out, out=out)
    return matrices, silent


def _report_silent(silent: list[np.ndarray], constant: list[np.ndarray]) -> None:
    """Warn once of the regions that have a signal, but not in every window."""
    found = [
        (s, np.setdiff1d(np.flatnonzero(counts), constant[s])) for s, counts in enumerate(silent)
    ]
    found = [(s, regions) for s, regions in found if len(regions)]
    if found:
        listed = "; ".join(f"subject {s}: {shorten(regions)}" for s, regions in found[:10])
        warnings.warn(
            f"Regions are constant in some windows in {len(found)} of {len(silent)} subjects: "
            f"{listed}{'; ...' if len(found) > 10 else ''}. Their rows and columns are 0 in those "
            "windows.",
            UserWarning,
            stacklevel=3,
        )


def sliding_window(
    series: ArrayLike | Sequence[ArrayLike],
    length: float,
    *,
    step: float = 1,
    t_r: float | Sequence[float] | None = None,
    window: Window | ArrayLike = "rectangular",
    kind: DynamicKind = "correlation",
    dtype: DTypeLike | None = None,
) -> np.ndarray | list[np.ndarray]:
    r"""Correlate the regions in every full window of each scan.

    A tapered window weighs the volumes of a true weighted Pearson correlation [1]_, in its
    means as in its products; the series are never multiplied by the taper:

    .. math:: r_{ij} = \frac{\sum_t w_t (x_{ti} - \bar x_i)(x_{tj} - \bar x_j)}
        {\sqrt{\sum_t w_t (x_{ti} - \bar x_i)^2 \sum_t w_t (x_{tj} - \bar x_j)^2}},
        \qquad \bar x_i = \frac{\sum_t w_t x_{ti}}{\sum_t w_t}

    Parameters
    ----------
    series : array (T, R), or S arrays (T_s, R)
        One scan, or several whose lengths may differ.
    length, step : float (seconds) with ``t_r``, else int (volumes)
        Of the windows. Seconds are rounded to the nearest volume, and to at least one for
        ``step``, so that the default slides by single volumes.
    t_r : float (seconds), or S of them, optional
        Repetition time, which differs between the sites of most cohorts: in volumes, the same
        window would be longer in some than in others.
    window : str or array (length,)
        ``"rectangular"``, ``"hann"`` and ``"hamming"`` as of numpy (a Hann window gives its
        first and last volume no weight), ``"gaussian"`` with a standard deviation of
        length / 6, or the weights themselves.
    kind : str
        ``"correlation"`` (Pearson) or ``"fisher z"`` (its arctanh, with a diagonal of 0).
    dtype : float32 or float64, optional
        Of the result. By default float32 where the series are float32, else float64. float32
        takes half the memory and a third of the time, at an error below 2e-6.

    Returns
    -------
    array (W, R, R), or list of S arrays (W_s, R, R)
        W = 1 + (T - length) // step. Where a region is constant its row and column are 0,
        diagonal included; warnings say where. One scan of 171 windows and 200 regions takes
        27 MB in float32: compute large cohorts one scan at a time.

    Raises
    ------
    ValueError
        For a window longer than a scan or shorter than 3 volumes, and for series that are not
        finite or not (T, R).

    References
    ----------
    .. [1] Pozzi F. et al. (2012), Exponential smoothing weighted correlations, Eur. Phys. J. B
       85:175.

    Examples
    --------
    >>> series = np.random.default_rng(0).standard_normal((120, 4))
    >>> sliding_window(series, 30).shape
    (91, 4, 4)
    >>> sliding_window(series, 60.0, step=10.0, t_r=2.0, window="hamming").shape
    (19, 4, 4)
    >>> [matrices.shape for matrices in sliding_window([series, series[:50]], 30, step=5)]
    [(19, 4, 4), (5, 4, 4)]
    """
    check_choice("kind", kind, DynamicKind)
    if dtype is not None and np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}.")
    subjects, single = check_series(series)
    times = _repetition_times(t_r, len(subjects))
    lengths = [_to_volumes("length", length, time) for time in times]
    steps = [_to_volumes("step", step, time) for time in times]
    _check_lengths(lengths, [len(one) for one in subjects], length, in_seconds=t_r is not None)
    constant = [find_constant(one) for one in subjects]
    report_constant(constant, subjects[0].shape[1])
    scans = [
        _one_scan(one, c, w, s, _window_weights(window, w), kind, np.dtype(dtype or one.dtype))
        for one, c, w, s in zip(subjects, constant, lengths, steps, strict=True)
    ]
    _report_silent([silent for _, silent in scans], constant)
    return scans[0][0] if single else [matrices for matrices, _ in scans]
