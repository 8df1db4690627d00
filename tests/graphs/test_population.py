import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from brainograph.graphs import affinity, population
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
    monkeypatch.setattr(affinity, "_BLOCK", 61 * 7)
    chunked = population_graph(features, phenotype, **options)
    if sparse.issparse(whole):
        whole, chunked = whole.toarray(), chunked.toarray()
    np.testing.assert_array_equal(chunked > 0, whole > 0)
    np.testing.assert_allclose(chunked, whole, rtol=1e-6)
    np.testing.assert_array_equal(chunked, chunked.T)


def test_chunks_bound_the_memory(rng, monkeypatch):
    sizes = []
    monkeypatch.setattr(affinity, "_BLOCK", 5000)
    product = population.gaussian
    monkeypatch.setattr(
        population, "gaussian", lambda *a: sizes.append(len(a[0]) * len(a[1])) or product(*a)
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
