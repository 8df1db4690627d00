"""Resamples of participants, and the intervals that they give."""

import numpy as np

__all__ = ["above_noise", "check_bootstrap", "mean", "percentile", "ratio", "resamples"]


def check_bootstrap(n_bootstrap: int, confidence: float) -> None:
    """Refuse numbers that make no interval."""
    if n_bootstrap < 1:
        raise ValueError(f"n_bootstrap must be at least 1, got {n_bootstrap}. Write 1000.")
    if not 0 < confidence < 1:
        raise ValueError(
            f"confidence must be in (0, 1), got {confidence}. For 95 % write confidence=0.95."
        )


def resamples(
    strata: np.ndarray, *, unit: np.ndarray, n_bootstrap: int, random_state: int
) -> np.ndarray:
    """Count how often each participant is drawn: all once, then resampled.

    Units are drawn with replacement among those that hold the same strata, so that every resample
    has as many of each as the data.

    Parameters
    ----------
    strata : array of int (S,)
        What must not vary between resamples, such as the class.
    unit : array of int (S,)
        Who is drawn together, numbered from 0: each participant alone, or with their family.
    n_bootstrap : int
    random_state : int

    Returns
    -------
    array (S, n_bootstrap + 1)
        float32. Column 0 is ones, so that the first of all scores is that of the data themselves.

    Examples
    --------
    >>> resamples(np.array([0, 0, 1]), unit=np.arange(3), n_bootstrap=4, random_state=0)
    array([[1., 0., 1., 2., 2.],
           [1., 2., 1., 0., 0.],
           [1., 1., 1., 1., 1.]], dtype=float32)
    """
    rng = np.random.default_rng(random_state)
    levels, strata = np.unique(strata, return_inverse=True)
    holds = np.zeros((unit.max() + 1, len(levels)), dtype=bool)
    holds[unit, strata] = True
    _, kind = np.unique(holds[:, ::-1], axis=0, return_inverse=True)
    weights = np.ones((len(holds), n_bootstrap + 1), dtype=np.float32)
    for one in range(kind.max() + 1):
        members = np.flatnonzero(kind.reshape(-1) == one)
        drawn = rng.integers(0, len(members), (n_bootstrap, len(members)))
        drawn += np.arange(n_bootstrap)[:, None] * len(members)
        counts = np.bincount(drawn.ravel(), minlength=drawn.size)
        weights[members, 1:] = counts.reshape(drawn.shape).T
    return weights[unit]


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide, with NaN where there is nothing to divide by.

    Examples
    --------
    >>> ratio(np.array([1.0, 2.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    empty = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=empty, where=denominator > 0)


def mean(scores: list[np.ndarray]) -> np.ndarray:
    """Mean over repeats or folds, leaving out those that have no value."""
    stacked = np.stack(scores)
    return ratio(np.nansum(stacked, axis=0), np.isfinite(stacked).sum(axis=0))


def percentile(resampled: np.ndarray, confidence: float) -> tuple[float, float]:
    """Percentile interval of the resamples, of those that have a value."""
    resampled = resampled[np.isfinite(resampled)]
    if not len(resampled):
        return np.nan, np.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def above_noise(resampled: np.ndarray, noise: np.ndarray, confidence: float) -> tuple[float, float]:
    r"""Interval of a number that noise can only raise, such as a gap or a calibration error.

    Such a number is a norm, the size of something whose every part is noisy, so that its
    percentile interval would hardly ever reach 0. By the triangle inequality it lies above the
    truth by no more than the size of the noise, which the resamples show:

    .. math:: low = \max(0, \|\hat x\| - q_{1 - \alpha}(\|x^* - \hat x\|)), \quad
              high = q_{1 - \alpha / 2}(\|x^*\|)

    Parameters
    ----------
    resampled : array (B + 1,)
        The number in the data, then in every resample.
    noise : array (B + 1,)
        Size of the difference between each and the data.
    confidence : float

    Returns
    -------
    low, high : float
        Holds the number, and the truth at least as often as it says.
    """
    value = float(resampled[0])
    _, high = percentile(resampled[1:], confidence)
    noise = noise[1:][np.isfinite(noise[1:])]
    if not (np.isfinite(value) and np.isfinite(high) and len(noise)):
        return np.nan, np.nan
    return max(0.0, value - float(np.quantile(noise, confidence))), max(value, high)
