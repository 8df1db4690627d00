"""SFCN: that it finds weak atrophy, and what its norms and readouts are."""

import nibabel as nib
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from brainograph.datasets import simulate_images
from brainograph.estimators import SubjectGraphClassifier, Training
from brainograph.nn.encoders import SFCN
from brainograph.nn.encoders.layers import StandardizedConv3d


@pytest.fixture(scope="module")
def atrophy(tmp_path_factory):
    """Patients who lack some tissue around the hippocampi, cut to the brain."""
    folder = tmp_path_factory.mktemp("weak") / "images"
    cohort = simulate_images(200, folder, modalities=["T1w"], resolution=8, effect=4)
    for path in cohort.images["T1w"]:
        image = nib.load(path)
        nib.save(image.slicer[3:23, 3:27, 3:23], path)
    return cohort, cohort.phenotype["diagnosis"].to_numpy().astype(int)


def test_weak_atrophy_is_found(atrophy):
    cohort, y = atrophy
    params = {"channels": (8, 16, 32), "out_channels": 32}
    training = Training(
        lr=0.003, lr_schedule="one_cycle", batch_size=16, max_epochs=20, validation_fraction=0.0
    )
    model = SubjectGraphClassifier(
        "ImagingNet",
        params={"encoder_params": params, "dropout": 0.3},
        training=training,
        device="cpu",
    )
    probability = model.fit(cohort[:100], y[:100]).predict_proba(cohort[100:])[:, 1]
    assert roc_auc_score(y[100:], probability) > 0.8


def test_standardised_filters_by_hand():
    conv = StandardizedConv3d(1, 1, (1, 1, 3))
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 1, 3))
        conv.gain.fill_(2.0)
        conv.bias.fill_(5.0)
    image = torch.tensor([0.0, 0.0, 1.0]).view(1, 1, 1, 1, 3)
    assert torch.allclose(conv(image), torch.tensor(5.0 + 2.0))  # a filter of -1, 0 and 1


def test_the_signal_keeps_its_size_through_five_blocks():
    torch.manual_seed(0)
    x = torch.randn(2, 1, 48, 48, 48)
    for block in SFCN().blocks:
        x = block(x)
        assert 0.3 < x.square().mean().sqrt() < 10


def test_less_tissue_is_less_to_standardised_filters_and_nothing_to_a_group_norm():
    """A group norm takes a participant's own scale away."""
    image = torch.randn(1, 1, 16, 16, 16)
    for norm, kept in (("weights", True), ("group", False)):
        torch.manual_seed(0)
        encoder = SFCN(channels=(8, 8), norm=norm)
        assert torch.allclose(encoder(image), encoder(3 * image), rtol=1e-2, atol=1e-3) is not kept


def test_the_paper_s_norm():
    norms = [m for m in SFCN(norm="batch").modules() if isinstance(m, nn.BatchNorm3d)]
    assert [m.num_features for m in norms] == [32, 64, 128, 256, 256, 64]


def test_a_grid_knows_where_and_a_mean_does_not():
    image = torch.zeros(1, 1, 32, 32, 32)
    image[..., 8:12, 8:12, 8:12] = 1
    moved = image.roll((8, 8, 8), (2, 3, 4))
    for readout, same in (("mean", True), ("grid", False)):
        torch.manual_seed(0)
        encoder = SFCN(channels=(8, 8), readout=readout)
        assert torch.allclose(encoder(image), encoder(moved), atol=1e-5) is same


@pytest.mark.parametrize("setting", ["norm", "readout"])
def test_other_settings_are_refused(setting):
    with pytest.raises(ValueError, match=f"{setting} must be one of .* got 'layer'"):
        SFCN(**{setting: "layer"})
