import gzip
import warnings

import nibabel as nib
import numpy as np
import pytest
from nilearn.maskers import NiftiLabelsMasker

from brainograph.io.atlas import load_atlas
from brainograph.io.extraction import extract_series, labels_on_grid

OBLIQUE = np.array([[1.9, 0.3, 0, -9], [-0.3, 1.9, 0.1, -8], [0, -0.1, 2.1, -9], [0, 0, 0, 1]])


@pytest.fixture
def atlas(rng):
    labels = rng.integers(0, 6, (12, 12, 12)).astype(np.int16)
    labels[:3] = 0
    return nib.Nifti1Image(np.repeat(labels, 1, 0), np.diag([2.0, 2, 2, 1]) - _shift(11))


def _shift(by):
    shift = np.zeros((4, 4))
    shift[:3, 3] = by
    return shift


def reference(image, atlas):
    masker = NiftiLabelsMasker(atlas, standardize=None, resampling_target="data")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # voxels that are not finite
        return masker.fit_transform(image)


@pytest.mark.parametrize("affine", [np.diag([2.0, 2, 2, 1]) - _shift(11), OBLIQUE])
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "u1", "<f4", ">f8"])
@pytest.mark.parametrize("end", [".nii", ".nii.gz"])
def test_equal_to_nilearn(tmp_path, rng, atlas, affine, dtype, end):
    data = rng.uniform(0, 200, (10, 11, 12, 5)).astype(dtype)
    path = tmp_path / f"scan{end}"
    header = nib.Nifti1Header(endianness="<" if dtype[0] != ">" else ">")
    header.set_data_dtype(dtype)
    nib.save(nib.Nifti1Image(data, affine, header), path)
    ours = extract_series(path, atlas)
    np.testing.assert_allclose(ours, reference(path, atlas), rtol=1e-5)
    assert ours.shape == (5, 5)


def test_scale_and_intercept(tmp_path, atlas):
    path = tmp_path / "scan.nii.gz"
    data = np.arange(12**3 * 3, dtype=np.int16).reshape(12, 12, 12, 3) % 100
    image = nib.Nifti1Image(data, atlas.affine)
    image.header.set_slope_inter(0.25, 1000)
    nib.save(nib.Nifti1Image(data * 0.25 + 1000.0, atlas.affine, image.header), path)
    image = nib.load(path)
    assert image.dataobj.slope != 1
    label = load_atlas(atlas).labels == 1
    expected = image.get_fdata()[label].mean(axis=0)
    np.testing.assert_allclose(extract_series(path, atlas)[:, 0], expected, rtol=1e-12)


def test_in_memory_images_in_either_order(rng, atlas):
    data = rng.standard_normal((12, 12, 12, 4))
    for order in "CF":
        image = nib.Nifti1Image(np.asarray(data, order=order), atlas.affine)
        np.testing.assert_allclose(extract_series(image, atlas), reference(image, atlas), rtol=1e-5)


def test_other_formats_are_read_by_volume(tmp_path, rng, atlas):
    data = rng.standard_normal((12, 12, 12, 3)).astype(np.float32)
    path = tmp_path / "scan.mgz"
    nib.save(nib.MGHImage(data, atlas.affine), path)
    expected = extract_series(nib.Nifti1Image(data, atlas.affine), atlas)
    np.testing.assert_allclose(extract_series(path, atlas), expected, rtol=1e-6)


def test_voxels_that_are_not_finite_count_as_zero(tmp_path, atlas):
    labels = load_atlas(atlas).labels
    data = np.ones((12, 12, 12, 2), np.float32)
    data[labels == 2] = np.nan
    one = tuple(np.argwhere(labels == 3)[0])
    data[(*one, 1)] = np.inf
    path = tmp_path / "scan.nii"
    nib.save(nib.Nifti1Image(data, atlas.affine), path)
    series = extract_series(path, atlas)
    n = (labels == 3).sum()
    np.testing.assert_allclose(series[:, 1], 0)
    np.testing.assert_allclose(series[:, 2], [1, (n - 1) / n])
    np.testing.assert_allclose(series, reference(path, atlas), rtol=1e-6)


