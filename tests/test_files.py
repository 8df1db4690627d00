import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainograph.files import read_tsv, replace_on_success, sampled_digest, write_json, write_tsv


def test_a_failing_block_leaves_the_old_file_and_no_rubbish(tmp_path):
    target = tmp_path / "table.tsv"
    target.write_text("old")
    with pytest.raises(OSError, match="disk full"), replace_on_success(target) as part:
        part.write_text("half")
        raise OSError("disk full")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.tsv"]


def test_a_folder_replaces_a_folder(tmp_path):
    target = tmp_path / "cohort"
    target.mkdir()
    (target / "old.txt").write_text("old")
    with replace_on_success(target) as part:
        part.mkdir()
        (part / "new.txt").write_text("new")
    assert [p.name for p in target.iterdir()] == ["new.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["cohort"]


def test_a_folder_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    target = tmp_path / "cohort"
    target.mkdir()
    (target / "old.txt").write_text("old")
    rename = Path.rename

    def locked(path, to):
        if path.suffix == ".part":
            raise PermissionError("in use")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", locked)
    with pytest.raises(PermissionError, match="in use"), replace_on_success(target) as part:
        part.mkdir()
    assert [p.name for p in tmp_path.iterdir()] == ["cohort"]
    assert (target / "old.txt").read_text() == "old"


def test_tables_keep_ids_as_text_and_missing_values(tmp_path):
    table = pd.DataFrame(
        {"participant_id": ["0042", "NA"], "age": [1.5, None], "site": ["A", None]}
    )
    write_tsv(table, tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text().splitlines()[2] == "NA\tn/a\tn/a"
    back = read_tsv(tmp_path / "t.tsv", index="participant_id")
    assert back.index.tolist() == ["0042", "NA"]
    assert back["age"].isna().tolist() == [False, True]


def test_tables_keep_sites_as_text(tmp_path):
    write_tsv(pd.DataFrame({"site": ["01", None]}), tmp_path / "t.tsv")
    back = read_tsv(tmp_path / "t.tsv")
    assert back["site"][0] == "01"
    assert back["site"].isna()[1]


def test_names_of_neighbours_and_regions_stay_as_they_are(tmp_path):
    table = pd.DataFrame({"neighbor": ["0050961", None], "region": ["0012", "0013"], "n": [2, 5]})
    write_tsv(table, tmp_path / "neighbors.tsv")
    back = read_tsv(tmp_path / "neighbors.tsv")
    assert back["neighbor"][0] == "0050961"
    assert back["region"].tolist() == ["0012", "0013"]


def test_numbers_stay_numbers_in_json(tmp_path):
    content = {
        "n": np.int64(4),
        "low_pass": np.float32(0.5),
        "scrub": np.bool_(True),
        "counts": np.array([1, 2]),
        "source": Path("a"),
        "when": np.datetime64("2024-01-31"),
    }
    write_json(content, tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text()) == {
        "n": 4,
        "low_pass": 0.5,
        "scrub": True,
        "counts": [1, 2],
        "source": "a",
        "when": "2024-01-31",
    }


def test_a_digest_of_samples(tmp_path):
    path = tmp_path / "volume.nii"
    path.write_bytes(b"")
    empty = sampled_digest(path)
    path.write_bytes(b"short")
    assert sampled_digest(path) == sampled_digest(path) != empty
    assert sampled_digest(tmp_path / "a.nii") == sampled_digest(tmp_path / "a.nii")
    assert sampled_digest(tmp_path / "a.nii") != sampled_digest(tmp_path / "b.nii")
