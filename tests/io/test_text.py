import numpy as np
import pytest

from brainograph.io.text import fill_missing, read_text


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("1\t2\n3\t4\n", None),
        ("1,2\n3,4", None),
        ("  1 2\n  3   4\n", None),
        ("1;2\n3;4\n", None),
        ("a,b\n1,2\n3,4\n", ["a", "b"]),
        ('"a, left","b"\n1,2\n3,4\n', ["a, left", "b"]),
        (",a,b\n0,1,2\n1,3,4\n", ["a", "b"]),
        ("# 10 11\n1 2\n3 4\n", ["10", "11"]),
        ("#10\t#11\n1\t2\n3\t4\n", ["10", "11"]),
        ("\ufeffa\tb\r\n1\t2\r\n3\t4\r\n", ["a", "b"]),
    ],
)
def test_headers_and_separators(tmp_path, content, header):
    path = tmp_path / "x.txt"
    path.write_text(content, encoding="utf-8")
    array, names = read_text(path)
    np.testing.assert_array_equal(array, [[1, 2], [3, 4]])
    assert names == header


def test_what_is_not_a_table_of_numbers(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text("")
    with pytest.raises(ValueError, match=r"x.tsv is empty"):
        read_text(path)
    path.write_text("a\tb\n1\tn/a\n2\tyes\n")
    with pytest.raises(ValueError, match=r"x.tsv holds 'yes', which is not a number"):
        read_text(path)


def test_gaps_and_ragged_rows(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text("a\tb\n1\tn/a\n\t2\n3\t\n")
    expected = [[1, np.nan], [np.nan, 2], [3, np.nan]]
    np.testing.assert_array_equal(read_text(path)[0], expected)
    path.write_text("a\tb\n1\t2\n3\n")
    with pytest.raises(ValueError, match="rows of 2 and of 1 values"):
        read_text(path)
    path.write_text("a\tb\n")
    with pytest.raises(ValueError, match="rows of 2 and of 0 values"):
        read_text(path)


def test_fill_missing():
    array = np.array([[1.0, np.nan], [np.nan, np.nan]])
    with pytest.raises(ValueError, match="1 of 4 values are missing"):
        fill_missing(array)
