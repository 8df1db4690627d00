import torch

from brainograph.nn.encoders import M3T, TransMed

SMALL = {"cnn": "resnet10", "cnn_params": {"widen_factor": 0.125}}
SMALL |= {"num_layers": 1, "num_heads": 2, "hidden_channels": 8, "dropout": 0.0}


def m3t(**settings):
    torch.manual_seed(1)
    return M3T(1, 4, stem_channels=4, token_channels=8, n_positions=12, **SMALL | settings)


def test_every_slice_is_a_token():
    """A class token, and for each plane its slices and an end."""
    encoder, given = m3t(), []
    encoder.transformer.register_forward_pre_hook(lambda _, x: given.append(x[0].shape))
    encoder(torch.randn(2, 1, 10, 12, 11))
    assert given == [(2, 1 + 10 + 1 + 12 + 1 + 11 + 1, 8)]


def test_chunks_and_checkpoints_change_no_gradient():
    image, gradients = torch.randn(2, 1, 10, 12, 11), []
    for settings in ({}, {"checkpointing": True}, {"chunk": 5}):
        encoder = m3t(n_slices=3, **settings)
        encoder(image).square().sum().backward()
        gradients.append([p.grad for p in encoder.parameters()])
    for one, two, three in zip(*gradients, strict=True):
        assert torch.allclose(one, two, atol=1e-5)
        assert torch.allclose(one, three, atol=1e-5)


def test_neighbouring_slices_of_a_sequence_are_channels():
    encoder = TransMed(2, 8, **SMALL)
    image = torch.randn(1, 2, 6, 5, 7)
    groups = encoder._groups(image)
    assert groups.shape == (1, 2, 3, 3, 6, 5)
    assert torch.equal(groups[0, 1, 1, 2], image[0, 1, :, :, 5])
    assert torch.equal(groups[0, 0, 2, 0], image[0, 0, :, :, 6])
    assert not groups[0, :, 2, 1:].any()
