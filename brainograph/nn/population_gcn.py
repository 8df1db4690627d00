"""The population graph network: participants are nodes, every node gets a diagnosis."""

import itertools

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from brainograph.nn.conv import make_conv

__all__ = ["PopulationGCN"]


class PopulationGCN(nn.Module):
    r"""Graph convolutions over a population, beside a linear path.

    .. math:: Z = H^{(L)} W_o + X W_s + b,\qquad
              H^{(l)} = \mathrm{ReLU}(\mathrm{conv}_l(H^{(l-1)}, A)),\quad H^{(0)} = X

    Parameters
    ----------
    in_channels : int
        Features of a participant.
    out_channels : int
        K, the number of classes.
    hidden_channels : int
        Width of the hidden layers.
    num_layers : int
        L, the number of graph convolutions.
    conv : str
        ``"gcn"``, ``"cheb"``, ``"sage"``, ``"gat"`` or a convolution of ``torch_geometric.nn``.
    dropout : float
        Share of the inputs of each convolution that is dropped in training.
    linear_skip : bool
        Whether :math:`X W_s` is there; its weights and :math:`W_o` start at zero, so that
        training starts from the prior and the graph path has to earn its place.

    Notes
    -----
    Shapes: ``batch.x`` (N, in_channels) and ``batch.adj`` (N, N), dense or sparse COO, to logits
    (N, K).

    What the paper states: one hidden Chebyshev layer of 16 over phenotype agreement times
    similarity, dropout 0.3. What we chose: any convolution and depth, and the linear path, since
    linear models are the strongest published competitor on connectomes.

    References
    ----------
    Parisot et al., Disease prediction using graph convolutional networks, Medical Image Analysis
    48, 2018.

    Examples
    --------
    >>> batch = Data(x=torch.randn(5, 8), adj=torch.ones(5, 5).fill_diagonal_(0))
    >>> PopulationGCN(8, 2)(batch).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        hidden_channels: int = 16,
        num_layers: int = 1,
        conv: str = "cheb",
        dropout: float = 0.3,
        linear_skip: bool = True,
    ) -> None:
        super().__init__()
        widths = [in_channels, *[hidden_channels] * num_layers]
        self.convs = nn.ModuleList(
            make_conv(conv, before, after) for before, after in itertools.pairwise(widths)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden_channels, out_channels)
        self.skip = nn.Linear(in_channels, out_channels, bias=False) if linear_skip else None
        if self.skip is not None:
            nn.init.zeros_(self.skip.weight)

    def forward(self, batch: Data) -> Tensor:
        """Return logits (N, K)."""
        x, adj = batch.x, batch.adj
        h = x
        for conv in self.convs:
            h = torch.relu(conv(self.dropout(h), adj))  # (N, hidden)
        logits = self.head(self.dropout(h))  # (N, K)
        return logits if self.skip is None else logits + self.skip(x)
