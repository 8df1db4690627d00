import numpy as np
import pandas as pd
import pytest

from brainograph.preprocessing.covariates import Covariates

TABLE = pd.DataFrame(
    {"age": [10.0, 20.0, 30.0, None], "sex": [1, 2, 2, None], "hand": ["l", "r", "m", "r"]}
)


def test_by_hand():
    covariates = Covariates().fit(TABLE)
    assert covariates.names_ == ["age", "sex=2", "hand=m", "hand=r"]
    design = covariates.transform(TABLE)
    assert np.allclose(design[:, 0], [-np.sqrt(1.5), 0, np.sqrt(1.5), 0])  # the mean fills
    assert design[:, 1].tolist() == [0, 1, 1, 1]  # the most frequent sex fills
    assert design[:, 2:].tolist() == [[0, 0], [0, 1], [1, 0], [0, 1]]


def test_new_rows_are_read_as_training_was():
    covariates = Covariates().fit(TABLE)
    new = pd.DataFrame({"age": [20.0, None], "sex": [None, 1], "hand": ["foot", "l"]})
    assert covariates.transform(new).tolist() == [[0, 1, 0, 1], [0, 0, 0, 0]]


def test_arrays_are_numbers():
    covariates = Covariates().fit(np.array([1.0, 3.0]))
    assert covariates.names_ == ["covariate 0"]
    assert covariates.transform(np.array([[2.0], [5.0]])).tolist() == [[0.0], [3.0]]


def test_one_category_makes_no_column():
    assert Covariates().fit_transform(pd.DataFrame({"sex": ["f", "f"]})).shape == (2, 0)


@pytest.mark.parametrize("name", ["diagnosis", "DX_GROUP", "ados_total", "subject_id"])
def test_the_diagnosis_is_refused(name):
    with pytest.raises(ValueError, match=f"'{name}' looks like"):
        Covariates().fit(pd.DataFrame({name: [0.0, 1.0]}))
