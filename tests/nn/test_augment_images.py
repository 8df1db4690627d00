import pytest
import torch

from brainograph.nn import BrainBatch
from brainograph.nn.augment import Compose, EdgeDropout
from brainograph.nn.augment_images import ImageAugmentation

Y = torch.tensor([0, 1, 1])
NOTHING = dict.fromkeys(("rotate", "scale", "translate", "elastic", "bias", "gamma", "noise"), 0.0)


def brains():
    """Balls in noise; the second has no PET."""
    axis = torch.linspace(-1, 1, 16)
    radius = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
    ball = (radius < 0.7).float() * (2 - radius)
    t1 = torch.stack([ball, ball + ball.roll(1, 2), ball])[:, None]
    pet = torch.stack([ball, torch.zeros_like(ball), -ball])[:, None]
    present = {"images/pet": torch.tensor([True, False, True])}
    return BrainBatch(images={"T1w": t1, "pet": pet}, present=present)


def only(**size):
    return ImageAugmentation(**{**NOTHING, **size}, p=1.0)


def test_no_size_leaves_everything():
    batch = brains()
    changed, y = ImageAugmentation(**NOTHING, p=1.0)(batch, Y)
    assert y is Y
    for name in batch.images:
        torch.testing.assert_close(changed.images[name], batch.images[name])


@pytest.mark.parametrize("name", ["rotate", "scale", "translate", "elastic"])
def test_movements_move_and_keep_the_background(name):
    batch = brains()
    size = 30.0 if name == "rotate" else 0.2
    image = batch.images["T1w"].clone()
    image[:, :, :8] *= 2  # not round
    changed = only(**{name: size}).change(BrainBatch(images={"T1w": image})).images["T1w"]
    assert (changed - image).abs().mean() > 0.01
    assert changed.min() >= 0
    assert changed.max() <= image.max() + 1e-4
    assert (changed == 0).float().mean() > 0.3


@pytest.mark.parametrize("name", ["bias", "gamma", "noise"])
def test_intensities_change_in_the_brain_only(name):
    batch = brains()
    changed = only(**{name: 0.5})(batch, Y)[0].images["T1w"]
    given = batch.images["T1w"]
    outside = given == 0
    assert (changed[outside] == 0).all()
    assert ((changed - given)[~outside].abs() > 1e-4).float().mean() > 0.8  # but the lowest


def test_gamma_is_the_power_it_says():
    """The darkest and brightest voxels of the brain stay; what lies between goes one way."""
    given = brains().images["T1w"][:1]
    changed = only(gamma=0.5).change(BrainBatch(images={"T1w": given})).images["T1w"]
    inside = given != 0
    for one in (torch.amin, torch.amax):
        torch.testing.assert_close(
            one(changed[inside], 0), one(given[inside], 0), atol=1e-4, rtol=0
        )
    middle = inside & (given > 1.5) & (given < 1.7)
    shift = (changed - given)[middle]
    assert (shift > 0).all() or (shift < 0).all()


def test_noise_is_at_most_the_share_it_says():
    given = brains().images["T1w"][:1].repeat(20, 1, 1, 1, 1)
    added = only(noise=0.5).change(BrainBatch(images={"T1w": given})).images["T1w"] - given
    inside = given[0] != 0
    spreads = added[:, inside].std(dim=1) / given[0][inside].std()
    assert spreads.max() < 0.55
    assert spreads.max() > 0.3


def test_left_and_right_are_swapped_on_request_only():
    image = torch.zeros(4, 1, 8, 8, 8)
    image[:, :, :3, 2:6, 2:6] = 1.0
    batch = BrainBatch(images={"T1w": image})
    torch.testing.assert_close(
        ImageAugmentation(**NOTHING, flip=1.0).change(batch).images["T1w"], image.flip(2)
    )
    still = ImageAugmentation(**{**NOTHING, "noise": 0.01}, p=1.0).change(batch).images["T1w"]
    assert (still[:, :, 5:] == 0).all()


def test_an_absent_volume_stays_zeros_and_modalities_move_together():
    batch = brains()
    changed, _ = only(rotate=20.0, elastic=0.1)(batch, Y)
    assert (changed.images["pet"][1] == 0).all()
    assert changed.present is batch.present
    torch.testing.assert_close(changed.images["T1w"][0], changed.images["pet"][0])
    everything, _ = ImageAugmentation(p=1.0)(batch, Y)
    assert not torch.allclose(everything.images["T1w"][0], everything.images["pet"][0])


def test_the_seed_of_torch_decides_and_what_was_given_stays():
    batch = brains()
    batch.connectivity["fc"] = torch.ones(3, 4, 4)
    augmentation = Compose((ImageAugmentation(), EdgeDropout(0.3)))
    before = [tensor.clone() for tensor in batch.tensors]
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augmentation(batch, Y)[0])
    assert torch.equal(results[0].images["T1w"], results[1].images["T1w"])
    assert torch.equal(results[0].connectivity["fc"], results[1].connectivity["fc"])
    assert not torch.equal(results[0].images["T1w"], results[2].images["T1w"])
    assert type(results[0].images["T1w"]) is torch.Tensor
    assert all(map(torch.equal, before, batch.tensors))


def test_what_happens_to_shape_and_to_intensity_is_drawn_apart():
    """With p = 0.5 a quarter of the volumes is moved only, a quarter tinted only."""
    given = brains().images["T1w"][:1].repeat(60, 1, 1, 1, 1)
    augmentation = ImageAugmentation(**{**NOTHING, "translate": 0.3, "bias": 0.3})
    changed = augmentation.change(BrainBatch(images={"T1w": given})).images["T1w"]
    moved = ((changed != 0) != (given != 0)).flatten(1).any(dim=1)
    tinted = (changed.flatten(1).amax(1) - given.flatten(1).amax(1)).abs() > 0.01
    assert 5 <= (moved & ~tinted).sum() <= 25
    assert 5 <= (tinted & ~moved).sum() <= 25


def test_bad_settings():
    with pytest.raises(ValueError, match="noise must be at least 0, got -1"):
        ImageAugmentation(noise=-1)
    with pytest.raises(ValueError, match=r"flip must be in \[0, 1\], got 2"):
        ImageAugmentation(flip=2)
    with pytest.raises(ValueError, match="the network reads none"):
        ImageAugmentation()(BrainBatch(connectivity={"fc": torch.ones(1, 2, 2)}), Y[:1])
