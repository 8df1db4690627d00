"""Who was in the fit, with a label or without: by that a prediction is judged."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.estimators.population.edges import Joined

__all__ = ["KnownParticipants", "PopulationMembers"]


class KnownParticipants:
    """What estimators share whose ``fit`` sees participants with and without a label."""

    participant_ids_: list[str]
    _labelled: np.ndarray

    def regime(self, cohort: Cohort) -> np.ndarray:
        """Tell how each participant is predicted (S,).

        ``"inductive"`` for a new one, ``"transductive"`` for one who was in ``fit`` without a
        label, ``"training"`` for one whose label was learnt from.
        """
        rows = self._rows(cohort)
        regimes = np.full(len(cohort), "inductive", dtype="<U12")
        fitted = np.where(self._labelled, "training", "transductive")
        regimes[rows >= 0] = fitted[rows[rows >= 0]]
        return regimes

    def _rows(self, cohort: Cohort) -> np.ndarray:
        """Return the row of each participant in the fit, -1 for a new one."""
        check_is_fitted(self, "participant_ids_")
        return pd.Index(self.participant_ids_, dtype=object).get_indexer(cohort.participant_ids)


class PopulationMembers(KnownParticipants):
    """What those share that are several networks, each with a graph of participants."""

    combine: Joined
    _members: list[Any]

    @property
    def history_(self) -> pd.DataFrame:
        """Training and validation loss, indexed by member and epoch."""
        check_is_fitted(self, "_members")
        return pd.concat(dict(enumerate(m.history for m in self._members)), names=["member"])

    @property
    def regimes(self) -> tuple[str, ...]:
        """How unlabelled participants may be predicted: without edges all are strangers."""
        return ("inductive",) if self.combine == "none" else ("transductive", "inductive")
