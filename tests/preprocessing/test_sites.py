import numpy as np
import pandas as pd
import pytest

from brainograph.preprocessing import SiteCentering
from brainograph.preprocessing.sites import site_names

X = np.array([[1.0], [3.0], [10.0], [20.0], [6.0]])
SITES = ["A", "A", "B", "B", None]


def test_by_hand():
    # site means 2 and 15; the one without a site loses the mean over all, 8
    x = SiteCentering().fit_transform(X, sites=SITES)
    assert x.ravel().tolist() == [-1.0, 1.0, -5.0, 5.0, -2.0]


def test_only_fitted_rows_move_the_means_and_an_unknown_site_gets_the_overall_mean():
    fitted = SiteCentering().fit(X[:2], sites=SITES[:2])
    x = fitted.transform(X, sites=SITES)
    assert x.ravel().tolist() == [-1.0, 1.0, 8.0, 18.0, 4.0]


def test_a_row_does_not_depend_on_its_neighbours():
    fitted = SiteCentering().fit(X, sites=SITES)
    assert fitted.transform(X[3:4], sites=["B"]) == fitted.transform(X, sites=SITES)[3]


def test_missing_values_stay_missing_and_move_no_mean():
    x = SiteCentering().fit_transform([[1.0], [np.nan], [3.0]], sites=["A", "A", "A"])
    assert np.array_equal(x.ravel(), [-1.0, np.nan, 1.0], equal_nan=True)


def test_single_precision_is_kept():
    x = SiteCentering().fit_transform(X.astype(np.float32), sites=SITES)
    assert x.dtype == np.float32


def test_names_pass_through():
    fitted = SiteCentering().fit(pd.DataFrame(X, columns=["thickness"]), sites=SITES)
    assert fitted.get_feature_names_out().tolist() == ["thickness"]


@pytest.mark.parametrize(
    "sites", [[1, 2.0, None], [1.0, 2.0, np.nan], pd.Series(["1", "2", pd.NA]), ["1", 2, None]]
)
def test_a_site_is_the_same_however_it_is_written(sites):
    assert site_names(sites, 3).tolist() == ["1", "2", None]


def test_one_site_for_each_row():
    with pytest.raises(ValueError, match="sites has 4 values for 5 participants"):
        SiteCentering().fit(X, sites=SITES[:4])
