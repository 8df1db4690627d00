"""What moved the predictions, whether to believe it, and a connectome to turn."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from brainograph.inspection.importances import places_of, summarize
from brainograph.report.words import number, p_value

__all__ = ["believed", "connectome", "explained"]

_MOST_ROWS = 15
_MOST_EDGES = 80
_AXES = ["x", "y", "z"]
_ENDS = ["region_a", "region_b"]
_KINDS = {
    "region": "regions",
    "region_a": "connections",
    "network": "networks",
    "start": "windows",
    "phenotype": "phenotypes",
    "neighbor": "neighbours",
    "input": "inputs",
}
_BESIDE = {
    "effect": "effect",
    "share_in_top": "in the top of fits",
    "p_fdr": "p, false discovery rate",
    "p_max": "p, largest of all",
}


def _summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each thing that is important, of the last class, the largest first."""
    if "class" in table and table["class"].nunique() > 1:
        table = table[table["class"] == table["class"].max()]
    if table.duplicated(places_of(table)).any() or "effect" not in table:
        return summarize(table.assign(importance=table["importance"].astype(float)))
    return table.sort_values("importance", ascending=False, kind="stable")


def _cell(name: str, value: object) -> str:
    """Format a number beside an importance."""
    value = float(value)  # type: ignore[arg-type]
    if name == "effect":
        return f"{value:.3g}".replace("-", "−")
    return p_value(value) if name.startswith("p_") else number(value)


def explained(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Return what to show of each table of importances.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        As :mod:`brainograph.inspection` makes them: ``importance`` with ``region``, with
        ``region_a`` and ``region_b``, with ``network`` and so on; other tables are left out.

    Returns
    -------
    list of dict
        ``name``, ``kind`` (``"regions"``, ``"connections"`` ...), the heads of ``beside``, the most
        important ``rows`` (``name``, ``importance``, ``share`` of the largest, ``beside``), and
        how many there were (``n``); regions first.

    Examples
    --------
    >>> table = pd.DataFrame({"region": ["a", "b", "a"], "importance": [0.2, 0.1, 0.6],
    ...                       "participant_id": [1, 1, 2]})
    >>> [(row["name"], round(row["importance"], 3)) for row in explained({"ig": table})[0]["rows"]]
    [('a', 0.4), ('b', 0.1)]
    """
    shown: list[dict[str, Any]] = []
    for name, table in tables.items():
        if "importance" not in table:
            continue
        found = _summary(table)
        places = places_of(found)
        beside = [column for column in _BESIDE if column in found]
        largest = float(found["importance"].abs().max()) or 1.0
        rows = [
            {
                "name": " – ".join(str(row[column]) for column in places),
                "importance": float(row["importance"]),
                "share": abs(float(row["importance"])) / largest,
                "beside": [_cell(column, row[column]) for column in beside],
            }
            for _, row in found.head(_MOST_ROWS).iterrows()
        ]
        heads = [_BESIDE[column] for column in beside]
        kind = _KINDS[places[0]]
        table_of = {"name": name.replace("_", " "), "kind": kind, "n": len(found)}
        shown.append(table_of | {"beside": heads, "rows": rows})
    order = list(_KINDS.values())
    return sorted(shown, key=lambda item: order.index(item["kind"]))


def believed(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Say what the tables of stability and of the randomisation check found.

    Examples
    --------
    >>> checked = pd.DataFrame({"randomized": ["all"], "rank_correlation": [0.1], "passed": [True]})
    >>> believed({"sanity": checked})
    ['sanity: the explanation changes when the model forgets what it learnt, as it should.']
    """
    said = []
    for name, table in tables.items():
        if {"rank_correlation", "jaccard"} <= set(table):
            correlation, overlap = table[["rank_correlation", "jaccard"]].astype(float).mean()
            chance = ""
            if "jaccard_by_chance" in table:
                chance = f" ({number(float(table['jaccard_by_chance'].mean()))} by chance)"
            said.append(
                f"{name}: between fits the ranks of the importances correlate by "
                f"{number(float(correlation))} on average, and the most important overlap by "
                f"{number(float(overlap))}{chance}, where 1 is the same."
            )
        elif {"randomized", "passed"} <= set(table):
            passed = table["passed"].astype(str).str.lower().eq("true").all()
            said.append(
                f"{name}: the explanation changes when the model forgets what it learnt, as it "
                f"should."
                if passed
                else f"{name}: the explanation hardly changes when the model forgets what it "
                f"learnt. Do not believe it."
            )
    return said


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
        As for :func:`explained`; any of them may hold the ``x``, ``y``, ``z`` of the regions. The
        first of regions and the first of connections are drawn.

    Returns
    -------
    dict or None
        ``nodes`` (name, x, y, z, importance in [0, 1]), ``edges`` (a, b, weight in [-1, 1]),
        ``placed`` (whether the places are known). None without a table of regions.

    Examples
    --------
    >>> table = pd.DataFrame({"region_a": ["a", "b"], "region_b": ["b", "c"],
    ...                       "importance": [4.0, -2.0]})
    >>> drawn = connectome({"edges": table})
    >>> [(node[0], node[-1]) for node in drawn["nodes"]], drawn["edges"]
    ([('a', 0.667), ('b', 1.0), ('c', 0.333)], [[0, 1, 1.0], [1, 2, -0.5]])
    """
    found = {
        tuple(places_of(table)): _summary(table)
        for table in reversed(list(tables.values()))
        if "importance" in table
    }
    if not {("region",), tuple(_ENDS)} & set(found):
        return None
    edges = found.get(tuple(_ENDS), pd.DataFrame(columns=[*_ENDS, "importance", "effect"]))
    edges = edges.head(_MOST_EDGES)
    if ("region",) in found:
        size = found["region",].set_index("region")["importance"].abs()
    else:
        ends = [edges.set_index(end)["importance"].abs() for end in _ENDS]
        size = pd.concat(ends).groupby(level=0).sum()
    size = size.astype(float) / (float(size.max()) or 1.0)
    weight = edges["effect"].astype(float)
    weight /= weight.abs().max() or 1.0
    names = list(dict.fromkeys([*size.index, *edges["region_a"], *edges["region_b"]]))
    where, placed = _places(tables, names)
    rank = {name: place for place, name in enumerate(names)}
    return {
        "nodes": [
            [str(name), *place.round(1).tolist(), round(float(size.get(name, 0.0)), 3)]
            for name, place in zip(names, where, strict=True)
        ],
        "edges": [
            [rank[a], rank[b], round(float(w), 3)]
            for a, b, w in zip(edges["region_a"], edges["region_b"], weight, strict=True)
        ],
        "placed": placed,
    }
