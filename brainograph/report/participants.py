"""Who was found, who was analysed, and what they are like."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from brainograph.report.target import Target

__all__ = ["analysed", "demographics", "flow"]

_MOST_REASONS = 8


def analysed(participants: pd.DataFrame | None, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each participant who was predicted, with what is known of them.

    Parameters
    ----------
    participants : DataFrame or None
        ``participant_id`` and any of ``age``, ``sex``, ``mean_fd``.
    predictions : DataFrame
        Gives the target and the site.
    """
    people = predictions.drop_duplicates("participant_id")
    people = people[[c for c in ("participant_id", "site", "y_true") if c in people]]
    if participants is None:
        return people
    known = [c for c in ("participant_id", "age", "sex", "mean_fd") if c in participants]
    unique = participants[known].drop_duplicates("participant_id")
    return people.merge(unique, on="participant_id", how="left")


def _mean_sd(values: pd.Series, digits: int) -> str:
    """Format mean and standard deviation of what is known."""
    known = pd.to_numeric(values, errors="coerce").dropna()
    if known.empty:
        return "n/a"
    spread = f" ± {known.std():.{digits}f}" if len(known) > 1 else ""
    return f"{known.mean():.{digits}f}{spread}"


def _describe(part: pd.DataFrame) -> dict[str, str]:
    """Describe some participants by the columns that there are."""
    described = {"n": str(len(part))}
    if "age" in part:
        described["age (years)"] = _mean_sd(part["age"], 1)
    if "sex" in part:
        known = part["sex"].dropna()
        female = int((known == "female").sum())
        share = f" ({female / len(known):.0%})" if len(known) else ""
        described["female"] = f"{female} of {len(known)}{share}" if len(known) else "n/a"
    if "mean_fd" in part:
        described["head motion (mean FD, mm)"] = _mean_sd(part["mean_fd"], 3)
    return described


def _standardised(first: pd.Series, second: pd.Series) -> str:
    """Difference of the means in units of the pooled standard deviation."""
    pair = [pd.to_numeric(part, errors="coerce").dropna() for part in (first, second)]
    spread = np.sqrt(sum(part.var() for part in pair) / 2) if min(map(len, pair)) > 1 else 0.0
    if not spread > 0:
        return "n/a"
    return f"{(pair[0].mean() - pair[1].mean()) / spread:.2f}".replace("-", "−")


def _differences(people: pd.DataFrame, target: Target) -> dict[str, str]:
    """Return the standardised difference of the two classes in each column."""
    first, second = (people[rows] for rows in target.split(people).values())
    columns = {"age (years)": "age", "head motion (mean FD, mm)": "mean_fd"}
    said = {"n": ""} | {
        name: _standardised(first[column], second[column])
        for name, column in columns.items()
        if column in people
    }
    if "sex" in people:
        female = [(part["sex"].dropna() == "female").astype(float) for part in (first, second)]
        said["female"] = _standardised(*female)
    return said


def demographics(people: pd.DataFrame, target: Target) -> dict[str, dict[str, dict[str, str]]]:
    """Describe the participants who were analysed, by group and by site.

    Parameters
    ----------
    people : DataFrame
        From :func:`analysed`.
    target : Target

    Returns
    -------
    dict
        ``"group"`` and, where there are sites, ``"site"``: group -> what -> text.
    """
    groups = target.split(people) if target.classes else {}
    described = {"group": {name: _describe(people[rows]) for name, rows in groups.items()}}
    if target.kind == "binary" and set(people) & {"age", "sex", "mean_fd"}:
        described["group"]["standardised difference"] = _differences(people, target)
    described["group"]["all"] = _describe(people)
    if target.kind == "regression":
        described["group"]["all"][target.column] = _mean_sd(people["y_true"], 2)
    if "site" in people:
        described["site"] = {}
        for site, part in people.groupby("site", dropna=False):
            counts = {"n": str(len(part))}
            if target.classes:
                shown = target.split(part) if target.kind == "multiclass" else None
                first = shown or {target.classes[1]: part["y_true"] == 1}
                counts |= {name: str(int(rows.sum())) for name, rows in first.items()}
            described["site"][str(site)] = counts | _describe(part)
    return described


def flow(
    people: pd.DataFrame,
    target: Target,
    *,
    participants: pd.DataFrame | None,
    failures: pd.DataFrame | None,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Count the participants from those found to those analysed.

    Parameters
    ----------
    people : DataFrame
        From :func:`analysed`.
    target : Target
    participants, failures : DataFrame or None
        Those in the cohort; those of whom something could not be read, with the ``reason``.
    provenance : mapping
        Its ``participants`` may say how many were ``found``.

    Returns
    -------
    dict
        ``found``, ``excluded`` (reason -> number; each participant counts once), ``read``,
        ``unlabelled`` (read and not analysed), ``analysed``, ``groups`` and ``partly`` (analysed,
        though something of them could not be read). None where a number is not known.
    """
    ids = set(people["participant_id"])
    in_cohort = ids if participants is None else ids | set(participants["participant_id"])
    lost = pd.DataFrame(columns=["participant_id", "reason"]) if failures is None else failures
    lost = lost.drop_duplicates("participant_id")
    gone = lost[~lost["participant_id"].isin(in_cohort)]
    reasons = gone["reason"] if "reason" in gone else gone["participant_id"].map(lambda _: "n/a")
    counts = reasons.fillna("n/a").astype(str).value_counts()
    excluded = {str(reason): int(n) for reason, n in counts.head(_MOST_REASONS).items()}
    if len(counts) > _MOST_REASONS:
        excluded["other reasons"] = int(counts.iloc[_MOST_REASONS:].sum())
    numbers = provenance.get("participants")
    said = numbers.get("found") if isinstance(numbers, dict) else None
    found = len(in_cohort) + len(gone)
    if isinstance(said, int) and said > found:
        excluded["reason not recorded"] = said - found
        found = said
    groups = target.split(people) if target.classes else {}
    return {
        "found": found if failures is not None or said is not None else None,
        "excluded": excluded,
        "n_excluded": sum(excluded.values()),
        "read": len(in_cohort),
        "unlabelled": None if participants is None else len(in_cohort) - len(ids),
        "analysed": len(ids),
        "groups": {name: int(rows.sum()) for name, rows in groups.items()},
        "partly": int(lost["participant_id"].isin(ids).sum()),
    }
