"""Names and sidecars of the Brain Imaging Data Structure (BIDS)."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["BIDSFile", "find_files", "parse_name", "select", "sidecar"]


@dataclass(frozen=True)
class BIDSFile:
    """A file and what its name says: ``sub-01_task-rest_bold.nii.gz``."""

    path: Path
    entities: Mapping[str, str]
    suffix: str
    extension: str

    @property
    def participant(self) -> str:
        """``sub-01``."""
        return f"sub-{self.entities['sub']}"

    def label(self, *names: str) -> str:
        """Return the named entities that the file has, as in ``sub-01_ses-a_run-2``."""
        return "_".join(f"{name}-{self.entities[name]}" for name in names if name in self.entities)


def parse_name(path: str | os.PathLike[str]) -> BIDSFile:
    """Take a BIDS name apart.

    Examples
    --------
    >>> file = parse_name("sub-01_task-rest_space-MNI_desc-preproc_bold.nii.gz")
    >>> file.entities["space"], file.suffix, file.extension
    ('MNI', 'bold', '.nii.gz')
    """
    path = Path(path)
    stem, dot, extension = path.name.partition(".")
    *pairs, suffix = stem.split("_")
    entities = dict(pair.split("-", 1) for pair in pairs if "-" in pair)
    return BIDSFile(path, entities, suffix, dot + extension)


def find_files(
    root: Path, *, suffix: str, extension: str, **entities: str | None
) -> list[BIDSFile]:
    """Return the files of every participant with that suffix, extension and entities, sorted.

    An entity that is given as None must be absent.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder. Give the folder that holds sub-*/.")
    end = f"_{suffix}{extension}"
    found = [
        parse_name(Path(folder, name))
        for start in sorted(root.glob("sub-*"))
        if start.is_dir()
        for folder, _, names in os.walk(start)
        for name in names
        if name.startswith("sub-") and name.endswith(end)
    ]
    return sorted(select(found, **entities), key=lambda file: _natural(str(file.path)))


def select(files: Iterable[BIDSFile], **entities: str | None) -> list[BIDSFile]:
    """Return the files whose entities are as given; None means that it must be absent."""
    wanted = entities.items()
    return [f for f in files if all(f.entities.get(name) == value for name, value in wanted)]


def _natural(text: str) -> list[Any]:
    """Sort ``run-10`` after ``run-2``."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


@lru_cache(maxsize=4096)
def _sidecars(folder: Path, suffix: str, changed: int) -> tuple[BIDSFile, ...]:
    """List the JSON files of a folder; ``changed``, its time of change, keeps the cache true."""
    return tuple(parse_name(path) for path in sorted(folder.glob(f"*{suffix}.json")))


def sidecar(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the metadata of a file by BIDS inheritance.

    Every JSON of the same suffix whose entities the file has too applies, from the file's folder
    up to five levels above it; the nearer and the more specific wins.
    """
    file = parse_name(path)
    content: dict[str, Any] = {}
    for folder in reversed(file.path.resolve().parents[:5]):
        if not folder.is_dir():
            continue
        fitting = [
            one
            for one in _sidecars(folder, file.suffix, folder.stat().st_mtime_ns)
            if one.suffix == file.suffix and one.entities.items() <= file.entities.items()
        ]
        for one in sorted(fitting, key=lambda one: len(one.entities)):
            content |= json.loads(one.path.read_text(encoding="utf-8"))
    return content
