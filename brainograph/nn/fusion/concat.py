"""Concatenation, projected."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from brainograph.nn.fusion.base import Fusion, mean_of_present

__all__ = ["ConcatFusion"]


class ConcatFusion(Fusion):
    r"""Put the features side by side, and map them by one affine layer and a nonlinearity.

    .. math:: z = \mathrm{ReLU}\Big(\tfrac{1}{|P|} W [v_1 \Vert \dots \Vert v_M] + b\Big)
              = \mathrm{ReLU}\Big(\tfrac{1}{|P|} \sum_{m \in P} W_m v_m + b\Big)

    over the modalities P that are there; the divisor keeps the scale whoever lacks what.

    Parameters
    ----------
    in_channels, out_channels
        As of :class:`~brainograph.nn.fusion.Fusion`.

    References
    ----------
    .. [1] Baltrušaitis et al., Multimodal machine learning: a survey and taxonomy, IEEE
           Transactions on Pattern Analysis and Machine Intelligence 41:423-443, 2019.

    Examples
    --------
    >>> ConcatFusion([4, 7], 5)([torch.randn(2, 4), torch.randn(2, 7)]).shape
    torch.Size([2, 5])
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.maps = nn.ModuleList(nn.Linear(d, out_channels, bias=False) for d in in_channels)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def fuse(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Fuse features that are 0 where absent."""
        mapped = [one(x) for one, x in zip(self.maps, features, strict=True)]
        return torch.relu(mean_of_present(torch.stack(mapped, dim=1), present) + self.bias)
