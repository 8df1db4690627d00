"""Numbers as a paper writes them."""

import numpy as np

from brainograph.report.words import flat, interval, listed, number, p_value


def test_numbers():
    assert number(-0.126) == "−0.13"
    assert number(float("nan")) == "n/a"
    assert interval(np.nan, 0.2) == ""
    assert p_value(0.0009) == "< 0.001"
    assert p_value(0.0009, sign=True) == "< 0.001"
    assert p_value(np.nan) == "n/a"


def test_one_name_is_no_list():
    assert listed(["motion"]) == "motion"
    assert listed(["motion", "site"]) == "motion and site"


def test_provenance_is_flattened():
    content = {"data": {"atlas": {"name": "HO"}, "n": 3}, "models": ["a"], "none": None}
    assert flat(content) == {"data.atlas.name": "HO", "data.n": "3", "models": "a"}
