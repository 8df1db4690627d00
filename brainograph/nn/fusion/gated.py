"""Gates between modalities."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from brainograph.nn.fusion.base import Fusion

__all__ = ["GatedFusion"]


class GatedFusion(Fusion):
    r"""Let each participant's own features say how much of each modality counts, by channel.

    .. math:: z = \sum_{m \in P} g_m \odot \tanh(W_m v_m + b_m),\quad
              g = \mathrm{softmax}_{m \in P}(U_m v_m + c_m)

    over the modalities P that are there.

    Parameters
    ----------
    in_channels, out_channels
        As of :class:`~brainograph.nn.fusion.Fusion`.

    Notes
    -----
    What the paper states: gates by a sigmoid that reads all modalities [1]_. What we chose: each
    gate reads its own modality and they compete in a softmax, so that an absent modality leaves
    no trace. Contributions are the gates' means over channels.

    References
    ----------
    .. [1] Arevalo et al., Gated multimodal units for information fusion, ICLR 2017 workshop,
           arXiv:1702.01992.

    Examples
    --------
    >>> fusion = GatedFusion([4, 7], 5)
    >>> two = [torch.randn(2, 4), torch.randn(2, 7)]
    >>> fusion(two).shape, fusion.contributions(two).sum(dim=1).allclose(torch.ones(2))
    (torch.Size([2, 5]), True)
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.maps = nn.ModuleList(nn.Linear(d, out_channels) for d in self.in_channels)
        self.gates = nn.ModuleList(nn.Linear(d, out_channels) for d in self.in_channels)

    def fuse(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Fuse features that are 0 where absent."""
        mapped = torch.stack([one(x) for one, x in zip(self.maps, features, strict=True)], dim=1)
        return (self._gates(features, present) * mapped.tanh()).sum(dim=1)

    def weigh(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Return the mean of each gate (B, M)."""
        return self._gates(features, present).mean(dim=-1)

    def _gates(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Return the gates (B, M, C), of sum 1 over M."""
        scores = torch.stack([one(x) for one, x in zip(self.gates, features, strict=True)], dim=1)
        return scores.masked_fill(~present[..., None], -torch.inf).softmax(dim=1)
