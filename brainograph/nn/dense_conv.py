"""Graph convolutions on a batch of dense graphs: one batched matrix product each.

A batch is ``x (B, R, C)`` and ``adj (B, R, R)`` without a diagonal; row ``i`` of a graph holds
the weights of the edges that node ``i`` listens to. Fixed-size brain graphs are dense enough that
this beats gathering and scattering edges. Each layer gives the numbers of PyTorch Geometric's;
where that has no edge weights, weights of 1 do.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "DenseCheb",
    "DenseConv",
    "DenseGAT",
    "DenseGCN",
    "DenseGIN",
    "DenseGraphConv",
    "DenseSAGE",
    "DenseTransformer",
    "make_dense_conv",
    "weighted_softmax",
]

DenseConv = Literal["gcn", "gat", "gin", "graphconv", "sage", "cheb", "transformer"]


def weighted_softmax(scores: Tensor, weights: Tensor) -> Tensor:
    r"""Return :math:`w_{ij} e^{s_{ij}} / \sum_k w_{ik} e^{s_{ik}}`: 0 in a row without weights.

    Examples
    --------
    >>> weighted_softmax(torch.zeros(2, 3), torch.tensor([[1.0, 3.0, 0.0], [0.0, 0.0, 0.0]]))
    tensor([[0.2500, 0.7500, 0.0000],
            [0.0000, 0.0000, 0.0000]])
    """
    scores = scores.masked_fill(weights == 0, -torch.inf)
    highest = scores.detach().amax(dim=-1, keepdim=True).clamp(min=-1e30)
    terms = weights * (scores - highest).exp()
    return terms / terms.sum(dim=-1, keepdim=True).clamp(min=1e-12)


class DenseGCN(nn.Module):
    r"""Graph convolution of Kipf and Welling: :math:`\hat D^{-1/2}(A+I)\hat D^{-1/2} X W + b`.

    Weights must not be negative.

    Examples
    --------
    >>> DenseGCN(3, 4)(torch.ones(2, 5, 3), torch.ones(2, 5, 5)).shape
    torch.Size([2, 5, 4])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, adj: Tensor) -> Tensor:
        """Map ``x (B, R, in_channels)`` to ``(B, R, out_channels)``."""
        inverse_root = (1 + adj.sum(dim=-1, keepdim=True)) ** -0.5  # (B, R, 1)
        h = inverse_root * self.linear(x)  # (B, R, out)
        return inverse_root * (adj @ h + h) + self.bias


class DenseCheb(nn.Module):
    r"""Chebyshev convolution: :math:`\sum_{k<K} T_k(\hat L) X W_k + b`, projected first.

    :math:`\hat L = -D^{-1/2} A D^{-1/2}`, the Laplacian rescaled with a largest eigenvalue of 2.
    Defferrard et al., NeurIPS 2016, eq. 4. Weights must not be negative.

    Examples
    --------
    >>> DenseCheb(3, 4)(torch.ones(2, 5, 3), torch.ones(2, 5, 5)).shape
    torch.Size([2, 5, 4])
    """

    def __init__(self, in_channels: int, out_channels: int, K: int = 3) -> None:
        super().__init__()
        self.linears = nn.ModuleList(
            nn.Linear(in_channels, out_channels, bias=False) for _ in range(K)
        )
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, adj: Tensor) -> Tensor:
        """Map ``x (B, R, in_channels)`` to ``(B, R, out_channels)``."""
        degree = adj.sum(dim=-1, keepdim=True)  # (B, R, 1)
        inverse_root = torch.where(degree > 0, degree.clamp(min=1e-12) ** -0.5, 0)
        projected = [linear(x) for linear in self.linears]  # K times (B, R, out)
        after, last = torch.zeros_like(projected[0]), torch.zeros_like(projected[0])
        for h in projected[:0:-1]:  # Clenshaw's recurrence, from the highest term down
            after, last = h - 2 * inverse_root * (adj @ (inverse_root * after)) - last, after
        return projected[0] - inverse_root * (adj @ (inverse_root * after)) - last + self.bias


