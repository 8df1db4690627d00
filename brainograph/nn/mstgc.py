"""MSTGC: a multi-channel spatio-temporal graph network on dynamic brain graphs."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.channels import check_channels, is_windowed, windowed_channel
from brainograph.nn.contrast import VariationalClub, hsic, info_nce
from brainograph.nn.dense_conv import DenseGCN
from brainograph.nn.misfit import misfit
from brainograph.nn.sparsify import strongest_edges

__all__ = ["MSTGC"]

Temporal = Literal["lstm", "mean"]
InfoMin = Literal["hsic", "vclub"]
_NUMBERS_AT_ONCE = 2**21  # of a channel's matrices: 8 MB, which malloc keeps and gives again


class Encoded(NamedTuple):
    """What the spatial part says of the N windows of a batch, one scan after the other."""

    fused: Tensor  # (N, R, C) node embeddings
    views: list[Tensor]  # of each channel, and the common one: (B, C) mean over nodes and windows
    attention: Tensor  # (N, R, views) weights of the views
    owner: Tensor  # (N,) whose window it is


class MSTGC(nn.Module):
    r"""Windows of several channels, graph convolutions, fusion by attention, and an LSTM over time.

    In each window and channel c the nodes carry their connection profile and listen to their
    strongest neighbours. A convolution of the channel's own and one that all channels share give

    .. math:: Z_c = G_c(X_c, A_c), \quad Z_0 = \tfrac1C \sum_c G_0(X_c, A_c), \quad
              Z = \sum_{k=0}^{C} \alpha_k Z_k

    with weights :math:`\alpha` of each node by attention. Two stacked LSTM layers read Z over the
    windows. Contrastive terms join the cross-entropy: *fusion InfoMax* makes Z of a subject tell
    its channels from those of others, *inter-channel InfoMin* keeps the channels from saying the
    same.

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    channels : sequence of str
        ``"dynamic"`` (windowed correlation), ``"band:0.01-0.05"`` (of series filtered to a band in
        Hz; needs the repetition time), ``"lag:1"`` (lagged by volumes), or the name of a
        connectivity such as ``"morph"`` or ``"sc"``, the same in all windows.
    window, step : int (volumes)
        ``window=None``: one window, the whole scan (the static ablation).
    density : float
        Share of the strongest positive edges that is kept.
    hidden_channels, out_channels, lstm_channels : int
        Widths.
    dropout : float
    shared : bool
        Whether there is a common convolution.
    attention : bool
        Whether views are weighted by attention, or all alike.
    temporal : {"lstm", "mean"}
        ``"mean"``: without the LSTM.
    infomax, infomin : float
        Weights of the two terms; 0 leaves them out.
    infomin_estimator : {"hsic", "vclub"}
        How dependence between channels is measured.
    temperature : float
        Of InfoMax.

    Raises
    ------
    ValueError
        If a channel cannot be read, or a scan is shorter than a window.

    Notes
    -----
    Shapes: ``batch.series`` (B, T, R) with lengths, ``batch.connectivity[name]`` (B, R, R) to
    logits (B, K).

    What the paper states (abstract): overlapping windows of ROI series, an adaptive multi-channel
    GCN under fusion InfoMax and inter-channel InfoMin, two stacked LSTM units, an MLP. What we
    chose: everything else. The adaptive part follows AM-GCN (Wang et al. 2020); InfoMax is InfoNCE
    between the fused and each channel's subject embedding, InfoMin HSIC or vCLUB between pairs of
    views; widths, density and weights are ours.

    References
    ----------
    .. [1] Xu et al., MSTGC, IEEE TNSRE 31:2359-2369, 2023.
    .. [2] Wang et al., AM-GCN: Adaptive Multi-channel Graph Convolutional Networks, KDD 2020.

    Examples
    --------
    >>> batch = BrainBatch(series=torch.randn(2, 40, 5), lengths=torch.tensor([40, 31]))
    >>> MSTGC(5, 2, channels=("dynamic", "lag:1"), window=20, step=5)(batch).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        channels: Sequence[str] = ("dynamic", "lag:1"),
        window: int | None = 30,
        step: int = 8,
        density: float = 0.2,
        hidden_channels: int = 64,
        out_channels: int = 32,
        lstm_channels: int = 32,
        dropout: float = 0.3,
        shared: bool = True,
        attention: bool = True,
        temporal: Temporal = "lstm",
        infomax: float = 0.1,
        infomin: float = 0.1,
        infomin_estimator: InfoMin = "hsic",
        temperature: float = 0.5,
    ) -> None:
        super().__init__()
        check_channels(tuple(channels), window=window)
        _check_choice("temporal", temporal, get_args(Temporal))
        _check_choice("infomin_estimator", infomin_estimator, get_args(InfoMin))
        self.n_regions, self.channels = n_regions, tuple(channels)
        self.window, self.step, self.density = window, step, density
        self.min_volumes = 2 if window is None else window
        self.infomax, self.infomin, self.temperature = infomax, infomin, temperature
        static = [f"connectivity/{name}" for name in channels if not is_windowed(name)]
        needs_series = len(static) < len(channels) or window is not None
        self.reads = (*(["series"] if needs_series else []), *static)
        widths = (n_regions, hidden_channels, out_channels, dropout)
        self.specific = nn.ModuleList(_TwoLayers(*widths) for _ in channels)
        self.common = _TwoLayers(*widths) if shared and len(channels) > 1 else None
        n_views = len(channels) + (self.common is not None)
        self.score = None
        if attention and n_views > 1:
            self.score = nn.Sequential(
                nn.Linear(out_channels, 16), nn.Tanh(), nn.Linear(16, 1, bias=False)
            )
        self.club = None
        if infomin and infomin_estimator == "vclub" and n_views > 1:
            self.club = VariationalClub(out_channels)
        self.project = nn.Sequential(nn.Linear(n_regions * out_channels, 64), nn.ReLU())
        self.lstm = None
        if temporal == "lstm":
            self.lstm = nn.LSTM(64, lstm_channels, num_layers=2, batch_first=True, dropout=dropout)
        in_channels = lstm_channels if temporal == "lstm" else 64
        self.head = nn.Sequential(
            nn.Linear(in_channels, in_channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(in_channels, n_classes),
        )

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return logits (B, K)."""
        return self._classify(self.encode(batch), len(batch))

    def loss(self, batch: BrainBatch, y: Tensor) -> Tensor:
        """Return the cross-entropy (of numbers, the squared error) and the contrastive terms."""
        encoded = self.encode(batch)
        total = misfit(self._classify(encoded, len(batch)), y)
        if self.infomax:
            fused = _by_scan(encoded.fused.mean(1), encoded.owner, len(batch))  # (B, C)
            for view in encoded.views[: len(self.channels)]:
                total = total + self.infomax * info_nce(fused, view, temperature=self.temperature)
        if self.infomin:
            dependence = self.club or hsic
            for first, second in combinations(encoded.views, 2):
                total = total + self.infomin * dependence(first, second)
        return total

    def channel_attention(self, batch: BrainBatch) -> tuple[Tensor, Tensor]:
        """Return the weights of the views, channels first and the common one last.

        Returns
        -------
        attention : Tensor (N, R, views)
            Of every window, one scan after the other.
        owner : Tensor (N,)
            The row of the batch that each window belongs to.
        """
        encoded = self.encode(batch)
        return encoded.attention, encoded.owner

    def encode(self, batch: BrainBatch) -> Encoded:
        """Embed the nodes of every window, a few scans at a time."""
        size = self._scans_at_once(batch)
        starts = range(0, len(batch), size)
        parts = [self._encode(batch[start : start + size].trim()) for start in starts]
        owners = [part.owner + start for part, start in zip(parts, starts, strict=True)]
        fused, views, attention, _ = zip(*parts, strict=True)
        together = [torch.cat(view) for view in zip(*views, strict=True)]
        return Encoded(torch.cat(fused), together, torch.cat(attention), torch.cat(owners))

    def _scans_at_once(self, batch: BrainBatch) -> int:
        """Return as many scans as a CPU holds without asking for fresh memory in every step."""
        if batch.device.type != "cpu":
            return len(batch)
        n_windows = 1
        if self.window is not None:
            n_windows += (batch.series.shape[1] - self.window) // self.step
        return max(1, _NUMBERS_AT_ONCE // (n_windows * self.n_regions**2))

    def _encode(self, batch: BrainBatch) -> Encoded:
        inside = self._windows(batch)  # (B, W)
        owner = torch.arange(len(batch), device=inside.device)[:, None].expand_as(inside)[inside]
        nodes, common = [], []
        for name, specific in zip(self.channels, self.specific, strict=True):
            x, edges, each = self._graphs(name, batch, inside)
            stacks: list[Any] = [specific] if self.common is None else [specific, self.common]
            own, *shared = [  # (N, R, C)
                z if each else z[owner] for z in _convolve(stacks, x, edges)
            ]
            nodes.append(own)
            common += shared
        if common:
            nodes.append(torch.stack(common).mean(0))
        stacked = torch.stack(nodes, dim=2)  # (N, R, views, C)
        if self.score is None:
            attention = torch.full_like(stacked[..., 0], 1 / len(nodes))
        else:
            attention = self.score(stacked).squeeze(-1).softmax(dim=-1)  # (N, R, views)
        fused = (attention[..., None] * stacked).sum(2)
        views = [_by_scan(node.mean(1), owner, len(batch)) for node in nodes]
        return Encoded(fused, views, attention, owner)

    def _windows(self, batch: BrainBatch) -> Tensor:
        """Return which windows lie inside each scan (B, W)."""
        if self.window is None:
            rows = len(batch)
            return torch.ones(rows, 1, dtype=torch.bool, device=batch.device)
        if int(batch.lengths.min()) < self.window:
            raise ValueError(
                f"a scan of {int(batch.lengths.min())} volumes is shorter than a window of "
                f"{self.window}. Write a smaller window, or leave short scans out: "
                "cohort[[len(x) >= window for x in cohort.timeseries]]."
            )
        starts = torch.arange(0, batch.series.shape[1] - self.window + 1, self.step)
        return starts.to(batch.device) + self.window <= batch.lengths[:, None]

    def _graphs(self, name: str, batch: BrainBatch, inside: Tensor) -> tuple[Tensor, Tensor, bool]:
        """Return profiles and edges (N, R, R) of a channel, and whether windows differ."""
        each = is_windowed(name) and self.window is not None
        if not is_windowed(name):
            matrices = batch.connectivity[name].clone()
        elif self.window is None:
            matrices = _whole_scans(name, batch)
        else:
            matrices = windowed_channel(name, batch, window=self.window, step=self.step)
            matrices = matrices.flatten(0, 1) if bool(inside.all()) else matrices[inside]
        matrices.diagonal(dim1=-2, dim2=-1).zero_()
        return matrices, _normalized(strongest_edges(matrices, density=self.density)), each

    def _classify(self, encoded: Encoded, n_scans: int) -> Tensor:
        """Read the windows of each scan in their order."""
        h = self.project(encoded.fused.flatten(1))  # (N, R * C) -> (N, 64)
        if self.lstm is None:
            return self.head(_by_scan(h, encoded.owner, n_scans))
        counts = torch.bincount(encoded.owner, minlength=n_scans)
        padded = nn.utils.rnn.pad_sequence(list(h.split(counts.tolist())), batch_first=True)
        packed = pack_padded_sequence(padded, counts.cpu(), batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)
        return self.head(last[-1])


class _TwoLayers(nn.Module):
    """The weights of two graph convolutions; :func:`_convolve` applies them."""

    def __init__(self, n_regions: int, hidden: int, out: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = DenseGCN(n_regions, hidden), DenseGCN(hidden, out)
        self.dropout = nn.Dropout(dropout)


def _convolve(stacks: list[_TwoLayers], x: Tensor, edges: Tensor) -> tuple[Tensor, ...]:
    """Return the node embeddings (N, R, out) of each stack, all stacks in one product a step."""
    first, second = [one.first for one in stacks], [one.second for one in stacks]
    h = x @ torch.cat([layer.linear.weight for layer in first]).T  # (N, R, stacks * hidden)
    h = torch.baddbmm(torch.cat([layer.bias for layer in first]), edges, h)
    h = stacks[0].dropout(h.relu())
    h = h @ torch.block_diag(*[layer.linear.weight for layer in second]).T
    h = torch.baddbmm(torch.cat([layer.bias for layer in second]), edges, h)
    return h.chunk(len(stacks), dim=-1)


def _normalized(adj: Tensor) -> Tensor:
    r"""Return :math:`\hat D^{-1/2} (A + I) \hat D^{-1/2}` of graphs (N, R, R) without loops."""
    root = (1 + adj.sum(-1, keepdim=True)).rsqrt()  # (N, R, 1)
    return root * (adj + torch.eye(adj.shape[-1], device=adj.device)) * root.mT


def _whole_scans(name: str, batch: BrainBatch) -> Tensor:
    """Return the matrices of a windowed channel over each whole scan (B, R, R)."""
    matrices = []
    for i, length in enumerate(batch.lengths.tolist()):
        alone = batch[[i]].trim()
        matrices.append(windowed_channel(name, alone, window=length, step=1)[0, 0])
    return torch.stack(matrices)


def _by_scan(windows: Tensor, owner: Tensor, n_scans: int) -> Tensor:
    """Average the windows (N, C) of each scan: (B, C)."""
    total = windows.new_zeros(n_scans, windows.shape[1]).index_add(0, owner, windows)
    return total / torch.bincount(owner, minlength=n_scans)[:, None]


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}.")
