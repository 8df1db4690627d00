"""What several encoders are built of: norms and convolutions that a batch has no part in."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

__all__ = [
    "Plane",
    "average",
    "conv_block",
    "group_norm",
    "recomputed",
    "resized_grid",
    "slices_of",
]

Plane = Literal["sagittal", "coronal", "axial"]

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def group_norm(channels: int) -> nn.GroupNorm:
    """Return a norm over groups of at least four channels, eight groups at the most.

    A participant is the same alone and in a batch, and groups of several channels have something
    to compare where an image has shrunk to one voxel.

    Examples
    --------
    >>> [group_norm(channels).num_groups for channels in (3, 8, 32, 256)]
    [1, 2, 8, 8]
    """
    return nn.GroupNorm(math.gcd(8, channels // 4, channels), channels)


def conv_block(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    dilation: int = 1,
    pool: bool = False,
    dims: int = 3,
) -> nn.Sequential:
    """Return convolution, group norm, maximum over 2 x 2 (x 2) voxels if ``pool``, and ReLU.

    The image keeps its size but for stride and pooling, which round up, so that images of any
    size pass.

    Examples
    --------
    >>> conv_block(1, 8, pool=True)(torch.randn(2, 1, 5, 4, 1)).shape
    torch.Size([2, 8, 3, 2, 1])
    """
    padding = dilation * (kernel_size // 2)
    conv = _CONV[dims](
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        bias=False,
    )
    pooling = [_POOL[dims](2, ceil_mode=True)] if pool else []
    return nn.Sequential(conv, group_norm(out_channels), *pooling, nn.ReLU())


def average(features: Tensor) -> Tensor:
    """Return the mean of feature maps (B, C, ...) over their voxels (B, C)."""
    return features.flatten(2).mean(2)


def resized_grid(values: Tensor, size: tuple[int, ...]) -> Tensor:
    """Interpolate values on a grid (1, C, *old) to another grid (1, C, *size).

    Examples
    --------
    >>> resized_grid(torch.tensor([[[0.0, 1.0, 2.0]]]), (5,)).squeeze().tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    if tuple(values.shape[2:]) == tuple(size):
        return values
    mode = _LINEAR[len(size)]
    return nn.functional.interpolate(values, size=size, mode=mode, align_corners=True)


def slices_of(image: Tensor, plane: Plane, n_slices: int | None = None) -> Tensor:
    """Return the slices of one plane (B, N, C, h, w) of images (B, C, D, H, W) in RAS+ order.

    Parameters
    ----------
    image : Tensor (B, C, D, H, W)
        From left to right, back to front, bottom to top.
    plane : {"sagittal", "coronal", "axial"}
        Which.
    n_slices : int, optional
        So many, evenly spaced; all by default, or where there are fewer.

    Raises
    ------
    ValueError
        For another plane, or no slices.

    Examples
    --------
    >>> image = torch.arange(4.0).expand(1, 1, 2, 3, 4)
    >>> slices_of(image, "axial", 2).shape
    torch.Size([1, 2, 1, 2, 3])
    >>> slices_of(image, "axial", 2)[0, :, 0, 0, 0].tolist()
    [1.0, 3.0]
    """
    if plane not in get_args(Plane):
        raise ValueError(f"plane must be one of {get_args(Plane)}, got {plane!r}.")
    if n_slices is not None and n_slices < 1:
        raise ValueError(f"n_slices must be at least 1, or None for all, got {n_slices}.")
    slices = image.movedim(2 + get_args(Plane).index(plane), 1)
    there = slices.shape[1]
    if n_slices is None or n_slices >= there:
        return slices
    middles = (torch.arange(n_slices, device=image.device) + 0.5) * there / n_slices
    return slices[:, middles.long()]


def recomputed(module: nn.Module, x: Tensor, *, when: bool) -> Tensor:
    """Apply a module, whose activations are computed again in the backward pass if ``when``."""
    if not (when and torch.is_grad_enabled()):
        return module(x)
    return checkpoint(module, x, use_reentrant=False)
