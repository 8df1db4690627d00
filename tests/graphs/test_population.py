import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial.distance import pdist, squareform

from brainograph.graphs import population
from brainograph.graphs.population import (
    attach,
    isolated,
    mean_distance,
    phenotype_agreement,
    population_graph,
    similarity,
)


def people(rng, n, n_features=20):
    features = rng.standard_normal((n, n_features))
    phenotype = pd.DataFrame(
        {
            "sex": rng.choice(["male", "female", None], n),
            "site": rng.choice(["NYU", "UM", "KKI"], n),
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.uniform(6, 40, n)),
        },
        index=[f"sub-{i}" for i in range(n)],
    )
    return features, phenotype


def double_loop(features, phenotype, sigma):
    """Card G0, pair by pair."""
    n = len(features)
    graph = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            a, b = phenotype.iloc[i], phenotype.iloc[j]
            agree = sum(a[c] == b[c] for c in ("sex", "site") if a[c] is not None)
            agree += abs(a["age"] - b["age"]) < 2
            d = 1 - np.corrcoef(features[i], features[j])[0, 1]
            graph[i, j] = agree * np.exp(-(d**2) / (2 * sigma**2)) * (i != j)
    return graph


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


def test_graph_equals_the_double_loop(rng):
    features, phenotype = people(rng, 25)
    expected = double_loop(features, phenotype, mean_distance(features))
    graph = population_graph(features, phenotype)
    np.testing.assert_allclose(graph, expected, atol=2e-6)
    np.testing.assert_array_equal(graph, graph.T)
    assert np.all(graph.diagonal() == 0)
    assert graph.min() >= 0
    assert graph.max() <= 3


def test_neighbors_by_hand():
    # angles on a circle: cosine distances grow with the angle between
    angles = np.deg2rad([0, 10, 30, 60, 180])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    graph = population_graph(features, combine="similarity", metric="cosine", n_neighbors=1)
    # nearest: 0->1, 1->0, 2->1, 3->2, 4->3; the union of both directions
    edges = {tuple(sorted(map(int, pair))) for pair in np.argwhere(graph.toarray())}
    assert edges == {(0, 1), (1, 2), (2, 3), (3, 4)}
    assert (graph != graph.T).nnz == 0
    assert all(np.all(np.diff(row.indices) > 0) for row in graph)


def test_all_ties_are_kept():
    phenotype = pd.DataFrame({"site": list("AAAB")})
    graph = population_graph(
        None, phenotype, categorical=["site"], continuous={}, combine="phenotype", n_neighbors=1
    )
    expected = [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(graph.toarray(), expected)
    np.testing.assert_array_equal(isolated(graph), [False, False, False, True])


def test_threshold(rng):
    features, phenotype = people(rng, 30)
    dense = population_graph(features, phenotype)
    graph = population_graph(features, phenotype, threshold=1.1)
    np.testing.assert_array_equal(graph.toarray(), np.where(dense >= 1.1, dense, 0))
    np.testing.assert_array_equal(isolated(graph), (dense < 1.1).all(axis=1))


@pytest.mark.parametrize("options", [{}, {"n_neighbors": 5}, {"threshold": 0.8}])
@pytest.mark.parametrize("metric", ["correlation", "euclidean"])
def test_row_order_changes_nothing(rng, options, metric):
    features, phenotype = people(rng, 203, n_features=37)
    features[7] = features[101]  # the same scan twice
    graph = population_graph(features, phenotype, metric=metric, **options)
    order = rng.permutation(len(features))
    shuffled = population_graph(features[order], phenotype.iloc[order], metric=metric, **options)
    expected = graph[order][:, order]
    if sparse.issparse(graph):
        expected, shuffled = expected.toarray(), shuffled.toarray()
    np.testing.assert_array_equal(shuffled > 0, expected > 0)
    np.testing.assert_allclose(shuffled, expected, rtol=1e-6)
    distinct = np.flatnonzero(~np.isin(order, [7, 101]))
    np.testing.assert_array_equal(
        shuffled[np.ix_(distinct, distinct)], expected[np.ix_(distinct, distinct)]
    )


@pytest.mark.parametrize("options", [{}, {"n_neighbors": 4}, {"threshold": 0.5, "n_neighbors": 9}])
def test_chunks_change_nothing(rng, monkeypatch, options):
    features, phenotype = people(rng, 61)
    whole = population_graph(features, phenotype, **options)
    monkeypatch.setattr(population, "_BLOCK", 61 * 7)
    chunked = population_graph(features, phenotype, **options)
    if sparse.issparse(whole):
        whole, chunked = whole.toarray(), chunked.toarray()
    np.testing.assert_array_equal(chunked > 0, whole > 0)
    np.testing.assert_allclose(chunked, whole, rtol=1e-6)
    np.testing.assert_array_equal(chunked, chunked.T)


def test_chunks_bound_the_memory(rng, monkeypatch):
    sizes = []
    monkeypatch.setattr(population, "_BLOCK", 5000)
    product = population._similarity
    monkeypatch.setattr(
        population, "_similarity", lambda *a: sizes.append(len(a[0]) * len(a[1])) or product(*a)
    )
    population_graph(*people(rng, 500), n_neighbors=3)
    assert max(sizes) <= 5000
    assert sum(sizes) == 500**2


@pytest.mark.parametrize("combine", ["product", "similarity", "phenotype"])
def test_combine(rng, combine):
    features, phenotype = people(rng, 20)
    off = 1 - np.eye(20)
    terms = {"similarity": similarity(features), "phenotype": phenotype_agreement(phenotype)}
    terms["product"] = terms["similarity"] * terms["phenotype"]
    graph = population_graph(features, phenotype, combine=combine)
    np.testing.assert_allclose(graph, terms[combine] * off, atol=1e-6)


@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean"])
def test_attach_equals_the_block_of_the_graph(rng, metric):
    features, phenotype = people(rng, 40)
    sigma = mean_distance(features[:30], metric=metric)
    graph = population_graph(features, phenotype, sigma=sigma, metric=metric)
    rows = attach(features[:30], phenotype[:30], features[30:], phenotype[30:], metric=metric)
    np.testing.assert_allclose(rows, graph[30:, :30], atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"n_neighbors": 3}, {"threshold": 1.0}])
