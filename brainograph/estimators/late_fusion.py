"""Fusion of the decisions of several classifiers, weighed by predictions out of fold."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.estimators.labels import check_labels
from brainograph.estimators.nested_params import nested_params
from brainograph.estimators.probabilities import probabilities
from brainograph.estimators.saving.persistence import SavedModel, read_model, write_model
from brainograph.files import replace_on_success
from brainograph.nn.fusion import Late, LateFusion

__all__ = ["LateFusionClassifier"]


class LateFusionClassifier(ClassifierMixin, BaseEstimator):
    """Fuse what several classifiers decide, each fitted by itself: of modalities, or of kinds.

    The weights of ``weighted``, and the maps of ``stacking``, are learned from predictions out of
    fold: each of ``n_splits`` parts of the training participants is predicted by members fitted on
    the other parts [1]_. A member that knows its training participants by heart is not trusted for
    it.

    Parameters
    ----------
    members : sequence of (name, classifier)
        M classifiers of a :class:`~brainograph.cohort.Cohort`, inductive ones.
    how : {"max", "mean", "product", "weighted", "stacking"}
        A rule of :class:`~brainograph.nn.fusion.LateFusion`.
    n_splits : int
        Parts.
    temperature, penalty : float
        Of :meth:`~brainograph.nn.fusion.LateFusion.fit`.
    random_state : int
        Seed of the parts.

    Attributes
    ----------
    classes_ : array (K,)
        The labels.
    members_ : dict of name to classifier
        Fitted on all labelled participants.
    fusion_ : LateFusion
        The fitted rule.
    participant_ids_ : list of str
        Who was learnt from.

    References
    ----------
    .. [1] Wolpert, Stacked generalization, Neural Networks 5:241-259, 1992.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.preprocessing import Edges, Phenotypes
    >>> cohort = simulate_cohort(n_subjects=60, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> members = [
    ...     ("edges", make_pipeline(Edges(), LogisticRegression())),
    ...     ("age", make_pipeline(Phenotypes(["age"]), LogisticRegression())),
    ... ]
    >>> model = LateFusionClassifier(members).fit(cohort[:40], y[:40])
    >>> model.predict_proba(cohort[40:]).shape
    (20, 2)
    >>> bool(model.contributions(cohort)["edges"].min() > 0.8)
    True
    """

    regimes = ("inductive",)

    def __init__(
        self,
        members: Sequence[tuple[str, ClassifierMixin]],
        *,
        how: Late = "weighted",
        n_splits: int = 5,
        temperature: float = 0.1,
        penalty: float = 0.1,
        random_state: int = 0,
    ) -> None:
        self.members = members
        self.how = how
        self.n_splits = n_splits
        self.temperature = temperature
        self.penalty = penalty
        self.random_state = random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings, and where ``deep`` those of each member as ``name__setting``."""
        params = super().get_params(deep=deep)
        return params | nested_params(self.members) if deep else params

    def fit(self, cohort: Cohort, y: ArrayLike) -> Self:
        """Learn from the labelled participants.

        Parameters
        ----------
        cohort : Cohort (S)
            Participants; those with the same phenotype ``group``, where there is one, stay in one
            part.
        y : array (S,)
            Integer labels, -1 for a participant without one, who is not looked at.

        Raises
        ------
        ValueError
            For labels of one class, names that are there twice, a rule that does not exist, and a
            class with fewer members than parts.
        """
        names = [name for name, _ in self.members]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"members must be (name, classifier), each name once; got {names}.")
        labels = check_labels(y, cohort)
        rows = np.argsort(cohort.participant_ids)
        rows = rows[labels[rows] != -1]
        cohort, labels = cohort[rows], labels[rows]
        self.participant_ids_ = cohort.participant_ids
        self.classes_, columns = np.unique(labels, return_inverse=True)
        self.fusion_ = LateFusion(len(names), len(self.classes_), self.how)
        if self.how in ("weighted", "stacking"):
            unseen = self._out_of_fold(cohort, labels)
            settings: Any = {"temperature": self.temperature, "penalty": self.penalty}
            self.fusion_.fit(unseen, torch.from_numpy(columns), **settings)
        elif self.how == "product":
            unseen = [torch.zeros(len(labels), len(self.classes_))] * len(names)
            self.fusion_.fit(unseen, torch.from_numpy(columns))  # the classes' shares
        self.members_ = self._fitted(cohort, labels)
        return self

    def _fitted(self, cohort: Cohort, labels: np.ndarray) -> dict[str, Any]:
        return {name: clone(member).fit(cohort, labels) for name, member in self.members}

    def _out_of_fold(self, cohort: Cohort, labels: np.ndarray) -> list[torch.Tensor]:
        """Return what members say of participants whom they have not seen (S, K) each."""
        logits = torch.zeros(len(self.members), len(labels), len(self.classes_))
        for train, test in self._parts(cohort, labels):
            fitted = self._fitted(cohort[train], labels[train])
            logits[:, test] = torch.stack(_log_probabilities(fitted, cohort[test]))
        return list(logits)

    def _parts(self, cohort: Cohort, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        fewest = int(np.unique(labels, return_counts=True)[1].min())
        if not 2 <= self.n_splits <= fewest:
            raise ValueError(
                f"n_splits must be between 2 and the {fewest} participants of the smallest class, "
                f"got {self.n_splits}. Write n_splits={max(2, min(5, fewest))}, or how='mean', "
                "which learns no weights."
            )
        settings: Any = {"shuffle": True, "random_state": self.random_state}
        if "group" in cohort.phenotype:
            groups = cohort.units("group").to_numpy()
            return StratifiedGroupKFold(self.n_splits, **settings).split(labels, labels, groups)
        return StratifiedKFold(self.n_splits, **settings).split(labels, labels)

    @torch.no_grad()
    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Return the probability of each class (S, K)."""
        check_is_fitted(self, "members_")
        if not len(cohort):
            return np.zeros((0, len(self.classes_)))
        return self.fusion_(_log_probabilities(self.members_, cohort)).exp().numpy()

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Return the most probable class (S,)."""
        return self.classes_[self.predict_proba(cohort).argmax(axis=1)]

    @torch.no_grad()
    def contributions(self, cohort: Cohort) -> pd.DataFrame:
        """Return how much each member counts for each participant (S, M), of sum 1."""
        check_is_fitted(self, "members_")
        shares = self.fusion_.contributions(_log_probabilities(self.members_, cohort)).numpy()
        return pd.DataFrame(shares, cohort.phenotype.index, list(self.members_))

    def regime(self, cohort: Cohort) -> np.ndarray:
        """Tell whose label was learnt from (``"training"``) and who is new (``"inductive"``)."""
        check_is_fitted(self, "members_")
        known = np.isin(cohort.participant_ids, self.participant_ids_)
        return np.where(known, "training", "inductive")

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the fitted model as a folder that :meth:`load` opens without running code.

        A member that can be saved by itself is in a folder of its own, ``member0`` and so on.
        """
        check_is_fitted(self, "members_")
        folder = Path(folder)
        if folder.exists() and not (folder / "model.json").is_file() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} exists and is not a model. Choose another folder.")
        params = {k: v for k, v in self.get_params(deep=False).items() if k != "members"}
        facts = {
            "estimator": type(self).__name__,
            "params": params,
            "names": list(self.members_),
            "classes": self.classes_.tolist(),
            "participants": self.participant_ids_,
        }
        members = list(self.members_.values())
        objects = {str(i): one for i, one in enumerate(members) if not hasattr(one, "save")}
        with replace_on_success(folder) as part:
            write_model(SavedModel(facts, self.fusion_.state_dict(), objects, {}), part)
            for i, one in enumerate(members):
                if str(i) not in objects:
                    one.save(part / f"member{i}")
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "LateFusionClassifier":
        """Open a model folder that :meth:`save` wrote.

        Raises
        ------
        ValueError
            If a file was changed, or the folder holds another estimator.
        """
        from brainograph.estimators.saving.loading import load_model  # which knows all of them

        saved = read_model(folder)
        facts, names = saved.facts, saved.facts["names"]
        if facts["estimator"] != cls.__name__:
            raise ValueError(f"{folder} holds a {facts['estimator']}, not a {cls.__name__}.")
        members = {
            name: saved.objects.get(str(i)) or load_model(Path(folder) / f"member{i}")
            for i, name in enumerate(names)
        }
        model = cls(list(members.items()), **facts["params"])
        model.members_ = members
        model.classes_, model.participant_ids_ = np.array(facts["classes"]), facts["participants"]
        model.fusion_ = LateFusion(len(names), len(model.classes_), model.how)
        model.fusion_.load_state_dict(dict(saved.tensors))
        return model


def _log_probabilities(members: dict[str, Any], cohort: Cohort) -> list[torch.Tensor]:
    """Return what each member says of the participants (S, K)."""
    said = [np.asarray(probabilities(member, cohort)) for member in members.values()]
    return [torch.from_numpy(one.clip(min=1e-12)).float().log() for one in said]
