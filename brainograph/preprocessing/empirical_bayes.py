"""Empirical Bayes for the shift and scale of a site: what its features say of each other."""

from typing import NamedTuple

import numpy as np
from scipy.special import softmax

__all__ = ["Moments", "Prior", "inverse_gamma", "nonparametric", "parametric", "variances"]

_TOLERANCE = 1e-4  # of neuroCombat and of sva before it
_CHUNK = 256  # features at a time: 12 MB for 6,105 features


class Prior(NamedTuple):
    """Normal prior (mean, variance) of a site's shift, inverse gamma prior of its scale."""

    mean: float
    variance: float
    shape: float
    rate: float


class Moments(NamedTuple):
    """Rows of a site, and mean and sum of squares about it of each feature (F,), standardised."""

    n: int
    mean: np.ndarray
    squares: np.ndarray


def variances(site: Moments) -> np.ndarray:
    """Return the variance of each feature (F,); 1 where there is none, as neuroCombat means it."""
    found = site.squares / max(site.n - 1, 1)
    return np.where(found > 1e-20, found, 1.0)


def inverse_gamma(values: np.ndarray) -> tuple[float, float]:
    """Return shape and rate of the inverse gamma distribution with the moments of the values."""
    mean, spread = float(values.mean()), max(float(values.var(ddof=1)), 1e-12)
    return 2 + mean**2 / spread, mean + mean**3 / spread


def parametric(
    site: Moments, scale: np.ndarray, prior: Prior, *, fixed_scale: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the posterior shift and squared scale (F,), each given the other, in turns.

    It stops where neuroCombat and sva stop, for equal results: they divide the change of a shift
    by the shift with its sign, and so do not wait for the negative ones.
    """
    n, variance = site.n, prior.variance
    gamma, delta = site.mean, scale
    while True:
        new_gamma = (n * variance * site.mean + delta * prior.mean) / (n * variance + delta)
        if fixed_scale:
            return new_gamma, delta
        squares = site.squares + n * (site.mean - new_gamma) ** 2
        new_delta = (squares / 2 + prior.rate) / (n / 2 + prior.shape - 1)
        moved = (gamma >= 0) & (np.abs(new_gamma - gamma) > _TOLERANCE * gamma)
        moved |= np.abs(new_delta - delta) > _TOLERANCE * delta
        gamma, delta = new_gamma, new_delta
        if not moved.any():
            return gamma, delta


def nonparametric(site: Moments, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean shift and squared scale (F,) of the other features, weighted by likelihood.

    The logarithm keeps the likelihood of large sites from vanishing.
    """
    gamma, delta = np.empty_like(scale), np.empty_like(scale)
    constant = -site.n / 2 * np.log(2 * np.pi * scale)
    for start in range(0, len(scale), _CHUNK):
        rows = slice(start, start + _CHUNK)
        distance = site.squares[rows, None] + site.n * (site.mean[rows, None] - site.mean) ** 2
        likelihood = constant - distance / (2 * scale)
        likelihood[np.arange(len(likelihood)), np.arange(len(scale))[rows]] = -np.inf
        weights = softmax(likelihood, axis=1)
        gamma[rows], delta[rows] = weights @ site.mean, weights @ scale
    return gamma, delta
