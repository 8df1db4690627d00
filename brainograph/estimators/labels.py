"""Labels: integers, with -1 for a participant whose label is unknown or hidden."""

import numpy as np
from numpy.typing import ArrayLike

from brainograph.cohort import Cohort

__all__ = ["check_labels"]


def check_labels(y: ArrayLike, cohort: Cohort) -> np.ndarray:
    """Return the labels as integers (S,), -1 where unlabelled.

    Raises
    ------
    ValueError
        If they are not one integer for each participant, or fewer than two classes are there.

    Examples
    --------
    >>> import pandas as pd
    >>> cohort = Cohort(pd.DataFrame(index=["a", "b", "c"]), pd.DataFrame(index=["r1"]))
    >>> check_labels([0.0, 1.0, -1.0], cohort)
    array([ 0,  1, -1])
    """
    labels = np.asarray(y)
    if labels.shape != (len(cohort),):
        raise ValueError(f"y has shape {labels.shape}, needed is ({len(cohort)},).")
    try:
        numbers = labels.astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"y must hold integers, got {labels.dtype} such as {labels[0]!r}. Write for example "
            'y = (cohort.phenotype["diagnosis"] == "patient").astype(int).'
        ) from error
    if not np.isfinite(numbers).all() or (numbers % 1 != 0).any():
        raise ValueError(
            "y must hold integers, with -1 for unlabelled participants; got missing or "
            "fractional values. Write for example y = y.fillna(-1).astype(int)."
        )
    labels = numbers.astype(int)
    classes = np.unique(labels[labels != -1])
    if len(classes) < 2:
        raise ValueError(
            f"the labelled participants have one class or none ({classes.tolist()}); "
            "at least two are needed. -1 stands for unlabelled."
        )
    return labels
