"""Write the report of a results folder."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from brainograph import __version__
from brainograph.files import replace_on_success
from brainograph.metrics import compare, compare_regimes, gaps, score
from brainograph.report.contents import Contents, read_contents
from brainograph.report.figures import figures
from brainograph.report.tables import (
    chosen_rows,
    demographics,
    flat,
    gap_rows,
    interval,
    number,
    p_value,
    score_rows,
    site_rows,
)
from brainograph.report.verdict import CONTROLS, judge, warn

__all__ = ["write_report"]

_METRICS = {
    "auc": "AUC",
    "auc_folds": "AUC, mean of folds",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "f1": "F1",
    "mcc": "MCC",
    "brier": "Brier score",
    "ece": "calibration error",
}
_SITE_METRICS = ("auc", "balanced_accuracy", "sensitivity", "specificity")
_REGIMES = {
    "transductive": "the test participants' scans and phenotypes, never their labels, were part of "
    "the graph in training",
    "inductive": "the test participants were unseen in training, as a new patient would be",
    "single_query": "unseen in training, and each predicted alone, as one patient in a clinic",
}
_SHOWN = {
    *("title", "name", "main", "models", "participants", "scheme", "notes"),
    *("started", "wall_time_s", "command"),
}


def _duration(seconds: object) -> str:
    """Format seconds as a person says them."""
    if not isinstance(seconds, (int, float)):
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _text(value: object) -> str:
    """Write a value of the provenance, nested or not, in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in flat(value).items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _said(notes: object) -> list[str]:
    """Return the warnings of the fits, with the number of fits that gave each."""
    if not isinstance(notes, dict):
        return []
    return [f"{text} ({count} {'fit' if count == 1 else 'fits'})" for text, count in notes.items()]


def _scheme(predictions: pd.DataFrame) -> str:
    """Say how the folds were made, from the rows of the main model."""
    one = predictions[predictions["model"] == predictions["model"].iloc[0]]
    one = one[one["regime"] == one["regime"].iloc[0]]
    n_repeats, n_folds = one["repeat"].nunique(), one.groupby("repeat")["fold"].nunique().max()
    times = f", repeated {n_repeats} times" if n_repeats > 1 else ""
    if "site" in one.columns and one["site"].nunique() > 1:
        folds = one.groupby(["repeat", "fold"])["site"].nunique()
        sites = one.groupby(["repeat", "site"])["fold"].nunique()
        if folds.max() == 1 and sites.max() == 1:
            return f"leave one site out, {n_folds} folds{times}"
    return f"{n_folds}-fold cross-validation{times}"


def _run(contents: Contents) -> dict[str, str]:
    """Return the facts of the run that a reader asks first."""
    provenance, predictions = contents.provenance, contents.predictions
    data = provenance.get("data")
    data = data if isinstance(data, dict) else {}
    people = predictions.drop_duplicates("participant_id")
    patients = int(people["y_true"].sum())
    facts = {
        "Participants": f"{len(people)} ({patients} patients, {len(people) - patients} controls)",
        "Sites": str(people["site"].nunique()) if "site" in people.columns else None,
        "Data": data.get("source"),
        "Atlas": data.get("atlas"),
        "Regions": data.get("n_regions"),
        "Confounds": data.get("confounds"),
        "Evaluation": provenance.get("scheme") or _scheme(predictions),
        "Started": provenance.get("started"),
        "Took": _duration(provenance.get("wall_time_s")),
        "Command": provenance.get("command"),
    }
    shown = {name: value for name, value in facts.items() if value not in (None, "")}
    return {name: _text(value) for name, value in shown.items()}


def _details(contents: Contents) -> dict[str, str]:
    """Return the rest of the provenance, and the hashes of the files that were read."""
    rest = {k: v for k, v in contents.provenance.items() if k not in _SHOWN}
    return flat(rest) | {f"sha256 of {name}": sha for name, sha in contents.hashes.items()}


