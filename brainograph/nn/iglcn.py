"""A graph between participants that is learned, and that a single new participant can join."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.dense_conv import weighted_softmax
from brainograph.nn.misfit import misfit

__all__ = ["IGLCN"]


class IGLCN(nn.Module):
    r"""Two graph convolutions over a latent graph between participants, learned with them.

    .. math:: x' = x \odot \sigma(g),\quad h = \mathrm{LayerNorm}(P x'),\\
              S_i = \mathrm{softmax}_{j \in N(i)} \mathrm{LeakyReLU}(a^\top |h_i - h_j|),\quad
              z = \hat S\, \mathrm{ReLU}(\hat S X' W_1)\, W_2

    with :math:`N(i)` the nearest in h and :math:`\hat S = (I + S) / 2`. In training the graph
    joins the participants of a batch. Each of these is remembered; in evaluation every participant
    listens to the remembered ones and to nobody else, so that an answer depends on no other query.

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    features : sequence of str
        What describes a participant: "connectivity/NAME" (upper triangle), "measures/NAME"
        (z-scored over the regions).
    latent_channels, hidden_channels : int
        Width of h and of the hidden graph convolution.
    n_neighbors : int
        Participants that one listens to.
    n_support : int
        Participants that are remembered, the last ones seen in training. Their features are part
        of the state: whoever is given the weights is given them.
    dropout : float
        Of the hidden layer.
    smoothness : float
        Weight in :meth:`loss` of :math:`\frac12 \sum_j S_{ij} \lVert h_i - h_j \rVert^2`.
    concentration : float
        Weight in :meth:`loss` of :math:`-\sum_j S_{ij}^2`: above 0 few neighbours are favoured, as
        in the code of [2]_; below 0 many, as its paper writes the term.
    gate_weight : float
        Weight in :meth:`loss` of the sum of the gates :math:`\sigma(g)`.

    Raises
    ------
    ValueError
        For other features.

    Notes
    -----
    Shapes: the named features, (B, R, R) or (B, R) each, to logits (B, K).

    What the papers state: a latent graph that is adjusted dynamically instead of one fixed over the
    whole data set, independent verification, interpretable features [1]_, without equations in what
    could be read; S with a plain ReLU, 70 latent and 30 hidden channels, the two terms of the loss
    with 0.01 and 0.0001, dropout 0.6 [2]_. What we chose: the gate; features of length 1; a leaky
    ReLU, since the plain one has no gradient once all its inputs are negative; nearest neighbours
    as candidates, and half of everybody's own features kept, without which a graph learned from
    random weights averages everybody; batches and remembered participants as mini-graphs.

    References
    ----------
    .. [1] Li et al., Interpretable graph learning convolutional network for Parkinson's disease
           diagnosis, EMBC 2023.
    .. [2] Jiang et al., Semi-supervised learning with graph learning-convolutional networks, CVPR
           2019.

    Examples
    --------
    >>> network, batch = IGLCN(9, 2), BrainBatch(connectivity={"fc": torch.randn(3, 9, 9)})
    >>> network(batch).shape
    torch.Size([3, 2])
    >>> torch.allclose(network.eval().neighbors(batch).sum(dim=1), torch.ones(3))
    True
    """

    support: Tensor
    n_seen: Tensor

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        features: Sequence[str] = ("connectivity/fc",),
        latent_channels: int = 70,
        hidden_channels: int = 30,
        n_neighbors: int = 10,
        n_support: int = 128,
        dropout: float = 0.6,
        smoothness: float = 0.01,
        concentration: float = 0.0001,
        gate_weight: float = 0.0001,
    ) -> None:
        super().__init__()
        known = [name.startswith(("connectivity/", "measures/")) for name in features]
        if isinstance(features, str) or not features or not all(known):
            raise ValueError(
                f"features must be a list of connectivity/NAME and measures/NAME, got {features!r}."
            )
        self.reads = tuple(features)
        self.n_neighbors, self.n_support = n_neighbors, n_support
        self.smoothness, self.concentration = smoothness, concentration
        self.gate_weight = gate_weight
        n_pairs = n_regions * (n_regions - 1) // 2
        n_features = sum(n_pairs if n.startswith("connectivity") else n_regions for n in features)
        self.gate = nn.Parameter(torch.zeros(n_features))
        self.project = nn.Linear(n_features, latent_channels, bias=False)
        self.norm = nn.LayerNorm(latent_channels)
        self.difference = nn.Parameter(torch.full((latent_channels,), -1 / latent_channels))
        self.first = nn.Linear(n_features, hidden_channels)
        self.second = nn.Linear(hidden_channels, n_classes)
        for wide in (self.project, self.first):
            nn.init.normal_(wide.weight)  # for features of length 1
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("support", torch.zeros(n_support, n_features))
        self.register_buffer("n_seen", torch.zeros((), dtype=torch.long))

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return logits (B, K)."""
        return self._classify(self._vectors(batch))[0]

    def loss(self, batch: BrainBatch, y: Tensor) -> Tensor:
        """Return the cross-entropy plus the terms of the graph and of the gates."""
        logits, graph, distance = self._classify(self._vectors(batch))
        smoothness = 0.5 * (graph * distance).sum(dim=1).mean()
        concentration = graph.square().sum(dim=1).mean()
        return (
            misfit(logits, y)
            + self.smoothness * smoothness
            - self.concentration * concentration
            + self.gate_weight * self.gate.sigmoid().sum()
        )

    def gates(self) -> Tensor:
        """Return how much of each feature (F,) is let through, in (0, 1)."""
        return self.gate.detach().sigmoid()

    def neighbors(self, batch: BrainBatch) -> Tensor:
        """Return how much each participant listens to each of the remembered ones (B, M)."""
        latent, _ = self._embed(self._vectors(batch))
        remembered, _ = self._embed(self.support[: self.n_seen])
        return self._graph(latent, remembered)[0]

    def _vectors(self, batch: BrainBatch) -> Tensor:
        """Return all features of the participants (B, F), of mean 0 and length 1."""
        parts = []
        for name in self.reads:
            kind, _, key = name.partition("/")
            if kind == "connectivity":
                matrices = batch.connectivity[key]
                i, j = torch.triu(torch.ones_like(matrices[0]), 1).nonzero(as_tuple=True)
                parts.append(matrices[:, i, j])  # (B, R * (R - 1) / 2)
            else:
                values = batch.measures[key]
                parts.append(functional.layer_norm(values, values.shape[-1:]))  # (B, R)
        x = torch.cat(parts, dim=-1)
        return functional.normalize(x - x.mean(dim=-1, keepdim=True), dim=-1)

    def _classify(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (B, K), the graph (B, M) and the squared distances along it (B, M)."""
        latent, h = self._embed(x)
        if self.training:
            self._remember(x)
            graph, distance = self._graph(latent, latent, alone=True)
            h = self.dropout(torch.relu(_listen(graph, h, h)))  # (B, hidden)
            own = self.second(h)
            return _listen(graph, own, own), graph, distance
        others, g = self._embed(self.support[: self.n_seen])
        among, _ = self._graph(others, others, alone=True)
        graph, distance = self._graph(latent, others)
        h, g = torch.relu(_listen(graph, h, g)), torch.relu(_listen(among, g, g))
        return _listen(graph, self.second(h), self.second(g)), graph, distance

    def _embed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return where participants are in the latent space, and their hidden features."""
        gated = x * self.gate.sigmoid()
        return self.norm(self.project(gated)), self.first(gated)

    def _graph(
        self, latent: Tensor, others: Tensor, *, alone: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the learned graph (B, M) and squared distances; ``alone`` hears not itself."""
        if len(others) == 0:
            return latent.new_zeros(len(latent), 0), latent.new_zeros(len(latent), 0)
        difference = (latent[:, None] - others[None]).abs()  # (B, M, latent)
        distance = difference.square().sum(dim=-1)  # (B, M)
        with torch.no_grad():
            far = distance.clone()
            if alone:
                far.fill_diagonal_(torch.inf)
            nearest = far.topk(min(self.n_neighbors, far.shape[1]), dim=1, largest=False)
            candidates = torch.zeros_like(far).scatter(1, nearest.indices, 1.0)
            candidates = candidates * far.isfinite()
        scores = functional.leaky_relu(difference @ self.difference, 0.2)  # (B, M)
        return weighted_softmax(scores, candidates), distance

    @torch.no_grad()
    def _remember(self, x: Tensor) -> None:
        """Put participants in front of those remembered."""
        self.support.copy_(torch.cat([x.to(self.support.dtype), self.support])[: self.n_support])
        self.n_seen += len(x)
        self.n_seen.clamp_(max=self.n_support)


def _listen(graph: Tensor, own: Tensor, others: Tensor) -> Tensor:
    """Mix own features (B, C) and those of others (M, C), half and half; alone, one's own."""
    heard = 0.5 * graph.sum(dim=1, keepdim=True)  # (B, 1), 0 where there is nobody
    return (1 - heard) * own + 0.5 * graph @ others
