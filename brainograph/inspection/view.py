"""What a fitted model reads of each participant, and what it says, as tensors with named places."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from brainograph.cohort import Cohort

__all__ = ["NotThereError", "Read", "View", "chosen_classes", "margin", "tidy_rows"]

Values = dict[str, Tensor]


class NotThereError(ValueError):
    """A model reads or has nothing of the kind that an explanation was asked by."""


@dataclass(frozen=True)
class Read:
    """One thing that a model reads, such as ``connectivity/fc``.

    Parameters
    ----------
    values : Tensor (B, *E)
        Of the participants; (1, S, E) where all participants of a graph are read together.
    baseline : Tensor, broadcast to ``values``
        What stands for no information.
    shape : tuple of int
        E, the shape of what is read of one participant.
    first, second : array of int, broadcast to E
        The region of each value, or the two regions of an edge; -1 for none.
    volume, phenotype : array of int, broadcast to E
        The volume or the phenotype that each value belongs to; -1 for none.
    """

    values: Tensor
    baseline: Tensor
    shape: tuple[int, ...]
    first: np.ndarray = field(default_factory=lambda: np.array(-1))
    second: np.ndarray = field(default_factory=lambda: np.array(-1))
    volume: np.ndarray = field(default_factory=lambda: np.array(-1))
    phenotype: np.ndarray = field(default_factory=lambda: np.array(-1))

    def place(self, name: str) -> np.ndarray:
        """Return one of the four, in the shape E."""
        return np.broadcast_to(getattr(self, name), self.shape)


@dataclass(frozen=True)
class View:
    """Some participants as one member of a model sees them.

    Parameters
    ----------
    rows : array (B,)
        Who they are in the cohort.
    reads : dict of name to Read
    logits : callable
        (values by name, positions in ``rows``) -> Tensor (B, K), with gradient. A name that is
        left out counts as missing. Values of leading dimension 1 are everybody's.
    lengths : array (B,), optional
        Volumes of each scan.
    regions, phenotypes : list of str
        What the places stand for.
    """

    rows: np.ndarray
    reads: dict[str, Read]
    logits: Callable[[Values, Tensor], Tensor]
    regions: list[str]
    phenotypes: list[str]
    lengths: np.ndarray | None = None

    @property
    def values(self) -> Values:
        """The values by name."""
        return {name: read.values for name, read in self.reads.items()}

    def of(self, name: str, rows: Tensor) -> Tensor:
        """Return the values of one name for some positions; what is everybody's as it is."""
        values = self.reads[name].values
        shared = len(values) == 1 and len(self.rows) > 1
        return values if shared else values[rows.to(values.device)]

    @property
    def positions(self) -> Tensor:
        """All positions in ``rows`` (B,)."""
        return torch.arange(len(self.rows))


def margin(logits: Tensor, target: Tensor) -> Tensor:
    """Return by how much the logit of a class exceeds the mean of the others (B,).

    Of two classes that is the log-odds; a single output is itself.

    Examples
    --------
    >>> margin(torch.tensor([[1.0, 3.0]]), torch.tensor([1])).tolist()
    [2.0]
    """
    n_classes = logits.shape[1]
    chosen = logits.gather(1, target[:, None])[:, 0]
    if n_classes == 1:
        return chosen
    return (n_classes * chosen - logits.sum(dim=1)) / (n_classes - 1)


def chosen_classes(model: object, cohort: Cohort, target: object | None) -> np.ndarray:
    """Return the position of the class to explain for each participant (S,).

    A target is a label, or an array of the label of each participant (S,).

    Raises
    ------
    ValueError
        If there is no such class.
    """
    classes = getattr(model, "classes_", None)
    if classes is None:
        if target is not None:
            raise ValueError(f"a model of numbers has no classes, got target={target!r}.")
        return np.zeros(len(cohort), dtype=np.int64)
    known = list(classes)
    if isinstance(target, np.ndarray):
        return np.searchsorted(classes, target).astype(np.int64)
    if target is not None and target not in known:
        raise ValueError(f"target must be one of the classes {known}, got {target!r}.")
    if target is not None:
        return np.full(len(cohort), known.index(target), dtype=np.int64)
    if len(known) <= 2:
        return np.full(len(cohort), len(known) - 1, dtype=np.int64)
    predict = getattr(model, "predict")  # noqa: B009 - whatever has classes predicts
    return np.searchsorted(classes, predict(cohort)).astype(np.int64)


def tidy_rows(
    ids: np.ndarray, classes: np.ndarray | None, labels: pd.DataFrame, importance: np.ndarray
) -> pd.DataFrame:
    """Return one row for each of B participants and G labels, from ``importance`` (B, G)."""
    n_people, n_labels = importance.shape
    frame = {"participant_id": np.repeat(ids, n_labels)}
    if classes is not None:
        frame["class"] = np.repeat(classes, n_labels)
    table = pd.DataFrame(frame)
    for name in labels:
        column = labels[name]
        numeric = pd.api.types.is_numeric_dtype(column)
        values = column.array if numeric else pd.Categorical(column, column.unique())
        table[name] = values.take(np.tile(np.arange(n_labels), n_people))
    return table.assign(importance=importance.ravel())
