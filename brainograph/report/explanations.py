"""Which regions and connections moved the predictions, and a connectome to turn."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["connectome", "explained"]

_MOST_ROWS = 15
_MOST_EDGES = 120
_AXES = ["x", "y", "z"]
_ENDS = ["region_a", "region_b"]


def _label(name: str) -> str:
    return name.replace("_", " ")


def _mean(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean importance over participants, of the last class, summed over inputs."""
    table = table.assign(importance=pd.to_numeric(table["importance"], errors="coerce"))
    table = table.dropna(subset=[*by, "importance"])
    if "class" in table and table["class"].nunique() > 1:
        table = table[table["class"] == table["class"].max()]
    apart = [name for name in ("participant_id", "model", "repeat", "fold") if name in table]
    if apart:
        table = table.groupby([*apart, *by], sort=False)["importance"].sum().reset_index()
    mean = table.groupby(by, sort=False)["importance"].agg(["mean", "std", "size"]).reset_index()
    return mean.iloc[mean["mean"].abs().argsort(kind="stable")[::-1]].reset_index(drop=True)


def explained(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Return what to show of each table of explanations.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        ``importance`` with ``region``, or with ``region_a`` and ``region_b``; optional
        ``participant_id``, ``class``, ``input`` and ``p_value``.

    Returns
    -------
    list of dict
        ``name``, ``kind`` (``"regions"`` or ``"connections"``), ``rows`` of the most important
        (``name``, ``importance``, ``share`` of the largest), ``n`` rows there were.

    Examples
    --------
    >>> table = pd.DataFrame({"region": ["a", "b", "a"], "importance": [0.2, 0.1, 0.6],
    ...                       "participant_id": [1, 1, 2]})
    >>> [(row["name"], round(row["importance"], 3)) for row in explained({"ig": table})[0]["rows"]]
    [('a', 0.4), ('b', 0.1)]
    """
    shown = []
    for name, table in tables.items():
        by = _regions_of(table)
        if "importance" not in table or not by:
            continue
        mean = _mean(table, by)
        largest = float(mean["mean"].abs().max()) if len(mean) else 0.0
        rows = [
            {
                "name": " – ".join(str(row[column]) for column in by),
                "importance": float(row["mean"]),
                "share": abs(float(row["mean"])) / largest if largest else 0.0,
            }
            for _, row in mean.head(_MOST_ROWS).iterrows()
        ]
        kind = "regions" if by == ["region"] else "connections"
        shown.append({"name": _label(name), "kind": kind, "rows": rows, "n": len(mean)})
    return shown


def _regions_of(table: pd.DataFrame) -> list[str]:
    """Return the columns that name what a row is about."""
    if set(_ENDS) <= set(table):
        return _ENDS
    return ["region"] if "region" in table else []


def _places(tables: Mapping[str, pd.DataFrame], names: list[str]) -> tuple[np.ndarray, bool]:
    """Return where regions are, in MNI millimetres; on a circle if one of them is not known."""
    known = [table for table in tables.values() if {"region", *_AXES} <= set(table)]
    if known:
        places = pd.concat(known).drop_duplicates("region").set_index("region")[_AXES]
        found = places.apply(pd.to_numeric, errors="coerce").reindex(names).to_numpy(float)
        if np.isfinite(found).all():
            return found, True
    angle = 2 * np.pi * np.arange(len(names)) / max(len(names), 1)
    return np.column_stack([70 * np.cos(angle), 70 * np.sin(angle) - 18, 0 * angle]), False


def connectome(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    """Return the nodes and the strongest edges of a connectome, for the page to draw.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        As for :func:`explained`; any of them may hold the ``x``, ``y``, ``z`` of the regions.

    Returns
    -------
    dict or None
        ``nodes`` (name, x, y, z, importance in [0, 1]), ``edges`` (a, b, weight in [-1, 1]),
        ``placed`` (whether the places are known). None without a table of regions.
    """
    named = [(_regions_of(table), table) for table in tables.values() if "importance" in table]
    means = {len(by): _mean(table, by) for by, table in reversed(named) if by}
    if not means:
        return None
    edges = means.get(2, pd.DataFrame(columns=[*_ENDS, "mean"])).head(_MOST_EDGES)
    if 1 in means:
        size = means[1].set_index("region")["mean"].abs()
    else:
        size = (
            pd.concat([edges.set_index(end)["mean"].abs() for end in _ENDS]).groupby(level=0).sum()
        )
    size /= size.max() or 1.0
    weight = edges["mean"] / (edges["mean"].abs().max() or 1.0)
    names = list(dict.fromkeys([*size.index, *edges["region_a"], *edges["region_b"]]))
    places, placed = _places(tables, names)
    number = {name: place for place, name in enumerate(names)}
    return {
        "nodes": [
            [str(name), *place.round(1).tolist(), round(float(size.get(name, 0.0)), 3)]
            for name, place in zip(names, places, strict=True)
        ],
        "edges": [
            [number[a], number[b], round(float(w), 3)]
            for a, b, w in zip(edges["region_a"], edges["region_b"], weight, strict=True)
        ],
        "placed": placed,
    }
