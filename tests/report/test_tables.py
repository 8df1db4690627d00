"""Tables of the report, by hand."""

import numpy as np
import pandas as pd
import pytest

from brainograph.report.tables import demographics, flat, interval, number, p_value


@pytest.fixture
def predictions():
    ids = ["a", "b", "c", "d"]
    rows = {"participant_id": ids, "site": ["X", "X", "Y", "Y"], "y_true": [1, 0, 1, 0]}
    return pd.concat([pd.DataFrame(rows).assign(repeat=repeat) for repeat in (0, 1)])


def test_groups_and_sites_by_hand(predictions):
    participants = pd.DataFrame(
        {
            "participant_id": ["a", "b", "c", "z"],
            "age": [10.0, 20.0, 14.0, 99.0],
            "sex": ["female", np.nan, "male", "male"],
        }
    )
    described = demographics(participants, predictions)
    assert described["group"]["patients"] == {
        "n": "2",
        "age (years)": "12.0 ± 2.8",
        "female": "1 of 2 (50%)",
    }
    assert described["group"]["controls"] == {"n": "2", "age (years)": "20.0", "female": "n/a"}
    assert described["group"]["all"]["n"] == "4"
    assert described["site"]["Y"]["patients"] == "1"
    assert list(described["site"]["Y"])[:2] == ["n", "patients"]


def test_without_participants_only_the_numbers_are_known(predictions):
    described = demographics(None, predictions.drop(columns="site"))
    assert described == {
        "group": {"patients": {"n": "2"}, "controls": {"n": "2"}, "all": {"n": "4"}}
    }


def test_numbers():
    assert number(-0.126) == "−0.13"
    assert number(float("nan")) == "n/a"
    assert interval(np.nan, 0.2) == ""
    assert p_value(0.0009) == "< 0.001"
    assert p_value(np.nan) == "n/a"


def test_provenance_is_flattened():
    content = {"data": {"atlas": {"name": "HO"}, "n": 3}, "models": ["a"], "none": None}
    assert flat(content) == {"data.atlas.name": "HO", "data.n": "3", "models": "a"}
