import pandas as pd
import pytest

from brainograph.files import read_tsv, replace_on_success, write_tsv


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


def test_tables_keep_ids_as_text_and_missing_values(tmp_path):
    table = pd.DataFrame(
        {"participant_id": ["0042", "NA"], "age": [1.5, None], "site": ["A", None]}
    )
    write_tsv(table, tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text().splitlines()[2] == "NA\tn/a\tn/a"
    back = read_tsv(tmp_path / "t.tsv", index="participant_id")
    assert back.index.tolist() == ["0042", "NA"]
    assert back["age"].isna().tolist() == [False, True]
