"""Pooling of a batch of dense graphs that all have the same number of nodes.

Every graph keeps the same number of nodes, so that a pooled batch is dense again and needs no mask.
"""

import math

import torch
from torch import Tensor, nn

from brainograph.nn.dense_conv import DenseGCN, DenseGraphConv

__all__ = ["DiffPool", "SAGPool", "TopKPool", "induced", "n_kept", "without_self"]


def n_kept(n_nodes: int, ratio: float) -> int:
    """Return how many of the nodes a ratio keeps, rounded up.

    Raises
    ------
    ValueError
        If the ratio is not in (0, 1].

    Examples
    --------
    >>> n_kept(111, 0.5)
    56
    """
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio must be in (0, 1], got {ratio}. To keep half write ratio=0.5.")
    return math.ceil(ratio * n_nodes)


def induced(adj: Tensor, index: Tensor) -> Tensor:
    """Return the graphs (B, k, k) between the nodes ``index`` (B, k) of graphs (B, R, R).

    Examples
    --------
    >>> induced(torch.arange(9.0).view(1, 3, 3), torch.tensor([[2, 0]]))
    tensor([[[8., 6.],
             [2., 0.]]])
    """
    rows = adj.gather(1, index[..., None].expand(-1, -1, adj.shape[-1]))  # (B, k, R)
    return rows.gather(2, index[:, None].expand(-1, index.shape[1], -1))  # (B, k, k)


def _keep_best(
    x: Tensor, adj: Tensor, score: Tensor, ratio: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Keep the nodes of highest score (B, R), multiplied by it."""
    best, index = score.topk(n_kept(x.shape[1], ratio), dim=1)  # (B, k)
    kept = x.gather(1, index[..., None].expand(-1, -1, x.shape[-1])) * best[..., None]
    assignment = torch.zeros_like(adj[:, : index.shape[1]])  # (B, k, R)
    return kept, induced(adj, index), assignment.scatter(2, index[..., None], best[..., None])


class TopKPool(nn.Module):
    r"""Keep the nodes that project furthest on a learned direction.

    .. math:: y = \tanh(X p / \lVert p \rVert),\quad i = \mathrm{top}_k(y),\quad
              X' = (X \odot y)_i,\quad A' = A_{i,i}

    Gao and Ji, Graph U-Nets, ICML 2019; the numbers of PyTorch Geometric's ``TopKPooling``.

    Parameters
    ----------
    in_channels : int
        Width of a node.
    n_nodes : int
        R, of each graph.
    ratio : float
        Share of the nodes to keep.

    Examples
    --------
    >>> x, adj, assignment = TopKPool(3, 5, 0.5)(torch.randn(2, 5, 3), torch.ones(2, 5, 5))
    >>> x.shape, adj.shape, assignment.shape
    (torch.Size([2, 3, 3]), torch.Size([2, 3, 3]), torch.Size([2, 3, 5]))
    """

    def __init__(self, in_channels: int, n_nodes: int, ratio: float) -> None:
        super().__init__()
        self.ratio, self.n_nodes = ratio, n_kept(n_nodes, ratio)
        self.direction = nn.Parameter(torch.empty(in_channels))
        nn.init.uniform_(self.direction, -(in_channels**-0.5), in_channels**-0.5)

    def forward(self, x: Tensor, adj: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return nodes (B, k, C), graphs (B, k, k) and what each node is made of (B, k, R)."""
        score = torch.tanh(x @ self.direction / self.direction.norm())  # (B, R)
        return _keep_best(x, adj, score, self.ratio)


class SAGPool(nn.Module):
    r"""Keep the nodes to which a graph convolution gives the highest score.

    As :class:`TopKPool` with :math:`y = \tanh(\mathrm{GraphConv}(X, A))`. Lee, Lee and Kang,
    Self-attention graph pooling, ICML 2019; the numbers of PyTorch Geometric's ``SAGPooling``.

    Parameters
    ----------
    in_channels, n_nodes, ratio
        As of :class:`TopKPool`.

    Examples
    --------
    >>> SAGPool(3, 5, 0.5)(torch.randn(2, 5, 3), torch.ones(2, 5, 5))[0].shape
    torch.Size([2, 3, 3])
    """

    def __init__(self, in_channels: int, n_nodes: int, ratio: float) -> None:
        super().__init__()
        self.ratio, self.n_nodes = ratio, n_kept(n_nodes, ratio)
        self.conv = DenseGraphConv(in_channels, 1)

    def forward(self, x: Tensor, adj: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return nodes (B, k, C), graphs (B, k, k) and what each node is made of (B, k, R)."""
        score = torch.tanh(self.conv(x, adj)).squeeze(-1)  # (B, R)
        return _keep_best(x, adj, score, self.ratio)


class DiffPool(nn.Module):
    r"""Pool the nodes into learned clusters, softly.

    .. math:: S = \mathrm{softmax}(\mathrm{GCN}(X, A)),\quad X' = S^\top X,\quad
              A' = S^\top A S

    with the rows of :math:`A'` divided by the nodes in the cluster, so that weights do not grow.
    Ying et al., Hierarchical graph representation learning with differentiable pooling, NeurIPS
    2018, eqs. 3 and 4; its auxiliary losses are left out.

    Parameters
    ----------
    in_channels, n_nodes, ratio
        As of :class:`TopKPool`; the ratio gives the number of clusters.

    Examples
    --------
    >>> DiffPool(3, 5, 0.5)(torch.randn(2, 5, 3), torch.ones(2, 5, 5))[0].shape
    torch.Size([2, 3, 3])
    """

    def __init__(self, in_channels: int, n_nodes: int, ratio: float) -> None:
        super().__init__()
        self.n_nodes = n_kept(n_nodes, ratio)
        self.conv = DenseGCN(in_channels, self.n_nodes)

    def forward(self, x: Tensor, adj: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return nodes (B, k, C), graphs (B, k, k) and what each node is made of (B, k, R)."""
        assignment = self.conv(x, adj.abs()).softmax(dim=-1).mT  # (B, k, R)
        share = assignment / assignment.sum(dim=-1, keepdim=True).clamp(min=1e-6)
        pooled = without_self(share @ adj @ assignment.mT)
        return share @ x, pooled, share


def without_self(adj: Tensor) -> Tensor:
    """Return graphs (B, k, k) without the edges of a node to itself."""
    return adj * (1 - torch.eye(adj.shape[-1], dtype=adj.dtype, device=adj.device))
