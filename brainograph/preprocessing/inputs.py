"""What the transformers read from their ``X``: region names and connectivity matrices."""

from collections.abc import Sequence

import numpy as np

from brainograph.cohort import Cohort

__all__ = ["check_regions", "matrices_of", "region_names"]


def region_names(X: Cohort | np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """Return the R region names of a cohort; those of plain arrays are their numbers.

    Examples
    --------
    >>> region_names(np.zeros((5, 3, 3))).tolist()
    ['0', '1', '2']
    """
    if isinstance(X, Cohort):
        return X.regions.index.to_numpy(dtype=object)
    n_regions = np.shape(X[0])[-1]
    return np.array([str(region) for region in range(n_regions)], dtype=object)


def check_regions(fitted: Sequence[str] | np.ndarray, given: Sequence[str] | np.ndarray) -> None:
    """Refuse regions that are not those of the fit, in their order.

    Raises
    ------
    ValueError
        If they differ; the message lists what is missing, what is new, or what moved.

    Examples
    --------
    >>> check_regions(["Left Amygdala", "Right Amygdala"], ["Left Amygdala"])
    Traceback (most recent call last):
    ...
    ValueError: the regions are not those of the fit: 1 given, 2 needed; missing ['Right Amygdala'].
    A model works on the atlas it was fitted on: build the cohort with that atlas, or fit again.
    """
    fitted, given = list(fitted), list(given)
    if fitted == given:
        return
    parts = [f"{len(given)} given, {len(fitted)} needed"]
    for word, names in (
        ("missing", [name for name in fitted if name not in set(given)]),
        ("not in the fit", [name for name in given if name not in set(fitted)]),
    ):
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            parts.append(f"{word} {names[:5]}{more}")
    if set(fitted) == set(given):
        pairs = enumerate(zip(fitted, given, strict=True))
        row, (old, new) = next((row, pair) for row, pair in pairs if pair[0] != pair[1])
        parts.append(f"another order: row {row} is {new!r}, was {old!r}")
    raise ValueError(
        f"the regions are not those of the fit: {'; '.join(parts)}.\n"
        "A model works on the atlas it was fitted on: build the cohort with that atlas, "
        "or fit again."
    )


def matrices_of(X: Cohort | np.ndarray, connectivity: str) -> np.ndarray:
    """Return the named matrices (S, R, R) of a cohort, or the array itself.

    Raises
    ------
    ValueError
        If the cohort has no such connectivity, or the array is not (S, R, R).
    """
    if isinstance(X, Cohort):
        if connectivity not in X.connectivity:
            there = ", ".join(map(repr, X.connectivity)) or "none"
            raise ValueError(
                f"the cohort has no connectivity {connectivity!r}; it has: {there}. Write one of "
                "those, or add it: "
                f"cohort.assign(connectivity={{{connectivity!r}: static(cohort.timeseries)}})."
            )
        return np.asarray(X.connectivity[connectivity])
    matrices = np.asarray(X)
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2]:
        raise ValueError(
            f"X must be a Cohort or matrices (subjects, regions, regions), got shape "
            f"{matrices.shape}. For one matrix write X[None]."
        )
    return matrices
