import pytest

from brainograph.io.patterns import match_files


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_ids_with_underscores(tmp_path):
    touch(tmp_path, "CMU_a_0050642_rois_ho.1D", "NYU_0050952_rois_ho.1D", "NYU_0050952_rois_aal.1D")
    found = match_files(tmp_path / "*_{participant_id}_rois_ho.1D")
    assert list(found) == ["0050642", "0050952"]
    assert list(match_files(tmp_path / "{participant_id}_rois_ho.1D")) == [
        "CMU_a_0050642",
        "NYU_0050952",
    ]


def test_the_same_participant_twice_in_a_path(tmp_path):
    touch(tmp_path, "sub-1/anat/sub-1_T1w.nii.gz", "sub-2/anat/sub-1_T1w.nii.gz")
    found = match_files(tmp_path / "{participant_id}/anat/{participant_id}_T1w.nii.gz")
    assert list(found) == ["sub-1"]


def test_any_depth(tmp_path):
    touch(tmp_path, "a/b/sub-1_T1w.nii", "sub-2_T1w.nii")
    assert list(match_files(tmp_path / "**/{participant_id}_T1w.nii")) == ["sub-1", "sub-2"]


def test_errors(tmp_path):
    touch(tmp_path, "sub-1_run-1_T1w.nii", "sub-1_run-2_T1w.nii")
    with pytest.raises(ValueError, match=r"fits 2 files of sub-1: sub-1_run-1_T1w.nii, "):
        match_files(tmp_path / "{participant_id}_*_T1w.nii")
    with pytest.raises(ValueError, match=r"Write \{participant_id\}"):
        match_files(tmp_path / "*_T1w.nii")
    with pytest.raises(FileNotFoundError, match="no file fits the pattern"):
        match_files(tmp_path / "{participant_id}_bold.nii")
