"""What is measured of a probability of being a patient."""

import numpy as np
import pandas as pd

from brainograph.metrics.bootstrap import ratio
from brainograph.metrics.calibration import calibration_error
from brainograph.metrics.table import NOISE, Task, comparable_scores

__all__ = ["BINARY", "area", "average_precision", "confusion", "rates"]

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
    "brier",
    "ece",
)


def area(positive: np.ndarray, y_score: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    r"""Return the area under the ROC curve of every resample at once.

    .. math:: AUC_b = \frac{w_b^{+\top} K w_b^-}{\sum w_b^+ \sum w_b^-}, \quad
              K_{ij} = [s_i > s_j] + \tfrac12 [s_i = s_j]

    Parameters
    ----------
    positive : array of bool (S,)
    y_score : array (S,)
    drawn : array (S, B)
        How often each participant is in each resample.

    Returns
    -------
    array (B,)
        NaN where a resample lacks a class.
    """
    patients, controls = y_score[positive, None], y_score[~positive]
    wins = (patients > controls).astype(np.float32)
    wins += np.float32(0.5) * (patients == controls)
    won = np.einsum("nb,nb->b", wins.T @ drawn[positive], drawn[~positive], dtype=np.float64)
    return ratio(won, _sum(drawn[positive]) * _sum(drawn[~positive]))


def average_precision(positive: np.ndarray, y_score: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    r"""Return the area under the precision-recall curve of every resample at once.

    .. math:: AP = \frac1P \sum_{i \in patients} w_i \frac{TP_i}{TP_i + FP_i}

    where a patient's true and false positives are those who score as high or higher.

    Parameters
    ----------
    positive, y_score, drawn
        As for :func:`area`.

    Returns
    -------
    array (B,)
        NaN where a resample lacks a class.
    """
    patients, controls = y_score[positive], y_score[~positive]
    true = (patients >= patients[:, None]).astype(drawn.dtype) @ drawn[positive]
    called = true + (controls >= patients[:, None]).astype(drawn.dtype) @ drawn[~positive]
    precision = true / np.maximum(called, 1)
    hits = np.einsum("nb,nb->b", precision, drawn[positive], dtype=np.float64)
    return np.where(drawn[~positive].any(axis=0), ratio(hits, _sum(drawn[positive])), np.nan)


def _sum(drawn: np.ndarray) -> np.ndarray:
    """Count the participants of every resample."""
    return drawn.sum(axis=0, dtype=np.float64)


def confusion(positive: np.ndarray, called: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Count true and false positives, false and true negatives: (4, B)."""
    cells = [positive & called, ~positive & called, positive & ~called, ~positive & ~called]
    return (np.stack(cells).astype(drawn.dtype) @ drawn).astype(np.float64)


def rates(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is computed from the confusion matrices, each (B,).

    Without a patient or a control, what needs one is NaN; so is the precision of a model that
    calls nobody a patient. Matthews' correlation of a model that calls everybody the same is 0.
    """
    sensitivity, specificity = ratio(tp, tp + fn), ratio(tn, tn + fp)
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    mcc = np.nan_to_num(ratio(tp * tn - fp * fn, np.sqrt(product)))
    return {
        "accuracy": ratio(tp + tn, tp + fp + fn + tn),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "precision": ratio(tp, tp + fp),
        "f1": np.where(tp + fn > 0, ratio(2 * tp, 2 * tp + fp + fn), np.nan),
        "mcc": np.where((tp + fn > 0) & (tn + fp > 0), mcc, np.nan),
    }


def _measure(values: np.ndarray, drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Measure the rows of one repeat or fold in every resample."""
    y_true, y_score, comparable_score, threshold = values.T
    positive = y_true == 1
    ece, noise = calibration_error(y_true, y_score, drawn)
    return {
        "auc": area(positive, comparable_score, drawn),
        "average_precision": average_precision(positive, comparable_score, drawn),
        **rates(*confusion(positive, y_score >= threshold, drawn)),
        "brier": ratio((y_score - y_true) ** 2 @ drawn, _sum(drawn)),
        "ece": ece,
        NOISE: noise,
    }


def _headline(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """AUC, by which models are compared."""
    return area(values[:, 0] == 1, values[:, 2], drawn)


def _values(predictions: pd.DataFrame) -> np.ndarray:
    """Return label, probability, comparable score and threshold, or say what is wrong."""
    classes = sorted(predictions["y_true"].unique().tolist(), key=str)
    if classes != [0, 1]:
        raise ValueError(
            f"y_true must hold the two classes 0 and 1, got {classes}. Keep labelled rows of two "
            f"groups: predictions[predictions['y_true'].isin([0, 1])]. For more classes give "
            f"p_0, p_1, p_2 ... instead of y_score, for a number y_pred."
        )
    y_score = predictions["y_score"].to_numpy(float)
    wrong = int((~((y_score >= 0) & (y_score <= 1))).sum())
    if wrong:
        raise ValueError(
            f"y_score must be a probability in [0, 1], got {wrong} values that are missing or "
            f"outside. For decision values d write y_score=1 / (1 + np.exp(-d))."
        )
    threshold = np.full(len(y_score), 0.5)
    if "threshold" in predictions:
        threshold = predictions["threshold"].astype(float).fillna(0.5).to_numpy()
        if not np.isfinite(threshold).all():
            raise ValueError("threshold must be a number, or missing for 0.5.")
    columns = [predictions["y_true"], y_score, comparable_scores(predictions), threshold]
    return np.column_stack(columns).astype(float)


BINARY = Task(
    "binary", METRICS, values=_values, measure=_measure, headline=_headline, headline_name="auc"
)
