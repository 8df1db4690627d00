"""Augmentation of volumes by MONAI: other positions, shapes, noise, bias fields and contrasts."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from brainograph.nn.augment import Augmentation
from brainograph.nn.brain_batch import BrainBatch

__all__ = ["ImageAugmentation"]

_KNOTS = 4  # of the elastic field on each axis; a power of 2, as MONAI divides sizes by it


@dataclass(frozen=True)
class ImageAugmentation(Augmentation):
    r"""Change each volume a little: affine, elastic, bias field, gamma and noise.

    Each change happens with probability ``p``, and a size of 0 turns it off. All modalities of a
    participant are moved and bent alike, as far as they have one grid; their intensities change
    apart. Intensities change in the brain only (what is not 0), and on the values above its
    lowest, so that z-scored images can be used: with I that image and b a polynomial,

    .. math:: I' = I e^{b(x)}, \qquad I'' = (I' / \max I')^{\gamma} \max I', \qquad
              I''' = I'' + \epsilon

    An absent volume stays zeros. Left and right are never swapped unless ``flip`` says so: a flip
    moves what belongs to a region of one hemisphere to the other, against a graph beside it.

    Parameters
    ----------
    rotate : float, degrees
        Largest angle around each axis.
    scale : float
        Largest share by which each axis grows or shrinks.
    translate : float
        Largest shift, as a share of each side of the volume.
    elastic : float
        Largest displacement of the bending, as a share of each side.
    bias : float
        Largest coefficient of a bias field of third degree.
    gamma : float
        Largest logarithm of the exponent: 0.3 is from 0.74 to 1.35.
    noise : float
        Largest standard deviation of the noise, in those of the brain.
    flip : float
        Probability that left and right are swapped.
    p : float
        Probability of each of the others.

    Raises
    ------
    ValueError
        For a negative size, or a batch without images.

    References
    ----------
    .. [1] Pérez-García et al., TorchIO, Computer Methods and Programs in Biomedicine, 2021.

    Examples
    --------
    >>> batch = BrainBatch(images={"T1w": torch.ones(2, 1, 12, 12, 12)})
    >>> changed, _ = ImageAugmentation(p=1.0)(batch, torch.tensor([0, 1]))
    >>> changed.images["T1w"].shape
    torch.Size([2, 1, 12, 12, 12])
    """

    rotate: float = 10.0
    scale: float = 0.1
    translate: float = 0.05
    elastic: float = 0.03
    bias: float = 0.1
    gamma: float = 0.3
    noise: float = 0.1
    flip: float = 0.0
    p: float = 0.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be at least 0, got {value}. For none write 0.")
        for name in ("flip", "p"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}.")

    def change(self, batch: BrainBatch) -> BrainBatch:
        """Return the batch with other images."""
        if not batch.images:
            raise ValueError(
                "ImageAugmentation changes images, and the network reads none. Write "
                "EdgeDropout(), or WindowCrop() for series."
            )
        # MONAI draws from NumPy: torch's generator gives it one seed a participant.
        seeds = torch.randint(2**31, (len(batch),)).tolist()
        images = {}
        for number, (name, volumes) in enumerate(batch.images.items()):
            changed = [
                self._changed(volume, seed, number)
                for volume, seed in zip(volumes, seeds, strict=True)
            ]
            images[name] = torch.stack(changed)
        return replace(batch, images=images)

    def _changed(self, volume: Tensor, seed: int, number: int) -> Tensor:
        """Return another volume (1, D, H, W); the seed decides, with the modality's number."""
        brain = volume != 0
        if not brain.any():
            return volume
        low = volume.masked_fill(~brain, math.inf).min()
        lifted = (volume - low) * brain  # the background is as dark as the darkest of the brain
        moved = _apply(self._movements(volume), torch.cat([lifted, brain.to(volume.dtype)]), seed)
        inside = moved[1:] > 0.5
        spread = moved[:1][inside].std() if inside.sum() > 1 else torch.tensor(0.0)
        tints = self._tints(self.noise * float(spread))
        tinted = _apply(tints, moved[:1] * inside, seed + 1 + number)
        return ((tinted + low) * inside).to(volume.dtype)

    def _movements(self, volume: Tensor) -> list[Any]:
        """Return the transforms that move voxels."""
        from monai.transforms import RandAffine, RandFlip, RandSmoothDeform

        shape, device = tuple(volume.shape[1:]), volume.device
        transforms: list[Any] = []
        if self.flip:
            transforms.append(RandFlip(prob=self.flip, spatial_axis=0))
        if self.rotate or self.scale or self.translate:
            affine = RandAffine(
                prob=self.p,
                rotate_range=[math.radians(self.rotate)] * 3,
                scale_range=[self.scale] * 3,
                translate_range=[self.translate * side for side in shape],
                padding_mode="zeros",
                device=device,
            )
            transforms.append(affine)
        if self.elastic:
            bend = RandSmoothDeform(
                spatial_size=shape,
                rand_size=(_KNOTS,) * 3,
                field_mode="trilinear",
                align_corners=True,
                prob=self.p,
                def_range=2 * self.elastic,  # of coordinates from -1 to 1
                grid_mode="bilinear",
                grid_padding_mode="zeros",
                grid_align_corners=True,
                device=device,
            )
            transforms.append(bend)
        return transforms

    def _tints(self, noise: float) -> list[Any]:
        """Return the transforms that change intensities."""
        from monai.transforms import RandAdjustContrast, RandBiasField, RandGaussianNoise

        transforms: list[Any] = []
        if self.bias:
            transforms.append(RandBiasField(prob=self.p, coeff_range=(-self.bias, self.bias)))
        if self.gamma:
            exponents = (math.exp(-self.gamma), math.exp(self.gamma))
            transforms.append(RandAdjustContrast(prob=self.p, gamma=exponents))
        if noise:
            transforms.append(RandGaussianNoise(prob=self.p, std=noise))
        return transforms


def _apply(transforms: list[Any], image: Tensor, seed: int) -> Tensor:
    """Return an image (C, D, H, W) after the transforms, whose draws the seed decides."""
    from monai.transforms import Compose

    if not transforms:
        return image
    changed: Any = Compose(transforms).set_random_state(seed=seed)(image)
    return changed.as_tensor() if hasattr(changed, "as_tensor") else changed
