import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.base import clone

import brainograph.io.volumes as module
from brainograph.estimators import SubjectGraphClassifier
from brainograph.io import Volumes
from brainograph.io.volumes import open_volume

AS_IS = {"mask": None, "normalize": "none"}


def write(path, data, affine=None):
    image = nib.Nifti1Image(
        np.asarray(data, dtype=np.float32), np.eye(4) if affine is None else affine
    )
    nib.save(image, path)
    return path


@pytest.fixture
def brain(tmp_path, rng):
    """A bright box in zeros, 1 mm."""
    data = np.zeros((12, 14, 12))
    data[3:9, 3:11, 3:9] = rng.uniform(50, 100, (6, 8, 6))
    return write(tmp_path / "brain.nii.gz", data)


@pytest.mark.parametrize("axes", ["LAS", "RAS", "LPI", "PIR", "SRA"])
def test_every_orientation_becomes_ras(tmp_path, axes):
    data = np.arange(24.0).reshape(2, 3, 4)
    ras = nib.Nifti1Image(data, np.eye(4))
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(ras.affine), nib.orientations.axcodes2ornt(axes)
    )
    path = tmp_path / "image.nii"
    ras.as_reoriented(turn).to_filename(path)
    volumes = Volumes(spacing=1.0, shape=None, **AS_IS)
    assert np.array_equal(volumes.read(path), data)
    assert volumes.record(path)["orientation"] == axes
    assert not volumes.record(path)["resampled"]


def test_las_by_hand(tmp_path):
    data = np.zeros((3, 2, 2))
    data[0, 0, 0] = 5.0  # the first voxel of an LAS image is the rightmost
    path = write(tmp_path / "las.nii", data, np.diag([-1.0, 1, 1, 1]))
    got = Volumes(spacing=1.0, shape=None, **AS_IS).read(path)
    assert got[:, 0, 0].tolist() == [0, 0, 5]


def test_a_ramp_is_interpolated_as_by_hand(tmp_path):
    """Voxels of 2 mm with values 0, 20, 40 ... to the right: 10 a mm; at 1 mm 0, 10, 20 ..."""
    data = np.zeros((4, 4, 4)) + 20 * np.arange(4.0)[:, None, None]
    path = write(tmp_path / "ramp.nii", data, np.diag([2.0, 2, 2, 1]))
    volumes = Volumes(spacing=1.0, shape=None, **AS_IS)
    got = volumes.read(path)
    assert got.shape == (7, 7, 7)
    np.testing.assert_allclose(got[:, 3, 3], 10 * np.arange(7), atol=1e-5)
    record = volumes.record(path)
    assert record["resampled"]
    assert record["spacing"] == [2.0, 2.0, 2.0]
    anisotropic = Volumes(spacing=(1.0, 2.0, 2.0), shape=None, **AS_IS).read(path)
    assert anisotropic.shape == (7, 4, 4)


def test_a_coarser_grid_is_smoothed_first(tmp_path, rng):
    data = rng.normal(size=(12, 12, 12)).astype(np.float32)
    path = write(tmp_path / "noise.nii", data)
    got = Volumes(spacing=3.0, shape=None, **AS_IS).read(path)
    expected = gaussian_filter(data, 1.0)[::3, ::3, ::3]
    np.testing.assert_allclose(got[:4, :4, :4], expected, atol=1e-4)


def test_an_oblique_image_is_turned_upright(tmp_path):
    """A blob off the centre is found at its place in mm."""
    turn = nib.eulerangles.euler2mat(z=0.3)
    affine = np.eye(4)
    affine[:3, :3] = 2 * turn
    data = np.zeros((16, 16, 16))
    data[10, 5, 8] = 1.0
    path = write(tmp_path / "oblique.nii", gaussian_filter(data, 1.5), affine)
    got = Volumes(spacing=2.0, shape=None, **AS_IS).read(path)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * 15 @ affine[:3, :3].T
    place = affine[:3, :3] @ [10, 5, 8] - corners.min(axis=0)
    found = np.array(np.unravel_index(got.argmax(), got.shape)) * 2
    assert np.abs(found - place).max() <= 1.5


def test_crop_and_pad_keep_the_middle(tmp_path):
    data = 1 + np.arange(5.0)[:, None, None] + np.zeros((5, 5, 5))
    path = write(tmp_path / "five.nii", data)
    smaller = Volumes(spacing=None, shape=(3, 7, 5), **AS_IS).read(path)
    assert smaller[:, 3, 2].tolist() == [2, 3, 4]
    assert smaller[1, :, 2].tolist() == [0, 3, 3, 3, 3, 3, 0]


