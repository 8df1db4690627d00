import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from brainograph.cohort import Cohort
from brainograph.estimators.subject.data import SubjectData
from brainograph.io.volumes import Volumes


@pytest.fixture
def cohort(rng):
    ids = ["a", "b", "c"]
    return Cohort(
        pd.DataFrame({"repetition_time": [2.0, 1.5, None]}, index=ids),
        pd.DataFrame(index=["r1", "r2"]),
        timeseries=[rng.normal(50, 3, (n, 2)).astype(np.float32) for n in (5, 9, 7)],
        connectivity={"fc": rng.normal(size=(3, 2, 2))},
        measures={"thickness": rng.normal(size=(3, 2))},
    )


def test_series_are_padded_to_the_longest_of_the_batch_and_standardized(cohort):
    batch = SubjectData(cohort, ["series"], standardize=True).batch(np.array([2, 0]))
    assert batch.series.shape == (2, 7, 2)
    assert batch.lengths.tolist() == [7, 5]
    assert (batch.series[1, 5:] == 0).all()
    one = cohort.timeseries[0].astype(float)
    expected = (one - one.mean(0)) / one.std(0)
    assert np.allclose(batch.series[1, :5], expected, atol=1e-5)
    assert batch.t_r.tolist() == [pytest.approx(np.nan, nan_ok=True), 2.0]
    assert not batch.connectivity


def test_kept_or_read_each_time_gives_the_same_bits(cohort):
    reads = ["series", "connectivity/fc", "measures/thickness"]
    lazy = SubjectData(cohort, reads, standardize=True)
    kept = SubjectData(cohort, reads, standardize=True).keep_on(torch.device("cpu"))
    for rows in ([0], [2, 1], [0, 0, 1]):
        one, other = lazy.batch(np.array(rows)), kept.batch(np.array(rows))
        for a, b in zip(one.tensors, other.tensors, strict=True):
            assert torch.equal(a.nan_to_num(), b.nan_to_num())
            assert b.is_contiguous()


def test_a_constant_region_is_zero(cohort):
    series = [one.copy() for one in cohort.timeseries]
    series[1][:, 0] = 4097.3
    data = SubjectData(cohort.assign(timeseries=series), ["series"], standardize=True)
    assert (data.batch(np.array([1])).series[..., 0] == 0).all()


def test_raw_series_on_request(cohort):
    batch = SubjectData(cohort, ["series"], standardize=False).batch(np.array([1]))
    assert np.array_equal(batch.series[0], cohort.timeseries[1])


def test_phenotypes_stand_beside(cohort):
    data = SubjectData(cohort, ["measures/thickness"], standardize=True)
    beside = data.with_phenotypes(np.array([[1.0], [2.0], [3.0]]))
    assert beside.batch(np.array([2, 0])).phenotypes.tolist() == [[3.0], [1.0]]
    assert data.batch(np.array([0])).phenotypes is None


def test_images_are_read_and_standardized(cohort, tmp_path, rng):
    paths = []
    for name in cohort.participant_ids:
        paths.append(str(tmp_path / f"{name}.nii.gz"))
        volume = rng.normal(100, 5, (3, 4, 5)).astype(np.float32)
        nib.save(nib.Nifti1Image(volume, np.eye(4)), paths[-1])
    with_images = cohort.assign(images=pd.DataFrame({"t1": paths}, index=cohort.participant_ids))
    data = SubjectData(with_images, ["images/t1"], standardize=True)
    image = data.batch(np.array([1, 2])).images["t1"]
    assert image.shape == (2, 1, 3, 4, 5)
    assert image[0].mean().abs() < 1e-4
    assert image[0].std() == pytest.approx(1, abs=0.02)
    left = nib.orientations.axcodes2ornt("LAS")
    nib.load(paths[1]).as_reoriented(left).to_filename(tmp_path / "left.nii.gz")
    turned = with_images.images.replace(paths[1], str(tmp_path / "left.nii.gz"))
    data_of_left = SubjectData(with_images.assign(images=turned), ["images/t1"], standardize=True)
    assert torch.equal(data_of_left.batch(np.array([1])).images["t1"], image[:1])
    nib.save(nib.Nifti1Image(np.ones((3, 4, 6), dtype=np.float32), np.eye(4)), paths[2])
    with pytest.raises(ValueError, match=r"must have one grid, got \(3, 4, 5\) and, for c"):
        data.batch(np.array([1, 2]))


@pytest.mark.parametrize(
    ("reads", "message"),
    [
        (["connectivity/sc"], r"reads connectivity 'sc' and the cohort has \['fc'\]"),
        (["measures/volume"], "reads measures 'volume'"),
        (["images/t1"], "reads images 't1' and the cohort has none"),
        (["fc"], "what can be read is"),
        (["connectivity"], "what can be read is"),
    ],
)
def test_what_is_missing_is_named(cohort, reads, message):
    with pytest.raises(ValueError, match=message):
        SubjectData(cohort, reads, standardize=True)


def test_no_series(cohort):
    bare = Cohort(cohort.phenotype, cohort.regions)
    with pytest.raises(ValueError, match="reads series and the cohort has none"):
        SubjectData(bare, ["series"], standardize=True)


def test_scans_shorter_than_a_window_are_named(cohort):
    with pytest.raises(ValueError, match=r"needs 8 volumes and 2 of 3 scans are shorter: .*'a': 5"):
        SubjectData(cohort, ["series"], standardize=True, min_volumes=8)


