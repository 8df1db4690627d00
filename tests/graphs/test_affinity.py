import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist, squareform

from brainograph.graphs.affinity import mean_distance, phenotype_agreement, similarity


def test_agreement_by_hand():
    phenotype = pd.DataFrame(
        {
            "sex": ["male", "female", "male", None],
            "site": ["NYU", "NYU", "UM", "UM"],
            "age": [10.0, 12.0, 11.9, np.nan],
        }
    )
    # 0-1: site (the ages differ by 2, which is not less than 2); 0-2: sex and age; 1-2: age;
    # 2-3: site; 3-3: site alone, since its sex and age are missing
    expected = [[3, 1, 2, 0], [1, 3, 1, 0], [2, 1, 3, 1], [0, 0, 1, 1]]
    np.testing.assert_array_equal(phenotype_agreement(phenotype), expected)
    np.testing.assert_array_equal(
        phenotype_agreement(phenotype, phenotype.iloc[[3, 0]]), np.array(expected)[:, [3, 0]]
    )


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b", "a", None],
        [1, 2, 1, np.nan],
        pd.Categorical(["a", "b", "a", None]),
        pd.array([1, 2, 1, None], dtype="Int64"),
        pd.array(["a", "b", "a", None], dtype="string"),
        pd.array([True, False, True, None], dtype="boolean"),
    ],
)
def test_any_column_type(values):
    phenotype = pd.DataFrame({"site": values})
    expected = [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    agreement = phenotype_agreement(phenotype, categorical=["site"], continuous={})
    np.testing.assert_array_equal(agreement, expected)
    other = phenotype.iloc[::-1]
    agreement = phenotype_agreement(phenotype, other, categorical=["site"], continuous={})
    np.testing.assert_array_equal(agreement, np.array(expected)[:, ::-1])


def test_categories_of_two_tables_match_by_value():
    left = pd.DataFrame({"site": pd.Categorical(["NYU", "UM"])})
    right = pd.DataFrame({"site": pd.Categorical(["UM", "KKI"])})
    agreement = phenotype_agreement(left, right, categorical=["site"], continuous={})
    np.testing.assert_array_equal(agreement, [[0, 0], [1, 0]])


def test_continuous_missing_and_nullable():
    phenotype = pd.DataFrame({"fiq": pd.array([100, 101, None, None], dtype="Int64")})
    agreement = phenotype_agreement(phenotype, categorical=[], continuous={"fiq": 2})
    np.testing.assert_array_equal(agreement[:2, :2], 1)
    assert agreement.sum() == 4


def test_phenotype_errors():
    phenotype = pd.DataFrame({"site": ["NYU"], "age": ["ten"]})
    with pytest.raises(ValueError, match=r"no column \['sex'\]: it has \['site', 'age'\]"):
        phenotype_agreement(phenotype)
    with pytest.raises(ValueError, match="'age' is continuous but holds 'ten'"):
        phenotype_agreement(phenotype, categorical=["site"])
    with pytest.raises(ValueError, match="tolerances must be > 0"):
        phenotype_agreement(phenotype, categorical=["site"], continuous={"age": 0})
    with pytest.raises(ValueError, match="name at least one phenotype"):
        phenotype_agreement(phenotype, categorical=[], continuous={})


@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean"])
def test_similarity_against_scipy(rng, metric):
    features = rng.standard_normal((12, 7)) + 3
    distance = pdist(features, metric)
    sigma = mean_distance(features, metric=metric)
    assert sigma == pytest.approx(distance.mean(), rel=1e-6)
    expected = np.exp(-(squareform(distance) ** 2) / (2 * sigma**2))
    ours = similarity(features, metric=metric)
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    np.testing.assert_allclose(
        similarity(features[:5], features[5:], sigma=sigma, metric=metric),
        expected[:5, 5:],
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        ([[1.0, np.nan], [0, 1]], {}, r"features of 1 participants \(rows \[0\]\) hold NaN"),
        ([[1.0, 2], [3, 3]], {}, r"constant \(rows \[1\]\), so they have no correlation"),
        ([[1.0, 2], [0, 0]], {"metric": "cosine"}, "no cosine with others"),
        ([[1.0, 2], [2, 1]], {"metric": "manhattan"}, "metric must be one of"),
        ([[1.0, 2], [2, 1]], {"sigma": 0}, "sigma must be > 0, got 0"),
        ([[1.0, 2, 4], [1, 2, 4]], {}, "where that is 0 all features are the same"),
        ([[1.0, 2]], {}, "at least 2 participants, got 1: give sigma"),
        ([1.0, 2], {}, r"must have the shape \(S, F\), got \(2,\)"),
    ],
)
def test_similarity_errors(features, options, message):
    with pytest.raises(ValueError, match=message):
        similarity(features, **options)
