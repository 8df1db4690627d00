"""What a results folder holds, and what it lacks."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from brainograph.files import read_tsv

__all__ = ["Contents", "read_contents"]

_WITHOUT = {
    "provenance.json": "what was run, with which versions, is not known",
    "config.yaml": "the resolved configuration is not shown",
    "splits.json": "the folds are described from the predictions",
    "failures.tsv": "participants that could not be read are not listed",
    "participants.tsv": "age, sex and head motion of the groups are not described",
}


@dataclass(frozen=True)
class Contents:
    """The files of a results folder, read.

    Parameters
    ----------
    folder : Path
    predictions : DataFrame
        As for :func:`brainograph.metrics.score`, the main model's rows first.
    main : str
        Name of the main model.
    provenance : dict
        Empty if there is none.
    participants, failures, audit, chosen : DataFrame or None
        The last two are there where an audit and searches were run.
    config : str or None
        The text of ``config.yaml``.
    hashes : dict
        SHA-256 of each file by name.
    notes : tuple of str
        One sentence for each file that is missing or unreadable.
    """

    folder: Path
    predictions: pd.DataFrame
    main: str
    provenance: dict[str, Any]
    participants: pd.DataFrame | None
    failures: pd.DataFrame | None
    audit: pd.DataFrame | None
    chosen: pd.DataFrame | None
    config: str | None
    hashes: dict[str, str]
    notes: tuple[str, ...]


def _provenance(text: str | None, notes: list[str]) -> dict[str, Any]:
    """Return the provenance, or note that it is no JSON object."""
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        notes.append(f"provenance.json could not be read ({error}).")
        return {}
    if not isinstance(found, dict):
        notes.append("provenance.json could not be read (it holds no object).")
        return {}
    return found


def _table(path: Path, notes: list[str], *, needed: str = "participant_id") -> pd.DataFrame | None:
    """Return a table with the column that it needs, or note why there is none."""
    if not path.is_file():
        return None
    try:
        table = read_tsv(path)
    except (ValueError, OSError) as error:
        notes.append(f"{path.name} could not be read ({error}).")
        return None
    if needed not in table.columns:
        notes.append(f"{path.name} could not be read (it has no column {needed}).")
        return None
    return table


def _main_first(
    predictions: pd.DataFrame, provenance: dict[str, Any], notes: list[str]
) -> pd.DataFrame:
    """Put the models in the order of the provenance, the main one first."""
    found = [str(name) for name in predictions["model"].unique()]
    named = [provenance.get("main"), *(provenance.get("models") or [])]
    if named[0] is not None and named[0] not in found:
        notes.append(f"The main model {named[0]!r} has no predictions; {found[0]!r} is shown.")
    order = [name for name in dict.fromkeys([*named, *found]) if name in found]
    rank = predictions["model"].map({name: place for place, name in enumerate(order)})
    return predictions.iloc[rank.argsort(kind="stable")].reset_index(drop=True)


def read_contents(folder: str | os.PathLike[str]) -> Contents:
    """Read a results folder; only ``predictions.tsv`` has to be there.

    Raises
    ------
    FileNotFoundError
        If there is no ``predictions.tsv``.
    ValueError
        If ``predictions.tsv`` has no rows or no column ``model``.
    """
    folder = Path(folder)
    path = folder / "predictions.tsv"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no predictions.tsv, which every number comes from. To make it run "
            f"`brainograph crossval CONFIG {folder}`."
        )
    text = {"model": str, "regime": str, "site": str, "participant_id": str}
    predictions = read_tsv(path)
    predictions = predictions.astype({k: t for k, t in text.items() if k in predictions.columns})
    if "site" in predictions.columns and predictions["site"].isna().all():
        predictions = predictions.drop(columns="site")
    if predictions.empty or "model" not in predictions.columns:
        raise ValueError(
            f"{path} has {len(predictions)} rows with the columns {list(predictions.columns)}. "
            f"To write it again run `brainograph crossval CONFIG {folder}`."
        )
    if {"y_pred", "p_0"} & set(predictions.columns):
        raise ValueError(
            f"{path} holds predictions of more than two classes or of a number, which the report "
            f"does not show yet. Their scores are in {folder / 'metrics.tsv'}."
        )
    notes = [f"{name} is missing: {what}." for name, what in _WITHOUT.items()]
    notes = [note for note in notes if not (folder / note.split()[0]).is_file()]
    texts = {
        name: (folder / name).read_text(encoding="utf-8", errors="replace")
        for name in ("provenance.json", "config.yaml")
        if (folder / name).is_file()
    }
    provenance = _provenance(texts.get("provenance.json"), notes)
    predictions = _main_first(predictions, provenance, notes)
    return Contents(
        folder=folder,
        predictions=predictions,
        main=str(predictions["model"].iloc[0]),
        provenance=provenance,
        participants=_table(folder / "participants.tsv", notes),
        failures=_table(folder / "failures.tsv", notes),
        audit=_table(folder / "audit.tsv", notes, needed="check"),
        chosen=_table(folder / "search.tsv", notes, needed="parameter"),
        config=texts.get("config.yaml"),
        hashes={
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("predictions.tsv", "splits.json", "config.yaml")
            if (folder / name).is_file()
        },
        notes=tuple(notes),
    )
