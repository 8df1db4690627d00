"""fMRIPrep derivatives: preprocessed scans to regional series."""

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.interfaces.fmriprep import load_confounds, load_confounds_strategy
from nilearn.signal import clean

from brainograph.cohort import Cohort
from brainograph.io.atlas import Atlas, load_atlas
from brainograph.io.bids import BIDSFile, find_files, select, sidecar
from brainograph.io.collect import Result, assemble, collect
from brainograph.io.extraction import extract_series
from brainograph.io.participants import align, find_participants, read_participants
from brainograph.io.runs import Runs, check_runs, merge_runs, one_of

__all__ = ["read_fmriprep"]

Strategy = Literal["simple", "scrubbing", "compcor", "ica_aroma"]
_IMAGE = "sub-*_desc-preproc_bold.nii.gz"
_SHARED = {"task", "space", "res", "desc"}  # entities that do not tell runs apart


def repetition_time(path: Path) -> float | None:
    """Return the repetition time in s: from the sidecars, else from the header, else None."""
    given = sidecar(path).get("RepetitionTime")
    if given is not None:
        return float(given)
    header: Any = nib.load(path).header
    scale = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}.get(header.get_xyzt_units()[1], 0.0)
    seconds = float(header.get_zooms()[3]) * scale if len(header.get_zooms()) > 3 else 0.0
    return seconds or None


def _mean_fd(path: Path) -> dict[str, float]:
    """Return the mean framewise displacement (mm) of the confounds beside a scan."""
    stem = path.name.split("_space-")[0].split("_res-")[0].split("_desc-")[0]
    for end in ("timeseries", "regressors"):
        table = path.with_name(f"{stem}_desc-confounds_{end}.tsv")
        if table.is_file():
            header = pd.read_csv(table, sep="\t", nrows=0).columns
            if "framewise_displacement" in header:
                motion = pd.read_csv(table, sep="\t", usecols=["framewise_displacement"])
                return {"mean_fd": float(motion["framewise_displacement"].mean())}
    return {}


def _read_run(
    path: Path,
    *,
    atlas: Atlas,
    confounds: str | Mapping[str, Any] | None,
    t_r: float | None,
    cleaning: Mapping[str, Any],
) -> Result:
    """Return the cleaned series of one scan, its repetition time and its mean motion."""
    seconds = t_r if t_r is not None else repetition_time(path)
    filters = cleaning["low_pass"] is not None or cleaning["high_pass"] is not None
    if seconds is None and filters:
        raise ValueError(
            "no repetition time in the sidecar or the header, needed for the filter: "
            "write t_r=SECONDS, or low_pass=None, high_pass=None"
        )
    regressors = sample_mask = None
    if isinstance(confounds, str):
        regressors, sample_mask = load_confounds_strategy(str(path), denoise_strategy=confounds)
    elif confounds is not None:
        regressors, sample_mask = load_confounds(str(path), **confounds)
    series = extract_series(path, atlas)
    if regressors is not None and len(regressors) != len(series):
        raise ValueError(f"{len(regressors)} rows of confounds for {len(series)} volumes")
    cleaned = clean(
        series,
        confounds=regressors,
        sample_mask=sample_mask,
        t_r=seconds,
        filter="butterworth" if filters else False,
        **cleaning,
    )
    result: Result = {"timeseries": cleaned.astype(np.float32), **_mean_fd(path)}
    return result if seconds is None else {**result, "repetition_time": seconds}


def _t1w(root: Path, rows: Mapping[str, str], space: str | None) -> pd.DataFrame:
    """Return the T1w image of each row's participant, in the space of the scans if it is there."""
    files = find_files(root, suffix="T1w", extension=".nii.gz", desc="preproc")
    native = {file.participant: str(file.path) for file in reversed(select(files, space=None))}
    same = {file.participant: str(file.path) for file in reversed(select(files, space=space))}
    paths = [{**native, **same}.get(person) for person in rows.values()]
    return pd.DataFrame({"T1w": paths}, index=list(rows)) if any(paths) else pd.DataFrame()


def _warn_of_empty_regions(results: Mapping[str, Result], regions: Sequence[str]) -> list[str]:
    """Name the regions that are zero throughout in some row."""
    empty = sum((~result["timeseries"].any(axis=0)).astype(int) for result in results.values())
    named = [f"{name} ({n})" for name, n in zip(regions, np.atleast_1d(empty), strict=True) if n]
    if named:
        warnings.warn(
            f"{len(named)} of {len(regions)} regions are outside a scan or constant, their series "
            f"there are zeros. Region (number of rows): {', '.join(named[:8])}.",
            stacklevel=3,
        )
    return named


def _check(confounds: str | Mapping[str, Any] | None) -> None:
    if isinstance(confounds, str) and confounds not in get_args(Strategy):
        raise ValueError(
            f"confounds must be one of {get_args(Strategy)}, the arguments of nilearn's "
            f"load_confounds or None, got {confounds!r}. For 24 motion parameters write "
            'confounds={"strategy": ["motion"], "motion": "full"}.'
        )


