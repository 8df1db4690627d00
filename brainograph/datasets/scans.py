"""Simulated scans: a small data set as fMRIPrep leaves it, to run the whole path on."""

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template
from rich.console import Console
from rich.progress import track
from scipy.spatial import cKDTree

from brainograph.datasets.confounds import draw_confounds
from brainograph.datasets.regions import mni_regions
from brainograph.datasets.signals import (
    affected_mask,
    draw_participants,
    planted_edges,
    regional_series,
)
from brainograph.files import replace_on_success, write_json, write_tsv

__all__ = ["simulate_fmriprep"]

_SPACE = "space-MNI152NLin2009cAsym"
_REPETITION_TIMES = (2.0, 2.5, 3.0)  # s, by site
_RADIUS = 14.0  # mm, of a parcel
_SLOPE = 8.0  # of the stored integers; 1 % of the signal is about six steps


@dataclass(frozen=True)
class _Brain:
    """The MNI template at one resolution; V voxels are in its mask."""

    affine: np.ndarray
    mask: np.ndarray
    tissue: np.ndarray  # (V,), 0 to 1
    labels: np.ndarray  # (V,), the nearest region within the radius, or 0

    @classmethod
    def load(cls, resolution: int, regions: pd.DataFrame) -> "_Brain":
        """Take nilearn's own template and mask, at so many millimetres."""
        template = load_mni152_template(resolution=resolution)
        mask = load_mni152_brain_mask(resolution=resolution).get_fdata() > 0
        xyz = nib.affines.apply_affine(template.affine, np.argwhere(mask))
        distance, nearest = cKDTree(regions[["x", "y", "z"]]).query(xyz)
        labels = np.where(distance <= _RADIUS, nearest + 1, 0)
        return cls(template.affine, mask, template.get_fdata()[mask], labels)

    def image(self, values: np.ndarray, *, slope: float = 1.0) -> nib.Nifti1Image:
        """Return an int16 image of the values (V,) or (T, V) of the mask."""
        stored = np.zeros((*self.mask.shape, *values.shape[:-1]), dtype=np.int16)
        stored[self.mask] = np.rint(values / slope).T
        image = nib.Nifti1Image(stored, self.affine)
        image.header.set_slope_inter(slope, 0)
        image.header.set_xyzt_units("mm", "sec")
        image.header["sform_code"] = image.header["qform_code"] = 4
        return image


def _bold(
    series: np.ndarray, artefacts: np.ndarray, brain: _Brain, rng: np.random.Generator
) -> np.ndarray:
    """Mix regional series (T, R) and artefacts (T, A), in per cent, to voxels (T, V)."""
    voxels = np.argwhere(brain.mask)
    n_voxels = len(voxels)
    ramps = np.column_stack([np.ones(n_voxels), voxels / voxels.max(axis=0) - 0.5])
    weights = 0.6 * rng.normal(size=(artefacts.shape[1], 4)) @ ramps.T
    per_cent = np.column_stack([np.zeros(len(series)), series])[:, brain.labels]
    per_cent = per_cent + artefacts @ weights + rng.normal(0, 1.5, (len(series), n_voxels))
    baseline = 6000 * brain.tissue.clip(0.2)
    return baseline * (1 + per_cent / 100)