class DenseSAGE(nn.Module):
    r"""GraphSAGE with a weighted mean of the neighbours.

    :math:`x_i W_1 + b + \sum_j A_{ij} x_j W_2 / \sum_j |A_{ij}|`. Hamilton, Ying and Leskovec,
    NeurIPS 2017. Weights may be negative.

    Examples
    --------
    >>> DenseSAGE(3, 4)(torch.ones(2, 5, 3), torch.ones(2, 5, 5)).shape
    torch.Size([2, 5, 4])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.own = nn.Linear(in_channels, out_channels)
        self.neighbors = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, x: Tensor, adj: Tensor) -> Tensor:
        """Map ``x (B, R, in_channels)`` to ``(B, R, out_channels)``."""
        total = adj.abs().sum(dim=-1, keepdim=True).clamp(min=1e-12)  # (B, R, 1)
        return self.own(x) + adj @ self.neighbors(x) / total


class DenseGraphConv(nn.Module):
    r"""Weisfeiler-Leman convolution: :math:`x_i W_1 + b + \sum_j A_{ij} x_j W_2`.

    Morris et al., Weisfeiler and Leman go neural, AAAI 2019. Weights may be negative.

    Examples
    --------
    >>> DenseGraphConv(3, 4)(torch.ones(2, 5, 3), torch.ones(2, 5, 5)).shape
    torch.Size([2, 5, 4])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.own = nn.Linear(in_channels, out_channels)
        self.neighbors = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, x: Tensor, adj: Tensor) -> Tensor:
        """Map ``x (B, R, in_channels)`` to ``(B, R, out_channels)``."""
        return self.own(x) + adj @ self.neighbors(x)


