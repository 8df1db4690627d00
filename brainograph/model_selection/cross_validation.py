"""Cross-validation: every model on the same folds, with the test labels out of reach."""

import hashlib
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator

import brainograph
from brainograph.cohort import Cohort
from brainograph.files import write_json
from brainograph.model_selection.jobs import Job, Regime, run_jobs
from brainograph.model_selection.results import Results
from brainograph.model_selection.splits import Splits, repeated_stratified

__all__ = ["Regime", "cross_validate"]

_PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "nilearn", "torch", "torch-geometric")
_DEMOGRAPHICS = ("site", "age", "sex", "diagnosis", "mean_fd")


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
    _check_labelled(splits, cohort, y)
    started, clock = datetime.now(UTC), time.perf_counter()
    jobs = [
        Job(name, model, regime, split)
        for name, model in named.items()
        for regime in _possible(model, regimes)
        for split in splits
    ]
    data_hash = cohort.fingerprint()
    if folder is not None:
        _claim(Path(folder), data_hash, splits, named, y[np.argsort(cohort.participant_ids)])
    outcomes = run_jobs(jobs, cohort, y, folder, n_jobs, progress)
    provenance = {
        "title": title or f"Cross-validation of {next(iter(named))}",
        "models": list(named),
        "main": next(iter(named)),
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
        **_environment(),
    }
    results = Results(
        _assemble([outcome.table for outcome in outcomes], cohort, y, list(named), list(regimes)),
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


def _check_labelled(splits: Splits, cohort: Cohort, y: np.ndarray) -> None:
    """Refuse folds, such as saved ones, that name somebody without a label."""
    named = sorted({name for split in splits for name in (*split.train, *split.test)})
    rows = cohort.locate(named)
    lacking = [name for name, row in zip(named, rows, strict=True) if row < 0 or y[row] == -1]
    if lacking:
        raise ValueError(
            f"{len(lacking)} participants of the splits are not in the cohort or have no label: "
            f"{lacking[:5]}. Use the cohort and labels that the splits were made for, or make "
            "new ones."
        )


def _possible(model: BaseEstimator, regimes: Sequence[Regime]) -> Sequence[Regime]:
    """Return the regimes that a model can be run in; scikit-learn's are inductive."""
    own = getattr(model, "regimes", ("inductive",))
    return [regime for regime in regimes if regime in own] or ["inductive"]


def _check_regimes(regimes: Sequence[Regime]) -> None:
    allowed = get_args(Regime)
    if isinstance(regimes, str) or not regimes or not set(regimes) <= set(allowed):
        raise ValueError(f"regimes must be one or more of {allowed}, got {regimes!r}.")


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
    return type(model).__name__ + repr([(name, _plain(value)) for name, value in items])


def _plain(value: Any) -> Any:
    """Return a value without the estimators in it, whose parameters have names of their own."""
    if isinstance(value, BaseEstimator):
        return type(value).__name__
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return repr(value)


def _claim(
    folder: Path,
    data_hash: str,
    splits: Splits,
    models: Mapping[str, BaseEstimator],
    labels: np.ndarray,
) -> None:
    """Note whose results the folder keeps, or refuse if they are of something else."""
    claim = {
        "version": brainograph.__version__,
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
