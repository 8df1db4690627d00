"""The fits of a cross-validation: one model, one regime, one fold each."""

import json
import os
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import joblib
import numpy as np
import pandas as pd
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from scipy.special import expit
from sklearn.base import BaseEstimator, clone
from threadpoolctl import threadpool_limits

from brainograph.cohort import Cohort
from brainograph.files import read_tsv, write_json, write_tsv
from brainograph.model_selection.splits import Split

__all__ = ["Job", "Outcome", "Regime", "run_jobs"]

Regime = Literal["transductive", "inductive"]


@dataclass(frozen=True)
class Outcome:
    """Predictions of one fold, the warnings that were given, and how long it took (s)."""

    table: pd.DataFrame
    notes: list[str]
    seconds: float

    def save(self, file: Path) -> None:
        """Write the outcome; the table last, since it says that the fold is done."""
        write_json({"notes": self.notes, "seconds": self.seconds}, file.with_suffix(".json"))
        write_tsv(self.table, file)

    @classmethod
    def load(cls, file: Path) -> "Outcome":
        """Read an outcome."""
        rest = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        return cls(read_tsv(file), rest["notes"], rest["seconds"])


@dataclass(frozen=True)
class Job:
    """One fit: a model, a regime, a fold."""

    name: str
    model: BaseEstimator
    regime: Regime
    split: Split

    def file(self, folder: Path) -> Path:
        """Return where the outcome of this job is kept."""
        stem = f"{self.name}__{self.regime}__repeat{self.split.repeat}_fold{self.split.fold}"
        return folder / "folds" / f"{stem}.tsv"

    def run(self, cohort: Cohort, y: np.ndarray) -> Outcome:
        """Fit on the training labels and predict the test participants."""
        train, test = self.split.rows(cohort)
        threads, clock = torch.get_num_threads(), time.perf_counter()
        torch.set_num_threads(1)  # the same numbers whatever the number of jobs
        try:
            with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("default")
                scores, regime = self._fit_and_predict(cohort, y, train, test)
        except Exception as error:
            where = f"{self.name}, repeat {self.split.repeat}, fold {self.split.fold}"
            error.add_note(f"This happened while fitting {where}. Folds that were done are kept.")
            raise
        finally:
            torch.set_num_threads(threads)
        table = pd.DataFrame(
            {
                "participant_id": list(self.split.test),
                "model": self.name,
                "regime": regime,
                "repeat": self.split.repeat,
                "fold": self.split.fold,
                "y_score": scores,
            }
        )
        notes = [str(warning.message) for warning in caught]
        return Outcome(table, notes, round(time.perf_counter() - clock, 3))

    def _fit_and_predict(
        self, cohort: Cohort, y: np.ndarray, train: np.ndarray, test: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | str]:
        model = clone(self.model)
        if self.regime == "transductive":
            visible = np.full(len(cohort), -1)
            visible[train] = y[train]
            model.fit(cohort, visible)
        else:
            model.fit(cohort[train], y[train])
        seen = cohort[test]
        if hasattr(model, "predict_proba"):
            scores = model.predict_proba(seen)[:, 1]
        else:
            scores = expit(model.decision_function(seen))
        return scores, model.regime(seen) if hasattr(model, "regime") else self.regime


def run_jobs(
    jobs: Sequence[Job],
    cohort: Cohort,
    y: np.ndarray,
    folder: str | os.PathLike[str] | None,
    n_jobs: int,
    progress: bool,
) -> list[Outcome]:
    """Run the jobs that are not done, in parallel, and return the outcomes of all."""
    kept = {} if folder is None else {i: job.file(Path(folder)) for i, job in enumerate(jobs)}
    outcomes = {i: Outcome.load(file) for i, file in kept.items() if file.is_file()}
    todo = [i for i in range(len(jobs)) if i not in outcomes]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), disable=not progress) as bar:
        task = bar.add_task("cross-validation", total=len(jobs), completed=len(outcomes))
        for i, outcome in _parallel(jobs, todo, cohort, y, n_jobs):
            outcomes[i] = outcome
            if folder is not None:
                outcome.save(kept[i])
                outcomes[i] = Outcome.load(kept[i])  # the same bytes as a resumed run
            bar.update(task, advance=1, description=jobs[i].name)
    return [outcomes[i] for i in range(len(jobs))]


def _parallel(
    jobs: Sequence[Job], todo: list[int], cohort: Cohort, y: np.ndarray, n_jobs: int
) -> Iterable[tuple[int, Outcome]]:
    """Yield the outcome of each job as it is finished."""
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    return parallel(joblib.delayed(_numbered)(i, jobs[i], cohort, y) for i in todo)


def _numbered(i: int, job: Job, cohort: Cohort, y: np.ndarray) -> tuple[int, Outcome]:
    return i, job.run(cohort, y)
