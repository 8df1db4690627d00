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

__all__ = ["CHOSEN", "Results"]

CHOSEN = ["model", "regime", "repeat", "fold", "parameter", "value", "inner_score"]


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
    chosen : DataFrame
        ``model``, ``regime``, ``repeat``, ``fold``, ``parameter``, ``value`` (text) and
        ``inner_score``: what searches chose, one row for each parameter and fold.
    histories : DataFrame
        ``model``, ``regime``, ``repeat``, ``fold``, ``member``, ``epoch``, ``loss`` and, where
        training was stopped by it, ``validation``: of networks, one row for each epoch.
    """

    predictions: pd.DataFrame
    splits: Splits
    provenance: Mapping[str, Any]
    participants: pd.DataFrame = field(default_factory=pd.DataFrame)
    failures: pd.DataFrame = field(default_factory=pd.DataFrame)
    chosen: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=CHOSEN))
    histories: pd.DataFrame = field(default_factory=pd.DataFrame)

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

    def spread(self) -> pd.DataFrame:
        """Return how much the choices of searches vary over folds.

        Returns
        -------
        DataFrame
            One row for each ``model``, ``regime`` and ``parameter``: the number of ``searches``,
            how often each value was ``chosen``, most frequent first, and for numbers their
            ``median``, ``low`` and ``high``.

        Examples
        --------
        >>> rows = [("svm", "inductive", 0, i, "C", c, 0.7) for i, c in enumerate(["1", "1", "10"])]
        >>> chosen = pd.DataFrame(rows, columns=CHOSEN)
        >>> results = Results(pd.DataFrame(), Splits("by hand", ()), {}, chosen=chosen)
        >>> results.spread()[["parameter", "chosen", "median", "low", "high"]]
          parameter         chosen  median  low  high
        0         C  1 (2), 10 (1)     1.0  1.0  10.0
        """
        keys = ["model", "regime", "parameter"]
        rows = []
        for key, values in self.chosen.groupby(keys, sort=False)["value"]:
            counts = values.value_counts()
            number = pd.to_numeric(values, errors="coerce").astype(float)
            rows.append(
                {
                    **dict(zip(keys, key, strict=True)),
                    "searches": len(values),
                    "chosen": ", ".join(f"{value} ({n})" for value, n in counts.items()),
                    "median": number.median(skipna=False),
                    "low": number.min(skipna=False),
                    "high": number.max(skipna=False),
                }
            )
        return pd.DataFrame(rows, columns=[*keys, "searches", "chosen", "median", "low", "high"])

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the tables, ``splits.json`` and ``provenance.json``."""
        folder = Path(folder)
        self.splits.save(folder / "splits.json")
        write_tsv(self.predictions, folder / "predictions.tsv")
        tables = [self.scores()]
        if self.predictions["site"].nunique() > 1:
            tables.append(self.scores(by="site"))
        write_tsv(pd.concat(tables, ignore_index=True), folder / "metrics.tsv")
        write_tsv(self.participants, folder / "participants.tsv", index=True)
        write_tsv(self.failures, folder / "failures.tsv")
        if len(self.chosen):
            write_tsv(self.chosen, folder / "search.tsv")
        if len(self.histories):
            write_tsv(self.histories, folder / "histories.tsv")
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
        histories = folder / "histories.tsv"
        return cls(
            read_tsv(folder / "predictions.tsv"),
            Splits.load(folder / "splits.json"),
            json.loads((folder / "provenance.json").read_text(encoding="utf-8")),
            read_tsv(folder / "participants.tsv", index="participant_id"),
            read_tsv(folder / "failures.tsv"),
            _read_chosen(folder / "search.tsv"),
            read_tsv(histories) if histories.is_file() else pd.DataFrame(),
        )


def _read_chosen(path: Path) -> pd.DataFrame:
    """Read what searches chose; values stay the text that they are."""
    if not path.is_file():
        return pd.DataFrame(columns=CHOSEN)
    return pd.read_csv(path, sep="\t", dtype={"value": str}, keep_default_na=False)
