"""FreeSurfer tables: regional thickness, area and volume of each participant."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainograph.cohort import Cohort
from brainograph.io.collect import failure_table
from brainograph.io.participants import align, find_participants, read_participants

__all__ = ["read_freesurfer"]

_MEASURES = (
    "thicknessstd",
    "thickness",
    "area",
    "volume",
    "meancurv",
    "gauscurv",
    "foldind",
    "curvind",
)
# Whole-brain columns: covariates, not regions.
_GLOBAL = re.compile(
    r"(Vol|VolNotVent|VolNotVentSurf|Vol-to-eTIV|eTIV|TotalGray|SurfArea|MeanThickness"
    r"|SurfaceHoles|TotalIntraCranialVol)$"
)
_EXTENSIONS = {".tsv", ".csv", ".txt", ".dat", ".table"}


@dataclass(frozen=True)
class _Table:
    """One table: the parcellation and measure that its first header cell names, and its values."""

    path: Path
    parcellation: str
    measure: str
    values: pd.DataFrame


def _read_table(path: Path) -> _Table | None:
    """Read ``lh.aparc.thickness`` and ``Measure:volume`` tables; None for any other file."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline().strip()
    separator = max("\t, ;", key=first.count)
    corner = first.split(separator)[0]
    surface = re.fullmatch(r"[lr]h\.(.+)\.(\w+)", corner)
    segmentation = re.fullmatch(r"Measure:(\w+)", corner)
    if surface and surface[2] in _MEASURES:
        parcellation, measure = surface[1], surface[2]
    elif segmentation:
        parcellation, measure = "aseg", segmentation[1]
    else:
        return None
    values = pd.read_csv(
        path, sep=r"\s+" if separator == " " else separator, dtype={corner: str},
        na_values=["n/a"], encoding="utf-8-sig",
    ).set_index(corner)  # fmt: skip
    repeated = values.index[values.index.duplicated()].unique().tolist()
    if repeated:
        raise ValueError(
            f"{path} has more than one row for {', '.join(map(str, repeated[:5]))}. Keep one."
        )
    return _Table(path, parcellation, measure, values)


