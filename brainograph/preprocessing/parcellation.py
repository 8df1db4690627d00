"""Features of another parcellation of the same participants."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.preprocessing.inputs import check_regions

__all__ = ["Parcellation", "parcellation_of", "whose"]


class Parcellation(TransformerMixin, BaseEstimator):
    """Apply a transformer to one of ``cohort.parcellations``.

    Parameters
    ----------
    name : str
        A name in ``cohort.parcellations``.
    features : transformer
        From a Cohort to (S, F).

    Attributes
    ----------
    features_ : transformer
        Fitted on the parcellation.
    regions_ : ndarray (R,) of str
        Its regions.

    Examples
    --------
    >>> import pandas as pd
    >>> from brainograph.cohort_merge import merge
    >>> from brainograph.preprocessing import Measures
    >>> ids = pd.DataFrame(index=["sub-01", "sub-02"])
    >>> main = Cohort(ids, pd.DataFrame(index=["1"]))
    >>> aparc = Cohort(ids, pd.DataFrame(index=["insula"]), measures={"area": np.ones((2, 1))})
    >>> cohort = merge({"ho": main, "aparc": aparc})
    >>> features = Parcellation("aparc", Measures()).fit(cohort)
    >>> features.transform(cohort).tolist()
    [[1.0], [1.0]]
    >>> features.get_feature_names_out().tolist()
    ['aparc: insula: area']
    """

    def __init__(self, name: str, features: TransformerMixin) -> None:
        self.name = name
        self.features = features

    def fit(self, cohort: Cohort, y: np.ndarray | None = None) -> Self:
        """Fit the features on the parcellation (S participants).

        Raises
        ------
        ValueError
            If the cohort has no such parcellation.
        """
        part = parcellation_of(cohort, self.name)
        self.features_ = clone(self.features).fit(part, y)
        self.regions_ = part.regions.index.to_numpy(dtype=object)
        return self

    def transform(self, cohort: Cohort) -> np.ndarray:
        """Return the features (S, F).

        Raises
        ------
        ValueError
            If the cohort has no such parcellation, or with other regions than at fit.
        """
        check_is_fitted(self)
        part = parcellation_of(cohort, self.name)
        try:
            check_regions(self.regions_, part.regions.index)
        except ValueError as error:
            raise ValueError(f"parcellation {self.name!r}: {error}") from error
        return np.asarray(self.features_.transform(part))

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return the names of the features, after the parcellation's."""
        check_is_fitted(self)
        names = self.features_.get_feature_names_out()
        return np.array([f"{self.name}: {name}" for name in names], dtype=object)


def parcellation_of(cohort: Cohort, name: str | None) -> Cohort:
    """Return the cohort in another of its parcellations; ``None`` is the cohort's own.

    Raises
    ------
    ValueError
        If it has no such parcellation.
    """
    if name is None:
        return cohort
    if name not in cohort.parcellations:
        there = ", ".join(map(repr, cohort.parcellations)) or "none"
        raise ValueError(
            f"the cohort has no parcellation {name!r}; it has: {there}. Write one of those, or "
            f"add it: merge({{'main': cohort, {name!r}: other}})."
        )
    return cohort.parcellations[name]


def whose(cohort: Cohort, name: str) -> tuple[Cohort, str]:
    """Return in which parcellation a matrix or a measure is, and its name there.

    Parameters
    ----------
    cohort : Cohort (S)
        With parcellations.
    name : str
        ``"fc"`` is the cohort's own, ``"aparc/morph"`` that of its parcellation ``aparc``.

    Raises
    ------
    ValueError
        If it has no such parcellation.

    Examples
    --------
    >>> import pandas as pd
    >>> ids = pd.DataFrame(index=["sub-01"])
    >>> aparc = Cohort(ids, pd.DataFrame(index=["insula", "cuneus"]))
    >>> cohort = Cohort(ids, pd.DataFrame(index=["1"]), parcellations={"aparc": aparc})
    >>> whose(cohort, "aparc/morph")
    (Cohort of 1 participants, 2 regions, 'morph')
    """
    parcellation, _, own = name.rpartition("/")
    return parcellation_of(cohort, parcellation or None), own