def test_brain_in_the_middle_of_native_images(tmp_path, rng):
    data = np.zeros((20, 20, 20))
    data[1:5, 12:18, 12:18] = rng.uniform(1, 2, (4, 6, 6))
    path = write(tmp_path / "corner.nii", data)
    volumes = Volumes(spacing=None, shape=(6, 6, 6), centre="brain")
    got = volumes.read(path)
    assert (got != 0).sum() == 4 * 6 * 6
    assert (got[1:5] != 0).all()
    assert volumes.record(path)["cropped"] == 0
    with pytest.warns(
        UserWarning, match=r"corner.nii: shape=\(16, 16, 16\) .* cuts off 25% of the"
    ):
        Volumes(spacing=None, shape=(16, 16, 16)).read(path)
    with pytest.raises(ValueError, match=r'cuts off 100% of the mask.*centre="brain"'):
        Volumes(spacing=None, shape=(4, 4, 4)).read(path)


@pytest.mark.filterwarnings("ignore:Resampling binary images")
def test_the_record_says_where_the_voxels_are(tmp_path):
    """A bright voxel keeps its place in mm through turning, resampling and cropping."""
    data = np.zeros((10, 12, 14))
    data[7, 4, 6] = 1.0
    affine = nib.affines.from_matvec(np.diag([-2.0, 2, 2]), [30, -40, 5])
    path = write(tmp_path / "dot.nii", data, affine)
    place = nib.affines.apply_affine(affine, [7, 4, 6])
    for settings in (
        {"spacing": 2.0, "shape": (6, 9, 20)},
        {"spacing": 1.0, "shape": (30, 16, 30)},
    ):
        volumes = Volumes(**settings, **AS_IS)
        got = volumes.read(path)
        found = np.unravel_index(got.argmax(), got.shape)
        at = nib.affines.apply_affine(volumes.record(path)["affine"], found)
        np.testing.assert_allclose(at, place, atol=1e-6)


def test_zscore_percentile_and_histogram_in_the_mask(brain):
    raw = open_volume(brain).get_fdata()
    inside = raw > 0
    got = {n: Volumes(spacing=None, shape=None, normalize=n).read(brain)
           for n in ("zscore", "percentile", "histogram", "none")}  # fmt: skip
    for values in got.values():
        assert values.dtype == np.float32
        assert (values[~inside] == 0).all()
    expected = (raw[inside] - raw[inside].mean()) / raw[inside].std()
    np.testing.assert_allclose(got["zscore"][inside], expected, atol=1e-4)
    low, high = np.percentile(raw[inside], [1, 99])
    expected = np.clip((raw[inside] - low) / (high - low), 0, 1)
    np.testing.assert_allclose(got["percentile"][inside], expected, atol=1e-4)
    ranks = got["histogram"][inside]
    assert sorted(np.rint(ranks * inside.sum() - 0.5).tolist()) == list(range(inside.sum()))
    assert (np.argsort(ranks) == np.argsort(raw[inside])).all()
    np.testing.assert_allclose(got["none"], raw, atol=1e-4)


def test_the_mask_of_an_image_with_noise_around(tmp_path, rng):
    data = rng.uniform(0, 5, (16, 16, 16))
    data[4:12, 4:12, 4:12] += 100
    path = write(tmp_path / "head.nii", data)
    got = Volumes(spacing=None, shape=None, normalize="none").read(path)
    inside = np.zeros((16, 16, 16), dtype=bool)
    inside[4:12, 4:12, 4:12] = True
    assert np.array_equal(got != 0, inside)


def test_otsu_as_scikit_image(rng):
    filters = pytest.importorskip("skimage.filters")
    for low, high in ((10, 60), (0, 20), (50, 200)):
        values = np.concatenate([rng.normal(low, 5, 3000), rng.normal(high, 15, 900)])
        assert module._otsu(values) == pytest.approx(filters.threshold_otsu(values))


