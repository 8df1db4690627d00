"""Neighbours that are drawn, and steps on them."""

import numpy as np
import pytest
import torch
from scipy import sparse

from brainograph.datasets import simulate_cohort
from brainograph.estimators.population.edges import PopulationEdges
from brainograph.estimators.population.network_agreement import Agreement
from brainograph.estimators.population.network_training import (
    PopulationFit,
    draw_neighbors,
    new_join,
)
from brainograph.estimators.subject.data import SubjectData
from brainograph.estimators.training.settings import Training
from brainograph.graphs.population import phenotype_agreement
from brainograph.nn.population import EHGCN, MMGNN, VMMDGCN

EDGES = PopulationEdges(("sex", "site"), {"age": 2.0}, "product", "correlation", 4)
SMALL = {"graphs": {"BrainGCN": {"hidden_channels": 8, "concat_channels": 2}}}


def fit_of(network, n_sampled, n_subjects=30):
    """A training that is about to begin."""
    cohort = simulate_cohort(n_subjects=n_subjects, n_regions=8, n_volumes=(40, 50))
    torch.manual_seed(0)
    fit = PopulationFit(
        network=network,
        data=SubjectData(cohort, network.reads, standardize=True),
        agreement=Agreement.of(EDGES, EDGES.of(cohort.phenotype)),
        edges=EDGES,
        target=cohort.phenotype["diagnosis"].to_numpy().astype(int),
        class_weight=None,
        rows=np.arange(20),
        held_out=np.arange(20, 25),
        training=Training(max_epochs=2, batch_size=8),
        stages="joint",
        n_sampled=n_sampled,
        device=torch.device("cpu"),
        seed=0,
    )
    fit._weight, fit._draws = None, [0, 1]
    return fit


@pytest.mark.parametrize("num_layers", [1, 2])
def test_with_all_neighbours_drawn_an_answer_is_that_of_the_whole_graph(num_layers):
    fit = fit_of(EHGCN(8, 2, num_layers=num_layers, **SMALL), (30,) * num_layers)
    whole = fit._look()
    batch = np.array([7, 2, 11])
    nodes, agreement = fit._around(batch)
    assert nodes[:3].tolist() == batch.tolist()
    assert 3 < len(nodes) < 30  # not everybody is within reach
    codes = fit.network.encode(fit.data.batch(nodes))
    said = fit.network.propagate(codes, new_join(fit.edges, agreement, fit._join))
    assert torch.allclose(said[:3], whole[batch], atol=1e-5)


def test_with_everybody_drawn_a_step_is_a_step_on_everybody():
    fit = fit_of(VMMDGCN(8, 2, num_layers=2), (30, 30, 30))
    whole = fit._look()
    nodes, agreement = fit._around(np.arange(30))
    codes = fit.network.encode(fit.data.batch(nodes))
    said = fit.network.propagate(codes, new_join(fit.edges, agreement))
    assert torch.allclose(said, whole, atol=1e-5)


def test_only_who_is_drawn_is_encoded():
    network = MMGNN(8, 2, modalities=("connectivity/fc",))
    fit, sizes = fit_of(network, (2,)), []
    encode = network.encode
    network.encode = lambda batch: (sizes.append(len(batch)), encode(batch))[1]
    fit._look()
    sizes.clear()
    for batch in fit._sampled_batches(1):
        nodes, _ = fit._around(batch)
        fit.network.encode(fit.data.batch(nodes))
        assert len(nodes) <= 3 * len(batch)
    assert max(sizes) <= 3 * 7


def test_neighbours_are_drawn_at_each_remove():
    """A path 0 - 1 - 2 - 3 - 4, walked from one end."""
    path = sparse.csr_array(np.eye(5, k=1) + np.eye(5, k=-1))
    assert draw_neighbors(path, np.array([0]), (5, 5, 5), [0]).tolist() == [0, 1, 2, 3]
    star = sparse.csr_array(np.pad(np.ones((1, 20)), ((0, 20), (1, 0))))
    drawn = draw_neighbors(star, np.array([0]), (3,), [0])
    assert len(drawn) == 4
    assert drawn.tolist() == draw_neighbors(star, np.array([0]), (3,), [0]).tolist()
    assert {*range(1, 21)} == {
        n for seed in range(40) for n in draw_neighbors(star, np.array([0]), (3,), [seed])[1:]
    }


def test_agreement_is_that_of_the_population_graph():
    people = simulate_cohort(n_subjects=12, n_volumes=(20, 20)).phenotype
    how = {"categorical": ["sex", "site"], "continuous": {"age": 2.0}}
    expected = phenotype_agreement(people, **how)
    np.fill_diagonal(expected, 0)
    gamma = Agreement.of(EDGES, EDGES.of(people))
    assert np.array_equal(gamma[0:12], expected)
    assert np.array_equal(gamma[3:7], expected[3:7])
    nodes = np.array([5, 1, 8])
    assert np.array_equal(gamma.among(nodes), expected[nodes][:, nodes])
    new = Agreement.of(EDGES, EDGES.of(people[9:]), EDGES.of(people[:9]))
    assert np.array_equal(new[:], expected[9:, :9])


@pytest.mark.parametrize(("combine", "value"), [("similarity", 1.0), ("none", 0.0)])
def test_agreement_without_phenotypes(combine, value):
    people = simulate_cohort(n_subjects=4, n_volumes=(20, 20)).phenotype
    edges = PopulationEdges((), {}, combine, "correlation", None)
    expected = value * (1 - np.eye(4))
    assert np.array_equal(Agreement.of(edges, edges.of(people))[:], expected)


def test_in_stages_the_population_begins_with_what_the_encoders_answer():
    fit, taken = fit_of(EHGCN(8, 2, **SMALL), None), []
    network = fit.network
    take_over = network.take_over
    network.take_over = lambda classifier: (taken.append(classifier), take_over(classifier))
    fit._train_encoder()
    codes = network.eval().encode(fit.data.batch(np.arange(30)))
    said = network.propagate(codes, new_join(fit.edges, fit.agreement))
    assert torch.allclose(said, taken[0](codes), atol=1e-6)
    assert said.std() > 0
    before = network.population.head.weight.detach().clone()
    fit._train_graph(codes.detach())
    assert not torch.equal(network.population.head.weight, before)  # neighbours are learnt from
