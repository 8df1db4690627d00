"""Results: one tidy table of out-of-fold predictions, and where it came from."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from brainograph.files import read_tsv, write_json, write_tsv
from brainograph.metrics import score
from brainograph.model_selection.splits import Splits

__all__ = ["Results"]


@dataclass(frozen=True)
class Results:
    """What a cross-validation found: every number of a paper is a group-by on ``predictions``.

    Parameters
    ----------
    predictions : DataFrame
        ``participant_id``, ``site``, ``model``, ``regime``, ``repeat``, ``fold``, ``y_true``,
        ``y_score``: one row for each participant, model, regime and repeat.
    splits : Splits
        The folds.
    provenance : mapping
        Models, data, versions, seeds, wall time.
    participants : DataFrame
        Site, age, sex, diagnosis and motion of those who were found.
    failures : DataFrame
        Who could not be read, and why.
    """

    predictions: pd.DataFrame
    splits: Splits
    provenance: Mapping[str, Any]
    participants: pd.DataFrame = field(default_factory=pd.DataFrame)
    failures: pd.DataFrame = field(default_factory=pd.DataFrame)

    def scores(self, *, by: str | None = None, n_bootstrap: int = 1000) -> pd.DataFrame:
        """Return the metrics of every model, with intervals; see :func:`brainograph.metrics.score`.

        Parameters
        ----------
        by : str, optional
            Column that groups the participants, such as ``"site"``.
        n_bootstrap : int
            Resamples of the participants.
        """
        return score(self.predictions, by=by, n_bootstrap=n_bootstrap)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``predictions.tsv``, ``metrics.tsv``, ``splits.json`` and ``provenance.json``."""
        folder = Path(folder)
        self.splits.save(folder / "splits.json")
        write_tsv(self.predictions, folder / "predictions.tsv")
        tables = [self.scores()]
        if self.predictions["site"].nunique() > 1:
            tables.append(self.scores(by="site"))
        write_tsv(pd.concat(tables, ignore_index=True), folder / "metrics.tsv")
        write_tsv(self.participants, folder / "participants.tsv", index=True)
        write_tsv(self.failures, folder / "failures.tsv")
        write_json(dict(self.provenance), folder / "provenance.json")
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Results":
        """Read a results folder.

        Raises
        ------
        FileNotFoundError
            If a file is missing; the message says how results are made.
        """
        folder = Path(folder)
        for name in ("predictions.tsv", "splits.json", "provenance.json"):
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"{folder} has no {name}. Results are made with "
                    f"`brainograph crossval CONFIG {folder}`; an interrupted run goes on with "
                    "the same command."
                )
        return cls(
            read_tsv(folder / "predictions.tsv"),
            Splits.load(folder / "splits.json"),
            json.loads((folder / "provenance.json").read_text(encoding="utf-8")),
            read_tsv(folder / "participants.tsv", index="participant_id"),
            read_tsv(folder / "failures.tsv"),
        )