def _find(tables: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    if not isinstance(tables, (str, os.PathLike)):
        return [Path(path) for path in tables]
    root = Path(tables)
    if root.is_file():
        return [root]
    return sorted(path for path in root.glob("*") if path.suffix in _EXTENSIONS)


def _of_parcellation(tables: list[_Table], parcellation: str | None, aseg: bool) -> list[_Table]:
    found = sorted({table.parcellation for table in tables} - {"aseg"})
    if parcellation is None and len(found) > 1:
        raise ValueError(
            f"The tables are of several parcellations: {', '.join(found)}. Choose one: "
            f"parcellation={found[0]!r}."
        )
    wanted = parcellation or (found[0] if found else "aseg")
    if wanted not in {*found, "aseg"}:
        raise ValueError(
            f"parcellation must be one of {', '.join(found)}, got {parcellation!r}. "
            f"Write parcellation={found[0]!r}."
        )
    return [t for t in tables if t.parcellation == wanted or (aseg and t.parcellation == "aseg")]


def _participant(name: str, id_pattern: str | None) -> str:
    """Take the participant from a row's name: its last folder, or what the pattern finds."""
    name = name.rstrip("/").split("/")[-1]
    found = re.search(id_pattern, name) if id_pattern else None
    if id_pattern and not found:
        raise ValueError(
            f"id_pattern {id_pattern!r} is not in the row name {name!r}. For the last seven digits "
            r"write id_pattern=r'\d{7}$'."
        )
    return name if found is None else found[found.lastindex or 0]


def _split(
    tables: list[_Table], id_pattern: str | None
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, dict[str, str]]:
    """Return regional values by measure, whole-brain columns, and who lacks a row somewhere."""
    by_measure: dict[str, list[pd.DataFrame]] = {}
    overall: dict[str, pd.Series] = {}
    rows = []
    for table in tables:
        ids = [_participant(str(name), id_pattern) for name in table.values.index]
        values = table.values.set_axis(ids).apply(pd.to_numeric, errors="coerce")
        end = f"_{table.measure}"
        values.columns = [str(column).removesuffix(end) for column in values]
        whole = [column for column in values if _GLOBAL.search(column)]
        overall |= {column: values[column] for column in whole}
        by_measure.setdefault(table.measure, []).append(values.drop(columns=whole))
        rows.append((table.path.name, ids))
    everyone = dict.fromkeys(key for _, ids in rows for key in ids)
    lacking = {}
    for key in everyone:
        absent = [name for name, ids in rows if key not in set(ids)]
        if absent:
            lacking[key] = f"no row in {', '.join(absent)}"
    measures = {measure: pd.concat(parts, axis=1) for measure, parts in by_measure.items()}
    return measures, pd.DataFrame(overall), lacking


def _hemisphere(region: str) -> str | float:
    for letter, starts in (("L", ("lh_", "Left-")), ("R", ("rh_", "Right-"))):
        if region.startswith(starts):
            return letter
    return float("nan")


def read_freesurfer(
    tables: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    participants: str | os.PathLike[str] | pd.DataFrame | None = None,
    parcellation: str | None = None,
    aseg: bool = True,
    id_pattern: str | None = None,
    id_column: str | None = None,
    sex_coding: Mapping[Any, str] | None = None,
) -> Cohort:
    r"""Read the tables of ``aparcstats2table`` and ``asegstats2table`` ([1]_).

    Parameters
    ----------
    tables : path or sequence of paths
        A folder or the tables. The first header cell says what a table is:
        ``lh.aparc.thickness``, ``Measure:volume``; other files of the folder are passed over.
    participants : path or DataFrame, optional
        The participants table; ``participants.tsv`` of the folder or its parents if not given.
    parcellation : str, optional
        ``aparc``, ``aparc.a2009s`` ..., where there are several.
    aseg : bool
        Whether tables of aseg (subcortical volumes) are read beside those of the cortex.
    id_pattern : str, optional
        A regular expression that finds the participant in the row names: ``r"\d{7}$"`` makes
        ``0050952`` of ``NYU_0050952``.
    id_column, sex_coding
        See :func:`~brainograph.io.read_participants`.

    Returns
    -------
    Cohort
        ``measures`` by name: thickness (mm), area (mm²), volume (mm³). The regions are those of
        all measures; where a region lacks a measure, as aseg's lack a thickness, the value is
        NaN. Whole-brain columns (``MeanThickness``, ``eTIV`` ...) are columns of the phenotype.
        A participant without a row in one of the tables, or with a value that is not a number,
        is in ``failures``.

    Raises
    ------
    FileNotFoundError
        If there is no such table.
    ValueError
        If there are several parcellations and none is chosen.

    References
    ----------
    .. [1] Fischl. FreeSurfer. NeuroImage 62, 2012.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "lh.tsv"
    >>> _ = path.write_text(
    ...     "lh.aparc.thickness\tlh_insula_thickness\tlh_MeanThickness_thickness\n"
    ...     "sub-01\t2.9\t2.5\n"
    ... )
    >>> cohort = read_freesurfer(path, participants=pd.DataFrame({"id": ["01"], "age": [30]}))
    >>> cohort
    Cohort of 1 participants, 1 regions: measures thickness
    >>> cohort.phenotype.loc["sub-01", "lh_MeanThickness"].item()
    2.5
    """
    paths = _find(tables)
    opened = [table for path in paths if (table := _read_table(path)) is not None]
    if not opened:
        raise FileNotFoundError(
            f"{tables} has no table of aparcstats2table or asegstats2table (first header cell "
            "'lh.aparc.thickness' or 'Measure:volume'). Give the folder or the files."
        )
    opened = _of_parcellation(opened, parcellation, aseg)
    measures, overall, lacking = _split(opened, id_pattern)
    regions = list(dict.fromkeys(name for values in measures.values() for name in values))
    given = participants
    if given is None:
        given = find_participants(opened[0].path.parent)
    rows = None
    if given is not None:
        rows = read_participants(given, id_column=id_column, sex_coding=sex_coding)
    everyone = list(dict.fromkeys(key for values in measures.values() for key in values.index))
    phenotype, unmatched = align(everyone, rows, looked_for="a row of the FreeSurfer tables")
    for key in phenotype.index.difference(list(lacking), sort=False):
        odd = [name for name, values in measures.items() if values.loc[key].isna().any()]
        if odd:
            lacking[key] = f"a value of {', '.join(odd)} is missing or not a number"
    failed = [(key, str(tables), lacking[key]) for key in phenotype.index if key in lacking]
    phenotype = phenotype.drop(index=[key for key, _, _ in failed])
    overall = overall[overall.columns.difference(phenotype.columns, sort=False)]
    return Cohort(
        phenotype.join(overall),
        pd.DataFrame({"hemisphere": [_hemisphere(name) for name in regions]}, index=regions),
        measures={
            name: values.reindex(index=phenotype.index, columns=regions).to_numpy(np.float64)
            for name, values in measures.items()
        },
        failures=pd.concat([unmatched, failure_table(failed)], ignore_index=True),
        provenance={
            "layout": "freesurfer",
            "source": [str(table.path) for table in opened],
            "parcellation": sorted({table.parcellation for table in opened}),
        },
    )
