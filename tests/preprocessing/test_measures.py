import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from brainograph.cohort import Cohort
from brainograph.preprocessing import Measures


@pytest.fixture
def cohort():
    measures = {"area": np.array([[1.0, 2.0], [3.0, 4.0]]), "volume": np.array([[5, 6], [7, 8]])}
    return Cohort(pd.DataFrame(index=["a", "b"]), pd.DataFrame(index=["L", "R"]), measures=measures)


def test_all_measures_side_by_side(cohort):
    measures = Measures().fit(cohort)
    assert measures.transform(cohort).tolist() == [[1, 2, 5, 6], [3, 4, 7, 8]]
    assert measures.get_feature_names_out().tolist() == [
        "L: area",
        "R: area",
        "L: volume",
        "R: volume",
    ]


def test_order_is_that_of_the_names_and_of_the_fit(cohort):
    measures = Measures(["volume", "area"]).fit(cohort)
    assert measures.transform(cohort)[0].tolist() == [5, 6, 1, 2]
    turned = cohort[:]
    object.__setattr__(turned, "measures", dict(reversed(cohort.measures.items())))
    fitted = Measures().fit(cohort)
    np.testing.assert_array_equal(fitted.transform(turned), fitted.transform(cohort))


def test_missing_measure_lists_what_is_there(cohort):
    with pytest.raises(ValueError, match="no measure 'thickness'; it has: 'area', 'volume'"):
        Measures(["thickness"]).fit(cohort)


def test_no_measures_at_all():
    empty = Cohort(pd.DataFrame(index=["a"]), pd.DataFrame(index=["L"]))
    with pytest.raises(ValueError, match="no measures; it has: none"):
        Measures().fit(empty)


def test_other_regions_are_refused(cohort):
    other = cohort.assign(regions=pd.DataFrame(index=["L", "X"]))
    with pytest.raises(ValueError, match=r"missing \['R'\]"):
        Measures().fit(cohort).transform(other)


def test_clone_keeps_parameters():
    assert clone(Measures(["area"])).names == ["area"]
