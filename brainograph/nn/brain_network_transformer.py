"""Brain Network Transformer: attention between connection profiles, read out by clusters."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.sparsify import without_diagonal

__all__ = ["BrainNetworkTransformer"]


class BrainNetworkTransformer(nn.Module):
    r"""A transformer over regions, and a readout that pools them into orthonormal clusters.

    .. math:: Z = \mathrm{Transformer}([X \Vert W_p]),\qquad P_{ik} = \mathrm{softmax}_k
              \langle Z_i, E_k \rangle,\qquad Z_G = P^\top Z

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    connectivity : str
        Name of the matrix whose rows are the regions' features.
    num_layers, heads : int
        Transformer layers and attention heads.
    feedforward_channels : int
        Width of the feed-forward part of a layer.
    position_channels : int
        Least width of the learned identity of a region; rounded up until the heads share the
        width evenly.
    n_clusters : int
        Clusters of the readout.
    cluster_channels : int
        Width of a cluster's features before they are flattened.
    head_channels : int
        Width of the last hidden layer.
    dropout : float
        In the transformer and in the head.
    clustering_weight : float
        Weight in :meth:`loss` of the divergence between the assignments and their sharpened form.

    Notes
    -----
    Shapes: ``batch.connectivity[name]`` (B, R, R) to logits (B, K).

    What the paper states: connection profiles as features, two layers with 4 heads, cluster centers
    from Xavier initialisation made orthonormal by Gram and Schmidt, 100 clusters, cross-entropy
    alone, Adam with 1e-4 [1]_; the authors' code adds a learned identity of each region and defines
    a clustering loss that it never uses. What we chose: the centers stay fixed and orthonormal; at
    most as many clusters as features; the clustering loss is there with a weight of 0; layer
    normalisation before attention, for stable training without a warm-up.

    References
    ----------
    .. [1] Kan et al., Brain network transformer, NeurIPS 2022, eqs. 1 to 4.

    Examples
    --------
    >>> network = BrainNetworkTransformer(9, 2, n_clusters=4)
    >>> network(BrainBatch(connectivity={"fc": torch.randn(2, 9, 9)})).shape
    torch.Size([2, 2])
    """

    centers: Tensor

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        connectivity: str = "fc",
        num_layers: int = 2,
        heads: int = 4,
        feedforward_channels: int = 256,
        position_channels: int = 8,
        n_clusters: int = 100,
        cluster_channels: int = 8,
        head_channels: int = 32,
        dropout: float = 0.3,
        clustering_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.connectivity = connectivity
        self.reads = (f"connectivity/{connectivity}",)
        self.clustering_weight = clustering_weight
        position_channels += -(n_regions + position_channels) % heads
        width = n_regions + position_channels
        self.position = nn.Parameter(torch.randn(n_regions, position_channels) * 0.1)
        layer = nn.TransformerEncoderLayer(
            width, heads, feedforward_channels, dropout, batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, num_layers, enable_nested_tensor=False)
        for parameter in self.transformer.parameters():  # the layers start as copies of one
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
        n_clusters = min(n_clusters, width)
        centers = torch.linalg.qr(nn.init.xavier_uniform_(torch.empty(width, n_clusters))).Q
        self.register_buffer("centers", centers)  # (C, N), orthonormal columns
        self.reduce = nn.Linear(width, cluster_channels)
        self.head = nn.Sequential(
            nn.Linear(n_clusters * cluster_channels, head_channels),
            nn.LeakyReLU(),
            nn.Dropout(dropout),
            nn.Linear(head_channels, n_classes),
        )

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return logits (B, K)."""
        return self._classify(batch)[0]

    def loss(self, batch: BrainBatch, y: Tensor) -> Tensor:
        r"""Return the cross-entropy plus ``clustering_weight`` times :math:`KL(Q \Vert P)`.

        :math:`Q_{ik} \propto P_{ik}^2 / \sum_i P_{ik}`, the target of deep embedded clustering.
        """
        logits, assignment = self._classify(batch)
        loss = functional.cross_entropy(logits, y)
        if self.clustering_weight == 0:
            return loss
        sharp = assignment.square() / assignment.sum(dim=1, keepdim=True)  # (B, R, N)
        target = (sharp / sharp.sum(dim=-1, keepdim=True)).detach()
        divergence = (target * (target / assignment).clamp(min=1e-12).log()).sum(dim=-1).mean()
        return loss + self.clustering_weight * divergence

    def _classify(self, batch: BrainBatch) -> tuple[Tensor, Tensor]:
        """Return logits (B, K) and how much of each region is in each cluster (B, R, N)."""
        profile = without_diagonal(batch.connectivity[self.connectivity])  # (B, R, R)
        position = self.position.expand(len(profile), -1, -1)  # (B, R, position)
        z = self.transformer(torch.cat([profile, position], dim=-1))  # (B, R, C)
        assignment = (z @ self.centers).softmax(dim=-1)  # (B, R, N)
        clusters = self.reduce(assignment.mT @ z)  # (B, N, cluster_channels)
        return self.head(clusters.flatten(1)), assignment
