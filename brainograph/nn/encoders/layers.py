"""What several encoders are built of: norms and convolutions that a batch has no part in."""

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

__all__ = [
    "Norm",
    "Plane",
    "StandardizedConv2d",
    "StandardizedConv3d",
    "average",
    "conv_block",
    "group_norm",
    "recomputed",
    "resized_grid",
    "slices_of",
]

Plane = Literal["sagittal", "coronal", "axial"]

Norm = Literal["weights", "group", "batch"]

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_BATCH_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
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


class _Standardized:
    r"""Filters of mean 0 and norm :math:`\sqrt 2`, times a gain that is learnt.

    .. math:: \hat W_c = g_c \sqrt 2 \, (W_c - \bar W_c) / \lVert W_c - \bar W_c \rVert

    The image is not normalised, so that what a participant has less of is not taken away again.

    References
    ----------
    .. [1] Qiao et al., Micro-batch training with batch-channel normalization and weight
           standardization, arXiv:1903.10520, 2019.
    .. [2] Brock et al., Characterizing signal propagation to close the performance gap in
           unnormalized ResNets, ICLR 2021.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        nn.init.zeros_(self.bias)
        self.gain = nn.Parameter(torch.ones_like(self.weight[:, :1].flatten(1)[:, :1]))  # (C, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the feature maps of images."""
        filters = self.weight.flatten(1)
        filters = filters - filters.mean(dim=1, keepdim=True)
        filters = math.sqrt(2) * self.gain * nn.functional.normalize(filters, dim=1)
        return self._conv_forward(x, filters.view_as(self.weight), self.bias)  # type: ignore[attr-defined]


class StandardizedConv2d(_Standardized, nn.Conv2d):  # type: ignore[misc]
    """A convolution of slices whose filters are standardised.

    Examples
    --------
    >>> StandardizedConv2d(1, 8, 3)(torch.ones(1, 1, 5, 5)).abs().max().item() < 1e-5
    True
    """


class StandardizedConv3d(_Standardized, nn.Conv3d):  # type: ignore[misc]
    """A convolution of volumes whose filters are standardised.

    Examples
    --------
    >>> StandardizedConv3d(1, 8, 3)(torch.ones(1, 1, 5, 5, 5)).abs().max().item() < 1e-5
    True
    """


_STANDARDIZED = {2: StandardizedConv2d, 3: StandardizedConv3d}


def conv_block(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    dilation: int = 1,
    pool: bool = False,
    dims: int = 3,
    norm: Norm = "weights",
) -> nn.Sequential:
    """Return convolution, norm, maximum over 2 x 2 (x 2) voxels if ``pool``, and ReLU.

    The image keeps its size but for stride and pooling, which round up, so that images of any
    size pass. With ``norm="weights"`` the filters are standardised and the image is not: a group
    norm takes away how much tissue there is, which a mean over the volume should see.

    Examples
    --------
    >>> conv_block(1, 8, pool=True)(torch.randn(2, 1, 5, 4, 1)).shape
    torch.Size([2, 8, 3, 2, 1])
    """
    padding = dilation * (kernel_size // 2)
    if norm not in get_args(Norm):
        raise ValueError(f"norm must be one of {get_args(Norm)}, got {norm!r}.")
    conv = (_STANDARDIZED if norm == "weights" else _CONV)[dims](
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        bias=norm == "weights",
    )
    normed: dict[str, Callable[[int], nn.Module]] = {
        "weights": nn.Identity,
        "group": group_norm,
        "batch": _BATCH_NORM[dims],
    }
    pooling = [_POOL[dims](2, ceil_mode=True)] if pool else []
    return nn.Sequential(conv, normed[norm](out_channels), *pooling, nn.ReLU())


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
