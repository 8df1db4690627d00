"""What several encoders are built of: norms and convolutions that a batch has no part in."""

import math

from torch import Tensor, nn

__all__ = ["average", "conv_block", "group_norm", "resized_grid"]

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
    >>> import torch
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
    >>> import torch
    >>> resized_grid(torch.tensor([[[0.0, 1.0, 2.0]]]), (5,)).squeeze().tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    if tuple(values.shape[2:]) == tuple(size):
        return values
    mode = _LINEAR[len(size)]
    return nn.functional.interpolate(values, size=size, mode=mode, align_corners=True)
