"""SFCN: a light fully convolutional network on volumes."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from brainograph.nn.encoders.layers import average, conv_block

__all__ = ["SFCN"]


class SFCN(nn.Module):
    r"""Convolutions of width three and pooling, five times, then a mean over the volume.

    .. math:: H_l = \mathrm{ReLU}(\max_{2^3} \mathrm{GroupNorm}(W_l * H_{l-1})),\qquad
              h = \mathrm{mean}\,\mathrm{ReLU}(\mathrm{GroupNorm}(W_{1^3} * H_L))

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image, and of what is given back.
    channels : sequence of int
        Of each convolution.

    Notes
    -----
    Shapes: (B, C, D, H, W), of any size, to (B, out_channels).

    What the paper states: five blocks of convolution, batch normalisation, maximum and ReLU with
    32, 64, 128, 256 and 256 channels, a convolution of width one with 64, a mean over the volume
    and dropout; three million parameters; age from T1 images of UK Biobank, and first in a
    challenge [1]_. What we chose: group normalisation, so that a participant is the same alone and
    in a batch; pooling that rounds up, so that volumes of any size pass.

    References
    ----------
    .. [1] Peng et al., Accurate brain age prediction with lightweight deep neural networks,
           Medical Image Analysis 68, 2021.

    Examples
    --------
    >>> import torch
    >>> SFCN(channels=(4, 8), out_channels=16)(torch.randn(2, 1, 12, 14, 12)).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 64,
        *,
        channels: Sequence[int] = (32, 64, 128, 256, 256),
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        widths = [in_channels, *channels]
        self.blocks = nn.Sequential(
            *(conv_block(before, after, pool=True) for before, after in pairwise(widths)),
            conv_block(widths[-1], out_channels, kernel_size=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return features (B, out_channels) of images (B, C, D, H, W)."""
        return average(self.blocks(image))