def _write_participant(
    folder: Path,
    participant: str,
    *,
    person: dict[str, Any],
    regions: pd.DataFrame,
    truth: dict[str, Any],
    brains: tuple[_Brain, _Brain],
    n_volumes: tuple[int, int],
    seed: np.random.SeedSequence,
) -> None:
    """Write the scans of one participant; the seed is theirs alone."""
    rng = np.random.default_rng(seed)
    functional, anatomical = brains
    t_r, length = person["repetition_time"], int(rng.integers(*n_volumes, endpoint=True))
    series = regional_series(
        length,
        networks=pd.factorize(regions["network"])[0],
        affected=regions.index.isin(truth["regions"]),
        diagnosis=person["diagnosis"],
        mean_fd=0.0,
        site_map=np.zeros(len(regions)),
        effect=truth["effect"],
        dynamic_effect=0.0,
        rng=rng,
    )
    confounds, artefacts = draw_confounds(length, t_r=t_r, mean_fd=person["mean_fd"], rng=rng)

    func, anat = (folder / participant / kind for kind in ("func", "anat"))
    func.mkdir(parents=True)
    anat.mkdir()
    stem = func / f"{participant}_task-rest"
    image = functional.image(_bold(series, artefacts, functional, rng), slope=_SLOPE)
    image.header["pixdim"][4] = t_r
    image.to_filename(f"{stem}_{_SPACE}_desc-preproc_bold.nii.gz")
    functional.image(np.ones_like(functional.tissue)).to_filename(
        f"{stem}_{_SPACE}_desc-brain_mask.nii.gz"
    )
    sidecar = {"RepetitionTime": t_r, "TaskName": "rest", "SkullStripped": True}
    write_json(sidecar, f"{stem}_{_SPACE}_desc-preproc_bold.json")
    write_tsv(confounds, f"{stem}_desc-confounds_timeseries.tsv")
    write_json({"csf": {"Method": "Mean"}}, f"{stem}_desc-confounds_timeseries.json")

    tissue = 1000 * anatomical.tissue * rng.normal(1, 0.05)
    tissue += rng.normal(0, 20, tissue.shape)
    anatomical.image(tissue).to_filename(anat / f"{participant}_{_SPACE}_desc-preproc_T1w.nii.gz")


def _write_tables(
    folder: Path, people: pd.DataFrame, *, missing: float, rng: np.random.Generator
) -> None:
    """Write what describes the data set: its participants and its dataset_description.json."""
    table = pd.DataFrame(
        {
            "age": people["age"].mask(rng.random(len(people)) < missing),
            "sex": people["sex"].str[0].str.upper().mask(rng.random(len(people)) < missing),
            "site": people["site"],
            "diagnosis": people["diagnosis"].map({0: "control", 1: "patient"}),
        }
    )
    write_tsv(table, folder / "participants.tsv", index=True)
    description = {
        "Name": "Simulated resting-state scans",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "brainograph.datasets.simulate_fmriprep"}],
    }
    write_json(description, folder / "dataset_description.json")


def _write_atlas(folder: Path, brain: _Brain, regions: pd.DataFrame) -> None:
    """Write the label image and its table of names."""
    brain.image(brain.labels).to_filename(folder / "atlas.nii.gz")
    names = regions.reset_index()[["label", "region"]]
    write_tsv(names.set_axis(["index", "name"], axis=1), folder / "atlas.tsv")


def _truncate(path: Path) -> None:
    """Keep 60 % of a file, as a broken transfer leaves it."""
    os.truncate(path, int(0.6 * path.stat().st_size))


