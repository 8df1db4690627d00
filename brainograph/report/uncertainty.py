"""Whether the model knows when it is wrong, and whether its sets hold what they promise."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from brainograph.metrics.uncertainty import selective_risk, set_coverage
from brainograph.report.target import Target
from brainograph.report.words import interval, number

__all__ = ["UNCERTAINTIES", "coverage_rows", "selective", "uncertainty_rows"]

UNCERTAINTIES = ("entropy", "mutual_information", "y_std", "uncertainty")


def selective(of_main: pd.DataFrame) -> dict[str, str]:
    """Say what is gained by leaving the least sure fifth of the participants uncalled."""
    row = selective_risk(of_main).iloc[0]
    return {name: f"{100 * row[name]:.1f} %" for name in ("error", "error_at_80")} | {
        "aurc": number(float(row["aurc"]), 3)
    }


def _wrong(of_main: pd.DataFrame, target: Target) -> pd.Series:
    """Return how wrong each prediction is: 0 or 1 of a class, the distance of a number."""
    if target.kind == "regression":
        return (of_main["y_pred"] - of_main["y_true"]).abs()
    if target.kind == "binary":
        return ((of_main["y_score"] >= 0.5) != (of_main["y_true"] == 1)).astype(float)
    names = [f"p_{k}" for k in range(len(target.classes))]
    return (of_main[names].to_numpy().argmax(axis=1) != of_main["y_true"]).astype(float)


def uncertainty_rows(of_main: pd.DataFrame, target: Target) -> list[dict[str, str]]:
    """Return, for each column of uncertainty, whether it is higher where the model is wrong.

    Examples
    --------
    >>> from brainograph.metrics.binary import BINARY
    >>> rows = {"y_true": [0, 1, 1], "y_score": [0.1, 0.2, 0.9], "entropy": [0.1, 0.6, 0.2]}
    >>> target = Target(BINARY, "diagnosis", ("controls", "patients"))
    >>> uncertainty_rows(pd.DataFrame(rows), target)
    [{'name': 'entropy', 'right': '0.150', 'wrong': '0.600', 'auc': '1.00'}]
    """
    wrong = _wrong(of_main, target)
    wrong = wrong > (wrong.median() if target.kind == "regression" else 0)
    rows = []
    for name in UNCERTAINTIES:
        if name not in of_main:
            continue
        values = pd.to_numeric(of_main[name], errors="coerce")
        known = np.isfinite(values)
        both = wrong[known].nunique() == 2
        auc = roc_auc_score(wrong[known], values[known]) if both else np.nan
        rows.append(
            {
                "name": name.replace("_", " "),
                "right": number(float(values[known & ~wrong].mean()), 3),
                "wrong": number(float(values[known & wrong].mean()), 3),
                "auc": number(float(auc)),
            }
        )
    return rows


def coverage_rows(of_main: pd.DataFrame, target: Target) -> list[dict[str, Any]]:
    """Return how often the conformal sets of the predictions hold the truth, by site.

    Parameters
    ----------
    of_main : DataFrame
        With columns ``set_0``, ``set_1`` ...: whether a class is in the set. Of several repeats
        the first is counted, so that each participant counts once.
    target : Target

    Returns
    -------
    list of dict
        Empty where the predictions hold no sets.
    """
    names = [f"set_{k}" for k in range(len(target.classes))]
    if not names or not set(names) <= set(of_main):
        return []
    of_main = of_main[of_main["repeat"] == of_main["repeat"].min()]
    group = of_main["site"].to_numpy() if "site" in of_main else None
    sets = of_main[names].to_numpy(float) > 0
    table = set_coverage(sets, of_main["y_true"].to_numpy(int), group=group)
    return [
        {
            "group": row["group"],
            "n": int(row["n"]),
            "coverage": f"{100 * row['coverage']:.1f} %",
            "interval": interval(100 * row["low"], 100 * row["high"], 0) + " %",
            "size": number(float(row["size"])),
            "single": f"{100 * row['single']:.0f} %",
        }
        for _, row in table.iterrows()
    ]
