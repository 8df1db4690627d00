"""Merge cohorts of the same participants that were read with other parcellations."""

import warnings
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import pandas as pd

from brainograph.cohort import Cohort

__all__ = ["merge"]

Participants = Literal["shared", "identical"]


def merge(cohorts: Mapping[str, Cohort], *, participants: Participants = "shared") -> Cohort:
    """Put cohorts of the same participants into one, as its parcellations.

    The first is the main one: its regions, series and measures stay where they are. The others
    are sorted like it and become ``parcellations`` by their names. The phenotype has the columns
    of all; a value that one lacks is taken from the next.

    Parameters
    ----------
    cohorts : mapping of name to Cohort
        Two or more.
    participants : {"shared", "identical"}
        Whether to keep the participants that all have, or to refuse cohorts of others.

    Returns
    -------
    Cohort
        Who was dropped stands in ``failures``, with the cohort that lacks them and why.

    Raises
    ------
    ValueError
        If nobody is in all, if a phenotype differs between cohorts, or if a name is taken.

    Warns
    -----
    UserWarning
        How many participants were dropped and which cohort lacks them.

    Examples
    --------
    >>> ids = pd.DataFrame({"age": [20, 30]}, index=["sub-01", "sub-02"])
    >>> ho = Cohort(ids, pd.DataFrame(index=["Left Amygdala", "Right Amygdala"]))
    >>> cc = Cohort(ids[::-1], pd.DataFrame(index=["1", "2", "3"]))
    >>> merged = merge({"ho": ho, "cc200": cc})
    >>> merged
    Cohort of 2 participants, 2 regions: parcellations cc200 (3 regions)
    >>> merged.parcellations["cc200"].participant_ids
    ['sub-01', 'sub-02']
    """
    if participants not in get_args(Participants):
        raise ValueError(
            f"participants must be one of {get_args(Participants)}, got {participants!r}."
        )
    if len(cohorts) < 2:
        raise ValueError(f"merge needs two cohorts or more, got {list(cohorts)}.")
    (main_name, main), *others = cohorts.items()
    taken = [name for name, _ in others if name in main.parcellations]
    if taken:
        raise ValueError(f"{main_name} has parcellations {taken} already. Give others new names.")
    dropped = _dropped(cohorts)
    ids = [name for name in main.participant_ids if name not in set(dropped["participant_id"])]
    if not ids:
        examples = {name: one.participant_ids[:2] for name, one in cohorts.items()}
        raise ValueError(f"no participant is in all cohorts; they are called {examples}.")
    if len(dropped):
        counts = ", ".join(
            f"{n} not in {name}" for name, n in dropped["source"].value_counts().items()
        )
        said = (
            f"{dropped['participant_id'].nunique()} participants are not in all cohorts: {counts}"
        )
        if participants == "identical":
            raise ValueError(f"{said}. Write participants='shared' to keep the other {len(ids)}.")
        warnings.warn(f"{said}. {len(ids)} are kept.", stacklevel=2)
    aligned = {name: one[one.locate(ids)] for name, one in cohorts.items()}
    kept = aligned.pop(main_name)
    phenotype = kept.phenotype
    for name, one in aligned.items():
        phenotype = _joined(phenotype, one.phenotype, name)
    return kept.assign(
        phenotype=phenotype,
        parcellations=aligned,
        failures=pd.concat([main.failures, dropped], ignore_index=True),
    )


def _dropped(cohorts: Mapping[str, Cohort]) -> pd.DataFrame:
    """Return who is lacking in which cohort, with the reason it gives."""
    everybody = dict.fromkeys(name for one in cohorts.values() for name in one.participant_ids)
    rows = []
    for source, one in cohorts.items():
        reasons = dict(one.failures[["participant_id", "reason"]].to_numpy().tolist())
        here = set(one.participant_ids)
        for name in everybody:
            if name not in here:
                reason = reasons.get(name)
                rows.append((name, source, f"not in {source}" + (f": {reason}" if reason else "")))
    return pd.DataFrame(rows, columns=["participant_id", "source", "reason"])


def _joined(phenotype: pd.DataFrame, other: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the columns of both (S, .), or say where they disagree."""
    for column in phenotype.columns.intersection(other.columns):
        differ = _differ(phenotype[column], other[column])
        if differ.any():
            who = phenotype.index[differ][0]
            raise ValueError(
                f"the phenotype {column!r} of {name} differs for {differ.sum()} participants: "
                f"{who} has {phenotype[column][who]} and there {other[column][who]}. Correct "
                f"it, or leave it out: other.assign(phenotype=other.phenotype.drop(columns="
                f"{column!r}))."
            )
    columns = [*phenotype, *other.columns.difference(phenotype.columns, sort=False)]
    return phenotype.combine_first(other)[columns]


def _differ(one: pd.Series, other: pd.Series) -> np.ndarray:
    """Return where two columns both have a value, and not the same (S,)."""
    both = (one.notna() & other.notna()).to_numpy()
    if all(pd.api.types.is_numeric_dtype(column) for column in (one, other)):
        here, there = (c.to_numpy(dtype=float, na_value=np.nan) for c in (one, other))
        return both & ~np.isclose(here, there, rtol=1e-6)
    return both & (one.astype(str) != other.astype(str)).to_numpy()
