"""The configs of subject-level networks: they build, and every network has one."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

import brainograph.nn as networks
from brainograph.cohort import Cohort
from brainograph.config import load_config
from brainograph.config.models import make_model, make_models
from brainograph.config.schema import SubjectGraph
from brainograph.connectivity import static
from brainograph.datasets import simulate_cohort

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
