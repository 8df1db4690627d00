"""The configs of the review's population networks: each is trained."""

from pathlib import Path

import numpy as np
import pytest

from brainograph.config import load_config
from brainograph.config.build import check_cohort
from brainograph.config.models import make_models
from brainograph.datasets import simulate_cohort, simulate_images

SYSTEMS = Path(__file__).parents[2] / "configs" / "systems"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    people = simulate_cohort(12, n_volumes=(40, 50), thickness_effect=1.0)
    folder = tmp_path_factory.mktemp("simulated") / "images"
    return simulate_images(people, folder, modalities=["T1w"], resolution=8)


@pytest.mark.parametrize("name", ["eh_gcn", "ev_gcn", "mmgnn", "vmm_dgcn"])
def test_it_is_trained(name, cohort):
    experiment = load_config(SYSTEMS / f"{name}.yaml")
    check_cohort(experiment, cohort)
    models = make_models(experiment, cohort)
    assert list(models) == ["population_network", *experiment.controls]
    model = models["population_network"].set_params(
        device="cpu", training__max_epochs=1, training__validation_fraction=0.0
    )
    hidden = np.where(np.arange(10) < 2, -1, np.arange(10) % 2)
    probability = model.fit(cohort[:10], hidden).predict_proba(cohort)
    assert np.isfinite(probability).all()
    assert set(model.regime(cohort)) == {"transductive", "training", "inductive"}
