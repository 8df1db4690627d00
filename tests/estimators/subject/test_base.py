"""How the estimators pass images on: volumes, missing modalities, saving, parcellations."""

import json

import numpy as np
import pytest
from torch import nn

from brainograph.cohort_merge import merge
from brainograph.datasets import simulate_cohort, simulate_images
from brainograph.estimators import SubjectGraphClassifier, SubjectGraphRegressor, Training
from brainograph.io import Volumes

VOLUMES = Volumes(spacing=8.0, shape=(24, 28, 24))


class Shrunk(nn.Module):
    """Linear in a coarse image and in the matrices, of what is there."""

    reads = ("images/pet", "connectivity/fc")
    missing_ok = True

    def __init__(self, n_regions, n_classes):
        super().__init__()
        self.image = nn.Sequential(nn.AdaptiveAvgPool3d(6), nn.Flatten(), nn.Linear(216, n_classes))
        self.graph = nn.Sequential(nn.Flatten(), nn.Linear(n_regions**2, n_classes))

    def forward(self, batch):
        image, graph = self.image(batch.images["pet"]), self.graph(batch.connectivity["fc"])
        return batch.has("images/pet")[:, None] * image + graph


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    plain = simulate_cohort(24, n_regions=6, effect=0, missing=0.0, random_state=0)
    folder = tmp_path_factory.mktemp("images") / "simulated"
    return simulate_images(
        plain, folder, modalities=["pet"], resolution=8, effect=4.0, missing=0.25
    )


def new_model(**settings):
    training = Training(max_epochs=4, batch_size=6, validation_fraction=0.2)
    return SubjectGraphClassifier(
        Shrunk, **{"volumes": VOLUMES, "training": training, "device": "cpu", **settings}
    )


def test_a_saved_model_keeps_its_volumes(cohort, tmp_path):
    y = cohort.phenotype["diagnosis"].to_numpy()
    cached = Volumes(**{**VOLUMES.settings(), "cache": str(tmp_path / "cache")})
    model = new_model(volumes=cached).fit(cohort, y)
    expected = model.predict_proba(cohort)
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 18
    model.save(tmp_path / "model")
    loaded = SubjectGraphClassifier.load(tmp_path / "model", device="cpu", network=Shrunk)
    assert loaded.volumes == VOLUMES  # the cache is a folder of this machine
    np.testing.assert_array_equal(loaded.predict_proba(cohort), expected)
    nobody = cohort[cohort.images["pet"].isna().to_numpy()]
    np.testing.assert_allclose(
        loaded.predict_proba(nobody), expected[cohort.locate(nobody.participant_ids)], atol=1e-6
    )
    facts = json.loads((tmp_path / "model" / "model.json").read_text())
    assert facts["image_shapes"] == {"pet": [24, 28, 24]}


def test_batches_read_ahead_give_the_same_model(cohort, monkeypatch):
    y = cohort.phenotype["diagnosis"].to_numpy()
    kept = new_model().fit(cohort, y)
    monkeypatch.setattr("brainograph.estimators.subject.data._CPU_LIMIT", 0)
    lazy = new_model().fit(cohort, y)
    np.testing.assert_array_equal(lazy.predict_proba(cohort), kept.predict_proba(cohort))


def test_images_on_one_grid_need_no_volumes_and_another_grid_is_refused(cohort):
    y = cohort.phenotype["diagnosis"].to_numpy()
    model = new_model(volumes=None).fit(cohort, y)
    with_pet = cohort[cohort.images["pet"].notna().to_numpy()]
    assert model.predict_proba(with_pet).shape == (18, 2)
    model.set_params(volumes=VOLUMES)
    with pytest.raises(ValueError, match=r"one grid, got \(26, 30, 25\) and, for .*\(24, 28, 24\)"):
        model.predict_proba(with_pet)


def test_a_regressor_reads_volumes_too(cohort):
    training = Training(max_epochs=2, validation_fraction=0.0)
    model = SubjectGraphRegressor(Shrunk, volumes=VOLUMES, training=training, device="cpu")
    assert np.isfinite(model.fit(cohort, cohort.phenotype["age"]).predict(cohort)).all()


def test_a_parcellation_has_the_images_of_its_cohort(cohort):
    other = simulate_cohort(24, n_regions=4, random_state=0)
    other = other.assign(phenotype=cohort.phenotype)
    both = merge({"main": cohort, "four": other})
    y = both.phenotype["diagnosis"].to_numpy()
    model = new_model(parcellation="four").fit(both, y)
    assert len(model.region_names_) == 4
    assert model.predict_proba(both).shape == (24, 2)
