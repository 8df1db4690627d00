"""Cascades of dilated convolutions, after the image encoder of MCAD."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from brainograph.nn.encoders.layers import average, conv_block

__all__ = ["DilatedCNN"]


class DilatedCNN(nn.Module):
    r"""Convolutions of growing dilation, one after the other and added to what they were given.

    .. math:: H_l = \max_{2^3}\bigl(P_l H_{l-1} + C_{d_k} \cdots C_{d_1} P_l H_{l-1}\bigr)

    where :math:`C_d` is a convolution of width three and dilation d with norm and ReLU, and
    :math:`P_l` one of width one: with dilations 1, 2 and 3 a voxel sees 13 a side.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image, and of what is given back.
    channels : sequence of int
        Of each cascade.
    dilations : sequence of int
        Of the convolutions of a cascade.

    Notes
    -----
    Shapes: (B, C, D, H, W), of any size, to (B, out_channels).

    What the paper states: an image encoder of cascaded dilated convolutions for MRI and FDG-PET,
    one encoder for CSF, and attention between the modalities [1]_ (the abstract). What we chose:
    sizes, dilations, the residual connection, pooling after each cascade, group normalisation.
    The attention between modalities is fusion, not encoder.

    References
    ----------
    .. [1] Zhang et al., Multi-modal cross-attention network for Alzheimer's disease diagnosis with
           multi-modality data, Computers in Biology and Medicine 162, 2023.

    Examples
    --------
    >>> import torch
    >>> DilatedCNN(channels=(4, 8), dilations=(1, 2))(torch.randn(2, 1, 8, 9, 8)).shape
    torch.Size([2, 64])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 64,
        *,
        channels: Sequence[int] = (16, 32, 64, 64),
        dilations: Sequence[int] = (1, 2, 3),
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        widths = [in_channels, *channels]
        self.cascades = nn.Sequential(
            *(
                _Cascade(before, after, dilations, first=i == 0)
                for i, (before, after) in enumerate(pairwise(widths))
            )
        )
        self.last = conv_block(widths[-1], out_channels, kernel_size=1, norm="group")

    def forward(self, image: Tensor) -> Tensor:
        """Return features (B, out_channels) of images (B, C, D, H, W)."""
        return average(self.last(self.cascades(image)))


class _Cascade(nn.Module):
    """One cascade; the first one starts at half the size, where most of the cost is."""

    def __init__(
        self, in_channels: int, out_channels: int, dilations: Sequence[int], *, first: bool
    ) -> None:
        super().__init__()
        self.enter = conv_block(
            in_channels,
            out_channels,
            kernel_size=3 if first else 1,
            stride=2 if first else 1,
            norm="group",
        )
        self.convs = nn.Sequential(
            *(conv_block(out_channels, out_channels, dilation=d, norm="group") for d in dilations)
        )
        self.pool = nn.MaxPool3d(2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        return self.pool(x + self.convs(x))
