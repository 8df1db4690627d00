"""EV-GCN: edges by hand, dense as sparse, and gradients that reach the pairwise encoder."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationNetworkClassifier, Training
from brainograph.nn import BrainBatch
from brainograph.nn.population import EVGCN, Join


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return BrainBatch(
        connectivity={"fc": torch.randn(30, 5, 5, generator=generator)},
        phenotypes=torch.randn(30, 2, generator=generator),
    )


@pytest.fixture
def network():
    torch.manual_seed(0)
    return EVGCN(5, 2, n_phenotypes=2, channels=8, hidden_channels=4, head_channels=8).eval()


def test_edges_are_weighed_by_hand(network):
    directions = torch.tensor([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
    graph = torch.tensor([[0.0, 2.0, 1.0], [2.0, 0.0, 0.5], [1.0, 0.5, 0.0]])
    # cosines .6, -1 and -.6: shares .8, 0 and .2
    expected = torch.tensor([[0.0, 1.6, 0.0], [1.6, 0.0, 0.1], [0.0, 0.1, 0.0]])
    assert torch.allclose(network.weigh(graph, directions), expected)
    assert torch.allclose(network.weigh(graph.to_sparse(), directions).to_dense(), expected)


def test_a_sparse_graph_gives_what_a_dense_one_gives_and_teaches_the_same(network, batch):
    h, gradients, logits = network.encode(batch), [], []
    for n_neighbors in (2, None):
        join = Join(1 - torch.eye(30), n_neighbors=n_neighbors)
        kept = join(h[:, :8])
        assert kept.is_sparse == (n_neighbors == 2)
        graphs = [kept, kept.to_dense()] if n_neighbors else [kept]
        for graph in graphs:
            z = network.propagate(h, lambda x, graph=graph: graph)
            logits.append(z)
            weights = list(network.pair.parameters())
            gradients.append(torch.autograd.grad(z[:, 0].sum(), weights, retain_graph=True))
    assert torch.allclose(logits[0], logits[1], atol=1e-5)
    for sparse, dense in zip(gradients[0], gradients[1], strict=True):
        assert torch.allclose(sparse, dense, atol=1e-5)
    assert any(g.abs().max() > 0 for g in gradients[0])


def test_edges_are_dropped_in_training_alone(network, batch):
    graph, directions = 1 - torch.eye(30), network.encode(batch)[:, 8:]
    assert (network.weigh(graph, directions)[graph > 0] > 0).all()
    dropped = (network.train().weigh(graph, directions)[graph > 0] == 0).float().mean()
    assert 0.2 < dropped < 0.4


def test_without_phenotypes():
    with pytest.raises(ValueError, match=r"was given none. Write phenotypes=\(\"age\", \"sex\"\)"):
        EVGCN(5, 2)


def test_planted_connectivity_is_found_in_new_participants():
    cohort = simulate_cohort(n_subjects=120, n_regions=10, random_state=3)
    y = cohort.phenotype["diagnosis"].to_numpy().astype(int)
    model = PopulationNetworkClassifier(
        "EVGCN",
        phenotypes=("age", "sex"),
        n_neighbors=10,
        training=Training(lr=0.01, max_epochs=60, patience=20),
        device="cpu",
    ).fit(cohort[:80], y[:80])
    p = model.predict_proba(cohort[80:])[:, 1]
    assert roc_auc_score(y[80:], p) > 0.75
    alone = model.predict_proba(cohort[80:81])[0, 1]
    assert np.isclose(alone, p[0], atol=1e-5)
