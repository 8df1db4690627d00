"""A folder of series or matrices, one file for each participant."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import scipy.io

from brainograph.cohort import Cohort
from brainograph.io.collect import Result, assemble, collect
from brainograph.io.participants import align, find_participants, read_participants
from brainograph.io.patterns import match_files
from brainograph.io.text import fill_missing, read_text

__all__ = ["read_tables"]

Contents = Literal["timeseries", "connectivity"]
_EXTENSIONS = (".csv", ".tsv", ".txt", ".1D", ".npy", ".mat")


def _read_mat(path: Path, variable: str | None) -> np.ndarray:
    try:
        content = scipy.io.loadmat(path)
    except NotImplementedError as error:
        raise ValueError("a MATLAB 7.3 file: save it with save(..., '-v7')") from error
    numeric = {
        name: array
        for name, array in content.items()
        if not name.startswith("__") and array.dtype.kind in "fiub" and array.ndim == 2
    }
    if variable in numeric:
        return numeric[variable]
    if variable is None and len(numeric) == 1:
        return next(iter(numeric.values()))
    raise ValueError(
        f"variable {variable!r} is not one of its 2D numeric variables "
        f"{', '.join(sorted(numeric)) or '(none)'}: write variable='NAME'"
    )


def _read_array(path: Path, variable: str | None) -> tuple[np.ndarray, list[str] | None]:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False), None
    if path.suffix == ".mat":
        return _read_mat(path, variable), None
    return read_text(path)


def _check_matrix(matrix: np.ndarray) -> np.ndarray:
    """Return the matrix exactly symmetric, or say why it is not one."""
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"a matrix must be square, this one has shape {matrix.shape}")
    missing = ~np.isfinite(matrix)
    off = ~np.eye(len(matrix), dtype=bool)
    alone = missing.sum(axis=1) >= len(matrix) - 1
    matrix = np.where(missing & (alone[:, None] | alone | ~off), 0.0, matrix)
    if not np.isfinite(matrix).all():
        raise ValueError(f"{int((~np.isfinite(matrix)).sum())} entries are missing or not finite")
    gap = float(np.abs(matrix - matrix.T).max())
    if gap > 1e-4 * max(1.0, float(np.abs(matrix).max())):
        raise ValueError(f"a matrix must be symmetric, entries differ from the mirror by {gap:.3g}")
    return (matrix + matrix.T) / 2


def _read_one(
    path: Path, *, contents: Contents, variable: str | None, transposed: bool, named: bool
) -> Result:
    array, header = _read_array(path, variable)
    if array.ndim != 2:
        raise ValueError(f"a 2D array is needed, this one has shape {array.shape}")
    if transposed:
        array, header = array.T, None
    array = np.asarray(array, dtype=np.float64)
    array = fill_missing(array) if contents == "timeseries" else _check_matrix(array)
    result: Result = {contents: array.astype(np.float32)}
    if header is not None and not named:
        result["regions"] = np.array(header)
    return result


def _default_files(folder: Path) -> dict[str, Path]:
    """Name each file of the folder by its ``sub-XX``, or else by its whole stem."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder. Give the folder that holds the files.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix not in _EXTENSIONS or path.stem in {"participants", "regions"}:
            continue
        key = path.stem.split("_")[0] if path.stem.startswith("sub-") else path.stem
        if key in found:
            raise ValueError(
                f"{key} has two files: {found[key].name} and {path.name}. Say which with "
                "pattern='{participant_id}_*_timeseries.csv'."
            )
        found[key] = path
    if not found:
        raise FileNotFoundError(f"{folder} has no file that ends in {', '.join(_EXTENSIONS)}.")
    return found


def _region_table(regions: Sequence[str] | pd.DataFrame | None) -> pd.DataFrame | None:
    if regions is None or isinstance(regions, pd.DataFrame):
        return regions
    return pd.DataFrame(index=pd.Index(list(regions), name="region"))


def read_tables(
    folder: str | os.PathLike[str],
    *,
    participants: str | os.PathLike[str] | pd.DataFrame | None = None,
    contents: Contents = "timeseries",
    name: str = "fc",
    pattern: str | None = None,
    regions: Sequence[str] | pd.DataFrame | None = None,
    variable: str | None = None,
    transposed: bool = False,
    id_column: str | None = None,
    sex_coding: Mapping[Any, str] | None = None,
    n_jobs: int = 1,
    work_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Cohort:
    """Read one file of series, or one matrix, for each participant.

    Parameters
    ----------
    folder : path
        Files in CSV, TSV, TXT, 1D, NPY or MAT (up to version 7).
    participants : path or DataFrame, optional
        The participants table; ``participants.tsv`` of the folder or its parents if not given.
    contents : {"timeseries", "connectivity"}
        Series (T, R), or symmetric matrices (R, R).
    name : str
        The name of the matrices in ``cohort.connectivity``.
    pattern : str, optional
        Where the participant stands in the names: ``"{participant_id}_*_bold.csv"``. Without it
        the name up to the first ``_`` if it begins with ``sub-``, else the whole stem.
    regions : sequence of R str or DataFrame (R, .), optional
        The regions; from the headers if not given.
    variable : str, optional
        The variable of MAT files that hold several.
    transposed : bool
        Whether the files hold regions x volumes.
    id_column, sex_coding
        See :func:`~brainograph.io.read_participants`.
    n_jobs, work_dir, progress
        See :func:`~brainograph.io.collect`.

    Returns
    -------
    Cohort
        A region without any value (``n/a``, NaN) is zeros; files with other gaps, with other
        regions than most, or that are not symmetric are in ``failures``.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If two files fit a participant, or if nothing could be read.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "sub-01.npy", np.eye(3))
    >>> table = pd.DataFrame({"participant_id": ["sub-01"], "age": [30]})
    >>> read_tables(folder, participants=table, contents="connectivity")
    Cohort of 1 participants, 3 regions: connectivity fc
    """
    if contents not in get_args(Contents):
        raise ValueError(
            f"contents must be one of {get_args(Contents)}, got {contents!r}. For matrices write "
            'contents="connectivity".'
        )
    root = Path(folder)
    files = _default_files(root) if pattern is None else match_files(root / pattern)
    table = participants if participants is not None else find_participants(root)
    if table is not None:
        table = read_participants(table, id_column=id_column, sex_coding=sex_coding)
    phenotype, unmatched = align(files, table, looked_for=f"{root.name}/{pattern or '*'}")
    sources = {key: [files[key]] for key in phenotype.index}
    given = _region_table(regions)
    settings = {
        "layout": "tables",
        "source": str(root.resolve()),
        "contents": contents,
        "variable": variable,
        "transposed": transposed,
        "regions": None if given is None else given.index.tolist(),
    }
    read = partial(
        _read_one, contents=contents, variable=variable, transposed=transposed,
        named=given is not None,
    )  # fmt: skip
    results, failures = collect(
        read, sources, settings=settings, n_jobs=n_jobs, work_dir=work_dir, progress=progress
    )
    return assemble(
        results,
        pd.concat([unmatched, failures], ignore_index=True),
        member=contents,
        phenotype=phenotype,
        regions=given,
        name=name,
        sources=sources,
        provenance={key: value for key, value in settings.items() if key != "regions"},
    )
