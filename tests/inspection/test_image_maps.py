"""Maps of images: MONAI's numbers, in the image's own space, with nothing else in the header."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from monai.visualize import GradCAM
from nilearn.image import resample_to_img
from torch import nn

from brainograph.cohort import Cohort
from brainograph.estimators import (
    PopulationNetworkClassifier,
    SubjectGraphClassifier,
    Training,
)
from brainograph.inspection import attribute, map_images, map_regions, save_maps
from brainograph.io import Volumes

AFFINE = nib.affines.from_matvec(np.diag([-4.0, 4, 4]), [38, -52, -40])
SHAPE = (18, 20, 16)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Patients have a bright ball on one side; headers hold a name that must not go on."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    near = np.linalg.norm(np.indices(SHAPE).T - [5, 10, 8], axis=-1).T < 3
    paths, y = [], np.arange(16) % 2
    for i, patient in enumerate(y):
        data = rng.normal(size=SHAPE) + 3 * patient * near
        image = nib.Nifti1Image(data.astype(np.float32), AFFINE)
        image.header["descrip"] = b"Jane Doe"
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jane Doe"))
        image.set_sform(AFFINE, code=4)
        paths.append(str(folder / f"{i}.nii.gz"))
        nib.save(image, paths[-1])
    labels = 1 + near.astype(np.int16)
    nib.save(nib.Nifti1Image(labels, AFFINE), folder / "atlas.nii.gz")
    people = pd.DataFrame({"diagnosis": y}, index=[f"sub-{i:02d}" for i in range(16)])
    images = pd.DataFrame({"T1w": paths}, index=people.index)
    return Cohort(people, pd.DataFrame(), images=images, provenance={"folder": str(folder)})


@pytest.fixture(scope="module")
def model(cohort):
    params = {"encoder_params": {"channels": (8, 8)}, "dropout": 0.0}
    training = Training(max_epochs=12, validation_fraction=0.0, lr=0.01)
    model = SubjectGraphClassifier("ImagingNet", params=params, training=training, device="cpu")
    return model.fit(cohort, cohort.phenotype["diagnosis"])


class Alone(nn.Module):
    """The same network without a batch around its image."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image):
        net = self.network
        logits = net.head(net.encoder(image))
        return torch.stack([logits[:, 0] - logits[:, 1], logits[:, 1] - logits[:, 0]], dim=1)


def test_equals_monai(model, cohort):
    maps = map_images(model, cohort[:4])
    network = model._members[0].eval()
    batch = model._data(cohort, network).batch(np.arange(4))
    cam = GradCAM(Alone(network), "network.encoder.blocks", postprocessing=lambda x: x)
    for i, (name, image) in enumerate(maps.items()):
        expected = cam(batch.images["T1w"][[i]], class_idx=1)[0, 0].detach()
        # the network reads RAS, and the files are LAS
        assert name == cohort.participant_ids[i]
        np.testing.assert_allclose(image.get_fdata()[::-1], expected, rtol=1e-4, atol=1e-7)


class Bright(nn.Module):
    """Says how bright an image is on the mean."""

    def __init__(self, n_regions, n_classes):
        super().__init__()
        self.reads = ("images/T1w",)
        self.features = nn.Conv3d(1, 1, 1, bias=False)
        self.head = nn.Linear(1, n_classes, bias=False)

    def forward(self, batch):
        return self.head(self.features(batch.images["T1w"]).mean(dim=(2, 3, 4)))


def test_known_network_by_hand_and_its_planted_ball(cohort):
    training = Training(max_epochs=1, lr=1e-9, validation_fraction=0.0)
    model = SubjectGraphClassifier(Bright, training=training, device="cpu", standardize=False)
    model.fit(cohort, cohort.phenotype["diagnosis"])
    network = model._members[0]
    with torch.no_grad():
        network.features.weight.fill_(1)
        network.head.weight.copy_(torch.tensor([[-1.0], [1.0]]))
    patients = cohort[cohort.phenotype["diagnosis"] == 1]
    maps = map_images(model, patients)
    first = nib.load(patients.images["T1w"].iloc[0]).get_fdata()
    expected = np.maximum(first, 0) * 2 / first.size  # dF / dA is 2 / V everywhere
    np.testing.assert_allclose(maps["sub-01"].get_fdata(), expected, atol=1e-8)
    folder = cohort.provenance["folder"]
    table = map_regions(maps, f"{folder}/atlas.nii.gz")
    means = table.groupby("region", sort=False)["importance"].mean()
    assert means.iloc[1] > 2 * means.iloc[0]


