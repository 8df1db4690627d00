"""The predictions table: what must be in it, and what can be measured of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from brainograph.metrics.bootstrap import resamples

__all__ = [
    "NOISE",
    "People",
    "Task",
    "check",
    "comparable",
    "comparable_scores",
    "people",
    "too_few",
]

NOISE = "noise of ece"
_KEYS = ["model", "regime", "repeat", "participant_id"]
_FEWEST = 5
_OF_ALL = ("accuracy", "brier", "ece", "log_loss")


@dataclass(frozen=True)
class Task:
    """What is measured of one kind of prediction.

    Parameters
    ----------
    name : {"binary", "multiclass", "regression"}
    metrics : tuple of str
        In the order of the table.
    values : callable
        predictions -> array (rows, columns): what ``measure`` needs of them, checked; y_true first.
    measure : callable
        values (S, columns), draws (S, B) -> metric -> array (B,), and ``NOISE``, which
        the interval of ``ece`` needs.
    headline : callable
        values, draws -> array (B,): the metric that models are compared by.
    headline_name : str
    higher_is_better : bool
        Of the headline.
    """

    name: Literal["binary", "multiclass", "regression"]
    metrics: tuple[str, ...]
    values: Callable[[pd.DataFrame], np.ndarray]
    measure: Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]
    headline: Callable[[np.ndarray, np.ndarray], np.ndarray]
    headline_name: str
    higher_is_better: bool = True


@dataclass(frozen=True)
class People:
    """Those whom some rows are about, sorted by identifier.

    Parameters
    ----------
    ids : Index (S,)
    place : array (rows,)
        Whom each row is about.
    y_true : array (S,)
    strata : array of int (S,)
        Their class; 0 in a regression.
    unit : array of int (S,)
        Who is resampled together.
    """

    ids: pd.Index
    place: np.ndarray
    y_true: np.ndarray
    strata: np.ndarray
    unit: np.ndarray

    def draw(self, n_bootstrap: int, random_state: int) -> np.ndarray:
        """Resample them within their classes: (S, n_bootstrap + 1)."""
        return resamples(
            self.strata, unit=self.unit, n_bootstrap=n_bootstrap, random_state=random_state
        )

    def count(self, chosen: np.ndarray) -> int:
        """Count the units that hold one of the chosen participants."""
        return len(np.unique(self.unit[chosen]))


def check(predictions: pd.DataFrame, *, also: list[str]) -> pd.DataFrame:
    """Return the rows in the order of their keys, or say what is wrong with the table."""
    needed = [*_KEYS, "fold", "y_true", *also]
    missing = [name for name in needed if name not in predictions.columns]
    if missing:
        raise ValueError(
            f"predictions lack the columns {missing}; they have {list(predictions.columns)}. "
            f"Give one row for each participant, model, regime and repeat."
        )
    twice = predictions.loc[predictions.duplicated(_KEYS), "participant_id"].unique().tolist()
    if twice:
        raise ValueError(
            f"participants {twice[:5]} have more than one prediction of one model in one repeat. "
            f"Keep one: predictions.drop_duplicates({_KEYS})."
        )
    each = predictions.groupby("participant_id")
    for name in ("y_true", "group"):
        if name in predictions and (each[name].nunique(dropna=False) > 1).any():
            raise ValueError(f"{name} differs between rows of one participant. Give each one.")
    return predictions.sort_values(["participant_id", "repeat"], kind="stable", ignore_index=True)


def people(table: pd.DataFrame, task: Task) -> People:
    """Return those whom the rows of a checked table are about."""
    first = table.drop_duplicates("participant_id")
    ids = pd.Index(first["participant_id"])
    y_true = first["y_true"].to_numpy(float)
    unit = np.arange(len(ids))
    if "group" in first:
        alone = "participant " + first["participant_id"].astype(str)
        named = "group " + first["group"].astype(str)
        unit = pd.factorize(named.where(first["group"].notna(), alone))[0]
    strata = np.zeros(len(ids), int) if task.name == "regression" else y_true.astype(int)
    return People(ids, ids.get_indexer(pd.Index(table["participant_id"])), y_true, strata, unit)


def too_few(task: Task, metric: str, those: People) -> bool:
    """Whether a metric rests on so few units of a class that its interval would be too narrow."""
    name, _, label = metric.partition("/")
    everybody = np.full(len(those.ids), True)
    if task.name == "regression" or name in _OF_ALL:
        return those.count(everybody) < _FEWEST
    classes = [int(label)] if label else [1] if task.name == "binary" else np.unique(those.strata)
    needed = {"sensitivity": [True], "specificity": [False]}.get(name, [True, False])
    groups = [(those.strata == k) == members for k in classes for members in needed]
    return min(those.count(group) for group in groups) < _FEWEST


def comparable(predictions: pd.DataFrame, column: str, *, neutral: float) -> pd.Series:
    """Return a column, but one number for a model that gives all of each fold one value."""
    values = predictions[column].astype(float)
    keys = [predictions[name] for name in ("model", "regime", "repeat", "fold")]
    folds = values.groupby(keys)
    by_model = pd.DataFrame({"varied": folds.nunique() > 1, "several": folds.size() > 1})
    by_model = by_model.groupby(["model", "regime"]).any()
    constant = by_model.index[by_model["several"] & ~by_model["varied"]]
    rows = pd.MultiIndex.from_frame(predictions[["model", "regime"]]).isin(constant)
    return values.mask(rows, neutral)


def comparable_scores(predictions: pd.DataFrame) -> pd.Series:
    """Return the scores by which participants of different folds can be put in one order.

    They are ``y_score``, but 0.5 for a model that gives all participants of each fold one score,
    as the share of the larger class does: such a model knows nothing of them, and its folds differ
    only because a fold with many patients leaves few to train on, which pooled would look like an
    AUC far below chance.
    """
    return comparable(predictions, "y_score", neutral=0.5)
