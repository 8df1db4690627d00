"""A gate over regions: which of them a network reads."""

import dataclasses

import torch
from torch import Tensor, nn

from brainograph.nn.brain_batch import BrainBatch

__all__ = ["RegionGate"]


class RegionGate(nn.Module):
    r"""Weigh each region by a learnt number in (0, 1), or keep the best regions only.

    .. math:: g = \sigma(s),\qquad C'_{ij} = g_i g_j C_{ij},\qquad x'_i = g_i x_i

    Matrices and measures of another parcellation (``"aparc/morph"``) pass as they are. With
    ``n_selected`` the largest scores count in full and the others not at all; the gradient
    is that of g.

    Parameters
    ----------
    n_regions : int
        R.
    n_selected : int, optional
        How many regions are kept.

    Raises
    ------
    ValueError
        If that many regions are not there.

    References
    ----------
    Bengio, Leonard and Courville, Estimating or propagating gradients through stochastic neurons
    for conditional computation, arXiv:1308.3432, 2013 (the straight-through gradient).

    Examples
    --------
    >>> gate = RegionGate(3, n_selected=1)
    >>> _ = gate.scores.data.copy_(torch.tensor([0.0, 3.0, 1.0]))
    >>> gate(BrainBatch(measures={"thickness": torch.ones(1, 3)})).measures["thickness"].tolist()
    [[0.0, 1.0, 0.0]]
    """

    def __init__(self, n_regions: int, n_selected: int | None = None) -> None:
        super().__init__()
        if n_selected is not None and not 1 <= n_selected <= n_regions:
            raise ValueError(f"n_selected must be in 1..{n_regions} regions, got {n_selected}.")
        self.n_selected = n_selected
        self.scores = nn.Parameter(1 + 0.01 * torch.randn(n_regions))

    def weights(self) -> Tensor:
        """Return how much each region counts (R,)."""
        soft = torch.sigmoid(self.scores)
        if self.n_selected is None:
            return soft
        hard = torch.zeros_like(soft).scatter(0, soft.topk(self.n_selected).indices, 1.0)
        return hard + soft - soft.detach()

    def forward(self, batch: BrainBatch) -> BrainBatch:
        """Return the batch with its regions weighed."""
        g = self.weights()
        return dataclasses.replace(
            batch,
            series=None if batch.series is None else batch.series * g,
            connectivity={
                k: c if "/" in k else c * g[:, None] * g for k, c in batch.connectivity.items()
            },
            measures={k: m if "/" in k else m * g for k, m in batch.measures.items()},
        )