def test_a_mask_image_in_other_voxels(tmp_path, rng, brain):
    box = np.zeros((6, 7, 6))
    box[2:4, 2:5, 2:4] = 1
    mask = write(tmp_path / "mask.nii", box, np.diag([2.0, 2, 2, 1]))
    volumes = Volumes(spacing=None, shape=None, mask=mask, normalize="none")
    assert (volumes.read(brain) != 0).sum() == pytest.approx(4 * 6 * 4, rel=0.3)
    away = np.eye(4)
    away[:3, 3] = 500
    elsewhere = Volumes(spacing=None, shape=None, mask=write(tmp_path / "away.nii", box, away))
    with pytest.raises(ValueError, match=r"away.nii does not overlap .*brain.nii.gz"):
        elsewhere.read(brain)


def test_nan_is_outside(tmp_path, brain):
    data = open_volume(brain).get_fdata()
    expected = Volumes(spacing=None, shape=None).read(brain)
    path = write(tmp_path / "nan.nii", np.where(data == 0, np.nan, data))
    volumes = Volumes(spacing=None, shape=None)
    np.testing.assert_allclose(volumes.read(path), expected, atol=1e-5)
    assert volumes.record(path)["not_finite"] == (data == 0).sum()


def test_what_is_wrong_with_a_file_is_said(tmp_path, brain):
    volumes = Volumes(spacing=None, shape=None)
    scan = write(tmp_path / "bold.nii", np.zeros((3, 3, 3, 5)))
    with pytest.raises(ValueError, match=r"bold.nii: a 3D volume is needed.*\(3, 3, 3, 5\).*mean"):
        volumes.read(scan)
    single = write(tmp_path / "single.nii", open_volume(brain).get_fdata()[..., None])
    assert volumes.read(single).shape == (12, 14, 12)
    flat = write(tmp_path / "flat.nii", np.full((4, 4, 4), 7))
    with pytest.raises(ValueError, match=r"flat.nii has the value 7 in all voxels"):
        volumes.read(flat)
    box = np.zeros((8, 8, 8))
    box[2:6, 2:6, 2:6] = 3
    with pytest.raises(ValueError, match=r"two.nii has the value 3 all over its mask"):
        volumes.read(write(tmp_path / "two.nii", box))
    with pytest.raises(FileNotFoundError, match=r"there is no image .*gone.nii"):
        volumes.read(tmp_path / "gone.nii")
    text = tmp_path / "text.nii"
    text.write_text("not an image")
    with pytest.raises(ValueError, match=r"text.nii cannot be opened as an image"):
        volumes.read(text)
    nib.load(brain).as_reoriented([[0, -1], [2, 1], [1, 1]]).to_filename(tmp_path / "lps.nii.gz")
    whole = (tmp_path / "lps.nii.gz").read_bytes()
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(ValueError, match=r"cut.nii.gz cannot be read to its end"):
        volumes.read(cut)
    skewed = nib.Nifti1Image(np.ones((4, 4, 4), dtype=np.float32), None)
    skewed.header["sform_code"], skewed.header["qform_code"] = 1, 0
    skewed.header["srow_x"] = [np.nan, 0, 0, 0]
    skewed.to_filename(tmp_path / "skewed.nii")
    with pytest.raises(ValueError, match=r"skewed.nii: the header has no valid affine"):
        volumes.read(tmp_path / "skewed.nii")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"spacing": 0}, "spacing must be one or three lengths"),
        ({"spacing": (1, 2)}, "spacing must be one or three lengths"),
        ({"shape": (8, 8)}, "shape must be three numbers of voxels"),
        ({"shape": 8}, "shape must be three numbers of voxels"),
        ({"normalize": "minmax"}, "normalize must be one of .*'histogram'.*got 'minmax'"),
        ({"centre": "brain", "mask": None}, 'centre="brain" needs a mask'),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        Volumes(**settings)


def test_settings_as_yaml_takes_them(tmp_path):
    volumes = Volumes(spacing=[1, 2, 3], shape=[4, 5, 6], mask=tmp_path, cache=tmp_path)
    params = volumes.settings()
    assert params["spacing"] == [1.0, 2.0, 3.0]
    assert params["mask"] == str(tmp_path)
    assert Volumes(**params).settings() == params
    assert hash(Volumes(shape=[4, 5, 6])) == hash(Volumes(shape=(4, 5, 6)))


def count_preparations(monkeypatch):
    calls = []

    def counted(volumes, path):
        calls.append(str(path))
        return prepare(volumes, path)

    prepare = module._prepare
    monkeypatch.setattr(module, "_prepare", counted)
    return calls


