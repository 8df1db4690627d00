"""Regions without signal: outside the field of view, or lost."""

import numpy as np
import pandas as pd

from brainograph.cohort import Cohort
from brainograph.connectivity.series import find_constant

__all__ = ["silent_regions"]


def silent_regions(cohort: Cohort) -> pd.Series | None:
    """Name the regions without signal of each participant (S,).

    A region is silent whose series is constant or, where there are no series, whose connections
    are all 0 or missing.

    Returns
    -------
    Series of lists of str, or None
        By participant; None for a cohort without series and matrices.

    Examples
    --------
    >>> matrices = np.array([[[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    >>> regions = pd.DataFrame(index=["r1", "r2", "r3"])
    >>> cohort = Cohort(pd.DataFrame(index=["a"]), regions, connectivity={"fc": matrices})
    >>> silent_regions(cohort).to_dict()
    {'a': ['r3']}
    """
    if cohort.timeseries is not None:
        silent = [
            find_constant(np.asarray(one)) if len(one) else np.arange(cohort.n_regions)
            for one in cohort.timeseries
        ]
    elif cohort.connectivity:
        silent = [_unconnected(np.asarray(m)) for m in next(iter(cohort.connectivity.values()))]
    else:
        return None
    names = cohort.regions.index
    return pd.Series([names[rows].tolist() for rows in silent], index=cohort.phenotype.index)


def _unconnected(matrix: np.ndarray) -> np.ndarray:
    others = ~np.eye(len(matrix), dtype=bool)
    return np.flatnonzero(~((np.nan_to_num(matrix) != 0) & others).any(axis=1))