class DenseGIN(nn.Module):
    r"""Graph isomorphism layer: :math:`\mathrm{MLP}((1+\epsilon) x_i + \sum_j A_{ij} x_j)`.

    Xu et al., How powerful are graph neural networks?, ICLR 2019, eq. 4.1. The first linear map of
    the MLP is applied before the sum. Weights may be negative.

    Examples
    --------
    >>> DenseGIN(3, 4)(torch.ones(2, 5, 3), torch.ones(2, 5, 5)).shape
    torch.Size([2, 5, 4])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.epsilon = nn.Parameter(torch.zeros(()))
        self.first = nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.second = nn.Linear(out_channels, out_channels)

    def forward(self, x: Tensor, adj: Tensor) -> Tensor:
        """Map ``x (B, R, in_channels)`` to ``(B, R, out_channels)``."""
        h = self.first(x)  # (B, R, out)
        return self.second(torch.relu((1 + self.epsilon) * h + adj @ h + self.bias))


class DenseGAT(nn.Module):
    r"""Graph attention that starts from the graph's weights; heads are averaged.

    Node i listens to j with :math:`\alpha_{ij} \propto A_{ij}\exp(\mathrm{LeakyReLU}(a_i^\top W x_i
    + a_j^\top W x_j))` over its neighbours and itself (:math:`A_{ii} = 1`). Velickovic et al., ICLR
    2018, eqs. 3 and 6. Weights must not be negative.

    Examples
    --------
    >>> DenseGAT(3, 4)(torch.ones(2, 5, 3), torch.ones(2, 5, 5)).shape
    torch.Size([2, 5, 4])
    """

    def __init__(self, in_channels: int, out_channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.linear = nn.Linear(in_channels, heads * out_channels, bias=False)
        self.att_target = nn.Parameter(torch.empty(heads, out_channels))
        self.att_source = nn.Parameter(torch.empty(heads, out_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.xavier_uniform_(self.att_target)
        nn.init.xavier_uniform_(self.att_source)

    def forward(self, x: Tensor, adj: Tensor) -> Tensor:
        """Map ``x (B, R, in_channels)`` to ``(B, R, out_channels)``."""
        h = _split_heads(self.linear(x), self.heads)  # (B, H, R, out)
        target = (h * self.att_target[:, None]).sum(dim=-1)  # (B, H, R)
        source = (h * self.att_source[:, None]).sum(dim=-1)  # (B, H, R)
        scores = functional.leaky_relu(target[..., None] + source[..., None, :], 0.2)
        weights = adj + torch.eye(adj.shape[-1], dtype=adj.dtype, device=adj.device)
        attention = weighted_softmax(scores, weights[:, None])  # (B, H, R, R)
        return (attention @ h).mean(dim=1) + self.bias


class DenseTransformer(nn.Module):
    r"""Attention over neighbours that starts from the graph's weights; heads are averaged.

    :math:`W_1 x_i + b + \sum_j \alpha_{ij} W_v x_j` with :math:`\alpha_{ij} \propto
    A_{ij}\exp((W_q x_i)^\top W_k x_j / \sqrt d)`. Shi et al., Masked label prediction, IJCAI 2021,
    eqs. 3 and 4. Weights must not be negative.

    Examples
    --------
    >>> DenseTransformer(3, 4)(torch.ones(2, 5, 3), torch.ones(2, 5, 5)).shape
    torch.Size([2, 5, 4])
    """

    def __init__(self, in_channels: int, out_channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(in_channels, heads * out_channels)
        self.key = nn.Linear(in_channels, heads * out_channels)
        self.value = nn.Linear(in_channels, heads * out_channels)
        self.own = nn.Linear(in_channels, out_channels)

    def forward(self, x: Tensor, adj: Tensor) -> Tensor:
        """Map ``x (B, R, in_channels)`` to ``(B, R, out_channels)``."""
        query, key, value = (
            _split_heads(linear(x), self.heads) for linear in (self.query, self.key, self.value)
        )  # (B, H, R, out)
        scores = query @ key.mT * query.shape[-1] ** -0.5
        attention = weighted_softmax(scores, adj[:, None])  # (B, H, R, R)
        return self.own(x) + (attention @ value).mean(dim=1)


def _split_heads(h: Tensor, heads: int) -> Tensor:
    """Turn (B, R, H * out) into (B, H, R, out)."""
    return h.unflatten(-1, (heads, -1)).transpose(1, 2)


_LAYERS: dict[str, type[nn.Module]] = {
    "gcn": DenseGCN,
    "gat": DenseGAT,
    "gin": DenseGIN,
    "graphconv": DenseGraphConv,
    "sage": DenseSAGE,
    "cheb": DenseCheb,
    "transformer": DenseTransformer,
}
_TAKE_NEGATIVE = ("gin", "graphconv", "sage")


def make_dense_conv(
    name: DenseConv, in_channels: int, out_channels: int, *, negative_weights: bool = False
) -> nn.Module:
    """Return a convolution for dense graphs by name.

    Parameters
    ----------
    name : {"gcn", "gat", "gin", "graphconv", "sage", "cheb", "transformer"}
    in_channels, out_channels : int
        Width of a node before and after.
    negative_weights : bool
        Whether the graphs have negative weights.

    Raises
    ------
    ValueError
        For another name, or a convolution that cannot take negative weights.

    Examples
    --------
    >>> make_dense_conv("gcn", 3, 4, negative_weights=True)
    Traceback (most recent call last):
        ...
    ValueError: conv='gcn' cannot take negative weights. Write sign='positive' or ...
    """
    if name not in _LAYERS:
        raise ValueError(f"conv must be one of {get_args(DenseConv)}, got {name!r}.")
    if negative_weights and name not in _TAKE_NEGATIVE:
        raise ValueError(
            f"conv={name!r} cannot take negative weights. Write sign='positive' or "
            f"sign='absolute', or one of conv={', '.join(map(repr, _TAKE_NEGATIVE))}."
        )
    return _LAYERS[name](in_channels, out_channels)