def read_fmriprep(
    derivatives: str | os.PathLike[str],
    *,
    atlas: str | os.PathLike[str] | nib.spatialimages.SpatialImage | Atlas,
    atlas_names: str | os.PathLike[str] | None = None,
    participants: str | os.PathLike[str] | pd.DataFrame | None = None,
    id_column: str | None = None,
    sex_coding: Mapping[Any, str] | None = None,
    task: str | None = None,
    space: str | None = None,
    res: str | None = None,
    session: str | None = None,
    runs: Runs = "concatenate",
    confounds: Strategy | Mapping[str, Any] | None = "simple",
    standardize: Literal["zscore_sample", "psc"] | None = "zscore_sample",
    detrend: bool = True,
    low_pass: float | None = 0.1,
    high_pass: float | None = 0.01,
    t_r: float | None = None,
    n_jobs: int = 1,
    work_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Cohort:
    """Read the scans of an fMRIPrep folder as cleaned regional series.

    Each run is averaged over the regions (:func:`~brainograph.io.extract_series`), cleaned by
    :func:`nilearn.signal.clean` (confounds, filter and scrubbing in one orthogonal step, [1]_),
    and only then joined with the participant's other runs.

    Parameters
    ----------
    derivatives : path
        The folder that holds ``sub-*/``.
    atlas : path, image or str
        The labels, see :func:`~brainograph.io.load_atlas`.
    atlas_names : path, optional
        TSV with the columns ``index`` and ``name``.
    participants : path or DataFrame, optional
        The participants table; ``participants.tsv`` of the folder or of its parents if not given.
    id_column, sex_coding
        See :func:`~brainograph.io.read_participants`.
    task, space, res, session : str, optional
        Which scans, where there are several: ``task="rest"``, ``space="MNI152NLin2009cAsym"``.
        Without ``session`` all sessions count as runs.
    runs : {"concatenate", "separate"}
        One row for each participant, or one for each run (``sub-01_run-2``) with the participant
        in the column ``group``.
    confounds : str, mapping or None
        A strategy of nilearn's ``load_confounds_strategy``, the arguments of ``load_confounds``,
        or None.
    standardize : {"zscore_sample", "psc"} or None
        How each run is scaled.
    detrend : bool
        Whether a linear trend is removed.
    low_pass, high_pass : float or None
        Band in Hz.
    t_r : float, optional
        Repetition time in s; from the sidecars or the headers if not given.
    n_jobs, work_dir, progress
        See :func:`~brainograph.io.collect`: processes, a folder by which a stopped run goes on,
        a progress bar.

    Returns
    -------
    Cohort
        ``timeseries``; ``mean_fd`` (mm), ``repetition_time`` (s) and ``n_runs`` in the phenotype;
        paths of T1w images in ``images``; what could not be read in ``failures``.

    Raises
    ------
    FileNotFoundError
        If there is no scan.
    ValueError
        If several tasks or spaces are there and none is chosen, or if nothing could be read.

    References
    ----------
    .. [1] Lindquist et al. Modular preprocessing pipelines can reintroduce artifacts into fMRI
       data. Human Brain Mapping 40, 2019.

    Examples
    --------
    >>> read_fmriprep("study/derivatives/fmriprep", atlas="schaefer_100")
    Traceback (most recent call last):
    FileNotFoundError: study/derivatives/fmriprep is not a folder. ...
    """
    check_runs(runs)
    _check(confounds)
    root = Path(derivatives)
    files = find_files(root, suffix="bold", extension=".nii.gz", desc="preproc")
    if not files:
        raise FileNotFoundError(
            f"{root} has no {_IMAGE}. Give the folder of fMRIPrep's output that holds sub-*/."
        )
    files = select(files, echo=None) or files
    for entity, given in (("task", task), ("space", space), ("res", res)):
        files = one_of(files, entity, given)
    files = one_of(files, "ses", session) if session else files
    space = files[0].entities.get("space")
    table = participants if participants is not None else find_participants(root)
    rows = table if table is None else read_participants(
        table, id_column=id_column, sex_coding=sex_coding
    )  # fmt: skip
    phenotype, unmatched = align([file.participant for file in files], rows, looked_for=_IMAGE)
    by_run: dict[str, BIDSFile] = {
        file.label(*(name for name in file.entities if name not in _SHARED)): file
        for file in files
        if file.participant in phenotype.index
    }
    opened = load_atlas(atlas, names=atlas_names)
    cleaning = {
        "standardize": standardize,
        "detrend": detrend,
        "low_pass": low_pass,
        "high_pass": high_pass,
    }
    settings: dict[str, Any] = {
        "layout": "fmriprep",
        "source": str(root.resolve()),
        "atlas": opened.name,
        "atlas_sha256": opened.digest,
        "task": files[0].entities.get("task"),
        "space": space,
        "confounds": confounds,
        "t_r": t_r,
        **cleaning,
    }
    results, failures = collect(
        partial(_read_run, atlas=opened, confounds=confounds, t_r=t_r, cleaning=cleaning),
        {run: [file.path] for run, file in by_run.items()},
        settings=settings,
        n_jobs=n_jobs,
        work_dir=work_dir,
        progress=progress,
    )
    results, failures, phenotype, sources = merge_runs(
        results, failures, files=by_run, phenotype=phenotype, runs=runs
    )
    persons = {row: row if runs == "concatenate" else by_run[row].participant for row in results}
    return assemble(
        results,
        pd.concat([unmatched, failures], ignore_index=True),
        member="timeseries",
        phenotype=phenotype,
        regions=opened.regions,
        sources=sources,
        images=_t1w(root, persons, space),
        provenance={
            **settings,
            "runs": runs,
            "empty_regions": _warn_of_empty_regions(results, opened.regions.index.tolist()),
        },
    )
