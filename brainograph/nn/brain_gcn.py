"""The design space of graph networks on one brain graph per participant, in one module."""

import itertools
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.dense_conv import DenseConv, make_dense_conv
from brainograph.nn.pooling import DiffPool, SAGPool, TopKPool
from brainograph.nn.sparsify import Sign, check_rule, strongest_edges, without_diagonal

__all__ = ["BrainGCN", "Jumping", "Pooling", "Readout"]

Pooling = Literal["none", "topk", "sag", "diff"]
Readout = Literal["mean", "max", "sum", "mean+max", "concat"]
Jumping = Literal["none", "sum", "cat", "max"]
_POOLS: dict[str, type[TopKPool | SAGPool | DiffPool]] = {
    "topk": TopKPool,
    "sag": SAGPool,
    "diff": DiffPool,
}
_OF_GRAPH = ("profile", "identity", "degree", "strength")


class BrainGCN(nn.Module):
    r"""Graph convolutions over the regions of a brain, with every common choice as an argument.

    .. math:: H_l = \mathrm{pool}_l(\mathrm{ReLU}(\mathrm{LayerNorm}(\mathrm{conv}_l(H_{l-1},
              A_{l-1})))\; [+ H_{l-1}]),\qquad z = \mathrm{MLP}(\mathrm{jump}_l\,
              \mathrm{readout}(H_l))

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    edges : str or sequence of str
        Connectivity that makes the graph; of several, the product of their weights.
    node_features : sequence of str
        "profile" (row of the first of ``edges``, with its sign and diagonal 0), "identity" (one-hot
        region), "degree", "strength" (of the sparse graph), "measures/NAME" (z-scored over the
        regions), "profile/NAME" (row of another connectivity).
    density : float, optional
        Share of the edges to keep, the strongest.
    threshold : float, optional
        Keep edges stronger than this, instead.
    sign : {"positive", "absolute", "signed"}
        What becomes of negative weights; "signed" is for gin, graphconv and sage only.
    binary : bool
        Give the edges that are kept a weight of 1 (with "signed": -1 or 1).
    conv : {"gcn", "gat", "gin", "graphconv", "sage", "cheb", "transformer"}
    hidden_channels, num_layers : int
        Width and number of the convolutions.
    residual : bool
        Add the input of each convolution but the first to its output.
    pooling : {"none", "topk", "sag", "diff"}
        After each convolution: :class:`~brainograph.nn.pooling.TopKPool`, ``SAGPool`` or the
        hierarchical ``DiffPool``.
    ratio : float
        Share of the nodes that a pooling keeps.
    readout : {"mean", "max", "sum", "mean+max", "concat"}
        From nodes to a graph; "concat" keeps the regions apart, as ``concat_channels`` numbers
        each, and needs ``pooling="none"``.
    jumping : {"none", "sum", "cat", "max"}
        Read out the last layer alone, or all of them and combine.
    head_channels : int
        Width of the MLP's hidden layer.
    dropout : float
        Of nodes' features after each convolution, and in the head.

    Raises
    ------
    ValueError
        For a choice that does not exist, or two that do not go together.

    Notes
    -----
    Shapes: ``batch.connectivity[edges]`` (B, R, R) to logits (B, K).

    What the papers state: [1]_ compares node features, message passing and pooling, and finds
    connection profiles and concatenated nodes best. [2]_ uses two parcellations x three node x
    three edge features, TopK pooling and the maximum and mean of each level; the best were
    functional edges with nodes of both modalities. What we chose: layer sizes (none are published
    for [2]_); batched matrix products; layer instead of batch normalisation, so that a participant
    is the same alone and in any batch; thresholding inside, so that any matrix can be given. The
    network of [2]_ is ``BrainGCN(conv="graphconv", pooling="topk", ratio=0.5, num_layers=2,
    readout="mean+max", jumping="sum", node_features=("profile", "measures/NAME"))``.

    References
    ----------
    .. [1] Cui et al., BrainGB: A benchmark for brain network analysis with graph neural networks,
           IEEE Transactions on Medical Imaging 42, 2023.
    .. [2] Chen et al., Classification of schizophrenia using a graph convolutional network on
           multimodal features, Frontiers in Neuroscience 17:1140801, 2023.

    Examples
    --------
    >>> batch = BrainBatch(connectivity={"fc": torch.rand(2, 9, 9)})
    >>> BrainGCN(9, 2, conv="gat", pooling="topk", readout="mean+max")(batch).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        edges: str | Sequence[str] = "fc",
        node_features: Sequence[str] = ("profile",),
        density: float | None = 0.2,
        threshold: float | None = None,
        sign: Sign = "positive",
        binary: bool = False,
        conv: DenseConv = "gcn",
        hidden_channels: int = 64,
        num_layers: int = 2,
        residual: bool = False,
        pooling: Pooling = "none",
        ratio: float = 0.5,
        readout: Readout = "concat",
        concat_channels: int = 8,
        jumping: Jumping = "none",
        head_channels: int = 32,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        check_rule(density=density, threshold=threshold, sign=sign)
        _check(pooling=pooling, readout=readout, jumping=jumping, num_layers=num_layers)
        self.edges = (edges,) if isinstance(edges, str) else tuple(edges)
        self.node_features = _checked_features(node_features)
        self.reads = _reads(self.edges, self.node_features)
        self.density, self.threshold, self.sign, self.binary = density, threshold, sign, binary
        self.residual, self.readout, self.jumping = residual, readout, jumping
        wide = sum(
            n_regions if kind.startswith("profile") or kind == "identity" else 1
            for kind in self.node_features
        )
        widths = [wide, *[hidden_channels] * num_layers]
        self.convs = nn.ModuleList(
            make_dense_conv(conv, before, after, negative_weights=sign == "signed")
            for before, after in itertools.pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_channels) for _ in self.convs)
        self.pools = nn.ModuleList()
        n_nodes = n_regions
        for _ in self.convs if pooling != "none" else ():
            pool = _POOLS[pooling](hidden_channels, n_nodes, ratio)
            self.pools.append(pool)
            n_nodes = pool.n_nodes
        self.dropout = nn.Dropout(dropout)
        read = hidden_channels * (2 if readout == "mean+max" else 1)
        if readout == "concat":
            read = n_regions * concat_channels
            self.reduce = nn.Linear(hidden_channels, concat_channels)
        self.head = nn.Sequential(
            nn.Linear(read * (num_layers if jumping == "cat" else 1), head_channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(head_channels, n_classes),
        )

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return logits (B, K)."""
        return self.head(self._levels(batch)[0])

    def region_scores(self, batch: BrainBatch) -> Tensor:
        """Return how much of each region (B, R) the poolings let through, 0 for those dropped.

        Raises
        ------
        ValueError
            Without pooling.
        """
        if not self.pools:
            raise ValueError('region_scores needs pooling. Write pooling="topk".')
        passed = self._levels(batch)[1]  # R' nodes, made of R regions
        return passed.abs().sum(dim=1)

    def _levels(self, batch: BrainBatch) -> tuple[Tensor, Tensor]:
        """Return the graph's features (B, F) and what its last nodes are made of (B, R', R)."""
        x, adj = self._graph(batch)
        levels = []
        made_of = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            h = self.dropout(torch.relu(norm(conv(x, adj))))  # (B, R', hidden)
            x = h + x if self.residual and i > 0 else h
            if self.pools:
                x, adj, assignment = self.pools[i](x, adj)
                made_of = assignment @ made_of  # (B, R', R)
            if self.jumping != "none" or i == len(self.convs) - 1:
                levels.append(self._read(x))
        if self.jumping == "cat":
            return torch.cat(levels, dim=-1), made_of
        stacked = torch.stack(levels)  # (L, B, F)
        return stacked.amax(dim=0) if self.jumping == "max" else stacked.sum(dim=0), made_of

    def _graph(self, batch: BrainBatch) -> tuple[Tensor, Tensor]:
        """Return nodes (B, R, C) and sparse graphs (B, R, R)."""
        weights = batch.connectivity[self.edges[0]]
        for name in self.edges[1:]:
            weights = weights * batch.connectivity[name]
        adj = strongest_edges(
            weights, density=self.density, threshold=self.threshold, sign=self.sign
        )
        if self.binary:
            adj = adj.sign()
        nodes = [self._nodes(kind, batch, adj) for kind in self.node_features]
        return torch.cat(nodes, dim=-1) if len(nodes) > 1 else nodes[0], adj

    def _nodes(self, kind: str, batch: BrainBatch, adj: Tensor) -> Tensor:
        """Return one kind of node features (B, R, C)."""
        n_regions = adj.shape[-1]
        if kind.startswith("profile"):
            name = kind.partition("/")[2] or self.edges[0]
            return without_diagonal(batch.connectivity[name])
        if kind == "identity":
            return torch.eye(n_regions, dtype=adj.dtype, device=adj.device).expand_as(adj)
        if kind == "degree":
            return (adj != 0).sum(dim=-1, keepdim=True) / n_regions
        if kind == "strength":
            return adj.sum(dim=-1, keepdim=True) / n_regions
        values = batch.measures[kind.removeprefix("measures/")]
        return functional.layer_norm(values, values.shape[-1:])[..., None]

    def _read(self, x: Tensor) -> Tensor:
        """Turn nodes (B, R', C) into one row of features for each graph."""
        if self.readout == "concat":
            return self.reduce(x).flatten(1)  # (B, R * concat_channels)
        if self.readout == "mean+max":
            return torch.cat([x.mean(dim=1), x.amax(dim=1)], dim=-1)  # (B, 2 * C)
        if self.readout == "max":
            return x.amax(dim=1)
        return x.mean(dim=1) if self.readout == "mean" else x.sum(dim=1)


