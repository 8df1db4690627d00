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
    "ge_multistream",
    "kong_composite_cnn",
    "lyu_slice_vit",
    "m3t",
    "mcad",
    "multiaz_net",
    "transmed",
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "images"
    return simulate_images(8, folder, modalities=["T1w", "GM", "pet"], resolution=8)


def test_every_system_has_a_config():
    assert set(CONFIGS) >= SYSTEMS


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_trained(name, cohort):
    experiment = CONFIGS[name]
    check_cohort(experiment, cohort)
    models = make_models(experiment, cohort)
    assert list(models) == ["subject_graph", *experiment.controls]
    model = models["subject_graph"].set_params(
        device="cpu", training__max_epochs=1, training__validation_fraction=0.0
    )
    few = [0, 1, 2, 3]
    probability = model.fit(cohort[few], np.array([0, 1, 0, 1])).predict_proba(cohort[4:6])
    assert np.isfinite(probability).all()
