"""Whether a probability means what it says."""

import numpy as np

from brainograph.metrics.bootstrap import ratio

__all__ = ["calibration_error"]

N_BINS = 10


def calibration_error(
    happened: np.ndarray, probability: np.ndarray, drawn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the expected calibration error of every resample at once.

    The interval [0, 1] is cut into ten bins of equal width, of which the last holds 1:

    .. math:: ECE = \sum_k \frac{1}{n} \left| \sum_{i \in bin_k} (y_i - p_i) \right|

    Parameters
    ----------
    happened : array (S,)
        1 where what the probability is about is so, else 0.
    probability : array (S,)
        In [0, 1].
    drawn : array (S, B)
        How often each participant is in each resample.

    Returns
    -------
    error : array (B,)
        In [0, 1]. Noise raises it: few participants look badly calibrated.
    noise : array (B,)
        The same sum over bins of the difference between each resample and the first.

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian
    binning, AAAI.

    Examples
    --------
    >>> probability = np.array([0.92, 0.98, 0.31, 0.35])
    >>> calibration_error(np.array([1, 1, 0, 1]), probability, np.ones((4, 1)))[0].round(3)
    array([0.11])
    """
    bins = np.minimum((probability * N_BINS).astype(int), N_BINS - 1)
    excess = np.zeros((N_BINS, len(probability)))
    excess[bins, np.arange(len(bins))] = happened - probability
    by_bin = ratio(excess @ drawn, drawn.sum(0, dtype=np.float64))
    return np.abs(by_bin).sum(0), np.abs(by_bin - by_bin[:, :1]).sum(0)
