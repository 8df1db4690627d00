"""Tables of importances: over participants, from edges to regions, over fits."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

__all__ = ["consensus", "places_of", "summarize", "to_regions"]

_PLACES = (
    ["region_a", "region_b"],
    ["region"],
    ["network"],
    ["start", "stop"],
    ["phenotype"],
    ["neighbor"],
    ["input"],
)


def places_of(table: pd.DataFrame) -> list[str]:
    """Return the columns that say what is important: ``region``, or ``region_a``, ``region_b``, ...

    A ``channel`` comes last.

    Raises
    ------
    ValueError
        If the table is not one of importances.
    """
    for columns in _PLACES:
        if {*columns, "importance"} <= set(table.columns):
            return [*columns, *(["channel"] if "channel" in table else [])]
    raise ValueError(
        f"the table has the columns {list(table.columns)}. Needed are importance and one of "
        f"{[', '.join(columns) for columns in _PLACES]}, as attribute and occlude return them."
    )


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """Average importances over participants, the largest first.

    Importances that several inputs give one thing are added first; several classes count like
    several participants.

    Parameters
    ----------
    table : DataFrame
        Of :func:`~brainograph.inspection.attribute`, :func:`~brainograph.inspection.occlude` and
        the like.

    Returns
    -------
    DataFrame
        What is important, ``importance`` (mean over participants of its size), ``effect``
        (mean with its sign) and ``n`` participants.

    Examples
    --------
    >>> rows = {"participant_id": ["a", "b"], "region": ["r", "r"], "importance": [1.0, -3.0]}
    >>> summarize(pd.DataFrame(rows))
      region  importance  effect  n
    0      r         2.0    -1.0  2
    """
    places = places_of(table)
    people = [name for name in ("participant_id", "class") if name in table]
    each = table.groupby([*people, *places], observed=True, sort=False)["importance"].sum()
    each = each.droplevel(people) if people else each
    frame = pd.DataFrame({"importance": each.abs(), "effect": each, "n": 1})
    grouped = frame.groupby(level=places, observed=True, sort=False)
    means = grouped[["importance", "effect"]].mean().assign(n=grouped["n"].sum())
    return means.sort_values("importance", ascending=False, kind="stable").reset_index()


def to_regions(edges: pd.DataFrame, *, signed: bool = False) -> pd.DataFrame:
    """Give each region half the importance of every one of its edges.

    Parameters
    ----------
    edges : DataFrame
        With ``region_a``, ``region_b`` and ``importance``.
    signed : bool
        Whether edges of opposite sign cancel; otherwise their sizes are added.

    Returns
    -------
    DataFrame
        The other columns, ``region`` and ``importance``. A region's own value (an edge with
        itself) counts whole.

    Examples
    --------
    >>> rows = {"region_a": ["a", "a"], "region_b": ["b", "c"], "importance": [2.0, -4.0]}
    >>> to_regions(pd.DataFrame(rows))
      region  importance
    0      a         3.0
    1      b         1.0
    2      c         2.0
    """
    if places_of(edges) != ["region_a", "region_b"]:
        raise ValueError("needed are edges: a table with region_a, region_b and importance.")
    half = edges["importance"] / 2 if signed else edges["importance"].abs() / 2
    others = [n for n in edges if n not in ("region_a", "region_b", "importance", "effect", "n")]
    ends = [
        edges[others].assign(region=edges[end].astype(object), importance=half)
        for end in ("region_a", "region_b")
    ]
    both = pd.concat(ends, ignore_index=True)
    keys = [*others, "region"]
    return both.groupby(keys, observed=True, sort=False)["importance"].sum().reset_index()


def consensus(tables: Mapping[str, pd.DataFrame], *, k: int = 10) -> pd.DataFrame:
    """Average importances over fits: folds, seeds, models.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        One for each fit, as of :func:`explain_folds`.
    k : int
        What counts as the top.

    Returns
    -------
    DataFrame
        What is important, ``importance`` and its standard deviation ``sd`` over fits, ``effect``,
        and ``share_in_top``: in how many of the fits it is among the k largest.

    Examples
    --------
    >>> one = pd.DataFrame({"region": ["a", "b"], "importance": [3.0, 1.0]})
    >>> two = pd.DataFrame({"region": ["a", "b"], "importance": [1.0, 2.0]})
    >>> consensus({"fold 0": one, "fold 1": two}, k=1)["share_in_top"].tolist()
    [0.5, 0.5]
    """
    summaries = [summarize(table) for table in tables.values()]
    places = places_of(summaries[0])
    together = pd.concat([one.assign(top=np.arange(len(one)) < k) for one in summaries])
    grouped = together.groupby(places, observed=True, sort=False)
    found = pd.DataFrame(
        {
            "importance": grouped["importance"].mean(),
            "sd": grouped["importance"].std(),
            "effect": grouped["effect"].mean(),
            "share_in_top": grouped["top"].sum() / len(summaries),
        }
    )
    return found.sort_values("importance", ascending=False, kind="stable").reset_index()
