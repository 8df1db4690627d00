"""Attention between modalities."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from brainograph.nn.fusion.base import Fusion, mean_of_present

__all__ = ["CrossAttentionFusion"]


class CrossAttentionFusion(Fusion):
    r"""Make each modality a token that attends to all that are there, both ways.

    .. math:: t_m = W_m v_m + b_m,\quad h_m = \mathrm{LN}(t_m + \mathrm{MHA}(t_m, t_P, t_P)),\quad
              z = \tfrac{1}{|P|} \sum_{m \in P} \mathrm{LN}(h_m + \mathrm{MLP}(h_m))

    over the modalities P that are there.

    Parameters
    ----------
    in_channels, out_channels
        As of :class:`~brainograph.nn.fusion.Fusion`.
    heads : int
        Of the attention; they share ``out_channels``.
    num_layers : int
        How often the tokens exchange.
    dropout : float
        Of the attention weights.

    Raises
    ------
    ValueError
        If the heads do not divide ``out_channels``, or there is no layer.

    Notes
    -----
    What the papers state: queries of one modality, keys and values of the other and the reverse,
    residual and layer norm [1]_; parallel encoders joined by cross-attention [2]_. What we chose:
    a token also attends to itself, which lets one modality alone be predicted from; the mean of
    the tokens. Contributions are the attention that a modality gets in the last layer, averaged
    over those that ask.

    References
    ----------
    .. [1] Multi-modal cross-attention network for Alzheimer's disease diagnosis with
           multi-modality data (MCAD), Computers in Biology and Medicine 162:107050, 2023.
    .. [2] Zhang et al., Multimodal learning for fetal distress diagnosis using a multimodal
           medical information fusion framework (MMIF), Frontiers in Physiology 13:1021400, 2022.

    Examples
    --------
    >>> fusion = CrossAttentionFusion([4, 7], 8)
    >>> fusion([torch.randn(2, 4), torch.randn(2, 7)]).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        *,
        heads: int = 4,
        num_layers: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(in_channels, out_channels)
        if heads < 1 or out_channels % heads or num_layers < 1:
            raise ValueError(
                f"heads must divide the {out_channels} channels and num_layers be at least 1, got "
                f"heads={heads} and num_layers={num_layers}."
            )
        self.maps = nn.ModuleList(nn.Linear(d, out_channels) for d in self.in_channels)
        self.layers = nn.ModuleList(
            _Exchange(out_channels, heads, dropout) for _ in range(num_layers)
        )

    def fuse(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Fuse features that are 0 where absent."""
        return mean_of_present(self._exchange(features, present)[0], present)

    def weigh(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Return the attention that each modality gets (B, M)."""
        return mean_of_present(self._exchange(features, present)[1], present)

    def _exchange(self, features: list[Tensor], present: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens (B, M, C) and the attention of who asks to who answers (B, M, M)."""
        tokens = torch.stack([one(x) for one, x in zip(self.maps, features, strict=True)], dim=1)
        attention = tokens
        for layer in self.layers:
            tokens, attention = layer(tokens, present)
        return tokens, attention


class _Exchange(nn.Module):
    """One round of attention."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, heads, dropout, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))

    def forward(self, tokens: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens (B, M, C) and weights (B, M, M)."""
        heard, weights = self.attention(tokens, tokens, tokens, key_padding_mask=~present)
        h = self.norms[0](tokens + heard)
        return self.norms[1](h + self.mlp(h)), weights
