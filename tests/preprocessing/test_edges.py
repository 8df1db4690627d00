import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from brainograph.cohort import Cohort
from brainograph.preprocessing import Edges, Measures


def make_cohort(rng, n_subjects=24, names=("A", "B", "C", "D")):
    labels = np.arange(n_subjects) % 2
    series = [rng.standard_normal((40, len(names))) for _ in range(n_subjects)]
    for label, one in zip(labels, series, strict=True):
        one[:, 0] += 2 * label * one[:, 1]
    return Cohort(
        pd.DataFrame({"label": labels}, index=[f"sub-{i:02d}" for i in range(n_subjects)]),
        pd.DataFrame(index=list(names)),
        timeseries=series,
        connectivity={"fc": np.array([np.corrcoef(one.T) for one in series], dtype=np.float32)},
        measures={"thickness": rng.random((n_subjects, len(names)))},
    )


def test_edges_are_the_upper_triangle_row_by_row():
    matrix = np.array([[1, 0.1, 0.2], [0.1, 1, 0.3], [0.2, 0.3, 1]])[None]
    edges = Edges(fisher_z=False).fit_transform(matrix)
    np.testing.assert_array_equal(edges, [[0.1, 0.2, 0.3]])


def test_fisher_z_is_clipped_and_keeps_the_matrices():
    matrix = np.array([[1, 1.0], [1.0, 1]])[None]
    kept = matrix.copy()
    assert Edges().fit_transform(matrix)[0, 0] == pytest.approx(np.arctanh(1 - 1e-6))
    np.testing.assert_array_equal(matrix, kept)


def test_names_and_precision(rng):
    edges = Edges().fit(cohort := make_cohort(rng))
    expected = ["A -- B", "A -- C", "A -- D", "B -- C", "B -- D", "C -- D"]
    assert edges.get_feature_names_out().tolist() == expected
    assert edges.transform(cohort).dtype == np.float32
    assert edges.n_features_in_ == 4


def test_integer_matrices_are_allowed():
    counts = np.array([[0, 7], [7, 0]])[None]
    assert Edges("sc", fisher_z=False).fit_transform(counts).tolist() == [[7.0]]


def test_unknown_connectivity_lists_what_is_there(rng):
    with pytest.raises(ValueError, match=r"no connectivity 'sc'; it has: 'fc'\. Write"):
        Edges("sc").fit(make_cohort(rng))


def test_fisher_z_of_counts_is_refused():
    with pytest.raises(ValueError, match=r"'sc' reaches 900. Write Edges\('sc', fisher_z=False\)"):
        Edges("sc").fit_transform(np.array([[0.0, 900], [900, 0]])[None])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("A", "B", "C"), r"3 given, 4 needed; missing \['D'\]"),
        (("A", "B", "C", "E"), r"missing \['D'\]; not in the fit \['E'\]"),
        (("A", "C", "B", "D"), r"another order: row 1 is 'C', was 'B'"),
    ],
)
def test_other_regions_are_refused(rng, names, message):
    edges = Edges().fit(make_cohort(rng))
    with pytest.raises(ValueError, match=message):
        edges.transform(make_cohort(rng, names=names))


def test_a_flat_array_is_refused():
    with pytest.raises(ValueError, match=r"got shape \(3, 3\).*X\[None\]"):
        Edges().fit(np.eye(3))


def test_a_row_does_not_depend_on_the_others(rng):
    cohort = make_cohort(rng)
    edges = Edges().fit(cohort[:5])
    np.testing.assert_array_equal(edges.transform(cohort)[7], edges.transform(cohort[[7]])[0])


def test_cohort_passes_through_pipelines_unions_and_searches(rng):
    cohort = make_cohort(rng)
    y = cohort.phenotype["label"].to_numpy()
    union = make_union(Edges(), Measures())
    pipeline = make_pipeline(union, StandardScaler(), LogisticRegression())
    assert cross_val_score(pipeline, cohort, y, cv=3).mean() > 0.9
    search = GridSearchCV(pipeline, {"featureunion__edges__fisher_z": [True, False]}, cv=3)
    assert search.fit(cohort, y).score(cohort, y) > 0.9
    names = union.fit(cohort).get_feature_names_out()
    assert names[0] == "edges__A -- B"
    assert names[-1] == "measures__D: thickness"


def test_clone_keeps_parameters():
    assert clone(Edges("sc", fisher_z=False)).get_params() == {
        "connectivity": "sc",
        "fisher_z": False,
    }
