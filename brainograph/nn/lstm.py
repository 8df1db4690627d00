"""A recurrent network over the volumes of a scan."""

from torch import Tensor, nn

from brainograph.nn.brain_batch import BrainBatch

__all__ = ["LSTM"]


class LSTM(nn.Module):
    r"""A long short-term memory over volumes, its outputs averaged over the scan.

    .. math:: h_t, c_t = \mathrm{LSTM}(x_t, h_{t-1}, c_{t-1}),\qquad
              z = W \Bigl(\tfrac1T \sum_t h_t\Bigr) + b

    It reads forwards only, so padding behind a scan changes nothing.

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    hidden_channels, num_layers : int
        Width and number of the recurrent layers.
    dropout : float
        Of the regions at each volume, between layers, and of the average.

    Notes
    -----
    Shapes: ``batch.series`` (B, T, R) with ``batch.lengths`` (B,) to logits (B, K).

    What the paper states: 32 units read regional series of ABIDE, every step gives an answer and
    the answers are averaged, dropout 0.5; trained on random crops of 90 volumes [1]_. What we
    chose: whole scans of any length; the average is taken before the linear layer, which is the
    same without the sigmoid at each step.

    References
    ----------
    .. [1] Dvornek et al., Identifying autism from resting-state fMRI using long short-term memory
           networks, MLMI 2017.

    Examples
    --------
    >>> import torch
    >>> batch = BrainBatch(series=torch.randn(2, 9, 5), lengths=torch.tensor([9, 4]))
    >>> LSTM(5, 2)(batch).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        hidden_channels: int = 32,
        num_layers: int = 1,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.reads = ("series",)
        self.lstm = nn.LSTM(
            n_regions,
            hidden_channels,
            num_layers,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden_channels, n_classes)

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return logits (B, K)."""
        mask = batch.mask[..., None]  # (B, T, 1)
        states, _ = self.lstm(self.dropout(batch.series.masked_fill(~mask, 0)))  # (B, T, hidden)
        mean = states.masked_fill(~mask, 0).sum(dim=1) / batch.lengths[:, None]  # (B, hidden)
        return self.head(self.dropout(mean))
