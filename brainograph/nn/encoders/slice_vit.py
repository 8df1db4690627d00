"""A two-dimensional vision transformer on the slices of a volume, after Lyu et al. 2022."""

from torch import Tensor, nn

from brainograph.nn.encoders.layers import Plane, slices_of
from brainograph.nn.encoders.transformer import PatchTransformer

__all__ = ["SliceViT"]


class SliceViT(nn.Module):
    r"""A vision transformer reads each slice, and a participant is the mean of their slices.

    .. math:: h = \frac1N \sum_{n=1}^N f(x_n)

    so that a linear layer on it gives the mean of the slices' logits. Slices never leave their
    participant: they cannot be on both sides of a split, which inflates the scores of studies that
    split slices.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image; of each token, and of what is given back.
    plane : {"sagittal", "coronal", "axial"}
        Of the slices.
    n_slices : int, optional
        So many, evenly spaced; all by default.
    image_size : int
        Pixels a side that the positions are learnt for; those of other sizes are interpolated.
    patch_size : int
        Pixels a side of a patch.
    num_layers, num_heads, hidden_channels : int
        Layers, heads, and width of the feed-forward parts.
    dropout : float
        Everywhere.

    Notes
    -----
    Shapes: (B, C, D, H, W), of any size, to (B, out_channels).

    What the paper states: a vision transformer that was trained on natural images is tuned on
    two-dimensional slices of MRI to tell Alzheimer's disease from controls [1]_ (known from a
    review and the title). What we chose: all else; a tiny size (the base size is 768 channels, 12
    layers and heads, 3072 hidden), slices at their own size with interpolated positions, and the
    mean over slices. Weights are those of ``pretrained``, from a local folder.

    References
    ----------
    .. [1] Lyu et al., Classification of Alzheimer's disease via vision transformer, PETRA 2022.

    Examples
    --------
    >>> import torch
    >>> small = {"out_channels": 12, "num_heads": 2, "num_layers": 1, "hidden_channels": 12}
    >>> SliceViT(**small, n_slices=4)(torch.randn(2, 1, 32, 40, 20)).shape
    torch.Size([2, 12])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 192,
        *,
        plane: Plane = "axial",
        n_slices: int | None = None,
        image_size: int = 224,
        patch_size: int = 16,
        num_layers: int = 12,
        num_heads: int = 3,
        hidden_channels: int = 768,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.plane, self.n_slices = plane, n_slices
        self.transformer = PatchTransformer(
            in_channels,
            out_channels,
            image_size=image_size,
            patch_size=patch_size,
            dims=2,
            num_layers=num_layers,
            num_heads=num_heads,
            hidden_channels=hidden_channels,
            dropout=dropout,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return features (B, out_channels) of images (B, C, D, H, W)."""
        slices = slices_of(image, self.plane, self.n_slices)
        each = self.transformer(slices.flatten(0, 1))  # (B * N, out_channels)
        return each.unflatten(0, slices.shape[:2]).mean(1)
