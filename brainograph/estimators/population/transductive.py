"""Transductive classification: features learnt from everyone, a classifier from the labelled."""

import inspect
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.estimators.deep_features import DeepFeatures
from brainograph.estimators.labels import check_labels
from brainograph.estimators.population.known_participants import KnownParticipants
from brainograph.estimators.probabilities import probabilities
from brainograph.estimators.saving.persistence import SavedModel, read_model, write_model
from brainograph.preprocessing.harmonization import Harmonized, check_against_labels
from brainograph.preprocessing.inputs import check_regions

__all__ = ["TransductiveClassifier"]


class TransductiveClassifier(KnownParticipants, ClassifierMixin, BaseEstimator):
    """Fit unsupervised features on all participants and a classifier on the labelled ones.

    ``fit(cohort, y)`` shows the features of everyone, and no label, to ``features``: domain
    adaptation such as :class:`~brainograph.preprocessing.MIDA` may look at the participants whom
    it is to adapt to [1]_. ``classifier`` learns from those with a label; ``y == -1`` marks the
    others.

    Participants are told apart by ``participant_id`` and nothing depends on their order. A fitted
    one is predicted as it stood in the fit (*transductive*); each new one by the fitted features,
    alone (*inductive*).

    Where sites are centred with their test participants in them, as ComBat, MIDA and
    :class:`~brainograph.preprocessing.SiteCentering` do here, what a site's training rows have too
    little of its test rows have too much: a bias against the classifier, which the site as a
    feature of its own (:class:`~brainograph.preprocessing.Phenotypes`) takes up, and which leaving
    whole sites out does not have.

    Parameters
    ----------
    features : transformer
        From a :class:`~brainograph.cohort.Cohort` to (S, F), without labels.
    classifier : classifier
        From (S, F) to classes.

    Attributes
    ----------
    classes_ : array (K,)
        The labels.
    features_, classifier_ : estimators
        The fitted ones.
    participant_ids_ : list of str
        Everyone in the fit.

    References
    ----------
    .. [1] Kunda, M., Zhou, S., Gong, G. and Lu, H. (2022). Improving multi-site autism
       classification via site-dependence minimization and second-order functional connectivity.
       IEEE Transactions on Medical Imaging 42:55-65.

    Examples
    --------
    >>> from sklearn.linear_model import RidgeClassifier
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.preprocessing import MIDA, Edges, Harmonized
    >>> cohort = simulate_cohort(n_subjects=60, site_effect=2.0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy().copy()
    >>> y[:20] = -1
    >>> model = TransductiveClassifier(Harmonized(Edges(), MIDA(20)), RidgeClassifier())
    >>> model.fit(cohort, y).predict_proba(cohort[:20]).shape
    (20, 2)
    >>> print(model.regime(cohort[19:21]))
    ['transductive' 'training']
    """

    regimes = ("transductive", "inductive")

    def __init__(self, features: TransformerMixin, classifier: ClassifierMixin) -> None:
        self.features = features
        self.classifier = classifier

    def fit(self, cohort: Cohort, y: ArrayLike) -> "TransductiveClassifier":
        """Fit the features on everyone and the classifier on the labelled.

        Parameters
        ----------
        cohort : Cohort (S)
            All participants.
        y : array (S,)
            Integer labels, -1 for a participant without one.

        Returns
        -------
        TransductiveClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            For labels of one class, a step of ``features`` that needs labels, and a covariate of
            harmonisation that tells them.
        """
        labels = check_labels(y, cohort)
        order = np.argsort(cohort.participant_ids)
        cohort, labels = cohort[order], labels[order]
        self.region_names_ = cohort.regions.index.tolist()
        self.participant_ids_ = cohort.participant_ids
        self._labelled = labels != -1
        self.features_ = clone(self.features)
        self._x = self._fit_features(cohort, labels)
        self.classifier_ = clone(self.classifier).fit(
            self._x[self._labelled], labels[self._labelled]
        )
        self.classes_ = self.classifier_.classes_
        self._proba = probabilities(self.classifier_, self._x)
        return self

    def _fit_features(self, cohort: Cohort, labels: np.ndarray) -> np.ndarray:
        """Fit without labels and return (S, F); labels only tell whether a covariate is them."""
        steps = [self.features, *self.features.get_params().values()]
        networks = [step.estimator for step in steps if isinstance(step, DeepFeatures)]
        for step in steps:
            if isinstance(step, Harmonized):
                check_against_labels(cohort.phenotype, step.covariates, labels)
            if isinstance(step, DeepFeatures) and step.target in cohort.phenotype:
                check_against_labels(cohort.phenotype, (step.target,), labels)
            if _needs_labels(step) and not any(step is one for one in networks):
                raise _no_labels(f"{type(step).__name__}.fit(X, y)")
        try:
            return np.asarray(self.features_.fit_transform(cohort, None))
        except ValueError as error:
            if "requires y to be passed" not in str(error):  # scikit-learn's words
                raise
            raise _no_labels(str(error)) from error

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Return the probability of each class (S, K).

        Those of a classifier without probabilities, such as ridge, are not calibrated
        (:func:`~brainograph.estimators.probabilities.probabilities`).

        Raises
        ------
        ValueError
            If the regions are not those of the model, or somebody has the id of a fitted
            participant and other data.
        """
        rows = self._rows(cohort)
        check_regions(self.region_names_, cohort.regions.index.tolist())
        self._check_identity(cohort[rows >= 0], rows[rows >= 0])
        proba = np.zeros((len(cohort), len(self.classes_)))
        proba[rows >= 0] = self._proba[rows[rows >= 0]]
        for i in np.flatnonzero(rows < 0):
            x = np.asarray(self.features_.transform(cohort[[i]]))
            proba[i] = probabilities(self.classifier_, x)[0]
        return proba

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Return the most probable class (S,)."""
        return self.classes_[self.predict_proba(cohort).argmax(axis=1)]

    def _check_identity(self, cohort: Cohort, rows: np.ndarray) -> None:
        """Refuse participants who have the id of a fitted one and other data."""
        if not len(rows):
            return
        known = self._x[rows]
        given = np.asarray(self.features_.transform(cohort))
        same = np.isclose(given, known, rtol=1e-3, atol=1e-4 * np.abs(known).max()).all(axis=1)
        others = np.array(cohort.participant_ids)[~same].tolist()
        if others:
            raise ValueError(
                f"{len(others)} participants have the id of a fitted participant and other data: "
                f"{others[:5]}. Give new participants ids of their own, for example "
                "'study2-' + participant_id."
            )

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the fitted model as a folder that :meth:`load` opens without running code.

        The folder holds the features and ids of the fitted participants and no label.
        """
        check_is_fitted(self, "participant_ids_")
        facts = {
            "estimator": type(self).__name__,
            "classes": self.classes_.tolist(),
            "regions": self.region_names_,
            "labelled": self._labelled.tolist(),
        }
        tensors = {"x": torch.from_numpy(self._x), "proba": torch.from_numpy(self._proba)}
        names = ("features", "classifier", "features_", "classifier_")
        objects = {name: getattr(self, name) for name in names}
        tables = {"participants": pd.DataFrame({"participant_id": self.participant_ids_})}
        return write_model(SavedModel(facts, tensors, objects, tables), folder)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "TransductiveClassifier":
        """Open a model folder that :meth:`save` wrote.

        Raises
        ------
        ValueError
            If a file was changed, or the folder holds another estimator.
        """
        saved = read_model(folder)
        if saved.facts["estimator"] != cls.__name__:
            raise ValueError(f"{folder} holds a {saved.facts['estimator']}, not a {cls.__name__}.")
        model = cls(saved.objects["features"], saved.objects["classifier"])
        model.features_ = saved.objects["features_"]
        model.classifier_ = saved.objects["classifier_"]
        model.classes_ = np.array(saved.facts["classes"])
        model.region_names_ = saved.facts["regions"]
        model._labelled = np.array(saved.facts["labelled"])
        model.participant_ids_ = saved.tables["participants"]["participant_id"].tolist()
        model._x, model._proba = saved.tensors["x"].numpy(), saved.tensors["proba"].numpy()
        return model


def _needs_labels(step: object) -> bool:
    y = inspect.signature(step.fit).parameters.get("y") if hasattr(step, "fit") else None
    return y is not None and y.default is inspect.Parameter.empty


def _no_labels(step: str) -> ValueError:
    return ValueError(
        "features are learnt from everyone and get no label, but a step needs them: "
        f"{step}. Put it before the classifier: make_pipeline(step, classifier)."
    )
