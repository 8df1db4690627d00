"""Small data sets as fMRIPrep writes them."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

AFFINE = np.diag([4.0, 4, 4, 1]) + np.array(
    [[0, 0, 0, -14], [0, 0, 0, -14], [0, 0, 0, -14], [0] * 4]
)
SPACE = "MNI152NLin2009cAsym"


def write_scan(path, *, n_volumes=40, seed=0, t_r=2.0):
    """Write a scan of 8x8x8 voxels, smooth over each octant."""
    rng = np.random.default_rng(seed)
    data = np.repeat(
        np.repeat(np.repeat(rng.normal(500, 20, (2, 2, 2, n_volumes)), 4, 0), 4, 1), 4, 2
    )
    header = nib.Nifti1Header()
    header.set_xyzt_units("mm", "sec")
    image = nib.Nifti1Image((data + rng.normal(0, 5, data.shape)).astype(np.int16), AFFINE, header)
    image.header.set_zooms((4, 4, 4, t_r))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)


def write_confounds(path, *, n_volumes=40, seed=0):
    rng = np.random.default_rng(seed)
    motion = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    ends = ["", "_derivative1", "_power2", "_derivative1_power2"]
    names = [f"{name}{end}" for name in (*motion, "csf", "white_matter") for end in ends]
    table = pd.DataFrame(rng.standard_normal((n_volumes, len(names))), columns=names)
    table["cosine00"] = np.cos(np.linspace(0, np.pi, n_volumes))
    table["framewise_displacement"] = [np.nan, *np.full(n_volumes - 1, 0.1 + seed / 10)]
    table["std_dvars"] = [np.nan, *np.ones(n_volumes - 1)]
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    meta = {name: {} for name in names}
    path.with_suffix(".json").write_text(json.dumps(meta))


@pytest.fixture
def atlas_path(tmp_path):
    """Return a label image of eight octants, 3, 5, ... 17, on a grid of 2 mm."""
    labels = np.arange(3, 19, 2, dtype=np.int16).reshape(2, 2, 2)
    for axis in range(3):
        labels = np.repeat(labels, 8, axis)
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -15
    path = tmp_path / "atlas.nii.gz"
    nib.save(nib.Nifti1Image(labels, affine), path)
    return path


@pytest.fixture
def fmriprep(tmp_path):
    """Return derivatives of three participants; the second has two runs."""
    root = tmp_path / "bids" / "derivatives" / "fmriprep"
    scans = [("01", ""), ("02", "_run-1"), ("02", "_run-2"), ("03", "")]
    for seed, (subject, run) in enumerate(scans):
        stem = root / f"sub-{subject}" / "func" / f"sub-{subject}_task-rest{run}"
        write_scan(stem.with_name(f"{stem.name}_space-{SPACE}_desc-preproc_bold.nii.gz"), seed=seed)
        write_confounds(stem.with_name(f"{stem.name}_desc-confounds_timeseries.tsv"), seed=seed)
    anatomy = root / "sub-01" / "anat" / "sub-01_desc-preproc_T1w.nii.gz"
    anatomy.parent.mkdir()
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4)), anatomy)
    pd.DataFrame(
        {
            "participant_id": ["sub-01", "sub-02", "sub-03"],
            "age": [20, 30, -9999],
            "sex": ["M", "F", "n/a"],
            "group": ["patient", "control", "control"],
        }
    ).to_csv(root.parents[1] / "participants.tsv", sep="\t", index=False)
    return root
