"""Each config of a fusion system runs, on fewer participants and for an epoch."""

from pathlib import Path

import numpy as np
import pytest

from brainograph.config import load_config
from brainograph.config.models import make_model
from brainograph.datasets import simulate_cohort, simulate_images

CONFIGS = Path(__file__).parents[1] / "configs" / "systems"
NAMES = [
    "agdaf",
    "hybrid_fusion",
    "le_similarity",
    "li_hierarchical",
    "mcad",
    "mmif",
    "mstgc_image",
    "qiu_noisy_labels",
    "tensor_fusion",
    "tu_interaction",
]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Twelve participants, some of whom lack an image."""
    people = simulate_cohort(n_subjects=12, n_regions=10, random_state=0)
    folder = tmp_path_factory.mktemp("images") / "volumes"
    return simulate_images(people, folder, resolution=8, missing=0.2, random_state=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_config_runs(name, cohort):
    experiment = load_config(CONFIGS / f"{name}.yaml", ["model.training.max_epochs=1"])
    if name == "tu_interaction":  # an image is all that it reads, beside phenotypes
        cohort = cohort[cohort.images["T1w"].notna().to_numpy()]
    y = cohort.phenotype["diagnosis"].to_numpy()
    model = make_model(experiment).fit(cohort, y)
    assert np.isfinite(model.predict_proba(cohort)).all()
    assert len(model._members[0].modalities) > 1


def test_anchors_in_a_file_are_copies():
    """Two images with one encoder's settings get an encoder each."""
    images = load_config(CONFIGS / "mmif.yaml").model.params["images"]
    assert images["T1w"] == images["pet"]
    assert images["T1w"]["encoder"] == "ViT"
