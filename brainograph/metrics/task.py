"""Read a predictions table: its columns say what was predicted."""

import numpy as np
import pandas as pd

from brainograph.metrics.binary import BINARY
from brainograph.metrics.multiclass import MULTICLASS, class_columns
from brainograph.metrics.regression import REGRESSION
from brainograph.metrics.table import Task, check

__all__ = ["read"]


def read(
    predictions: pd.DataFrame, *, also: list[str] | None = None
) -> tuple[Task, pd.DataFrame, np.ndarray]:
    """Return what can be measured, the checked table and its working values, row by row.

    Raises
    ------
    ValueError
        If the columns do not say what was predicted, or the values are not such predictions.
    """
    table = check(predictions, also=also or [])
    task = _task(table)
    return task, table, task.values(table)


def _task(predictions: pd.DataFrame) -> Task:
    """Choose by the columns."""
    found = {
        BINARY: [name for name in ("y_score",) if name in predictions],
        MULTICLASS: class_columns(predictions),
        REGRESSION: [name for name in ("y_pred",) if name in predictions],
    }
    chosen = [task for task, columns in found.items() if columns]
    if len(chosen) != 1:
        columns = [name for task in chosen for name in found[task]]
        raise ValueError(
            f"predictions must have either y_score (two classes), or p_0, p_1, p_2 ... (more), or "
            f"y_pred (a number), got {columns or list(predictions.columns)}. Score each kind of "
            f"prediction by itself."
        )
    return chosen[0]
