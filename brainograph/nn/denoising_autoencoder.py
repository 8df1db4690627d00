"""A stacked denoising autoencoder for tables: phenotypes, records, genotypes, regional measures."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

__all__ = ["DenoisingAutoencoder"]


class DenoisingAutoencoder(nn.Module):
    r"""Layers that learn, one after the other, to undo what was done to their input.

    .. math:: h_l = \mathrm{ReLU}(W_l h_{l-1} + b_l),\qquad
              \ell_l = \mathrm{mean}\,
              (V_l\,\mathrm{ReLU}(W_l \tilde h_{l-1} + b_l) + c_l - h_{l-1})^2

    where :math:`\tilde h` is h with a random share of its values set to zero [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Columns of the table, and features that are given back.
    hidden_channels : sequence of int
        Of the layers before the last.
    corruption : float
        Share of values that are set to zero in training.

    Raises
    ------
    ValueError
        For a share outside [0, 1).

    Notes
    -----
    Shapes: (B, in_channels) to (B, out_channels).

    What the paper states: denoising autoencoders of 200, 100 and 75 units for records and of 200,
    100 and 50 for SNPs, apart from the classifier, whose features and those of an image network
    are put together for a shallow one, best a random forest [2]_. What we chose: corruption by
    zeros, linear decoders, no sparsity.

    References
    ----------
    .. [1] Vincent et al., Stacked denoising autoencoders, Journal of Machine Learning Research 11,
           2010.
    .. [2] Venugopalan et al., Multimodal deep learning models for early detection of Alzheimer's
           disease stage, Scientific Reports 11:3254, 2021.

    Examples
    --------
    >>> network = DenoisingAutoencoder(30, 4, hidden_channels=(16, 8))
    >>> network(torch.randn(5, 30)).shape
    torch.Size([5, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 50,
        *,
        hidden_channels: Sequence[int] = (200, 100),
        corruption: float = 0.3,
    ) -> None:
        super().__init__()
        if not 0 <= corruption < 1:
            raise ValueError(
                f"corruption must be in [0, 1), got {corruption}. For 30 % of the values write "
                "corruption=0.3."
            )
        self.out_channels = out_channels
        self.corruption = corruption
        widths = [in_channels, *hidden_channels, out_channels]
        self.encoders = nn.ModuleList(
            nn.Linear(before, after) for before, after in pairwise(widths)
        )
        self.decoders = nn.ModuleList(
            nn.Linear(after, before) for before, after in pairwise(widths)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, out_channels) of rows (B, in_channels)."""
        return self.below(x, len(self.encoders))

    def below(self, x: Tensor, layer: int) -> Tensor:
        """Return what a layer is given (B, C), counted from 0."""
        for linear in self.encoders[:layer]:
            x = torch.relu(linear(x))
        return x

    def reconstruction_loss(self, x: Tensor, layer: int) -> Tensor:
        """Return how badly a layer undoes the corruption of what it is given; others stay."""
        with torch.no_grad():
            given = self.below(x, layer)
        kept = torch.rand_like(given) >= self.corruption
        hidden = torch.relu(self.encoders[layer](given * kept))
        return mse_loss(self.decoders[layer](hidden), given)
