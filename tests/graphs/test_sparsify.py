import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.nn import ChebConv, GCNConv

from brainograph.graphs.brain import brain_graph
from brainograph.graphs.sparsify import sparsify, symmetric

C = np.array(
    [
        [1.0, 0.9, 0.5, -0.8],
        [0.9, 1.0, 0.4, 0.1],
        [0.5, 0.4, 1.0, -0.2],
        [-0.8, 0.1, -0.2, 1.0],
    ]
)


def edges(matrix):
    return {(int(i), int(j)): float(matrix[i, j]) for i, j in np.argwhere(matrix) if i < j}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {(0, 1): 0.9, (0, 2): 0.5, (1, 2): 0.4, (1, 3): 0.1}),
        ({"density": 1 / 3}, {(0, 1): 0.9, (0, 2): 0.5}),
        ({"density": 1.0}, {(0, 1): 0.9, (0, 2): 0.5, (1, 2): 0.4, (1, 3): 0.1}),
        ({"density": 1 / 3, "sign": "absolute"}, {(0, 1): 0.9, (0, 3): 0.8}),
        ({"density": 1 / 3, "sign": "signed"}, {(0, 1): 0.9, (0, 3): -0.8}),
        ({"sign": "negative"}, {(0, 3): 0.8, (2, 3): 0.2}),
        ({"density": 1 / 6, "sign": "negative"}, {(0, 3): 0.8}),
        ({"threshold": 0.4}, {(0, 1): 0.9, (0, 2): 0.5, (1, 2): 0.4}),
        ({"threshold": 0.6, "sign": "signed"}, {(0, 1): 0.9, (0, 3): -0.8}),
        # nearest: 0->1, 1->0, 2->0, 3->1
        ({"n_neighbors": 1}, {(0, 1): 0.9, (0, 2): 0.5, (1, 3): 0.1}),
        # two edges asked for, three make the tree
        ({"density": 1 / 3, "spanning_tree": True}, {(0, 1): 0.9, (0, 2): 0.5, (1, 3): 0.1}),
        (
            {"density": 4 / 6, "spanning_tree": True},
            {(0, 1): 0.9, (0, 2): 0.5, (1, 2): 0.4, (1, 3): 0.1},
        ),
    ],
)
def test_by_hand(options, expected):
    assert edges(sparsify(C, **options)) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"density": 0.2},
        {"n_neighbors": 3},
        {"threshold": 0.1},
        {"density": 0.1, "spanning_tree": True},
    ],
)
@pytest.mark.parametrize("sign", ["positive", "absolute", "negative", "signed"])
def test_batch_equals_one_by_one(rng, options, sign):
    series = rng.standard_normal((2, 3, 15, 30)).astype(np.float32)
    batch = series @ series.swapaxes(-1, -2)
    result = sparsify(batch, sign=sign, **options)
    assert result.dtype == np.float32
    assert result.shape == batch.shape
    np.testing.assert_array_equal(result, result.swapaxes(-1, -2))
    assert np.all(np.diagonal(result, axis1=-2, axis2=-1) == 0)
    assert (result < 0).any() == (sign == "signed")
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(result[index], sparsify(batch[index], sign=sign, **options))


def test_density_is_exact_and_ties_are_deterministic():
    ones = np.ones((6, 6))
    result = sparsify(ones, density=0.2)
    assert edges(result) == {(0, 1): 1.0, (0, 2): 1.0, (0, 3): 1.0}
    np.testing.assert_array_equal(sparsify(ones, n_neighbors=1)[0], [0, 1, 1, 1, 1, 1])


def test_tree_is_the_maximum_spanning_tree(rng):
    matrices = np.stack([np.corrcoef(rng.standard_normal((20, 40))) for _ in range(5)])
    tree = sparsify(matrices, density=1e-9, spanning_tree=True, sign="absolute")
    for matrix, ours in zip(matrices, tree, strict=True):
        graph = nx.from_numpy_array(np.abs(matrix) - np.eye(20))
        reference = nx.to_numpy_array(nx.maximum_spanning_tree(graph))
        np.testing.assert_array_equal(ours > 0, reference > 0)
        np.testing.assert_allclose(ours, reference, rtol=1e-12)
    denser = sparsify(matrices, density=0.15, spanning_tree=True, sign="absolute")
    assert np.all(denser[tree > 0] > 0)
    assert (denser > 0).sum(axis=(1, 2)).tolist() == [2 * round(0.15 * 190)] * 5


def test_tree_leaves_regions_without_edges_alone():
    matrix = np.zeros((4, 4))
    matrix[0, 2] = matrix[2, 0] = matrix[1, 3] = matrix[3, 1] = 0.5
    assert edges(sparsify(matrix, density=0.1, spanning_tree=True)) == {(0, 2): 0.5, (1, 3): 0.5}


@pytest.mark.parametrize("sign", ["positive", "absolute", "negative"])
def test_convolutions_stay_finite(rng, sign):
    series = rng.standard_normal((40, 20))
    graph = brain_graph(sparsify(np.corrcoef(series.T), density=0.5, sign=sign))
    for layer in (GCNConv(20, 4), ChebConv(20, 4, K=3)):
        assert torch.isfinite(layer(graph.x, graph.edge_index, graph.edge_weight)).all()


@pytest.mark.parametrize(
    ("matrix", "options", "message"),
    [
        (C, {"density": 10}, r"density must be in \(0, 1\], got 10. For 10 % .* density=0.10"),
        (C, {"density": 0}, r"density must be in \(0, 1\]"),
        (C, {"n_neighbors": 4}, r"whole number in \[1, 3\] for 4 regions, got 4"),
        (C, {"n_neighbors": 1.5}, "whole number"),
        (C, {"threshold": -0.1}, "threshold must be >= 0"),
        (C, {"density": 0.1, "n_neighbors": 3}, "give one of density, n_neighbors and threshold"),
        (C, {"spanning_tree": True}, "spanning_tree=True needs density"),
        (C, {"sign": "both"}, r"sign must be one of \('positive', .*got 'both'"),
        (np.where(C == 0.4, np.nan, C), {}, "holds 2 NaN or infinite values"),
        (np.triu(C), {}, r"must be symmetric, but mirrored values differ by up to 0\.9"),
        (C[:3], {}, r"must have the shape \(\.\.\., R, R\), got \(3, 4\)"),
    ],
)
def test_errors(matrix, options, message):
    with pytest.raises(ValueError, match=message):
        sparsify(matrix, **options)


def test_symmetric_forgives_rounding_and_copies(rng):
    noisy = C + 1e-9 * rng.standard_normal(C.shape)
    before = noisy.copy()
    result = symmetric(noisy)
    np.testing.assert_array_equal(result, result.T)
    np.testing.assert_array_equal(noisy, before)
    assert symmetric([[0, 1], [1, 0]]).dtype == np.float64
