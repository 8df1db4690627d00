"""BrainNetCNN: convolutions whose filters are crosses on a connectivity matrix."""

import itertools

from torch import Tensor, nn
from torch.nn import functional

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.sparsify import without_diagonal

__all__ = ["BrainNetCNN"]


class BrainNetCNN(nn.Module):
    r"""Edge-to-edge, edge-to-node and node-to-graph filters on a connectivity matrix.

    .. math:: \mathrm{E2E}: A'_{ij} = \sum_k A_{ik} r_k + A_{kj} c_k,\quad
              \mathrm{E2N}: a_i = \sum_k A_{ik} r_k + A_{ki} c_k,\quad
              \mathrm{N2G}: g = \sum_i a_i w_i

    each summed over the channels below, with a bias and a leaky ReLU.

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    connectivity : str
        Name of the matrix that is read.
    edge_channels : sequence of int
        Channels of each edge-to-edge layer.
    node_channels, graph_channels, head_channels : int
        Channels of the edge-to-node, of the node-to-graph and of the fully connected layers.
    dropout : float
        After the node-to-graph and the first fully connected layer.

    Notes
    -----
    Shapes: ``batch.connectivity[name]`` (B, R, R) to logits (B, K).

    What the paper states: the three kinds of filters, two edge-to-edge layers, one edge-to-node,
    one node-to-graph and fully connected layers, very leaky ReLU (0.33), dropout 0.5 [1]_. What we
    chose: fewer channels than the published 32, 32, 64 and 256, which overfit hundreds of
    participants and take ten times longer; a diagonal of 0; filters as matrix products.

    References
    ----------
    .. [1] Kawahara et al., BrainNetCNN: Convolutional neural networks for brain networks; towards
           predicting neurodevelopment, NeuroImage 146, 2017, eqs. 1 to 3.

    Examples
    --------
    >>> import torch
    >>> BrainNetCNN(9, 2)(BrainBatch(connectivity={"fc": torch.randn(2, 9, 9)})).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        connectivity: str = "fc",
        edge_channels: tuple[int, ...] = (16, 16),
        node_channels: int = 32,
        graph_channels: int = 64,
        head_channels: int = 32,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.connectivity = connectivity
        self.reads = (f"connectivity/{connectivity}",)
        widths = [1, *edge_channels, node_channels]
        self.crosses = nn.ModuleList(
            _Cross(before, after, n_regions) for before, after in itertools.pairwise(widths)
        )
        self.node_to_graph = nn.Linear(n_regions * node_channels, graph_channels)
        self.hidden = nn.Linear(graph_channels, head_channels)
        self.head = nn.Linear(head_channels, n_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return logits (B, K)."""
        h = without_diagonal(batch.connectivity[self.connectivity])[..., None]  # (B, R, R, 1)
        for cross in self.crosses[:-1]:
            rows, columns = cross(h)  # (B, R, C) each
            h = _leaky(rows[:, :, None] + columns[:, None])  # (B, R, R, C)
        rows, columns = self.crosses[-1](h)
        nodes = _leaky(rows + columns)  # (B, R, node)
        graph = self.dropout(_leaky(self.node_to_graph(nodes.flatten(1))))  # (B, graph)
        return self.head(self.dropout(_leaky(self.hidden(graph))))


class _Cross(nn.Module):
    """Sums along the rows and along the columns of matrices, weighted by learned filters."""

    def __init__(self, in_channels: int, out_channels: int, n_regions: int) -> None:
        super().__init__()
        self.row = nn.Linear(n_regions * in_channels, out_channels)
        self.column = nn.Linear(n_regions * in_channels, out_channels, bias=False)

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Map matrices (B, R, R, C) to two times (B, R, C')."""
        return self.row(h.flatten(2)), self.column(h.transpose(1, 2).flatten(2))


def _leaky(h: Tensor) -> Tensor:
    return functional.leaky_relu(h, 0.33)
