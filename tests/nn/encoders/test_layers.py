import pytest
import torch
from torch import nn

from brainograph.nn.encoders.layers import conv_block, recomputed, resized_grid, slices_of


def test_slices_are_cut_across_their_axis():
    image = torch.arange(2 * 3 * 4.0).reshape(1, 1, 2, 3, 4)
    assert torch.equal(slices_of(image, "sagittal")[0, 1, 0], image[0, 0, 1])
    assert torch.equal(slices_of(image, "coronal")[0, 2, 0], image[0, 0, :, 2])
    assert torch.equal(slices_of(image, "axial")[0, 3, 0], image[0, 0, :, :, 3])


@pytest.mark.parametrize(
    ("n", "rows"), [(1, [5]), (3, [1, 5, 8]), (10, range(10)), (99, range(10))]
)
def test_some_slices_are_evenly_spaced(n, rows):
    image = torch.arange(10.0).reshape(1, 1, 10, 1, 1)
    assert slices_of(image, "sagittal", n).flatten().tolist() == list(rows)


@pytest.mark.parametrize(
    ("plane", "n", "message"),
    [
        ("oblique", None, r"plane must be one of \('sagittal', 'coronal', 'axial'\)"),
        ("axial", 0, "n_slices must be at least 1, or None for all, got 0"),
    ],
)
def test_other_slices_are_refused(plane, n, message):
    with pytest.raises(ValueError, match=message):
        slices_of(torch.ones(1, 1, 4, 4, 4), plane, n)


def test_a_block_is_convolution_norm_maximum_and_relu():
    block = conv_block(2, 8, pool=True, norm="group")
    x = torch.randn(3, 2, 6, 5, 4)
    h = nn.functional.conv3d(x, block[0].weight, padding=1)
    h = nn.functional.group_norm(h, 2)
    expected = nn.functional.max_pool3d(h, 2, ceil_mode=True).relu()
    assert torch.allclose(block(x), expected)
    assert expected.shape[2:] == (3, 3, 2)


def test_a_grid_of_its_own_size_is_left_alone():
    grid = torch.randn(1, 3, 2, 2, 2)
    assert resized_grid(grid, (2, 2, 2)) is grid
    larger = resized_grid(grid, (3, 3, 3))
    assert torch.equal(larger[..., ::2, ::2, ::2], grid)
    assert torch.allclose(larger[0, :, 1, 1, 1], grid[0].mean((1, 2, 3)), atol=1e-6)


def test_recomputed_activations_give_the_same_gradient():
    module = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
    x = torch.randn(4, 3)
    gradients, kept = [], []
    for when in (False, True):
        module.zero_grad()
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, s=saved: s.append(t) or t, lambda t: t
        ):
            loss = recomputed(module, x, when=when).sum()
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in module.parameters()]))
        kept.append(len(saved))
    assert torch.equal(*gradients)
    assert kept[1] < kept[0]
