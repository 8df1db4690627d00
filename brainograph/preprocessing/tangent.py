"""Tangent space: covariances as displacements from their geometric mean."""

import warnings
from collections.abc import Sequence
from typing import Self

import numpy as np
from joblib import Memory, Parallel, delayed
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, check_memory
from threadpoolctl import threadpool_limits

from brainograph.cohort import Cohort
from brainograph.connectivity.covariance import Shrinkage, check_shrinkage, shrunk_covariance
from brainograph.preprocessing.inputs import check_regions, matrices_of, region_names

__all__ = ["TangentSpace", "geometric_mean"]

Source = np.ndarray | Sequence[np.ndarray]
Subjects = Cohort | Source
_CHUNK = 16  # matrices at a time: 5 MB for 200 regions


class TangentSpace(TransformerMixin, BaseEstimator):
    r"""Project covariances to the tangent space at the geometric mean of the training rows.

    .. math:: \mathrm{vec}\,\log(W C_s W), \qquad W = G^{-1/2}

    with G the geometric mean of the covariances C_s that ``fit`` is given [1]_. The diagonal is
    divided by sqrt(2) so that the length of a vector is proportional to the norm of its matrix.
    For the same covariances it equals nilearn's ``ConnectivityMeasure(kind="tangent",
    vectorize=True)``, in that column order.

    Parameters
    ----------
    shrinkage : {"ledoit_wolf", "oas"}, float or None
        How covariances of series are estimated, as in :func:`~brainograph.connectivity.static`.
        Without shrinkage more volumes than regions and no constant region are needed.
    standardize : bool
        Whether each region's series is brought to zero mean and unit variance first (a constant
        one becomes 0). nilearn leaves this to its maskers and itself takes series as they are,
        which is False here.
    connectivity : str, optional
        Take covariances of this name from the cohort instead of computing them from its series;
        ``shrinkage`` and ``standardize`` then have no effect.
    discard_diagonal : bool
        Whether to leave the diagonal out.
    tol : float
        The mean of the covariances has converged when the norm of its gradient, divided by R²,
        is below this.
    max_iter : int
        Steps of gradient descent at most.
    n_jobs : int, optional
        Threads that share the subjects, each with one thread for its linear algebra; -1 takes
        all processors. The numbers do not depend on it.
    memory : str or joblib.Memory, optional
        Folder that keeps the means and displacements that were found, as in scikit-learn's
        pipelines: models that share training rows then share the work.

    Attributes
    ----------
    reference_ : ndarray (R, R)
        G, the geometric mean.
    whitening_ : ndarray (R, R)
        W.
    regions_ : ndarray (R,) of str
        The regions of the fit.
    n_features_in_ : int
        R.

    References
    ----------
    .. [1] Varoquaux, G., Baronnet, F., Kleinschmidt, A., Fillard, P. and Thirion, B. (2010).
       Detection of brain functional-connectivity difference in post-stroke patients using
       group-level covariance modeling. MICCAI.

    Examples
    --------
    >>> covariances = np.array([np.diag([1.0, 1.0]), np.diag([np.e**2, 1.0])])
    >>> tangent = TangentSpace().fit(covariances)
    >>> tangent.reference_.round(3)
    array([[2.718, 0.   ],
           [0.   , 1.   ]])
    >>> (tangent.transform(covariances) * np.sqrt(2)).round(3) + 0.0
    array([[-1.,  0.,  0.],
           [ 1.,  0.,  0.]])
    """

    def __init__(
        self,
        *,
        shrinkage: Shrinkage | float | None = "ledoit_wolf",
        standardize: bool = True,
        connectivity: str | None = None,
        discard_diagonal: bool = False,
        tol: float = 1e-7,
        max_iter: int = 30,
        n_jobs: int | None = None,
        memory: str | Memory | None = None,
    ) -> None:
        self.shrinkage = shrinkage
        self.standardize = standardize
        self.connectivity = connectivity
        self.discard_diagonal = discard_diagonal
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.memory = memory

    def fit(self, X: Subjects, y: object = None) -> Self:
        """Find the geometric mean of the covariances.

        Parameters
        ----------
        X : Cohort, S series (T_s, R) in a list, or covariances (S, R, R)
            The training rows.
        y : ignored
            For the pipeline.

        Returns
        -------
        TangentSpace
            Itself.

        Raises
        ------
        ValueError
            If a covariance is singular; the message names the participant and the remedy.
        """
        check_shrinkage(self.shrinkage)
        find = check_memory(self.memory).cache(_reference, ignore=["n_jobs"])
        try:
            self.reference_ = find(
                self._source(X),
                shrinkage=self.shrinkage,
                standardize=self.standardize,
                tol=self.tol,
                max_iter=self.max_iter,
                n_jobs=self.n_jobs,
            )
        except SingularError as error:
            raise _explained(error, X) from None
        with threadpool_limits(1, "blas"):
            (self.whitening_,) = _powers(self.reference_, -0.5)
        self.regions_ = region_names(X)
        self.n_features_in_ = len(self.regions_)
        return self

    def transform(self, X: Subjects) -> np.ndarray:
        """Return the displacements from the reference.

        Parameters
        ----------
        X : Cohort, S series (T_s, R) in a list, or covariances (S, R, R)
            Subjects with the regions of the fit.

        Returns
        -------
        array (S, R(R+1)/2), or (S, R(R-1)/2) without the diagonal
            Row by row of the lower triangle.

        Raises
        ------
        ValueError
            If the regions differ from those of the fit or a covariance is singular.
        """
        check_is_fitted(self)
        check_regions(self.regions_, region_names(X))
        find = check_memory(self.memory).cache(_displacements, ignore=["n_jobs"])
        try:
            return find(
                self._source(X),
                self.whitening_,
                shrinkage=self.shrinkage,
                standardize=self.standardize,
                diagonal=not self.discard_diagonal,
                n_jobs=self.n_jobs,
            )
        except SingularError as error:
            raise _explained(error, X) from None

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return ``regionA -- regionB`` for each column, A before B in the atlas."""
        check_is_fitted(self)
        rows, columns = _lower(len(self.regions_), diagonal=not self.discard_diagonal)
        return self.regions_[columns] + " -- " + self.regions_[rows]

    def _source(self, X: Subjects) -> Source:
        """Return covariances as an array, or series as a sequence."""
        if isinstance(X, np.ndarray):
            return matrices_of(X, "")
        if not isinstance(X, Cohort):
            return X
        if self.connectivity is not None:
            return matrices_of(X, self.connectivity)
        series = X.timeseries
        if series is None:
            raise ValueError(
                "the cohort has no time series. Add them: cohort.assign(timeseries=series), or "
                "name its covariances: TangentSpace(connectivity='cov')."
            )
        return series


class SingularError(ValueError):
    """A matrix of a stack is not positive definite.

    Attributes
    ----------
    row : int
        Its position.
    smallest : float
        Its smallest eigenvalue, after whitening.
    """

    def __init__(self, row: int, smallest: float) -> None:
        super().__init__(f"matrix {row} is singular: smallest eigenvalue {smallest:.1g}")
        self.row, self.smallest = row, smallest


def _explained(error: SingularError, X: Subjects) -> ValueError:
    who = X.participant_ids[error.row] if isinstance(X, Cohort) else f"row {error.row}"
    return ValueError(
        f"the covariance of {who} is singular (smallest eigenvalue {error.smallest:.1g}): constant "
        "regions, or fewer volumes than regions. Write shrinkage='ledoit_wolf' without "
        "connectivity; if that is so already, the participant has no signal: leave it out."
    )


def _reference(
    source: Source,
    *,
    shrinkage: Shrinkage | float | None,
    standardize: bool,
    tol: float,
    max_iter: int,
    n_jobs: int | None,
) -> np.ndarray:
    """Return the geometric mean of the covariances (R, R)."""
    parallel = Parallel(n_jobs, require="sharedmem")
    with threadpool_limits(1, "blas"):
        chunks = parallel(
            delayed(_covariances)(source, chunk, shrinkage, standardize)
            for chunk in _chunks(source)
        )
        return geometric_mean(np.concatenate(chunks), tol=tol, max_iter=max_iter, n_jobs=n_jobs)


def _displacements(
    source: Source,
    whitening: np.ndarray,
    *,
    shrinkage: Shrinkage | float | None,
    standardize: bool,
    diagonal: bool,
    n_jobs: int | None,
) -> np.ndarray:
    """Return the lower triangles of log(W C_s W), the diagonal divided by the root of 2."""
    rows, columns = _lower(len(whitening), diagonal=diagonal)
    displacements = np.empty((len(source), len(rows)))

    def project(chunk: slice) -> None:
        covariances = _covariances(source, chunk, shrinkage, standardize)
        displacements[chunk] = _logs(covariances, whitening, chunk)[:, rows, columns]

    with threadpool_limits(1, "blas"):
        Parallel(n_jobs, require="sharedmem")(delayed(project)(chunk) for chunk in _chunks(source))
    displacements[:, rows == columns] /= np.sqrt(2)
    return displacements


def _covariances(
    source: Source, chunk: slice, shrinkage: Shrinkage | float | None, standardize: bool
) -> np.ndarray:
    """Return float64 covariances of a chunk of subjects.

    ``connectivity.static`` gives constant regions a variance of 0; here they must share in
    the shrinkage, or the matrix has no logarithm.
    """
    if isinstance(source, np.ndarray):
        return np.asarray(source[chunk], dtype=float)
    series = [np.asarray(one, dtype=float) for one in source[chunk]]
    prepare = _standardized if standardize else _centered
    return np.stack([shrunk_covariance(prepare(one), shrinkage) for one in series])


def _lower(n_regions: int, *, diagonal: bool) -> tuple[np.ndarray, np.ndarray]:
    return np.tril_indices(n_regions, k=0 if diagonal else -1)


def _chunks(source: Source) -> list[slice]:
    return [slice(start, start + _CHUNK) for start in range(0, len(source), _CHUNK)]


def _centered(series: np.ndarray) -> np.ndarray:
    return series - series.mean(axis=0)


def _standardized(series: np.ndarray) -> np.ndarray:
    """Return z-scores over volumes (T, R); a region that is constant up to rounding is 0."""
    centered = series - series.mean(axis=0)
    deviation = series.std(axis=0, ddof=1)
    constant = deviation <= 1e-6 * np.abs(series).max(axis=0)
    return np.where(constant, 0, centered / np.where(constant, 1, deviation))


def _logs(covariances: np.ndarray, whitening: np.ndarray, rows: slice) -> np.ndarray:
    """Return log(W C_s W) of a chunk (S, R, R); ``rows`` is where it stands in the stack."""
    values, vectors = np.linalg.eigh(whitening @ covariances @ whitening)
    smallest, largest = values[:, 0], values[:, -1]
    positive = smallest > values.shape[1] * np.finfo(float).eps * largest
    if not positive.all():
        row = int(np.argmin(positive))
        raise SingularError(rows.start + row, float(smallest[row]))
    return (vectors * np.log(values)[:, None]) @ vectors.transpose(0, 2, 1)


def _powers(matrix: np.ndarray, *exponents: float) -> list[np.ndarray]:
    """Return powers of a positive definite matrix (R, R)."""
    values, vectors = np.linalg.eigh(matrix)
    if not values[0] > len(values) * np.finfo(float).eps * values[-1]:
        raise SingularError(0, float(values[0]))
    return [(vectors * values**exponent) @ vectors.T for exponent in exponents]


def geometric_mean(
    covariances: np.ndarray, *, tol: float = 1e-7, max_iter: int = 30, n_jobs: int | None = None
) -> np.ndarray:
    """Return the geometric mean of positive definite matrices.

    It minimises the sum of squared distances ||log(G^-1/2 C_s G^-1/2)||² by gradient descent
    along geodesics, from the arithmetic mean, with the step halved when the gradient grows
    (algorithm 3 of [1]_, as in nilearn, so that both stop at the same place).

    Parameters
    ----------
    covariances : float64 array (S, R, R)
        The matrices.
    tol : float
        Bound of the gradient's norm divided by R².
    max_iter : int
        Steps at most; a ``ConvergenceWarning`` says when they did not suffice.
    n_jobs : int, optional
        Threads that share the matrices.

    Returns
    -------
    array (R, R)
        The mean.

    Raises
    ------
    SingularError
        If a matrix is not positive definite.

    References
    ----------
    .. [1] Fletcher, P. T. and Joshi, S. (2007). Riemannian geometry for the statistical analysis
       of diffusion tensor data. Signal Processing 87:250-262.

    Examples
    --------
    >>> geometric_mean(np.array([np.eye(2), 4 * np.eye(2)]))
    array([[2., 0.],
           [0., 2.]])
    """
    mean = covariances.mean(axis=0)
    smallest_norm, step = np.inf, 1.0
    for _ in range(max_iter):
        root, whitening = _powers(mean, 0.5, -0.5)
        gradient = _mean_log(covariances, whitening, n_jobs)
        norm = float(np.linalg.norm(gradient))
        values, vectors = np.linalg.eigh(gradient)
        mean = root @ ((vectors * np.exp(values * step)) @ vectors.T) @ root
        if norm > smallest_norm:
            step /= 2
        smallest_norm = min(norm, smallest_norm)
        if smallest_norm / mean.size < tol:
            return mean
    warnings.warn(
        f"the geometric mean did not converge to tol={tol} in {max_iter} steps; "
        f"write max_iter={2 * max_iter}.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return mean


def _mean_log(covariances: np.ndarray, whitening: np.ndarray, n_jobs: int | None) -> np.ndarray:
    sums = Parallel(n_jobs, require="sharedmem")(
        delayed(lambda rows: _logs(covariances[rows], whitening, rows).sum(axis=0))(chunk)
        for chunk in _chunks(covariances)
    )
    return np.sum(sums, axis=0) / len(covariances)
