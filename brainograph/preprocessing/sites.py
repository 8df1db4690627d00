"""Sites: their names, and centring by them."""

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["SiteCentering", "checked_features", "site_names"]


def site_names(sites: ArrayLike, n_subjects: int) -> np.ndarray:
    """Return the sites as text (S,), None where missing; 1 and 1.0 are the same site.

    Raises
    ------
    ValueError
        If there is not one for each participant.

    Examples
    --------
    >>> site_names(["NYU", None, "1"], 3)
    array(['NYU', None, '1'], dtype=object)
    """
    given = np.asarray(sites, dtype=object).ravel()
    if len(given) != n_subjects:
        raise ValueError(
            f"sites has {len(given)} values for {n_subjects} participants. Give one for each, "
            "None where it is not known."
        )
    return np.array([None if pd.isna(site) else _text(site) for site in given], dtype=object)


def _text(site: object) -> str:
    return f"{site:.15g}" if isinstance(site, float) else str(site)


def checked_features(
    transformer: BaseEstimator, X: ArrayLike, *, reset: bool = False
) -> np.ndarray:
    """Return the features (S, F) as floats, or say where they are not finite.

    Raises
    ------
    ValueError
        If a value is missing or infinite, or the number of features is not that of the fit.
    """
    x = validate_data(
        transformer, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False
    )
    finite = np.isfinite(x)
    if not finite.all():
        raise ValueError(
            f"{(~finite.all(axis=0)).sum()} features of {(~finite.all(axis=1)).sum()} participants "
            "are missing or infinite. Leave these features or participants out, or put "
            "sklearn.impute.SimpleImputer() before."
        )
    return x


class SiteCentering(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Subtract from each participant's features the mean of their site.

    .. math:: x_i - \bar x_{s(i)}

    with the means of the rows that the transformer was fitted on. A participant of an unknown or
    missing site has the mean over all of these subtracted instead. Missing values stay missing.

    Attributes
    ----------
    sites_ : list of str
        The B sites of the fit.
    means_ : array (B, F)
        Mean of each.
    mean_ : array (F,)
        Mean over all.

    Examples
    --------
    >>> x = np.array([[1.0], [3.0], [10.0], [20.0]])
    >>> centering = SiteCentering().fit(x, sites=["A", "A", "B", "B"])
    >>> centering.transform(x, sites=["A", "A", "B", "C"]).ravel()
    array([-1. ,  1. , -5. , 11.5])
    """

    def fit(self, X: ArrayLike, y: object = None, *, sites: ArrayLike) -> Self:
        """Learn the mean of each site.

        Parameters
        ----------
        X : array (S, F)
            Features of the training rows.
        y : ignored
            For the pipeline.
        sites : array (S,)
            Their sites, None where missing.
        """
        x = self._checked(X, reset=True)
        table = pd.DataFrame(x)
        means = table.groupby(site_names(sites, len(x))).mean()
        self.sites_ = means.index.tolist()
        self.means_ = means.to_numpy()
        self.mean_ = table.mean().to_numpy()
        return self

    def _checked(self, X: ArrayLike, *, reset: bool = False) -> np.ndarray:
        floats = [np.float64, np.float32]
        return validate_data(self, X, reset=reset, dtype=floats, ensure_all_finite="allow-nan")

    def transform(self, X: ArrayLike, *, sites: ArrayLike) -> np.ndarray:
        """Return the centred features (S, F)."""
        check_is_fitted(self)
        x = self._checked(X)
        rows = pd.Index(self.sites_, dtype=object).get_indexer(site_names(sites, len(x)))
        means = np.vstack([self.means_, self.mean_]).astype(x.dtype)
        return x - means[rows]  # row -1, an unknown site, is the mean over all

    def fit_transform(self, X: ArrayLike, y: object = None, *, sites: ArrayLike) -> np.ndarray:
        """Fit and return the centred features (S, F)."""
        return self.fit(X, y, sites=sites).transform(X, sites=sites)
