import numpy as np
import pandas as pd
import pytest
import scipy.io

from brainograph.io import read_tables

PEOPLE = pd.DataFrame({"participant_id": [f"sub-{i}" for i in range(1, 7)], "age": range(6)})


def test_series_in_every_format(tmp_path, rng):
    series = rng.standard_normal((9, 3)).astype(np.float32)
    pd.DataFrame(series, columns=list("abc")).to_csv(tmp_path / "sub-1_ts.csv")
    np.savetxt(tmp_path / "sub-2.txt", series)
    np.save(tmp_path / "sub-3.npy", series)
    scipy.io.savemat(tmp_path / "sub-4.mat", {"ts": series, "id": "sub-4"})
    pd.DataFrame(series, columns=list("abc")).to_csv(tmp_path / "sub-5.tsv", sep="\t", index=False)
    cohort = read_tables(tmp_path, participants=PEOPLE, regions=["x", "y", "z"])
    assert cohort.participant_ids == [f"sub-{i}" for i in range(1, 6)]
    assert cohort.regions.index.tolist() == ["x", "y", "z"]
    for given in cohort.timeseries:
        np.testing.assert_allclose(given, series, rtol=1e-6)
    assert cohort.failures["participant_id"].tolist() == ["sub-6"]


def test_regions_from_the_header_and_transposed_files(tmp_path, rng):
    series = rng.standard_normal((9, 3))
    pd.DataFrame(series, columns=list("abc")).to_csv(tmp_path / "sub-1.csv", index=False)
    assert read_tables(tmp_path, participants=PEOPLE).regions.index.tolist() == ["a", "b", "c"]
    np.savetxt(tmp_path / "sub-1.csv", series.T, delimiter=",")
    cohort = read_tables(tmp_path, participants=PEOPLE, transposed=True)
    assert cohort.regions.index.tolist() == ["ROI_1", "ROI_2", "ROI_3"]
    np.testing.assert_allclose(cohort.timeseries[0], series, rtol=1e-6)


def test_regions_that_do_not_fit(tmp_path):
    np.save(tmp_path / "sub-1.npy", np.ones((9, 3)))
    with pytest.raises(ValueError, match=r"No participant has the 2 regions given: sub-1 has 3"):
        read_tables(tmp_path, participants=PEOPLE, regions=["a", "b"])


def test_matrices_must_be_square_symmetric_and_whole(tmp_path, rng):
    good = np.corrcoef(rng.standard_normal((4, 30)))
    dead, hole = good.copy(), good.copy()
    dead[1], dead[:, 1] = np.nan, np.nan
    hole[0, 1] = hole[1, 0] = np.nan
    odd = good.copy()
    odd[0, 1] += 0.5
    for i, matrix in enumerate([good, dead, hole, odd, good[:3]], start=1):
        np.save(tmp_path / f"sub-{i}.npy", matrix)
    cohort = read_tables(tmp_path, participants=PEOPLE, contents="connectivity", name="sc")
    assert cohort.participant_ids == ["sub-1", "sub-2"]
    np.testing.assert_allclose(cohort.connectivity["sc"][0], good, rtol=1e-6)
    np.testing.assert_array_equal(cohort.connectivity["sc"][1][1], 0)
    reasons = cohort.failures.set_index("participant_id")["reason"]
    assert reasons["sub-3"] == "2 entries are missing or not finite"
    assert "must be symmetric, entries differ from the mirror by 0.5" in reasons["sub-4"]
    assert "must be square, this one has shape (3, 4)" in reasons["sub-5"]


def test_mat_files_of_several_variables(tmp_path):
    scipy.io.savemat(tmp_path / "sub-1.mat", {"a": np.eye(2), "b": 2 * np.eye(2)})
    with pytest.raises(ValueError, match=r"variables a, b: write variable='NAME'"):
        read_tables(tmp_path, participants=PEOPLE)
    assert read_tables(tmp_path, participants=PEOPLE, variable="b").timeseries[0][0, 0] == 2


def test_no_pickle_is_opened(tmp_path):
    np.save(tmp_path / "sub-1.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_tables(tmp_path, participants=PEOPLE)


def test_files_by_pattern(tmp_path):
    for name in ("x_sub-1_bold.csv", "x_sub-2_bold.csv", "x_sub-2_rest.csv"):
        np.savetxt(tmp_path / name, np.ones((4, 2)), delimiter=",")
    cohort = read_tables(tmp_path, participants=PEOPLE, pattern="x_{participant_id}_bold.csv")
    assert cohort.participant_ids == ["sub-1", "sub-2"]


def test_two_files_of_one_participant(tmp_path):
    for name in ("sub-1_a.csv", "sub-1_b.csv"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"sub-1 has two files: sub-1_a.csv and sub-1_b.csv"):
        read_tables(tmp_path, participants=PEOPLE)


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="contents must be one of"):
        read_tables(tmp_path, contents="matrices")
    with pytest.raises(FileNotFoundError, match="has no file that ends in"):
        read_tables(tmp_path)
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        read_tables(tmp_path / "none")


def test_a_folder_without_a_table_warns(tmp_path):
    np.save(tmp_path / "p1.npy", np.ones((3, 2)))
    with pytest.warns(UserWarning, match="No participants table"):
        assert read_tables(tmp_path).participant_ids == ["p1"]
