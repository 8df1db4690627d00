"""Write the report of a results folder."""

import base64
import hashlib
import os
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from brainograph import __version__
from brainograph.files import replace_on_success
from brainograph.metrics import compare, compare_regimes, gaps, score
from brainograph.report.caution import limits, notes_of_fits, warn
from brainograph.report.checklist import checklist
from brainograph.report.contents import Contents, read_contents
from brainograph.report.explanations import believed, connectome, explained
from brainograph.report.figures import figures, plot_controls, plot_people, plot_training
from brainograph.report.methods import describe_scheme, write_methods
from brainograph.report.participants import analysed, demographics, flow
from brainograph.report.svg import draw
from brainograph.report.tables import (
    audit_rows,
    chosen_rows,
    class_rows,
    confusion,
    gap_rows,
    score_rows,
    site_rows,
)
from brainograph.report.target import Target
from brainograph.report.uncertainty import coverage_rows, selective, uncertainty_rows
from brainograph.report.verdict import Verdict, describe_model, judge
from brainograph.report.words import METRICS, duration, flat, interval, number, p_value

__all__ = ["write_report"]

_FOLDER = Path(__file__).parent
_SHOWN_METRICS = {
    "binary": (
        *("auc", "auc_folds", "balanced_accuracy", "accuracy", "sensitivity", "specificity"),
        *("precision", "f1", "mcc", "brier", "ece"),
    ),
    "multiclass": (
        *("auc", "auc_folds", "balanced_accuracy", "accuracy", "precision", "f1", "mcc"),
        *("log_loss", "brier", "ece"),
    ),
    "regression": ("mae", "mae_folds", "rmse", "r2", "pearson", "spearman"),
}
_CLASS_METRICS = ("auc", "average_precision", "sensitivity", "specificity", "precision", "f1")
_GROUP_METRICS = {
    "binary": ("auc", "balanced_accuracy", "sensitivity", "specificity"),
    "multiclass": ("auc", "balanced_accuracy"),
    "regression": ("mae",),
}
_TILES = {
    "binary": ("auc", "balanced_accuracy", "sensitivity", "specificity"),
    "multiclass": ("auc", "balanced_accuracy", "accuracy", "mcc"),
    "regression": ("mae", "rmse", "r2", "pearson"),
}
_REGIMES = {
    "transductive": "the test participants' scans and phenotypes, never their labels, were part of "
    "the graph in training",
    "inductive": "the test participants were unseen in training, as a new patient would be",
    "single_query": "unseen in training, and each predicted alone, as one patient in a clinic",
}
_MOST_FAILURES = 1500
_SHOWN = {
    *("title", "name", "main", "models", "participants", "scheme", "notes"),
    *("started", "wall_time_s", "command"),
}


