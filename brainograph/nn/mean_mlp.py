"""meanMLP: every volume is read alone, and the answers are averaged over time."""

import torch
from torch import Tensor, nn

from brainograph.nn.brain_batch import BrainBatch

__all__ = ["MeanMLP"]


class MeanMLP(nn.Module):
    r"""A small perceptron at every time point, averaged over the scan.

    .. math:: z = W_o \Bigl( \frac1T \sum_{t=1}^{T}
              \mathrm{drop}(\mathrm{ReLU}(\mathrm{LayerNorm}(W x_t + b))) \Bigr) + b_o

    The order of the volumes plays no part, and neither do lags: what it can see is which
    co-activations of the regions occur how often. It is the simplest network that keeps up with
    the published ones on most fMRI data sets [1]_, and so the one to beat.

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    hidden_channels : int
        Width of the hidden layers.
    num_layers : int
        Hidden layers; those after the first are residual.
    dropout : float
        Share of the hidden units that is dropped at each time point in training.

    Notes
    -----
    Shapes: ``batch.series`` (B, T, R) with ``batch.lengths`` (B,) to logits (B, K).

    What the paper states: one hidden layer of 160 units with layer normalisation, ReLU and dropout
    0.49, logits averaged over time; z-scored series; Adam with a learning rate of 0.005, batches of
    64, at most 200 epochs, patience 30 (the authors' package; the paper searches for them).
    What we chose: the mean is taken before the last layer, which is the same function since that
    layer is linear, at a fraction of the cost; only real volumes are computed, so that scans of
    any length share a batch.

    References
    ----------
    .. [1] Popov et al., A simple but tough-to-beat baseline for fMRI time-series classification,
           NeuroImage 303, 2024.

    Examples
    --------
    >>> batch = BrainBatch(series=torch.randn(2, 9, 5), lengths=torch.tensor([9, 4]))
    >>> MeanMLP(5, 2)(batch).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        hidden_channels: int = 160,
        num_layers: int = 1,
        dropout: float = 0.49,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, got {num_layers}.")
        self.reads = ("series",)
        widths = [n_regions, *[hidden_channels] * num_layers]
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Linear(before, hidden_channels),
                nn.LayerNorm(hidden_channels),
                nn.ReLU(),
                nn.Dropout(dropout),
            )
            for before in widths[:-1]
        )
        self.head = nn.Linear(hidden_channels, n_classes)

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return logits (B, K)."""
        h = batch.series[batch.mask]  # (N, R), N volumes of all scans, no padding
        for i, layer in enumerate(self.layers):
            h = layer(h) if i == 0 else h + layer(h)  # (N, hidden)
        return self.head(mean_of_scans(h, batch.lengths))


def mean_of_scans(volumes: Tensor, lengths: Tensor) -> Tensor:
    """Average the volumes (N, C) of each scan, one scan after the other: (B, C)."""
    owner = torch.repeat_interleave(lengths, output_size=len(volumes))
    total = volumes.new_zeros(len(lengths), volumes.shape[1], dtype=torch.float32)
    return total.index_add(0, owner, volumes.float()) / lengths[:, None]
