"""BraInf: sparse attention on patches that are merged step by step, after Zhu et al. 2022."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from brainograph.nn.encoders.layers import recomputed, resized_grid
from brainograph.nn.encoders.transformer import patch_padded, positions

__all__ = ["BraInf", "ProbSparseAttention"]


class BraInf(nn.Module):
    r"""Patches of a volume, sparse attention among them, and merging of eight to one.

    .. math:: x' = x + \mathrm{ProbSparse}(\mathrm{LN}(x)),\quad
              x'' = x' + \mathrm{FFN}(\mathrm{LN}(x')),\quad
              x_{l+1} = W_{8d \to 2d}\,\mathrm{LN}(\Vert_{2^3} x'')

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image, and of what is given back.
    image_size, patch_size : int
        Voxels a side that the positions are learnt for (those of other sizes are interpolated),
        and of a patch.
    hidden_channels : int
        Of a patch; each stage has twice as many.
    num_layers : int
        Stages.
    num_heads : int
        Of the first stage; each has twice as many.
    factor : float
        c in the number of queries that are heard, c ln N.
    dropout : float
        After attention and feed-forward parts.
    checkpointing : bool
        Whether the activations of attention and feed-forward parts are computed again in the
        backward pass.

    Notes
    -----
    Shapes: (B, C, D, H, W), of any size, to (B, out_channels).

    What the paper states: multi-head sparse attention that keeps the first ln N queries, and
    distilling by merging patches, on structural MRI [1]_ (the abstract); the attention is
    Informer's [2]_. What we chose: sizes; patches of 8 voxels; merging between stages as in Swin
    transformers; the mean of the last patches; keys that are looked at to rank the queries are
    evenly spaced and not drawn, so that a participant's answer is always the same.

    References
    ----------
    .. [1] Zhu et al., Efficient self-attention mechanism and structural distilling model for
           Alzheimer's disease diagnosis, Computers in Biology and Medicine 147, 2022.
    .. [2] Zhou et al., Informer: beyond efficient transformer for long sequence time-series
           forecasting, AAAI 2021.

    Examples
    --------
    >>> encoder = BraInf(patch_size=4, hidden_channels=8, num_heads=2, num_layers=2)
    >>> encoder(torch.randn(2, 1, 16, 18, 12)).shape
    torch.Size([2, 128])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 128,
        *,
        image_size: int = 96,
        patch_size: int = 8,
        hidden_channels: int = 64,
        num_layers: int = 3,
        num_heads: int = 4,
        factor: float = 5.0,
        dropout: float = 0.1,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.patches = nn.Conv3d(in_channels, hidden_channels, patch_size, stride=patch_size)
        self.positions = positions(hidden_channels, [-(-image_size // patch_size)] * 3)
        widths = [hidden_channels * 2**stage for stage in range(num_layers)]
        self.stages = nn.Sequential()
        for stage, width in enumerate(widths):
            if stage:
                self.stages.append(_Merge(widths[stage - 1]))
            heads = num_heads * 2**stage
            self.stages.append(_Layer(width, heads, factor, dropout, checkpointing))
        self.norm = nn.LayerNorm(widths[-1])
        self.linear = nn.Linear(widths[-1], out_channels)

    def forward(self, image: Tensor) -> Tensor:
        """Return features (B, out_channels) of images (B, C, D, H, W)."""
        x = self.patches(patch_padded(image, self.patches.kernel_size))
        x = x + resized_grid(self.positions, tuple(x.shape[2:]))
        x = self.stages(x.movedim(1, -1))  # (B, d, h, w, hidden) to fewer and wider
        return self.linear(self.norm(x.flatten(1, 3)).mean(1))


class ProbSparseAttention(nn.Module):
    r"""Attention in which only the queries that favour some keys are computed.

    .. math:: M(q_i) = \max_j \frac{q_i k_j}{\sqrt d} - \mathrm{mean}_j \frac{q_i k_j}{\sqrt d}

    over c ln N keys; the c ln N queries with the largest M attend to all keys, and the others are
    given the mean of all values.

    Parameters
    ----------
    channels, num_heads : int
        Of a token, and heads that share them.
    factor : float
        c.

    Raises
    ------
    ValueError
        If the heads cannot share the channels, or the factor is not positive.

    Examples
    --------
    >>> ProbSparseAttention(8, 2)(torch.randn(2, 30, 8)).shape
    torch.Size([2, 30, 8])
    """

    def __init__(self, channels: int, num_heads: int, *, factor: float = 5.0) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(
                f"num_heads must divide hidden_channels, got {num_heads} heads for {channels}."
            )
        if factor <= 0:
            raise ValueError(f"factor must be positive, got {factor}. Write factor=5.0.")
        self.num_heads, self.factor = num_heads, factor
        self.project = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens (B, N, C) that have heard each other."""
        n = x.shape[1]
        few = min(n, max(1, math.ceil(self.factor * math.log(n))))
        q, k, v = self.project(x).unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        active = self._active(q, k, few)[..., None].expand(-1, -1, -1, q.shape[-1])
        heard = scaled_dot_product_attention(q.gather(2, active), k, v)  # (B, heads, few, d)
        rest = v.mean(2, keepdim=True).expand_as(v)
        return self.out(rest.scatter(2, active, heard).transpose(1, 2).flatten(2))

    @staticmethod
    def _active(q: Tensor, k: Tensor, few: int) -> Tensor:
        """Return which queries favour some keys most (B, heads, few)."""
        with torch.no_grad():
            sample = torch.linspace(0, k.shape[2] - 1, few, device=k.device).round().long()
            scores = q @ k[:, :, sample].mT  # (B, heads, N, few)
            return (scores.amax(-1) - scores.mean(-1)).topk(few, dim=2).indices


class _Layer(nn.Module):
    """Attention and a feed-forward part on the patches (B, d, h, w, C) of a volume."""

    def __init__(
        self, channels: int, num_heads: int, factor: float, dropout: float, checkpointing: bool
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.attention = nn.Sequential(
            nn.LayerNorm(channels),
            ProbSparseAttention(channels, num_heads, factor=factor),
            nn.Dropout(dropout),
        )
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Linear(4 * channels, channels),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(1, 3)
        tokens = tokens + recomputed(self.attention, tokens, when=self.checkpointing)
        tokens = tokens + recomputed(self.feed_forward, tokens, when=self.checkpointing)
        return tokens.view_as(x)


class _Merge(nn.Module):
    """Two patches a side become one of twice the channels; zeros complete the last ones."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8 * channels)
        self.linear = nn.Linear(8 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = patch_padded(x.movedim(-1, 1), (2, 2, 2))
        x = x.unflatten(4, (-1, 2)).unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
        x = x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4)  # (B, d / 2, h / 2, w / 2, 8 C)
        return self.linear(self.norm(x))