def _gaps(contents: Contents, of_main: pd.DataFrame, regime: str) -> pd.DataFrame:
    """Return how well the main model serves each sex and each age band."""
    people = contents.participants
    known = (
        []
        if people is None
        else [name for name in ("sex", "age") if name in people and people[name].nunique() > 1]
    )
    if people is None or not known:
        return pd.DataFrame(columns=["by", "group"])
    table = people.drop_duplicates("participant_id").set_index("participant_id")
    return gaps(of_main[of_main["regime"] == regime], table, by=known)


def _audit_rows(audit: pd.DataFrame) -> list[dict[str, str]]:
    """Return the findings, the worst first."""
    order = {name: rank for rank, name in enumerate(("fail", "warn", "pass", "skipped"))}
    worst = audit.sort_values("status", key=lambda s: s.map(order), kind="stable")
    return worst.fillna("").astype(str).to_dict("records")


def _page(contents: Contents) -> dict[str, Any]:
    """Return everything that the template shows."""
    predictions, main = contents.predictions, contents.main
    scores = score(predictions)
    several = "site" in predictions.columns and predictions["site"].nunique() > 1
    of_main = predictions[predictions["model"] == main]
    sites = score(of_main, by="site") if several else None
    verdicts = judge(scores, compare(predictions, main), main=main)
    regime = verdicts[0].regime
    rows = score_rows(scores, metrics=_METRICS)
    return {
        "title": contents.provenance.get("title") or contents.provenance.get("name") or main,
        "version": contents.provenance.get("brainograph", __version__),
        "main": main,
        "regime": regime,
        "regimes": {r: _REGIMES.get(r, "") for r in dict.fromkeys(r["regime"] for r in rows)},
        "verdicts": verdicts,
        "warnings": warn(scores, sites, verdicts),
        "said": _said(contents.provenance.get("notes")),
        "missing": contents.notes,
        "run": _run(contents),
        "metrics": _METRICS,
        "controls": CONTROLS,
        "scores": rows,
        "tiles": dict(zip(_METRICS.values(), rows[0]["cells"], strict=True)),
        "site_metrics": [_METRICS[name] for name in _SITE_METRICS],
        "sites": []
        if sites is None
        else site_rows(sites, model=main, regime=regime, metrics=_SITE_METRICS),
        "gaps": gap_rows(_gaps(contents, of_main, regime), metrics=_SITE_METRICS),
        "regime_gaps": compare_regimes(predictions, main).to_dict("records"),
        "audit": None if contents.audit is None else _audit_rows(contents.audit),
        "chosen": chosen_rows(contents.chosen),
        "figures": figures(predictions, scores, sites, main=main, regime=regime),
        "demographics": demographics(contents.participants, predictions),
        "counts": flat({"participants": contents.provenance.get("participants") or {}}),
        "failures": None
        if contents.failures is None
        else contents.failures.fillna("n/a").astype(str).to_dict("records"),
        "details": _details(contents),
        "config": contents.config,
    }


def write_report(
    results_folder: str | os.PathLike[str], output: str | os.PathLike[str] | None = None
) -> Path:
    """Write one self-contained HTML page about a results folder.

    Every number is computed from ``predictions.tsv``. Other files that are missing are named in
    the page, and the rest is reported. The page loads nothing and runs no script.

    Parameters
    ----------
    results_folder : path
        Written by ``brainograph crossval``: ``predictions.tsv`` and, where they are there,
        ``provenance.json``, ``config.yaml``, ``splits.json``, ``failures.tsv`` and
        ``participants.tsv``.
    output : path, optional
        The page, or a folder for it; ``report.html`` in the results folder by default.

    Returns
    -------
    Path
        Where the page is.

    Raises
    ------
    FileNotFoundError
        If there is no ``predictions.tsv``.
    ValueError
        If the predictions cannot be scored, as said by :func:`brainograph.metrics.score`.
    """
    contents = read_contents(results_folder)
    target = contents.folder if output is None else Path(output)
    target = target / "report.html" if target.is_dir() else target
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "p_value": p_value}
    environment.globals |= {"interval": interval}
    page = environment.get_template("template.html").render(_page(contents))
    with replace_on_success(target) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return target
