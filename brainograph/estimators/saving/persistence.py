"""Model folders: tensors, tables and JSON; loading one never runs code that came with it."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd
import skops.io
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

import brainograph
from brainograph.files import json_text, read_tsv, replace_on_success, write_json, write_tsv

__all__ = ["SavedModel", "read_facts", "read_model", "write_model"]

_FORMAT = 1
_RUN_CODE = (".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".bin", ".ckpt", ".py")


@dataclass(frozen=True)
class SavedModel:
    """What a model folder holds.

    Parameters
    ----------
    facts : mapping
        JSON values: hyper-parameters, classes, region names.
    tensors : mapping of name to tensor
        Weights, features and graphs (``tensors.safetensors``).
    objects : mapping of name to scikit-learn estimator
        Fitted transformers (``transformers.skops``).
    tables : mapping of name to DataFrame
        Tables, written as TSV.
    """

    facts: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    objects: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]


def write_model(model: SavedModel, folder: str | os.PathLike[str]) -> Path:
    """Write a model folder, whole or not at all.

    Raises
    ------
    FileExistsError
        If the folder exists and is not a model folder.
    ValueError
        If a transformer could not be loaded again without running code.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / "model.json").is_file() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} exists and is not a model. Choose another folder.")
    with replace_on_success(folder) as part:
        part.mkdir()
        tensors = {name: tensor.cpu().contiguous() for name, tensor in model.tensors.items()}
        save_file(tensors, part / "tensors.safetensors")
        _dump(model.objects, part / "transformers.skops")
        _trusted_types(part / "transformers.skops")
        for name, table in model.tables.items():
            write_tsv(table, part / f"{name}.tsv")
        files = {path.name: _sha256(path) for path in sorted(part.iterdir())}
        facts = {
            "format": _FORMAT,
            "brainograph": brainograph.__version__,
            "tables": list(model.tables),
            "sha256": files,
            **model.facts,
        }
        write_json({**facts, "checksum": _checksum(facts)}, part / "model.json")
    return folder


def _dump(objects: Mapping[str, Any], path: Path) -> None:
    """Write transformers, or say which cannot be written without code."""
    try:
        skops.io.dump(dict(objects), path)
    except RuntimeError as error:  # skops meets a tensor
        raise ValueError(
            "a network inside of features (DeepFeatures, DenoisingFeatures) cannot be saved with "
            "them. Save the network by itself (SubjectGraphClassifier.save), or build the feature "
            "pipeline of transformers of scikit-learn and brainograph."
        ) from error


def read_model(folder: str | os.PathLike[str]) -> SavedModel:
    """Read a model folder.

    Raises
    ------
    FileNotFoundError
        If the folder is not a model, or lacks a file.
    ValueError
        If a file was changed after the model was saved, or holds types that are neither
        scikit-learn's nor ours.
    """
    folder = Path(folder)
    facts = read_facts(folder)
    for name, expected in facts["sha256"].items():
        if not (folder / name).is_file():
            raise FileNotFoundError(f"the model {folder} lacks its file {name}.")
        if _sha256(folder / name) != expected:
            raise ValueError(_changed(folder / name))
    transformers = folder / "transformers.skops"
    return SavedModel(
        facts,
        _tensors(folder / "tensors.safetensors"),
        skops.io.load(transformers, trusted=_trusted_types(transformers)),
        {name: read_tsv(folder / f"{name}.tsv") for name in facts["tables"]},
    )


def _refuse_pickles(folder: Path) -> None:
    """Refuse a folder with files that run code when they are opened; no model of ours has any."""
    files = [*folder.glob("*"), *folder.glob("*/*")]
    found = sorted(p.name for p in files if p.suffix.lower() in _RUN_CODE)
    if found:
        raise ValueError(
            f"{folder} holds {', '.join(found[:5])}, a kind of file that can run code when it is "
            "opened, and that no model of brainograph has. It is not opened. Ask its maker for a "
            "model written by `brainograph fit`."
        )


def read_facts(folder: Path) -> dict[str, Any]:
    """Read ``model.json``, or refuse what was changed since it was written."""
    _refuse_pickles(folder)
    path = folder / "model.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} is not a model: it has no model.json. Make one with "
            f"`brainograph fit CONFIG {folder}`."
        )
    try:
        facts = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(_changed(path)) from error
    if facts.get("format", 0) > _FORMAT:
        raise ValueError(
            f"{path.parent} has format {facts['format']}, this version reads up to {_FORMAT}. "
            "Write `pip install --upgrade brainograph`."
        )
    if facts.pop("checksum", None) != _checksum(facts):
        raise ValueError(_changed(path))
    return facts


def _tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors, or refuse a file that is something else under their name."""
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"{path} does not hold tensors ({error}). It is not opened in any other way. Get the "
            "model anew from where it came from."
        ) from error


def _changed(path: Path) -> str:
    return (
        f"{path} was changed after the model was saved: its SHA-256 does not fit. Get the model "
        "anew from where it came from."
    )


def _checksum(facts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what ``model.json`` says, whatever its layout."""
    text = json.dumps(json.loads(json_text(facts)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _trusted_types(path: Path) -> list[str]:
    """Return the types of ours in a file; those of neither scikit-learn nor us are refused."""
    try:
        foreign = skops.io.get_untrusted_types(file=path)
    except BadZipFile as error:
        raise ValueError(
            f"{path} does not hold transformers as skops writes them. It is not opened in any "
            "other way. Get the model anew from where it came from."
        ) from error
    ours = [name for name in foreign if name.startswith("brainograph.preprocessing.")]
    strangers = sorted(set(foreign) - set(ours))
    if strangers:
        raise ValueError(
            f"{path.name} holds {strangers}, which could run code when it is loaded. Only "
            "transformers of scikit-learn and brainograph are allowed in a saved model; build the "
            "feature pipeline of these."
        )
    return ours


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