def _check(*, pooling: str, readout: str, jumping: str, num_layers: int) -> None:
    """Refuse choices that do not exist or do not go together."""
    for name, value, choices in (
        ("pooling", pooling, get_args(Pooling)),
        ("readout", readout, get_args(Readout)),
        ("jumping", jumping, get_args(Jumping)),
    ):
        if value not in choices:
            raise ValueError(f"{name} must be one of {choices}, got {value!r}.")
    if num_layers < 1:
        raise ValueError(f"num_layers must be at least 1, got {num_layers}.")
    if readout == "concat" and pooling != "none":
        raise ValueError(
            f"readout='concat' keeps the regions apart and pooling={pooling!r} does not. Write "
            "readout='mean+max' or pooling='none'."
        )


def _checked_features(kinds: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds of node features, each one known."""
    known = [k in _OF_GRAPH or k.startswith(("measures/", "profile/")) for k in kinds]
    if isinstance(kinds, str) or not kinds or not all(known):
        raise ValueError(
            f"node_features must be a list of {', '.join(_OF_GRAPH)}, measures/NAME and "
            f"profile/NAME, got {kinds!r}."
        )
    return tuple(kinds)


def _reads(edges: tuple[str, ...], kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Name what the network needs of a cohort, each once."""
    needs = [f"connectivity/{name}" for name in edges]
    needs += [k.replace("profile/", "connectivity/") for k in kinds if "/" in k]
    return tuple(dict.fromkeys(needs))
