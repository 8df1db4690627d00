import warnings
from typing import Literal

import numpy as np
import pytest

from brainograph.connectivity.series import (
    check_choice,
    check_series,
    constant_regions,
    report_constant,
)


def test_one_and_several(rng):
    one = rng.standard_normal((10, 3))
    assert check_series(one)[1] is True
    for several in ([one, one[:5]], (one, one), np.stack([one, one])):
        subjects, single = check_series(several)
        assert single is False
        assert len(subjects) == 2


@pytest.mark.parametrize(
    ("given", "used"),
    [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("i2", "f8"), (">f4", "f4")],
)
def test_precision_follows_the_input(given, used):
    assert check_series(np.arange(12).reshape(4, 3).astype(given))[0][0].dtype == np.dtype(used)


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (np.zeros(7), r"must be \(T, R\).*got shape \(7,\).*series\[:, None\]"),
        ([np.zeros((9, 2)), np.zeros(9)], r"series of subject 1 must be \(T, R\)"),
        (np.zeros((2, 9)), r"has 2 volumes; at least 3 are needed.*series\.T"),
        ([np.zeros((9, 2)), np.zeros((9, 3))], "subject 0 has 2, subject 1 has 3"),
        ([], "no subject"),
        (np.array([["a", "b"]] * 4), "must be real numbers"),
    ],
)
def test_errors_say_what_is_wrong(series, message):
    with pytest.raises(ValueError, match=message):
        check_series(series)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_located(rng, bad):
    series = [rng.standard_normal((10, 20)) for _ in range(3)]
    series[2][4, [3, 17]] = bad
    with pytest.raises(ValueError, match=r"subject 2 has NaN or infinite.* 2 of 20.*\[3, 17\]"):
        check_series(series)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_regions_up_to_rounding(rng, dtype):
    series = rng.standard_normal((50, 6)) + 1e4
    series[:, 1] = 0
    series[:, 2] = 0.1
    series[:, 4] = 1e4 * (1 + np.finfo(dtype).eps * rng.integers(0, 2, 50))
    series[:, 5] *= 1e-12
    found = constant_regions([series.astype(dtype), series[:, ::-1].astype(dtype)])
    assert [f.tolist() for f in found] == [[1, 2, 4], [1, 3, 4]]


def test_one_warning_lists_subjects_and_regions():
    constant = [np.array([], int), np.array([4, 7]), np.arange(30)]
    with pytest.warns(UserWarning, match=r"2 of 3 subjects.*subject 1: \[4, 7\]") as caught:
        report_constant(constant, 50)
    assert len(caught) == 1
    assert "(30 in all)" in str(caught[0].message)
    with pytest.warns(UserWarning, match=r"2 of 50 regions are constant: \[4, 7\]"):
        report_constant(constant[1:2], 50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report_constant(constant[:1], 50)


def test_choices_come_from_the_literal():
    check_choice("kind", "a", Literal["a", "b"])
    with pytest.raises(ValueError, match="kind must be one of 'a', 'b', got 'c'"):
        check_choice("kind", "c", Literal["a", "b"])