def test_files_are_in_the_images_space_and_say_no_name(model, cohort, tmp_path):
    maps = map_images(model, cohort[:2], method="gradcam++")
    paths = save_maps(maps, tmp_path / "maps")
    assert [path.name for path in paths] == ["sub-00_gradcam.nii.gz", "sub-01_gradcam.nii.gz"]
    image = nib.load(paths[1])
    np.testing.assert_array_equal(image.affine, AFFINE)
    assert image.shape == SHAPE
    assert image.get_data_dtype() == np.float32
    assert int(image.header["sform_code"]) == 4
    assert bytes(image.header["descrip"].item()).strip(b"\0") == b""
    assert len(image.header.extensions) == 0
    assert (image.get_fdata() >= 0).all()
    assert image.get_fdata().max() > 0
    with pytest.raises(ValueError, match="cannot name a file"):
        save_maps({"../x": image}, tmp_path)


def test_resampled_images_are_mapped_back(cohort):
    volumes = Volumes(spacing=5.0, shape=(12, 14, 12), mask=None)
    params = {"encoder_params": {"channels": (4,)}}
    training = Training(max_epochs=1, validation_fraction=0.0)
    model = SubjectGraphClassifier(
        "ImagingNet", params=params, training=training, device="cpu", volumes=volumes
    ).fit(cohort, cohort.phenotype["diagnosis"])
    found = map_images(model, cohort[:1], method="saliency")["sub-00"]
    np.testing.assert_array_equal(found.affine, AFFINE)
    assert found.shape == SHAPE
    network = model._members[0].eval()
    batch = model._data(cohort[:1], network).batch(np.arange(1))
    x = batch.images["T1w"].requires_grad_()
    logits = network(batch)
    (gradient,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), x)
    grid = np.array(volumes.record(cohort.images["T1w"].iloc[0])["affine"])
    own = nib.Nifti1Image(gradient[0, 0].abs().numpy(), grid)
    expected = resample_to_img(own, found, interpolation="linear")
    np.testing.assert_allclose(found.get_fdata(), expected.get_fdata(), atol=1e-5)


def test_inputs_add_up_and_mistakes_are_named(model, cohort):
    total = attribute(model, cohort[:2], level="input", n_steps=32)
    maps = map_images(model, cohort[:2], method="integrated_gradients", n_steps=32)
    sums = [image.get_fdata().sum() for image in maps.values()]
    np.testing.assert_allclose(sums, total["importance"], rtol=1e-3)
    with pytest.raises(ValueError, match="method must be one of"):
        map_images(model, cohort, method="lime")
    with pytest.raises(ValueError, match="got image='pet'"):
        map_images(model, cohort, image="pet")
    with pytest.raises(ValueError, match="layer must be one of the modules"):
        map_images(model, cohort, layer="head")
    with pytest.raises(ValueError, match="nothing of which has the level 'region'"):
        attribute(model, cohort)


class Slices(nn.Module):
    """No feature maps in three dimensions."""

    def __init__(self, n_regions, n_classes):
        super().__init__()
        self.reads = ("images/T1w",)
        self.head = nn.Linear(1, n_classes)

    def forward(self, batch):
        return self.head(batch.images["T1w"].flatten(1).mean(1, keepdim=True))


def test_networks_without_feature_maps_say_so(cohort):
    training = Training(max_epochs=1, validation_fraction=0.0)
    model = SubjectGraphClassifier(Slices, training=training, device="cpu")
    model.fit(cohort, cohort.phenotype["diagnosis"])
    with pytest.raises(ValueError, match="makes no feature maps"):
        map_images(model, cohort[:1])
    assert len(map_images(model, cohort[:1], method="saliency")) == 1


def test_a_population_network_of_images(cohort):
    """Only the participant's own image is looked at: the others are codes."""
    branch = {"encoder": "SFCN", "channels": (4, 8), "out_channels": 4}
    model = PopulationNetworkClassifier(
        "EHGCN", params={"graphs": (), "images": {"T1w": branch}}, combine="similarity",
        categorical=(), continuous={}, device="cpu",
        training=Training(max_epochs=8, validation_fraction=0.0, lr=0.01),
    ).fit(cohort[:14], cohort.phenotype["diagnosis"][:14])  # fmt: skip
    before = model.predict_proba(cohort)
    some = cohort[[1, 15]]  # one of the fit, one who is new
    maps = [map_images(model, some, target=target) for target in (0, 1)]
    for name in some.participant_ids:
        against, towards = (one[name].get_fdata() for one in maps)
        assert against.shape == SHAPE
        assert (against + towards).max() > 0
    assert np.array_equal(model.predict_proba(cohort), before)