def _make_room(folder: Path, *, overwrite: bool) -> None:
    """Refuse to write over anything but a simulation, and that only on request."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    is_simulation = (folder / "truth.json").is_file() and (folder / "participants.tsv").is_file()
    if not (overwrite and is_simulation):
        hint = "Write overwrite=True to replace it" if is_simulation else "It is not a simulation"
        raise FileExistsError(f"{folder} exists. {hint}, or choose another folder.")


def simulate_fmriprep(
    folder: str | os.PathLike[str],
    *,
    n_subjects: int = 40,
    n_regions: int = 24,
    n_volumes: tuple[int, int] = (110, 140),
    n_sites: int = 3,
    effect: float = 3.0,
    missing: float = 0.05,
    random_state: int = 0,
    n_jobs: int = 1,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Write simulated scans of patients and controls in the layout of fMRIPrep's derivatives.

    Each participant has a 4D scan on an 8 mm MNI grid, a brain mask, confounds that nilearn's
    ``load_confounds`` reads, and a T1-weighted image; repetition times differ by site. In
    patients the correlation among the affected regions is higher, and motion, drift and
    physiological noise hide it until they are cleaned away. The last but one participant of the
    table has a truncated scan and the last has none.

    Parameters
    ----------
    folder : path
        The folder to make, whole or not at all.
    n_subjects : int
        Rows of ``participants.tsv``, at least 4.
    n_regions : int
        Labels of ``atlas.nii.gz`` (4 mm), named in ``atlas.tsv``.
    n_volumes : (int, int)
        Shortest and longest scan, both included.
    n_sites : int
        Sites; half of each site's participants are patients.
    effect : float
        Cohen's d of the correlation among the affected regions, as in
        :func:`~brainograph.datasets.simulate_cohort`.
    missing : float
        Share of missing cells in ``age`` and ``sex``.
    random_state : int
        Seed: the same files whatever ``n_jobs``.
    n_jobs : int
        Participants written at once.
    overwrite : bool
        Whether an older simulation in ``folder`` is replaced.
    progress : bool
        Whether a terminal shows a progress bar.

    Returns
    -------
    path
        The folder. ``truth.json`` in it has the affected ``regions``, the planted ``edges`` and
        the participants ``broken`` and ``without_scan``.

    Raises
    ------
    ValueError
        If there are fewer than 4 participants.
    FileExistsError
        If the folder has something in it.

    Examples
    --------
    >>> import tempfile
    >>> folder = simulate_fmriprep(Path(tempfile.mkdtemp()) / "scans", n_subjects=4, progress=False)
    >>> sorted(path.name for path in folder.iterdir() if path.is_file())
    ['atlas.nii.gz', 'atlas.tsv', 'dataset_description.json', 'participants.tsv', 'truth.json']
    >>> len(list(folder.glob("sub-*/func/*_bold.nii.gz")))
    3
    """
    folder = Path(folder)
    if n_subjects < 4:
        raise ValueError(
            f"n_subjects must be at least 4, got {n_subjects}: one scan is broken and one is "
            "missing. Write for example n_subjects=40."
        )
    _make_room(folder, overwrite=overwrite)
    rng = np.random.default_rng(random_state)
    people = draw_participants(
        n_subjects, n_sites=n_sites, prevalence=0.5, motion_effect=0.0, rng=rng
    )
    site = people["site"].str.removeprefix("site").astype(int) - 1
    people["repetition_time"] = [_REPETITION_TIMES[s % len(_REPETITION_TIMES)] for s in site]
    regions = mni_regions(n_regions)
    affected = affected_mask(regions, None)
    broken, absent = people.index[-2:]
    truth = {
        "regions": regions.index[affected].tolist(),
        "edges": planted_edges(regions, affected),
        "effect": effect,
        "random_state": random_state,
        "broken": broken,
        "without_scan": absent,
    }
    brains = _Brain.load(8, regions), _Brain.load(4, regions)
    seeds = np.random.SeedSequence(random_state).spawn(n_subjects)
    with replace_on_success(folder) as part:
        part.mkdir()
        _write_tables(part, people, missing=missing, rng=rng)
        _write_atlas(part, brains[1], regions)
        write_json(truth, part / "truth.json")
        tasks = [
            delayed(_write_participant)(
                part,
                participant,
                person=person,
                regions=regions,
                truth=truth,
                brains=brains,
                n_volumes=n_volumes,
                seed=seed,
            )
            for (participant, person), seed in zip(
                people.drop(index=absent).to_dict("index").items(), seeds[:-1], strict=True
            )
        ]
        written = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(tasks)
        console = Console(stderr=True)
        disable = not (progress and console.is_terminal)
        deque(track(written, "Writing", total=len(tasks), console=console, disable=disable), 0)
        _truncate(next(part.glob(f"{broken}/func/*_bold.nii.gz")))
    return folder
