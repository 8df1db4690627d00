"""Joins: the formula of the population graph, thinned, masked, and for new participants."""

import numpy as np
import pandas as pd
import pytest
import torch

from brainograph.graphs.population import attach, phenotype_agreement, population_graph
from brainograph.nn.population import Attach, Join, join

PEOPLE = pd.DataFrame(
    {"sex": list("fmfmffmfmmff"), "age": [20, 21, 30, 31, 20.5, 29, 40, 41, 22, 33, 30.5, 19]}
)
HOW = {"categorical": ["sex"], "continuous": {"age": 2.0}}


@pytest.fixture
def x():
    return torch.randn(12, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def gamma():
    counts = phenotype_agreement(PEOPLE, **HOW)
    np.fill_diagonal(counts, 0)
    return torch.from_numpy(counts)


@pytest.mark.parametrize("metric", ["correlation", "cosine"])
def test_it_is_the_population_graph(x, gamma, metric):
    expected = population_graph(x.numpy(), PEOPLE, metric=metric, **HOW)
    assert np.allclose(Join(gamma, metric=metric)(x), expected, atol=1e-6)


def test_the_width_of_euclidean_distances_is_their_root_mean_square(x, gamma):
    apart = torch.pdist(x.double()).square().mean().sqrt().item()
    expected = population_graph(x.numpy(), PEOPLE, metric="euclidean", sigma=apart, **HOW)
    assert np.allclose(Join(gamma, metric="euclidean")(x), expected, atol=1e-6)


def test_phenotypes_alone_and_features_alone(x, gamma):
    assert torch.equal(Join(gamma, similarity=False)(x), gamma)
    everybody = 1 - torch.eye(12)
    expected = population_graph(x.numpy(), combine="similarity")
    assert np.allclose(Join(everybody)(x), expected, atol=1e-6)


def test_everybody_listens_to_the_strongest_and_to_all_who_are_as_strong():
    gamma = torch.tensor([[0.0, 3.0, 1.0, 1.0], [3, 0, 2, 1], [1, 2, 0, 1], [1, 1, 1, 0]])
    graph = Join(gamma, similarity=False, n_neighbors=1)(torch.zeros(4, 2))
    expected = torch.tensor([[0.0, 3, 0, 0], [3, 0, 0, 0], [0, 2, 0, 0], [1, 1, 1, 0]])
    assert torch.equal(graph, expected)


def test_a_graph_of_few_edges_is_sparse_and_made_a_few_rows_at_a_time(monkeypatch):
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    gamma = 1 - torch.eye(50)
    whole = Join(gamma, n_neighbors=4)(x)
    monkeypatch.setattr(join, "_BLOCK", 150)
    blocks = Join(gamma, n_neighbors=4)(x)
    assert whole.is_sparse
    assert blocks.is_coalesced()
    assert torch.allclose(whole.to_dense(), blocks.to_dense(), atol=1e-6)
    assert ((whole.to_dense() > 0).sum(1) == 4).all()
    dense = Join(gamma)(x)
    assert torch.allclose(whole.to_dense(), dense * (whole.to_dense() > 0), atol=1e-6)


def test_who_lacks_the_features_is_joined_to_nobody_and_does_not_count(x, gamma):
    present = torch.ones(12, dtype=torch.bool)
    present[[0, 5]] = False
    graph = Join(gamma)(x, present)
    assert graph[0].sum() == graph[:, 5].sum() == 0
    assert torch.allclose(graph[present][:, present], Join(gamma[present][:, present])(x[present]))


@pytest.mark.parametrize("n_neighbors", [None, 3])
def test_new_participants_hear_the_fitted_and_are_not_heard(x, gamma, n_neighbors):
    fitted = Join(gamma[:9, :9], n_neighbors=n_neighbors)
    graph = fitted(x[:9])
    meet = torch.from_numpy(phenotype_agreement(PEOPLE[9:], PEOPLE[:9], **HOW))
    both = Attach(fitted, meet)(x)
    expected = attach(
        x[:9].numpy(), PEOPLE[:9], x[9:].numpy(), PEOPLE[9:], n_neighbors=n_neighbors, **HOW
    )
    expected = expected if n_neighbors is None else expected.toarray()
    assert torch.equal(both[:9, :9], graph)
    assert np.allclose(both[9:, :9], expected, atol=1e-6)
    assert both[:, 9:].sum() == 0


def test_new_participants_of_a_sparse_graph():
    x = torch.randn(53, 4, generator=torch.Generator().manual_seed(1))
    fitted = Join(1 - torch.eye(50), n_neighbors=4)
    graph = fitted(x[:50])
    both = Attach(fitted, torch.ones(3, 50))(x)
    assert both.is_sparse
    assert torch.equal(both.to_dense()[:50, :50], graph.to_dense())
    assert both.to_dense()[:, 50:].sum() == 0
    dense = Join(1 - torch.eye(50))
    dense(x[:50])
    everything = Attach(dense, torch.ones(3, 50))(x)[50:, :50]
    strongest = everything.topk(4, dim=1).values.sum()
    assert torch.allclose(both.to_dense()[50:].sum(), strongest, atol=1e-5)


def test_identical_features_and_constant_ones_are_no_error():
    graph = Join(1 - torch.eye(3))(torch.ones(3, 4))
    assert torch.isfinite(graph).all()


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match=r"metric must be one of .*'manhattan'"):
        Join(torch.zeros(2, 2), metric="manhattan")
    with pytest.raises(ValueError, match="n_neighbors must be at least 1, got 0"):
        Join(torch.zeros(2, 2), n_neighbors=0)
