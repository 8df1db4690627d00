"""What a results folder holds, and what it lacks."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from brainograph.files import read_tsv
from brainograph.inspection.importances import places_of
from brainograph.metrics.task import read
from brainograph.report.target import Target, name_target

__all__ = ["Contents", "read_contents"]

_WITHOUT = {
    "provenance.json": "what was run, with which versions, is not known",
    "config.yaml": "the settings of the model are not known, and the methods say less",
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
    target : Target
        What was predicted.
    provenance : dict
        Empty if there is none.
    participants, failures, audit, chosen, histories : DataFrame or None
        The last three are there where an audit and searches were run and training was logged.
    explanations : dict of DataFrame
        The tables of the folder ``explanations`` by name.
    config : str or None
        The text of ``config.yaml``.
    settings : dict
        What the text says; empty if it cannot be read.
    hashes : dict
        SHA-256 of each file by name.
    notes : tuple of str
        One sentence for each file that is missing or unreadable.
    """

    folder: Path
    predictions: pd.DataFrame
    main: str
    target: Target
    provenance: dict[str, Any]
    participants: pd.DataFrame | None
    failures: pd.DataFrame | None
    audit: pd.DataFrame | None
    chosen: pd.DataFrame | None
    histories: pd.DataFrame | None
    explanations: dict[str, pd.DataFrame]
    config: str | None
    settings: dict[str, Any]
    hashes: dict[str, str]
    notes: tuple[str, ...]


def _mapping(
    name: str, text: str | None, parse: Callable[[str], Any], notes: list[str]
) -> dict[str, Any]:
    """Return what a JSON or YAML file says, or note that it cannot be read."""
    if text is None:
        return {}
    try:
        found = parse(text)
    except (ValueError, yaml.YAMLError) as error:
        notes.append(f"{name} could not be read ({error}).")
        return {}
    if not isinstance(found, dict):
        notes.append(f"{name} could not be read (it holds no object).")
        return {}
    return found


def _table(path: Path, notes: list[str], *needed: str) -> pd.DataFrame | None:
    """Return a table with the columns that it needs, or note why there is none."""
    if not path.is_file():
        return None
    try:
        table = read_tsv(path)
    except (ValueError, OSError) as error:
        notes.append(f"{path.name} could not be read ({error}).")
        return None
    missing = [name for name in needed if name not in table]
    if missing:
        notes.append(f"{path.name} could not be read (it has no column {', '.join(missing)}).")
        return None
    return table


def _participants(path: Path, predictions: pd.DataFrame, notes: list[str]) -> pd.DataFrame | None:
    """Return what is known of the participants, or note that it is about others."""
    table = _table(path, notes, "participant_id")
    if table is not None and not table["participant_id"].isin(predictions["participant_id"]).any():
        notes.append(f"{path.name} names nobody who was predicted, and is not used.")
        return None
    return table


def _main_first(
    predictions: pd.DataFrame, provenance: dict[str, Any], notes: list[str]
) -> pd.DataFrame:
    """Put the models in the order of the provenance, the main one first."""
    found = [str(name) for name in predictions["model"].unique()]
    models, main = provenance.get("models"), provenance.get("main")
    named = [str(name) for name in [main, *(models if isinstance(models, list) else [])]]
    if main is not None and named[0] not in found:
        notes.append(f"The main model {named[0]!r} has no predictions; {found[0]!r} is shown.")
    order = [name for name in dict.fromkeys([*named, *found]) if name in found]
    rank = predictions["model"].map({name: place for place, name in enumerate(order)})
    return predictions.iloc[rank.argsort(kind="stable")].reset_index(drop=True)


def _begun(folder: Path) -> str:
    """Say how much of an interrupted run is there."""
    n_folds = len(list(folder.glob("folds/*__*.tsv")))
    return f" A run that did not end left {n_folds} fits, which are kept." if n_folds else ""


def _explanations(folder: Path, notes: list[str]) -> dict[str, pd.DataFrame]:
    """Return the tables of a folder by name, without importances of nothing that is named."""
    tables = {}
    for path in sorted(folder.glob("*.tsv")):
        table = _table(path, notes)
        if table is None or not {"importance", "region", "rank_correlation"} & set(table):
            continue
        try:
            if "importance" in table:
                places_of(table.astype({"importance": float}))
            tables[path.stem] = table
        except ValueError as error:
            notes.append(f"explanations/{path.name} could not be read ({error})")
    return tables


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
            f"{folder} has no predictions.tsv, which every number comes from.{_begun(folder)} To "
            f"make it run `brainograph crossval CONFIG {folder}`."
        )
    text = {"model": str, "regime": str, "site": str, "participant_id": str}
    try:
        predictions = read_tsv(path)
    except ValueError as error:
        raise ValueError(
            f"{path} could not be read ({error}). To write it again run `brainograph crossval "
            f"CONFIG {folder}`."
        ) from error
    predictions = predictions.astype({k: t for k, t in text.items() if k in predictions.columns})
    if "site" in predictions.columns and predictions["site"].isna().all():
        predictions = predictions.drop(columns="site")
    if predictions.empty or "model" not in predictions.columns:
        raise ValueError(
            f"{path} has {len(predictions)} rows with the columns {list(predictions.columns)}. "
            f"To write it again run `brainograph crossval CONFIG {folder}`."
        )
    notes = [f"{name} is missing: {what}." for name, what in _WITHOUT.items()]
    notes = [note for note in notes if not (folder / note.split()[0]).is_file()]
    texts = {
        name: (folder / name).read_text(encoding="utf-8", errors="replace")
        for name in ("provenance.json", "config.yaml")
        if (folder / name).is_file()
    }
    provenance = _mapping("provenance.json", texts.get("provenance.json"), json.loads, notes)
    settings = _mapping("config.yaml", texts.get("config.yaml"), yaml.safe_load, notes)
    predictions = _main_first(predictions, provenance, notes)
    return Contents(
        folder=folder,
        predictions=predictions,
        main=str(predictions["model"].iloc[0]),
        target=name_target(read(predictions)[0], predictions, settings),
        provenance=provenance,
        participants=_participants(folder / "participants.tsv", predictions, notes),
        failures=_table(folder / "failures.tsv", notes, "participant_id"),
        audit=_table(folder / "audit.tsv", notes, "check", "status", "message"),
        chosen=_table(folder / "search.tsv", notes, "model", "regime", "parameter", "value"),
        histories=_table(folder / "histories.tsv", notes, "epoch"),
        explanations=_explanations(folder / "explanations", notes),
        config=texts.get("config.yaml"),
        settings=settings,
        hashes={
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("predictions.tsv", "splits.json", "config.yaml")
            if (folder / name).is_file()
        },
        notes=tuple(notes),
    )
