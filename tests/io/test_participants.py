import numpy as np
import pandas as pd
import pytest

from brainograph.io.participants import align, find_participants, read_participants


def test_missing_values_ids_and_names(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tAge\tsex\tsite\nsub-01\t20\tM\tA\nsub-02\t-9999\tn/a\t\n")
    table = read_participants(path)
    assert table.index.tolist() == ["sub-01", "sub-02"]
    assert table["age"].tolist()[0] == 20
    assert table.loc["sub-02", ["age", "sex", "site"]].isna().all()
    assert table["sex"].tolist()[0] == "male"


def test_ids_stay_text_and_the_column_is_found(tmp_path):
    path = tmp_path / "subjects.csv"
    path.write_text("scanner;SUB_ID;sex\nx;0042;2\ny;0043;1\n")
    with pytest.warns(UserWarning, match="sex_coding="):
        table = read_participants(path)
    assert table.index.tolist() == ["0042", "0043"]
    assert table["sex"].tolist() == ["2", "1"]
    coded = read_participants(path, sex_coding={1: "male", 2: "female"})
    assert coded["sex"].tolist() == ["female", "male"]


@pytest.mark.parametrize("name", ["site", "SITE", "SITE_ID"])
def test_sites_stay_text(tmp_path, name):
    path = tmp_path / "participants.tsv"
    path.write_text(f"participant_id\t{name}\nsub-01\t01\nsub-02\tn/a\n")
    site = read_participants(path).iloc[:, 0]
    assert site["sub-01"] == "01"
    assert pd.isna(site["sub-02"])


def test_a_column_with_missing_codes_is_understood():
    table = pd.DataFrame({"id": ["a", "b"], "sex": [1, np.nan]})
    sex = read_participants(table, sex_coding={1: "male"})["sex"]
    assert sex["a"] == "male"
    assert pd.isna(sex["b"])


def test_duplicates_are_named():
    table = pd.DataFrame({"participant_id": ["sub-01", "01", "sub-02"]})
    with pytest.raises(ValueError, match=r"more than one row for 01\. Keep one"):
        read_participants(table)


def test_no_column_of_ids():
    with pytest.raises(ValueError, match=r"no column of participant ids; its columns are a, b"):
        read_participants(pd.DataFrame({"a": [1], "b": [2]}))
    with pytest.raises(ValueError, match=r"no column 'who'.*id_column='NAME'"):
        read_participants(pd.DataFrame({"id": [1]}), id_column="who")


def test_align_with_and_without_prefix_and_zeros():
    table = pd.DataFrame({"age": [1, 2, 3, 4]}, index=["1", "50952", "07", "007"])
    phenotype, failures = align(["sub-01", "0050952", "sub-7"], table, looked_for="*.nii")
    assert phenotype["age"].to_dict() == {"sub-01": 1, "0050952": 2}
    reasons = dict(zip(failures["participant_id"], failures["reason"], strict=True))
    assert reasons == {
        "07": "no scan found: looked for *.nii",
        "007": "no scan found: looked for *.nii",
        "sub-7": "no row in the participants table",  # 07 or 007: not guessed
    }


def test_align_without_a_table_warns():
    with pytest.warns(UserWarning, match="participants=PATH"):
        phenotype, failures = align(["a", "a", "b"], None, looked_for="*")
    assert phenotype.index.tolist() == ["a", "b"]
    assert failures.empty


def test_align_of_strangers_is_an_error():
    table = pd.DataFrame({"age": [1]}, index=["x1"])
    with pytest.raises(ValueError, match=r"The table has x1; found were sub-01.*id_column"):
        align(["sub-01"], table, looked_for="*")


def test_the_table_is_found_above_the_derivatives(tmp_path):
    folder = tmp_path / "derivatives" / "fmriprep"
    folder.mkdir(parents=True)
    assert find_participants(folder) is None
    (tmp_path / "participants.tsv").touch()
    assert find_participants(folder) == tmp_path / "participants.tsv"


def test_aomic(real_data):
    table = read_participants(real_data / "aomic_piop2" / "participants.tsv")
    assert len(table) == 226
    assert set(table["sex"].dropna()) == {"male", "female"}
