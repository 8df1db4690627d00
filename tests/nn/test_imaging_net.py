import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from brainograph.cohort import Cohort
from brainograph.estimators import SubjectGraphClassifier, SubjectGraphRegressor, Training
from brainograph.nn import BrainBatch, ImagingNet
from brainograph.nn.encoders.choice import new_encoder

TINY = {"channels": (8, 16, 16), "out_channels": 16}
N = 60


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Smooth brains of 16 voxels a side; patients have lost tissue in one corner."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("volumes")
    y = np.arange(N) % 2
    grid = np.linalg.norm(np.stack(np.indices((16,) * 3)) - 7.5, axis=0)
    paths = []
    for i in range(N):
        volume = (grid < 7 + rng.uniform(-0.5, 0.5)) * rng.uniform(0.9, 1.1)
        volume[3:8, 3:8, 6:10] *= 1 - 0.5 * y[i]
        volume += 0.1 * rng.standard_normal(volume.shape)
        paths.append(folder / f"{i}.nii.gz")
        nib.save(nib.Nifti1Image(volume.astype(np.float32), np.eye(4)), paths[-1])
    ids = [f"sub-{i:02}" for i in range(N)]
    phenotype = pd.DataFrame({"diagnosis": y, "age": 60.0 + y}, index=ids)
    images = pd.DataFrame({"T1w": [str(path) for path in paths]}, index=ids)
    return Cohort(phenotype, pd.DataFrame(index=[]), images=images)


def model(**settings):
    training = Training(lr=0.003, max_epochs=25, batch_size=16, validation_fraction=0.0)
    params = {"encoder": "SFCN", "encoder_params": TINY, "dropout": 0.1}
    settings = {"params": params, "training": training, "device": "cpu", **settings}
    return SubjectGraphClassifier("ImagingNet", **settings)


@pytest.fixture(scope="module")
def fitted(cohort):
    return model().fit(cohort[:40], cohort.phenotype["diagnosis"].to_numpy()[:40])


def test_planted_atrophy_is_found_in_a_cohort_of_images_alone(cohort, fitted):
    y = cohort.phenotype["diagnosis"].to_numpy()
    assert cohort.n_regions == 0
    assert roc_auc_score(y[40:], fitted.predict_proba(cohort[40:])[:, 1]) > 0.9


def test_permuted_labels_are_not(cohort):
    y = np.random.default_rng(1).permutation(cohort.phenotype["diagnosis"].to_numpy())
    short = Training(lr=0.003, max_epochs=8, batch_size=16, validation_fraction=0.0)
    found = model(training=short).fit(cohort[:40], y[:40]).predict_proba(cohort[40:])[:, 1]
    assert 0.2 < roc_auc_score(y[40:], found) < 0.8


def test_it_is_saved_and_loaded_without_regions(cohort, fitted, tmp_path):
    loaded = SubjectGraphClassifier.load(fitted.save(tmp_path / "m"), device="cpu")
    assert np.allclose(loaded.predict_proba(cohort[:3]), fitted.predict_proba(cohort[:3]))


def test_an_encoder_of_another_label_is_taken_and_frozen(cohort, fitted, tmp_path):
    folder = fitted.save(tmp_path / "diagnosis")
    settings = model().get_params(deep=False) | {"pretrained": folder, "freeze": ("encoder.",)}
    tuned = SubjectGraphRegressor(**settings | {"training": Training(max_epochs=2)})
    tuned.fit(cohort[:20], cohort.phenotype["age"][:20])
    before, after = (m._members[0].state_dict() for m in (fitted, tuned))
    names = [name for name in before if name.startswith("encoder.")]
    assert names
    assert all(torch.equal(before[name], after[name]) for name in names)
    assert after["head.weight"].shape == (1, 16)


def noisy(batch, y):
    """Another view of each participant."""
    return batch.map(lambda image: image + torch.randn_like(image) / 5), y


def test_it_is_pretrained_by_contrast(cohort, tmp_path):
    """Two views of each participant, and nobody's label."""
    short = Training(lr=0.003, max_epochs=4, batch_size=12)
    first = model(training=short, augmentation=noisy).fit(cohort[:24], np.full(24, -1))
    folder = first.save(tmp_path / "contrast")
    frozen = model(training=short, pretrained=folder, freeze=("encoder.",))
    frozen.fit(cohort[:24], cohort.phenotype["diagnosis"].to_numpy()[:24])
    seed = int(np.random.SeedSequence(0).generate_state(1)[0])
    fresh = first._new_network(None, seed=seed).encoder.state_dict()
    before, after = (m._members[0].encoder.state_dict() for m in (first, frozen))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not torch.equal(before["blocks.0.0.weight"], fresh["blocks.0.0.weight"])


def test_modalities_are_channels_in_their_order():
    network = ImagingNet(0, 2, modalities=("pet", "T1w"), encoder_params=TINY).eval()
    first, second = torch.randn(2, 1, 8, 8, 8), torch.randn(2, 1, 8, 8, 8)
    batch = BrainBatch(images={"T1w": first, "pet": second})
    assert network.reads == ("images/pet", "images/T1w")
    assert torch.equal(network.stack(batch), torch.cat([second, first], dim=1))
    assert network(batch).shape == (2, 2)


def test_images_of_other_grids_are_refused():
    batch = BrainBatch(images={"T1w": torch.ones(1, 1, 8, 8, 8), "pet": torch.ones(1, 1, 4, 4, 4)})
    with pytest.raises(ValueError, match=r"one grid.*'pet': \(4, 4, 4\).*Resample them"):
        ImagingNet(0, 2, modalities=("T1w", "pet"))(batch)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modalities": ()}, r'Write modalities=\("T1w",\)'),
        ({"modalities": "T1w"}, r'Write modalities=\("T1w",\)'),
        ({"encoder": "VGG"}, r"encoder must be one of .*'SFCN'.*got 'VGG'"),
        ({"encoder_params": {"width": 3}}, r"SFCN has no parameter \['width'\]; it has \['out_c"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ImagingNet(0, 2, **settings)


def test_a_class_of_ones_own_is_an_encoder():
    class Mean(nn.Module):
        def __init__(self, in_channels, *, scale=1.0):
            super().__init__()
            self.out_channels, self.scale = in_channels, scale

        def forward(self, image):
            return self.scale * image.mean((2, 3, 4))

    encoder = new_encoder(Mean, in_channels=3, params={"scale": 2.0})
    assert torch.equal(encoder(torch.ones(2, 3, 4, 4, 4)), torch.full((2, 3), 2.0))
    assert ImagingNet(5, 2, encoder=Mean).head.in_features == 1
