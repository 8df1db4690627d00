import time

import networkx as nx
import numpy as np
import pytest
from scipy import sparse

from brainograph.graphs.rewire import draw_neighbors, moved_share, rewire


def drawn(rng, n, density):
    upper = np.triu(rng.random((n, n)) * (rng.random((n, n)) < density), k=1).astype(np.float32)
    return upper + upper.T


def degrees(graph):
    return dict(nx.from_scipy_sparse_array(sparse.csr_array(graph)).degree())


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("density", [0.05, 0.4, 0.7, 0.95])
def test_degrees_and_weights_are_kept(rng, form, density):
    graph = form(drawn(rng, 60, density))
    rewired = rewire(graph)
    assert type(rewired) is type(graph)
    assert rewired.dtype == graph.dtype
    assert degrees(rewired) == degrees(graph)
    dense = rewired if form is np.asarray else rewired.toarray()
    assert np.array_equal(dense, dense.T)
    assert not dense.diagonal().any()
    kept = sparse.csr_array(graph)
    assert np.array_equal(np.sort(sparse.csr_array(dense).data), np.sort(kept.data))


@pytest.mark.parametrize("density", [0.01, 0.1, 0.4])
def test_edges_lie_where_those_of_a_random_graph_lie(rng, density):
    """Of a well mixed graph no more edges are left in place than chance puts there."""
    graph = drawn(rng, 300, density)
    assert moved_share(graph, rewire(graph)) == pytest.approx(1 - density, abs=0.02)


def test_two_cliques_are_mixed():
    graph = np.kron(np.eye(2), np.ones((20, 20))) - np.eye(40)
    rewired = rewire(graph)
    assert (rewired.sum(axis=1) == 19).all()
    assert rewired[:20, 20:].sum() == pytest.approx(20 * 20 * 19 / 39, rel=0.2)


def test_the_only_other_way_on_four_nodes():
    """a-b, c-d can become a-c, b-d or a-d, b-c: three pairings, drawn alike."""
    graph = np.zeros((4, 4))
    graph[[0, 1, 2, 3], [1, 0, 3, 2]] = 1
    partners = [int(rewire(graph, random_state=seed)[0].argmax()) for seed in range(300)]
    counts = np.bincount(partners, minlength=4)
    assert counts[0] == 0
    assert (counts[1:] > 70).all()


@pytest.mark.parametrize("n", [2, 3, 30])
def test_of_a_complete_graph_only_the_weights_move(rng, n):
    graph = np.triu(rng.random((n, n)) + 0.1, k=1)
    graph += graph.T
    rewired = rewire(graph)
    assert moved_share(graph, rewired) == 0
    assert np.array_equal(np.sort(rewired, axis=None), np.sort(graph, axis=None))
    assert np.array_equal(rewired, graph) == (n == 2)


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (np.zeros((3, 3)), np.zeros((3, 3))),
        (np.eye(3)[[2, 1, 0]] - np.diag([0, 1, 0]), np.eye(3)[[2, 1, 0]] - np.diag([0, 1, 0])),
        (np.zeros((0, 0)), np.zeros((0, 0))),
    ],
)
def test_without_two_edges_nothing_moves(graph, expected):
    assert degrees(rewire(graph)) == degrees(expected)


def test_the_seed_decides(rng):
    graph = drawn(rng, 50, 0.2)
    assert np.array_equal(rewire(graph, random_state=3), rewire(graph, random_state=3))
    assert not np.array_equal(rewire(graph, random_state=3), rewire(graph, random_state=4))


@pytest.mark.parametrize(
    "graph", [np.triu(np.ones((3, 3)), k=1), np.ones((3, 3)), np.zeros((2, 3))]
)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_another_graph_is_refused(graph, form):
    with pytest.raises(ValueError, match=r"must be symmetric without a diagonal.*np\.maximum"):
        rewire(form(graph))


def test_a_hundred_thousand_edges_take_less_than_a_second(rng):
    graph = drawn(rng, 871, 0.264)
    started = time.process_time()
    rewire(graph)
    assert time.process_time() - started < 2  # 0.3 s on an idle core


def test_new_participants_hear_as_many(rng):
    heard = sparse.csr_array(drawn(rng, 40, 0.3)[:6])
    ids = [f"sub-{i}" for i in range(6)]
    other = draw_neighbors(heard, ids)
    assert np.array_equal(np.diff(other.indptr), np.diff(heard.indptr))
    for i in range(6):
        assert np.array_equal(np.sort(other[[i]].data), np.sort(heard[[i]].data))
        assert len(set(other[[i]].indices)) == other[[i]].nnz
    assert (heard != 0).multiply(other != 0).sum() < 0.5 * heard.nnz
    alone = draw_neighbors(heard[[4]], ids[4:5])
    assert np.array_equal(alone.toarray(), other[[4]].toarray())
    assert not np.array_equal(draw_neighbors(heard, ids, random_state=1).toarray(), other.toarray())


def test_neighbors_are_drawn_evenly():
    heard = sparse.csr_array(np.tile([[1.0, 1.0, 0.0, 0.0, 0.0]], (2000, 1)))
    counts = (draw_neighbors(heard, [str(i) for i in range(2000)]) != 0).sum(axis=0)
    assert np.all(np.abs(counts - 800) < 100)
