"""Cross-validation: every model on the same folds, with the test labels out of reach."""

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

import brainograph
from brainograph.cohort import Cohort
from brainograph.files import write_json
from brainograph.model_selection.cluster import cluster_facts
from brainograph.model_selection.environment import environment
from brainograph.model_selection.jobs import (
    Job,
    Outcome,
    Regime,
    Threshold,
    run_jobs,
    sees_others,
)
from brainograph.model_selection.results import CHOSEN, Results
from brainograph.model_selection.settings import settings
from brainograph.model_selection.splits import Splits, repeated_stratified
from brainograph.model_selection.tasks import Task, check_target, has_target, strata, task_of

__all__ = ["Regime", "Threshold", "cross_validate"]

_DEMOGRAPHICS = ("site", "age", "sex", "diagnosis", "mean_fd")


def cross_validate(
    models: BaseEstimator | Mapping[str, BaseEstimator],
    cohort: Cohort,
    y: np.ndarray,
    *,
    splits: Splits | None = None,
    regimes: Sequence[Regime] = ("transductive",),
    threshold: Threshold = "fixed",
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
        0 or 1 (or 0, 1, ..., K - 1); -1 for a participant without a label, who is never tested.
        For regressors a number, and NaN for a participant without one.
    splits : Splits, optional
        The folds; by default ten, stratified by label and, where it is known, site.
    regimes : sequence of {"transductive", "inductive", "single_query"}
        *Transductive*: test participants are in the population graph, with hidden labels.
        *Inductive*: the model is fitted without them. *Single query*: fitted without them, and
        each is predicted alone, as a patient who comes to a clinic. Models that do not take
        unlabelled participants, such as scikit-learn's, are always inductive, unless a step learns
        from whom it is asked about, which makes them transductive.
    threshold : {"fixed", "tuned"}
        Where a probability begins to mean class 1: at 0.5, or where balanced accuracy is best for
        training participants predicted by an inner 5-fold cross-validation (six fits for one).
    folder : path, optional
        Keeps the predictions of each fold as it is finished; the same call goes on from there.
    n_jobs : int
        Fits at a time, through joblib; within :func:`~brainograph.model_selection.cluster` as
        many as it has workers. The numbers do not depend on it.
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
    task = _one_task(named, y)
    y = check_target(y, cohort, task)
    _check_choice("regimes", regimes, get_args(Regime))
    _check_choice("threshold", [threshold], get_args(Threshold))
    if splits is None:
        by = [name for name in ("site",) if name in cohort.phenotype]
        splits = repeated_stratified(cohort, strata(y, task), by=by)
    _check_labelled(splits, cohort, has_target(y, task))
    started, clock = datetime.now(UTC), time.perf_counter()
    jobs = [
        Job(name, model, regime, split, task, threshold)
        for name, model in named.items()
        for regime in _possible(model, regimes)
        for split in splits
    ]
    data_hash = cohort.fingerprint()
    if folder is not None:
        claim = _made_of(data_hash, splits, named, y[np.argsort(cohort.participant_ids)], threshold)
        _claim(Path(folder), claim)
    outcomes = run_jobs(jobs, cohort, y, folder, n_jobs, progress)
    provenance = {
        "title": title or f"Cross-validation of {next(iter(named))}",
        "models": list(named),
        "main": next(iter(named)),
        "task": task,
        "threshold": threshold,
        "scheme": splits.scheme,
        "regimes": list(regimes),
        "splits_sha256": splits.hash,
        "data": {**cohort.provenance, "sha256": data_hash, "n_regions": cohort.n_regions},
        "participants": {
            "found": len({*cohort.participant_ids, *cohort.failures["participant_id"]}),
            "analysed": len({name for split in splits for name in split.test}),
            "failures": len(cohort.failures),
        },
        "notes": dict(Counter(note for outcome in outcomes for note in outcome.notes)),
        "fit_time_s": round(sum(outcome.seconds for outcome in outcomes), 1),
        "started": started.isoformat(timespec="seconds"),
        "wall_time_s": round(time.perf_counter() - clock, 1),
        "n_jobs": n_jobs,
        "config_sha256": _config_hash(named, splits, regimes, threshold),
        "cluster": cluster_facts(),
        **environment(),
    }
    results = Results(
        _assemble([outcome.table for outcome in outcomes], cohort, y, list(named), list(regimes)),
        splits,
        provenance,
        cohort.phenotype[[c for c in _DEMOGRAPHICS if c in cohort.phenotype]],
        cohort.failures,
        _chosen(jobs, outcomes),
        _histories(jobs, outcomes),
    )
    if folder is not None:
        results.save(folder)
    return results


def _one_task(models: Mapping[str, BaseEstimator], y: np.ndarray) -> Task:
    """Return what all models predict, or refuse a mixture."""
    tasks = {name: task_of(model, y) for name, model in models.items()}
    if len(set(tasks.values())) > 1:
        raise ValueError(
            f"classifiers and regressors cannot be compared with each other: {tasks}. "
            "Cross-validate them apart."
        )
    return next(iter(tasks.values()))


def _check_labelled(splits: Splits, cohort: Cohort, labelled: np.ndarray) -> None:
    """Refuse folds, such as saved ones, that name somebody without a label."""
    named = sorted({name for split in splits for name in (*split.train, *split.test)})
    rows = cohort.locate(named)
    lacking = [n for n, row in zip(named, rows, strict=True) if row < 0 or not labelled[row]]
    if lacking:
        raise ValueError(
            f"{len(lacking)} participants of the splits are not in the cohort or have no label: "
            f"{lacking[:5]}. Use the cohort and labels that the splits were made for, or make "
            "new ones."
        )


def _possible(model: BaseEstimator, regimes: Sequence[Regime]) -> Sequence[Regime]:
    """Return the regimes that make a difference to a model; scikit-learn's are inductive."""
    own = {*getattr(model, "regimes", ("inductive",))}
    if "transductive" in own or sees_others(model):
        own.add("single_query")
    return [regime for regime in regimes if regime in own] or ["inductive"]


def _check_choice(name: str, given: Sequence[str], allowed: Sequence[str]) -> None:
    if isinstance(given, str) or not given or not set(given) <= set(allowed):
        raise ValueError(f"{name} must be one or more of {allowed}, got {given!r}.")


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
    first = ["participant_id", "site", "model", "regime", "repeat", "fold", "y_true"]
    if "group" in cohort.phenotype:
        table["group"] = cohort.units("group").to_numpy()[rows]
        first.append("group")
    scores = sorted(name for name in table if name.startswith(("p_", "y_pred", "y_score")))
    table[scores] = table[scores].fillna(0.0)  # a class that no training participant has
    last = [name for name in ("threshold",) if name in table]
    sets = sorted(name for name in table if name.startswith("set_"))
    table = table[[*first, *scores, *last, *sets]]
    return table.astype({"model": str, "regime": str}).reset_index(drop=True)


def _histories(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Return one row for each epoch of each network."""
    rows = [
        {
            "model": job.name,
            "regime": job.regime,
            "repeat": job.split.repeat,
            "fold": job.split.fold,
            **epoch,
        }
        for job, outcome in zip(jobs, outcomes, strict=True)
        for epoch in outcome.history or ()
    ]
    return pd.DataFrame(rows)


def _chosen(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Return one row for each parameter that a search chose in a fold."""
    rows = [
        {
            "model": job.name,
            "regime": job.regime,
            "repeat": job.split.repeat,
            "fold": job.split.fold,
            "parameter": name,
            "value": value if isinstance(value, str) else json.dumps(value, default=str),
            "inner_score": outcome.chosen["score"],
        }
        for job, outcome in zip(jobs, outcomes, strict=True)
        if outcome.chosen is not None
        for name, value in outcome.chosen["params"].items()
    ]
    return pd.DataFrame(rows, columns=CHOSEN)


def _made_of(
    data_hash: str,
    splits: Splits,
    models: Mapping[str, BaseEstimator],
    labels: np.ndarray,
    threshold: Threshold,
) -> dict[str, str]:
    """Return all that the numbers of a run depend on."""
    made_of = {
        "version": brainograph.__version__,
        "data": data_hash,
        "labels": hashlib.sha256(labels.tobytes()).hexdigest(),
        "folds": splits.hash,
        "threshold": threshold,
    }
    for name, model in models.items():
        made_of[f"model {name}"] = hashlib.sha256(settings(model).encode()).hexdigest()
    return made_of


def _config_hash(
    models: Mapping[str, BaseEstimator],
    splits: Splits,
    regimes: Sequence[Regime],
    threshold: Threshold,
) -> str:
    """Return a SHA-256 of all that was configured: models, folds, regimes, threshold."""
    named = {name: settings(model) for name, model in models.items()}
    content = [named, splits.scheme, list(regimes), threshold]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _claim(folder: Path, claim: Mapping[str, str]) -> None:
    """Note whose results the folder keeps, or refuse if they are of something else."""
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
