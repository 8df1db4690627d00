"""VMM-DGCN: features of several scales, a population graph and a deep graph network for each."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.population.deep_gcn import DeepGCN
from brainograph.nn.population.network import Joiner, PopulationNetwork, Standardize

__all__ = ["VMMDGCN"]

ScaleFusion = Literal["concat", "attention"]


class VMMDGCN(PopulationNetwork):
    r"""Filters over bands of 3, 5, 7 regions; each scale has phenotypes, a graph and a DeepGCN.

    .. math:: f^k = [\mathrm{maxpool}(\mathrm{ReLU}(\mathrm{conv}_k(C))) \Vert p],\qquad
              h^k = \mathrm{DeepGCN}_k(W_k f^k, A(f^k)),\qquad
              z = \mathrm{MLP}(\mathrm{fuse}_k h^k)

    with the standardised connectivity C, filters of k whole rows, and phenotypes p.

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    connectivity : str
        Name of the matrix that is read.
    kernel_sizes : sequence of int
        Rows that a filter sees, a scale for each; odd numbers.
    filters, n_bands : int
        Filters of each scale, and bands of regions of which each filter's maximum is kept.
    hidden_channels, num_layers : int
        Width and number of the graph convolutions of each scale, 4 to 28 layers.
    fusion : {"concat", "attention"}
        Scales side by side, or their sum, weighed for each participant.
    dropout : float
        Of what the filters found, in the blocks, and in the head.
    n_phenotypes : int
        P.

    Raises
    ------
    ValueError
        For a choice that does not exist.

    Notes
    -----
    Shapes: codes (N, scales, filters * n_bands + P) to logits (N, K).

    What the paper states: convolutions with kernels of several sizes over functional
    connectivity, non-imaging information in the features of each scale, several population
    graphs, DeepGCN, fused node features [1]_. What we chose (no sizes are known): kernels 3, 5
    and 7; edges standardised by the training participants; softmax aggregation in residual
    blocks, as the deepest published graph networks have it; layer norm.

    References
    ----------
    .. [1] Liu et al., VMM-DGCN, CAAI Transactions on Intelligence Technology 9(4):879-893, 2024.

    Examples
    --------
    >>> from brainograph.nn.population import Join
    >>> network = VMMDGCN(9, 2).eval()
    >>> codes = network.encode(BrainBatch(connectivity={"fc": torch.rand(4, 9, 9)}))
    >>> network.propagate(codes, Join(1 - torch.eye(4))).shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        connectivity: str = "fc",
        kernel_sizes: Sequence[int] = (3, 5, 7),
        filters: int = 8,
        n_bands: int = 16,
        hidden_channels: int = 64,
        num_layers: int = 4,
        fusion: ScaleFusion = "concat",
        dropout: float = 0.3,
        n_phenotypes: int = 0,
    ) -> None:
        super().__init__()
        if fusion not in get_args(ScaleFusion):
            raise ValueError(f"fusion must be one of {get_args(ScaleFusion)}, got {fusion!r}.")
        if not kernel_sizes or any(size % 2 == 0 for size in kernel_sizes):
            raise ValueError(f"kernel_sizes must be odd numbers, got {kernel_sizes!r}.")
        self.connectivity = connectivity
        phenotypes = ("phenotypes",) if n_phenotypes else ()
        self.reads = (f"connectivity/{connectivity}", *phenotypes)
        self.scale = Standardize(n_regions, n_regions)
        n_scales, width = len(kernel_sizes), filters * n_bands
        self.filters = nn.ModuleList(
            nn.Conv1d(n_regions, filters, size, padding=size // 2) for size in kernel_sizes
        )
        self.pool = nn.AdaptiveMaxPool1d(n_bands)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in kernel_sizes)
        self.inputs = nn.ModuleList(
            nn.Linear(width + n_phenotypes, hidden_channels) for _ in kernel_sizes
        )
        self.deep = nn.ModuleList(
            DeepGCN(hidden_channels, num_layers, dropout=dropout) for _ in kernel_sizes
        )
        self.attention = nn.Linear(hidden_channels, 1) if fusion == "attention" else None
        self.dropout = nn.Dropout(dropout)
        fused = hidden_channels * (1 if fusion == "attention" else n_scales)
        self.head = nn.Sequential(
            nn.Linear(fused, hidden_channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_channels, n_classes),
        )

    def observe(self, batch: BrainBatch) -> None:
        """Learn means and deviations of the edges."""
        self.scale.update(batch.connectivity[self.connectivity])

    def encode(self, batch: BrainBatch) -> Tensor:
        """Return the features of each scale (B, scales, filters * n_bands + P)."""
        rows = self.scale(batch.connectivity[self.connectivity]).mT  # (B, R columns, R rows)
        scales = []
        for convolve, norm in zip(self.filters, self.norms, strict=True):
            found = norm(self.pool(torch.relu(convolve(rows))).flatten(1))
            known = [] if batch.phenotypes is None else [batch.phenotypes]
            scales.append(torch.cat([found, *known], dim=1))
        return torch.stack(scales, dim=1)

    def propagate(self, h: Tensor, join: Joiner) -> Tensor:
        """Return logits (N, K)."""
        return self.head(self._fuse(self.deep_features(h, join)))

    def deep_features(self, h: Tensor, join: Joiner) -> Tensor:
        """Return what each scale's DeepGCN makes of each participant (N, scales, hidden)."""
        scales = [
            deep(enter(self.dropout(h[:, k])), join(h[:, k]))
            for k, (enter, deep) in enumerate(zip(self.inputs, self.deep, strict=True))
        ]
        return torch.stack(scales, dim=1)

    def _fuse(self, x: Tensor) -> Tensor:
        if self.attention is None:
            return x.flatten(1)
        return (self.attention(torch.tanh(x)).softmax(dim=1) * x).sum(dim=1)
