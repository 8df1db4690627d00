"""Tangent space: covariances as displacements from their geometric mean."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Literal, Self, get_args

import numpy as np
import torch
from sklearn.covariance import empirical_covariance, ledoit_wolf
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.preprocessing.inputs import check_regions, matrices_of, region_names

__all__ = ["TangentSpace", "geometric_mean"]

Shrinkage = Literal["ledoit_wolf"]
_CHUNK = 64  # matrices at a time: 20 MB for 200 regions


class TangentSpace(TransformerMixin, BaseEstimator):
    r"""Project covariances to the tangent space at the geometric mean of the training rows.

    .. math:: \mathrm{vec}\,\log(W C_s W), \qquad W = G^{-1/2}

    with G the geometric mean of the covariances C_s that ``fit`` is given [1]_. The diagonal is
    divided by sqrt(2) so that the length of a vector is proportional to the norm of its matrix.
    For the same covariances it equals nilearn's ``ConnectivityMeasure(kind="tangent",
    vectorize=True)``, in that column order.

    Parameters
    ----------
    shrinkage : {"ledoit_wolf"} or None
        How covariances of series are estimated. Without shrinkage more volumes than regions and
        no constant region are needed.
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
    >>> tangent = TangentSpace(discard_diagonal=False).fit(covariances)
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
        shrinkage: Shrinkage | None = "ledoit_wolf",
        standardize: bool = True,
        connectivity: str | None = None,
        discard_diagonal: bool = False,
        tol: float = 1e-7,
        max_iter: int = 30,
    ) -> None:
        self.shrinkage = shrinkage
        self.standardize = standardize
        self.connectivity = connectivity
        self.discard_diagonal = discard_diagonal
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: Cohort | np.ndarray | Sequence[np.ndarray], y: object = None) -> Self:
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
        if self.shrinkage is not None and self.shrinkage not in get_args(Shrinkage):
            raise ValueError(
                f"shrinkage must be 'ledoit_wolf' or None, got {self.shrinkage!r}. "
                "For the default write shrinkage='ledoit_wolf'."
            )
        covariances = torch.cat(list(self._covariances(X)))
        try:
            reference = geometric_mean(covariances, tol=self.tol, max_iter=self.max_iter)
        except _SingularError as error:
            raise self._explained(error, X) from None
        self.reference_ = reference.numpy()
        self.whitening_ = _powers(reference, -0.5)[0].numpy()
        self.regions_ = region_names(X)
        self.n_features_in_ = len(self.regions_)
        return self

    def transform(self, X: Cohort | np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
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
        whitening = torch.from_numpy(self.whitening_)
        rows, columns = self._lower()
        scale = torch.where(torch.from_numpy(rows == columns), 0.5**0.5, 1.0)
        displacements = np.empty((len(X), len(rows)))
        start = 0
        for chunk in self._covariances(X):
            try:
                values, vectors = _eigh(whitening @ chunk @ whitening)
            except _SingularError as error:
                raise self._explained(error, X, start=start) from None
            logs = (vectors * values.log()[:, None]) @ vectors.mT
            displacements[start : start + len(chunk)] = logs[:, rows, columns] * scale
            start += len(chunk)
        return displacements

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return ``regionA -- regionB`` for each column, A before B in the atlas."""
        check_is_fitted(self)
        rows, columns = self._lower()
        return self.regions_[columns] + " -- " + self.regions_[rows]

    def _lower(self) -> tuple[np.ndarray, np.ndarray]:
        return np.tril_indices(len(self.regions_), k=-1 if self.discard_diagonal else 0)

    def _covariances(self, X: Cohort | np.ndarray | Sequence[np.ndarray]) -> Iterator[torch.Tensor]:
        """Yield float64 covariances, a chunk of subjects at a time."""
        if isinstance(X, np.ndarray) or self.connectivity is not None:
            matrices = matrices_of(X, self.connectivity or "")
            for start in range(0, len(matrices), _CHUNK):
                yield torch.from_numpy(np.array(matrices[start : start + _CHUNK], dtype=float))
            return
        series = X.timeseries if isinstance(X, Cohort) else X
        if series is None:
            raise ValueError(
                "the cohort has no time series. Add them: cohort.assign(timeseries=series), or "
                "name its covariances: TangentSpace(connectivity='cov')."
            )
        for start in range(0, len(series), _CHUNK):
            chunk = [np.asarray(one, dtype=float) for one in series[start : start + _CHUNK]]
            if self.standardize:
                chunk = [_standardized(one) for one in chunk]
            yield torch.from_numpy(_covariance(chunk, self.shrinkage))

    def _explained(self, error: "_SingularError", X: object, *, start: int = 0) -> ValueError:
        row = error.row + start
        who = X.participant_ids[row] if isinstance(X, Cohort) else f"row {row}"
        return ValueError(
            f"the covariance of {who} is singular (its smallest eigenvalue is {error.ratio:.1g} "
            "of its largest): series that are constant, or fewer volumes than regions. Write "
            "shrinkage='ledoit_wolf', or leave the participant out."
        )


def _covariance(series: list[np.ndarray], shrinkage: Shrinkage | None) -> np.ndarray:
    if shrinkage is None:
        return np.stack([empirical_covariance(one) for one in series])
    return np.stack([ledoit_wolf(one)[0] for one in series])


class _SingularError(Exception):
    """A matrix of a stack is not positive definite: its row, smallest over largest eigenvalue."""

    def __init__(self, row: int, ratio: float) -> None:
        super().__init__(row, ratio)
        self.row, self.ratio = row, ratio


def _standardized(series: np.ndarray) -> np.ndarray:
    """Return z-scores over volumes (T, R); a constant region, rounding allowed for, is 0."""
    centred = series - series.mean(axis=0)
    deviation = series.std(axis=0, ddof=1)
    constant = deviation <= 1e-6 * np.abs(series).max(axis=0, initial=0)
    return np.where(constant, 0, centred / np.where(constant, 1, deviation))


def _eigh(matrices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return eigenvalues (S, R), eigenvectors (S, R, R) of positive definite matrices."""
    values, vectors = torch.linalg.eigh(matrices)
    smallest, largest = values[:, 0], values[:, -1]
    singular = ~(smallest > values.shape[-1] * torch.finfo(values.dtype).eps * largest)
    if singular.any():
        row = int(singular.nonzero()[0])
        raise _SingularError(row, float(smallest[row] / largest[row]))
    return values, vectors


def _powers(matrix: torch.Tensor, *exponents: float) -> list[torch.Tensor]:
    """Return powers of one positive definite matrix (R, R)."""
    values, vectors = torch.linalg.eigh(matrix)
    return [(vectors * values**exponent) @ vectors.T for exponent in exponents]


def geometric_mean(
    covariances: torch.Tensor, *, tol: float = 1e-7, max_iter: int = 30
) -> torch.Tensor:
    """Return the geometric mean of positive definite matrices.

    It minimises the sum of squared distances ||log(G^-1/2 C_s G^-1/2)||² by gradient descent
    along geodesics, from the arithmetic mean, with the step halved when the gradient grows
    (algorithm 3 of [1]_, as in nilearn, so that both stop at the same place).

    Parameters
    ----------
    covariances : float64 tensor (S, R, R)
        The matrices.
    tol : float
        Bound of the gradient's norm divided by R².
    max_iter : int
        Steps at most; a ``ConvergenceWarning`` says when they did not suffice.

    Returns
    -------
    tensor (R, R)
        The mean.

    References
    ----------
    .. [1] Fletcher, P. T. and Joshi, S. (2007). Riemannian geometry for the statistical analysis
       of diffusion tensor data. Signal Processing 87:250-262.

    Examples
    --------
    >>> stack = torch.stack([torch.eye(2), 4 * torch.eye(2)]).double()
    >>> geometric_mean(stack)
    tensor([[2., 0.],
            [0., 2.]], dtype=torch.float64)
    """
    mean = covariances.mean(dim=0)
    smallest_norm, step = float("inf"), 1.0
    for _ in range(max_iter):
        root, whitening = _powers(mean, 0.5, -0.5)
        gradient = _mean_log(covariances, whitening)
        norm = float(gradient.norm())
        values, vectors = torch.linalg.eigh(gradient)
        mean = root @ ((vectors * (values * step).exp()) @ vectors.T) @ root
        if norm > smallest_norm:
            step /= 2
        smallest_norm = min(norm, smallest_norm)
        if smallest_norm / mean.numel() < tol:
            return mean
    warnings.warn(
        f"the geometric mean did not converge to tol={tol} in {max_iter} steps; "
        f"write max_iter={2 * max_iter}.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return mean


def _mean_log(covariances: torch.Tensor, whitening: torch.Tensor) -> torch.Tensor:
    """Return the mean over S of log(W C_s W): the eigenvectors of a chunk as one product."""
    total = torch.zeros_like(whitening)
    for start in range(0, len(covariances), _CHUNK):
        try:
            values, vectors = _eigh(whitening @ covariances[start : start + _CHUNK] @ whitening)
        except _SingularError as error:
            raise _SingularError(error.row + start, error.ratio) from None
        total += torch.einsum("sik,sjk->ij", vectors * values.log()[:, None], vectors)
    return total / len(covariances)
