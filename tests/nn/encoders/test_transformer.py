import pytest
import torch

from brainograph.nn.encoders import SliceViT, ViT
from brainograph.nn.encoders.layers import slices_of
from brainograph.nn.encoders.transformer import PatchTransformer, Transformer, patch_padded

SMALL = {"num_layers": 1, "num_heads": 2, "hidden_channels": 8, "dropout": 0.0}


def test_patches_are_what_a_linear_map_makes_of_each_cube():
    vit = ViT(2, 8, image_size=8, patch_size=4, **SMALL)
    conv = vit.transformer.patches
    image = torch.randn(1, 2, 8, 8, 8)
    cube = image[0, :, 4:, :4, 4:].flatten()
    expected = conv.weight.flatten(1) @ cube + conv.bias
    assert torch.allclose(conv(image)[0, :, 1, 0, 1], expected, atol=1e-5)


def test_an_image_that_patches_cover_is_the_same_with_the_zeros_written_out():
    network = PatchTransformer(1, 8, image_size=16, patch_size=4, dims=2, **SMALL).eval()
    image = torch.randn(2, 1, 14, 15)
    padded = torch.zeros(2, 1, 16, 16)
    padded[:, :, :14, :15] = image
    assert torch.equal(patch_padded(image, (4, 4)), padded)
    assert torch.equal(network(image), network(padded))


def test_where_a_patch_is_matters():
    network = PatchTransformer(1, 8, image_size=8, patch_size=4, dims=2, **SMALL).eval()
    image = torch.zeros(1, 1, 8, 8)
    image[..., :4, :4] = 1
    assert not torch.allclose(network(image), network(image.flip(2)), atol=1e-5)


def test_a_participant_is_the_mean_of_their_slices():
    encoder = SliceViT(1, 8, image_size=8, patch_size=4, plane="coronal", n_slices=3, **SMALL)
    image = torch.randn(2, 1, 8, 7, 8)
    each = [encoder.eval().transformer(s) for s in slices_of(image, "coronal", 3).unbind(1)]
    assert torch.allclose(encoder(image), torch.stack(each).mean(0), atol=1e-6)


def test_heads_must_share_the_channels():
    with pytest.raises(ValueError, match="got 3 heads for 8 channels"):
        Transformer(8, num_layers=1, num_heads=3, hidden_channels=8)
