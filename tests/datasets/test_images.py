import joblib
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort, simulate_images
from brainograph.datasets.images import _KNOTS, _Brain
from brainograph.datasets.regions import mni_regions

QUICK = {"resolution": 8, "n_jobs": 1}


def volumes_of(cohort, modality):
    return np.stack([nib.load(path).get_fdata() for path in cohort.images[modality]])


def distance(cohort, modality):
    """Return how far each voxel is from the next planted centre (mm)."""
    image = nib.load(cohort.images[modality].iloc[0])
    xyz = nib.affines.apply_affine(image.affine, np.indices(image.shape).transpose(1, 2, 3, 0))
    centres = np.array(cohort.provenance["truth"]["images"]["centres"])
    return np.linalg.norm(xyz[..., None, :] - centres, axis=-1).min(axis=-1)


def cohens_d(values, y):
    controls, patients = values[y == 0], values[y == 1]
    return (controls.mean() - patients.mean()) / np.sqrt((controls.var() + patients.var()) / 2)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    cohort = simulate_cohort(50, random_state=0)
    folder = tmp_path_factory.mktemp("planted") / "images"
    return simulate_images(cohort, folder, modalities=("T1w", "GM", "pet"), effect=3.0, **QUICK)


@pytest.mark.parametrize("modality", ["T1w", "GM", "pet"])
def test_patients_lack_tissue_in_the_planted_place_and_nowhere_else(planted, modality):
    images, far = volumes_of(planted, modality), distance(planted, modality)
    y = planted.phenotype["diagnosis"].to_numpy()
    brain = (images > 0).all(axis=0)
    near = images[:, brain & (far < 12)].mean(axis=1)
    assert 1.0 < cohens_d(near, y) < 3.6
    apart = images[:, brain & (far > 40)].mean(axis=1)
    assert abs(cohens_d(apart, y)) < 0.7
    voxels = np.array([cohens_d(v, y) for v in images[:, brain].T])
    where = far[brain]
    top = np.argsort(voxels)[-10:]
    assert (where[top] < 25).mean() >= 0.9


def test_truth_and_everything_else_stays(planted):
    truth = planted.provenance["truth"]
    assert truth["images"]["regions"] == ["Limbic_Hippocampus_L", "Limbic_Hippocampus_R"]
    assert truth["images"]["centres"] == [[-26, -24, -14], [26, -24, -14]]
    patients = planted.phenotype.index[planted.phenotype["diagnosis"] == 1]
    assert sorted(truth["images"]["carriers"]) == sorted(patients)
    plain = simulate_cohort(50, random_state=0)
    assert truth["edges"] == plain.provenance["truth"]["edges"]
    assert planted.assign(images=pd.DataFrame()).fingerprint() == plain.fingerprint()
    assert planted.fingerprint() != plain.fingerprint()
    assert planted.images.columns.tolist() == ["T1w", "GM", "pet"]


def test_no_effect_and_no_deformation_differ_by_noise_only(tmp_path):
    cohort = simulate_images(
        6, tmp_path / "a", modalities=["GM"], effect=0, deformation=0.0, **QUICK
    )
    images = volumes_of(cohort, "GM")
    masks = images > 0
    assert (masks == masks[0]).all()
    with joblib.parallel_config(backend="threading"):
        settings = {"effect": 0, "deformation": 0.0, "resolution": 8, "n_jobs": 2}
        again = simulate_images(6, tmp_path / "b", modalities=["GM"], **settings)
    assert np.array_equal(volumes_of(again, "GM"), images)


def test_modalities_are_drawn_apart_and_do_not_change_each_other(planted, tmp_path):
    one = simulate_images(planted[:2], tmp_path / "one", modalities=["pet"], effect=3.0, **QUICK)
    assert one.images.columns.tolist() == ["T1w", "GM", "pet"]
    assert np.array_equal(volumes_of(one, "pet"), volumes_of(planted[:2], "pet"))


