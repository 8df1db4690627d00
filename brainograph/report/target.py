"""What was predicted, in the words of the study."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from brainograph.metrics.multiclass import class_columns
from brainograph.metrics.table import Task

__all__ = ["Target", "name_target"]


@dataclass(frozen=True)
class Target:
    """What was predicted, and what its classes are called.

    Parameters
    ----------
    task : Task
        What is measured of it, from :mod:`brainograph.metrics`.
    column : str
        The phenotype that was predicted.
    classes : tuple of str
        What the members of each class are called; empty for a number.
    """

    task: Task
    column: str
    classes: tuple[str, ...]

    @property
    def kind(self) -> str:
        """``binary``, ``multiclass`` or ``regression``."""
        return self.task.name

    @property
    def headline(self) -> str:
        """The metric that models are compared by."""
        return self.task.headline_name

    def split(self, people: pd.DataFrame) -> dict[str, pd.Series]:
        """Return, for each class, which rows of ``y_true`` are of it, the last class first.

        Examples
        --------
        >>> from brainograph.metrics.binary import BINARY
        >>> target = Target(BINARY, "diagnosis", ("controls", "patients"))
        >>> groups = target.split(pd.DataFrame({"y_true": [1, 0, 1]}))
        >>> {name: int(rows.sum()) for name, rows in groups.items()}
        {'patients': 2, 'controls': 1}
        """
        numbers = reversed(range(len(self.classes))) if self.kind == "binary" else None
        order = numbers or range(len(self.classes))
        return {self.classes[k]: people["y_true"] == k for k in order}

    def count(self, people: pd.DataFrame) -> str:
        """Say how many of each class there are, or how a number is spread."""
        if self.kind == "regression":
            values = people["y_true"].astype(float)
            spread = f" ± {values.std():.4g}" if len(values) > 1 else ""
            return f"{self.column} {values.mean():.4g}{spread}"
        return ", ".join(f"{int(rows.sum())} {name}" for name, rows in self.split(people).items())


def name_target(task: Task, predictions: pd.DataFrame, config: Mapping[str, Any]) -> Target:
    """Name what was predicted by what the experiment file says of it.

    A diagnosis of two classes is called patients and controls; other classes by their column and
    value, and by their number where no experiment file is there.

    Examples
    --------
    >>> from brainograph.metrics.binary import BINARY
    >>> config = {"target": {"column": "sex", "positive": "male", "negative": "female"}}
    >>> name_target(BINARY, pd.DataFrame(), config).classes
    ('sex female', 'sex male')
    """
    found = config.get("target")
    said: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    column = str(said.get("column") or "diagnosis")
    if task.name == "regression":
        return Target(task, column if said else "the number", ())
    if task.name == "binary":
        if column == "diagnosis":
            return Target(task, column, ("controls", "patients"))
        values = [said.get("negative", 0), said.get("positive", 1)]
        return Target(task, column, tuple(f"{column} {value}" for value in values))
    n_classes = len(class_columns(predictions))
    named = said.get("classes")
    values = (
        named if isinstance(named, list) and len(named) == n_classes else list(range(n_classes))
    )
    return Target(task, column, tuple(f"{column} {value}" for value in values))
