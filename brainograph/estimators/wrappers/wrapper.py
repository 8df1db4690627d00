"""What estimators share that put something around another: calibration, sets, drawn predictions."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.estimators.labels import check_labels
from brainograph.estimators.probabilities import probabilities
from brainograph.estimators.saving.persistence import SavedModel, read_facts, write_model
from brainograph.estimators.training.validation_split import validation_split
from brainograph.files import replace_on_success

__all__ = ["Wrapper", "unwrapped"]

_INSIDE = "estimator"


def _of_inner(name: str) -> Any:
    """Return a decorator of methods that are there if the estimator inside has them."""
    return available_if(lambda wrapper: hasattr(wrapper.estimator, name))


def unwrapped(model: BaseEstimator) -> list[BaseEstimator]:
    """Return a fitted model and those inside it, the outermost first.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> len(unwrapped(LogisticRegression()))
    1
    """
    inner = [model]
    while isinstance(inner[-1], Wrapper):
        inner.append(inner[-1].estimator_)
    return inner


class Wrapper(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """A classifier around another, ``estimator``, which is cloned and fitted as ``estimator_``."""

    estimator: BaseEstimator
    estimator_: BaseEstimator

    def _fit_and_hold_out(
        self, cohort: Cohort, y: ArrayLike, *, fraction: float, seed: int
    ) -> tuple[Cohort, np.ndarray]:
        """Fit on a part of the labelled participants; return the others and their labels.

        Those held out are met as test participants will be: where some labels are hidden already
        and the estimator takes participants without one, they stay in the cohort with theirs
        hidden, otherwise they are away.
        """
        if not 0 < fraction < 1:
            raise ValueError(
                f"validation_fraction must be in (0, 1), got {fraction}. For 20 % of the labelled "
                "participants write validation_fraction=0.2."
            )
        labels = check_labels(y, cohort)
        order = np.argsort(cohort.participant_ids)
        cohort, labels = cohort[order], labels[order]
        rows, held_out = validation_split(cohort, labels, fraction=fraction, seed=seed)
        if (labels == -1).any() and "transductive" in self.regimes:
            shown = np.full(len(labels), -1)
            shown[rows] = labels[rows]
            self.estimator_ = clone(self.estimator).fit(cohort, shown)
        else:
            self.estimator_ = clone(self.estimator).fit(cohort[rows], labels[rows])
        return cohort[held_out], labels[held_out]

    def _columns(self, labels: np.ndarray) -> np.ndarray:
        """Return the column of each label, or refuse one that the estimator has not seen."""
        columns = np.searchsorted(self.classes_, labels)
        found = self.classes_[np.minimum(columns, len(self.classes_) - 1)]
        if not np.array_equal(found, labels):
            raise ValueError(
                f"the labels {sorted(set(labels.tolist()) - set(self.classes_.tolist()))} were "
                f"not learnt from; the model knows {self.classes_.tolist()}."
            )
        return columns

    @property
    def regimes(self) -> tuple[str, ...]:
        """How the estimator can predict participants without a label."""
        return tuple(getattr(self.estimator, "regimes", ("inductive",)))

    @property
    def classes_(self) -> np.ndarray:
        """The labels (K,)."""
        return self._fitted().classes_

    def _fitted(self) -> Any:
        check_is_fitted(self, "estimator_")
        return self.estimator_

    @_of_inner("regime")
    def regime(self, cohort: Cohort) -> np.ndarray:
        """Tell how each participant is predicted (S,), as the estimator inside does."""
        return self._fitted().regime(cohort)

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Return the probability of each class (S, K)."""
        return probabilities(self._fitted(), cohort)

    @_of_inner("sample_proba")
    def sample_proba(
        self, cohort: Cohort, *, n_passes: int = 0, random_state: int = 0
    ) -> np.ndarray:
        """Return the probabilities of each member, or of passes with dropout on (N, S, K)."""
        return self._fitted().sample_proba(cohort, n_passes=n_passes, random_state=random_state)

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Return the most probable class (S,)."""
        return self.classes_[self.predict_proba(cohort).argmax(axis=1)]

    def _facts(self) -> dict[str, Any]:
        """Return what was learnt, as JSON."""
        return {}

    def _restore(self, facts: Mapping[str, Any]) -> None:
        """Take what :meth:`_facts` gave."""

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the fitted model as a folder that :meth:`load` opens without running code.

        The model inside is in the folder ``estimator`` within it.

        Raises
        ------
        ValueError
            If the model inside cannot be saved.
        FileExistsError
            If the folder exists and is not a model folder.
        """
        inner = self._fitted()
        if not hasattr(inner, "save"):
            raise ValueError(f"a {type(inner).__name__} cannot be saved: it has no method save.")
        folder = Path(folder)
        if folder.exists() and not (folder / "model.json").is_file() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} exists and is not a model. Choose another folder.")
        params = {k: v for k, v in self.get_params(deep=False).items() if k != "estimator"}
        facts = {"estimator": type(self).__name__, "params": params, "fitted": self._facts()}
        with replace_on_success(folder) as part:
            write_model(SavedModel(facts, {}, {}, {}), part)
            inner.save(part / _INSIDE)
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Open a model folder that :meth:`save` wrote.

        Raises
        ------
        ValueError
            If a file was changed, or the folder holds another estimator.
        """
        from brainograph.estimators.saving.loading import load_model  # which knows all of them

        facts = read_facts(Path(folder))
        if facts["estimator"] != cls.__name__:
            raise ValueError(f"{folder} holds a {facts['estimator']}, not a {cls.__name__}.")
        inner = load_model(Path(folder) / _INSIDE)
        model = cls(inner, **facts["params"])
        model.estimator_ = inner
        model._restore(facts["fitted"])
        return model
