"""Who was found and who was analysed, by hand."""

import numpy as np
import pandas as pd
import pytest

from brainograph.metrics.binary import BINARY
from brainograph.metrics.regression import REGRESSION
from brainograph.report.participants import analysed, demographics, flow
from brainograph.report.target import Target

TWO = Target(BINARY, "diagnosis", ("controls", "patients"))


@pytest.fixture
def predictions():
    ids = ["a", "b", "c", "d"]
    rows = {"participant_id": ids, "site": ["X", "X", "Y", "Y"], "y_true": [1, 0, 1, 0]}
    return pd.concat([pd.DataFrame(rows).assign(repeat=repeat) for repeat in (0, 1)])


@pytest.fixture
def participants():
    return pd.DataFrame(
        {
            "participant_id": ["a", "b", "c", "z"],
            "age": [10.0, 20.0, 14.0, 99.0],
            "sex": ["female", np.nan, "male", "male"],
        }
    )


def test_groups_and_sites_by_hand(predictions, participants):
    described = demographics(analysed(participants, predictions), TWO)
    assert described["group"]["patients"] == {
        "n": "2",
        "age (years)": "12.0 ± 2.8",
        "female": "1 of 2 (50%)",
    }
    assert described["group"]["controls"] == {"n": "2", "age (years)": "20.0", "female": "n/a"}
    assert described["group"]["all"]["n"] == "4"
    assert described["site"]["Y"]["patients"] == "1"
    assert list(described["site"]["Y"])[:2] == ["n", "patients"]


def test_the_difference_between_groups_is_in_standard_deviations(predictions):
    age = pd.DataFrame({"participant_id": list("abcd"), "age": [12.0, 10.0, 14.0, 14.0]})
    described = demographics(analysed(age, predictions), TWO)
    # patients 13 with variance 2, controls 12 with variance 8: 1 / sqrt(5)
    assert described["group"]["standardised difference"]["age (years)"] == "0.45"


def test_without_participants_only_the_numbers_are_known(predictions):
    described = demographics(analysed(None, predictions.drop(columns="site")), TWO)
    assert described == {
        "group": {"patients": {"n": "2"}, "controls": {"n": "2"}, "all": {"n": "4"}}
    }


def test_a_number_has_no_groups(predictions):
    described = demographics(
        analysed(None, predictions.drop(columns="site")), Target(REGRESSION, "age", ())
    )
    assert described == {"group": {"all": {"n": "4", "age": "0.50 ± 0.58"}}}


def test_everybody_counts_once_in_the_flow(predictions, participants):
    failures = pd.DataFrame(
        {
            "participant_id": ["e", "e", "f", "a"],
            "reason": ["no scan", "no T1", "no scan", "no T1"],
        }
    )
    counts = flow(
        analysed(participants, predictions),
        TWO,
        participants=participants,
        failures=failures,
        provenance={"participants": {"found": 9}},
    )
    assert counts == {
        "found": 9,
        "excluded": {"no scan": 2, "reason not recorded": 2},
        "n_excluded": 4,
        "read": 5,
        "unlabelled": 1,
        "analysed": 4,
        "groups": {"patients": 2, "controls": 2},
        "partly": 1,
    }


def test_what_is_not_known_is_none(predictions):
    counts = flow(analysed(None, predictions), TWO, participants=None, failures=None, provenance={})
    assert counts["found"] is None
    assert counts["unlabelled"] is None
    assert counts["excluded"] == {}


def test_many_reasons_are_gathered(predictions):
    failures = pd.DataFrame({"participant_id": [f"x{i}" for i in range(12)]})
    failures["reason"] = [f"reason {i}" for i in range(12)]
    counts = flow(
        analysed(None, predictions), TWO, participants=None, failures=failures, provenance={}
    )
    assert counts["excluded"]["other reasons"] == 4
    assert counts["found"] == 16
