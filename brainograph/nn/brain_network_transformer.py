"""Brain Network Transformer: attention between connection profiles, read out by clusters."""

import torch
from torch import Tensor, nn

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
    bottleneck_channels : int
        Width of the perceptron through which all regions pass together after the transformer.
    n_clusters : int
        Clusters of the readout.
    cluster_channels : int
        Width of a cluster's features before they are flattened.
    head_channels : int
        Width of the last hidden layer.
    dropout : float
        In the transformer and in the head.

    Notes
    -----
    Shapes: ``batch.connectivity[name]`` (B, R, R) to logits (B, K).

    What the paper states: connection profiles as features, two layers with 4 heads, cluster centers
    from Xavier initialisation made orthonormal by Gram and Schmidt, 100 clusters, cross-entropy
    alone, Adam with 1e-4 [1]_. What only the authors' code has: a perceptron of 32 units over all
    regions between transformer and readout, without which the averages over clusters forget which
    region was which; squared projections on the centers; a clustering loss that it never uses.
    What we chose: these two and no such loss; a learned identity of each region, which that code
    has and switches off; the centers stay fixed, at most as many as there are features.

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
        bottleneck_channels: int = 32,
        n_clusters: int = 100,
        cluster_channels: int = 8,
        head_channels: int = 32,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.connectivity = connectivity
        self.reads = (f"connectivity/{connectivity}",)
        position_channels += -(n_regions + position_channels) % heads
        width = n_regions + position_channels
        self.position = nn.Parameter(torch.randn(n_regions, position_channels) * 0.1)
        layer = nn.TransformerEncoderLayer(
            width, heads, feedforward_channels, dropout, batch_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, num_layers, enable_nested_tensor=False)
        for parameter in self.transformer.parameters():  # the layers start as copies of one
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
        self.bottleneck = nn.Sequential(
            nn.Linear(n_regions * width, bottleneck_channels),
            nn.LeakyReLU(),
            nn.Linear(bottleneck_channels, bottleneck_channels),
            nn.LeakyReLU(),
            nn.Linear(bottleneck_channels, n_regions * width),
        )
        n_clusters = min(n_clusters, width)
        centers = torch.linalg.qr(nn.init.xavier_uniform_(torch.empty(width, n_clusters))).Q
        self.register_buffer("centers", centers)  # (C, N), orthonormal columns
        self.reduce = nn.Sequential(nn.Linear(width, cluster_channels), nn.LeakyReLU())
        self.head = nn.Sequential(
            nn.Linear(n_clusters * cluster_channels, head_channels),
            nn.LeakyReLU(),
            nn.Dropout(dropout),
            nn.Linear(head_channels, n_classes),
        )

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return logits (B, K)."""
        profile = without_diagonal(batch.connectivity[self.connectivity])  # (B, R, R)
        position = self.position.expand(len(profile), -1, -1)  # (B, R, position)
        z = self.transformer(torch.cat([profile, position], dim=-1))  # (B, R, C)
        z = self.bottleneck(z.flatten(1)).view_as(z)
        assignment = (z @ self.centers).square().softmax(dim=-1)  # (B, R, N)
        clusters = self.reduce(assignment.mT @ z)  # (B, N, cluster_channels)
        return self.head(clusters.flatten(1))
