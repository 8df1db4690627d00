"""ABIDE I as the Preprocessed Connectomes Project serves it, through nilearn's fetcher."""

import os
from pathlib import Path
from typing import Literal, get_args

import nilearn.datasets
import pandas as pd

from brainograph.cohort import Cohort

__all__ = ["fetch_abide"]

Atlas = Literal["ho", "cc200", "cc400", "aal", "dosenbach160", "ez", "tt"]
_PHENOTYPE = "Phenotypic_V1_0b_preprocessed1.csv"


def _dataset_dir(data_dir: str | os.PathLike[str] | None) -> Path:
    """Return the folder that nilearn's fetcher has written to."""
    parents = nilearn.datasets.get_data_dirs(None if data_dir is None else str(data_dir))
    return next(path for parent in parents if (path := Path(parent) / "ABIDE_pcp").is_dir())


def fetch_abide(
    data_dir: str | os.PathLike[str] | None = None,
    *,
    atlas: Atlas = "ho",
    band_pass_filtering: bool = True,
    global_signal_regression: bool = False,
    quality_checked: bool = True,
    n_subjects: int | None = None,
    n_jobs: int = 1,
    progress: bool = True,
) -> Cohort:
    """Download the regional series of ABIDE I (C-PAC) and read them as a cohort.

    What is on disk already is not downloaded again. The data are for non-commercial use
    (CC BY-NC-SA 3.0); cite Di Martino et al., Molecular Psychiatry 2014, and Craddock et al.,
    Frontiers in Neuroinformatics 2013.

    Parameters
    ----------
    data_dir : path, optional
        Where ``ABIDE_pcp`` is or is made; by default nilearn's own data folder.
    atlas : {"ho", "cc200", "cc400", "aal", "dosenbach160", "ez", "tt"}
        The parcellation: Harvard-Oxford, Craddock 200 and so on.
    band_pass_filtering : bool
        Whether the series are filtered to 0.01-0.1 Hz.
    global_signal_regression : bool
        Whether the global signal is regressed out.
    quality_checked : bool
        Keep the 871 participants whose scans all raters accepted.
    n_subjects : int, optional
        Only the first so many of them.
    n_jobs : int
        Files read at once.
    progress : bool
        Whether downloads and reading are shown.

    Returns
    -------
    Cohort
        As :func:`brainograph.io.read_cpac` returns it, ``diagnosis`` 1 for autism.

    Raises
    ------
    ValueError
        If the atlas is not one of those.

    Examples
    --------
    >>> cohort = fetch_abide(atlas="cc200", n_subjects=10)  # doctest: +SKIP
    """
    from brainograph.io.cpac import read_cpac

    if atlas not in get_args(Atlas):
        raise ValueError(
            f"atlas must be one of {', '.join(get_args(Atlas))}, got {atlas!r}. "
            "For Harvard-Oxford write atlas='ho'."
        )
    fetched = nilearn.datasets.fetch_abide_pcp(
        data_dir=data_dir,
        n_subjects=n_subjects,
        pipeline="cpac",
        band_pass_filtering=band_pass_filtering,
        global_signal_regression=global_signal_regression,
        derivatives=[f"rois_{atlas}"],
        quality_checked=quality_checked,
        verbose=int(progress),
    )
    band = "filt" if band_pass_filtering else "nofilt"
    signal = "global" if global_signal_regression else "noglobal"
    root = _dataset_dir(data_dir)
    table = pd.read_csv(root / _PHENOTYPE)  # nilearn's own reading renames the first column
    table = table[table["FILE_ID"].isin(fetched["phenotypic"]["FILE_ID"])]
    cohort = read_cpac(
        root,
        atlas=atlas,
        strategy=f"{band}_{signal}",
        phenotype=table,
        n_jobs=n_jobs,
        progress=progress,
    )
    asked = cohort.failures["participant_id"].isin(table["SUB_ID"].map("{:07d}".format))
    return cohort.assign(failures=cohort.failures[asked])
