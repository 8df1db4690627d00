"""Weighted addition."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from brainograph.nn.fusion.base import Fusion

__all__ = ["AddFusion"]


class AddFusion(Fusion):
    r"""Add the features, one learned weight for each modality.

    .. math:: z = \mathrm{ReLU}\Big(\sum_{m \in P} w_m V_m v_m\Big),\quad
              w = \mathrm{softmax}_{m \in P}(a)

    over the modalities P that are there; :math:`V_m` brings features of another width to that of
    the result, and is left out where they have it.

    Parameters
    ----------
    in_channels, out_channels
        As of :class:`~brainograph.nn.fusion.Fusion`.

    Notes
    -----
    What the paper states: :math:`z = f(\sum_n w_n^\top v_n)` [1]_. What we chose: scalar weights
    on the simplex, so that they say what a modality contributes and renormalise where one lacks.

    References
    ----------
    .. [1] Baltrušaitis et al., Multimodal machine learning: a survey and taxonomy, IEEE
           Transactions on Pattern Analysis and Machine Intelligence 41:423-443, 2019.

    Examples
    --------
    >>> fusion = AddFusion([1, 1], 1)
    >>> two = [torch.tensor([[2.0], [2.0]]), torch.tensor([[4.0], [4.0]])]
    >>> fusion(two, torch.tensor([[True, True], [True, False]])).tolist()
    [[3.0], [2.0]]
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.maps = nn.ModuleList(
            nn.Identity() if d == out_channels else nn.Linear(d, out_channels, bias=False)
            for d in in_channels
        )
        self.scores = nn.Parameter(torch.zeros(len(self.in_channels)))

    def fuse(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Fuse features that are 0 where absent."""
        mapped = torch.stack([one(x) for one, x in zip(self.maps, features, strict=True)], dim=1)
        return torch.relu((self.weigh(features, present)[..., None] * mapped).sum(dim=1))

    def weigh(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Return the weights (B, M)."""
        return self.scores.expand(present.shape).masked_fill(~present, -torch.inf).softmax(dim=1)
