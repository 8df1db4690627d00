"""Arrays from text: C-PAC ``.1D``, TSV, CSV."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["fill_missing", "read_text"]

_MISSING = ["n/a", "N/A", "NaN", "nan", "NA", ""]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.strip() in _MISSING
    return True


def fill_missing(array: np.ndarray, *, axis: int = 0) -> np.ndarray:
    """Return the array with regions that have no value at all set to 0; refuse other gaps.

    Examples
    --------
    >>> fill_missing(np.array([[1.0, np.nan], [2.0, np.nan]]))
    array([[1., 0.],
           [2., 0.]])
    """
    missing = ~np.isfinite(array)
    if not missing.any():
        return array
    dead = missing.all(axis=axis, keepdims=True)
    gaps = int((missing & ~dead).sum())
    if gaps:
        raise ValueError(f"{gaps} of {array.size} values are missing or not finite")
    return np.where(dead, 0.0, array)


def read_text(path: str | os.PathLike[str]) -> tuple[np.ndarray, list[str] | None]:
    r"""Read a table of numbers, with or without a header.

    Parameters
    ----------
    path : path
        Values parted by tabs, commas, semicolons or spaces; ``n/a`` is NaN. A header is a first
        line that is not all numbers, or that starts with ``#``; a column of row numbers without
        a name is dropped.

    Returns
    -------
    array : float64 array (T, R)
        The numbers.
    header : list of R str, or None
        The names of the columns, without a leading ``#``.

    Raises
    ------
    ValueError
        If the file is empty or holds text that is not a number.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "one.1D"
    >>> _ = path.write_text("#101\t#102\n1.5\t2\n3\t4\n")
    >>> read_text(path)
    (array([[1.5, 2. ],
           [3. , 4. ]]), ['101', '102'])
    """
    path = Path(path)
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{path.name} is empty")
    separator = max("\t,;", key=lines[0].count)
    if separator not in lines[0]:
        separator, lines = "\t", ["\t".join(line.split()) for line in lines]
    names = [name.strip() for name in next(csv.reader([lines[0]], delimiter=separator))]
    header = None
    if lines[0].lstrip().startswith("#") or not all(map(_is_number, names)):
        header, lines = names, lines[1:]
    lines = [line for line in lines if line[0] != "#"]
    widths = {line.count(separator) + 1 for line in lines}
    if header is not None and widths == {len(header)} and not header[0]:  # row numbers
        header, lines = header[1:], [line.split(separator, 1)[1] for line in lines]
    elif header is not None and header[0] == "#" and widths == {len(header) - 1}:
        header = header[1:]
    n_columns = len(lines[0].split(separator)) if header is None else len(header)
    ragged = [line.count(separator) + 1 for line in lines]
    if set(ragged) != {n_columns}:
        odd = next((n for n in ragged if n != n_columns), 0)
        raise ValueError(f"{path.name} has rows of {n_columns} and of {odd} values")
    array = _parse(lines, separator, path.name).reshape(-1, n_columns)
    return array, None if header is None else [name.lstrip("#").strip() for name in header]


def _parse(lines: list[str], separator: str, name: str) -> np.ndarray:
    """Parse all values as one long column: twice as fast as a column for each region."""
    text = "\n".join(lines).replace(separator, "\n") + "\n"
    try:
        column = pd.read_csv(
            io.StringIO(text), header=None, sep="\t", dtype=np.float64, na_values=_MISSING,
            skip_blank_lines=False, skipinitialspace=True,
        )  # fmt: skip
    except ValueError as error:
        odd = next((one for one in text.splitlines() if not _is_number(one)), "")
        raise ValueError(f"{name} holds {odd!r}, which is not a number") from error
    return column.to_numpy().ravel()
