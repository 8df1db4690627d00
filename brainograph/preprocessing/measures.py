"""Regional measures (thickness, volume and the like) as features."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.preprocessing.inputs import check_regions, region_names

__all__ = ["Measures"]


class Measures(TransformerMixin, BaseEstimator):
    """Set the regional measures of a cohort side by side.

    Missing values stay NaN: a :class:`sklearn.impute.SimpleImputer` after it fills them from
    the training rows.

    Parameters
    ----------
    names : sequence of str, optional
        Names in ``cohort.measures``; all that the fitted cohort has by default.

    Attributes
    ----------
    names_ : list of str
        The measures, in the order of the columns.
    regions_ : ndarray (R,) of str
        The regions of the fit.
    n_features_in_ : int
        R.

    Examples
    --------
    >>> import pandas as pd
    >>> cohort = Cohort(
    ...     pd.DataFrame(index=["sub-01", "sub-02"]),
    ...     pd.DataFrame(index=["Left Insula", "Right Insula"]),
    ...     measures={"thickness": np.array([[2.5, 2.6], [3.0, 3.1]])},
    ... )
    >>> measures = Measures(["thickness"]).fit(cohort)
    >>> measures.transform(cohort)
    array([[2.5, 2.6],
           [3. , 3.1]])
    >>> measures.get_feature_names_out().tolist()
    ['Left Insula: thickness', 'Right Insula: thickness']
    """

    def __init__(self, names: Sequence[str] | None = None) -> None:
        self.names = names

    def fit(self, X: Cohort, y: object = None) -> Self:
        """Note the measures and the regions.

        Raises
        ------
        ValueError
            If a measure is not there, or none is.
        """
        self.names_ = list(X.measures if self.names is None else self.names)
        _check_measures(X, self.names_)
        self.regions_ = region_names(X)
        self.n_features_in_ = len(self.regions_)
        return self

    def transform(self, X: Cohort) -> np.ndarray:
        """Return the measures (S, R * number of measures), one measure after the other.

        Raises
        ------
        ValueError
            If the regions differ from those of the fit or a measure is not there.
        """
        check_is_fitted(self)
        check_regions(self.regions_, region_names(X))
        _check_measures(X, self.names_)
        return np.concatenate([np.asarray(X.measures[name]) for name in self.names_], axis=1)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return ``region: measure`` for each column."""
        check_is_fitted(self)
        return np.concatenate([self.regions_ + f": {name}" for name in self.names_])


def _check_measures(X: Cohort, names: Sequence[str]) -> None:
    there = ", ".join(map(repr, X.measures)) or "none"
    missing = [name for name in names if name not in X.measures]
    if missing or not names:
        asked = f"no measure {missing[0]!r}" if missing else "no measures"
        raise ValueError(
            f"the cohort has {asked}; it has: {there}. Write some of those, or add them: "
            "cohort.assign(measures={'thickness': array})."
        )
