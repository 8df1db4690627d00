"""Neighbours and phenotypes: exact for linear networks, and GNNExplainer's masks."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch_geometric.data import Data

from brainograph.datasets import simulate_cohort
from brainograph.estimators import Calibrated, PopulationGraphClassifier
from brainograph.inspection import (
    explain_graph,
    haufe_patterns,
    neighbor_influence,
    occlude,
    phenotype_influence,
    randomized,
)
from brainograph.preprocessing import Edges


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(40, n_regions=10, n_volumes=(60, 70), missing=0.0)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy()


@pytest.fixture(scope="module")
def linear(cohort, y):
    model = PopulationGraphClassifier(
        num_layers=0, skip_smoothing=1.0, optimizer="lbfgs", max_epochs=5, n_members=1,
        validation_fraction=0, combine="phenotype",
    )  # fmt: skip
    return model.fit(cohort[:30], y[:30])


@pytest.fixture(scope="module")
def deep(cohort, y):
    model = PopulationGraphClassifier(max_epochs=10, n_members=2, validation_fraction=0)
    return model.fit(cohort[:30], y[:30])


def says(model, member, node, x, adj):
    with torch.no_grad():
        logits = member.network(Data(x=x, adj=adj))[node]
    return float(logits[1] - logits[0])


@pytest.mark.parametrize("kind", ["linear", "deep"])
def test_leaving_a_neighbour_out_by_hand(request, cohort, kind):
    model = request.getfixturevalue(kind)
    ids = model.participant_ids_
    who = cohort[:30].participant_ids[3]
    node = ids.index(who)
    table = neighbor_influence(model, cohort[3:4], n_neighbors=None)
    assert set(table["participant_id"]) == {who}
    expected = {}
    for member in model._members:
        adj = member.adj.to_dense() if member.adj.is_sparse else member.adj
        for j in np.flatnonzero(adj[node].numpy()):
            without = adj.clone()
            without[node, j] = without[j, node] = 0
            difference = says(model, member, node, member.x, adj)
            difference -= says(model, member, node, member.x, without)
            expected[ids[j]] = expected.get(ids[j], 0) + difference / len(model._members)
    found = table.set_index("neighbor")["importance"].to_dict()
    assert found == pytest.approx(expected, abs=1e-4)
    few = neighbor_influence(model, cohort[3:4], n_neighbors=3)
    assert few["importance"].abs().is_monotonic_decreasing
    assert len(few) == 3
    if kind == "linear":
        assert few["neighbor"].tolist() == table["neighbor"][:3].tolist()


def test_new_participants_hear_fitted_ones_only(linear, cohort):
    table = neighbor_influence(linear, cohort[[35, 2]], n_neighbors=None)
    assert table["participant_id"].unique().tolist() == [
        cohort.participant_ids[35],
        cohort.participant_ids[2],
    ]
    assert set(table["neighbor"]) <= set(linear.participant_ids_)


def test_phenotypes_equal_a_model_that_joins_without_them(linear, cohort):
    table = phenotype_influence(linear, cohort)
    assert table["phenotype"].unique().tolist() == ["sex", "site", "age", "all edges"]
    other = copy.copy(linear)
    other.categorical = ["site"]
    graph = other._edges().join(linear._members[0].x.numpy(), linear._phenotype, None)
    adj = torch.from_numpy(np.asarray(graph if isinstance(graph, np.ndarray) else graph.toarray()))
    member = linear._members[0]
    without_sex = table[table["phenotype"] == "sex"].set_index("participant_id")["importance"]
    alone = table[table["phenotype"] == "all edges"].set_index("participant_id")["importance"]
    for node in (0, 5):
        own = member.adj.to_dense() if member.adj.is_sparse else member.adj
        before = says(linear, member, node, member.x, own)
        name = linear.participant_ids_[node]
        after = says(linear, member, node, member.x, adj.float())
        assert without_sex[name] == pytest.approx(before - after, abs=1e-4)
        nobody = says(linear, member, node, member.x, torch.zeros_like(own))
        assert alone[name] == pytest.approx(before - nobody, abs=1e-4)
    fitted = linear.predict_proba(cohort[:30])
    phenotype_influence(linear, cohort)
    np.testing.assert_array_equal(linear.predict_proba(cohort[:30]), fitted)


def test_gnnexplainer_finds_what_the_prediction_needs(cohort, y):
    model = PopulationGraphClassifier(
        n_neighbors=6, max_epochs=20, n_members=1, validation_fraction=0, conv="SAGEConv"
    ).fit(cohort[:30], y[:30])
    neighbors = explain_graph(model, cohort[[0, 35]], epochs=20)
    assert neighbors["importance"].between(0, 1).all()
    assert neighbors["importance"].nunique() > 3
    adj = model.graph_
    node = model.participant_ids_.index(cohort.participant_ids[0])
    own = neighbors[neighbors["participant_id"] == cohort.participant_ids[0]]
    heard = {model.participant_ids_[j] for j in adj[[node]].nonzero()[1]}
    assert set(own["neighbor"]) == heard
    again = explain_graph(model, cohort[[0, 35]], epochs=20)
    np.testing.assert_array_equal(again["importance"], neighbors["importance"])


def test_what_is_wrapped_is_explained(linear, cohort):
    wrapped = Calibrated(linear)
    wrapped.estimator_ = linear
    for explain in (neighbor_influence, phenotype_influence, haufe_patterns, occlude):
        pd.testing.assert_frame_equal(explain(wrapped, cohort[:3]), explain(linear, cohort[:3]))
    assert isinstance(randomized(wrapped), PopulationGraphClassifier)


def test_models_without_a_graph_are_refused(linear, cohort, y):
    other = make_pipeline(Edges(), LogisticRegression()).fit(cohort, y)
    for explain in (neighbor_influence, phenotype_influence, explain_graph):
        with pytest.raises(ValueError, match="joins no participants"):
            explain(other, cohort)
    with pytest.raises(ValueError, match="no graph convolution"):
        explain_graph(linear, cohort)
