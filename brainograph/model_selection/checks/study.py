"""The study under audit: a model, its data and folds, and runs of it on changed data."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import track
from sklearn.base import BaseEstimator

import brainograph
from brainograph.cohort import Cohort
from brainograph.files import write_array
from brainograph.model_selection.checks.auc import auc
from brainograph.model_selection.checks.changes import Change, Setting, unchanged
from brainograph.model_selection.cluster import each
from brainograph.model_selection.jobs import Job, Regime, sees_others
from brainograph.model_selection.settings import settings
from brainograph.model_selection.splits import Split, Splits

__all__ = ["Pipeline", "Study"]

Pipeline = Callable[[Cohort, np.ndarray, Splits], Sequence[np.ndarray]]
Scores = list[np.ndarray]


@dataclass(frozen=True)
class Study:
    """What the checks look at, and the runs that they ask for.

    Parameters
    ----------
    cohort, y, splits
        As in :func:`~brainograph.model_selection.cross_validate`.
    model : estimator, callable or None
        None if only predictions are there.
    regime : str
        How an estimator is fitted, or what a callable declares.
    predictions : DataFrame, optional
        Out-of-fold ``participant_id``, ``repeat``, ``fold``, ``y_true``, ``y_score`` of the model.
    history : DataFrame, optional
        ``repeat``, ``fold``, ``epoch``, ``auc`` on the test fold.
    sides : DataFrame, optional
        The folds as other software wrote them, validation rows and overlaps included.
    n_permutations, n_folds, folder, n_jobs, progress, random_state
        As in :func:`~brainograph.model_selection.audit`.
    """

    cohort: Cohort
    y: np.ndarray
    splits: Splits
    model: BaseEstimator | Pipeline | None = None
    regime: Regime = "inductive"
    predictions: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    sides: pd.DataFrame | None = None
    n_permutations: int = 20
    n_folds: int = 3
    folder: Path | None = None
    n_jobs: int = 1
    progress: bool = True
    random_state: int = 0

    @cached_property
    def setting(self) -> Setting:
        """The data as they are, with the largest folds of one repeat: those that are run."""
        repeat = [split for split in self.splits if split.repeat == self.splits.splits[0].repeat]
        by_size = sorted(repeat, key=lambda split: -len(split.test))
        folds = tuple(by_size[: self.n_folds])
        return Setting(self.cohort, self.y, Splits(self.splits.scheme, folds))

    @cached_property
    def truth(self) -> np.ndarray:
        """Labels of the test participants of these folds, one after the other."""
        return np.concatenate([self.y[split.rows(self.cohort)[1]] for split in self.setting.splits])

    @cached_property
    def fold_of(self) -> np.ndarray:
        """The fold of each of them."""
        sizes = [len(split.test) for split in self.setting.splits]
        return np.repeat(np.arange(len(sizes)), sizes)

    @cached_property
    def baseline(self) -> np.ndarray:
        """Scores of the test participants, nothing changed."""
        return np.concatenate(self.run([unchanged], "as it is")[0])

    @cached_property
    def deterministic(self) -> bool:
        """Whether a second run of the first fold gives the same bits."""
        again = self.run([unchanged], "once more", folds=[[0]], keep=False)[0][0]
        return bool(np.array_equal(again, self.baseline[self.fold_of == 0]))

    @property
    def auc(self) -> float:
        """AUC of the baseline, pairs being of one fold."""
        return auc(self.truth, self.baseline, self.fold_of)

    @property
    def declared(self) -> bool:
        """Whether the model says that it looks at the data of those it is asked about."""
        own = isinstance(self.model, BaseEstimator) and sees_others(self.model)
        return own or self.regime == "transductive"

    def run(
        self,
        changes: Sequence[Change],
        title: str,
        *,
        folds: Sequence[Sequence[int]] | None = None,
        regime: Regime | None = None,
        keep: bool = True,
    ) -> list[Scores]:
        """Run the model on each changed setting; return scores by change and fold.

        ``folds`` names the folds that are wanted of each change. Participants are in the order of
        the unchanged folds, whatever their names and order were.
        """
        everything = list(range(len(self.setting.splits)))
        wanted = [everything] * len(changes) if folds is None else [list(some) for some in folds]
        trials = [
            Trial(self.model, regime or self.regime, change, part)
            for change, some in zip(changes, wanted, strict=True)
            for part in ([[fold] for fold in some] if hasattr(self.model, "fit") else [some])
        ]
        done = iter([scores for part in self._done(trials, title, keep) for scores in part])
        return [[next(done) for _ in some] for some in wanted]

    def _done(self, trials: "list[Trial]", title: str, keep: bool) -> list[Scores]:
        """Return the scores of every trial, of those that are kept from their file."""
        folder = self.folder if keep else None
        files = {} if folder is None else {t: folder / t.file(self._data) for t in trials}
        done = {t: np.load(file) for t, file in files.items() if file.is_file()}
        todo = [trial for trial in trials if trial not in done]
        runs = each(Trial.run, todo, self.setting, n_jobs=self.n_jobs)
        for place, scores in track(runs, title, len(todo), disable=not self.progress):
            done[todo[place]] = np.concatenate(scores)
            if files:
                write_array(np.concatenate(scores), files[todo[place]])
        return [trial.parts(done[trial], self.setting) for trial in trials]

    @cached_property
    def _data(self) -> str:
        """Identify what the model is run on."""
        splits = [[s.repeat, s.fold, s.train, s.test] for s in self.setting.splits]
        rows = np.argsort(self.cohort.participant_ids)
        content = [
            brainograph.__version__,
            self.cohort.fingerprint(),
            self.y[rows].tolist(),
            splits,
        ]
        return json.dumps(content)


@dataclass(frozen=True, eq=False)
class Trial:
    """One run of a model on a changed setting."""

    model: Any
    regime: Regime
    change: Change
    folds: list[int]

    def run(self, setting: Setting) -> Scores:
        """Return the scores of each fold, in the order of the unchanged participants."""
        changed = self.change(setting)
        try:
            given = self._scores(changed)
        except Exception as error:
            how = getattr(self.change, "func", self.change).__name__
            error.add_note(f"This happened in an audit, with the data {how}.")
            raise
        scores = []
        for fold, values in zip(self.folds, given, strict=True):
            by_name = dict(zip(changed.splits.splits[fold].test, values, strict=True))
            old = setting.splits.splits[fold].test
            scores.append(np.array([by_name[changed.names.get(name, name)] for name in old]))
        return scores

    def _scores(self, changed: Setting) -> Scores:
        """Return the scores of each fold, in the order of its test participants."""
        splits = changed.splits.splits
        if not hasattr(self.model, "fit"):
            given = self.model(changed.cohort, changed.y, changed.splits)
            arrays = [np.asarray(scores, dtype=float) for scores in given]
            _check(arrays, splits)
            return [arrays[fold] for fold in self.folds]
        jobs = [Job("audit", self.model, self.regime, splits[fold]) for fold in self.folds]
        tables = [job.run(changed.cohort, changed.y).table for job in jobs]
        return [table["y_score"].to_numpy(dtype=float) for table in tables]

    def parts(self, scores: np.ndarray, setting: Setting) -> Scores:
        """Cut the scores of several folds."""
        sizes = [len(setting.splits.splits[fold].test) for fold in self.folds]
        return np.split(scores, np.cumsum(sizes)[:-1])

    def file(self, data: str) -> str:
        """Name the file of the scores by everything that they depend on."""
        change = self.change
        how = (
            [change.func.__name__, change.keywords] if isinstance(change, partial) else "unchanged"
        )
        text = json.dumps([data, settings(self.model), self.regime, how, self.folds])
        return f"trials/{hashlib.sha256(text.encode()).hexdigest()[:24]}.npy"


def _check(given: Scores, splits: Sequence[Split]) -> None:
    shapes, needed = [scores.shape for scores in given], [(len(split.test),) for split in splits]
    if shapes != needed:
        raise ValueError(
            f"the pipeline returned {len(shapes)} arrays of shapes {shapes[:3]}, needed is one for "
            f"each of {len(needed)} folds, {needed[:3]}. Write for example "
            "def run(cohort, y, splits): return [scores_of(cohort, y, split) for split in splits]."
        )
    if not all(np.isfinite(scores).all() for scores in given):
        raise ValueError("the pipeline returned scores that are missing or infinite.")
