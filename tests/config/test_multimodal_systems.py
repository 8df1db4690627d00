"""Features of two stages, kernels and fused decisions: the language, and configs of systems."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier

from brainograph.config import ConfigError, load_config
from brainograph.config.build import check_cohort
from brainograph.config.models import make_model, make_models
from brainograph.config.schema import Experiment
from brainograph.datasets import simulate_cohort, simulate_images
from brainograph.estimators import DeepFeatures, SubjectGraphRegressor
from brainograph.model_selection.settings import settings

SYSTEMS = Path(__file__).parents[2] / "configs" / "systems"
CONFIGS = {
    path.stem: experiment
    for path in sorted(SYSTEMS.glob("*.yaml"))
    if (experiment := load_config(path)).cohort.name == "simulated_multimodal"
}
MEAN_MLP = {"kind": "subject_graph", "network": "MeanMLP"}
PERSON = {"kind": "phenotypes", "columns": ["age"]}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    people = simulate_cohort(16, n_volumes=(40, 50), thickness_effect=1.0)
    folder = tmp_path_factory.mktemp("simulated") / "images"
    return simulate_images(people, folder, modalities=["T1w"], resolution=8)


def parsed(**sections):
    return Experiment.model_validate({"title": "t", "cohort": "c", **sections})


def fused(**members):
    return parsed(model={"kind": "late_fusion", "members": members})


def made_short(model):
    ends = {"max_epochs": 1, "validation_fraction": 0.0, "device": "cpu", "n_splits": 2}
    found = {
        name: ends[name.rpartition("__")[2]]
        for name in model.get_params()
        if name.rpartition("__")[2] in ends
    }
    return model.set_params(**found)


def test_the_systems_have_configs():
    assert set(CONFIGS) >= {"late_fusion", "multiple_kernel", "venugopalan_two_stage"}


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_trained(name, cohort):
    experiment = CONFIGS[name]
    check_cohort(experiment, cohort)
    models = make_models(experiment, cohort)
    assert list(models) == [experiment.model.kind, *experiment.controls]
    model = made_short(models[experiment.model.kind])
    y = np.arange(12) % 2
    assert np.isfinite(model.fit(cohort[:12], y).predict_proba(cohort[12:])).all()


class TestTwoStages:
    def test_a_network_is_a_block_of_features(self, cohort):
        deep = {"kind": "deep", "network": MEAN_MLP, "target": "age", "number": True}
        model = make_model(parsed(features={"blocks": [deep, PERSON]}, model={"kind": "trees"}))
        found = model.get_params()["features__blocks__deep_0__values"]
        assert isinstance(found, DeepFeatures)
        assert found.target == "age"
        assert isinstance(found.estimator, SubjectGraphRegressor)
        assert isinstance(model.steps[-1][1], RandomForestClassifier)

    def test_what_a_denoising_autoencoder_learns(self, cohort):
        denoise = {"sizes": [6, 3], "max_epochs": 1}
        block = {"kind": "measures", "denoise": denoise}
        model = make_model(parsed(features={"blocks": [block]}, model={"kind": "linear"}))
        y = np.arange(16) % 2
        assert model.fit(cohort, y).steps[0][1].transform(cohort).shape == (16, 3)

    def test_trees_predict_a_number(self, cohort):
        trees = {"kind": "trees", "method": "boosting", "n_trees": 3}
        target = {"column": "age", "number": True}
        model = make_model(parsed(features={"blocks": [PERSON]}, model=trees, target=target))
        assert isinstance(model.steps[-1][1], HistGradientBoostingRegressor)
        assert model.steps[-1][1].max_iter == 3

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"target": "iq"}, "features.blocks.0.target: the cohort has no phenotype iq"),
            ({"target": "diagnosis"}, "features.blocks.0.target: .*diagnosis"),
            (
                {"network": {**MEAN_MLP, "phenotypes": ["ados"]}},
                "features.blocks.0.network.phenotypes: the cohort has no phenotype ados",
            ),
        ],
    )
    def test_what_is_not_there_or_is_the_label(self, cohort, changes, message):
        deep = {"kind": "deep", "network": MEAN_MLP, **changes}
        with pytest.raises(ConfigError, match=message):
            check_cohort(parsed(features={"blocks": [deep]}, model={"kind": "trees"}), cohort)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"parcellation": "cc200"}, "parcellation stands under network, not beside it"),
            ({"number": True}, "number: true is for a target that is a phenotype"),
        ],
    )
    def test_settings_that_exclude_each_other(self, changes, message):
        deep = {"kind": "deep", "network": MEAN_MLP, **changes}
        with pytest.raises(ValueError, match=message):
            parsed(features={"blocks": [deep]})


class TestLateFusion:
    def test_each_member_has_features_of_its_own(self):
        model = make_model(
            fused(
                edges={"model": {"kind": "linear", "C": 0.1}},
                age={"model": {"kind": "trees"}, "features": {"blocks": [PERSON]}},
            )
        )
        params = model.get_params()
        assert params["edges__logistic__C"] == 0.1
        assert params["age__features__blocks__phenotypes_0__values__columns"] == ["age"]

    def test_results_know_the_settings_of_members(self):
        weak, strong = (fused(a={"model": {"kind": "linear", "C": c}}) for c in (0.1, 10))
        assert settings(make_model(weak)) != settings(make_model(strong))

    def test_a_mistake_names_the_member(self, cohort):
        block = {"kind": "edges", "connectivity": "dti"}
        tracts = {"model": {"kind": "linear"}, "features": {"blocks": [block]}}
        with pytest.raises(ConfigError, match=r"model\.members\.tracts\.features\.blocks\.0\.conn"):
            check_cohort(fused(tracts=tracts), cohort)

    def test_an_unknown_key_of_a_member(self, tmp_path):
        path = tmp_path / "fused.yaml"
        path.write_text(
            "title: t\ncohort: c\nmodel:\n  kind: late_fusion\n"
            "  members: {edges: {model: {kind: linear, clasifier: svm}}}\n"
        )
        with pytest.raises(
            ConfigError, match=r"members.edges.model.clasifier: .* did you mean classifier"
        ):
            load_config(path)

    def test_it_predicts_no_number(self):
        experiment = fused(edges={"model": {"kind": "linear"}})
        number = experiment.model_copy(update={"target": parsed(target={"number": True}).target})
        with pytest.raises(ConfigError, match="late fusion predicts classes"):
            make_model(number)
