"""The table of participants, and its agreement with what was found on disk."""

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from brainograph.io.collect import failure_table

__all__ = ["align", "find_participants", "read_participants"]

_ID_COLUMNS = (
    "participant_id",
    "participant",
    "subject_id",
    "sub_id",
    "subject",
    "subjects",
    "subjectid",
    "subid",
    "sub",
    "id",
)
_BIDS_COLUMNS = ("age", "sex", "site", "diagnosis", "mean_fd", "repetition_time")
_SITES = ("site", "site_id")
_SEXES = {"m": "male", "male": "male", "f": "female", "female": "female"}
_MISSING = ["-9999", "-9999.0", "n/a", "N/A", "NA", "NaN", "nan", "", " "]


def _separator(path: Path) -> str:
    if path.suffix in {".tsv", ".txt"}:
        return "\t"
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    return max(",;\t", key=header.count)


def _id_column(columns: Iterable[str], given: str | None, where: str) -> str:
    names = [str(column) for column in columns]
    if given is not None and given in names:
        return given
    lower = {name.lower().strip(): name for name in reversed(names)}
    for candidate in () if given else _ID_COLUMNS:
        if candidate in lower:
            return lower[candidate]
    problem = f"has no column {given!r}" if given else "has no column of participant ids"
    raise ValueError(
        f"{where} {problem}; its columns are {', '.join(names[:12])}. "
        "Say which holds the ids: id_column='NAME'."
    )


def _harmonised_sex(sex: pd.Series, coding: Mapping[Any, str] | None) -> pd.Series:
    """Return "male" and "female"; numbers are understood only when the coding is given."""
    text = sex.astype("object").map(lambda v: v if pd.isna(v) else re.sub(r"\.0$", "", str(v)))
    codes = {**_SEXES, **{str(key).lower(): value for key, value in (coding or {}).items()}}
    known = text.map(lambda v: v if pd.isna(v) else codes.get(v.strip().lower(), v))
    unknown = sorted({str(v) for v in known.dropna()} - {"male", "female"})
    if unknown:
        warnings.warn(
            f"sex holds {', '.join(unknown[:5])}, kept as text. Say which is which: "
            "sex_coding={1: 'male', 2: 'female'}.",
            stacklevel=3,
        )
    return known


def read_participants(
    table: str | os.PathLike[str] | pd.DataFrame,
    *,
    id_column: str | None = None,
    sex_coding: Mapping[Any, str] | None = None,
) -> pd.DataFrame:
    """Read a table of participants: BIDS ``participants.tsv``, or a CSV with a column of ids.

    Parameters
    ----------
    table : path or DataFrame
        TSV, or a CSV parted by comma, semicolon or tab. Empty cells, ``n/a`` and -9999 are
        missing values. Ids and sites are kept as text, so that ``0042`` stays ``0042``.
    id_column : str, optional
        The column of ids; found by name (``participant_id``, ``subject``, ``SUB_ID`` ...)
        if it is not given.
    sex_coding : mapping, optional
        What the codes of ``sex`` mean, for example ``{1: "male", 2: "female"}``. ``M``, ``F``,
        ``male`` and ``female`` are understood without it.

    Returns
    -------
    DataFrame
        Indexed by ``participant_id``.

    Raises
    ------
    ValueError
        If there is no column of ids, or if a participant has two rows.

    Examples
    --------
    >>> table = pd.DataFrame({"participant_id": ["sub-01", "sub-02"], "sex": ["M", None]})
    >>> read_participants(table)["sex"].tolist()
    ['male', nan]
    """
    if isinstance(table, pd.DataFrame):
        where = "participants"
        named = table.index.name is not None and id_column in (None, table.index.name)
        data = table.reset_index() if named else table.copy()
        data = data.mask(data.isin([-9999, "-9999", "n/a", ""]))
    else:
        path = Path(table)
        where, separator = str(path), _separator(path)
        header = pd.read_csv(path, sep=separator, nrows=0, encoding="utf-8-sig").columns
        text = {name: str for name in header if name.lower() in _SITES}
        text[_id_column(header, id_column, where)] = str
        data = pd.read_csv(
            path, sep=separator, dtype=text, na_values=_MISSING, encoding="utf-8-sig",
            low_memory=False,
        )  # fmt: skip
    column = _id_column(data.columns, id_column, where)
    data = data[data[column].notna()]
    ids = data[column].astype(str).str.strip()
    repeated = [key for key, count in Counter(map(_key, ids)).items() if count > 1]
    if repeated:
        raise ValueError(
            f"{where} has more than one row for {', '.join(repeated[:5])}. Keep one row for each "
            "participant; for visits or runs give a table of participants only."
        )
    data = data.drop(columns=column).set_axis(pd.Index(ids, name="participant_id"))
    lower = {name: name.lower() for name in data if str(name).lower() in _BIDS_COLUMNS}
    data = data.rename(columns=lower if len(set(lower.values())) == len(lower) else {})
    if "sex" in data:
        data["sex"] = _harmonised_sex(data["sex"], sex_coding)
    return data


