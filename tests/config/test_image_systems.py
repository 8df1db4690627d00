"""The configs of the review's image systems: each is trained, on the cohort that it names."""

from pathlib import Path

import numpy as np
import pytest

from brainograph.config import load_config
from brainograph.config.build import check_cohort
from brainograph.config.models import make_models
from brainograph.datasets import simulate_images

CONFIGS = {
    path.stem: experiment
    for path in sorted((Path(__file__).parents[2] / "configs" / "systems").glob("*.yaml"))
    if (experiment := load_config(path)).cohort.name == "simulated_images"
}
SYSTEMS = {
    "brainf",
    "deep_features",
    "ge_multistream",
    "huang_uncertainty",
    "kong_composite_cnn",
    "lyu_slice_vit",
    "m3t",
    "mcad",
    "multiaz_net",
    "resnet",
    "sfcn",
    "transmed",
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "images"
    return simulate_images(8, folder, modalities=["T1w", "GM", "pet"], resolution=8)


def test_every_system_has_a_config():
    assert set(CONFIGS) >= SYSTEMS


def made_short(model):
    """One epoch of whatever is trained, on every labelled row."""
    ends = {"training__max_epochs": 1, "training__validation_fraction": 0.0, "device": "cpu"}
    found = {
        name: value
        for name in model.get_params()
        for end, value in ends.items()
        if name == end or name.endswith(f"__{end}")
    }
    return model.set_params(**found)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_trained(name, cohort):
    experiment = CONFIGS[name]
    check_cohort(experiment, cohort)
    models = make_models(experiment, cohort)
    assert list(models) == [experiment.model.kind, *experiment.controls]
    model = made_short(models[experiment.model.kind])
    if experiment.conformal is not None:
        model.set_params(alpha=0.5, validation_fraction=0.5)
    few = [0, 1, 2, 3]
    probability = model.fit(cohort[few], np.array([0, 1, 0, 1])).predict_proba(cohort[4:6])
    assert np.isfinite(probability).all()
