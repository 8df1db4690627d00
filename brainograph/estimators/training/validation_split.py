"""The validation split inside the training rows, on which training is stopped early."""

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from brainograph.cohort import Cohort

__all__ = ["validation_split"]


def validation_split(
    cohort: Cohort, target: np.ndarray, *, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split the labelled rows into those that are learnt from and those that say when to stop.

    Parameters
    ----------
    cohort : Cohort (S)
        Rows with the same value of the phenotype ``group``, where there is that column, stay
        together: the runs of one person.
    target : array (S,)
        Class of each row, -1 for unlabelled.
    fraction : float
        Share of the labelled rows that is held out.
    seed : int
        Seed.

    Returns
    -------
    rows, held_out : arrays of int
        Sorted.

    Raises
    ------
    ValueError
        If a class has too few members to be split.

    Examples
    --------
    >>> import pandas as pd
    >>> cohort = Cohort(pd.DataFrame(index=list("abcdefgh")), pd.DataFrame(index=["r1"]))
    >>> rows, held_out = validation_split(cohort, np.arange(8) % 2, fraction=0.25, seed=0)
    >>> len(rows), len(held_out)
    (6, 2)
    """
    labelled = np.flatnonzero(target != -1)
    try:
        if "group" in cohort.phenotype:
            groups = cohort.units("group").to_numpy()[labelled]
            folds = StratifiedGroupKFold(
                max(2, round(1 / fraction)), shuffle=True, random_state=seed
            )
            rows, held_out = next(folds.split(labelled, target[labelled], groups))
            return labelled[rows], labelled[held_out]
        rows, held_out = train_test_split(
            labelled, test_size=fraction, stratify=target[labelled], random_state=seed
        )
    except ValueError as error:
        counts = np.unique(target[labelled], return_counts=True)[1].tolist()
        raise ValueError(
            f"classes of {counts} labelled participants cannot be split for validation "
            f"({error}) Write validation_fraction=0 to train for max_epochs on all."
        ) from error
    return np.sort(rows), np.sort(held_out)
