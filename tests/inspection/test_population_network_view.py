"""Population networks that learn their features: scans, neighbours and phenotypes are explained."""

import numpy as np
import pytest
import torch

from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationNetworkClassifier, Training
from brainograph.inspection import (
    attribute,
    explain_graph,
    haufe_patterns,
    neighbor_influence,
    occlude,
    phenotype_influence,
    planted_auc,
    randomized,
)
from brainograph.inspection.explanations import write_explanations
from brainograph.inspection.opening import open_model
from brainograph.nn.population import PopulationNetwork

QUICK = Training(lr=0.01, max_epochs=40, patience=40, validation_fraction=0.0)


@pytest.fixture(scope="module")
def cohort():
    how = {"n_volumes": (140, 150), "missing": 0.0, "effect": 5.0, "random_state": 2}
    return simulate_cohort(110, n_regions=12, **how)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


@pytest.fixture(scope="module", params=["VMMDGCN", "MMGNN"])
def model(request, cohort, y):
    more = {"params": {"modalities": ("connectivity/fc",)}}
    if request.param == "VMMDGCN":
        more = {"phenotypes": ["age"]}
    made = PopulationNetworkClassifier(
        request.param, training=QUICK, n_neighbors=8, device="cpu", **more
    )
    hidden = np.where(np.arange(100) % 4 == 0, -1, y[:100])
    return made.fit(cohort[:100], hidden)


def test_views_say_what_the_model_says(model, cohort):
    some = cohort[[0, 3, 99, 100, 105]]  # three of the fit, two who are new
    (views,) = open_model(model, some)
    (view,) = views
    with torch.no_grad():
        said = view.logits(view.values, view.positions).softmax(dim=1).numpy()
    np.testing.assert_allclose(said, model.predict_proba(some), atol=1e-5)


def test_planted_regions_are_found(model, cohort):
    new = cohort[100:]
    gradients = attribute(model, new, n_steps=8)
    assert gradients["participant_id"].unique().tolist() == new.participant_ids
    assert planted_auc(gradients, cohort) >= 0.9
    assert planted_auc(attribute(model, new, level="edge", n_steps=8), cohort) >= 0.9
    if model.network == "MMGNN":  # in the other a lost region moves its neighbours, too
        assert planted_auc(occlude(model, new), cohort) >= 0.9


def test_what_else_can_be_taken_away(model, cohort):
    new = cohort[100:104]
    pair = cohort.regions.index[:2]
    assert len(occlude(model, new, "edge", regions=pair)) == 4
    inputs = occlude(model, new, "input")["input"].unique().tolist()
    assert "connectivity/fc" in inputs
    if model.phenotypes:
        assert occlude(model, new, "phenotype")["phenotype"].unique().tolist() == ["age"]


def test_neighbours_and_phenotypes(model, cohort):
    some = cohort[[1, 102]]
    table = neighbor_influence(model, some, n_neighbors=3)
    assert table.groupby("participant_id").size().tolist() == [3, 3]
    assert (table["weight"] > 0).all()
    assert {*table["neighbor"]} <= {*model.participant_ids_}
    influence = phenotype_influence(model, some)
    assert influence["phenotype"].tolist() == ["sex", "site", "age", "all edges"] * 2
    assert np.isfinite(influence["importance"]).all()


class Mean(PopulationNetwork):
    """Says the mean thickness of the first region over those whom one listens to."""

    def __init__(self, n_regions, n_classes, **_):
        super().__init__()
        self.reads = ("measures/thickness",)
        self.weight = torch.nn.Parameter(torch.ones(1))

    def encode(self, batch):
        return self.weight * batch.measures["thickness"][:, :1]

    def propagate(self, h, join):
        graph = join(h)
        graph = graph.to_dense() if graph.is_sparse else graph
        heard = graph @ h / graph.sum(dim=1, keepdim=True).clamp(min=1e-12)
        return torch.cat([-heard, heard], dim=1) / 2


def test_influence_by_hand(cohort, y):
    model = PopulationNetworkClassifier(
        Mean, training=Training(lr=1e-9, max_epochs=1, validation_fraction=0.0), device="cpu",
        combine="phenotype", categorical=["sex"], continuous={}, n_neighbors=None,
    ).fit(cohort[:40], y[:40])  # fmt: skip
    one = cohort[[50]]
    thickness = {
        i: cohort.measures["thickness"][k, 0] for k, i in enumerate(cohort.participant_ids)
    }
    same = cohort.phenotype["sex"] == one.phenotype["sex"].iloc[0]
    heard = [i for i in cohort.participant_ids[:40] if same[i]]
    table = neighbor_influence(model, one, n_neighbors=None).set_index("neighbor")
    assert {*table.index} == {*heard}
    mean = np.mean([thickness[i] for i in heard])
    without = np.mean([thickness[i] for i in heard[1:]])
    assert table["importance"][heard[0]] == pytest.approx(mean - without, abs=1e-5)
    sex, everything = phenotype_influence(model, one)["importance"]
    assert (sex, everything) == (pytest.approx(mean, rel=1e-5), pytest.approx(mean, rel=1e-5))


def test_what_cannot_be_said(model, cohort, y):
    with pytest.raises(ValueError, match="is not linear"):
        haufe_patterns(model, cohort)
    with pytest.raises(ValueError, match="no list of edges to mask"):
        explain_graph(model, cohort[:1])
    other = cohort[:1].assign(connectivity={"fc": cohort.connectivity["fc"][5:6]})
    with pytest.raises(ValueError, match="have the id of a fitted participant and other data"):
        occlude(model, other, background=cohort)


def test_randomized_and_written(model, cohort, tmp_path):
    new = cohort[100:104]
    other = randomized(model)
    assert not np.allclose(other.predict_proba(new), model.predict_proba(new))
    folder = write_explanations(model, new, tmp_path / "out")
    names = {path.stem for path in folder.glob("*.tsv")}
    assert {"occlusion_region", "phenotypes", "neighbors"} <= names
