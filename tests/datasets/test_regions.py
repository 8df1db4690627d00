import numpy as np
import pytest

from brainograph.datasets.regions import mni_regions


@pytest.mark.parametrize("n_regions", [4, 7, 20, 56, 201])
def test_names_are_unique_and_labels_count_from_one(n_regions):
    table = mni_regions(n_regions)
    assert table.index.is_unique
    assert table["label"].tolist() == list(range(1, n_regions + 1))


def test_halves_are_mirror_images_and_networks_are_contiguous():
    table = mni_regions(120)
    left = table[table["hemisphere"] == "L"]
    right = table.loc[left.index.str.replace("_L$", "_R", regex=True)]
    np.testing.assert_array_equal(left["x"], -right["x"])
    np.testing.assert_array_equal(left[["y", "z", "network"]], right[["y", "z", "network"]])
    assert (left["x"] < 0).all()
    assert table["network"].is_monotonic_increasing


def test_the_first_56_centres_are_in_the_brain():
    from nilearn.datasets import load_mni152_brain_mask

    mask = load_mni152_brain_mask(resolution=4)
    centres = mni_regions(56)[["x", "y", "z"]].to_numpy()
    voxels = np.rint((centres - mask.affine[:3, 3]) / np.diag(mask.affine)[:3]).astype(int)
    assert mask.get_fdata()[tuple(voxels.T)].all()
