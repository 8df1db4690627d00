"""What every fusion shares: absent modalities count as not there, and contributions sum to 1."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Fusion", "mean_of_present"]


class Fusion(nn.Module):
    r"""From the features of M modalities, and who has which, to one row for each participant.

    What an absent modality's features hold never matters: they are set to 0, and the fusion is
    that of the modalities that are there.

    Parameters
    ----------
    in_channels : sequence of int
        Features of each modality.
    out_channels : int
        Features of the result.

    Raises
    ------
    ValueError
        If there is no modality, or a width is below 1.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels = tuple(in_channels), out_channels
        if not self.in_channels or min(*self.in_channels, out_channels) < 1:
            raise ValueError(
                "a fusion needs at least one modality and widths of at least 1, got in_channels="
                f"{self.in_channels} and out_channels={out_channels}."
            )

    def forward(self, features: Sequence[Tensor], present: Tensor | None = None) -> Tensor:
        """Return the fused features (B, out_channels).

        Parameters
        ----------
        features : sequence of Tensor (B, d_m)
            Of each modality.
        present : Tensor (B, M) of bool, optional
            Who has which; everybody has all by default.

        Raises
        ------
        ValueError
            If the shapes do not fit, or somebody has no modality.
        """
        return self.fuse(*self._prepared(features, present))

    def contributions(self, features: Sequence[Tensor], present: Tensor | None = None) -> Tensor:
        """Return how much each modality counts (B, M): 0 where absent, of sum 1.

        The weight that the fusion gives a modality, where it gives one; else how far the result
        moves when the modality is taken away, as a share of all such moves.
        """
        return self.weigh(*self._prepared(features, present))

    def fuse(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Fuse features that are 0 where absent."""
        raise NotImplementedError

    def weigh(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Return the contributions by taking each modality away."""
        whole = self.fuse(features, present)
        moves = []
        for m in range(len(features)):
            without = [x if i != m else torch.zeros_like(x) for i, x in enumerate(features)]
            others = present.clone()
            others[:, m] = False
            moves.append((whole - self.fuse(without, others)).norm(dim=-1))
        moved = torch.stack(moves, dim=1) * present  # (B, M)
        total = moved.sum(dim=1, keepdim=True)
        alike = present / present.sum(dim=1, keepdim=True)
        return torch.where(total > 0, moved / total.clamp(min=1e-30), alike)

    def _prepared(
        self, features: Sequence[Tensor], present: Tensor | None
    ) -> tuple[list[Tensor], Tensor]:
        widths = tuple(x.shape[-1] for x in features)
        if widths != self.in_channels:
            raise ValueError(
                f"{type(self).__name__} is for modalities of {self.in_channels} features, got "
                f"{widths}."
            )
        if present is None:
            present = torch.ones(len(features[0]), len(features), device=features[0].device).bool()
        if present.shape != (len(features[0]), len(features)):
            raise ValueError(
                f"present must be (participants, modalities) = {(len(features[0]), len(features))},"
                f" got {tuple(present.shape)}."
            )
        nobody = (~present.any(dim=1)).nonzero().flatten()
        if len(nobody):
            raise ValueError(
                f"{len(nobody)} participants have no modality at all: rows {nobody[:5].tolist()} "
                "of the batch. Leave them out, or name a modality that they have."
            )
        zeroed = [
            torch.where(present[:, m, None], x, torch.zeros_like(x)) for m, x in enumerate(features)
        ]
        return zeroed, present


def mean_of_present(stacked: Tensor, present: Tensor) -> Tensor:
    """Average (B, M, C) over the modalities that are there: (B, C); 0 where none is.

    Examples
    --------
    >>> mean_of_present(torch.tensor([[[1.0], [5.0]]]), torch.tensor([[True, False]]))
    tensor([[1.]])
    """
    there = present[..., None].to(stacked.dtype)
    return (stacked * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
