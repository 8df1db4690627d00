"""EV-GCN: how strongly two participants are joined is learnt from their phenotypes."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.conv import Cheb
from brainograph.nn.population.network import Joiner, PopulationNetwork, Standardize

__all__ = ["EVGCN"]


class EVGCN(PopulationNetwork):
    r"""Chebyshev convolutions over edges whose weights a network reads off two phenotypes.

    .. math:: w_{ij} = A_{ij}\,\frac{\cos(f(p_i), f(p_j)) + 1}{2},\qquad
              H^{(l)} = \mathrm{ReLU}(\mathrm{cheb}_l(H^{(l-1)}, w)),\qquad
              Z = \mathrm{MLP}([H^{(1)} \Vert \dots \Vert H^{(L)}])

    where A, by phenotypes and similar features, says who may be joined at all, and f is a
    perceptron that all participants share.

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    n_phenotypes : int
        Of a participant, from which edges are learnt.
    connectivity : str
        Whose edges are the features.
    channels : int
        Width of a participant's vector.
    pair_channels : int
        Width of f.
    hidden_channels, num_layers : int
        Of the convolutions.
    K : int
        Terms of a Chebyshev filter.
    head_channels : int
        Width of the last hidden layer.
    dropout, edge_dropout : float
        Of features and of edges; Monte Carlo dropout draws both.

    Raises
    ------
    ValueError
        Without phenotypes.

    Notes
    -----
    Shapes: ``batch.connectivity[name]`` (B, R, R) and ``batch.phenotypes`` (B, P) to logits (N, K).

    What the paper states: the pairwise encoder with its cosine, shared perceptrons of 128, four
    Chebyshev layers of 16 with K = 3, jumping knowledge, 256 units before the answer, dropout of
    0.2 and of 0.3 of the edges, pruning by a static affinity [1]_. What we chose: a projection in
    place of feature selection; layer in place of batch normalisation, so that a new participant
    changes nobody; edges both ways (the authors' code joins i to j only where i < j, so that a
    node's degree tells its row, and the rows of ABIDE tell the diagnosis).

    References
    ----------
    .. [1] Huang and Chung, Edge-variational graph convolutional networks for uncertainty-aware
           disease prediction, MICCAI 2020, eqs. 1 to 3.

    Examples
    --------
    >>> from brainograph.nn.population import Join
    >>> network = EVGCN(5, 2, n_phenotypes=2)
    >>> batch = BrainBatch(connectivity={"fc": torch.randn(6, 5, 5)}, phenotypes=torch.randn(6, 2))
    >>> network.propagate(network.encode(batch), Join(1 - torch.eye(6))).shape
    torch.Size([6, 2])
    """

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        n_phenotypes: int = 0,
        connectivity: str = "fc",
        channels: int = 64,
        pair_channels: int = 128,
        hidden_channels: int = 16,
        num_layers: int = 4,
        K: int = 3,
        head_channels: int = 256,
        dropout: float = 0.2,
        edge_dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if not n_phenotypes:
            raise ValueError(
                "EVGCN learns its edges from phenotypes and was given none. Write "
                'phenotypes=("age", "sex").'
            )
        self.connectivity = connectivity
        self.reads = (f"connectivity/{connectivity}", "phenotypes")
        n_edges = n_regions * (n_regions - 1) // 2
        self.register_buffer("upper", torch.triu_indices(n_regions, n_regions, 1), persistent=False)
        self.scale = Standardize(n_edges)
        self.project = nn.Linear(n_edges, channels)
        self.pair = nn.Sequential(
            nn.Linear(n_phenotypes, pair_channels),
            nn.ReLU(),
            nn.LayerNorm(pair_channels),
            nn.Dropout(dropout),
            nn.Linear(pair_channels, pair_channels),
        )
        self.channels = channels
        self.convs = nn.ModuleList(
            Cheb(channels if i == 0 else hidden_channels, hidden_channels, K)
            for i in range(num_layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.edge_dropout = nn.Dropout(edge_dropout)
        self.head = nn.Sequential(
            nn.Linear(num_layers * hidden_channels, head_channels),
            nn.ReLU(),
            nn.LayerNorm(head_channels),
            nn.Linear(head_channels, n_classes),
        )

    def _edges(self, batch: BrainBatch) -> Tensor:
        i, j = self.get_buffer("upper")
        return batch.connectivity[self.connectivity][:, i, j]

    def observe(self, batch: BrainBatch) -> None:
        """Learn the mean and the deviation of each edge."""
        self.scale.update(self._edges(batch))

    def encode(self, batch: BrainBatch) -> Tensor:
        """Return each participant's vector and direction among phenotypes (B, C + pair)."""
        x = self.scale(self._edges(batch))
        x = self.project(self.dropout(x) / x.shape[1] ** 0.5)
        return torch.cat([x, normalize(self.pair(batch.phenotypes), dim=1)], dim=1)

    def propagate(self, h: Tensor, join: Joiner) -> Tensor:
        """Return logits (N, K)."""
        x, directions = h[:, : self.channels], h[:, self.channels :]
        graph = self.weigh(join(x), directions)
        levels = []
        for conv in self.convs:
            x = torch.relu(conv(self.dropout(x), graph))
            levels.append(x)
        return self.head(torch.cat(levels, dim=1))

    def weigh(self, graph: Tensor, directions: Tensor) -> Tensor:
        """Return a graph (N, N), dense or sparse, with its weights times those that are learnt."""
        if not graph.is_sparse:
            return self.edge_dropout(graph * (directions @ directions.T + 1) / 2)
        i, j = graph.indices()
        agreement = ((directions[i] * directions[j]).sum(dim=1) + 1) / 2
        return torch.sparse_coo_tensor(
            graph.indices(),
            self.edge_dropout(graph.values() * agreement),
            graph.shape,
            is_coalesced=True,
            check_invariants=False,
        )
