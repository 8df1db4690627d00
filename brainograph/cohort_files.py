"""The folder of a cohort: TSV, ``.npy`` and JSON, memory-mapped when it is opened."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from brainograph.files import read_tsv, write_array, write_json, write_tsv

if TYPE_CHECKING:
    from brainograph.cohort import Cohort

__all__ = ["read_members", "write_members"]

_FORMAT = 1


def write_members(cohort: "Cohort", folder: Path) -> None:
    """Write every member; a parcellation is a cohort in a folder of its own."""
    write_tsv(cohort.phenotype, folder / "participants.tsv", index=True)
    write_tsv(cohort.regions, folder / "regions.tsv", index=True)
    write_tsv(cohort.failures, folder / "failures.tsv")
    if len(cohort.images.columns):
        write_tsv(cohort.images, folder / "images.tsv", index=True)
    lengths = None
    if cohort.timeseries is not None:
        lengths = [len(series) for series in cohort.timeseries]
        stacked = np.concatenate(cohort.timeseries) if lengths else np.zeros((0, cohort.n_regions))
        write_array(stacked, folder / "timeseries.npy")
    for member in ("connectivity", "measures"):
        for name, array in getattr(cohort, member).items():
            write_array(np.asarray(array), folder / member / f"{name}.npy")
    for name, one in cohort.parcellations.items():
        write_members(one, folder / "parcellations" / name)
    content = {
        "format": _FORMAT,
        "sha256": cohort.fingerprint(),
        "n_volumes": lengths,
        "parcellations": list(cohort.parcellations),
        "provenance": cohort.provenance,
    }
    write_json(content, folder / "cohort.json")


def read_members(folder: Path) -> dict[str, Any]:
    """Open a folder; return the members by name, those of each parcellation as such a dict.

    Raises
    ------
    FileNotFoundError
        If the folder is not a saved cohort.
    ValueError
        If it is damaged or of a later version.
    """
    content = _read_content(folder)
    images = pd.DataFrame()
    if (folder / "images.tsv").is_file():
        images = read_tsv(folder / "images.tsv", index="participant_id")
    names = content.get("parcellations", [])
    return {
        "phenotype": read_tsv(folder / "participants.tsv", index="participant_id"),
        "regions": read_tsv(folder / "regions.tsv", index="region"),
        "timeseries": _series(folder, content["n_volumes"]),
        "connectivity": _arrays(folder / "connectivity"),
        "measures": _arrays(folder / "measures"),
        "images": images,
        "parcellations": {name: read_members(folder / "parcellations" / name) for name in names},
        "failures": read_tsv(folder / "failures.tsv"),
        "provenance": content["provenance"],
    }


def _read_content(folder: Path) -> dict[str, Any]:
    """Read ``cohort.json``, or say what is wrong with the folder."""
    if not (folder / "cohort.json").is_file():
        raise FileNotFoundError(
            f"{folder} is not a cohort: it has no cohort.json. Make one with "
            f"`brainograph build SOURCE {folder} --layout fmriprep|cpac|xcpd|tables`."
        )
    try:
        content = json.loads((folder / "cohort.json").read_text(encoding="utf-8"))
        later = content["format"] > _FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / 'cohort.json'} is damaged. Build it again.") from error
    if later:
        raise ValueError(
            f"{folder} has format {content['format']}, this version reads up to {_FORMAT}. "
            "Write `pip install --upgrade brainograph`."
        )
    return content


def _series(folder: Path, n_volumes: list[int] | None) -> list[np.ndarray] | None:
    """Cut the mapped series of all participants into those of each."""
    if n_volumes is None:
        return None
    stacked = np.load(folder / "timeseries.npy", mmap_mode="r")
    stops = np.cumsum(n_volumes, dtype=int)
    return [stacked[i:j] for i, j in zip(stops - n_volumes, stops, strict=True)]


def _arrays(folder: Path) -> dict[str, np.ndarray]:
    """Open every ``.npy`` of a folder, by name."""
    return {path.stem: np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))}
