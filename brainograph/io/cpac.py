"""C-PAC series as the Preprocessed Connectomes Project serves them (ABIDE I)."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from brainograph.cohort import Cohort
from brainograph.io.atlas import Atlas, load_atlas
from brainograph.io.collect import Result, assemble, collect
from brainograph.io.participants import align, read_participants
from brainograph.io.text import fill_missing, read_text

__all__ = ["read_cpac"]

_RENAMED = {
    "SITE_ID": "site",
    "AGE_AT_SCAN": "age",
    "DX_GROUP": "diagnosis",
    "func_mean_fd": "mean_fd",
}
_IDENTIFIERS = ["x", "subject", "unnamed: 0", "unnamed: 0.1"]

# ABIDE I participants whose series are of one scan: the audit of duplicates finds them.
_ONE_SCAN = (("0050578", "0050602"), ("0050279", "0050286"))


def _read_series(path: Path) -> Result:
    array, header = read_text(path)
    result: Result = {"timeseries": fill_missing(array).astype(np.float32)}
    if header is not None:
        result["regions"] = np.array([f"ROI_{code}" for code in header])
    return result


def read_phenotype(path: str | os.PathLike[str] | pd.DataFrame) -> pd.DataFrame:
    """Read ABIDE's phenotype table in the words of BIDS.

    ``DX_GROUP`` 1 (autism) becomes ``diagnosis`` 1 and 2 (control) 0; ``SEX`` 1 "male" and
    2 "female"; -9999 is missing; ``SUB_ID`` becomes seven digits of text.
    """
    table = read_participants(path, id_column="SUB_ID", sex_coding={1: "male", 2: "female"})
    table = table.rename(columns=_RENAMED)
    table = table.rename(columns={name: str(name).lower() for name in table})
    table = table.drop(columns=[name for name in _IDENTIFIERS if name in table])
    table["diagnosis"] = table["diagnosis"].map({1: 1.0, 2: 0.0})
    return table.set_axis(pd.Index(table.index.str.zfill(7), name="participant_id"))


def _base(root: Path) -> Path:
    for base in (root, root / "ABIDE_pcp"):
        if (base / "cpac").is_dir():
            return base
    raise FileNotFoundError(
        f"{root} has no folder cpac/ or ABIDE_pcp/cpac/. Give the data_dir of "
        "nilearn.datasets.fetch_abide_pcp(data_dir=...)."
    )


def _folder(base: Path, strategy: str | None, atlas: str) -> Path:
    """Return the one strategy's folder with series of the atlas."""
    found = {
        folder.name: folder
        for folder in sorted((base / "cpac").iterdir())
        if folder.is_dir() and any(folder.glob(f"*_rois_{atlas}.1D"))
    }
    if strategy in found:
        return found[strategy]
    if strategy is None and len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise ValueError(
            f"strategy must be one of {', '.join(found)}, got {strategy!r}. "
            f"Write strategy={next(iter(found))!r}."
        )
    atlases = {path.stem.split("_rois_")[-1] for path in base.glob("cpac/*/*_rois_*.1D")}
    hint = f"Write atlas={min(atlases)!r}." if atlases else "Download the series first."
    raise FileNotFoundError(
        f"{base / 'cpac'} has no *_rois_{atlas}.1D; its atlases are "
        f"{', '.join(sorted(atlases)) or 'none'}. {hint}"
    )


def _phenotype_table(base: Path) -> Path:
    found = sorted(base.glob("Phenotypic*.csv")) or sorted(base.glob("*.csv"))
    if not found:
        raise FileNotFoundError(
            f"{base} has no phenotype table (Phenotypic_V1_0b_preprocessed1.csv). Give "
            "phenotype=PATH."
        )
    return found[0]


def _regions(names: pd.Index, image: Atlas | None) -> pd.DataFrame:
    """Return label and, with the atlas image, centroid and hemisphere of each region."""
    labels = pd.to_numeric(names.str.removeprefix("ROI_"), errors="coerce")
    table = pd.DataFrame({"label": labels}, index=names)
    if image is None:
        return table
    known = image.regions.set_index("label")
    return table.join(known[["x", "y", "z", "hemisphere"]], on="label")


