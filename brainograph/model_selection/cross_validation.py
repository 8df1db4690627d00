"""Cross-validation: every model on the same folds, with the test labels out of reach."""

import hashlib
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import joblib
import numpy as np
import pandas as pd
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from scipy.special import expit
from sklearn.base import BaseEstimator, clone
from threadpoolctl import threadpool_limits

import brainograph
from brainograph.cohort import Cohort
from brainograph.files import read_tsv, write_json, write_tsv
from brainograph.model_selection.results import Results
from brainograph.model_selection.splits import Split, Splits, repeated_stratified

__all__ = ["Regime", "cross_validate"]

Regime = Literal["transductive", "inductive"]

_PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "nilearn", "torch", "torch-geometric")
_DEMOGRAPHICS = ("site", "age", "sex", "diagnosis", "mean_fd")


class _Job:
    """One fit: a model, a regime, a fold."""

    def __init__(self, name: str, model: BaseEstimator, regime: Regime, split: Split) -> None:
        self.name, self.model, self.regime, self.split = name, model, regime, split

    def file(self, folder: Path) -> Path:
        """Return where the predictions of this job are kept."""
        stem = f"{self.name}__{self.regime}__repeat{self.split.repeat}_fold{self.split.fold}"
        return folder / "folds" / f"{stem}.tsv"

    def run(self, cohort: Cohort, y: np.ndarray) -> tuple[pd.DataFrame, list[str]]:
        """Fit on the training labels, predict the test participants; return also the warnings."""
        train, test = self.split.rows(cohort)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # the same numbers whatever the number of jobs
        try:
            with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("default")
                scores, regime = self._fit_and_predict(cohort, y, train, test)
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
        return table, [str(warning.message) for warning in caught]

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


def cross_validate(
    models: BaseEstimator | Mapping[str, BaseEstimator],
    cohort: Cohort,
    y: np.ndarray,
    *,
    splits: Splits | None = None,
    regimes: Sequence[Regime] = ("transductive",),
    folder: str | os.PathLike[str] | None = None,
    n_jobs: int = 1,
    progress: bool = True,
    title: str | None = None,
) -> Results:
    """Predict every participant by models that have not seen their label.

    Parameters
    ----------
    models : estimator or mapping of name to estimator
        The model that the study is about comes first; the others are its controls.
    cohort : Cohort (S)
        The participants.
    y : array (S,)
        0 or 1; -1 for a participant without a label, who is never tested.
    splits : Splits, optional
        The folds; by default ten, stratified by label and, where it is known, site.
    regimes : sequence of {"transductive", "inductive"}
        *Transductive*: test participants are in the population graph, with hidden labels.
        *Inductive*: the model is fitted without them. Models that do not take unlabelled
        participants, such as scikit-learn's, are always inductive.
    folder : path, optional
        Keeps the predictions of each fold as it is finished; the same call goes on from there.
    n_jobs : int
        Fits at a time, through joblib (its Dask and Ray backends too). The numbers do not depend
        on it.
    progress : bool
        Whether to show a progress bar.
    title : str, optional
        Heading of the report.

    Returns
    -------
    Results
        The predictions of all models, and where they came from.

    Raises
    ------
    ValueError
        If the labels are not two classes, or ``folder`` holds results of something else.
    FileExistsError
        If ``folder`` holds other files.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.preprocessing import Edges
    >>> cohort = simulate_cohort(n_subjects=60, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = make_pipeline(Edges(), LogisticRegression())
    >>> results = cross_validate(model, cohort, y, progress=False)
    >>> results.predictions.shape
    (60, 8)
    """
    named = dict(models) if isinstance(models, Mapping) else {"model": models}
    y = _check_binary(y, cohort)
    _check_regimes(regimes)
    if splits is None:
        splits = repeated_stratified(cohort, y, by=[c for c in ("site",) if c in cohort.phenotype])
    started, clock = datetime.now(UTC), time.perf_counter()
    jobs = [
        _Job(name, model, regime, split)
        for name, model in named.items()
        for regime in _possible(model, regimes)
        for split in splits
    ]
    data_hash = cohort.fingerprint()
    if folder is not None:
        _claim(Path(folder), data_hash, splits, named, y[np.argsort(cohort.participant_ids)])
    tables, notes = _run(jobs, cohort, y, folder, n_jobs, progress)
    provenance = {
        "title": title or f"Cross-validation of {next(iter(named))}",
        "models": list(named),
        "main": next(iter(named)),
        "scheme": splits.scheme,
        "regimes": list(regimes),
        "splits_sha256": splits.hash,
        "data": {**cohort.provenance, "sha256": data_hash, "n_regions": cohort.n_regions},
        "participants": {
            "found": len(cohort) + cohort.failures["participant_id"].nunique(),
            "analysed": len({name for split in splits for name in split.test}),
            "failures": len(cohort.failures),
        },
        "notes": notes,
        "started": started.isoformat(timespec="seconds"),
        "wall_time_s": round(time.perf_counter() - clock, 1),
        "n_jobs": n_jobs,
        **_environment(),
    }
    results = Results(
        _assemble(tables, cohort, y, list(named), list(regimes)),
        splits,
        provenance,
        cohort.phenotype[[c for c in _DEMOGRAPHICS if c in cohort.phenotype]],
        cohort.failures,
    )
    if folder is not None:
        results.save(folder)
    return results


