"""TransMed: a CNN on groups of slices and a transformer on the groups, after Dai et al. 2021."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from brainograph.nn.encoders.layers import Plane, resized_grid, slices_of
from brainograph.nn.encoders.monai_encoder import MonaiEncoder, Name
from brainograph.nn.encoders.transformer import Transformer, positions

__all__ = ["TransMed"]


class TransMed(nn.Module):
    """Neighbouring slices are the channels of an image, images become tokens, a transformer reads.

    Parameters
    ----------
    in_channels, out_channels : int
        Modalities or sequences; channels of each token, and of what is given back.
    plane : {"sagittal", "coronal", "axial"}
        Of the slices.
    n_slices : int, optional
        So many, evenly spaced; all by default.
    group : int
        Neighbouring slices of one sequence in an image.
    cnn : str
        2D network of :class:`~brainograph.nn.encoders.MonaiEncoder`, by name.
    cnn_params : mapping, optional
        Its parameters.
    num_layers, num_heads, hidden_channels : int
        Of the transformer.
    n_positions : int
        Groups that positions are learnt for; those of other numbers are interpolated.
    dropout : float
        In the transformer.

    Raises
    ------
    ValueError
        For groups of no slice.

    Notes
    -----
    Shapes: (B, M, D, H, W), of any size, to (B, out_channels).

    What the paper states: slices of several MRI sequences become images of three channels, a CNN
    gives low-level features and a transformer the relations between sequences; parotid tumours and
    knee injuries [1]_ (the abstract). What we chose: a ResNet-18 with group normalisation for the
    CNN, one token an image, channels and layers of the tiny DeiT, learnt positions and sequences;
    the last group is completed by zeros.

    References
    ----------
    .. [1] Dai, Gao and Liu, TransMed: transformers advance multi-modal medical image
           classification, Diagnostics 11(8):1384, 2021.

    Examples
    --------
    >>> encoder = TransMed(
    ...     2, 8, cnn="resnet10", cnn_params={"widen_factor": 0.125}, n_slices=6,
    ...     num_layers=1, num_heads=2, hidden_channels=8,
    ... )
    >>> encoder(torch.randn(2, 2, 16, 18, 12)).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 192,
        *,
        plane: Plane = "axial",
        n_slices: int | None = None,
        group: int = 3,
        cnn: Name = "resnet18",
        cnn_params: Mapping[str, Any] | None = None,
        num_layers: int = 12,
        num_heads: int = 3,
        hidden_channels: int = 768,
        n_positions: int = 32,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if group < 1:
            raise ValueError(f"group must be at least 1 slice, got {group}. Write group=3.")
        self.out_channels = out_channels
        self.plane, self.n_slices, self.group = plane, n_slices, group
        self.cnn = MonaiEncoder(group, out_channels, name=cnn, dims=2, params=cnn_params)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, out_channels))
        self.sequences = nn.Parameter(0.02 * torch.randn(in_channels, 1, out_channels))
        self.positions = positions(out_channels, [n_positions])
        self.transformer = Transformer(
            out_channels,
            num_layers=num_layers,
            num_heads=num_heads,
            hidden_channels=hidden_channels,
            dropout=dropout,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return features (B, out_channels) of images (B, M, D, H, W)."""
        groups = self._groups(image)  # (B, M, G, group, h, w)
        tokens = self.cnn(groups.flatten(0, 2)).unflatten(0, groups.shape[:3])
        tokens = tokens + self.sequences + resized_grid(self.positions, (tokens.shape[2],)).mT
        tokens = torch.cat([self.token.expand(len(image), -1, -1), tokens.flatten(1, 2)], dim=1)
        return self.transformer(tokens)[:, 0]

    def _groups(self, image: Tensor) -> Tensor:
        """Return neighbouring slices of each sequence as channels of images."""
        slices = slices_of(image, self.plane, self.n_slices).transpose(1, 2)  # (B, M, N, h, w)
        slices = pad(slices, (0, 0, 0, 0, 0, -slices.shape[2] % self.group))
        return slices.unflatten(2, (-1, self.group))
