"""The covariance of one scan, with shrinkage in closed form."""

from typing import Literal

import numpy as np

from brainograph.connectivity.series import check_choice

__all__ = ["Shrinkage", "check_shrinkage", "shrunk_covariance"]

Shrinkage = Literal["ledoit_wolf", "oas"]


def check_shrinkage(shrinkage: Shrinkage | float | None) -> None:
    """Refuse an amount of shrinkage that is neither a name nor a share."""
    if isinstance(shrinkage, str):
        check_choice("shrinkage", shrinkage, Shrinkage)
    elif shrinkage is not None and not 0 <= shrinkage <= 1:
        raise ValueError(
            f"shrinkage must be None, 'ledoit_wolf', 'oas' or a number in [0, 1], got {shrinkage}."
        )


def _ledoit_wolf(centered: np.ndarray, covariance: np.ndarray) -> float:
    """Return the shrinkage of Ledoit and Wolf (2004) from series (T, R) and covariance (R, R)."""
    n_volumes, n_regions = centered.shape
    squared = np.vdot(covariance, covariance)
    spread = squared - np.trace(covariance) ** 2 / n_regions
    fourth = np.square(np.square(centered).sum(1)).sum() / n_volumes
    error = (fourth - squared) / n_volumes
    return float(min(error, spread) / spread) if error > 0 and spread > 0 else 0.0


def _oracle_approximating(n_volumes: int, covariance: np.ndarray) -> float:
    """Return the shrinkage of Chen et al. (2010) as scikit-learn computes it."""
    n_regions = len(covariance)
    square, mean = np.mean(covariance**2), np.trace(covariance) / n_regions
    spread = (n_volumes + 1) * (square - mean**2 / n_regions)
    return float(min((square + mean**2) / spread, 1.0)) if spread > 0 else 1.0


def shrunk_covariance(centered: np.ndarray, shrinkage: Shrinkage | float | None) -> np.ndarray:
    """Return the covariance of one scan, shrunk towards its mean variance.

    Parameters
    ----------
    centered : float64 array (T, R)
        Series of mean 0.
    shrinkage : {"ledoit_wolf", "oas"}, float or None
        As in :func:`~brainograph.connectivity.static`.

    Returns
    -------
    array (R, R)
        The covariance, divided by T.

    Examples
    --------
    >>> shrunk_covariance(np.array([[1.0, 2.0], [-1.0, -2.0]]), 0.5)
    array([[1.75, 1.  ],
           [1.  , 3.25]])
    """
    n_volumes, n_regions = centered.shape
    covariance = centered.T @ centered / n_volumes
    if not shrinkage or n_regions == 1:
        return covariance
    if shrinkage == "ledoit_wolf":
        amount = _ledoit_wolf(centered, covariance)
    elif shrinkage == "oas":
        amount = _oracle_approximating(n_volumes, covariance)
    else:
        amount = float(shrinkage)
    target = amount * np.trace(covariance) / n_regions
    covariance *= 1 - amount
    covariance.flat[:: n_regions + 1] += target
    return covariance
