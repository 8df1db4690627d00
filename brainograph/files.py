"""Write files whole or not at all, and tables as BIDS writes them."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "json_text",
    "read_tsv",
    "replace_on_success",
    "sampled_digest",
    "write_array",
    "write_json",
    "write_tsv",
]

_NAMES = ("participant_id", "site", "neighbor", "region", "region_a", "region_b")


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def replace_on_success(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that takes the place of ``target`` when the block succeeds.

    The path may be made a file or a folder. A block that raises, or a process that is killed
    in it, leaves an older ``target`` as it was.

    Parameters
    ----------
    target : path
        What is to be written.

    Yields
    ------
    path
        A sibling of ``target``, on the same file system, that does not exist yet.

    Raises
    ------
    IsADirectoryError
        If a file is to take the place of a folder.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with replace_on_success(folder / "note.txt") as path:
    ...     _ = path.write_text("whole")
    >>> [p.name for p in folder.iterdir()]
    ['note.txt']
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield temporary
        if target.is_dir() and not temporary.is_dir():
            raise IsADirectoryError(f"{target} is a folder; a file cannot take its place.")
        if target.is_dir():
            old = temporary.with_suffix(".old")
            target.rename(old)
            try:
                temporary.rename(target)
            except BaseException:
                old.rename(target)
                raise
            _remove(old)
        else:
            os.replace(temporary, target)
    finally:
        _remove(temporary)


def write_tsv(table: pd.DataFrame, path: str | os.PathLike[str], *, index: bool = False) -> None:
    """Write a table as BIDS does: tabs, ``n/a`` for what is missing."""
    with replace_on_success(path) as temporary:
        table.to_csv(temporary, sep="\t", index=index, na_rep="n/a", lineterminator="\n")


def sampled_digest(path: str | os.PathLike[str]) -> str:
    """Return a SHA-256 of a file's length and of 32 samples of it, of 4 kB, from end to end.

    So a folder of images is told from another in little time, wherever it is and whenever it was
    written. A volume that was processed anew is another; one voxel that was changed is seen in a
    compressed file only, which ends in a checksum. What is not there is known by its path.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> paths = [folder / "one.nii", folder / "two.nii"]
    >>> _ = [path.write_bytes(b"voxels") for path in paths]
    >>> sampled_digest(paths[0]) == sampled_digest(paths[1])
    True
    """
    if not Path(path).is_file():
        return hashlib.sha256(f"no file {path}".encode()).hexdigest()
    size, length = Path(path).stat().st_size, 4096
    digest = hashlib.sha256(str(size).encode())
    with Path(path).open("rb") as file:
        for start in np.unique(np.linspace(0, max(0, size - length), 32).astype(int)).tolist():
            file.seek(start)
            digest.update(file.read(length))
    return digest.hexdigest()


def read_tsv(path: str | os.PathLike[str], *, index: str | None = None) -> pd.DataFrame:
    """Read a table written by :func:`write_tsv`; ``index`` names the column of row names.

    Names of rows, participants, sites and regions are kept as text, so that ``0042`` stays
    ``0042``.
    """
    text = dict.fromkeys({index, *_NAMES} - {None}, str)
    table = pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False, dtype=text)
    return table if index is None else table.set_index(index)


def json_text(content: Any) -> str:
    """Return JSON that a person can read: NumPy's numbers as numbers, paths and others as text."""
    return json.dumps(content, indent=2, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else str(value)


def write_json(content: Any, path: str | os.PathLike[str]) -> None:
    """Write JSON that a person can read."""
    with replace_on_success(path) as temporary:
        temporary.write_text(json_text(content), encoding="utf-8")


def write_array(array: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Write one ``.npy`` file."""
    with replace_on_success(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)
