"""M3T: a 3D CNN, a 2D CNN on slices of three planes, and a transformer, after Jang and Hwang."""

from collections.abc import Mapping
from typing import Any, get_args

import torch
from torch import Tensor, nn

from brainograph.nn.encoders.layers import (
    Plane,
    conv_block,
    recomputed,
    resized_grid,
    slices_of,
)
from brainograph.nn.encoders.monai_encoder import MonaiEncoder, Name
from brainograph.nn.encoders.transformer import Transformer, positions

__all__ = ["M3T"]

_PLANES = get_args(Plane)


class M3T(nn.Module):
    """Every slice of three planes becomes a token, and a transformer reads them all.

    Two 3D convolutions at full size; the slices of their output in each plane through one 2D CNN
    and a projection; tokens ``class, sagittal..., end, coronal..., end, axial..., end`` with learnt
    positions and planes; a transformer, whose class token is projected.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image, and of what is given back.
    stem_channels : int
        Of the 3D convolutions.
    cnn : str
        2D network of :class:`~brainograph.nn.encoders.MonaiEncoder`, by name.
    cnn_params : mapping, optional
        Its parameters.
    n_slices : int, optional
        So many of each plane, evenly spaced; all by default.
    token_channels, num_layers, num_heads, hidden_channels : int
        Of the transformer.
    n_positions : int
        Slices a plane that positions are learnt for; those of other numbers are interpolated.
    dropout : float
        In the transformer.
    checkpointing : bool
        Whether the activations of the stem, of each ``chunk`` slices and of each layer are
        computed again in the backward pass.
    chunk : int
        Slices that the 2D CNN is given at a time.

    Notes
    -----
    Shapes: (B, C, D, H, W), of any size, to (B, out_channels).

    What the paper states: a 3D CNN, a 2D CNN on the slices of three planes and a transformer,
    trained on 4,786 T1 volumes [1]_ (the abstract); from the description of a re-implementation:
    two convolutions of width five to 32 channels at the full 128 voxels a side, a ResNet-50 of
    ImageNet, a projection to 512 and 256 channels, 388 tokens with positions and planes, eight
    layers of eight heads with 768 hidden channels. What we chose: group normalisation; no weights
    of ImageNet (give ``pretrained``); ``n_slices`` for CPUs; a projection of the class token.

    References
    ----------
    .. [1] Jang and Hwang, M3T: three-dimensional medical image classifier using multi-plane and
           multi-slice transformer, CVPR 2022.

    Examples
    --------
    >>> encoder = M3T(
    ...     stem_channels=4, cnn="resnet10", cnn_params={"widen_factor": 0.125}, n_slices=2,
    ...     token_channels=8, num_layers=1, num_heads=2, hidden_channels=8,
    ... )
    >>> encoder(torch.randn(2, 1, 16, 18, 12)).shape
    torch.Size([2, 256])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 256,
        *,
        stem_channels: int = 32,
        cnn: Name = "resnet50",
        cnn_params: Mapping[str, Any] | None = None,
        n_slices: int | None = None,
        token_channels: int = 256,
        num_layers: int = 8,
        num_heads: int = 8,
        hidden_channels: int = 768,
        n_positions: int = 128,
        dropout: float = 0.1,
        checkpointing: bool = False,
        chunk: int = 32,
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.n_slices, self.checkpointing, self.chunk = n_slices, checkpointing, chunk
        self.stem = nn.Sequential(
            conv_block(in_channels, stem_channels, kernel_size=5, norm="group"),
            conv_block(stem_channels, stem_channels, kernel_size=5, norm="group"),
        )
        self.cnn = nn.Sequential(
            MonaiEncoder(stem_channels, 2 * token_channels, name=cnn, dims=2, params=cnn_params),
            nn.ReLU(),
            nn.Linear(2 * token_channels, token_channels),
        )
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, token_channels))
        self.ends = nn.Parameter(0.02 * torch.randn(len(_PLANES), 1, 1, token_channels))
        self.planes = nn.Parameter(0.02 * torch.randn(len(_PLANES), 1, 1, token_channels))
        self.positions = positions(token_channels, [n_positions])
        self.transformer = Transformer(
            token_channels,
            num_layers=num_layers,
            num_heads=num_heads,
            hidden_channels=hidden_channels,
            dropout=dropout,
            checkpointing=checkpointing,
        )
        self.linear = nn.Linear(token_channels, out_channels)

    def forward(self, image: Tensor) -> Tensor:
        """Return features (B, out_channels) of images (B, C, D, H, W)."""
        volume = recomputed(self.stem, image, when=self.checkpointing)
        tokens = [self.token.expand(len(image), -1, -1)]
        for i, plane in enumerate(_PLANES):
            tokens += [self._slices(volume, plane) + self.planes[i]]
            tokens += [self.ends[i].expand(len(image), -1, -1)]
        return self.linear(self.transformer(torch.cat(tokens, dim=1))[:, 0])

    def _slices(self, volume: Tensor, plane: Plane) -> Tensor:
        """Return the tokens of one plane's slices (B, N, token_channels)."""
        slices = slices_of(volume, plane, self.n_slices)
        parts = slices.flatten(0, 1).split(self.chunk)
        each = [recomputed(self.cnn, part, when=self.checkpointing) for part in parts]
        tokens = torch.cat(each).unflatten(0, slices.shape[:2])
        return tokens + resized_grid(self.positions, (tokens.shape[1],)).mT
