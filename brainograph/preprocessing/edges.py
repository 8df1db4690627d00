"""Edges: the upper triangle of every subject's connectivity matrix, as features."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.preprocessing.inputs import check_regions, matrices_of, region_names

__all__ = ["Edges"]

_LARGEST = 1 - 1e-6


class Edges(TransformerMixin, BaseEstimator):
    """Vectorise a connectivity: one column for each pair of regions.

    With ``fisher_z`` the correlations become z = arctanh(r), r clipped to ±(1 - 1e-6), whose
    variance does not depend on r [1]_. Nothing is learned but the regions, which are checked
    when the fitted transformer meets another cohort.

    Parameters
    ----------
    connectivity : str
        A name in ``cohort.connectivity``. Ignored where ``X`` is an array.
    fisher_z : bool
        Whether to apply Fisher's z. Write False for anything but correlations.

    Attributes
    ----------
    regions_ : ndarray (R,) of str
        The regions of the fit.
    n_features_in_ : int
        R.

    References
    ----------
    .. [1] Fisher, R. A. (1915). Frequency distribution of the values of the correlation
       coefficient in samples from an indefinitely large population. Biometrika 10:507-521.

    Examples
    --------
    >>> matrices = np.array([[[1.0, 0.5, 0.0], [0.5, 1.0, -0.5], [0.0, -0.5, 1.0]]])
    >>> edges = Edges().fit(matrices)
    >>> edges.transform(matrices).round(2)
    array([[ 0.55,  0.  , -0.55]])
    >>> edges.get_feature_names_out().tolist()
    ['0 -- 1', '0 -- 2', '1 -- 2']
    """

    def __init__(self, connectivity: str = "fc", *, fisher_z: bool = True) -> None:
        self.connectivity = connectivity
        self.fisher_z = fisher_z

    def fit(self, X: Cohort | np.ndarray, y: object = None) -> Self:
        """Note the regions.

        Parameters
        ----------
        X : Cohort or array (S, R, R)
            The subjects.
        y : ignored
            For the pipeline.

        Returns
        -------
        Edges
            Itself.

        Raises
        ------
        ValueError
            If there is no such connectivity.
        """
        matrices_of(X, self.connectivity)
        self.regions_ = region_names(X)
        self.n_features_in_ = len(self.regions_)
        return self

    def transform(self, X: Cohort | np.ndarray) -> np.ndarray:
        """Return the edges.

        Parameters
        ----------
        X : Cohort or array (S, R, R)
            Subjects with the regions of the fit.

        Returns
        -------
        array (S, R(R-1)/2)
            Row by row of the upper triangle, in the precision of the matrices.

        Raises
        ------
        ValueError
            If the regions differ from those of the fit, or if Fisher's z is asked of values
            outside [-1, 1].
        """
        check_is_fitted(self)
        matrices = matrices_of(X, self.connectivity)
        check_regions(self.regions_, region_names(X))
        n_subjects, n_regions, _ = matrices.shape
        upper = np.flatnonzero(np.triu(np.ones((n_regions, n_regions), dtype=bool), k=1))
        edges = np.take(matrices.reshape(n_subjects, -1), upper, axis=1)
        edges = edges.astype(np.result_type(edges, np.float32), copy=False)
        return self._fisher_z(edges) if self.fisher_z else edges

    def _fisher_z(self, edges: np.ndarray) -> np.ndarray:
        largest = max(np.max(edges, initial=0), -np.min(edges, initial=0))
        if largest > 1 + 1e-3:
            raise ValueError(
                f"Fisher's z needs correlations in [-1, 1], but {self.connectivity!r} reaches "
                f"{largest:.4g}. Write Edges({self.connectivity!r}, fisher_z=False)."
            )
        np.clip(edges, -_LARGEST, _LARGEST, out=edges)
        return np.arctanh(edges, out=edges)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return ``regionA -- regionB`` for each column."""
        check_is_fitted(self)
        rows, columns = np.triu_indices(len(self.regions_), k=1)
        return self.regions_[rows] + " -- " + self.regions_[columns]
