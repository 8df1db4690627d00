"""The outer product of all modalities."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from brainograph.nn.fusion.base import Fusion

__all__ = ["TensorFusion"]

_MOST = 2**24  # weights: 64 MiB of them, and three times as much to train them


class TensorFusion(Fusion):
    r"""Multiply every feature of a modality with every one of the others, and map the products.

    .. math:: z = W \bigotimes_{m \in P} \begin{bmatrix} v_m \\ 1 \end{bmatrix} + b,\qquad
              z_{\mathrm{low\ rank}} = \sum_{r=1}^{\rho} \alpha_r \bigodot_{m \in P}
              W_m^{(r)} \begin{bmatrix} v_m \\ 1 \end{bmatrix} + b

    over the modalities P that are there. The 1 keeps each modality by itself, and all smaller
    products, beside the largest.

    Parameters
    ----------
    in_channels, out_channels
        As of :class:`~brainograph.nn.fusion.Fusion`.
    rank : int, optional
        :math:`\rho`; ``None`` is the whole tensor of :math:`\prod_m (d_m + 1)` products.

    Raises
    ------
    ValueError
        If the rank is below 1.
    MemoryError
        If the whole tensor would need more than 16.8 million weights.

    Notes
    -----
    What the papers state: the whole tensor [1]_, and its low-rank form [2]_. What we chose: the
    1-entries of the low-rank factors start at 1, so that a product of many factors neither
    vanishes nor explodes.

    References
    ----------
    .. [1] Zadeh et al., Tensor fusion network for multimodal sentiment analysis, EMNLP 2017.
    .. [2] Liu et al., Efficient low-rank multimodal fusion with modality-specific factors, ACL
           2018.

    Examples
    --------
    >>> two = [torch.randn(2, 4), torch.randn(2, 7)]
    >>> TensorFusion([4, 7], 5)(two).shape, TensorFusion([4, 7], 5, rank=3)(two).shape
    (torch.Size([2, 5]), torch.Size([2, 5]))
    """

    def __init__(
        self, in_channels: Sequence[int], out_channels: int, *, rank: int | None = None
    ) -> None:
        super().__init__(in_channels, out_channels)
        if rank is not None and rank < 1:
            raise ValueError(f"rank must be at least 1, got {rank}. For the whole tensor: null.")
        self.rank = rank
        n_products = math.prod(d + 1 for d in self.in_channels)
        if rank is None:
            self._check_size(n_products)
            self.map = nn.Linear(n_products, out_channels)
            return
        self.factors = nn.ParameterList(
            torch.randn(rank, d + 1, out_channels) / math.sqrt(d) for d in self.in_channels
        )
        for factor in self.factors:
            nn.init.ones_(factor.data[:, -1])
        self.mix = nn.Parameter(torch.full((rank,), 1 / rank))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def _check_size(self, n_products: int) -> None:
        n_weights = n_products * self.out_channels
        if n_weights > _MOST:
            fits = int((_MOST / self.out_channels) ** (1 / len(self.in_channels))) - 1
            raise MemoryError(
                f"the tensor of modalities with {self.in_channels} features has {n_products:,} "
                f"products, and {n_weights:,} weights ({4 * n_weights / 2**30:,.1f} GiB) to "
                f"{self.out_channels} channels. Write rank=8 for its low-rank form, or give at "
                f"most {fits} features a modality."
            )

    def fuse(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Fuse features that are 0 where absent."""
        padded = [torch.cat([x, torch.ones_like(x[:, :1])], dim=1) for x in features]
        if self.rank is None:
            product = padded[0]
            for x in padded[1:]:
                product = (product[:, :, None] * x[:, None]).flatten(1)  # (B, products so far)
            return self.map(product)
        fused = padded[0].new_ones(())
        for m, (x, factor) in enumerate(zip(padded, self.factors, strict=True)):
            mapped = torch.einsum("bd,rdo->bro", x, factor)  # (B, rank, out)
            fused = fused * torch.where(present[:, m, None, None], mapped, 1.0)
        return torch.einsum("bro,r->bo", fused, self.mix) + self.bias
