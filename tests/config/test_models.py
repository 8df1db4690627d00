"""The configs of subject-level networks: they build, and every network has one."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

import brainograph.nn as networks
from brainograph.cohort import Cohort
from brainograph.config import ConfigError, load_config
from brainograph.config.build import check_cohort
from brainograph.config.models import make_model, make_models
from brainograph.config.schema import Experiment, SubjectGraph
from brainograph.connectivity import static
from brainograph.datasets import simulate_cohort
from brainograph.estimators import SubjectGraphClassifier
from brainograph.io.volumes import Volumes
from brainograph.model_selection import cross_validate, repeated_stratified

CONFIGS = {
    path.stem: experiment
    for path in sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
    if isinstance((experiment := load_config(path)).model, SubjectGraph)
}


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    cohort = simulate_cohort(n_subjects=24, n_regions=12, n_volumes=(78, 82), random_state=0)
    partial = static(cohort.timeseries, kind="partial correlation", shrinkage="ledoit_wolf")
    return cohort.assign(connectivity={"fc": static(cohort.timeseries), "partial": partial})


WITHOUT = {
    "GraphImagingNet",
    "ImageAutoencoder",
    "ImagingNet",
}  # ABIDE's volumes are not among its derivatives


def test_every_network_has_a_config_of_abide():
    there = {
        name
        for name in networks.__all__
        if "n_regions" in inspect.signature(getattr(networks, name)).parameters
    }
    assert {e.model.network for name, e in CONFIGS.items() if name.startswith("abide_ho")} == (
        there - WITHOUT
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_trained_with_its_controls(name, cohort):
    experiment = CONFIGS[name]
    assert experiment.controls == ["edges_logistic"]
    assert experiment.cross_validation.n_splits == 5
    assert list(make_models(experiment, cohort)) == ["subject_graph", "edges_logistic"]
    model = make_model(experiment).set_params(device="cpu", training__max_epochs=1)
    y = np.arange(24) % 2
    torch.manual_seed(0)
    assert np.isfinite(model.fit(cohort, y).predict_proba(cohort)).all()


def parsed(model, **more):
    return Experiment.model_validate({"title": "t", "cohort": "c", "model": model, **more})


POPULATION = {"kind": "population_network", "network": "EHGCN", "training": {"max_epochs": 2}}
SUBJECT = {"kind": "subject_graph", "network": "BrainGCN"}


class TestPopulationNetwork:
    def test_it_takes_the_settings_of_the_file(self, cohort):
        volumes = {"spacing": [4, 4, 4], "shape": [8, 8, 8], "mask": None}
        experiment = parsed({**POPULATION, "n_neighbors": 3, "volumes": volumes})
        model = make_model(experiment)
        assert (model.network, model.n_neighbors, model.training.max_epochs) == ("EHGCN", 3, 2)
        assert model.volumes == Volumes((4, 4, 4), (8, 8, 8), None)

    def test_its_control_without_edges(self, cohort):
        models = make_models(parsed(POPULATION, controls=["no_edges"]), cohort)
        assert list(models) == ["population_network", "no_edges"]
        assert models["no_edges"].combine == "none"
        assert models["population_network"].combine == "product"

    def test_what_joins_people_is_checked(self, cohort):
        experiment = parsed({**POPULATION, "categorical": ["ados"], "parcellation": "cc200"})
        with pytest.raises(ConfigError) as raised:
            check_cohort(experiment, cohort)
        assert "ados" in str(raised.value)
        assert "model.parcellation: no 'cc200', the cohort has none." in str(raised.value)

    def test_it_predicts_no_number(self):
        with pytest.raises(ConfigError, match="a population network predicts classes"):
            make_model(parsed(POPULATION, target={"column": "age", "number": True}))


def test_each_block_is_a_kernel(cohort):
    blocks = [{"kind": "edges"}, {"kind": "edges", "connectivity": "partial"}]
    experiment = parsed({"kind": "multiple_kernel", "weights": [1, 3]}, features={"blocks": blocks})
    model = make_model(experiment)
    assert [name for name, _ in model.blocks] == ["edges_0", "edges_1"]
    y = np.arange(24) % 2
    assert model.fit(cohort, y).predict_proba(cohort).shape == (24, 2)
    np.testing.assert_allclose(list(model.weights_.values()), [0.25, 0.75])


class TestAugmentation:
    def test_they_are_put_to_work_in_their_order(self):
        named = {"Noise": {"connectivity": 0.1}, "EdgeDropout": {"p": 0.2}}
        model = make_model(parsed({**SUBJECT, "augmentation": named}))
        parts = (networks.Noise(connectivity=0.1), networks.EdgeDropout(p=0.2))
        assert model.augmentation == networks.Compose(parts)
        assert make_model(parsed(SUBJECT)).augmentation is None

    @pytest.mark.parametrize(
        ("named", "message"),
        [
            ({"Blur": {}}, r"there is no \['Blur'\]; there are \['EdgeDropout', "),
            ({"EdgeDropout": {"share": 0.2}}, "unexpected keyword argument 'share'"),
        ],
    )
    def test_a_mistake_is_named(self, named, message):
        with pytest.raises(ConfigError, match=message):
            make_model(parsed({**SUBJECT, "augmentation": named}))


class TestAround:
    """What goes around a model: drawn predictions, calibration, sets."""

    def test_the_order(self):
        more = {"monte_carlo": {"n_passes": 3}, "calibration": {}, "conformal": {"alpha": 0.2}}
        model = make_model(parsed(SUBJECT, **more))
        names = []
        while not isinstance(model, SubjectGraphClassifier):
            names.append(type(model).__name__)
            model = model.estimator
        assert names == ["Conformal", "Calibrated", "MonteCarloDropout"]

    def test_sets_are_among_the_predictions(self, cohort):
        linear = {"kind": "linear", "transductive": True}
        experiment = parsed(linear, conformal={"alpha": 0.2}, controls=["majority"])
        y = np.arange(24) % 2
        models = make_models(experiment, cohort)
        splits = repeated_stratified(cohort, y, n_splits=3, by=[])
        results = cross_validate(models, cohort, y, splits=splits, regimes=("inductive",))
        table = results.predictions.groupby("model")[["set_0", "set_1"]]
        assert table.count().to_dict("index") == {
            "linear": {"set_0": 24, "set_1": 24}, "majority": {"set_0": 0, "set_1": 0},
        }  # fmt: skip

    def test_a_number_has_no_sets(self):
        more = {"conformal": {}, "target": {"column": "age", "number": True}}
        with pytest.raises(ConfigError, match="Conformal predicts classes"):
            make_model(parsed(SUBJECT, **more))
