"""What is measured of a predicted number, such as an age."""

import numpy as np
import pandas as pd

from brainograph.metrics.bootstrap import ratio
from brainograph.metrics.table import Task, comparable

__all__ = ["REGRESSION"]

METRICS = ("mae", "rmse", "r2", "pearson", "spearman")
_NOTHING = 1e-12


def _spread(centred: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Sum of squares about the mean of each resample, 0 where that is rounding alone."""
    total = drawn.sum(0, dtype=np.float64)
    squares = centred**2 @ drawn - ratio((centred @ drawn) ** 2, total)
    return np.where(squares > _NOTHING * (centred**2).sum(), squares, 0)


def _pearson(first: np.ndarray, second: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Correlation of two centred columns in every resample, NaN where one is constant."""
    total = drawn.sum(0, dtype=np.float64)
    together = (first * second) @ drawn - ratio((first @ drawn) * (second @ drawn), total)
    return ratio(together, np.sqrt(_spread(first, drawn) * _spread(second, drawn)))


def _ranks(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Rank in every resample, ties in the middle, centred at 0: (S, B)."""
    levels, level = np.unique(values, return_inverse=True)
    order = np.argsort(level, kind="stable")
    first = np.searchsorted(level[order], np.arange(len(levels)))
    size = np.add.reduceat(drawn[order], first, axis=0)
    below = np.cumsum(size, axis=0, dtype=np.float64)
    return (below - size / 2 - below[-1] / 2)[level]


def _spearman(first: np.ndarray, second: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Correlation of the ranks in every resample, NaN where one column is constant."""
    a, b = _ranks(first, drawn), _ranks(second, drawn)
    weighted = a * drawn
    return ratio(
        np.einsum("sb,sb->b", weighted, b),
        np.sqrt(np.einsum("sb,sb->b", weighted, a) * np.einsum("sb,sb,sb->b", b, b, drawn)),
    )


def _mae(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Mean absolute error, by which models are compared."""
    return ratio(np.abs(values[:, 1] - values[:, 0]) @ drawn, drawn.sum(0, dtype=np.float64))


def _measure(values: np.ndarray, drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Measure the rows of one repeat or fold in every resample."""
    y_true, y_pred, comparable_pred = values.T
    true = y_true - y_true.mean()
    pred = comparable_pred - comparable_pred.mean()
    squares = (y_pred - y_true) ** 2 @ drawn
    return {
        "mae": _mae(values, drawn),
        "rmse": np.sqrt(ratio(squares, drawn.sum(0, dtype=np.float64))),
        "r2": 1 - ratio(squares, _spread(true, drawn)),
        "pearson": _pearson(true, pred, drawn),
        "spearman": _spearman(y_true, comparable_pred, drawn),
    }


def _values(predictions: pd.DataFrame) -> np.ndarray:
    """Return target, prediction and comparable prediction, or say what is wrong."""
    pair = predictions[["y_true", "y_pred"]].astype(float)
    lacking = ~np.isfinite(pair).all(axis=1)
    if lacking.any():
        raise ValueError(
            f"y_true and y_pred must be numbers, got {int(lacking.sum())} rows where one is "
            f"missing. Keep the others: predictions.dropna(subset=['y_true', 'y_pred'])."
        )
    neutral = float(pair["y_true"].mean())
    return np.column_stack([pair, comparable(predictions, "y_pred", neutral=neutral)])


REGRESSION = Task(
    "regression",
    METRICS,
    values=_values,
    measure=_measure,
    headline=_mae,
    headline_name="mae",
    higher_is_better=False,
)