def test_nan_names_the_participant(cohort):
    matrices = cohort.connectivity["fc"].copy()
    matrices[1, 0, 0] = np.nan
    data = SubjectData(
        cohort.assign(connectivity={"fc": matrices}), ["connectivity/fc"], standardize=True
    )
    with pytest.raises(ValueError, match="fc of b has NaN or infinite values"):
        data.batch(np.arange(3))


@pytest.fixture
def scanned(cohort, tmp_path, rng):
    """a has both images, b a T1w and c a PET image only."""
    paths = {}
    for name in ("a_T1w", "b_T1w", "a_pet", "c_pet"):
        paths[name] = str(tmp_path / f"{name}.nii")
        volume = np.pad(rng.uniform(50, 100, (4, 4, 4)), 1).astype(np.float32)
        nib.save(nib.Nifti1Image(volume, np.diag([2, 2, 2, 1.0])), paths[name])
    images = {m: [paths.get(f"{one}_{m}") for one in "abc"] for m in ("T1w", "pet")}
    return cohort.assign(images=pd.DataFrame(images, index=cohort.participant_ids))


def test_absent_images_are_zeros_and_present_ones_are_read(scanned):
    volumes = Volumes(spacing=2.0, shape=(8, 8, 8))
    reads = ["images/T1w", "images/pet"]
    data = SubjectData(scanned, reads, standardize=True, volumes=volumes, missing_ok=True)
    rows = np.array([0, 1, 2])
    lazy = data.batch(rows)
    assert lazy.has("images/T1w").tolist() == [True, True, False]
    assert lazy.has("images/pet").tolist() == [True, False, True]
    expected = volumes.read(scanned.images["T1w"].iloc[1])
    assert np.array_equal(lazy.images["T1w"][1, 0], expected)
    assert (lazy.images["T1w"][2] == 0).all()
    data.expect([rows[:2], rows[2:]])
    ahead = [data.batch(rows[:2]), data.batch(rows[2:])]
    assert torch.equal(torch.cat([one.images["pet"] for one in ahead]), lazy.images["pet"])
    assert torch.equal(torch.cat([one.present["images/pet"] for one in ahead]), lazy.has(reads[1]))
    kept = data.keep_on(torch.device("cpu")).batch(rows)
    assert torch.equal(kept.images["T1w"], lazy.images["T1w"])
    assert torch.equal(kept.present["images/T1w"], lazy.present["images/T1w"])


def test_images_that_nobody_has_any_more_keep_the_grid_of_the_training(scanned):
    reads = ["images/T1w", "images/pet"]
    trained = SubjectData(scanned, reads, standardize=True, missing_ok=True)
    assert trained.shapes == {"T1w": (6, 6, 6), "pet": (6, 6, 6)}
    new = scanned[[1]]
    with pytest.raises(ValueError, match="nobody has an image 'pet'"):
        SubjectData(new, reads, standardize=True, missing_ok=True)
    data = SubjectData(new, reads, standardize=True, missing_ok=True, shapes=trained.shapes)
    batch = data.batch(np.array([0]))
    assert batch.images["pet"].shape == (1, 1, 6, 6, 6)
    assert batch.has("images/pet").tolist() == [False]
    others = {"T1w": (8, 6, 6), "pet": (6, 6, 6)}
    data = SubjectData(new, reads, standardize=True, missing_ok=True, shapes=others)
    with pytest.raises(ValueError, match=r"one grid, got \(8, 6, 6\) and, for b, \(6, 6, 6\)"):
        data.batch(np.array([0]))


def test_who_has_no_image_is_named(scanned):
    with pytest.raises(ValueError, match=r"1 participants have no image 'pet': \['b'\]"):
        SubjectData(scanned, ["images/pet"], standardize=True)


def test_matrices_and_measures_of_another_parcellation(cohort, rng):
    area = np.arange(9.0).reshape(3, 3)
    aparc = Cohort(
        cohort.phenotype,
        pd.DataFrame(index=["lh", "rh", "x"]),
        connectivity={"morph": rng.normal(size=(3, 3, 3))},
        measures={"area": area},
    )
    both = cohort.assign(parcellations={"aparc": aparc})
    reads = ["connectivity/fc", "connectivity/aparc/morph", "measures/aparc/area"]
    data = SubjectData(both, reads, standardize=True)
    assert data.regions == {"aparc": ["lh", "rh", "x"]}
    batch = data.batch(np.array([2, 0]))
    assert np.allclose(batch.connectivity["aparc/morph"], aparc.connectivity["morph"][[2, 0]])
    assert batch.connectivity["fc"].shape == (2, 2, 2)
    assert batch.measures["aparc/area"].tolist() == area[[2, 0]].tolist()
    assert data._bytes() == 4 * 3 * (4 + 9 + 3)
    with pytest.raises(ValueError, match="regions are not those of the fit"):
        SubjectData(both, reads, standardize=True, regions={"aparc": ["rh", "lh", "x"]})
    with pytest.raises(ValueError, match=r"no parcellation 'a2009s'; it has: 'aparc'"):
        SubjectData(both, ["connectivity/a2009s/morph"], standardize=True)
    with pytest.raises(ValueError, match=r"reads connectivity 'fc' and the cohort has \['morph'\]"):
        SubjectData(both, ["connectivity/aparc/fc"], standardize=True)