def find_participants(folder: Path) -> Path | None:
    """Return ``participants.tsv`` of the folder or of one of its two parents."""
    for place in (folder, *folder.resolve().parents[:2]):
        if (place / "participants.tsv").is_file():
            return place / "participants.tsv"
    return None


def _key(participant: str) -> str:
    return str(participant).strip().removeprefix("sub-")


def _bare(participant: str) -> str:
    return _key(participant).lstrip("0")


def align(
    found: Iterable[str], table: pd.DataFrame | None, *, looked_for: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Match the participants found on disk with the rows of the table.

    ``sub-01`` and ``01`` are the same participant; so are ``0050952`` and ``50952``, where no
    other has that number.

    Parameters
    ----------
    found : iterable of str
        Participants with data.
    table : DataFrame or None
        From :func:`read_participants`; without one, every participant found gets an empty row.
    looked_for : str
        What was searched for, named in the reasons.

    Returns
    -------
    phenotype : DataFrame
        The rows of those found, in the order found and named as found.
    failures : DataFrame
        Rows without data and data without a row.

    Examples
    --------
    >>> table = pd.DataFrame({"age": [20, 30]}, index=["01", "02"])
    >>> phenotype, failures = align(["sub-02", "sub-03"], table, looked_for="*_bold.nii.gz")
    >>> phenotype.index.tolist()
    ['sub-02']
    >>> failures[["participant_id", "reason"]].to_numpy().tolist()
    [['01', 'no scan found: looked for *_bold.nii.gz'],
     ['sub-03', 'no row in the participants table']]
    """
    found = list(dict.fromkeys(found))
    if table is None:
        warnings.warn(
            "No participants table: the phenotype is empty. Give participants=PATH for age, "
            "sex, site and diagnosis.",
            stacklevel=3,
        )
        return pd.DataFrame(index=pd.Index(found, name="participant_id", dtype=object)), (
            failure_table()
        )
    rows = {_key(row): row for row in table.index}
    counts = Counter(map(_bare, table.index)) | Counter(map(_bare, found))
    bare = {_bare(row): row for row in table.index if counts[_bare(row)] == 1}
    match = {key: rows.get(_key(key), bare.get(_bare(key))) for key in found}
    matched = {key: row for key, row in match.items() if row is not None}
    unseen = [row for row in table.index if row not in set(matched.values())]
    failures = [(row, "", f"no scan found: looked for {looked_for}") for row in unseen]
    failures += [
        (key, "", "no row in the participants table") for key in found if key not in matched
    ]
    phenotype = table.loc[list(matched.values())].set_axis(
        pd.Index(list(matched), name="participant_id", dtype=object)
    )
    if not matched:
        raise ValueError(
            f"No participant of the table was found. The table has {', '.join(table.index[:3])}; "
            f"found were {', '.join(found[:3]) or 'none'} (looked for {looked_for}). "
            "Give the column that holds these ids: id_column='NAME'."
        )
    return phenotype, failure_table(failures)
