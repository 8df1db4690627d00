"""One image made of several modalities, read by a small 3D CNN, after Kong et al. 2022."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from brainograph.nn.encoders.layers import average, conv_block

__all__ = ["CompositeCNN"]

Composite = Literal["product", "weighted", "channels"]


class CompositeCNN(nn.Module):
    r"""A 3D CNN on a composite image, such as grey matter times FDG-PET.

    Each image is brought to [0, 1] by its own least and greatest value and then

    .. math:: \text{product: } \prod_m x_m,\qquad \text{weighted: } \sum_m \alpha_m x_m,\qquad
              \text{channels: } (x_1, \dots, x_M)

    with learnt :math:`\alpha = \mathrm{softmax}(a)`. The product with a map of grey matter masks a
    PET image ("GM-PET").

    Parameters
    ----------
    in_channels, out_channels : int
        Modalities, and channels of what is given back.
    composite : {"product", "weighted", "channels"}
        How they become one image.
    channels : sequence of int
        Of each convolution.

    Raises
    ------
    ValueError
        For another composite.

    Notes
    -----
    Shapes: (B, M, D, H, W), of any size, to (B, out_channels).

    What the paper states: MRI and PET are registered and fused to one image, which a 3D CNN with
    fully connected layers classifies [1]_ (the abstract). The mask of grey matter is a sister
    method's. What we chose: layer sizes; standardised filters; a mean over the volume before the
    fully connected layer. Registration and smoothing come before.

    References
    ----------
    .. [1] Kong, Zhang and Zhu, Multi-modal data Alzheimer's disease detection based on 3D
           convolution, Biomedical Signal Processing and Control 75, 2022.

    Examples
    --------
    >>> encoder = CompositeCNN(2, composite="weighted", channels=(4, 8))
    >>> encoder(torch.randn(2, 2, 8, 9, 8)).shape
    torch.Size([2, 64])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 64,
        *,
        composite: Composite = "product",
        channels: Sequence[int] = (8, 16, 32, 64),
    ) -> None:
        super().__init__()
        if composite not in get_args(Composite):
            raise ValueError(f"composite must be one of {get_args(Composite)}, got {composite!r}.")
        self.out_channels = out_channels
        self.composite = composite
        if composite == "weighted":
            self.weight = nn.Parameter(torch.zeros(in_channels))
        widths = [in_channels if composite == "channels" else 1, *channels]
        blocks = (conv_block(before, after, pool=True) for before, after in pairwise(widths))
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(widths[-1], out_channels)

    def forward(self, image: Tensor) -> Tensor:
        """Return features (B, out_channels) of images (B, M, D, H, W)."""
        features = average(self.blocks(self.compose(image)))
        return torch.relu(self.linear(features))

    def compose(self, image: Tensor) -> Tensor:
        """Return the composite image (B, 1 or M, D, H, W)."""
        low = image.amin((2, 3, 4), keepdim=True)  # (B, M, 1, 1, 1)
        high = image.amax((2, 3, 4), keepdim=True)
        image = (image - low) / (high - low).clamp_min(1e-6)
        if self.composite == "product":
            return image.prod(dim=1, keepdim=True)
        if self.composite == "weighted":
            weight = self.weight.softmax(0)[:, None, None, None]
            return (weight * image).sum(dim=1, keepdim=True)
        return image