def _check_binary(y: np.ndarray, cohort: Cohort) -> np.ndarray:
    y = np.asarray(y)
    if y.shape != (len(cohort),):
        raise ValueError(f"y has shape {y.shape}, needed is ({len(cohort)},).")
    found = sorted(set(y.tolist()) - {-1})
    if found != [0, 1]:
        raise ValueError(
            f"the labels must be 0 and 1 (and -1 for unlabelled), got {found[:6]}. Choose two "
            "classes, for example y = cohort.phenotype['diagnosis'].map({'control': 0, "
            "'patient': 1}).fillna(-1).astype(int).to_numpy()."
        )
    return y.astype(int)


def _possible(model: BaseEstimator, regimes: Sequence[Regime]) -> Sequence[Regime]:
    """Return the regimes that a model can be run in; scikit-learn's are inductive."""
    own = getattr(model, "regimes", ("inductive",))
    return [regime for regime in regimes if regime in own] or ["inductive"]


def _check_regimes(regimes: Sequence[Regime]) -> None:
    allowed = get_args(Regime)
    if isinstance(regimes, str) or not regimes or not set(regimes) <= set(allowed):
        raise ValueError(f"regimes must be one or more of {allowed}, got {regimes!r}.")


def _run(
    jobs: list[_Job],
    cohort: Cohort,
    y: np.ndarray,
    folder: str | os.PathLike[str] | None,
    n_jobs: int,
    progress: bool,
) -> tuple[list[pd.DataFrame], dict[str, int]]:
    """Run the jobs that are not done; return all predictions and counted warnings."""
    kept = {} if folder is None else {i: job.file(Path(folder)) for i, job in enumerate(jobs)}
    done = {i for i, file in kept.items() if file.is_file()}
    tables = {i: read_tsv(kept[i]) for i in done}
    todo = [i for i in range(len(jobs)) if i not in done]
    notes: dict[str, int] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), disable=not progress) as bar:
        task = bar.add_task("cross-validation", total=len(jobs), completed=len(done))
        for i, (table, caught) in _parallel(jobs, todo, cohort, y, n_jobs):
            if folder is not None:
                write_tsv(table, kept[i])
            tables[i] = table if folder is None else read_tsv(kept[i])  # as a resumed run does
            for message in caught:
                notes[message] = notes.get(message, 0) + 1
            bar.update(task, advance=1, description=jobs[i].name)
    return [tables[i] for i in range(len(jobs))], notes


def _parallel(
    jobs: list[_Job], todo: list[int], cohort: Cohort, y: np.ndarray, n_jobs: int
) -> Iterable[tuple[int, tuple[pd.DataFrame, list[str]]]]:
    """Yield the outcome of each job as it is finished."""
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    return parallel(joblib.delayed(_numbered)(i, jobs[i], cohort, y) for i in todo)


def _numbered(
    i: int, job: _Job, cohort: Cohort, y: np.ndarray
) -> tuple[int, tuple[pd.DataFrame, list[str]]]:
    try:
        return i, job.run(cohort, y)
    except Exception as error:
        where = f"{job.name}, repeat {job.split.repeat}, fold {job.split.fold}"
        error.add_note(f"This happened while fitting {where}. Folds that were finished are kept.")
        raise


def _assemble(
    tables: list[pd.DataFrame],
    cohort: Cohort,
    y: np.ndarray,
    names: list[str],
    regimes: list[str],
) -> pd.DataFrame:
    """Join the predictions with labels and sites, in an order that depends on nothing else."""
    table = pd.concat(tables, ignore_index=True)
    rows = cohort.locate(table["participant_id"])
    table["y_true"] = y[rows]
    has_site = "site" in cohort.phenotype
    table["site"] = cohort.phenotype["site"].to_numpy()[rows] if has_site else "n/a"
    table["model"] = pd.Categorical(table["model"], names)
    table["regime"] = pd.Categorical(
        table["regime"], list(dict.fromkeys([*regimes, *table["regime"]]))
    )
    table = table.sort_values(["model", "regime", "repeat", "fold", "participant_id"])
    columns = ["participant_id", "site", "model", "regime", "repeat", "fold", "y_true", "y_score"]
    return table[columns].astype({"model": str, "regime": str}).reset_index(drop=True)


def _settings(model: BaseEstimator) -> str:
    """Return everything that makes one estimator differ from another."""
    items = sorted((k, v) for k, v in model.get_params(deep=True).items() if "memory" not in k)
    return type(model).__name__ + repr(
        [(k, type(v).__name__ if isinstance(v, BaseEstimator) else repr(v)) for k, v in items]
    )


def _claim(
    folder: Path,
    data_hash: str,
    splits: Splits,
    models: Mapping[str, BaseEstimator],
    labels: np.ndarray,
) -> None:
    """Note whose results the folder keeps, or refuse if they are of something else."""
    claim = {
        "data": data_hash,
        "labels": hashlib.sha256(labels.tobytes()).hexdigest(),
        "folds": splits.hash,
    }
    for name, model in models.items():
        claim[f"model {name}"] = hashlib.sha256(_settings(model).encode()).hexdigest()
    path = folder / "folds" / "made_of.json"
    if folder.is_dir() and not path.is_file() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} holds other files. Choose another folder for the results.")
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    other = [name for name in claim if name in earlier and earlier[name] != claim[name]]
    if other:
        raise ValueError(
            f"{folder} holds results made with other {', '.join(other)}. Choose another folder, "
            f"or delete {folder} to begin anew."
        )
    write_json({**earlier, **claim}, path)


def _environment() -> dict[str, Any]:
    return {
        "brainograph": brainograph.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": "GPU" if torch.cuda.is_available() else "CPU",
        "versions": {name: version(name) for name in _PACKAGES},
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }
