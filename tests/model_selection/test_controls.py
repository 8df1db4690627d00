import warnings

import numpy as np
import pandas as pd
import pytest

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.model_selection import default_controls


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=20, n_regions=6, random_state=0)


def sentences(cohort, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        controls = default_controls(cohort, **options)
    return list(controls), [str(warning.message) for warning in caught]


def test_nothing_is_said_where_nothing_is_missing(cohort):
    made, said = sentences(cohort)
    assert made == ["majority", "phenotype", "motion", "edges_logistic", "tangent_logistic"]
    assert said == []


@pytest.mark.parametrize(
    ("control", "members", "options", "sentence"),
    [
        ("motion", {"mean_fd": np.nan}, {}, "No control motion: the cohort has no mean_fd."),
        (
            "phenotype", {"site": None, "age": np.nan, "sex": None}, {},
            "No control phenotype: the cohort has no site or age or sex.",
        ),
        (
            "edges_logistic", {}, {"connectivity": "sc"},
            "No control edges_logistic: the cohort has no connectivity 'sc'.",
        ),
    ],
)  # fmt: skip
def test_a_missing_control_is_said_once(cohort, control, members, options, sentence):
    made, said = sentences(cohort.assign(phenotype=cohort.phenotype.assign(**members)), **options)
    assert control not in made
    assert said == [sentence]


def test_a_cohort_with_nothing_but_participants(cohort):
    bare = Cohort(pd.DataFrame(index=cohort.phenotype.index), cohort.regions)
    made, said = sentences(bare)
    assert made == ["majority"]
    assert said == [
        "No control phenotype: the cohort has no site or age or sex.",
        "No control motion: the cohort has no mean_fd.",
        "No control edges_logistic: the cohort has no connectivity 'fc'.",
        "No control tangent_logistic: the cohort has no series.",
    ]


def test_a_control_that_nobody_asked_for_is_not_missed(cohort):
    made, said = sentences(cohort, motion=())
    assert "motion" not in made
    assert said == []
