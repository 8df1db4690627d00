"""Groups of participants: the values of a column, or bands of its numbers."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

__all__ = ["bands"]

_MANY = 10


def bands(known: pd.Series, cuts: Sequence[float] | None = None) -> pd.Series:
    """Name the group of each participant: a value, or a band of numbers.

    Parameters
    ----------
    known : Series (S,)
        Numbers of more than 10 different values are cut, others are groups as they are.
    cuts : sequence of float, optional
        Lower limits of all bands but the first; by default the quartiles.

    Returns
    -------
    Series (S,)
        Categorical, in the order of the bands.

    Raises
    ------
    ValueError
        If limits do not rise, or there are no numbers to cut.

    Examples
    --------
    >>> bands(pd.Series([8.0, 12.0, 30.0], name="age"), (12, 18)).tolist()
    ['under 12', '12 to 18', '18 and over']
    """
    if not pd.api.types.is_numeric_dtype(known):
        if cuts is not None:
            raise ValueError(f"bands need numbers, but {known.name} holds {known.dtype}.")
        return known.astype(object).where(known.notna()).astype("category")
    if cuts is None and known.nunique() <= _MANY:
        return known.map("{:g}".format, na_action="ignore").astype("category")
    edges = np.unique(np.nanquantile(known, [0.25, 0.5, 0.75])) if cuts is None else np.array(cuts)
    if len(edges) == 0 or (np.diff(edges) <= 0).any():
        raise ValueError(
            f"bands of {known.name} must be rising limits, got {list(edges)}. Write "
            f"bands={{{known.name!r}: (12, 18)}}."
        )
    limits = [f"{edge:.4g}" for edge in edges]
    between = [f"{low} to {high}" for low, high in pairwise(limits)]
    names = [f"under {limits[0]}", *between, f"{limits[-1]} and over"]
    banded = pd.cut(known, [-np.inf, *edges, np.inf], right=False, labels=names)
    return banded.cat.remove_unused_categories()
