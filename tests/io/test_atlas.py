import nibabel as nib
import numpy as np
import pytest

from brainograph.io import atlas as module
from brainograph.io.atlas import load_atlas


@pytest.fixture
def image():
    labels = np.zeros((4, 2, 2), np.int16)
    labels[0], labels[3], labels[1:3] = 7, 2, 5
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = [-3, -1, -1]
    return nib.Nifti1Image(labels, affine)


def test_regions(image, tmp_path):
    names = tmp_path / "atlas.tsv"
    names.write_text("index\tname\n0\tBackground\n7\tAmygdala\n2\tAmygdala\n9\tAbsent\n")
    regions = load_atlas(image, names=names).regions
    assert regions.index.tolist() == ["Amygdala_2", "ROI_5", "Amygdala_7"]
    assert regions["label"].tolist() == [2, 5, 7]
    assert regions["x"].tolist() == [3, 0, -3]
    assert regions["y"].tolist() == [0, 0, 0]
    assert regions["hemisphere"].tolist()[::2] == ["R", "L"]
    assert regions["hemisphere"].isna().tolist() == [False, True, False]


def test_names_need_their_columns(image, tmp_path):
    names = tmp_path / "atlas.csv"
    names.write_text("region,number\na,1\n")
    with pytest.raises(ValueError, match="needs the columns index and name, it has region, number"):
        load_atlas(image, names=names)


def test_bad_atlases(image):
    with pytest.raises(FileNotFoundError, match="'nothing' is neither a file nor one of aal"):
        load_atlas("nothing")
    with pytest.raises(ValueError, match="must hold integer labels"):
        load_atlas(nib.Nifti1Image(np.full((3, 3, 3), 0.5), np.eye(4)))
    with pytest.raises(ValueError, match=r"shape \(2, 2, 2, 3\), needed is one 3D image"):
        load_atlas(nib.Nifti1Image(np.ones((2, 2, 2, 3)), np.eye(4)))


def test_a_failed_download_says_what_to_do(monkeypatch):
    def offline():
        raise ConnectionError("no route")

    monkeypatch.setattr(module.datasets, "fetch_atlas_aal", offline)
    with pytest.raises(OSError, match=r"'aal' could not be downloaded \(no route\).*atlas='PATH"):
        load_atlas("aal")


def test_equality_is_by_content(image):
    one, two = load_atlas(image), load_atlas(image)
    assert one == two
    assert hash(one) == hash(two)
    other = nib.Nifti1Image(np.asarray(image.dataobj), np.eye(4))
    assert load_atlas(other) != one


def test_harvard_oxford_as_abide_has_it(real_data):
    regions = load_atlas(real_data / "atlases" / "ho_mask_pad.nii.gz").regions
    assert len(regions) == 111
    left_hippocampus, right_hippocampus = regions.loc["ROI_17"], regions.loc["ROI_53"]
    assert left_hippocampus["hemisphere"] == "L"
    assert right_hippocampus["hemisphere"] == "R"
    assert abs(left_hippocampus["x"] + right_hippocampus["x"]) < 4
