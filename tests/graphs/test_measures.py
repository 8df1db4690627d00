import networkx as nx
import numpy as np
import pytest

from brainograph.graphs import measures
from brainograph.graphs.sparsify import sparsify


def reference(adjacency):
    graph = nx.from_numpy_array(adjacency)
    for _, _, edge in graph.edges(data=True):
        edge["length"] = 1 / edge["weight"]
    return graph


@pytest.fixture(params=["weighted", "binary", "disconnected", "full"])
def adjacency(request, rng):
    matrix = np.corrcoef(rng.standard_normal((30, 25)))
    if request.param == "disconnected":
        matrix[:10, 10:] = matrix[10:, :10] = matrix[29, :29] = matrix[:29, 29] = 0
    matrix = sparsify(matrix, density=1.0 if request.param == "full" else 0.2)
    return (matrix > 0).astype(float) if request.param == "binary" else matrix


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("degree", lambda g: dict(g.degree())),
        ("strength", lambda g: dict(g.degree(weight="weight"))),
        ("clustering", lambda g: nx.clustering(g, weight="weight")),
        ("betweenness", lambda g: nx.betweenness_centrality(g, weight="length")),
    ],
)
def test_regional_measures_equal_networkx(adjacency, name, expected):
    ours = getattr(measures, name)(adjacency)
    np.testing.assert_allclose(ours, list(expected(reference(adjacency)).values()), atol=1e-12)


def test_global_measures_equal_networkx(adjacency):
    graph = reference(adjacency)
    assert measures.transitivity(adjacency) == pytest.approx(nx.transitivity(graph))
    assert measures.local_efficiency(adjacency).mean() == pytest.approx(nx.local_efficiency(graph))
    steps = measures.global_efficiency(adjacency, weighted=False)
    assert steps == pytest.approx(nx.global_efficiency(graph))
    lengths = [
        length
        for source, row in nx.all_pairs_dijkstra_path_length(graph, weight="length")
        for target, length in row.items()
        if source != target
    ]
    assert measures.characteristic_path_length(adjacency) == pytest.approx(np.mean(lengths))
    pairs = len(graph) * (len(graph) - 1)
    expected = sum(1 / length for length in lengths) / pairs
    assert measures.global_efficiency(adjacency) == pytest.approx(expected)


def test_eigenvector_centrality_equals_networkx(rng):
    adjacency = sparsify(np.corrcoef(rng.standard_normal((20, 25))), density=0.4)
    expected = nx.eigenvector_centrality_numpy(reference(adjacency), weight="weight")
    ours = measures.eigenvector_centrality(adjacency)
    np.testing.assert_allclose(ours, list(expected.values()), atol=1e-8)


def test_path_by_hand():
    # 0 -(w=1/2)- 1 -(w=1)- 2 : lengths 2 and 1
    path = np.array([[0, 0.5, 0], [0.5, 0, 1], [0, 1, 0]])
    assert measures.characteristic_path_length(path) == pytest.approx((2 + 1 + 3) / 3)
    assert measures.characteristic_path_length(path, weighted=False) == pytest.approx(4 / 3)
    assert measures.global_efficiency(path) == pytest.approx((1 / 2 + 1 + 1 / 3) / 3)
    np.testing.assert_array_equal(measures.betweenness(path), [0, 1, 0])


def test_communities_by_hand(rng):
    # two triangles joined by one edge
    A = np.zeros((6, 6))
    A[:3, :3] = A[3:, 3:] = 1
    A[2, 3] = A[3, 2] = 1
    np.fill_diagonal(A, 0)
    labels = measures.louvain(A)
    np.testing.assert_array_equal(labels, [0, 0, 0, 1, 1, 1])
    # 7 edges, 3 inside each: 2 * (3/7 - (7/14)^2)
    assert measures.modularity(A, labels) == pytest.approx(2 * (3 / 7 - 0.25))
    expected = nx.community.modularity(nx.from_numpy_array(A), [{0, 1, 2}, {3, 4, 5}])
    assert measures.modularity(A, list("aaabbb")) == pytest.approx(expected)
    third = 1 - (2 / 3) ** 2 - (1 / 3) ** 2
    np.testing.assert_allclose(measures.participation(A, labels), [0, 0, third, third, 0, 0])


def test_louvain_is_seeded(rng):
    A = sparsify(np.corrcoef(rng.standard_normal((40, 25))), density=0.2)
    np.testing.assert_array_equal(
        measures.louvain(A, random_state=3), measures.louvain(A, random_state=3)
    )


def test_graph_measures_is_a_table(rng):
    A = sparsify(np.corrcoef(rng.standard_normal((10, 25))), density=0.4)
    names = [f"region {i}" for i in range(10)]
    regional, whole = measures.graph_measures(A, regions=names, communities=[0] * 5 + [1] * 5)
    assert list(regional.index) == names
    np.testing.assert_array_equal(regional["strength"], A.sum(axis=1))
    assert whole["density"] == pytest.approx(0.4)
    assert whole["n_communities"] == 2
    assert np.isfinite(whole).all()


def test_empty_graph():
    regional, whole = measures.graph_measures(np.zeros((3, 3)))
    assert (regional.drop(columns=["community", "eigenvector_centrality"]) == 0).all(axis=None)
    assert np.isnan(whole["characteristic_path_length"])
    assert whole[["density", "transitivity", "global_efficiency", "modularity"]].tolist() == [0] * 4


def test_errors():
    with pytest.raises(ValueError, match=r"1 negative edges.*sign=\"positive\""):
        measures.strength([[0, -1], [-1, 0]])
    with pytest.raises(ValueError, match=r"must have the shape \(R, R\), got \(2, 2, 2\)"):
        measures.strength(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="adjacency must be symmetric"):
        measures.strength([[0, 1], [0, 0]])
