"""STAGIN: attention in space and time over a dynamic brain graph."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.dense_conv import DenseGIN
from brainograph.nn.misfit import misfit
from brainograph.nn.sparsify import check_rule, strongest_edges
from brainograph.nn.windows import sliding_correlation

__all__ = ["STAGIN", "AttentionReadout"]

AttentionReadout = Literal["sero", "garo", "mean"]


class STAGIN(nn.Module):
    r"""Graph isomorphism layers on every window, a learned readout, and attention over windows.

    .. math:: x_v(t) = W [e_v \Vert \eta(t)],\quad H_l = \mathrm{GIN}_l(H_{l-1}, A(t)),\quad
              \tilde h_l(t) = \tfrac1R H_l^\top s_l(H_l),\quad
              z = \sum_l W_l \sum_t \mathrm{Transformer}_l(\tilde h_l)(t)

    :math:`\eta(t)` is the state of a recurrent unit at the end of the window, :math:`A(t)` holds
    the strongest correlations of the window, as ones.

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    window, step : int (volumes)
        Of the sliding windows; every scan must hold at least one.
    density : float
        Share of the edges of a window to keep.
    hidden_channels, num_layers, heads : int
        Width, number of graph layers, and heads of the attention over windows.
    readout : {"sero", "garo", "mean"}
        Which regions count: :math:`s = \sigma(W_2 \mathrm{GELU}(W_1 \bar h))` of the mean over
        regions, or :math:`s = \sigma(K h_v \cdot q(\bar h) / \sqrt C)`, or all alike.
    dropout : float
        Of attention and head.
    orthogonality : float
        Weight in :meth:`loss` of :math:`\lVert \hat H^\top \hat H - I \rVert` of the nodes.

    Raises
    ------
    ValueError
        For another readout or density; for a scan shorter than the window.

    Notes
    -----
    Shapes: ``batch.series`` (B, T, R) with ``batch.lengths`` (B,) to logits (B, K).

    What the paper states: windows of 50 volumes every 3, the 30 % strongest edges as ones, four GIN
    layers of 128, SERO or GARO, one encoder with one head per layer, summed over time and layers,
    orthogonality 1e-5, windows at random places in training [1]_. What we chose: a wider step and
    two layers of 64 for a CPU; windows of the whole scan, masked where it ends; the mean instead of
    the sum over time, so that the length of a scan tells nothing; layer normalisation.

    References
    ----------
    .. [1] Kim, Ye and Kim, Learning dynamic graph representation of brain connectome with
           spatio-temporal attention, NeurIPS 2021, eqs. 3 to 12.

    Examples
    --------
    >>> batch = BrainBatch(series=torch.randn(2, 30, 5), lengths=torch.tensor([30, 14]))
    >>> STAGIN(5, 2, window=10)(batch).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        window: int = 50,
        step: int = 10,
        density: float = 0.3,
        hidden_channels: int = 64,
        num_layers: int = 2,
        heads: int = 1,
        readout: AttentionReadout = "sero",
        dropout: float = 0.5,
        orthogonality: float = 1e-5,
    ) -> None:
        super().__init__()
        check_rule(density=density, threshold=None, sign="positive")
        if readout not in get_args(AttentionReadout):
            raise ValueError(
                f"readout must be one of {get_args(AttentionReadout)}, got {readout!r}."
            )
        self.reads = ("series",)
        self.window, self.step, self.density = window, step, density
        self.min_volumes = window
        self.orthogonality = orthogonality
        self.time = nn.GRU(n_regions, hidden_channels, batch_first=True)
        self.embed_region = nn.Parameter(torch.randn(n_regions, hidden_channels) * 0.1)
        self.embed_time = nn.Linear(hidden_channels, hidden_channels)
        layers = range(num_layers)
        self.convs = nn.ModuleList(DenseGIN(hidden_channels, hidden_channels) for _ in layers)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_channels) for _ in layers)
        self.readouts = nn.ModuleList(
            _Attention(hidden_channels, n_regions, readout) for _ in layers
        )
        self.over_time = nn.ModuleList(
            nn.TransformerEncoderLayer(
                hidden_channels, heads, 2 * hidden_channels, dropout, batch_first=True
            )
            for _ in layers
        )
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleList(nn.Linear(hidden_channels, n_classes) for _ in layers)

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return logits (B, K)."""
        return self._classify(batch)[0]

    def loss(self, batch: BrainBatch, y: Tensor) -> Tensor:
        """Return the cross-entropy plus ``orthogonality`` times the nodes' overlap."""
        logits, overlap = self._classify(batch)
        return misfit(logits, y) + self.orthogonality * overlap

    def _classify(self, batch: BrainBatch) -> tuple[Tensor, Tensor]:
        """Return logits (B, K) and how far the nodes are from orthogonal."""
        correlation, inside = sliding_correlation(
            batch.series, batch.lengths, window=self.window, step=self.step
        )
        adj = strongest_edges(correlation[inside], density=self.density).sign()  # (N, R, R)
        states, _ = self.time(batch.series.masked_fill(~batch.mask[..., None], 0))  # (B, T, C)
        ends = states[:, self.window - 1 :: self.step]  # (B, W, C)
        h = self.embed_region + self.embed_time(ends[inside])[:, None]  # (N, R, C), N real windows
        logits, overlap = h.new_zeros(()), h.new_zeros(())
        layers = zip(self.convs, self.norms, self.readouts, self.over_time, self.heads, strict=True)
        for conv, norm, readout, over_time, head in layers:
            h = torch.relu(norm(conv(h, adj) / adj.shape[-1]))
            graphs = h.new_zeros(*inside.shape, h.shape[-1])  # (B, W, C)
            graphs[inside] = readout(h)
            attended = over_time(graphs, src_key_padding_mask=~inside).masked_fill(
                ~inside[..., None], 0
            )
            mean = attended.sum(dim=1) / inside.sum(dim=1, keepdim=True)  # (B, C)
            logits = logits + head(self.dropout(mean))
            overlap = overlap + _overlap(h)
        return logits, overlap


class _Attention(nn.Module):
    """A mean over regions, weighted by attention to some of them."""

    def __init__(self, channels: int, n_regions: int, kind: AttentionReadout) -> None:
        super().__init__()
        self.kind = kind
        if kind == "sero":
            self.squeeze = nn.Sequential(
                nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, n_regions)
            )
        elif kind == "garo":
            self.key, self.query = nn.Linear(channels, channels), nn.Linear(channels, channels)

    def forward(self, h: Tensor) -> Tensor:
        """Map nodes (N, R, C) to graphs (N, C)."""
        if self.kind == "mean":
            return h.mean(dim=1)
        return (h * self.attention(h)[..., None]).mean(dim=1)

    def attention(self, h: Tensor) -> Tensor:
        """Return the weight of each region (N, R)."""
        mean = h.mean(dim=1)  # (N, C)
        if self.kind == "sero":
            return self.squeeze(mean).sigmoid()
        scores = (self.key(h) @ self.query(mean)[..., None]).squeeze(-1)
        return (scores * h.shape[-1] ** -0.5).sigmoid()


def _overlap(h: Tensor) -> Tensor:
    """Return the mean over graphs of the nodes' scaled Gram matrix minus the identity."""
    gram = h @ h.mT  # (N, R, R)
    gram = gram / gram.amax(dim=(-2, -1), keepdim=True).clamp(min=1e-12)
    return (gram - torch.eye(h.shape[1], device=h.device)).flatten(1).norm(dim=-1).mean()
