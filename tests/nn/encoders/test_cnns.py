"""The convolutional encoders, by what each is about."""

import pytest
import torch
from torch import nn

from brainograph.nn.encoders import (
    SFCN,
    CompositeCNN,
    DilatedCNN,
    EncoderEnsemble,
    MonaiEncoder,
    MultiStreamCNN,
    TransMed,
)


def two_voxels(*values):
    """An image (1, M, 2, 1, 1) of M modalities."""
    return torch.tensor(values, dtype=torch.float32)[None, :, :, None, None]


@pytest.mark.parametrize(
    ("composite", "expected"),
    [
        ("product", [[0.0, 1.0]]),
        ("weighted", [[0.25, 0.75]]),
        ("channels", [[0.0, 1.0], [1.0, 0.0]]),
    ],
)
def test_composites_by_hand(composite, expected):
    """Grey matter 0 and 1, PET 7 and 3: in their own ranges 0, 1 and 1, 0."""
    encoder = CompositeCNN(2, composite=composite)
    grey, pet = [2.0, 4.0], [7.0, 3.0]
    if composite == "product":
        pet = [3.0, 7.0]
    if composite == "weighted":
        with torch.no_grad():
            encoder.weight.copy_(torch.log(torch.tensor([3.0, 1.0])))
    image = encoder.compose(two_voxels(grey, pet))
    assert torch.allclose(image, two_voxels(*expected))


def test_a_modality_without_signal_leaves_a_composite_without():
    assert not CompositeCNN(2).compose(two_voxels([5.0, 5.0], [3.0, 7.0])).any()


@pytest.mark.parametrize("dims", [2, 3])
def test_streams_do_not_hear_each_other(dims):
    encoder = MultiStreamCNN(2, 4, dims=dims, channels=(4, 4)).eval()
    given = []
    encoder.linear.register_forward_pre_hook(lambda _, x: given.append(x[0]))
    image = torch.randn(1, 2, 6, 6, 6)
    other = image.clone()
    other[:, 1] = torch.randn(6, 6, 6)
    for one in (image, other):
        encoder(one)
    assert torch.equal(given[0][:, :4], given[1][:, :4])
    assert not torch.allclose(given[0][:, 4:], given[1][:, 4:])


def test_a_cascade_sees_as_far_as_its_dilations_reach():
    """1 + 2 + 3 voxels to each side of the middle one, and no further."""
    convs = DilatedCNN(channels=(4,)).cascades[0].convs
    for module in list(convs.modules()):
        if isinstance(module, nn.GroupNorm):
            module.forward = lambda x: x  # a norm hears the whole image
        if isinstance(module, nn.Conv3d):
            nn.init.ones_(module.weight)
    x = torch.zeros(1, 4, 21, 1, 1)
    x[:, :, 10] = 1
    reached = convs(x)[0, 0, :, 0, 0].nonzero().flatten()
    assert (reached.min(), reached.max()) == (4, 16)


def test_each_member_of_an_ensemble_is_heard():
    encoder = EncoderEnsemble(1, 4, hidden_channels=4).eval()
    image = torch.randn(1, 1, 12, 12, 12)
    before = encoder(image)
    for name in encoder.members:
        kept = encoder.members[name]
        encoder.members[name] = nn.Conv3d(1, 16, 1)
        assert not torch.allclose(encoder(image), before)
        encoder.members[name] = kept


def test_sfcn_has_the_three_million_weights_that_the_paper_states():
    assert 2.8e6 < sum(weights.numel() for weights in SFCN().parameters()) < 3.2e6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CompositeCNN(composite="sum"), r"composite must be one of \('product'"),
        (lambda: MultiStreamCNN(dims=4), "dims must be 2 for slices or 3 for the volume, got 4"),
        (lambda: MonaiEncoder(dims=1), "dims must be 2 or 3, got 1"),
        (lambda: EncoderEnsemble(members=("vgg",)), r"members must be some of \('alexnet'"),
        (lambda: EncoderEnsemble(members=()), r"members must be some of \('alexnet'"),
        (lambda: TransMed(group=0), "group must be at least 1 slice, got 0. Write group=3"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
