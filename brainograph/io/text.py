"""Arrays from text: C-PAC ``.1D``, TSV, CSV."""

import csv
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
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline().rstrip("\n")
    if not first.strip():
        raise ValueError(f"{path.name} is empty")
    separator = max("\t,;", key=first.count)
    if not first.count(separator):
        separator = r"\s+"
    names = first.split() if separator == r"\s+" else next(csv.reader([first], delimiter=separator))
    names = [name.strip() for name in names]
    has_header = first.lstrip().startswith("#") or not all(map(_is_number, names))
    table = pd.read_csv(
        path, sep=separator, header=None, skiprows=int(has_header), na_values=_MISSING,
        encoding="utf-8-sig", skipinitialspace=True, comment="#",
    )  # fmt: skip
    if has_header and names[0] in {"#", "# "} and len(names) == table.shape[1] + 1:
        names = names[1:]
    if table.shape[1] == len(names) + 1 or (has_header and not names[0]):
        table, names = table.iloc[:, 1:], names[-(table.shape[1] - 1) :]
    odd = [str(names[i]) for i, kind in enumerate(table.dtypes) if kind.kind not in "fiub"]
    if odd:
        raise ValueError(f"{path.name} holds text that is not a number (column {odd[0]})")
    header = [name.lstrip("#").strip() for name in names] if has_header else None
    if header is not None and len(header) != table.shape[1]:
        raise ValueError(
            f"{path.name} has {len(header)} names in its header for {table.shape[1]} columns"
        )
    return table.to_numpy(np.float64), header
