"""ViT: a transformer on the patches of a volume."""

from torch import Tensor, nn

from brainograph.nn.encoders.transformer import PatchTransformer

__all__ = ["ViT"]


class ViT(nn.Module):
    """A vision transformer in three dimensions.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image; of each token, and of what is given back.
    image_size : int
        Voxels a side that the positions are learnt for; those of other sizes are interpolated.
    patch_size : int
        Voxels a side of a patch.
    num_layers, num_heads, hidden_channels : int
        Layers, heads, and width of the feed-forward parts.
    dropout : float
        Everywhere.

    Notes
    -----
    Shapes: (B, C, D, H, W), of any size, to (B, out_channels).

    What the paper states: images are cut into patches of 16 pixels a side, which are projected
    to tokens and given learnt positions; layers of attention; a class token is read; the base size
    has 12 layers of 768 channels and 12 heads [1]_. What we chose: three dimensions; a small size,
    as cohorts are; zeros complete the last patches. MONAI has this network too, which needs the
    package einops and images of one size.

    References
    ----------
    .. [1] Dosovitskiy et al., An image is worth 16 x 16 words, ICLR 2021.

    Examples
    --------
    >>> import torch
    >>> ViT(out_channels=12, num_heads=2, num_layers=1)(torch.randn(2, 1, 32, 40, 32)).shape
    torch.Size([2, 12])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 192,
        *,
        image_size: int = 96,
        patch_size: int = 16,
        num_layers: int = 6,
        num_heads: int = 3,
        hidden_channels: int = 768,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.transformer = PatchTransformer(
            in_channels,
            out_channels,
            image_size=image_size,
            patch_size=patch_size,
            dims=3,
            num_layers=num_layers,
            num_heads=num_heads,
            hidden_channels=hidden_channels,
            dropout=dropout,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return features (B, out_channels) of images (B, C, D, H, W)."""
        return self.transformer(image)
