import json

import pytest

from brainograph.io.bids import find_files, parse_name, sidecar


def test_parse_name():
    file = parse_name("x/sub-01_ses-a_task-rest_run-2_space-MNI_desc-preproc_bold.nii.gz")
    assert file.participant == "sub-01"
    assert file.suffix == "bold"
    assert file.extension == ".nii.gz"
    assert file.label("sub", "ses", "run", "acq") == "sub-01_ses-a_run-2"


def test_find_files_in_natural_order(tmp_path):
    for run in (10, 2, 1):
        path = tmp_path / "sub-01" / "func" / f"sub-01_run-{run}_desc-preproc_bold.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "sub-01" / "func" / "sub-01_run-1_desc-smooth_bold.nii.gz").touch()
    files = find_files(tmp_path, suffix="bold", extension=".nii.gz", desc="preproc")
    assert [file.entities["run"] for file in files] == ["1", "2", "10"]
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        find_files(tmp_path / "none", suffix="bold", extension=".nii.gz")


def test_sidecar_inheritance(tmp_path):
    folder = tmp_path / "sub-01" / "func"
    folder.mkdir(parents=True)
    scan = folder / "sub-01_task-rest_run-1_bold.nii.gz"
    for path, content in {
        tmp_path / "task-rest_bold.json": {"RepetitionTime": 2.0, "a": "top"},
        tmp_path / "task-nback_bold.json": {"RepetitionTime": 9.0},
        folder / "sub-01_task-rest_bold.json": {"a": "near", "b": "near"},
        folder / "sub-01_task-rest_run-1_bold.json": {"b": "nearest"},
        folder / "sub-01_task-rest_run-2_bold.json": {"b": "other run"},
    }.items():
        path.write_text(json.dumps(content))
    assert sidecar(scan) == {"RepetitionTime": 2.0, "a": "near", "b": "nearest"}