def test_each_file_is_computed_once_for_its_settings(tmp_path, brain, monkeypatch):
    calls = count_preparations(monkeypatch)
    cache = tmp_path / "cache"
    volumes = Volumes(spacing=2.0, shape=(8, 8, 8), cache=cache)
    first = volumes.read(brain)
    assert np.array_equal(first, Volumes(spacing=2.0, shape=(8, 8, 8)).read(brain))
    calls.clear()
    again = volumes.read(brain)
    assert isinstance(again, np.memmap)
    assert not again.flags.writeable
    assert np.array_equal(first, again)
    assert volumes.record(brain)["orientation"] == "RAS"
    assert calls == []
    Volumes(spacing=2.0, shape=(8, 8, 8), normalize="histogram", cache=cache).read(brain)
    assert len(calls) == 1
    os.utime(brain, ns=(1, 1))  # the file was written again
    volumes.read(brain)
    assert len(calls) == 2
    assert len(list(cache.glob("*.npy"))) == 3


def test_a_changed_mask_image_is_another_setting(tmp_path, brain, monkeypatch):
    calls = count_preparations(monkeypatch)
    mask = write(tmp_path / "mask.nii", np.ones((12, 14, 12)) + np.eye(14)[:12, :, None])
    volumes = Volumes(spacing=None, shape=None, mask=mask, cache=tmp_path / "cache")
    volumes.read(brain)
    volumes.read(brain)
    os.utime(mask, ns=(1, 1))
    volumes.read(brain)
    assert len(calls) == 2


def test_what_fails_leaves_nothing_in_the_cache(tmp_path, brain, monkeypatch):
    volumes = Volumes(spacing=None, shape=None, cache=tmp_path / "cache")

    def full_disk(*_args, **_kwargs):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full_disk)
        with pytest.raises(OSError, match="no space left"):
            volumes.read(brain)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.suffix != ".json"]
    assert volumes.read(brain).shape == (12, 14, 12)


def test_processes_may_fill_the_cache_at_once(tmp_path, brain):
    volumes = Volumes(spacing=None, shape=(12, 12, 12), cache=tmp_path / "cache")
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        results = list(pool.map(volumes.read, [brain] * 6))
    assert all(np.array_equal(one, results[0]) for one in results)
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".json", ".npy"]


def test_real_maps_and_real_t1(real_data, tmp_path):
    folder = real_data / "aomic_piop2"
    if not folder.is_dir():
        pytest.skip("skipped: no real data")
    vbm = sorted(folder.glob("vbm/*_label-GM_mod.nii.gz"))[0]
    volumes = Volumes(mask=folder / "vbm" / "GM226_mask.nii.gz")
    got, record = volumes.read(vbm), volumes.record(vbm)
    assert got.shape == (96, 112, 96)
    assert (record["orientation"], record["resampled"]) == ("LAS", False)
    raw = nib.load(vbm).get_fdata()[::-1]
    inside = nib.load(folder / "vbm" / "GM226_mask.nii.gz").get_fdata()[::-1] > 0.5
    expected = (raw - raw[inside].mean()) / raw[inside].std() * inside
    np.testing.assert_allclose(got[2:93, 1:110, 2:93], expected, atol=1e-3)
    t1 = folder / "t1w" / "sub-0001" / "brain.mgz"
    native = Volumes(spacing=4.0, shape=(48, 56, 48), centre="brain", cache=tmp_path)
    got, record = native.read(t1), native.record(t1)
    assert record["orientation"] == "LIA"
    assert record["shape"] == [256, 256, 256]
    assert record["cropped"] == 0
    assert got[got != 0].mean() == pytest.approx(0, abs=1e-3)


def test_affine_says_where_the_voxels_are(tmp_path):
    data = np.zeros((12, 14, 10), dtype=np.float32)
    data[3, 5, 6] = 8
    affine = nib.affines.from_matvec(np.diag([-2.0, 2, 2]), [20, -30, 10])
    path = tmp_path / "point.nii"
    nib.save(nib.Nifti1Image(data, affine), path)
    for shape in (None, (8, 20, 9)):
        volumes = Volumes(spacing=None, shape=shape, mask=None, normalize="none")
        voxel = np.argwhere(volumes.read(path) == 8)[0]
        millimetres = np.array(volumes.record(path)["affine"]) @ [*voxel, 1]
        np.testing.assert_allclose(millimetres, affine @ [3, 5, 6, 1])


def test_scikit_learn_clones_an_estimator_that_has_them():
    volumes = Volumes(spacing=4.0, shape=(8, 8, 8))
    model = clone(SubjectGraphClassifier("ImagingNet", volumes=volumes))
    assert model.volumes == volumes
