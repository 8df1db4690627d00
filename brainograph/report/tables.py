"""Rows of the report's tables, as text."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "chosen_rows",
    "demographics",
    "flat",
    "gap_rows",
    "interval",
    "number",
    "p_value",
    "score_rows",
    "site_rows",
]


def number(value: object, digits: int = 2) -> str:
    """Format a number, or ``n/a`` where there is none.

    Examples
    --------
    >>> number(0.7213), number(float("nan"))
    ('0.72', 'n/a')
    """
    if not isinstance(value, float) or not np.isfinite(value):
        return "n/a"
    return f"{value:.{digits}f}".replace("-", "−")


def interval(low: float, high: float, digits: int = 2) -> str:
    """Format an interval, or nothing where there is none.

    Examples
    --------
    >>> interval(-0.011, 0.034)
    '−0.01 to 0.03'
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return f"{low:.{digits}f} to {high:.{digits}f}".replace("-", "−")


def p_value(value: float) -> str:
    """Format a p value.

    Examples
    --------
    >>> p_value(0.00002), p_value(0.217)
    ('< 0.001', '0.217')
    """
    if not np.isfinite(value):
        return "n/a"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _cells(scores: pd.DataFrame, metrics: Iterable[str]) -> list[dict[str, str]]:
    """Return one cell for each metric of one model."""
    by_name = scores.set_index("metric")
    return [
        {
            "value": number(by_name.loc[name, "value"]),
            "interval": interval(by_name.loc[name, "low"], by_name.loc[name, "high"]),
        }
        for name in metrics
    ]


def score_rows(scores: pd.DataFrame, *, metrics: Iterable[str]) -> list[dict[str, Any]]:
    """Return one row for each model and regime, in the order of the scores."""
    groups = scores.groupby(["model", "regime"], sort=False)
    return [
        {"model": model, "regime": regime, "cells": _cells(part, metrics)}
        for (model, regime), part in groups
    ]


def site_rows(
    sites: pd.DataFrame, *, model: str, regime: str, metrics: Iterable[str]
) -> list[dict[str, Any]]:
    """Return one row for each site, the largest first."""
    chosen = sites[(sites["model"] == model) & (sites["regime"] == regime)]
    rows = [
        {
            "site": site,
            "n": int(part["n"].iloc[0]),
            "patients": int(part["n_positive"].iloc[0]),
            "cells": _cells(part, metrics),
        }
        for site, part in chosen.groupby("group")
    ]
    return sorted(rows, key=lambda row: (-row["n"], row["site"]))


def gap_rows(gaps: pd.DataFrame, *, metrics: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Return, for each phenotype, one row for each of its groups and one for the gap."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for (by, group), part in gaps.groupby(["by", "group"], sort=False):
        row = {
            "group": group,
            "n": int(part["n"].iloc[0]),
            "compared": bool(part["compared"].iloc[0]),
            "cells": _cells(part, metrics),
        }
        rows.setdefault(str(by), []).append(row)
    return rows


def chosen_rows(chosen: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Return what searches chose: one row for each model, regime and parameter."""
    if chosen is None or chosen.empty:
        return []
    rows = []
    for key, values in chosen.groupby(["model", "regime", "parameter"], sort=False)["value"]:
        counts = values.astype(str).value_counts()
        texts = ", ".join(f"{value} ({n})" for value, n in counts.head(6).items())
        more = f", and {len(counts) - 6} other values" if len(counts) > 6 else ""
        model, regime, parameter = key
        rows.append({"model": model, "regime": regime, "parameter": parameter})
        rows[-1] |= {"n": len(values), "values": texts + more}
    return rows


def _mean_sd(values: pd.Series, digits: int) -> str:
    """Format mean and standard deviation of what is known."""
    known = pd.to_numeric(values, errors="coerce").dropna()
    if known.empty:
        return "n/a"
    spread = f" ± {known.std():.{digits}f}" if len(known) > 1 else ""
    return f"{known.mean():.{digits}f}{spread}"


def _describe(part: pd.DataFrame) -> dict[str, str]:
    """Describe one group of participants by the columns that there are."""
    described = {"n": str(len(part))}
    if "age" in part.columns:
        described["age (years)"] = _mean_sd(part["age"], 1)
    if "sex" in part.columns:
        known = part["sex"].dropna()
        female = int((known == "female").sum())
        share = f" ({female / len(known):.0%})" if len(known) else ""
        described["female"] = f"{female} of {len(known)}{share}" if len(known) else "n/a"
    if "mean_fd" in part.columns:
        described["head motion (mean FD, mm)"] = _mean_sd(part["mean_fd"], 3)
    return described


def demographics(
    participants: pd.DataFrame | None, predictions: pd.DataFrame
) -> dict[str, dict[str, dict[str, str]]]:
    """Describe the participants who were analysed, by group and by site.

    Parameters
    ----------
    participants : DataFrame or None
        ``participant_id`` and any of ``age``, ``sex``, ``mean_fd``.
    predictions : DataFrame
        Gives the diagnosis and the site.

    Returns
    -------
    dict
        ``"group"`` and, where there are sites, ``"site"``: group -> what -> text.
    """
    people = predictions.drop_duplicates("participant_id")
    columns = [name for name in ("participant_id", "site", "y_true") if name in people.columns]
    people = people[columns]
    if participants is not None:
        known = [
            c for c in ("participant_id", "age", "sex", "mean_fd") if c in participants.columns
        ]
        unique = participants[known].drop_duplicates("participant_id")
        people = people.merge(unique, on="participant_id", how="left")
    groups = {"patients": people["y_true"] == 1, "controls": people["y_true"] == 0}
    described = {"group": {name: _describe(people[rows]) for name, rows in groups.items()}}
    described["group"]["all"] = _describe(people)
    if "site" in people.columns:
        described["site"] = {
            str(site): {"n": "", "patients": str(int(part["y_true"].sum()))} | _describe(part)
            for site, part in people.groupby("site", dropna=False)
        }
    return described


def flat(content: Mapping[str, Any], *, prefix: str = "") -> dict[str, str]:
    """Flatten nested provenance into names with dots.

    Examples
    --------
    >>> flat({"seed": 0, "data": {"atlas": "HO"}, "models": ["gcn", "motion"]})
    {'seed': '0', 'data.atlas': 'HO', 'models': 'gcn, motion'}
    """
    rows: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            rows |= flat(value, prefix=f"{prefix}{name}.")
        elif isinstance(value, list):
            rows[f"{prefix}{name}"] = ", ".join(map(str, value))
        elif value is not None:
            rows[f"{prefix}{name}"] = str(value)
    return rows
