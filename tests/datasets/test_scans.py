import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from nilearn.interfaces.fmriprep import load_confounds_strategy
from nilearn.maskers import NiftiLabelsMasker
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brainograph.datasets import simulate_fmriprep


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("derivatives") / "scans"
    return simulate_fmriprep(target, n_subjects=42, progress=False)


@pytest.fixture(scope="module")
def truth(folder):
    return json.loads((folder / "truth.json").read_text())


@pytest.fixture(scope="module")
def people(folder):
    return pd.read_csv(folder / "participants.tsv", sep="\t", index_col=0)


def bold(folder, participant):
    return next(folder.glob(f"{participant}/func/*_desc-preproc_bold.nii.gz"))


def names(folder):
    return pd.read_csv(folder / "atlas.tsv", sep="\t")["name"]


@pytest.fixture(scope="module")
def matrices(folder, truth, people):
    """Correlation matrices without and with nilearn's cleaning, and who is a patient."""
    readable = people.drop(index=[truth["broken"], truth["without_scan"]])
    raw, clean = [], []
    for participant in readable.index:
        path = str(bold(folder, participant))
        t_r = json.loads(Path(path.replace(".nii.gz", ".json")).read_text())["RepetitionTime"]
        confounds, sample_mask = load_confounds_strategy(path, denoise_strategy="simple")
        masker = NiftiLabelsMasker(
            folder / "atlas.nii.gz",
            resampling_target="data",
            standardize="zscore_sample",
            keep_masked_labels=False,
            t_r=t_r,
        )
        raw.append(np.corrcoef(masker.fit_transform(path).T))
        series = masker.fit_transform(path, confounds=confounds, sample_mask=sample_mask)
        clean.append(np.corrcoef(series.T))
    return np.array(raw), np.array(clean), (readable["diagnosis"] == "patient").to_numpy()


def test_nilearn_finds_the_planted_difference(matrices):
    _, clean, patient = matrices
    rows, columns = np.triu_indices(24, 1)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-2))
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    features = np.arctanh(clean[:, rows, columns])
    assert cross_val_score(model, features, patient, cv=cv, scoring="roc_auc").mean() > 0.8


def test_the_difference_is_where_the_truth_says(matrices, folder, truth):
    _, clean, patient = matrices
    difference = clean[patient].mean(0) - clean[~patient].mean(0)
    affected = names(folder).isin(truth["regions"]).to_numpy()
    planted = np.outer(affected, affected) & ~np.eye(24, dtype=bool)
    elsewhere = ~planted & ~np.eye(24, dtype=bool)
    assert planted.sum() == 2 * len(truth["edges"])
    assert difference[planted].mean() > 0.15
    assert abs(difference[elsewhere].mean()) < 0.03


def test_cleaning_takes_the_artefacts_away(matrices):
    raw, clean, _ = matrices
    rows, columns = np.triu_indices(24, 1)
    assert raw[:, rows, columns].mean() > 0.3
    assert clean[:, rows, columns].mean() < 0.15


def test_scans_are_integers_with_a_slope_on_a_grid_in_mni(folder, people):
    image = nib.load(bold(folder, people.index[0]))
    assert image.get_data_dtype() == np.int16
    assert float(image.dataobj.slope) == 8.0
    assert image.ndim == 4
    assert 110 <= image.shape[3] <= 140
    np.testing.assert_allclose(image.header.get_zooms()[:3], 8)
    sidecar = bold(folder, people.index[0]).with_suffix("").with_suffix(".json")
    t_r = json.loads(sidecar.read_text())["RepetitionTime"]
    assert image.header.get_zooms()[3] == pytest.approx(t_r)


def test_every_region_is_in_the_atlas_and_survives_the_coarse_grid(folder, people):
    atlas = nib.load(folder / "atlas.nii.gz")
    labels = np.asarray(atlas.dataobj)
    assert np.unique(labels).tolist() == list(range(25))
    mask = nib.load(next(folder.glob(f"{people.index[0]}/func/*_desc-brain_mask.nii.gz")))
    centres = nib.affines.apply_affine(
        atlas.affine, [np.argwhere(labels == k).mean(0) for k in range(1, 25)]
    )
    voxels = np.rint(nib.affines.apply_affine(np.linalg.inv(mask.affine), centres)).astype(int)
    assert np.asarray(mask.dataobj)[tuple(voxels.T)].all()
    left = names(folder).str.endswith("_L").to_numpy()
    assert (centres[left, 0] < 0).all()
    assert (centres[~left, 0] > 0).all()


def test_one_scan_is_broken_and_one_is_missing(folder, truth, people):
    assert {truth["broken"], truth["without_scan"]} < set(people.index)
    assert not (folder / truth["without_scan"]).exists()
    image = nib.load(bold(folder, truth["broken"]))
    with pytest.raises(EOFError):
        image.get_fdata()


def test_participants_are_told_in_words_with_gaps(people):
    assert list(people) == ["age", "sex", "site", "diagnosis"]
    assert set(people["diagnosis"]) == {"patient", "control"}
    assert set(people["sex"].dropna()) == {"F", "M"}
    assert people["site"].nunique() == 3
    assert people[["age", "sex"]].isna().any(axis=None)
    assert people.groupby("site")["diagnosis"].value_counts().between(6, 8).all()


def contents(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_seed_decides_every_byte_whatever_the_number_of_jobs(tmp_path):
    options = {"n_subjects": 5, "n_volumes": (20, 25), "progress": False}
    one = contents(simulate_fmriprep(tmp_path / "a", **options))
    with parallel_config(backend="threading"):
        assert one == contents(simulate_fmriprep(tmp_path / "b", n_jobs=2, **options))
    other = contents(simulate_fmriprep(tmp_path / "c", random_state=1, **options))
    assert one["participants.tsv"] != other["participants.tsv"]


def test_only_a_simulation_is_replaced_and_only_on_request(tmp_path):
    options = {"n_subjects": 4, "n_volumes": (20, 20), "progress": False}
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="It is not a simulation"):
        simulate_fmriprep(mine, overwrite=True, **options)
    scans = simulate_fmriprep(tmp_path / "scans", **options)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        simulate_fmriprep(scans, **options)
    simulate_fmriprep(scans, overwrite=True, **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "scans"]


def test_too_few_participants_are_refused(tmp_path):
    with pytest.raises(ValueError, match="n_subjects must be at least 4, got 3"):
        simulate_fmriprep(tmp_path / "scans", n_subjects=3)
