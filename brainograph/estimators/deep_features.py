"""What a trained network knows of a participant, as features for scikit-learn."""

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.estimators.subject.estimator import SubjectGraphClassifier, SubjectGraphRegressor

__all__ = ["DeepFeatures"]


class DeepFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Train a network, and give what it hands to its last layer to another model.

    Two stages, as in DeepPDT-Net [1]_: ``make_pipeline(DeepFeatures(model), classifier)``, with
    phenotypes beside the features by scikit-learn's ``FeatureUnion``. The network is trained in
    ``fit``, on its rows alone; a row without a label (``y == -1``) is not looked at.

    Parameters
    ----------
    estimator : SubjectGraphClassifier or SubjectGraphRegressor
        Cloned and fitted; with ``pretrained`` it begins with the weights of a saved model.
    target : {"y", "nothing"} or str
        What the network learns: the labels; nothing, where it pretrains without labels (by
        contrast, or as :class:`~brainograph.nn.ImageAutoencoder`); or a phenotype, such as
        ``"age"`` with a regressor. With ``"y"`` the features of the rows learnt from tell the
        label better than those of new rows will, and the second stage is too sure of itself; the
        others do not have that fault.

    Attributes
    ----------
    estimator_ : estimator
        The fitted one.

    References
    ----------
    .. [1] Yoo et al., DeepPDT-Net: predicting the outcome of photodynamic therapy for chronic
           central serous chorioretinopathy using two-stage multimodal transfer learning,
           Scientific Reports 12, 2022.

    Examples
    --------
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.estimators.training.settings import Training
    >>> cohort = simulate_cohort(n_subjects=40, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> network = SubjectGraphClassifier("MeanMLP", training=Training(max_epochs=3), device="cpu")
    >>> model = make_pipeline(DeepFeatures(network), HistGradientBoostingClassifier())
    >>> model.fit(cohort[:30], y[:30]).predict_proba(cohort[30:]).shape
    (10, 2)
    """

    def __init__(
        self, estimator: SubjectGraphClassifier | SubjectGraphRegressor, *, target: str = "y"
    ) -> None:
        self.estimator = estimator
        self.target = target

    def fit(self, cohort: Cohort, y: ArrayLike | None = None) -> Self:
        """Train the network on the rows that have a label.

        Parameters
        ----------
        cohort : Cohort (S)
            Participants with what the network reads.
        y : array (S,), optional
            Labels, -1 (NaN for numbers) for a participant without one. Needed for ``target="y"``;
            for the others it only tells who may be looked at, everybody by default.

        Raises
        ------
        ValueError
            Without labels to learn, or for an unknown phenotype.
        """
        seen = self._seen(cohort, y)
        labels = self._labels(cohort, y)
        self.estimator_ = clone(self.estimator).fit(cohort[seen], labels[seen])
        self._n_features_out = self.estimator_.embed(cohort[np.flatnonzero(seen)[:1]]).shape[1]
        return self

    def _seen(self, cohort: Cohort, y: ArrayLike | None) -> np.ndarray:
        """Tell who may be looked at (S,): who has a label, which -1 is among numbers only."""
        if y is None:
            return np.full(len(cohort), True)
        values = np.asarray(y)
        numbers = self.target == "y" and isinstance(self.estimator, SubjectGraphRegressor)
        return np.isfinite(values) if numbers else np.isfinite(values) & (values != -1)

    def _labels(self, cohort: Cohort, y: ArrayLike | None) -> np.ndarray:
        """Return what the network is to learn of each participant (S,)."""
        if self.target == "nothing":
            return np.full(len(cohort), -1)
        if self.target == "y":
            if y is None:
                raise ValueError(
                    'target="y" needs labels and there are none. Write target="nothing" to learn '
                    "without, or name a phenotype."
                )
            return np.asarray(y)
        if self.target not in cohort.phenotype:
            raise ValueError(
                f'target must be "y", "nothing" or a phenotype, got {self.target!r}; the cohort '
                f"has {cohort.phenotype.columns.tolist()}."
            )
        column = cohort.phenotype[self.target]
        if isinstance(self.estimator, SubjectGraphRegressor):
            return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
        return pd.factorize(column, sort=True)[0]

    def transform(self, cohort: Cohort) -> np.ndarray:
        """Return the features of the participants (S, F), of all members side by side."""
        check_is_fitted(self, "estimator_")
        if not len(cohort):
            return np.zeros((0, self._n_features_out))
        return self.estimator_.embed(cohort)
