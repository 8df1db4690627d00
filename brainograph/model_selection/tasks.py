"""What is predicted: two classes, several classes or a number, and what a model says of it."""

from typing import Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_regressor

from brainograph.cohort import Cohort
from brainograph.estimators.probabilities import probabilities

__all__ = ["Task", "check_target", "has_target", "hide", "predict", "strata", "task_of"]

Task = Literal["binary", "multiclass", "regression"]


def task_of(model: BaseEstimator, y: np.ndarray) -> Task:
    """Return what a model is asked for: a regressor a number, a classifier one of the classes.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression, Ridge
    >>> task_of(LogisticRegression(), np.array([0, 1, 2, -1])), task_of(Ridge(), np.array([0.5]))
    ('multiclass', 'regression')
    """
    if is_regressor(model):
        return "regression"
    return "multiclass" if len(set(np.asarray(y).tolist()) - {-1}) > 2 else "binary"


def has_target(y: np.ndarray, task: Task) -> np.ndarray:
    """Tell who has a target (S,): unlabelled is -1, and NaN where a number is predicted."""
    return np.isfinite(y) if task == "regression" else y != -1


def hide(y: np.ndarray, shown: np.ndarray, task: Task) -> np.ndarray:
    """Return the targets (S,) of the rows that are shown, and of the others that they have none."""
    hidden = np.full(len(y), np.nan if task == "regression" else -1, dtype=y.dtype)
    hidden[shown] = y[shown]
    return hidden


def check_target(y: np.ndarray, cohort: Cohort, task: Task) -> np.ndarray:
    """Return the targets as numbers, or say what is wrong with them.

    Raises
    ------
    ValueError
        If there is not one target a participant, or classes are not 0, 1, ..., K - 1.
    """
    y = np.asarray(y)
    if y.shape != (len(cohort),):
        raise ValueError(f"y has shape {y.shape}, needed is ({len(cohort)},).")
    if task == "regression":
        return y.astype(float)
    found = sorted(set(y.tolist()) - {-1})
    if len(found) < 2 or found != list(range(len(found))):
        raise ValueError(
            f"the labels must be 0 and 1 (or 0, 1, ..., K - 1; and -1 for unlabelled), got "
            f"{found[:6]}. Choose the classes, for example y = cohort.phenotype['diagnosis']"
            ".map({'control': 0, 'patient': 1}).fillna(-1).astype(int).to_numpy()."
        )
    return y.astype(int)


def strata(y: np.ndarray, task: Task, *, n_bins: int = 5) -> np.ndarray:
    """Return classes (S,) to spread over folds: the labels, or the fifths of a number."""
    if task != "regression":
        return y
    known = has_target(y, task)
    bins = np.full(len(y), -1)
    edges = np.quantile(y[known], np.linspace(0, 1, n_bins + 1)[1:-1])
    bins[known] = np.digitize(y[known], edges)
    return bins


def predict(model: BaseEstimator, cohort: Cohort, task: Task) -> pd.DataFrame:
    """Return what a fitted model says of each participant (S rows).

    ``y_score`` is the probability of class 1, ``p_0``, ..., ``p_{K-1}`` are those of K classes and
    ``y_pred`` is a predicted number. Of a model that predicts sets, ``set_0``, ``set_1``, ...
    tell which classes are in them.
    """
    if task == "regression":
        return pd.DataFrame({"y_pred": np.asarray(model.predict(cohort), dtype=float)})
    probability = probabilities(model, cohort)
    if task == "binary":
        said = pd.DataFrame({"y_score": probability[:, 1]})
    else:
        said = pd.DataFrame(probability, columns=[f"p_{k}" for k in model.classes_])
    if hasattr(model, "predict_set"):
        sets = model.predict_set(cohort).astype(int)
        said[[f"set_{k}" for k in model.classes_]] = sets
    return said
