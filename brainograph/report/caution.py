"""What a careful reader would ask about, and what the study cannot say."""

import re
from collections import Counter

import pandas as pd

from brainograph.report.target import Target
from brainograph.report.verdict import Verdict
from brainograph.report.words import METRICS, listed, number

__all__ = ["limits", "notes_of_fits", "warn"]

_SMALL = 100
_LINEAR = {"edges_logistic", "edges_ridge", "tangent_logistic", "tangent_ridge"}
_NONE = {"phenotype", "motion", "site"}


def _apart(scores: pd.DataFrame, target: Target) -> list[str]:
    """Name models whose pooled score and mean over folds tell different stories."""
    pooled, folds = (
        scores[scores["metric"] == name].set_index(["model", "regime"])
        for name in (target.headline, f"{target.headline}_folds")
    )
    mean = folds["value"].reindex(pooled.index)
    apart = pooled[(mean < pooled["low"]) | (mean > pooled["high"])]
    if apart.empty:
        return []
    models = listed(list(dict.fromkeys(apart.index.get_level_values("model"))))
    return [
        f"The {METRICS[target.headline]} of {models} pooled over folds differs from its mean over "
        f"folds: scores of different folds are not on one scale. Read the mean of folds."
    ]


def _without_brain(scores: pd.DataFrame, target: Target) -> list[str]:
    """Say where head motion or phenotypes alone do better than chance."""
    metric, chance = ("r2", 0.0) if target.kind == "regression" else (target.headline, 0.5)
    rows = scores[scores["metric"] == metric].drop_duplicates("model").set_index("model")
    return [
        f"{what} alone {verb} the {target.column} ({METRICS[metric]} "
        f"{number(rows.loc[model, 'value'])}): part of what the model has learned may be this."
        for model, what, verb in (
            ("motion", "Head motion", "predicts"),
            ("phenotype", "Age, sex and site", "predict"),
        )
        if model in rows.index and rows.loc[model, "low"] > chance
    ]


def _missing_controls(verdict: Verdict) -> list[str]:
    """Say which kind of control was not run, where any was."""
    run = {str(row["model"]).rpartition(".")[2] for row in verdict.comparisons if row["is_control"]}
    if not run:
        return []
    kinds = {"a linear model on the same brain data": _LINEAR, "a model without brain data": _NONE}
    lacking = [what for what, names in kinds.items() if not run & names]
    if not lacking:
        return []
    return [f"There is no control of this kind: {listed(lacking)}. Beating the others says less."]


def _at_sites(sites: pd.DataFrame, target: Target) -> list[str]:
    """Name the sites where the model fails, or cannot be judged."""
    if target.kind == "regression":
        return []
    rows = sites[sites["metric"] == target.headline]
    below = rows.loc[rows["high"] < 0.5, "group"].tolist()
    single = rows.loc[rows["value"].isna(), "group"].tolist()
    said = [f"The model does worse than chance at {listed(below)}."] if below else []
    return said + ([f"No AUC is given for {listed(single)}: a class is missing."] if single else [])


def warn(
    scores: pd.DataFrame, sites: pd.DataFrame | None, verdicts: list[Verdict], target: Target
) -> list[str]:
    """Return what a careful reader would ask about.

    Parameters
    ----------
    scores, sites : DataFrame
        From :func:`brainograph.metrics.score`, over all, and by site of the main model in its
        first regime.
    verdicts : list of Verdict
        From :func:`brainograph.report.verdict.judge`.
    target : Target

    Returns
    -------
    list of str
    """
    first = verdicts[0]
    said = _missing_controls(first) + _apart(scores, target) + _without_brain(scores, target)
    for other in verdicts[1:]:
        if [r["outcome"] for r in other.comparisons] != [r["outcome"] for r in first.comparisons]:
            said.append(f"The {other.regime} regime gives another verdict. {other.headline}")
    skipped = int(scores.loc[scores["metric"] == f"{target.headline}_folds", "skipped"].max())
    if skipped:
        said.append(f"{skipped} folds lack a class and are left out of the mean over folds.")
    return said + ([] if sites is None else _at_sites(sites, target))


def limits(predictions: pd.DataFrame, regime: str, target: Target) -> list[str]:
    """Return what the design of the study cannot tell, as seen from its predictions.

    Parameters
    ----------
    predictions : DataFrame
        Of the main model.
    regime : str
        The one that the verdict is about.
    target : Target
    """
    people = predictions.drop_duplicates("participant_id")
    said = ["No other data set was used: how the model does elsewhere is not known from this."]
    n_sites = people["site"].nunique() if "site" in people else 0
    within = predictions.groupby(["repeat", "fold"])["site"].nunique() if n_sites else None
    if n_sites < 2:
        said.append("All participants are of one site, or their sites are not known.")
    elif within is not None and within.max() > 1:
        said.append(
            f"The folds mix the {n_sites} sites, so that the scores say nothing about a new site: "
            f"for that run with --set cross_validation.scheme=leave_one_site_out."
        )
    if regime == "transductive":
        said.append(
            "The regime is transductive: the scans of those who are predicted were there in "
            "training. For a new patient read the inductive scores."
        )
    if target.kind != "regression":
        counts = {name: int(rows.sum()) for name, rows in target.split(people).items()}
        smallest = min(counts, key=lambda name: counts[name])
        said.append(
            f"{counts[smallest]} of {len(people)} participants are {smallest}; in the clinic and "
            f"in the population the share is another, and with it the predictive values."
        )
    if len(people) < _SMALL:
        said.append(f"{len(people)} participants are few: other {len(people)} may give another.")
    return said


def notes_of_fits(notes: object) -> list[str]:
    """Return the warnings of the fits, those that differ in numbers only as one.

    Examples
    --------
    >>> notes_of_fits({"57 of 784 are alone": 2, "58 of 783 are alone": 1, "did not converge": 1})
    ['57 of 784 are alone (3 fits; the numbers vary)', 'did not converge (1 fit)']
    """
    if not isinstance(notes, dict):
        return []
    counts, first, variants = Counter[str](), dict[str, str](), Counter[str]()
    for text, count in notes.items():
        kind = re.sub(r"\d+(\.\d+)?", "0", str(text))
        first.setdefault(kind, str(text))
        counts[kind] += count if isinstance(count, int) else 1
        variants[kind] += 1
    return [
        f"{text} ({counts[kind]} {'fit' if counts[kind] == 1 else 'fits'}"
        f"{'; the numbers vary' if variants[kind] > 1 else ''})"
        for kind, text in first.items()
    ]
