"""Structural and PET volumes, and what an atlas measures in them."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainograph.cohort import Cohort
from brainograph.connectivity.morphometric import morphometric_similarity, regional_measures
from brainograph.io.atlas import Atlas, load_atlas, read_names
from brainograph.io.collect import Result, assemble, collect, failure_table
from brainograph.io.extraction import labels_on_grid
from brainograph.io.participants import align, read_participants
from brainograph.io.patterns import match_files
from brainograph.io.volumes import open_volume

__all__ = ["read_images"]


def _measure(
    path: Path, labels: Path | None = None, *, atlas: Atlas | None, codes: Sequence[int]
) -> Result:
    """Return regional measures and similarity; without an atlas, only look at the header."""
    image = open_volume(path)
    own = atlas if labels is None else load_atlas(labels)
    if own is None:
        return {}
    volume = np.asarray(image.dataobj, dtype=np.float32)
    grid = labels_on_grid(own, image)
    size = float(abs(np.linalg.det(image.affine[:3, :3])))
    measures = regional_measures(volume, grid, regions=codes, voxel_volume=size)
    return {"connectivity": morphometric_similarity(volume, grid, regions=codes), **measures}


def _regions(
    atlas: str | os.PathLike[str] | Atlas | None, names: str | os.PathLike[str] | None
) -> tuple[Atlas | None, dict[str, Path], pd.DataFrame]:
    """Return the shared atlas or each participant's label image, and the table of regions."""
    if atlas is None:
        return None, {}, pd.DataFrame()
    if isinstance(atlas, Atlas) or "{participant_id}" not in str(atlas):
        shared = load_atlas(atlas, names=names)
        return shared, {}, shared.regions
    if names is None:
        raise ValueError(
            "an atlas of each participant's own needs the list of its regions: give "
            "atlas_names='PATH.tsv' with the columns index and name."
        )
    table = read_names(names).query("index > 0").drop_duplicates("name")
    table = table.rename(columns={"index": "label"}).set_index("name")[["label"]]
    return None, match_files(str(atlas)), table


def read_images(
    pattern: str | os.PathLike[str],
    *,
    modality: str,
    participants: str | os.PathLike[str] | pd.DataFrame | None = None,
    atlas: str | os.PathLike[str] | Atlas | None = None,
    atlas_names: str | os.PathLike[str] | None = None,
    id_column: str | None = None,
    sex_coding: Mapping[Any, str] | None = None,
    n_jobs: int = 1,
    work_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Cohort:
    """Find the volumes of the participants and, with an atlas, measure their regions.

    Parameters
    ----------
    pattern : str
        Where the volumes are: ``"vbm/{participant_id}_*_GM.nii.gz"``. NIfTI, MGH and whatever
        else nibabel opens; they must be 3D.
    modality : str
        The column of ``cohort.images``: ``"T1w"``, ``"GM"``, ``"pet"`` ...
    participants : path or DataFrame, optional
        The participants table.
    atlas : path, str or Atlas, optional
        Labels in the space of the volumes, see :func:`~brainograph.io.load_atlas`; or a pattern
        with ``{participant_id}`` for label images of each participant, such as ``aparc+aseg``.
    atlas_names : path, optional
        TSV with the columns ``index`` and ``name``; needed for label images by participant.
    id_column, sex_coding
        See :func:`~brainograph.io.read_participants`.
    n_jobs, work_dir, progress
        See :func:`~brainograph.io.collect`.

    Returns
    -------
    Cohort
        ``images``; with an atlas also the measures ``mean``, ``std`` and ``volume`` (mm³) of each
        region and the connectivity ``morph``, the similarity of the regions' intensity
        distributions (:func:`~brainograph.connectivity.morphometric_similarity`).

    Raises
    ------
    FileNotFoundError
        If no file fits.
    ValueError
        If two files fit a participant, or if nothing could be read.

    Examples
    --------
    >>> import tempfile
    >>> import nibabel as nib
    >>> folder = Path(tempfile.mkdtemp())
    >>> nib.save(nib.Nifti1Image(np.ones((4, 4, 4)), np.eye(4)), folder / "sub-01_GM.nii.gz")
    >>> table = pd.DataFrame({"participant_id": ["sub-01"], "age": [30]})
    >>> read_images(folder / "{participant_id}_GM.nii.gz", modality="GM", participants=table)
    Cohort of 1 participants, 0 regions: images GM
    """
    files = match_files(pattern)
    rows = None
    if participants is not None:
        rows = read_participants(participants, id_column=id_column, sex_coding=sex_coding)
    phenotype, unmatched = align(files, rows, looked_for=str(pattern))
    shared, own, regions = _regions(atlas, atlas_names)
    sources = {key: [files[key], *([own[key]] if key in own else [])] for key in phenotype.index}
    lacking = [
        (key, str(files[key]), f"no label image: looked for {atlas}")
        for key in (sources if own else ())
        if key not in own
    ]
    settings = {
        "layout": "images",
        "source": str(pattern),
        "modality": modality,
        "atlas": shared.name if shared else str(atlas) if atlas else None,
        "atlas_sha256": shared.digest if shared else None,
    }
    codes = regions["label"].tolist() if len(regions) else []
    results, failures = collect(
        partial(_measure, atlas=shared, codes=codes),
        {key: paths for key, paths in sources.items() if not own or key in own},
        settings=settings,
        n_jobs=n_jobs,
        work_dir=work_dir,
        progress=progress,
    )
    failures = pd.concat([unmatched, failure_table(lacking), failures], ignore_index=True)
    images = pd.DataFrame({modality: [str(files[key]) for key in results]}, index=list(results))
    if atlas is None:
        return Cohort(
            phenotype.loc[list(results)],
            pd.DataFrame(),
            images=images,
            failures=failures,
            provenance=settings,
        )
    cohort = assemble(
        results,
        failures,
        member="connectivity",
        name="morph",
        phenotype=phenotype,
        regions=regions,
        sources=sources,
        images=images,
        provenance=settings,
    )
    return cohort.assign(
        measures={
            name: np.stack([results[key][name] for key in cohort.participant_ids])
            for name in ("mean", "std", "volume")
        }
    )
