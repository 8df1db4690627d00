"""What regional time series must be before anything is computed from them."""

import warnings
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "check_choice",
    "check_series",
    "constant_regions",
    "find_constant",
    "report_constant",
    "shorten",
]

_MIN_VOLUMES = 3  # two volumes correlate at exactly -1 or 1
_ROUNDING = 4.0  # a standard deviation of this many units of rounding is no signal
_SHOWN = 10


def check_choice(name: str, value: Any, choices: Any) -> None:
    """Raise a ValueError unless the value is one of the choices of a ``Literal``."""
    allowed = get_args(choices)
    if value not in allowed:
        listed = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"{name} must be one of {listed}, got {value!r}.")


def shorten(items: Sequence[Any] | np.ndarray) -> str:
    """Write a list out, or its beginning and its length."""
    shown = ", ".join(str(item) for item in list(items)[:_SHOWN])
    return f"[{shown}]" if len(items) <= _SHOWN else f"[{shown}, ...] ({len(items)} in all)"


def _check_one(series: ArrayLike, owner: str) -> np.ndarray:
    """Return one subject's series as float32 or float64, or say what is wrong with it."""
    array = np.asarray(series)
    if array.ndim != 2:
        raise ValueError(
            f"{owner} must be (T, R), volumes by regions, got shape {array.shape}. For one region "
            "write series[:, None]; connectivity needs at least two."
        )
    if array.dtype != np.float64:
        try:
            short = array.dtype.kind == "f" and array.dtype.itemsize <= 4
            array = array.astype(np.float32 if short else np.float64, copy=False)
        except (TypeError, ValueError):
            raise ValueError(f"{owner} must be real numbers, got dtype {array.dtype}.") from None
    if len(array) < _MIN_VOLUMES:
        raise ValueError(
            f"{owner} has {len(array)} volumes; at least {_MIN_VOLUMES} are needed. Series are "
            "(T, R), volumes by regions: transpose with series.T if it came the other way round."
        )
    finite = np.isfinite(array)
    if not finite.all():
        regions = np.flatnonzero(~finite.all(0))
        raise ValueError(
            f"{owner} has NaN or infinite values in {len(regions)} of {array.shape[1]} regions: "
            f"{shorten(regions)}. Leave those volumes out, or write np.nan_to_num(series) to "
            "treat regions that are NaN throughout as constant."
        )
    return array


def check_series(series: ArrayLike | Sequence[ArrayLike]) -> tuple[list[np.ndarray], bool]:
    """Check the series of one or several subjects.

    Parameters
    ----------
    series : array (T, R), or S arrays (T_s, R)
        One subject, or several whose lengths may differ.

    Returns
    -------
    subjects : list of array (T_s, R)
        As float32 (from half or single precision) or float64.
    single : bool
        Whether one array was given.

    Raises
    ------
    ValueError
        For series that are not (T, R), too short, not finite, or of differing regions; the
        message names the subjects and regions.
    """
    ndim = getattr(series, "ndim", None)
    if ndim is not None and ndim < 3:
        return [_check_one(series, "series")], True  # type: ignore[arg-type]
    subjects = [_check_one(one, f"series of subject {s}") for s, one in enumerate(series)]  # type: ignore[arg-type]
    if not subjects:
        raise ValueError("series has no subject: give one (T, R) array or a list of them.")
    n_regions = subjects[0].shape[1]
    odd = [s for s, one in enumerate(subjects) if one.shape[1] != n_regions]
    if odd:
        raise ValueError(
            f"series must have the same regions in all subjects: subject 0 has {n_regions}, "
            f"subject {odd[0]} has {subjects[odd[0]].shape[1]} (differing: {shorten(odd)})."
        )
    return subjects, False


def find_constant(series: np.ndarray) -> np.ndarray:
    """Return the indices of the regions whose deviation is rounding of their own values."""
    first = series[0].astype(np.float64)  # leaves exactly 0 of a constant, unlike the mean
    deviation = (series - first).std(0)
    return np.flatnonzero(deviation <= _ROUNDING * np.finfo(series.dtype).eps * np.abs(first))


def constant_regions(series: ArrayLike | Sequence[ArrayLike]) -> list[np.ndarray]:
    """Find the regions without signal: constant up to the rounding of their own values.

    Parameters
    ----------
    series : array (T, R), or S arrays (T_s, R)
        One subject, or several.

    Returns
    -------
    list of S arrays of int
        The indices of each subject's constant regions; one array for one subject.

    Examples
    --------
    >>> constant_regions(np.array([[1.0, 0.0, 7.1], [2.0, 0.0, 7.1], [0.0, 0.0, 7.1]]))
    [array([1, 2])]
    """
    return [find_constant(one) for one in check_series(series)[0]]


def report_constant(constant: Sequence[np.ndarray], n_regions: int) -> None:
    """Warn once of the regions that are constant, by subject."""
    affected = [s for s, regions in enumerate(constant) if len(regions)]
    if not affected:
        return
    if len(constant) == 1:
        found = f"{len(constant[0])} of {n_regions} regions are constant: {shorten(constant[0])}"
    else:
        listed = "; ".join(f"subject {s}: {shorten(constant[s])}" for s in affected[:_SHOWN])
        found = (
            f"{len(affected)} of {len(constant)} subjects have constant regions, of {n_regions}: "
            f"{listed}{'; ...' if len(affected) > _SHOWN else ''}"
        )
    warnings.warn(
        f"{found}. Their rows and columns are 0; constant_regions(series) lists them.",
        UserWarning,
        stacklevel=3,
    )
