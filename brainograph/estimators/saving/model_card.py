"""The model card: what a model is for, what it learnt from, how good it is, what it must not do."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator

import brainograph
from brainograph.estimators.prediction.training_summary import TrainingSummary
from brainograph.estimators.saving.privacy import kept_of_participants
from brainograph.estimators.wrappers.calibration import Calibrated
from brainograph.estimators.wrappers.conformal import Conformal
from brainograph.estimators.wrappers.wrapper import unwrapped
from brainograph.files import replace_on_success

__all__ = ["write_model_card"]

_METRICS = ("auc", "balanced_accuracy", "sensitivity", "specificity", "brier", "ece", "mae", "r2")
_RANGES = {
    "age": "{low:g} to {high:g} years",
    "mean_fd": "below {high:.2f} mm in 99 %",
    "n_volumes": "{low:g} to {high:g}",
    "repetition_time": "{low:g} to {high:g} s",
}
_NAMES = {
    "mean_fd": "head motion",
    "n_volumes": "volumes of a scan",
    "repetition_time": "repetition time",
}


def write_model_card(
    folder: str | os.PathLike[str],
    model: BaseEstimator,
    *,
    title: str,
    target: str,
    summary: TrainingSummary,
    scores: pd.DataFrame | None = None,
    scheme: str = "",
) -> Path:
    """Write ``MODEL_CARD.md`` into a model folder.

    Parameters
    ----------
    folder : path
        Of the model.
    model : estimator
        The fitted one.
    title : str
        Of the study.
    target : str
        What is predicted, in words: ``"diagnosis: 1 against 0"``.
    summary : TrainingSummary
        Whom it learnt from.
    scores : DataFrame, optional
        ``model``, ``regime``, ``metric``, ``value``, ``low``, ``high``, of a cross-validation of
        the same settings; the model's own rows first.
    scheme : str
        How the folds of that cross-validation were made.

    Returns
    -------
    path
        The card.

    References
    ----------
    Mitchell et al., Model cards for model reporting, FAT* 2019.
    """
    parts = [
        f"# {_plain(title)}",
        "**For research use only. Not a medical device: no diagnosis, no treatment and no decision "
        "about a person may rest on it.**",
        _table("Model", _of_model(model, target)),
        _intended_use(model),
        _table("Training participants", _of_training(summary)),
        _performance(scores, scheme),
        _limits(summary),
        f"## What of the participants is in this folder\n\n{kept_of_participants(model)} Beside it "
        "`training.json` and `training_connectivity.tsv` hold numbers of the group: ranges, names "
        "of sites, mean and deviation of each connection.",
    ]
    path = Path(folder) / "MODEL_CARD.md"
    with replace_on_success(path) as temporary:
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _table(heading: str, rows: Mapping[str, Any]) -> str:
    lines = [f"| {key} | {_plain(value)} |" for key, value in rows.items()]
    return "\n".join([f"## {heading}", "", "| | |", "| --- | --- |", *lines])


def _plain(value: Any) -> str:
    """Return text that cannot end a table's cell or begin markup."""
    text = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;")
    return text.replace("|", "\\|")


def _of_model(model: BaseEstimator, target: str) -> dict[str, Any]:
    chain = unwrapped(model)
    inner: Any = chain[-1]
    network = getattr(inner, "network", None)
    rows = {
        "predicts": target,
        "estimator": " of ".join(type(one).__name__ for one in chain),
        "network": network if isinstance(network, str) else getattr(network, "__name__", None),
        "regions": len(inner.region_names_) if hasattr(inner, "region_names_") else None,
        "members": getattr(inner, "n_members", None),
        "brainograph": brainograph.__version__,
    }
    for one in chain:
        if isinstance(one, Calibrated):
            rows["calibration"] = f"{one.method}, temperature {one.temperature_:.2f}"
        if isinstance(one, Conformal):
            rows["prediction sets"] = (
                f"{one.score}, hold the truth in {1 - one.alpha:.0%} of exchangeable participants; "
                f"calibrated on {one.n_calibration_}; abstains where a set is not one class"
            )
    return {key: value for key, value in rows.items() if value is not None}


def _intended_use(model: BaseEstimator) -> str:
    inner = unwrapped(model)[-1]
    regimes = ", ".join(getattr(inner, "regimes", ("inductive",)))
    return (
        "## Intended use\n\nTo study, on groups, how brain measures go with what is predicted, and "
        "to repeat or compare results. Participants must have been scanned and processed as those "
        f"below. It predicts: {regimes}. Other uses, screening and individual assessment above "
        "all, are out of scope."
    )


def _of_training(summary: TrainingSummary) -> dict[str, Any]:
    rows: dict[str, Any] = {"participants with a label": summary.n_participants}
    if summary.counts:
        rows["of each class"] = ", ".join(f"{k}: {n}" for k, n in summary.counts.items())
    for key, values in summary.levels.items():
        shown = ", ".join(values[:30]) + (", ..." if len(values) > 30 else "")
        rows[f"{key} ({len(values)})"] = shown
    for key, text in _RANGES.items():
        if key in summary.ranges:
            low, high = summary.ranges[key]
            rows[_NAMES.get(key, key)] = text.format(low=low, high=high)
    for key, value in summary.reading.items():
        if key != "atlas_sha256":
            named = isinstance(value, dict)
            rows[key] = ", ".join(f"{k}: {v}" for k, v in value.items()) if named else value
    return rows


def _performance(scores: pd.DataFrame | None, scheme: str) -> str:
    if scores is None or scores.empty:
        return (
            "## Performance\n\nNot measured here. This model has seen all its participants; how "
            "good it is on others is measured by `brainograph crossval CONFIG RESULTS`, and put "
            "here by `brainograph fit CONFIG MODEL --results RESULTS`."
        )
    shown = scores[scores["metric"].isin(_METRICS)]
    lines = [
        f"| {_plain(row.model)} | {row.regime} | {row.metric} | {row.value:.3f} "
        f"| {row.low:.3f} to {row.high:.3f} |"
        for row in shown.itertuples()
    ]
    return "\n".join(
        [
            "## Performance",
            "",
            f"By cross-validation of the same settings ({_plain(scheme)}), of which this model, "
            "fitted on everybody, is no part.",
            "",
            "| model | regime | metric | value | 95 % interval |",
            "| --- | --- | --- | --- | --- |",
            *lines,
        ]
    )


def _limits(summary: TrainingSummary) -> str:
    sites = len(summary.levels.get("site", []))
    where = f"{sites} sites" if sites > 1 else "one site" if sites else "sites that are not known"
    return (
        "## Limits\n\n"
        f"- It learnt from {where}. At others, with other scanners, recruitment or processing, it "
        "may be much worse; `brainograph predict` warns of sites, ages, motion, regions without "
        "signal and connectivity that were not met in training.\n"
        "- Labels are diagnoses as made at the sites, with their errors and biases. Groups may "
        "differ in age, sex and motion, which a model can use.\n"
        "- A probability holds for groups like the training participants. Calibration and "
        "prediction sets promise nothing for a site that was not there.\n"
        "- An explanation of it is not a biological finding."
    )
