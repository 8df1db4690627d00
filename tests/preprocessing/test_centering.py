import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from brainograph.cohort import Cohort
from brainograph.preprocessing import CenterBy, Measures


@pytest.fixture
def cohort():
    phenotype = pd.DataFrame({"site": ["A", "A", "B", "B", None]}, index=list("abcde"))
    values = np.array([[1.0], [3.0], [10.0], [20.0], [6.0]])
    return Cohort(phenotype, pd.DataFrame(index=["r1"]), measures={"thickness": values})


def test_by_hand(cohort):
    x = CenterBy(Measures()).fit_transform(cohort)
    # site means 2 and 15; the one without a site loses the mean over all, 8
    assert x.ravel().tolist() == [-1.0, 1.0, -5.0, 5.0, -2.0]


def test_only_fitted_rows_move_the_means_and_an_unknown_site_gets_the_overall_mean(cohort):
    fitted = CenterBy(Measures()).fit(cohort[[0, 1]])
    assert fitted.transform(cohort).ravel().tolist() == [-1.0, 1.0, 8.0, 18.0, 4.0]


def test_a_row_does_not_depend_on_its_neighbours(cohort):
    fitted = CenterBy(Measures()).fit(cohort)
    assert fitted.transform(cohort[3]).item() == fitted.transform(cohort)[3].item()


def test_a_missing_column_is_explained(cohort):
    with pytest.raises(ValueError, match=r"no phenotype 'scanner' to centre by; it has \['site'\]"):
        clone(CenterBy(Measures(), by="scanner")).fit(cohort)


def test_names_pass_through(cohort):
    fitted = CenterBy(Measures()).fit(cohort)
    assert fitted.get_feature_names_out().tolist() == ["r1: thickness"]


@pytest.mark.parametrize("column", ["diagnosis", "DX_GROUP", "study_group", "src_subject_id"])
def test_what_gives_the_diagnosis_away_is_refused(cohort, column):
    known = cohort.assign(phenotype=cohort.phenotype.assign(**{column: [1, 0, 1, 0, 1]}))
    with pytest.raises(ValueError, match=f"'{column}' looks like .*Leave it out"):
        CenterBy(Measures(), by=column).fit(known)


@pytest.mark.parametrize("column", ["scanner", "sex", "manufacturer"])
def test_innocent_groups_pass(cohort, column):
    known = cohort.assign(phenotype=cohort.phenotype.assign(**{column: list("aabba")}))
    assert CenterBy(Measures(), by=column).fit_transform(known).shape == (5, 1)
