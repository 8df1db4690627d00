"""DeepGCN: dozens of graph convolutions in residual blocks, without nodes becoming alike."""

import torch
from torch import Tensor, nn

__all__ = ["DeepGCN", "SoftmaxConv"]

_EPS = 1e-7


class SoftmaxConv(nn.Module):
    r"""Listen most to the neighbours who say most, for each channel by itself.

    .. math:: m_j = \mathrm{ReLU}(x_j) + \epsilon,\qquad
              a_i = \frac{\sum_j A_{ij} e^{t m_j} m_j}{\sum_j A_{ij} e^{t m_j}},\qquad
              x'_i = \mathrm{MLP}(x_i + a_i)

    With weights of 1 this is GENConv with a softmax aggregation [1]_, as two matrix products.

    Parameters
    ----------
    channels : int
        Width of a node.

    References
    ----------
    .. [1] Li et al., DeeperGCN: All you need to train deeper GCNs, arXiv:2006.07739, 2020.

    Examples
    --------
    >>> SoftmaxConv(4)(torch.ones(3, 4), torch.ones(3, 3)).shape
    torch.Size([3, 4])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.t = nn.Parameter(torch.ones(()))
        self.mlp = nn.Sequential(
            nn.Linear(channels, 2 * channels),
            nn.LayerNorm(2 * channels),
            nn.ReLU(),
            nn.Linear(2 * channels, channels),
        )

    def aggregate(self, x: Tensor, adj: Tensor) -> Tensor:
        """Return what each node hears (N, channels), 0 where nobody speaks."""
        said = torch.relu(x) + _EPS
        scaled = self.t * said
        weight = torch.exp(scaled - scaled.amax(dim=0).detach())
        heard = adj @ torch.cat([weight * said, weight], dim=1)  # (N, 2 * channels)
        total, norm = heard.chunk(2, dim=1)
        return total / norm.clamp(min=1e-20)

    def forward(self, x: Tensor, adj: Tensor) -> Tensor:
        """Map ``x (N, channels)`` to the same, on a graph (N, N), dense or sparse."""
        return self.mlp(x + self.aggregate(x, adj))


class DeepGCN(nn.Module):
    r"""Residual blocks of graph convolutions, normalised before they listen.

    .. math:: x^{(l+1)} = x^{(l)} + \mathrm{conv}_l(\mathrm{drop}(\mathrm{ReLU}(
              \mathrm{LN}(x^{(l)}))), A)

    Parameters
    ----------
    channels : int
        Width of a node.
    num_layers : int
        Number of convolutions.
    dropout : float
        Before each but the first.

    References
    ----------
    Li et al., DeepGCNs: Can GCNs go as deep as CNNs?, ICCV 2019; the order within a block is
    "res+" of Li et al., arXiv:2006.07739, 2020.

    Examples
    --------
    >>> DeepGCN(4, 28)(torch.ones(3, 4), torch.ones(3, 3)).shape
    torch.Size([3, 4])
    """

    def __init__(self, channels: int, num_layers: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, got {num_layers}.")
        self.convs = nn.ModuleList(SoftmaxConv(channels) for _ in range(num_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(num_layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, adj: Tensor) -> Tensor:
        """Map ``x (N, channels)`` to the same."""
        x = self.convs[0](x, adj)
        for conv, norm in zip(self.convs[1:], self.norms[1:], strict=True):
            x = x + conv(self.dropout(torch.relu(norm(x))), adj)
        return torch.relu(self.norms[0](x))
