"""One estimator for every subject-level network: a participant is a graph, a scan, an image."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.estimators.labels import check_labels
from brainograph.estimators.subject.base import SubjectGraph

__all__ = ["SubjectGraphClassifier", "SubjectGraphRegressor"]


class SubjectGraphClassifier(ClassifierMixin, SubjectGraph):
    """Classify participants, each from their own scan, with any network of ``brainograph.nn``.

    ``fit(cohort, y)`` learns from the participants with a label (``y != -1``) and looks at no
    other. The network says what it reads (series, matrices, measures, phenotypes, images) and
    gets it from the cohort by name. Participants are sorted by id, so that nothing depends on
    their order. A network that says ``missing_ok`` learns from and predicts participants who lack
    some of what it reads: a NaN path, a matrix or measure of NaN only, a series without a volume.

    Where *nobody* has a label, ``fit`` pretrains: the network learns to recognise a participant in
    two views made by ``augmentation``
    (:class:`~brainograph.estimators.subject.pretraining.Contrast`), or what its own
    ``pretraining_loss`` says (:class:`~brainograph.nn.ImageAutoencoder`), from everybody and for
    ``max_epochs``. Such a model predicts nothing; save it, and give the folder as ``pretrained`` to
    another one.

    Parameters
    ----------
    network : class or str
        Of :mod:`brainograph.nn`, such as ``MeanMLP`` or ``"MeanMLP"``; or any module that is
        built by ``network(n_regions, n_classes, **params)``, names what it reads in ``reads`` and
        maps a :class:`~brainograph.nn.BrainBatch` to logits (B, K).
    params : mapping, optional
        Hyper-parameters of the network.
    parcellation : str, optional
        One of ``cohort.parcellations`` to read instead of the cohort's own regions.
    phenotypes : sequence of str
        Columns that the network reads beside the scan, encoded by
        :class:`~brainograph.preprocessing.Phenotypes` as learnt from training rows.
    allow_diagnostic : bool
        Whether phenotypes that follow from the diagnosis may be among them.
    standardize : bool
        Whether each region's series is brought to mean 0 and deviation 1 over time, and, without
        ``volumes``, each image over its voxels.
    volumes : Volumes, optional
        How images are brought to one grid, masked and normalised
        (:class:`~brainograph.io.Volumes`), and where they are cached. By default they are on one
        grid already.
    training : Training
        Optimiser, schedule, batches, early stopping, devices and precision.
    augmentation : callable, optional
        From a training batch and its target to others: ``augmentation(batch, y)``. To pretrain,
        it must not mix participants.
    pretrained : path, optional
        Folder of a saved model whose weights are taken where name and shape fit.
    freeze : sequence of str
        Beginnings of the names of parameters that are not trained: ``("encoder",)``.
    head : {"linear", "bayesian"}
        ``"bayesian"`` makes the last linear layer's weights distributions
        (:class:`~brainograph.nn.bayesian.BayesianLinear`), for uncertainty by
        :meth:`sample_proba`.
    n_members : int
        Networks with other initial weights and validation splits, whose probabilities are
        averaged.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
    random_state : int
        Seed of weights, dropout, batches and validation splits.
    checkpoint : path, optional
        Folder that keeps each epoch; a fit that was killed goes on from there.
    log : path, optional
        Folder for ``member0/history.csv`` and so on.
    tensorboard : bool
        Whether ``log`` is written for TensorBoard too.
    progress : bool
        Whether to show a progress bar.

    Attributes
    ----------
    classes_ : array (K,)
        The labels.
    participant_ids_ : list of str
        Who was learnt from.
    region_names_ : list of str
        The regions, in their order.
    history_ : DataFrame
        Training loss, validation loss and learning rate by member and epoch.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.estimators.training.settings import Training
    >>> cohort = simulate_cohort(n_subjects=40, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = SubjectGraphClassifier("MeanMLP", training=Training(max_epochs=5), device="cpu")
    >>> model.fit(cohort[:30], y[:30]).predict_proba(cohort[30:]).shape
    (10, 2)
    """

    def fit(self, cohort: Cohort, y: ArrayLike) -> Self:
        """Learn from the labelled participants.

        Parameters
        ----------
        cohort : Cohort (S)
            Participants with what the network reads.
        y : array (S,)
            Integer labels, -1 for a participant without one. -1 for all pretrains.

        Returns
        -------
        SubjectGraphClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            For labels of one class, data that the network reads and the cohort lacks, and
            settings outside their range.
        MemoryError
            If a batch does not fit; it says which size to try.
        """
        self._check_settings()
        order = np.argsort(cohort.participant_ids)
        if len(cohort) > 1 and np.array_equal(y, np.full(len(cohort), -1)):
            self.classes_, nothing = np.array([], dtype=int), np.zeros(len(cohort), dtype=int)
            self._fit(cohort[order], nothing, nothing, 1, contrast=True)
            return self
        labels = check_labels(y, cohort)
        order = order[labels[order] != -1]
        self.classes_, target = np.unique(labels[order], return_inverse=True)
        self._fit(cohort[order], target, target, len(self.classes_))
        return self

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Return the probability of each class (S, K), the mean over the members.

        Raises
        ------
        ValueError
            If the model was pretrained without labels.
        """
        return self.sample_proba(cohort).mean(axis=0)

    def sample_proba(
        self, cohort: Cohort, *, n_passes: int = 0, random_state: int = 0
    ) -> np.ndarray:
        """Return the probabilities that each member gives, or that it gives again and again.

        Parameters
        ----------
        cohort : Cohort (S)
            Participants.
        n_passes : int
            0 for one prediction of each of M members; otherwise how often each speaks with
            dropout on and the weights of a Bayesian head drawn
            (:func:`~brainograph.nn.bayesian.sampling`).
        random_state : int
            Seed of the draws, which are the same for everybody.

        Returns
        -------
        array (M, S, K) or (M * n_passes, S, K)
        """
        check_is_fitted(self, "classes_")
        if not len(self.classes_):
            raise ValueError(
                "this model was pretrained without labels and predicts nothing. Save it, and fit "
                "another with labels: SubjectGraphClassifier(..., pretrained=folder)."
            )
        outputs = self._outputs(cohort, n_passes=n_passes, random_state=random_state)
        return torch.from_numpy(np.stack(outputs)).softmax(dim=2).numpy()

    def decision_function(self, cohort: Cohort) -> np.ndarray:
        """Return log-odds of the second class (S,), or log-probabilities (S, K) of several."""
        log = np.log(np.clip(self.predict_proba(cohort), 1e-300, None))
        return log[:, 1] - log[:, 0] if len(self.classes_) == 2 else log

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Return the most probable class (S,)."""
        return self.classes_[self.predict_proba(cohort).argmax(axis=1)]

    def _facts(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist()}

    def _restore(self, facts: Mapping[str, Any]) -> None:
        self.classes_ = np.array(facts["classes"])


class SubjectGraphRegressor(RegressorMixin, SubjectGraph):
    """Predict a number, such as age, from each participant's own scan.

    The twin of :class:`SubjectGraphClassifier`, with its parameters: the target is standardised
    by the training rows and the loss is the squared error, unless the network has its own.
    ``y`` is NaN for a participant without a target.

    Attributes
    ----------
    mean_, scale_ : float
        Of the target.
    participant_ids_, region_names_, history_
        As the classifier's.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.estimators.training.settings import Training
    >>> cohort = simulate_cohort(n_subjects=40, missing=0.0, random_state=0)
    >>> model = SubjectGraphRegressor("MeanMLP", training=Training(max_epochs=5), device="cpu")
    >>> model.fit(cohort[:30], cohort.phenotype["age"][:30]).predict(cohort[30:]).shape
    (10,)
    """

    def fit(self, cohort: Cohort, y: ArrayLike) -> Self:
        """Learn from the participants whose target is known.

        Parameters
        ----------
        cohort : Cohort (S)
            Participants with what the network reads.
        y : array (S,)
            Numbers, NaN for a participant without one.

        Returns
        -------
        SubjectGraphRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If fewer than two participants have a target or it is constant; otherwise as
            :meth:`SubjectGraphClassifier.fit`.
        """
        values = np.asarray(y, dtype=float)
        if values.shape != (len(cohort),):
            raise ValueError(f"y has shape {values.shape}, needed is ({len(cohort)},).")
        self._check_settings()
        if self.training.balanced or self.training.class_weight is not None:
            raise ValueError("a regressor has no classes: leave balanced and class_weight alone.")
        order = np.argsort(cohort.participant_ids)
        order = order[np.isfinite(values[order])]
        known = values[order]
        if len(known) < 2 or known.std() == 0:
            raise ValueError(
                f"y has {len(known)} numbers and a deviation of {known.std() if len(known) else 0};"
                " at least two different ones are needed. NaN stands for unknown."
            )
        self.mean_, self.scale_ = float(known.mean()), float(known.std())
        n_strata = int(np.clip(len(known) // 10, 1, 5))
        edges = np.quantile(known, np.linspace(0, 1, n_strata + 1)[1:-1])
        self._fit(cohort[order], (known - self.mean_) / self.scale_, np.digitize(known, edges), 1)
        return self

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Return the predicted numbers (S,), the mean over the members."""
        return self.mean_ + self.scale_ * np.mean(self._outputs(cohort), axis=0)[:, 0]

    def _facts(self) -> dict[str, Any]:
        return {"mean": self.mean_, "scale": self.scale_}

    def _restore(self, facts: Mapping[str, Any]) -> None:
        self.mean_, self.scale_ = facts["mean"], facts["scale"]
