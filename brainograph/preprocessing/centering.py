"""Centring by site: what all participants of a site share says nothing of a diagnosis."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.preprocessing.phenotypes import check_phenotypes

__all__ = ["CenterBy"]


class CenterBy(TransformerMixin, BaseEstimator):
    r"""Subtract from each participant's features the mean of their group.

    .. math:: x_i - \bar x_{g(i)}

    with the means of the participants that the transformer was fitted on. A participant of an
    unknown or missing group has the mean over all of these subtracted instead.

    Parameters
    ----------
    features : transformer
        From a Cohort to (S, F).
    by : str
        The phenotype column of the group.

    Attributes
    ----------
    means_ : DataFrame (groups, F)
        Mean of each group.
    mean_ : array (F,)
        Mean over all.

    Raises
    ------
    ValueError
        If the phenotype table lacks the column, or it gives the diagnosis away.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.preprocessing import Edges
    >>> cohort = simulate_cohort(n_subjects=30, random_state=0)
    >>> x = CenterBy(Edges(), by="site").fit_transform(cohort)
    >>> bool(abs(x[cohort.phenotype["site"] == cohort.phenotype["site"].iloc[0]].mean()) < 1e-6)
    True
    """

    def __init__(self, features: TransformerMixin, by: str = "site") -> None:
        self.features = features
        self.by = by

    def fit(self, cohort: Cohort, y: np.ndarray | None = None) -> "CenterBy":
        """Learn the mean of each group (S participants)."""
        check_phenotypes([self.by])
        groups = self._groups(cohort)
        self.features_ = clone(self.features).fit(cohort, y)
        x = np.asarray(self.features_.transform(cohort))
        self.means_ = pd.DataFrame(x).groupby(groups.to_numpy()).mean()
        self.mean_ = x.mean(axis=0)
        return self

    def transform(self, cohort: Cohort) -> np.ndarray:
        """Return the centred features (S, F)."""
        check_is_fitted(self)
        x = np.asarray(self.features_.transform(cohort))
        rows = self.means_.index.get_indexer(self._groups(cohort))
        means = np.vstack([self.means_.to_numpy(), self.mean_]).astype(x.dtype)
        return x - means[rows]  # row -1, an unknown group, is the mean over all

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return the names of the features, which are those that were centred."""
        check_is_fitted(self)
        return self.features_.get_feature_names_out()

    def _groups(self, cohort: Cohort) -> pd.Series:
        if self.by not in cohort.phenotype:
            raise ValueError(
                f"the cohort has no phenotype {self.by!r} to centre by; it has "
                f"{cohort.phenotype.columns.tolist()}. Write by= one of these."
            )
        groups = cohort.phenotype[self.by]
        return groups.astype(str).where(groups.notna(), None)
