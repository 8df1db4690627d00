"""Rows of the report's tables, as text."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from brainograph.metrics.multiclass import class_columns
from brainograph.report.target import Target
from brainograph.report.words import interval, number

__all__ = [
    "audit_rows",
    "chosen_rows",
    "class_rows",
    "confusion",
    "gap_rows",
    "score_rows",
    "site_rows",
]


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


def class_rows(
    scores: pd.DataFrame, target: Target, *, metrics: Iterable[str]
) -> list[dict[str, Any]]:
    """Return one row for each of several classes against the rest, of one model and regime."""
    rows = scores[scores["class"] != "all"]
    return [
        {
            "class": target.classes[int(label)],
            "n": int(part["n_positive"].iloc[0]),
            "cells": _cells(part, metrics),
        }
        for label, part in rows.groupby("class")
    ]


def site_rows(
    sites: pd.DataFrame, target: Target, *, metrics: Iterable[str]
) -> list[dict[str, Any]]:
    """Return one row for each site, the largest first; of the first class only how many."""
    rows = [
        {
            "site": site,
            "n": int(part["n"].iloc[0]),
            "members": int(part["n_positive"].iloc[0]) if target.kind == "binary" else None,
            "cells": _cells(part, metrics),
        }
        for site, part in sites.groupby("group")
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


def audit_rows(audit: pd.DataFrame) -> list[dict[str, str]]:
    """Return the findings, the worst first."""
    columns = ["check", "status", "message", "expected"]
    order = {name: rank for rank, name in enumerate(("fail", "warn", "pass", "skipped"))}
    worst = audit.reindex(columns=columns)
    worst = worst.sort_values("status", key=lambda s: s.map(order), kind="stable")
    return worst.astype(object).where(worst.notna(), "").astype(str).to_dict("records")


def confusion(predictions: pd.DataFrame, target: Target) -> list[dict[str, Any]]:
    """Count, in each class, who was called what: means over repeats, and shares of the class.

    Parameters
    ----------
    predictions : DataFrame
        Of one model in one regime. Two classes are told apart at the column ``threshold``, or at
        0.5; of several the likeliest is called.
    target : Target

    Returns
    -------
    list of dict
        One for each class: ``name`` and ``cells`` of ``count`` and ``share``.

    Examples
    --------
    >>> from brainograph.metrics.binary import BINARY
    >>> rows = {"repeat": 0, "y_true": [0, 0, 1], "y_score": [0.1, 0.7, 0.6]}
    >>> target = Target(BINARY, "diagnosis", ("controls", "patients"))
    >>> [[c["count"] for c in row["cells"]] for row in confusion(pd.DataFrame(rows), target)]
    [[1.0, 1.0], [0.0, 1.0]]
    """
    if target.kind == "binary":
        threshold = predictions["threshold"].to_numpy() if "threshold" in predictions else 0.5
        called = (predictions["y_score"].to_numpy() >= threshold).astype(int)
    else:
        called = predictions[class_columns(predictions)].to_numpy().argmax(axis=1)
    n = len(target.classes)
    counts = np.zeros((n, n))
    np.add.at(counts, (predictions["y_true"].to_numpy(int), called), 1)
    counts /= predictions["repeat"].nunique()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
    return [
        {
            "name": name,
            "cells": [
                {"count": float(count), "share": float(share)}
                for count, share in zip(counts[k], shares[k], strict=True)
            ],
        }
        for k, name in enumerate(target.classes)
    ]
