"""XCP-D derivatives: parcellated, denoised series."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainograph.cohort import Cohort
from brainograph.io.bids import BIDSFile, find_files, select, sidecar
from brainograph.io.collect import Result, assemble, collect
from brainograph.io.participants import align, find_participants, read_participants
from brainograph.io.runs import Runs, check_runs, merge_runs, one_of
from brainograph.io.text import fill_missing, read_text

__all__ = ["read_xcpd"]

_NOT_RUNS = {"task", "space", "res", "den", "desc", "atlas", "seg", "stat"}


def _beside(path: Path, suffix: str) -> pd.Series | None:
    """Return the framewise displacement of the ``*_<suffix>.tsv`` of the same run."""
    stem = path.name.split("_space-")[0].split("_seg-")[0].split("_atlas-")[0]
    for table in sorted(path.parent.glob(f"{stem}_*{suffix}.tsv")):
        columns = pd.read_csv(table, sep="\t", na_values=["n/a"])
        if "framewise_displacement" in columns:
            return columns["framewise_displacement"]
    return None


def _read_run(path: Path, *, standardize: bool) -> Result:
    array, header = read_text(path)
    if header is None:
        raise ValueError("the first line has no region names")
    array = fill_missing(array[np.isfinite(array).any(axis=1)])  # rows of n/a are censored
    if standardize:
        spread = array.std(axis=0, ddof=1)
        array = (array - array.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    result: Result = {"timeseries": array.astype(np.float32), "regions": np.array(header)}
    motion, outliers = _beside(path, "motion"), _beside(path, "outliers")
    if motion is not None:
        result["mean_fd"] = motion.mean()
    if outliers is not None:
        result["n_outliers"] = outliers.sum()
    seconds = sidecar(path).get("RepetitionTime")
    return result if seconds is None else {**result, "repetition_time": float(seconds)}


def _of_atlas(files: list[BIDSFile], atlas: str) -> list[BIDSFile]:
    """Return the series of one atlas: ``_atlas-NAME_`` before XCP-D 0.7, ``_seg-NAME_`` since."""
    named = {file.entities.get("seg", file.entities.get("atlas", "")) for file in files}
    chosen = select(files, seg=atlas) + select(files, atlas=atlas, seg=None)
    if not chosen:
        raise ValueError(
            f"atlas must be one of {', '.join(sorted(named))}, got {atlas!r}. "
            f"Write atlas={min(named)!r}."
        )
    return [file for file in chosen if file.entities.get("stat", "mean") == "mean"]


def read_xcpd(
    derivatives: str | os.PathLike[str],
    *,
    atlas: str,
    participants: str | os.PathLike[str] | pd.DataFrame | None = None,
    id_column: str | None = None,
    sex_coding: Mapping[Any, str] | None = None,
    task: str | None = None,
    space: str | None = None,
    session: str | None = None,
    runs: Runs = "concatenate",
    standardize: bool = True,
    n_jobs: int = 1,
    work_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Cohort:
    """Read the regional series of an XCP-D folder ([1]_).

    Parameters
    ----------
    derivatives : path
        The folder that holds ``sub-*/``.
    atlas : str
        As in the names: ``*_atlas-<atlas>_*timeseries.tsv`` or
        ``*_seg-<atlas>_stat-mean_timeseries.tsv``.
    participants, id_column, sex_coding
        See :func:`~brainograph.io.read_participants`; ``participants.tsv`` of the folder or of
        its parents if not given.
    task, space, session : str, optional
        Which series, where there are several. Without ``session`` all sessions count as runs.
    runs : {"concatenate", "separate"}
        One row for each participant, or one for each run with the participant in ``group``.
    standardize : bool
        Whether each run is z-scored (sample), so that joined runs are on one scale.
    n_jobs, work_dir, progress
        See :func:`~brainograph.io.collect`.

    Returns
    -------
    Cohort
        ``timeseries``; ``mean_fd`` (mm), ``n_outliers`` (volumes) and ``repetition_time`` (s)
        where the files have them. A region of ``n/a`` only is a series of zeros; a volume of
        ``n/a`` only was censored and is left out.

    Raises
    ------
    FileNotFoundError
        If there is no series.
    ValueError
        If the atlas is not there, or if nothing could be read.

    References
    ----------
    .. [1] Mehta et al. XCP-D: a robust pipeline for the post-processing of fMRI data. Imaging
       Neuroscience 2, 2024.

    Examples
    --------
    >>> read_xcpd("study/derivatives/xcp_d", atlas="4S156Parcels")
    Traceback (most recent call last):
    FileNotFoundError: study/derivatives/xcp_d is not a folder. ...
    """
    check_runs(runs)
    root = Path(derivatives)
    files = [
        file
        for file in find_files(root, suffix="timeseries", extension=".tsv")
        if {"atlas", "seg"} & set(file.entities)
    ]
    if not files:
        raise FileNotFoundError(
            f"{root} has no sub-*_timeseries.tsv with an atlas. Give the folder of XCP-D's output "
            "that holds sub-*/."
        )
    files = _of_atlas(files, atlas)
    for entity, given in (("task", task), ("space", space)):
        files = one_of(files, entity, given)
    files = one_of(files, "ses", session) if session else files
    looked_for = f"sub-*{atlas}*_timeseries.tsv"
    table = participants if participants is not None else find_participants(root)
    if table is not None:
        table = read_participants(table, id_column=id_column, sex_coding=sex_coding)
    phenotype, unmatched = align([file.participant for file in files], table, looked_for=looked_for)
    by_run = {
        file.label(*(name for name in file.entities if name not in _NOT_RUNS)): file
        for file in files
        if file.participant in phenotype.index
    }
    settings = {
        "layout": "xcpd",
        "source": str(root.resolve()),
        "atlas": atlas,
        "task": files[0].entities.get("task"),
        "space": files[0].entities.get("space"),
        "standardize": standardize,
    }
    results, failures = collect(
        partial(_read_run, standardize=standardize),
        {run: [file.path] for run, file in by_run.items()},
        settings=settings,
        n_jobs=n_jobs,
        work_dir=work_dir,
        progress=progress,
    )
    results, failures, phenotype, sources = merge_runs(
        results, failures, files=by_run, phenotype=phenotype, runs=runs
    )
    return assemble(
        results,
        pd.concat([unmatched, failures], ignore_index=True),
        member="timeseries",
        phenotype=phenotype,
        sources=sources,
        provenance={**settings, "runs": runs},
    )
