"""What is measured of the probabilities of three or more classes."""

import re

import numpy as np
import pandas as pd

from brainograph.metrics.binary import area, average_precision, confusion, rates
from brainograph.metrics.bootstrap import ratio
from brainograph.metrics.calibration import calibration_error
from brainograph.metrics.table import NOISE, Task, comparable

__all__ = ["MULTICLASS", "class_columns"]

METRICS = (
    "auc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "precision",
    "f1",
    "mcc",
    "log_loss",
    "brier",
    "ece",
)
_MACRO = ("auc", "average_precision", "precision", "f1")
_OF_ONE = (*_MACRO, "sensitivity", "specificity")
_SMALLEST = np.finfo(float).eps


def class_columns(predictions: pd.DataFrame) -> list[str]:
    """Return the columns p_0, p_1 ... that there are, in the order of their numbers."""
    found = [name for name in map(str, predictions.columns) if re.fullmatch(r"p_\d+", name)]
    return sorted(found, key=lambda name: int(name[2:]))


def _correlation(true: np.ndarray, called: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    r"""Matthews' correlation of several classes (Gorodkin 2004), of every resample at once.

    .. math:: R_K = \frac{n c - \sum_k t_k p_k}
                         {\sqrt{n^2 - \sum_k p_k^2} \sqrt{n^2 - \sum_k t_k^2}}
    """
    n, right = drawn.sum(0, dtype=np.float64), (true & called).any(1).astype(float) @ drawn
    t, p = true.T.astype(float) @ drawn, called.T.astype(float) @ drawn
    spread = np.sqrt((n**2 - (p**2).sum(0)) * (n**2 - (t**2).sum(0)))
    return np.nan_to_num(ratio(n * right - (t * p).sum(0), spread))


def _one_class(
    true: np.ndarray, score: np.ndarray, called: np.ndarray, drawn: np.ndarray
) -> dict[str, np.ndarray]:
    """Measure one class against the rest."""
    return {
        "auc": area(true, score, drawn),
        "average_precision": average_precision(true, score, drawn),
        **rates(*confusion(true, called, drawn)),
    }


def _measure(values: np.ndarray, drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Measure all classes together, then each against the rest: names with /k are of class k."""
    n_classes = values.shape[1] // 2
    probability, scores = values[:, 1 : n_classes + 1], values[:, n_classes + 1 :]
    true = values[:, :1] == np.arange(n_classes)
    called = probability.argmax(axis=1)[:, None] == np.arange(n_classes)
    each = [_one_class(true[:, k], scores[:, k], called[:, k], drawn) for k in range(n_classes)]
    macro = {name: np.mean([one[name] for one in each], axis=0) for name in _MACRO}
    balanced = np.mean([one["sensitivity"] for one in each], axis=0)
    right = (true & called).any(axis=1).astype(float)
    surprise = -np.log(np.maximum(np.where(true, probability, 0).sum(axis=1), _SMALLEST))
    total = drawn.sum(0, dtype=np.float64)
    ece, noise = calibration_error(right, probability.max(axis=1), drawn)
    whole = macro | {
        "accuracy": ratio(right @ drawn, total),
        "balanced_accuracy": balanced,
        "mcc": np.where(np.isfinite(balanced), _correlation(true, called, drawn), np.nan),
        "log_loss": ratio(surprise @ drawn, total),
        "brier": ratio(((probability - true) ** 2).sum(axis=1) @ drawn, total),
        "ece": ece,
        NOISE: noise,
    }
    return whole | {f"{name}/{k}": one[name] for k, one in enumerate(each) for name in _OF_ONE}


def _headline(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Macro AUC, by which models are compared."""
    n_classes = values.shape[1] // 2
    areas = [area(values[:, 0] == k, values[:, n_classes + 1 + k], drawn) for k in range(n_classes)]
    return np.mean(areas, axis=0)


def _values(predictions: pd.DataFrame) -> np.ndarray:
    """Return label, probabilities and comparable scores, or say what is wrong."""
    names = class_columns(predictions)
    n_classes = len(names)
    if n_classes < 3 or names != [f"p_{k}" for k in range(n_classes)]:
        raise ValueError(
            f"the classes must be numbered from p_0 to p_2 or further, got {names}. For two "
            f"classes give y_score, the probability of class 1."
        )
    classes = sorted(predictions["y_true"].unique().tolist(), key=str)
    if not set(classes) <= set(range(n_classes)):
        raise ValueError(
            f"y_true must hold the classes 0 to {n_classes - 1}, got {classes}. Keep labelled "
            f"rows: predictions[predictions['y_true'] >= 0]."
        )
    probability = predictions[names].to_numpy(float)
    proper = (probability >= 0).all(axis=1) & (np.abs(probability.sum(axis=1) - 1) < 1e-3)
    if not proper.all():
        raise ValueError(
            f"{names} must be probabilities that add up to 1, got {int((~proper).sum())} rows "
            f"that are not. For scores z write scipy.special.softmax(z, axis=1)."
        )
    scores = [comparable(predictions, name, neutral=1 / n_classes) for name in names]
    return np.column_stack([predictions["y_true"], probability, *scores]).astype(float)


MULTICLASS = Task(
    "multiclass", METRICS, values=_values, measure=_measure, headline=_headline, headline_name="auc"
)
