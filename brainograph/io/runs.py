"""Several runs of a participant: one series of all of them, or one for each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from brainograph.io.bids import BIDSFile
from brainograph.io.collect import Result, failure_table, refuse_nothing

__all__ = ["Runs", "check_runs", "merge_runs", "one_of"]

Runs = Literal["concatenate", "separate"]


def check_runs(runs: str) -> None:
    """Refuse what is not a way to treat runs."""
    if runs not in get_args(Runs):
        raise ValueError(
            f"runs must be one of {get_args(Runs)}, got {runs!r}. For one row for each run write "
            'runs="separate".'
        )


def one_of(files: Sequence[BIDSFile], entity: str, given: str | None) -> list[BIDSFile]:
    """Return the files with that value of an entity; without one, all must have the same.

    Raises
    ------
    ValueError
        If several values are there and none is given, or if none has the one given.
    """
    found = sorted({file.entities.get(entity, "") for file in files})
    if given is None and len(found) > 1:
        named = ", ".join(value or "(none)" for value in found)
        example = next(value for value in found if value)
        raise ValueError(
            f"The scans have several values of {entity!r}: {named}. Choose one: "
            f"{entity}={example!r}."
        )
    chosen = [file for file in files if given is None or file.entities.get(entity) == given]
    if files and not chosen:
        raise ValueError(
            f"No scan has {entity}={given!r}; there are {', '.join(found) or 'none'}. "
            f"Write {entity}={found[0]!r}."
        )
    return chosen


def merge_runs(
    results: Mapping[str, Result],
    failures: pd.DataFrame,
    *,
    files: Mapping[str, BIDSFile],
    phenotype: pd.DataFrame,
    runs: Runs,
) -> tuple[dict[str, Result], pd.DataFrame, pd.DataFrame, dict[str, list[Path]]]:
    """Bring the results of single runs to one for each row of the cohort.

    Returns results, failures, phenotype and sources, all by row. Concatenated rows are named by
    participant and count their runs in ``n_runs``; separate rows are named by run and have the
    participant in ``group``, by which splits keep them together.
    """
    person = {run: file.participant for run, file in files.items()}
    failures = failures.assign(
        participant_id=failures["participant_id"].map(lambda key: person.get(key, key))
    )
    if runs == "separate":
        rows = phenotype.loc[[person[run] for run in results]].set_axis(list(results))
        if "group" in rows:
            rows = rows.rename(columns={"group": "participants_group"})
        rows["group"] = [person[run] for run in results]
        return dict(results), failures, rows, {run: [files[run].path] for run in results}
    by_person: dict[str, list[str]] = {}
    for run in results:
        by_person.setdefault(person[run], []).append(run)
    odd = {key: _obstacle([results[run] for run in mine]) for key, mine in by_person.items()}
    rows = [
        (key, str(files[by_person.pop(key)[0]].path), reason)
        for key, reason in odd.items()
        if reason
    ]
    failures = pd.concat([failures, failure_table(rows)], ignore_index=True)
    if not by_person:
        refuse_nothing(list(zip(failures["source"], failures["reason"], strict=True)))
    merged = {key: _concatenated([results[run] for run in mine]) for key, mine in by_person.items()}
    sources = {key: [files[run].path for run in mine] for key, mine in by_person.items()}
    n_runs = [len(mine) for mine in by_person.values()]
    return merged, failures, phenotype.loc[list(merged)].assign(n_runs=n_runs), sources


def _obstacle(runs: Sequence[Result]) -> str:
    """Return why these runs cannot be joined in time; nothing if they can."""
    if len({tuple(run.get("regions", np.empty(0)).tolist()) for run in runs}) > 1:
        return "its runs have different regions"
    found = (run["repetition_time"] for run in runs if "repetition_time" in run)
    seconds = list(dict.fromkeys(round(float(one), 3) for one in found))
    if len(seconds) > 1:
        return (
            f"its runs have different repetition times: {', '.join(map(str, seconds))} s; "
            "read them with runs='separate'"
        )
    return ""


def _concatenated(runs: list[Result]) -> Result:
    """Join the series of runs in time; numbers are averaged, weighted by volumes."""
    lengths = [len(run["timeseries"]) for run in runs]
    merged: Result = {"timeseries": np.concatenate([run["timeseries"] for run in runs])}
    if "regions" in runs[0]:
        merged["regions"] = runs[0]["regions"]
    for name in runs[0]:
        if runs[0][name].ndim == 0 and all(name in run for run in runs):
            merged[name] = np.asarray(np.average([run[name] for run in runs], weights=lengths))
    return merged