def test_a_new_participant_is_alone(rng, options):
    features, phenotype = people(rng, 60, n_features=200)
    fitted, new = slice(0, 40), slice(40, 60)

    def rows_of(rows):
        graph = attach(
            features[fitted], phenotype[fitted], features[rows], phenotype.iloc[rows], **options
        )
        return graph.toarray() if sparse.issparse(graph) else graph

    together = rows_of(new)
    for i in range(20):
        np.testing.assert_array_equal(rows_of([40 + i])[0], together[i])
    if "n_neighbors" in options:
        assert (together > 0).sum(axis=1).max() == 3


def test_abide_in_any_order(rng, real_data):
    archive = np.load(real_data / "abide1" / "timeseries_rois_ho_filt_noglobal_871.npz")
    series = np.split(archive["data"], archive["offsets"][1:-1])
    edges = np.triu_indices(111, 1)
    with np.errstate(invalid="ignore"):
        features = np.stack([np.corrcoef(s.astype(float).T)[edges] for s in series])
    features = np.nan_to_num(features)  # regions without signal
    graph = population_graph(features, combine="similarity", n_neighbors=10)
    order = rng.permutation(871)
    shuffled = population_graph(features[order], combine="similarity", n_neighbors=10)
    assert (shuffled != graph[order][:, order]).nnz == 0
    assert (graph != graph.T).nnz == 0
    assert 10 <= graph.nnz / 871 <= 20
    assert not isolated(graph).any()


def test_graph_errors(rng):
    features, phenotype = people(rng, 6)
    with pytest.raises(ValueError, match=r"must have the same rows, got \[5, 6\]"):
        population_graph(features[:5], phenotype)
    with pytest.raises(ValueError, match='needs phenotype, or write combine="similarity"'):
        population_graph(features)
    with pytest.raises(ValueError, match='needs features, or write combine="phenotype"'):
        population_graph(None, phenotype)
    with pytest.raises(ValueError, match="combine must be one of"):
        population_graph(features, phenotype, combine="sum")
    with pytest.raises(ValueError, match="n_neighbors must be a whole number >= 1, got 0"):
        population_graph(features, phenotype, n_neighbors=0)
    with pytest.raises(ValueError, match="threshold must be > 0"):
        population_graph(features, phenotype, threshold=0)
    with pytest.raises(ValueError, match="needs phenotype"):
        attach(features, phenotype, features[:2])


def test_inputs_are_left_alone(rng):
    features, phenotype = people(rng, 10)
    before = features.copy(), phenotype.copy()
    population_graph(features, phenotype, n_neighbors=2)
    np.testing.assert_array_equal(features, before[0])
    pd.testing.assert_frame_equal(phenotype, before[1])
