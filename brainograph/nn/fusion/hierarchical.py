"""Merging at every stage."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from brainograph.nn.fusion.base import Fusion, mean_of_present

__all__ = ["HierarchicalFusion"]


class HierarchicalFusion(Fusion):
    r"""Merge what the modalities' encoders say at each of their stages, early to late.

    .. math:: z_s = \mathrm{ReLU}\Big(\mathrm{LN}\big(U_s z_{s-1} + \tfrac{1}{|P_s|}
              \sum_{m \in P_s} W_{m,s} v_{m,s} + b_s\big)\Big),\quad z_0 = 0

    over the modalities :math:`P_s` that are there and have a stage s. The last stages meet: an
    encoder with fewer stages joins later.

    Parameters
    ----------
    stages : sequence of sequence of int
        Features of each stage of each modality.
    out_channels : int
        Features of the result.

    Raises
    ------
    ValueError
        If a modality has no stage.

    Notes
    -----
    Shapes: a modality's stages stand side by side in its features, (B, sum of its stages).

    What the paper states: feature maps of two encoders are merged at every stage by a third
    branch, which beats early and late merging [1]_. What we chose: each stage is averaged over
    space or regions first, since graphs and volumes have no common grid.

    References
    ----------
    .. [1] Li et al., Multimodal information fusion for glaucoma and diabetic retinopathy
           classification, OMIA 2022, arXiv:2209.00979.

    Examples
    --------
    >>> fusion = HierarchicalFusion([[4, 8], [6]], 5)
    >>> fusion([torch.randn(2, 12), torch.randn(2, 6)]).shape
    torch.Size([2, 5])
    """

    def __init__(self, stages: Sequence[Sequence[int]], out_channels: int) -> None:
        self.stages = tuple(tuple(one) for one in stages)
        super().__init__([sum(one) for one in self.stages], out_channels)
        depth = max(map(len, self.stages))
        self.maps = nn.ModuleList(
            nn.ModuleList(nn.Linear(d, out_channels, bias=False) for d in one)
            for one in self.stages
        )
        self.carry = nn.ModuleList(
            nn.Linear(out_channels, out_channels, bias=False) for _ in range(depth - 1)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(out_channels) for _ in range(depth))

    def fuse(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Fuse features that are 0 where absent."""
        depth = len(self.norms)
        merged: list[list[Tensor]] = [[] for _ in range(depth)]
        who: list[list[Tensor]] = [[] for _ in range(depth)]
        for m, (x, maps) in enumerate(zip(features, self.maps, strict=True)):
            parts = x.split(list(self.stages[m]), dim=1)
            stages: Any = zip(parts, maps, strict=True)  # type: ignore[call-overload]
            for s, (part, one) in enumerate(stages, depth - len(parts)):
                merged[s].append(one(part))
                who[s].append(present[:, m])
        z = features[0].new_zeros(())
        for s, norm in enumerate(self.norms):
            h = mean_of_present(torch.stack(merged[s], dim=1), torch.stack(who[s], dim=1))
            z = torch.relu(norm(h + self.carry[s - 1](z) if s else h))
        return z
