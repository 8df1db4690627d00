"""One connectivity matrix per scan."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from joblib import Parallel, delayed, effective_n_jobs
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, cholesky
from scipy.linalg.lapack import dpotri
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from brainograph.connectivity.covariance import Shrinkage, check_shrinkage, shrunk_covariance
from brainograph.connectivity.kernel import fisher_z
from brainograph.connectivity.series import (
    check_choice,
    check_series,
    find_constant,
    report_constant,
)

__all__ = ["Kind", "Shrinkage", "static"]

Kind = Literal[
    "correlation", "fisher z", "spearman", "partial correlation", "covariance", "precision"
]
_INVERTED = ("partial correlation", "precision")
_UNITLESS = ("correlation", "fisher z", "spearman")


def _correlation(covariance: np.ndarray) -> np.ndarray:
    """Scale a covariance or precision (R, R) to a diagonal of 1."""
    scale = 1 / np.sqrt(np.diag(covariance))
    correlation = covariance * np.outer(scale, scale)
    np.clip(correlation, -1, 1, out=correlation)
    np.fill_diagonal(correlation, 1)
    return correlation


def _precision(covariance: np.ndarray, owner: str) -> np.ndarray:
    """Invert a covariance (R, R) through the Cholesky factor of its correlations."""
    scale = 1 / np.sqrt(np.diag(covariance))
    try:
        factor = cholesky(covariance * np.outer(scale, scale), lower=True, check_finite=False)
        smallest = float(np.diag(factor).min())
    except LinAlgError:
        smallest = 0.0
    if smallest**2 < 10 * len(scale) * np.finfo(np.float64).eps:
        raise ValueError(
            f"The covariance of {owner} is singular: some regions are combinations of others, as "
            "after strong band-pass filtering or when a region is listed twice. Write "
            "shrinkage='ledoit_wolf' (or 'oas', or a number such as 0.1)."
        )
    inverse, _ = dpotri(factor, lower=True)
    precision = np.tril(inverse) + np.tril(inverse, -1).T
    precision *= np.outer(scale, scale)
    return precision


def _connectivity(
    series: np.ndarray,
    constant: np.ndarray,
    kind: Kind,
    shrinkage: Shrinkage | float | None,
    owner: str,
) -> np.ndarray:
    """Return the matrix (R, R) of one subject, computed in double precision."""
    n_volumes, n_regions = series.shape
    active = np.delete(np.arange(n_regions), constant)
    if kind in _INVERTED and not shrinkage and n_volumes <= len(active):
        raise ValueError(
            f"kind={kind!r} without shrinkage needs more volumes than regions: {owner} has "
            f"{n_volumes} volumes and {len(active)} regions with signal. Write "
            "shrinkage='ledoit_wolf' (or 'oas', or a number such as 0.1)."
        )
    values = series[:, active] if len(constant) else series
    if kind == "spearman":
        values = rankdata(values, axis=0)
    centered = np.subtract(values, values.mean(0, dtype=np.float64), dtype=np.float64)
    if kind in _UNITLESS:
        centered /= np.sqrt(np.square(centered).mean(0))
    matrix = shrunk_covariance(centered, shrinkage)
    if kind in _UNITLESS:
        matrix = _correlation(matrix)
    elif kind in _INVERTED:
        matrix = _precision(matrix, owner)
    if kind == "partial correlation":
        matrix = -_correlation(matrix)
        np.fill_diagonal(matrix, 1)
    if len(constant):
        whole = np.zeros((n_regions, n_regions))
        whole[np.ix_(active, active)] = matrix
        matrix = whole
    if kind == "fisher z":
        fisher_z(torch.from_numpy(matrix), out=torch.from_numpy(matrix))
    return matrix.astype(series.dtype, copy=False)


def static(
    series: ArrayLike | Sequence[ArrayLike],
    *,
    kind: Kind = "correlation",
    shrinkage: Shrinkage | float | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    r"""Compute one connectivity matrix for each scan.

    The covariance is :math:`\Sigma = X^\top X / T` of the centered series, shrunk on request to
    :math:`(1 - a) \Sigma + a \frac{\operatorname{tr} \Sigma}{R} I`. Each subject is seen alone.

    Parameters
    ----------
    series : array (T, R), or S arrays (T_s, R)
        One scan, or several whose lengths may differ.
    kind : str
        ``"correlation"`` (Pearson), ``"fisher z"`` (its arctanh, with a diagonal of 0 and
        correlations clipped to 1 - 1e-6), ``"spearman"`` (Pearson of the ranks), ``"covariance"``,
        ``"precision"`` (its inverse) or ``"partial correlation"``
        (:math:`-P_{ij} / \sqrt{P_{ii} P_{jj}}` of the precision :math:`P`, with a diagonal of 1).
    shrinkage : None, "ledoit_wolf", "oas" or float in [0, 1]
        None: the plain, maximum-likelihood estimate. ``"ledoit_wolf"`` [1]_ and ``"oas"`` [2]_
        choose :math:`a` from the data as scikit-learn does; a number is :math:`a` itself.
        nilearn's ``ConnectivityMeasure`` uses Ledoit-Wolf unless told otherwise. As there, the
        correlation kinds shrink the standardized series and the others the series as they are.
    n_jobs : int, optional
        Subjects at a time, each on one thread; joblib's meaning.

    Returns
    -------
    array (R, R) or (S, R, R)
        float32 if all series are float32 (computed in double precision), else float64. Rows and
        columns of constant regions are 0, diagonal included, and the rest is computed without
        them; one warning says where.

    Raises
    ------
    ValueError
        For series that are not finite, too short or not (T, R), and for an inverse that does
        not exist: T <= R without shrinkage, or a singular covariance.

    References
    ----------
    .. [1] Ledoit O., Wolf M. (2004), A well-conditioned estimator for large-dimensional
       covariance matrices, J. Multivariate Anal. 88:365-411.
    .. [2] Chen Y. et al. (2010), Shrinkage algorithms for MMSE covariance estimation, IEEE
       Trans. Signal Process. 58:5016-5029.

    Examples
    --------
    >>> series = np.array([[0.0, 1, 5], [1, 3, 4], [2, 5, 6], [3, 4, 5]])
    >>> static(series).round(2)
    array([[1.  , 0.83, 0.32],
           [0.83, 1.  , 0.48],
           [0.32, 0.48, 1.  ]])
    >>> static([series, series[:3]], kind="fisher z").shape
    (2, 3, 3)
    """
    check_choice("kind", kind, Kind)
    check_shrinkage(shrinkage)
    subjects, single = check_series(series)
    constant = [find_constant(one) for one in subjects]
    report_constant(constant, subjects[0].shape[1])
    owners = ["series" if single else f"subject {s}" for s in range(len(subjects))]
    tasks = zip(subjects, constant, owners, strict=True)
    if effective_n_jobs(n_jobs) == 1:
        matrices = [_connectivity(one, c, kind, shrinkage, owner) for one, c, owner in tasks]
    else:
        with threadpool_limits(1, user_api="blas"):
            matrices = Parallel(n_jobs=n_jobs, prefer="threads")(
                delayed(_connectivity)(one, c, kind, shrinkage, owner) for one, c, owner in tasks
            )
    return matrices[0] if single else np.stack(matrices)