def _text(value: object) -> str:
    """Write a value of the provenance, nested or not, in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in flat(value).items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _run(contents: Contents, people: pd.DataFrame) -> dict[str, str]:
    """Return the facts of the run that a reader asks first."""
    provenance, predictions = contents.provenance, contents.predictions
    data = provenance.get("data")
    data = data if isinstance(data, dict) else {}
    facts = {
        "Participants": f"{len(people)} ({contents.target.count(people)})",
        "Sites": str(people["site"].nunique()) if "site" in people else None,
        "Data": data.get("source"),
        "Atlas": data.get("atlas"),
        "Regions": data.get("n_regions"),
        "Confounds": data.get("confounds"),
        "Evaluation": provenance.get("scheme") or describe_scheme(predictions),
        "Started": provenance.get("started"),
        "Took": duration(provenance.get("wall_time_s")),
        "Command": provenance.get("command"),
    }
    shown = {name: value for name, value in facts.items() if value not in (None, "")}
    return {name: _text(value) for name, value in shown.items()}


def _details(contents: Contents) -> dict[str, str]:
    """Return the rest of the provenance, and the hashes of the files that were read."""
    rest = {k: v for k, v in contents.provenance.items() if k not in _SHOWN}
    return flat(rest) | {f"sha256 of {name}": sha for name, sha in contents.hashes.items()}


def _compared(predictions: pd.DataFrame, main: str) -> tuple[pd.DataFrame, list[str]]:
    """Compare the main model with all others, or with those that share its folds."""
    try:
        return compare(predictions, main), []
    except ValueError:
        notes, apart = [], []
        for model in predictions["model"].unique():
            pair = predictions[predictions["model"].isin([main, model])]
            try:
                compare(pair, main, n_bootstrap=1)
            except ValueError as error:
                notes.append(f"{model} is not compared with {main}: {error}")
                apart.append(model)
        return compare(predictions[~predictions["model"].isin(apart)], main), notes


def _gaps(contents: Contents, of_main: pd.DataFrame) -> pd.DataFrame:
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
    return gaps(of_main, table, by=known)


def _pictures_of_people(people: pd.DataFrame, target: Target) -> dict[str, Markup]:
    """Draw how age and head motion are spread."""
    labels = {"age": "age (years)", "mean_fd": "head motion (mean FD, mm)"}
    return {
        name: draw(name, partial(_draw_people, people, target, name, label), size=(4.4, 2.9))
        for name, label in labels.items()
        if name in people and pd.to_numeric(people[name], errors="coerce").notna().any()
    }


def _draw_people(people: pd.DataFrame, target: Target, column: str, label: str, axes: Any) -> None:
    plot_people(people, target, column, label, axes)


def _forests(verdicts: list[Verdict], metric: str) -> list[Markup]:
    """Draw, for each verdict, the advantage over every other model."""
    drawn = []
    for place, verdict in enumerate(verdicts):
        rows = [row for row in verdict.comparisons if row["outcome"] != "not comparable"]
        longest = max((min(len(str(row["model"])), 34) for row in rows), default=0)
        size = (max(4.4, 2.8 + 0.085 * longest), 1 + len(rows) / 3.2)
        plot = partial(plot_controls, rows, METRICS[metric])
        drawn.append(draw(f"forest{place}", plot, size=size) if rows else Markup())
    return drawn


def _evaluation(contents: Contents, people: pd.DataFrame) -> dict[str, Any]:
    """Return the scores, the verdicts, and what is drawn of them."""
    predictions, main, target = contents.predictions, contents.main, contents.target
    scores = score(predictions)
    whole = scores[scores["class"] == "all"] if "class" in scores else scores
    compared, notes = _compared(predictions, main)
    verdicts = judge(whole, compared, main=main, target=target)
    regime = verdicts[0].regime
    of_main = predictions[(predictions["model"] == main) & (predictions["regime"] == regime)]
    several = "site" in people and people["site"].nunique() > 1
    sites = score(of_main, by="site") if several else None
    if sites is not None and "class" in sites:
        sites = sites[sites["class"] == "all"]
    metrics, by_group = _SHOWN_METRICS[target.kind], _GROUP_METRICS[target.kind]
    rows = score_rows(whole, metrics=metrics)
    mine = scores[(scores["model"] == main) & (scores["regime"] == regime)]
    first = dict(zip(metrics, rows[0]["cells"], strict=True))
    return {
        "regime": regime,
        "regimes": {r: _REGIMES.get(r, "") for r in dict.fromkeys(r["regime"] for r in rows)},
        "verdicts": verdicts,
        "not_compared": notes,
        "warnings": warn(whole, sites, verdicts, target),
        "limits": limits(of_main, regime, target),
        "metrics": [METRICS[name] for name in metrics],
        "scores": rows,
        "tiles": {METRICS[name]: first[name] for name in _TILES[target.kind]},
        "class_metrics": [METRICS[name] for name in _CLASS_METRICS],
        "by_class": class_rows(mine, target, metrics=_CLASS_METRICS) if "class" in mine else [],
        "confusion": confusion(of_main, target) if target.classes else [],
        "called": [f"called {name}" for name in target.classes],
        "group_metrics": [METRICS[name] for name in by_group],
        "sites": [] if sites is None else site_rows(sites, target, metrics=by_group),
        "gaps": gap_rows(_gaps(contents, of_main), metrics=by_group),
        "regime_gaps": compare_regimes(predictions, main).to_dict("records"),
        "selective": selective(of_main) if target.classes else None,
        "uncertainty": uncertainty_rows(of_main, target),
        "coverage": coverage_rows(of_main, target),
        "figures": figures(predictions, whole, sites, target=target, main=main, regime=regime),
        "forests": _forests(verdicts, target.headline),
    }


def _of_main(histories: pd.DataFrame | None, main: str) -> pd.DataFrame | None:
    """Return the training curves of the main model; a table without models is its own."""
    if histories is None or "model" not in histories:
        return histories
    own = histories[histories["model"] == main]
    return own if len(own) else None


def _page(contents: Contents) -> dict[str, Any]:
    """Return everything that the template shows."""
    provenance, target = contents.provenance, contents.target
    people = analysed(contents.participants, contents.predictions)
    version = str(provenance.get("brainograph", __version__))
    counts = flow(
        people,
        target,
        participants=contents.participants,
        failures=contents.failures,
        provenance=provenance,
    )
    page = _evaluation(contents, people)
    page["figures"] |= _pictures_of_people(people, target)
    histories = _of_main(contents.histories, contents.main)
    if histories is not None and {"loss", "validation"} & set(histories):
        page["figures"]["training"] = draw("training", partial(plot_training, histories))
    run = _run(contents, people)
    shown = explained(contents.explanations)
    empty = {
        "sites": not page["sites"] and not page["gaps"],
        "provenance": not provenance,
        "explanations": not shown,
        "settings": not contents.settings,
    }
    return page | {
        "title": provenance.get("title") or provenance.get("name") or contents.main,
        "version": version,
        "main": contents.main,
        "target": target,
        "folder": contents.folder.name,
        "said": notes_of_fits(provenance.get("notes")),
        "missing": contents.notes,
        "run": run,
        "methods": write_methods(
            people,
            target,
            counts=counts,
            provenance=provenance,
            settings=contents.settings,
            models=list(contents.predictions["model"].unique()),
            regimes=list(page["regimes"]),
            scheme=run["Evaluation"],
            version=version,
        ),
        "controls": {name: describe_model(name) for name in contents.predictions["model"].unique()},
        "audit": None if contents.audit is None else audit_rows(contents.audit),
        "chosen": chosen_rows(contents.chosen),
        "demographics": demographics(people, target),
        "flow": counts,
        "failures": None
        if contents.failures is None
        else contents.failures.head(_MOST_FAILURES).fillna("n/a").astype(str).to_dict("records"),
        "n_failures": 0 if contents.failures is None else len(contents.failures),
        "explained": shown,
        "believed": believed(contents.explanations),
        "connectome": connectome(contents.explanations),
        "details": _details(contents),
        "config": contents.config,
        "checklist": checklist(
            {name for name, lacks in empty.items() if lacks}, classes=bool(target.classes)
        ),
    }


def _render(page: dict[str, Any]) -> str:
    """Fill the template; only the script whose hash the page names may run in it."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.filters.update(number=number, p_value=p_value)
    environment.globals |= {"interval": interval, "script": Markup(script), "digest": digest}
    return environment.get_template("template.html").render(page)


def write_report(
    results_folder: str | os.PathLike[str], output: str | os.PathLike[str] | None = None
) -> Path:
    """Write one self-contained HTML page about a results folder.

    Every number is computed from ``predictions.tsv``. Other files that are missing are named in
    the page, and the rest is reported. The page loads nothing; its one script copies the methods
    and turns the connectome, and no other can run in it.

    Parameters
    ----------
    results_folder : path
        Written by ``brainograph crossval``: ``predictions.tsv`` and, where they are there,
        ``provenance.json``, ``config.yaml``, ``splits.json``, ``failures.tsv``,
        ``participants.tsv``, ``audit.tsv``, ``search.tsv``, ``histories.tsv`` (``epoch``,
        ``loss``, ``validation``) and ``explanations/*.tsv`` (``region`` or ``region_a`` and
        ``region_b``, ``importance``; also ``x``, ``y``, ``z``).
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
    page = _render(_page(contents))
    with replace_on_success(target) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return target