def test_regions_outside_the_grid_are_zeros(atlas, rng):
    table = load_atlas(atlas)
    cut = int(np.argwhere(table.labels == 1)[:, 0].min())
    labels = table.labels.copy()
    labels[cut + 1 :][labels[cut + 1 :] == 1] = 0  # region 1 only in its first slice
    image = nib.Nifti1Image(rng.uniform(1, 2, (12 - cut - 1, 12, 12, 3)), atlas.affine.copy())
    image.affine[:3, 3] += [2.0 * (cut + 1), 0, 0]
    image = nib.Nifti1Image(image.get_fdata(), image.affine)
    series = extract_series(image, nib.Nifti1Image(labels, atlas.affine))
    assert not series[:, 0].any()
    assert (series[:, 1:] > 0).all()


def test_no_overlap(atlas):
    image = nib.Nifti1Image(np.ones((4, 4, 4, 2)), np.diag([2.0, 2, 2, 1]) + _shift(500))
    with pytest.raises(ValueError, match=r"does not overlap the scan: it spans x -11 to 11.*506"):
        extract_series(image, atlas)


def test_a_3d_image_is_refused(atlas):
    with pytest.raises(ValueError, match=r"a 4D scan is needed, this one has shape \(4, 4, 4\)"):
        extract_series(nib.Nifti1Image(np.ones((4, 4, 4)), np.eye(4)), atlas)


@pytest.mark.parametrize("end", [".nii", ".nii.gz"])
def test_a_truncated_scan_says_how_much_is_there(tmp_path, rng, atlas, end):
    path = tmp_path / f"scan{end}"
    data = rng.integers(0, 30000, (12, 12, 12, 20)).astype(np.int16)
    nib.save(nib.Nifti1Image(data, atlas.affine), path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"truncated: (8|9|10) of 20 volumes can be read"):
        extract_series(path, atlas)


def test_a_wrong_checksum_is_found(tmp_path, rng, atlas):
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(rng.integers(0, 9, (12, 12, 12, 3)).astype("i2"), atlas.affine), path)
    content = bytearray(path.read_bytes())
    content[-8] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged \(.*CRC.*\): [23] of 3 volumes"):
        extract_series(path, atlas)


def test_bytes_changed_in_the_middle_are_found(tmp_path, rng, atlas):
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(rng.integers(0, 9, (12, 12, 12, 9)).astype("i2"), atlas.affine), path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"(damaged|truncated).*: \d of 9 volumes can be read"):
        extract_series(path, atlas)


def test_labels_are_resampled_once_per_grid(atlas):
    table = load_atlas(atlas)
    scan = nib.Nifti1Image(np.ones((10, 11, 12, 2)), OBLIQUE)
    assert labels_on_grid(table, scan) is labels_on_grid(load_atlas(atlas), scan)
    same = nib.Nifti1Image(np.ones((12, 12, 12)), atlas.affine)
    np.testing.assert_array_equal(labels_on_grid(table, same), table.labels)


@pytest.mark.parametrize("name", ["nipy__functional", "nitime__fmri1", "PyMVPA__bold"])
def test_real_scans(real_data, name):
    path = real_data / "small_4d" / f"{name}.nii.gz"
    image = nib.load(path)
    labels = (np.indices(image.shape[:3]).sum(axis=0) // 6 + 1).astype(np.int16)
    atlas = nib.Nifti1Image(labels, image.affine)
    np.testing.assert_allclose(extract_series(path, atlas), reference(path, atlas), rtol=2e-5)


def test_the_stream_of_a_real_scan_ends_where_the_file_does(real_data, tmp_path):
    path = real_data / "small_4d" / "nitime__fmri1.nii.gz"
    image = nib.load(path)
    whole = gzip.decompress(path.read_bytes())
    volume = int(np.prod(image.shape[:3])) * 2
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(gzip.compress(whole[: 352 + 37 * volume + 5]))
    labels = nib.Nifti1Image(np.ones(image.shape[:3], np.int16), image.affine)
    with pytest.raises(ValueError, match="truncated: 37 of 40 volumes"):
        extract_series(cut, labels)
