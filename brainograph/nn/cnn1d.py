"""A one-dimensional convolutional network over time, with regions as channels."""

import torch
from torch import Tensor, nn

from brainograph.nn.brain_batch import BrainBatch

__all__ = ["CNN1d"]


class CNN1d(nn.Module):
    r"""Convolutions over time, averaged over the scan.

    .. math:: H_l = m \odot \mathrm{ReLU}(\mathrm{LayerNorm}(W_l * H_{l-1})),\qquad
              z = \mathrm{Linear}\Bigl(\tfrac1T \sum_t H_{L,t}\Bigr)

    where the mask :math:`m` is 1 inside the scan, so that padding plays no part.

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    hidden_channels, num_layers : int
        Width and number of the convolutions.
    kernel_size : int (volumes)
        Odd.
    dropout : float
        After each convolution.

    Raises
    ------
    ValueError
        For an even kernel.

    Notes
    -----
    Shapes: ``batch.series`` (B, T, R) with ``batch.lengths`` (B,) to logits (B, K).

    What the paper states: a few one-dimensional convolutions over regions' series with global
    average pooling do as well as graph networks on several data sets [1]_. What we chose: layer
    sizes; no stride or local pooling, so that scans of any length share a batch exactly; layer
    normalisation over channels at each volume.

    References
    ----------
    .. [1] El-Gazzar, Thomas and van Wingen, Benchmarking graph neural networks for FMRI analysis,
           2022, arXiv:2211.08927.

    Examples
    --------
    >>> batch = BrainBatch(series=torch.randn(2, 9, 5), lengths=torch.tensor([9, 4]))
    >>> CNN1d(5, 2)(batch).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        hidden_channels: int = 64,
        num_layers: int = 2,
        kernel_size: int = 7,
        dropout: float = 0.4,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be an odd number of volumes, got {kernel_size}.")
        self.reads = ("series",)
        self.convs = nn.ModuleList(
            nn.Conv1d(
                hidden_channels if layer else n_regions,
                hidden_channels,
                kernel_size,
                padding=kernel_size // 2,
            )
            for layer in range(num_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_channels) for _ in self.convs)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden_channels, n_classes)

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return logits (B, K)."""
        mask = batch.mask[..., None]  # (B, T, 1)
        h = batch.series.masked_fill(~mask, 0)  # (B, T, R)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            h = norm(conv(h.mT).mT)  # (B, T, hidden)
            h = self.dropout(torch.relu(h)).masked_fill(~mask, 0)
        return self.head(h.sum(dim=1) / batch.lengths[:, None])
