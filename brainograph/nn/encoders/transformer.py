"""Transformers on tokens, and on the patches of an image of any size."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from brainograph.nn.encoders.layers import recomputed, resized_grid

__all__ = ["PatchTransformer", "Transformer", "patch_padded", "positions"]


class Transformer(nn.Module):
    """Transformer layers, normalised before each part and at the end.

    Parameters
    ----------
    channels : int
        Of each token.
    num_layers, num_heads, hidden_channels : int
        Layers, heads of the attention, and width of the feed-forward parts.
    dropout : float
        Everywhere.
    checkpointing : bool
        Whether the activations of a layer are computed again in the backward pass.

    Raises
    ------
    ValueError
        If the heads cannot share the channels.

    Examples
    --------
    >>> Transformer(8, num_layers=1, num_heads=2, hidden_channels=8)(torch.randn(2, 5, 8)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        channels: int,
        *,
        num_layers: int,
        num_heads: int,
        hidden_channels: int,
        dropout: float = 0.0,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(
                f"num_heads must divide the channels of a token, got {num_heads} heads for "
                f"{channels} channels."
            )
        self.checkpointing = checkpointing
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                channels,
                num_heads,
                hidden_channels,
                dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (B, N, C) that have heard each other."""
        for layer in self.layers:
            tokens = recomputed(layer, tokens, when=self.checkpointing)
        return self.norm(tokens)


class PatchTransformer(nn.Module):
    """A vision transformer: patches, positions, a class token, layers.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image, and of the class token that is given back.
    image_size, patch_size : int
        Voxels a side of the image that the positions are made for, and of a patch.
    dims : {2, 3}
        Axes of the image.
    num_layers, num_heads, hidden_channels, dropout
        As :class:`Transformer`'s.

    Examples
    --------
    >>> small = {"num_layers": 1, "num_heads": 2, "hidden_channels": 8}
    >>> network = PatchTransformer(1, 8, image_size=16, patch_size=8, dims=2, **small)
    >>> network(torch.randn(2, 1, 20, 13)).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        image_size: int,
        patch_size: int,
        dims: int,
        num_layers: int,
        num_heads: int,
        hidden_channels: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[dims]
        self.patches = conv(in_channels, out_channels, patch_size, stride=patch_size)
        self.positions = positions(out_channels, [-(-image_size // patch_size)] * dims)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, out_channels))
        self.dropout = nn.Dropout(dropout)
        self.transformer = Transformer(
            out_channels,
            num_layers=num_layers,
            num_heads=num_heads,
            hidden_channels=hidden_channels,
            dropout=dropout,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the class token (B, out_channels) of images (B, C, ...)."""
        patches = self.patches(patch_padded(image, self.patches.kernel_size))
        patches = patches + resized_grid(self.positions, tuple(patches.shape[2:]))
        tokens = patches.flatten(2).mT  # (B, N, out_channels)
        tokens = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], dim=1)
        return self.transformer(self.dropout(tokens))[:, 0]


def positions(channels: int, grid: Sequence[int]) -> nn.Parameter:
    """Return learnt positions on a grid (1, C, *grid)."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, channels, *grid), std=0.02))


def patch_padded(image: Tensor, patch: Sequence[int]) -> Tensor:
    """Add zeros at the end of each axis of an image, so that whole patches cover it.

    Examples
    --------
    >>> patch_padded(torch.ones(1, 1, 4, 5), (4, 4)).shape
    torch.Size([1, 1, 4, 8])
    """
    sizes = zip(image.shape[2:], patch, strict=True)
    lacking = [-size % side for size, side in sizes]
    return pad(image, [n for axis in reversed(lacking) for n in (0, axis)])