def read_cpac(
    root: str | os.PathLike[str],
    *,
    atlas: str = "ho",
    strategy: str | None = None,
    phenotype: str | os.PathLike[str] | pd.DataFrame | None = None,
    atlas_image: str | os.PathLike[str] | nib.spatialimages.SpatialImage | Atlas | None = None,
    n_jobs: int = 1,
    work_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Cohort:
    """Read ABIDE I series in the layout of :func:`nilearn.datasets.fetch_abide_pcp` ([1]_).

    Parameters
    ----------
    root : path
        The folder with ``cpac/STRATEGY/<FILE_ID>_rois_<atlas>.1D`` or the one above it.
    atlas : str
        ``ho``, ``cc200``, ``cc400``, ``aal``, ``dosenbach160``, ``ez`` or ``tt``.
    strategy : str, optional
        ``filt_noglobal``, ``filt_global``, ``nofilt_noglobal`` or ``nofilt_global``; may be left
        out where only one has the atlas.
    phenotype : path or DataFrame, optional
        The phenotype table, with the original column names; the CSV in ``root`` if not given.
    atlas_image : path, image or Atlas, optional
        The label image of the atlas, for the centroids ``x``, ``y``, ``z`` (mm).
    n_jobs, work_dir, progress
        See :func:`~brainograph.io.collect`.

    Returns
    -------
    Cohort
        ``timeseries``, regions named ``ROI_<label>``; the last seven digits of ``FILE_ID`` are
        the ``participant_id``. ``diagnosis`` is 1 for autism, 0 for controls. A region without
        signal is a column of zeros. The repetition time is not in the table, nor here. Two pairs
        of participants were released with one scan (0050578 and 0050602 of YALE, with opposite
        diagnoses; 0050279 and 0050286 of UM_1): they share a value of ``group``.

    Raises
    ------
    FileNotFoundError
        If the layout, the atlas or the phenotype table is not there.
    ValueError
        If several strategies are there and none is chosen, or if nothing could be read.

    References
    ----------
    .. [1] Craddock et al. The Neuro Bureau Preprocessing Initiative: open sharing of
       preprocessed neuroimaging data and derivatives. Neuroinformatics, 2013.

    Examples
    --------
    >>> read_cpac("nothing_here")
    Traceback (most recent call last):
    FileNotFoundError: nothing_here has no folder cpac/ or ABIDE_pcp/cpac/. ...
    """
    base = _base(Path(root))
    folder = _folder(base, strategy, atlas)
    table = read_phenotype(_phenotype_table(base) if phenotype is None else phenotype)
    pattern = f"*_rois_{atlas}.1D"
    files = _by_participant(sorted(folder.glob(pattern)))
    rows, unmatched = align(files, table, looked_for=f"{folder.name}/{pattern}")
    sources = {key: [files[key]] for key in rows.index}
    settings = {
        "layout": "cpac",
        "source": str(base.resolve()),
        "strategy": folder.name,
        "atlas": atlas,
    }
    results, failures = collect(
        _read_series, sources, settings=settings, n_jobs=n_jobs, work_dir=work_dir,
        progress=progress,
    )  # fmt: skip
    cohort = assemble(
        results,
        pd.concat([unmatched, failures], ignore_index=True),
        member="timeseries",
        phenotype=rows,
        sources=sources,
        provenance=settings,
    )
    image = None if atlas_image is None else load_atlas(atlas_image)
    return cohort.assign(
        regions=_regions(cohort.regions.index, image), phenotype=_grouped(cohort.phenotype)
    )


def _grouped(phenotype: pd.DataFrame) -> pd.DataFrame:
    """Give the participants of one scan one value of ``group``, which splits keep together."""
    group = pd.Series(index=phenotype.index, dtype=object)
    for pair in _ONE_SCAN:
        if set(pair) <= set(phenotype.index):
            group[list(pair)] = "one scan: " + " ".join(pair)
    return phenotype.assign(group=group) if group.notna().any() else phenotype


def _by_participant(paths: list[Path]) -> Mapping[str, Path]:
    """Name each file by the seven digits before ``_rois_``, else by its whole FILE_ID."""
    files: dict[str, Path] = {}
    for path in paths:
        file_id = path.name.split("_rois_")[0]
        digits = re.search(r"(\d{7})$", file_id)
        key = digits[1] if digits else file_id
        if key in files:
            raise ValueError(f"{key} has two files: {files[key].name} and {path.name}. Remove one.")
        files[key] = path
    return files
