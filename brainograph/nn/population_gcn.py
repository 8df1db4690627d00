"""The population graph network: participants are nodes, every node gets a diagnosis."""

import itertools

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from brainograph.nn.conv import make_conv, mean_of_neighbors

__all__ = ["PopulationGCN"]


class PopulationGCN(nn.Module):
    r"""Graph convolutions over a population, beside a linear path that may listen to neighbours.

    .. math:: Z = H^{(L)} W_o + (X + \beta D^{-1} A X) W_s + b,\qquad
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
        L, the number of graph convolutions; 0 leaves the linear path alone.
    conv : str
        ``"gcn"``, ``"cheb"``, ``"sage"``, ``"gat"`` or a convolution of ``torch_geometric.nn``.
    dropout : float
        Share of the inputs of each convolution that is dropped in training.
    linear_skip : bool
        Whether the linear path is there; :math:`W_s` starts at zero.
    skip_smoothing : float
        :math:`\beta`: 0 is a plain linear path, 1 adds the mean of the neighbours, a negative
        value takes it away.

    Raises
    ------
    ValueError
        If neither path is left.

    Notes
    -----
    Shapes: ``batch.x`` (N, in_channels) and ``batch.adj`` (N, N), dense or sparse COO, to logits
    (N, K).

    What the papers state: one hidden Chebyshev layer of 16 over phenotype agreement times
    similarity, dropout 0.3 [1]_; a linear classifier on propagated features loses nothing against
    deeper graph networks [2]_. What we chose: both paths in one network, since linear models are
    the strongest published competitor on connectomes; the mean over neighbours, which does not
    shrink a participant with few of them.

    References
    ----------
    .. [1] Parisot et al., Disease prediction using graph convolutional networks, Medical Image
           Analysis 48, 2018.
    .. [2] Wu et al., Simplifying graph convolutional networks, ICML 2019, eq. 8.

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
        skip_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if num_layers < 0 or (num_layers == 0 and not linear_skip):
            raise ValueError(
                f"num_layers must be at least {0 if linear_skip else 1} with "
                f"linear_skip={linear_skip}, got {num_layers}: no path would be left."
            )
        widths = [in_channels, *[hidden_channels] * num_layers]
        self.convs = nn.ModuleList(
            make_conv(conv, before, after) for before, after in itertools.pairwise(widths)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden_channels, out_channels, bias=False) if num_layers else None
        self.skip = nn.Linear(in_channels, out_channels, bias=False) if linear_skip else None
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.skip_smoothing = skip_smoothing
        if self.skip is not None:
            nn.init.zeros_(self.skip.weight)

    def forward(self, batch: Data) -> Tensor:
        """Return logits (N, K)."""
        x, adj = batch.x, batch.adj
        logits = self.bias.expand(len(x), -1)
        if self.head is not None:
            h = x
            for conv in self.convs:
                h = torch.relu(conv(self.dropout(h), adj))  # (N, hidden)
            logits = logits + self.head(self.dropout(h))
        if self.skip is not None:
            own = self.skip(x)  # (N, K)
            logits = logits + own
            if self.skip_smoothing:
                logits = logits + self.skip_smoothing * (mean_of_neighbors(adj) @ own)
        return logits
