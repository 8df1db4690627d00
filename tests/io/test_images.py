import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from brainograph.connectivity.morphometric import morphometric_similarity
from brainograph.io import read_images

PEOPLE = pd.DataFrame({"participant_id": ["sub-1", "sub-2", "sub-3", "sub-4"], "age": range(4)})


@pytest.fixture
def atlas():
    labels = np.zeros((6, 6, 6), np.int16)
    labels[:3], labels[3:] = 4, 9
    return nib.Nifti1Image(labels, np.diag([2.0, 2, 2, 1]))


@pytest.fixture
def folder(tmp_path, rng, atlas):
    for i, shape in enumerate([(6, 6, 6), (6, 6, 6), (6, 6, 6, 3)], start=1):
        image = nib.Nifti1Image(rng.normal(i, 1, shape).astype(np.float32), atlas.affine)
        nib.save(image, tmp_path / f"sub-{i}_GM.nii.gz")
    return tmp_path


def test_paths_only(folder):
    pattern = folder / "{participant_id}_GM.nii.gz"
    cohort = read_images(pattern, modality="GM", participants=PEOPLE)
    assert cohort.shape == (2, 0)
    assert cohort.images["GM"]["sub-2"] == str(folder / "sub-2_GM.nii.gz")
    reasons = cohort.failures.set_index("participant_id")["reason"]
    assert "this one has shape (6, 6, 6, 3)" in reasons["sub-3"]
    assert reasons["sub-4"].startswith("no scan found")


def test_regional_measures_and_similarity(folder, atlas, tmp_path):
    path = tmp_path / "atlas.nii"
    nib.save(atlas, path)
    pattern = folder / "{participant_id}_GM.nii.gz"
    cohort = read_images(pattern, modality="GM", participants=PEOPLE, atlas=path)
    volume = nib.load(folder / "sub-2_GM.nii.gz").get_fdata()
    labels = np.asarray(atlas.dataobj)
    np.testing.assert_allclose(
        cohort.measures["mean"][1], [volume[:3].mean(), volume[3:].mean()], rtol=1e-6
    )
    np.testing.assert_allclose(cohort.measures["volume"], 108 * 8)
    np.testing.assert_allclose(
        cohort.connectivity["morph"][1], morphometric_similarity(volume, labels), rtol=1e-4
    )
    assert cohort.regions["label"].tolist() == [4, 9]


def test_truncated_volume(folder, atlas, tmp_path):
    path = tmp_path / "atlas.nii"
    nib.save(atlas, path)
    scan = folder / "sub-1_GM.nii.gz"
    scan.write_bytes(scan.read_bytes()[:500])
    cohort = read_images(
        folder / "{participant_id}_GM.nii.gz", modality="GM", participants=PEOPLE, atlas=path
    )
    assert cohort.participant_ids == ["sub-2"]
    assert "sub-1" in cohort.failures["participant_id"].tolist()


def test_freesurfer_volumes_with_their_own_labels(real_data, tmp_path):
    names = tmp_path / "names.tsv"
    names.write_text(
        "index\tname\n17\tLeft-Hippocampus\n53\tRight-Hippocampus\n1035\tctx-lh-insula\n"
    )
    root = real_data / "aomic_piop2"
    cohort = read_images(
        root / "t1w" / "{participant_id}" / "brain.mgz",
        modality="T1w",
        participants=root / "participants.tsv",
        atlas=str(root / "t1w" / "{participant_id}" / "aparc+aseg.mgz"),
        atlas_names=names,
    )
    assert cohort.participant_ids == ["sub-0001", "sub-0002"]
    assert cohort.regions.index.tolist()[0] == "Left-Hippocampus"
    hippocampus = cohort.measures["volume"][:, :2]
    assert ((hippocampus > 2500) & (hippocampus < 6500)).all()
    assert cohort.connectivity["morph"].shape == (2, 3, 3)
    with pytest.raises(ValueError, match=r"give atlas_names='PATH.tsv'"):
        read_images(
            root / "t1w" / "{participant_id}" / "brain.mgz",
            modality="T1w",
            participants=root / "participants.tsv",
            atlas=str(root / "t1w" / "{participant_id}" / "aparc+aseg.mgz"),
        )


def test_vbm_maps_with_an_atlas_of_another_grid(real_data):
    root = real_data / "aomic_piop2"
    cohort = read_images(
        root / "vbm" / "{participant_id}_space-GM226_label-GM_mod.nii.gz",
        modality="GM",
        participants=root / "participants.tsv",
        atlas=real_data / "atlases" / "aal_mask_pad.nii.gz",
    )
    assert cohort.shape == (10, len(cohort.regions))
    assert cohort.n_regions == 116
    assert len(cohort.failures) == 216
    similarity = cohort.connectivity["morph"]
    assert ((similarity >= 0) & (similarity <= 1)).all()
