"""Multiple kernel learning: one kernel for each modality, and a classifier on their mixture."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.decomposition import KernelPCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances, linear_kernel, rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KernelCenterer, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.estimators.labels import check_labels
from brainograph.estimators.nested_params import nested_params
from brainograph.estimators.probabilities import probabilities
from brainograph.estimators.saving.persistence import SavedModel, read_model, write_model
from brainograph.preprocessing.inputs import check_regions

__all__ = ["MultipleKernelClassifier"]

Kernel = Literal["linear", "rbf"]
Weights = Literal["uniform", "alignment", "joint_alignment"]
Classifier = Literal["svm", "logistic"]


class MultipleKernelClassifier(ClassifierMixin, BaseEstimator):
    r"""Classify by a convex combination of kernels, one for each block of features.

    .. math:: K = \sum_m w_m \tilde K_m,\quad w_m \ge 0,\quad \sum_m w_m = 1

    where :math:`\tilde K_m` is the kernel of standardised features, centred and divided by the
    mean of its diagonal: blocks of 6,000 and of 60 features weigh alike.

    ===================  ==========================================================================
    ``uniform``          :math:`w_m = 1 / M`
    ``alignment``        :math:`w_m \propto \max(0, a_m / \lVert \tilde K_m \rVert_F)`, the
                         alignment with the labels, :math:`a_m = \langle \tilde K_m, T \rangle_F`
                         with the centred kernel T of the classes, each kernel by itself
    ``joint_alignment``  the combination that is best aligned:
                         :math:`\min_{w \ge 0} w^\top G w - 2 w^\top a`,
                         :math:`G_{lm} = \langle \tilde K_l, \tilde K_m \rangle_F`; of two blocks
                         that say the same it may leave one out
    ===================  ==========================================================================

    Parameters
    ----------
    blocks : sequence of (name, transformer)
        M modalities; each transformer maps a :class:`~brainograph.cohort.Cohort` to (S, F).
    kernel : {"linear", "rbf"}
        Of every block; the width of ``rbf`` is the median distance of training rows.
    weights : {"uniform", "alignment", "joint_alignment"} or sequence of float (M,)
        Learned from the labelled training rows, or given.
    classifier : {"svm", "logistic"}
        On the combined kernel. Probabilities of ``svm`` are in the right order, not calibrated.
    C : float
        Inverse penalty.

    Attributes
    ----------
    classes_ : array (K,)
        The labels.
    weights_ : dict of name to float
        :math:`w`, what each modality contributes, of sum 1.
    alignments_ : dict of name to float
        Cosine of each kernel with that of the classes, in [-1, 1].
    participant_ids_ : list of str
        Who was learnt from.

    References
    ----------
    .. [1] Cortes, Mohri and Rostamizadeh, Algorithms for learning kernels based on centered
           alignment, JMLR 13:795-828, 2012.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.preprocessing import Edges, Phenotypes
    >>> cohort = simulate_cohort(n_subjects=60, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> blocks = [("edges", Edges()), ("age", Phenotypes(["age"]))]
    >>> model = MultipleKernelClassifier(blocks, weights="alignment").fit(cohort[:40], y[:40])
    >>> model.predict_proba(cohort[40:]).shape, model.weights_["edges"] > 0.8
    ((20, 2), True)
    """

    regimes = ("inductive",)

    def __init__(
        self,
        blocks: Sequence[tuple[str, TransformerMixin]],
        *,
        kernel: Kernel = "linear",
        weights: Weights | Sequence[float] = "uniform",
        classifier: Classifier = "svm",
        C: float = 1.0,
    ) -> None:
        self.blocks = blocks
        self.kernel = kernel
        self.weights = weights
        self.classifier = classifier
        self.C = C

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings, and where ``deep`` those of each block as ``name__setting``."""
        params = super().get_params(deep=deep)
        return params | nested_params(self.blocks) if deep else params

    def fit(self, cohort: Cohort, y: ArrayLike) -> Self:
        """Learn weights and classifier from the labelled participants.

        Parameters
        ----------
        cohort : Cohort (S)
            Participants.
        y : array (S,)
            Integer labels, -1 for a participant without one, who is not looked at.

        Raises
        ------
        ValueError
            For labels of one class, names that are there twice, and settings that do not exist.
        """
        self._check_settings()
        labels = check_labels(y, cohort)
        rows = np.argsort(cohort.participant_ids)
        rows = rows[labels[rows] != -1]
        cohort, labels = cohort[rows], labels[rows]
        self.region_names_ = cohort.regions.index.tolist()
        self.participant_ids_ = cohort.participant_ids
        self._blocks = {name: clone(block).fit(cohort, labels) for name, block in self.blocks}
        self._scalers: dict[str, StandardScaler] = {}
        self._features: dict[str, np.ndarray] = {}
        for name, block in self._blocks.items():
            x = np.asarray(block.transform(cohort), dtype=float)
            self._scalers[name] = StandardScaler().fit(x)
            self._features[name] = self._scalers[name].transform(x)
        kernels = self._prepare()
        self._weigh(kernels, labels)
        self.classifier_ = self._new_classifier().fit(self._mix(kernels), labels)
        self.classes_ = self.classifier_.classes_
        return self

    def _check_settings(self) -> None:
        names = [name for name, _ in self.blocks]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"blocks must be (name, transformer), each name once; got {names}.")
        for name, value, choices in (
            ("kernel", self.kernel, get_args(Kernel)),
            ("classifier", self.classifier, get_args(Classifier)),
        ):
            if value not in choices:
                raise ValueError(f"{name} must be one of {choices}, got {value!r}.")
        if isinstance(self.weights, str):
            if self.weights not in get_args(Weights):
                raise ValueError(
                    f"weights must be one of {get_args(Weights)} or {len(names)} numbers, got "
                    f"{self.weights!r}."
                )
        elif len(self.weights) != len(names) or min(self.weights) < 0 or not sum(self.weights):
            raise ValueError(
                f"weights must be {len(names)} numbers that are not negative, and not all 0; got "
                f"{list(self.weights)}."
            )

    def _new_classifier(self) -> BaseEstimator:
        if self.classifier == "svm":
            return SVC(kernel="precomputed", C=self.C)
        logistic = LogisticRegression(C=self.C, max_iter=1000)
        return make_pipeline(KernelPCA(kernel="precomputed"), logistic)

    def _prepare(self) -> np.ndarray:
        """Return the kernels of the training rows (M, S, S), and what brings others to them."""
        self._gammas, self._centerers, self._scales = {}, {}, {}
        kernels = []
        for name, x in self._features.items():
            apart = euclidean_distances(x, squared=True)[np.triu_indices(len(x), 1)]
            self._gammas[name] = 1 / max(float(np.median(apart)), 1e-12)
            raw = self._raw(name, x)
            self._centerers[name] = KernelCenterer().fit(raw)
            centred = self._centerers[name].transform(raw)
            diagonal = float(np.trace(centred)) / len(x)
            self._scales[name] = diagonal if diagonal > 1e-12 else 1.0
            kernels.append(centred / self._scales[name])
        return np.stack(kernels)

    def _raw(self, name: str, x: np.ndarray) -> np.ndarray:
        """Return the kernel of features (Q, F) with those learnt from (Q, S)."""
        if self.kernel == "linear":
            return linear_kernel(x, self._features[name])
        return rbf_kernel(x, self._features[name], gamma=self._gammas[name])

    def _weigh(self, kernels: np.ndarray, labels: np.ndarray) -> None:
        """Set the weights and the alignments."""
        classes = (labels[:, None] == np.unique(labels)).astype(float)
        classes -= classes.mean(axis=0)
        target = classes @ classes.T
        gram = np.einsum("lij,mij->lm", kernels, kernels)
        towards = np.einsum("mij,ij->m", kernels, target)
        norms = np.sqrt(np.diag(gram)).clip(min=1e-12)
        weights = np.ones(len(kernels))
        if not isinstance(self.weights, str):
            weights = np.array(self.weights, dtype=float)
        elif self.weights == "alignment":
            weights = np.maximum(towards / norms, 0)
        elif self.weights == "joint_alignment":
            ridge = 1e-10 * np.trace(gram) * np.eye(len(gram))
            root = np.linalg.cholesky(gram + ridge)
            weights, _ = nnls(root.T, solve_triangular(root, towards, lower=True))
        if not weights.any():  # no kernel goes with the labels
            weights = np.ones(len(kernels))
        names = list(self._features)
        self.weights_ = dict(zip(names, (weights / weights.sum()).tolist(), strict=True))
        cosines = towards / norms / np.linalg.norm(target)
        self.alignments_ = dict(zip(names, cosines.tolist(), strict=True))

    def _mix(self, kernels: np.ndarray) -> np.ndarray:
        return np.tensordot(list(self.weights_.values()), kernels, axes=1)

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Return the probability of each class (S, K).

        Raises
        ------
        ValueError
            If the regions are not those of the model.
        """
        check_is_fitted(self, "classifier_")
        check_regions(self.region_names_, cohort.regions.index.tolist())
        if not len(cohort):
            return np.zeros((0, len(self.classes_)))
        kernels = []
        for name, block in self._blocks.items():
            x = self._scalers[name].transform(np.asarray(block.transform(cohort), dtype=float))
            centred = self._centerers[name].transform(self._raw(name, x))
            kernels.append(centred / self._scales[name])
        return probabilities(self.classifier_, self._mix(np.stack(kernels)))

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Return the most probable class (S,)."""
        return self.classes_[self.predict_proba(cohort).argmax(axis=1)]

    def regime(self, cohort: Cohort) -> np.ndarray:
        """Tell whose label was learnt from (``"training"``) and who is new (``"inductive"``)."""
        check_is_fitted(self, "classifier_")
        known = np.isin(cohort.participant_ids, self.participant_ids_)
        return np.where(known, "training", "inductive")

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the fitted model as a folder that :meth:`load` opens without running code.

        The folder holds the features and ids of the participants that were learnt from.
        """
        check_is_fitted(self, "classifier_")
        facts = {
            "estimator": type(self).__name__,
            "params": {
                "kernel": self.kernel,
                "weights": self.weights if isinstance(self.weights, str) else list(self.weights),
                "classifier": self.classifier,
                "C": self.C,
            },
            "names": [name for name, _ in self.blocks],
            "regions": self.region_names_,
            "participants": self.participant_ids_,
            "weights": self.weights_,
            "alignments": self.alignments_,
            "scales": self._scales,
            "gammas": self._gammas,
        }
        objects = {
            "blocks": dict(self.blocks),
            "blocks_": self._blocks,
            "scalers": self._scalers,
            "centerers": self._centerers,
            "classifier": self.classifier_,
        }
        tensors = {name: torch.from_numpy(x) for name, x in self._features.items()}
        return write_model(SavedModel(facts, tensors, objects, {}), folder)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "MultipleKernelClassifier":
        """Open a model folder that :meth:`save` wrote.

        Raises
        ------
        ValueError
            If a file was changed, or the folder holds another estimator.
        """
        saved = read_model(folder)
        facts, objects = saved.facts, saved.objects
        if facts["estimator"] != cls.__name__:
            raise ValueError(f"{folder} holds a {facts['estimator']}, not a {cls.__name__}.")
        names = facts["names"]
        model = cls([(name, objects["blocks"][name]) for name in names], **facts["params"])
        model.region_names_, model.participant_ids_ = facts["regions"], facts["participants"]
        model.weights_ = {name: facts["weights"][name] for name in names}
        model.alignments_ = {name: facts["alignments"][name] for name in names}
        model._scales, model._gammas = facts["scales"], facts["gammas"]
        model._blocks = {name: objects["blocks_"][name] for name in names}
        model._scalers, model._centerers = objects["scalers"], objects["centerers"]
        model._features = {name: saved.tensors[name].numpy() for name in names}
        model.classifier_ = objects["classifier"]
        model.classes_ = model.classifier_.classes_
        return model
