"""The score from which a participant is called a patient."""

from typing import Literal, get_args

import numpy as np

from brainograph.metrics.binary import confusion, rates

__all__ = ["choose_threshold"]

Criterion = Literal["balanced_accuracy", "accuracy", "f1", "mcc"]


def choose_threshold(
    y_true: np.ndarray, y_score: np.ndarray, *, criterion: Criterion = "balanced_accuracy"
) -> float:
    """Choose the threshold that is best on participants who are not tested.

    A score equal to the threshold or above it is called a patient. Candidates lie halfway between
    neighbouring scores; of equally good ones the nearest to 0.5 is taken, and of those the lower.

    Parameters
    ----------
    y_true : array (S,)
        1 patient, 0 control, of validation or out-of-fold training rows, never of test rows.
    y_score : array (S,)
        Probability in [0, 1].
    criterion : {"balanced_accuracy", "accuracy", "f1", "mcc"}
        What is made largest. Balanced accuracy is largest where Youden's index is.

    Returns
    -------
    float
        0.5 where all scores are equal.

    Raises
    ------
    ValueError
        If a class is missing, a score is no probability, the lengths differ or there is no such
        criterion.

    References
    ----------
    Youden (1950), Index for rating diagnostic tests, Cancer 3.

    Examples
    --------
    >>> choose_threshold([0, 0, 1, 1], [0.125, 0.25, 0.375, 0.75])
    0.3125
    """
    if criterion not in get_args(Criterion):
        raise ValueError(f"criterion must be one of {get_args(Criterion)}, got {criterion!r}.")
    y_true, y_score = _checked(y_true, y_score)
    levels = np.unique(y_score)
    if len(levels) == 1:
        return 0.5
    halfway = (levels[:-1] + levels[1:]) / 2
    halfway = np.where(halfway > levels[:-1], halfway, levels[1:])
    counts = [confusion(y_true == 1, y_score >= cut, np.ones((len(y_true), 1))) for cut in halfway]
    value = rates(*np.concatenate(counts, axis=1))[criterion]
    best = halfway[value >= value.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - 0.5))])


def _checked(y_true: np.ndarray, y_score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both as arrays, or say what is wrong with them."""
    y_true, y_score = np.asarray(y_true), np.asarray(y_score, dtype=float)
    if y_true.shape != y_score.shape or y_true.ndim != 1:
        raise ValueError(
            f"y_true has shape {y_true.shape} and y_score {y_score.shape}; both must be (S,)."
        )
    classes = np.unique(y_true).tolist()
    if classes != [0, 1]:
        raise ValueError(
            f"y_true must hold the two classes 0 and 1, got {classes}. Choose the threshold on "
            f"more rows, or leave it at 0.5."
        )
    if not ((y_score >= 0) & (y_score <= 1)).all():
        raise ValueError(
            "y_score must be a probability in [0, 1]. For decision values d write "
            "1 / (1 + np.exp(-d))."
        )
    return y_true, y_score