def test_fields_have_the_variance_they_say(rng):
    brain = _Brain(8, np.array([[-26.0, -24, -14]]), 16.0)
    fields = np.stack([brain.field(rng.normal(size=(_KNOTS,) * 3)) for _ in range(300)])
    np.testing.assert_allclose(fields.std(axis=0), 1.0, atol=0.25)
    assert fields.std() == pytest.approx(1, abs=0.03)
    assert fields[:, brain.affected].mean(axis=1).std() == pytest.approx(brain.spread, rel=0.12)


def test_site_effects(tmp_path):
    sites = np.repeat(["a", "b", "c"], 4)
    cohort = Cohort(
        pd.DataFrame({"site": sites, "diagnosis": 0}, index=[f"s{i}" for i in range(12)]),
        pd.DataFrame(),
    )
    gains = {}
    for size in (0.0, 2.0):
        folder = tmp_path / str(size)
        images = simulate_images(cohort, folder, modalities=["T1w"], site_effect=size, **QUICK)
        means = np.log([v[v > 0].mean() for v in volumes_of(images, "T1w")]).reshape(3, 4)
        gains[size] = means.mean(axis=1).std() / means.std(axis=1).mean()
    assert gains[0.0] < 2 < 5 < gains[2.0]


def test_each_half_of_the_patients_has_one_kind_of_signal(tmp_path):
    before = simulate_cohort(40, prevalence=0.25, n_sites=2, random_state=0)
    cohort = simulate_images(before, tmp_path / "half", modalities=["pet"], half=True, **QUICK)
    old, new = before.phenotype["diagnosis"], cohort.phenotype["diagnosis"]
    carriers = cohort.provenance["truth"]["images"]["carriers"]
    assert (old[carriers] == 0).all()
    assert (new[carriers] == 1).all()
    assert (new[old == 1] == 1).all()
    assert new.sum() == 2 * old.sum() == 2 * len(carriers)
    assert (new.groupby(cohort.phenotype["site"]).mean() == 0.5).all()
    images, far = volumes_of(cohort, "pet"), distance(cohort, "pet")
    near = images[:, (images > 0).all(axis=0) & (far < 12)].mean(axis=1)
    others = ~cohort.phenotype.index.isin(carriers)
    assert abs(cohens_d(near[others], new[others].to_numpy())) < 1  # first half: normal images
    assert cohens_d(near, np.where(others, 0, 1)) > 1
    assert simulate_images(8, tmp_path / "n", modalities=["pet"], half=True, **QUICK).phenotype[
        "diagnosis"
    ].sum() in (2, 4, 6)
    with pytest.raises(ValueError, match=r"has \d+ and \d+. Write simulate_cohort"):
        simulate_images(simulate_cohort(20), tmp_path / "x", half=True, **QUICK)


def test_missing_images_are_nan(tmp_path):
    cohort = simulate_images(10, tmp_path / "m", modalities=("GM", "pet"), missing=0.3, **QUICK)
    assert cohort.images.isna().sum().tolist() == [3, 3]
    assert len(list((tmp_path / "m").glob("*/*.nii.gz"))) == 14
    assert all(nib.load(path) is not None for path in cohort.images["GM"].dropna())


def test_bad_settings(tmp_path):
    cohort = simulate_cohort(4)
    for settings, message in (
        ({"modalities": ["T2w"]}, r"modalities must be some of .*got \['T2w'\]"),
        ({"modalities": "pet"}, "modalities must be some of"),
        ({"regions": ["hippocampus"]}, r"regions must be some of mni_regions\(56\)"),
        ({"missing": 1}, r"missing must be in \[0, 1\), got 1"),
        ({"radius": 0}, "radius must be above 0 mm"),
        ({"radius": 0.1}, "no voxel of 8 mm is within 0.1 mm"),
        ({"target": "group"}, "no column 'group'"),
    ):
        with pytest.raises(ValueError, match=message):
            simulate_images(cohort, tmp_path / "new", **{**QUICK, **settings})
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="exists and is not empty"):
        simulate_images(cohort, tmp_path, **QUICK)
    assert set(mni_regions(56).index) >= {"Limbic_Hippocampus_L"}
