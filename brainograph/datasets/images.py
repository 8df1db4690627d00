"""Simulated volumes: T1-weighted, grey matter and PET images with a planted local difference."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import nibabel as nib
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from nilearn.datasets import (
    load_mni152_brain_mask,
    load_mni152_gm_template,
    load_mni152_template,
)
from scipy.interpolate import BSpline
from scipy.ndimage import gaussian_filter, map_coordinates

from brainograph.cohort import Cohort
from brainograph.datasets.regions import mni_regions
from brainograph.datasets.simulate import simulate_cohort
from brainograph.files import replace_on_success

__all__ = ["simulate_images"]

Modality = Literal["T1w", "GM", "pet"]

_REGIONS = ("Limbic_Hippocampus_L", "Limbic_Hippocampus_R")
_SPREAD = 0.06  # deviation of local tissue between participants, as a share of it
_NOISE = 0.03  # deviation of a voxel's noise, as a share of the brightest tissue
_KNOTS = 9  # of the smooth fields, on each axis: about 35 mm apart


def simulate_images(
    cohort: Cohort | int,
    folder: str | os.PathLike[str],
    *,
    modalities: Sequence[Modality] = ("T1w", "pet"),
    resolution: int = 4,
    effect: float = 2.5,
    regions: Sequence[str] = _REGIONS,
    radius: float = 16.0,
    deformation: float = 2.0,
    site_effect: float = 0.0,
    missing: float = 0.0,
    half: bool = False,
    target: str = "diagnosis",
    random_state: int = 0,
    n_jobs: int = 1,
) -> Cohort:
    r"""Write volumes of the participants of a cohort, in whom patients lack tissue somewhere.

    Each image is nilearn's MNI152 template, bent by a smooth field, times a smooth field of local
    tissue, in arbitrary units with noise:

    .. math:: I(x) = b_s(x) \, t(x + u(x)) + \epsilon(x), \qquad
              t(x) = m(x) (1 + \sigma (g(x) - d \, s_A \, y \, 1_{x \in A}))

    where :math:`m` is the template, :math:`u` (mm) and :math:`g` (unit variance) are drawn anew
    for each participant and modality, :math:`d` is the effect, :math:`A` the affected balls,
    :math:`s_A` the deviation of :math:`g`'s mean over them, and :math:`b_s` the scanner's gain
    and bias. The planted lack is atrophy in ``T1w`` and ``GM`` (a VBM map) and
    hypometabolism in ``pet``.

    Parameters
    ----------
    cohort : Cohort (S) or int
        The participants, for example of :func:`~brainograph.datasets.simulate_cohort`; a number
        simulates so many.
    folder : path
        The folder to make, whole or not at all.
    modalities : sequence of {"T1w", "GM", "pet"}
        Columns of ``images``.
    resolution : int, mm
        Size of a voxel; 8 for a quick test.
    effect : float
        Cohen's d of the mean tissue of the affected regions, of which bending and noise hide
        some. 0 plants nothing; a small CNN on 110 participants finds 10 and misses 5, a logistic
        regression on the 60 best voxels has an AUC of about .7 at 4 where half the patients have
        it.
    regions : sequence of str
        Names of :func:`~brainograph.datasets.regions.mni_regions` (56), whose centres the
        affected balls have.
    radius : float, mm
        Of each ball.
    deformation : float, mm
        Deviation of :math:`u` in each direction.
    site_effect : float
        Strength of each site's own gain and bias field: 1 makes gains differ by 20 %.
    missing : float
        Share of participants who lack each modality (a NaN path), drawn for each apart.
    half : bool
        Whether what is planted in the images and what the cohort already has are borne by
        different patients, so that each modality holds half of the signal: the patients of
        ``cohort`` have normal images, and as many of its controls at each site become patients,
        with planted images. Give ``simulate_cohort(..., prevalence=0.25)`` for a half of patients
        (a number does so).
    target : str
        Phenotype column that is 1 for patients.
    random_state : int
        Seed: the same files whatever ``n_jobs``.
    n_jobs : int
        Participants written at once.

    Returns
    -------
    Cohort (S)
        The cohort with ``images``; ``provenance["truth"]["images"]`` has the ``regions``, their
        ``centres`` and ``radius`` (mm), the ``effect`` and the ``carriers``, the participants in
        whom it was planted.

    Raises
    ------
    FileExistsError
        If the folder has something in it.
    ValueError
        If a setting is out of its range, or ``half`` finds too few controls.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "images"
    >>> cohort = simulate_images(4, folder, modalities=["GM"], resolution=8)
    >>> cohort.images.columns.tolist(), nib.load(cohort.images["GM"].iloc[0]).shape
    (['GM'], (26, 30, 25))
    """
    _check(modalities, regions, missing, radius)
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} exists and is not empty. Choose another folder.")
    if not isinstance(cohort, Cohort):
        share = 0.25 if half else 0.5
        cohort = simulate_cohort(cohort, prevalence=share, random_state=random_state)
    rng = np.random.default_rng([random_state, 1])
    cohort, carries = _carriers(cohort, target, half, rng)
    sites = pd.factorize(_sites(cohort))[0]
    table = mni_regions(56).loc[list(regions)]
    brain = _Brain(resolution, table[["x", "y", "z"]].to_numpy(), radius)
    absent = rng.random((len(cohort), len(modalities))).argsort(axis=0) < missing * len(cohort)
    seeds = np.random.SeedSequence([random_state, 2]).spawn(len(cohort))
    scanners = [
        np.random.default_rng([random_state, 3, site]).normal(size=_KNOTS**3 + 1) * site_effect
        for site in range(sites.max() + 1 if len(sites) else 0)
    ]
    with replace_on_success(folder) as part:
        part.mkdir()
        Parallel(n_jobs=n_jobs)(
            delayed(_write)(
                part,
                participant,
                modalities=[m for m, gone in zip(modalities, absent[i], strict=True) if not gone],
                brain=brain,
                effect=effect * carries[i],
                deformation=deformation,
                scanner=scanners[sites[i]],
                seed=seeds[i],
            )
            for i, participant in enumerate(cohort.participant_ids)
        )
    paths = pd.DataFrame(
        {m: [str(_path(folder, one, m)) for one in cohort.participant_ids] for m in modalities},
        index=cohort.phenotype.index,
    ).mask(absent)
    others = cohort.images.drop(columns=list(modalities), errors="ignore")
    truth = {
        "regions": list(regions),
        "centres": table[["x", "y", "z"]].to_numpy().tolist(),
        "radius": radius,
        "effect": effect,
        "site_effect": site_effect,
        "carriers": [cohort.participant_ids[i] for i in np.flatnonzero(carries)],
        "half": half,
    }
    return cohort.assign(
        images=pd.concat([others, paths], axis=1),
        provenance={"truth": {**cohort.provenance.get("truth", {}), "images": truth}},
    )


class _Brain:
    """The templates at one resolution, and where the affected tissue is."""

    def __init__(self, resolution: int, centres: np.ndarray, radius: float) -> None:
        t1, grey = load_mni152_template(resolution), load_mni152_gm_template(resolution)
        self.affine, self.resolution = t1.affine, resolution
        self.mask = load_mni152_brain_mask(resolution).get_fdata() > 0
        grey_matter = grey.get_fdata().clip(0, 1) * self.mask
        uptake = gaussian_filter(0.3 * self.mask + 0.7 * grey_matter, 3.0 / resolution)  # 7 mm FWHM
        self.templates = {"T1w": t1.get_fdata() * self.mask, "GM": grey_matter, "pet": uptake}
        xyz = nib.affines.apply_affine(self.affine, np.indices(t1.shape).transpose(1, 2, 3, 0))
        distance = np.linalg.norm(xyz[..., np.newaxis, :] - centres, axis=-1).min(axis=-1)
        self.affected = (distance <= radius) & self.mask  # (D, H, W)
        if not self.affected.any():
            raise ValueError(
                f"no voxel of {resolution} mm is within {radius} mm of the affected regions. Write "
                "a larger radius."
            )
        self.splines = [_spline(size) for size in t1.shape]
        # Deviation between participants of the field's mean over the affected voxels.
        at = [basis[i] for basis, i in zip(self.splines, np.nonzero(self.affected), strict=True)]
        weights = np.einsum("va,vb,vc->abc", *at, optimize=True) / self.affected.sum()
        self.spread = float(np.linalg.norm(weights))

    def field(self, knots: np.ndarray) -> np.ndarray:
        """Return a cubic spline (D, H, W) of knots (K, K, K) drawn from N(0, 1): as each voxel."""
        return np.einsum("abc,xa,yb,zc->xyz", knots, *self.splines, optimize=True)


def _spline(size: int) -> np.ndarray:
    """Return a cubic B-spline basis (size, K) whose random sums have variance 1 everywhere."""
    where = np.linspace(3, _KNOTS, size)
    basis = BSpline.design_matrix(where, np.arange(_KNOTS + 4.0), 3).toarray()
    return basis / np.linalg.norm(basis, axis=1, keepdims=True)


def _write(
    folder: Path,
    participant: str,
    *,
    modalities: Sequence[str],
    brain: _Brain,
    effect: float,
    deformation: float,
    scanner: np.ndarray,
    seed: np.random.SeedSequence,
) -> None:
    """Write the images of one participant; the seed is theirs alone."""
    for modality in modalities:
        number = get_args(Modality).index(modality)
        rng = np.random.default_rng([*seed.generate_state(2), number])
        knots = rng.normal(size=(4, _KNOTS, _KNOTS, _KNOTS))
        tissue = brain.templates[modality] * (
            1 + _SPREAD * (brain.field(knots[0]) - effect * brain.spread * brain.affected)
        )
        shift = np.stack([brain.field(one) for one in knots[1:]]) * deformation / brain.resolution
        where = np.indices(brain.mask.shape) + shift
        bent = map_coordinates(tissue, where, order=1)
        inside = map_coordinates(brain.mask.astype(float), where, order=1) > 0.5
        bias = np.exp(0.2 * scanner[0] + 0.1 * brain.field(scanner[1:].reshape(knots[0].shape)))
        noise = rng.normal(0, _NOISE, bent.shape)
        values = np.where(inside, (bias * bent + noise).clip(1e-3), 0)
        scale = 1.0 if modality == "GM" else 1000.0
        image = nib.Nifti1Image((scale * values).astype(np.float32), brain.affine)
        path = _path(folder, participant, modality)
        path.parent.mkdir(exist_ok=True)
        image.to_filename(path)


def _path(folder: Path, participant: str, modality: str) -> Path:
    return folder / participant / f"{participant}_{modality}.nii.gz"


def _check(
    modalities: Sequence[str], regions: Sequence[str], missing: float, radius: float
) -> None:
    known = get_args(Modality)
    if isinstance(modalities, str) or not modalities or not set(modalities) <= set(known):
        raise ValueError(f"modalities must be some of {known}, got {modalities}.")
    names = mni_regions(56).index
    if not len(regions) or not set(regions) <= set(names):
        raise ValueError(
            f"regions must be some of mni_regions(56), got {list(regions)}. Write for example "
            f"regions={list(_REGIONS)}."
        )
    if not 0 <= missing < 1:
        raise ValueError(
            f"missing must be in [0, 1), got {missing}. For a fifth of the images write 0.2."
        )
    if not radius > 0:
        raise ValueError(f"radius must be above 0 mm, got {radius}. Write radius=16.")


def _sites(cohort: Cohort) -> pd.Series:
    """Return the site of each participant, one for all where the cohort has none."""
    if "site" in cohort.phenotype:
        return cohort.phenotype["site"].fillna("")
    return pd.Series("", index=cohort.phenotype.index)


def _carriers(
    cohort: Cohort, target: str, half: bool, rng: np.random.Generator
) -> tuple[Cohort, np.ndarray]:
    """Return the cohort, with further patients if asked, and in whom to plant (S,) bool."""
    if target not in cohort.phenotype:
        raise ValueError(f"the cohort has no column {target!r}: {list(cohort.phenotype)}.")
    patient = (cohort.phenotype[target] == 1).to_numpy()
    if not half:
        return cohort, patient
    control, site = (cohort.phenotype[target] == 0).to_numpy(), _sites(cohort).to_numpy()
    carries = np.zeros(len(cohort), dtype=bool)
    for one in np.unique(site):
        free, needed = np.flatnonzero(control & (site == one)), (patient & (site == one)).sum()
        if len(free) <= needed:
            raise ValueError(
                f"half=True turns as many controls into patients as there are patients, and site "
                f"{one!r} has {len(free)} and {needed}. Write simulate_cohort(..., "
                "prevalence=0.25)."
            )
        carries[rng.permutation(free)[:needed]] = True
    column = cohort.phenotype[target].mask(carries, 1)
    return cohort.assign(phenotype=cohort.phenotype.assign(**{target: column})), carries
