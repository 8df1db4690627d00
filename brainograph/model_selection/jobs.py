"""The fits of a cross-validation: one model, one regime, one fold each."""

import json
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sklearn.base import BaseEstimator, clone
from threadpoolctl import threadpool_limits

from brainograph.cohort import Cohort
from brainograph.files import read_tsv, write_json, write_tsv
from brainograph.metrics import choose_threshold
from brainograph.model_selection.cluster import each
from brainograph.model_selection.splits import Split, repeated_stratified
from brainograph.model_selection.tasks import Task, hide, predict

__all__ = ["Job", "Outcome", "Regime", "Threshold", "one_thread", "run_jobs", "sees_others"]

Regime = Literal["transductive", "inductive", "single_query"]
Threshold = Literal["fixed", "tuned"]
_INNER_SPLITS = 5


@dataclass(frozen=True)
class Outcome:
    """Predictions of one fold, the warnings that were given, and how long it took (s).

    ``chosen`` holds the ``params`` and the inner ``score`` of a model that is a search, and
    ``history`` the losses of a network by member and epoch.
    """

    table: pd.DataFrame
    notes: list[str]
    seconds: float
    chosen: dict[str, Any] | None = None
    history: list[dict[str, float]] | None = None

    def save(self, file: Path) -> None:
        """Write the outcome; the table last, since it says that the fold is done."""
        rest = {"notes": self.notes, "seconds": self.seconds, "chosen": self.chosen}
        write_json(rest | {"history": self.history}, file.with_suffix(".json"))
        write_tsv(self.table, file)

    @classmethod
    def load(cls, file: Path) -> "Outcome":
        """Read an outcome."""
        rest = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        return cls(read_tsv(file), **rest)


@dataclass(frozen=True)
class Job:
    """One fit: a model, a regime, a fold."""

    name: str
    model: BaseEstimator
    regime: Regime
    split: Split
    task: Task = "binary"
    threshold: Threshold = "fixed"

    def file(self, folder: Path) -> Path:
        """Return where the outcome of this job is kept."""
        stem = f"{self.name}__{self.regime}__repeat{self.split.repeat}_fold{self.split.fold}"
        return folder / "folds" / f"{stem}.tsv"

    def run(self, cohort: Cohort, y: np.ndarray) -> Outcome:
        """Fit on the training labels and predict the test participants."""
        train, test = self.split.rows(cohort)
        clock = time.perf_counter()
        try:
            with one_thread(), warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("default")
                model = self._fit(cohort, y, train)
                predicted = self._predict(model, cohort[test])
                if self.threshold == "tuned" and self.task == "binary":
                    predicted["threshold"] = self._tuned_threshold(cohort, y, train)
        except Exception as error:
            where = f"{self.name}, repeat {self.split.repeat}, fold {self.split.fold}"
            error.add_note(f"This happened while fitting {where}. Folds that were done are kept.")
            raise
        predicted.insert(0, "participant_id", list(self.split.test))
        predicted.insert(1, "model", self.name)
        predicted.insert(3, "repeat", self.split.repeat)
        predicted.insert(4, "fold", self.split.fold)
        notes = [str(warning.message) for warning in caught]
        seconds = round(time.perf_counter() - clock, 3)
        return Outcome(predicted, notes, seconds, _chosen(model), _history(model))

    def _fit(self, cohort: Cohort, y: np.ndarray, train: np.ndarray) -> BaseEstimator:
        """Fit on the training labels; the others are hidden, or their participants absent."""
        model = clone(self.model)
        if self.regime == "transductive":
            model.fit(cohort, hide(y, train, self.task))
        else:
            model.fit(cohort[train], y[train])
        return model

    def _predict(self, model: BaseEstimator, seen: Cohort) -> pd.DataFrame:
        """Return ``regime`` and what the model says of the participants."""
        if self.regime == "single_query":
            alone = [predict(model, seen[[row]], self.task) for row in range(len(seen))]
            return _with_regime(pd.concat(alone, ignore_index=True), "single_query")
        regime: np.ndarray | str = self.regime
        if sees_others(model):
            regime = "transductive"
        elif hasattr(model, "regime"):
            regime = model.regime(seen)
        return _with_regime(predict(model, seen, self.task), regime)

    def _tuned_threshold(self, cohort: Cohort, y: np.ndarray, train: np.ndarray) -> float:
        """Return the threshold that is best where training participants are predicted."""
        people, labels = cohort[train], y[train]
        by = [name for name in ("site",) if name in people.phenotype]
        inner = repeated_stratified(people, labels, n_splits=_INNER_SPLITS, by=by)
        scores = np.full(len(train), np.nan)
        for split in inner:
            learnt, left = split.rows(people)
            model = self._fit(people, labels, learnt)
            scores[left] = self._predict(model, people[left])["y_score"]
        return choose_threshold(labels, scores)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: the same numbers whatever the number of jobs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def sees_others(model: BaseEstimator) -> bool:
    """Tell whether a step learns from whom it is asked about, such as ComBat of an unseen site."""
    steps = [model, *model.get_params(deep=True).values()]
    return any(getattr(step, "transductive", False) is True for step in steps)


def _chosen(model: BaseEstimator) -> dict[str, Any] | None:
    """Return what a search found: scikit-learn's and ours name it alike."""
    if not hasattr(model, "best_params_"):
        return None
    return {"params": model.best_params_, "score": float(model.best_score_)}


def _history(model: Any) -> list[dict[str, float]] | None:
    """Return the losses of a network, also of one inside a search or a wrapper."""
    while not hasattr(model, "history_"):
        model = getattr(model, "best_estimator_", getattr(model, "estimator_", None))
        if model is None:
            return None
    table = model.history_.reset_index()
    known = [name for name in ("member", "epoch", "loss", "validation") if name in table]
    return table[known].round(6).astype(object).where(table[known].notna(), None).to_dict("records")


def _with_regime(predicted: pd.DataFrame, regime: np.ndarray | str) -> pd.DataFrame:
    predicted.insert(0, "regime", regime)
    return predicted


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
        for place, outcome in each(Job.run, [jobs[i] for i in todo], cohort, y, n_jobs=n_jobs):
            i = todo[place]
            outcomes[i] = outcome
            if folder is not None:
                outcome.save(kept[i])
                outcomes[i] = Outcome.load(kept[i])  # the same bytes as a resumed run
            bar.update(task, advance=1, description=jobs[i].name)
    return [outcomes[i] for i in range(len(jobs))]
