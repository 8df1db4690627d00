"""The AUC inside strata, what chance makes of it, and whether two differ."""

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

__all__ = ["above_chance", "auc", "null_deviation", "paired_test"]

_P = 1e-4


def _parts(
    y: np.ndarray, strata: np.ndarray | None
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return rows, rows of patients and rows of controls of each stratum that holds both."""
    codes = np.zeros(len(y), dtype=int) if strata is None else pd.factorize(strata)[0]
    parts = []
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        patients, controls = rows[y[rows] == 1], rows[y[rows] == 0]
        if len(patients) and len(controls):
            parts.append((rows, patients, controls))
    return parts


def auc(y: np.ndarray, score: np.ndarray, strata: np.ndarray | None = None) -> float:
    """Return how often a patient scores above a control of the same stratum; NaN without pairs.

    Examples
    --------
    >>> y, score = np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    >>> auc(y, score), auc(y, score, np.array(["A", "A", "B", "B"]))
    (0.75, 1.0)
    """
    won = pairs = 0.0
    for rows, patients, controls in _parts(y, strata):
        ranks = rankdata(score[rows])[y[rows] == 1]
        won += ranks.sum() - len(patients) * (len(patients) + 1) / 2
        pairs += len(patients) * len(controls)
    return float(won / pairs) if pairs else np.nan


def null_deviation(y: np.ndarray, strata: np.ndarray | None = None) -> float:
    r"""Return the standard deviation of :func:`auc` if the score says nothing of the labels.

    The labels of a stratum are then in random order, and the AUC is Mann and Whitney's statistic:
    its variance is :math:`(n_1 + n_0 + 1) / (12 n_1 n_0)`, less with ties.

    Examples
    --------
    >>> round(null_deviation(np.array([0] * 40 + [1] * 40)), 4)
    0.065
    """
    sizes = np.array(
        [(len(patients), len(controls)) for _, patients, controls in _parts(y, strata)]
    )
    if not len(sizes):
        return np.nan
    pairs = sizes.prod(axis=1)
    variances = (sizes.sum(axis=1) + 1) / (12 * pairs)
    return float(np.sqrt(np.sum((pairs / pairs.sum()) ** 2 * variances)))


def above_chance(y: np.ndarray, score: np.ndarray, strata: np.ndarray | None = None) -> bool:
    """Tell whether an AUC is above 0.5 by more than chance makes it once in ten thousand times."""
    return (auc(y, score, strata) - 0.5) / null_deviation(y, strata) > norm.isf(_P)


def paired_test(
    y: np.ndarray, first: np.ndarray, second: np.ndarray, strata: np.ndarray | None = None
) -> tuple[float, float]:
    """Return the difference of two AUCs of the same participants and its two-sided p-value.

    By DeLong, DeLong & Clarke-Pearson, Comparing the areas under two or more correlated receiver
    operating characteristic curves, Biometrics 44, 1988, pairs being of one stratum.

    Examples
    --------
    >>> y = np.array([0, 1] * 20)
    >>> difference, p = paired_test(y, y + 0.0, np.arange(40) % 7.0)
    >>> round(difference, 2), p < 0.001
    (0.51, True)
    """
    parts = _parts(y, strata)
    pairs = sum(len(patients) * len(controls) for _, patients, controls in parts)
    difference = variance = 0.0
    for _, patients, controls in parts:
        share = len(patients) * len(controls) / pairs
        wins = [
            np.sign(score[patients, None] - score[controls]) / 2 + 0.5 for score in (first, second)
        ]
        gain = wins[0] - wins[1]
        difference += share * gain.mean()
        for axis, members in ((1, patients), (0, controls)):
            if len(members) > 1:
                variance += share**2 * gain.mean(axis=axis).var(ddof=1) / len(members)
    if variance == 0:
        return float(difference), 1.0 if difference == 0 else 0.0
    return float(difference), float(2 * norm.sf(abs(difference) / np.sqrt(variance)))
