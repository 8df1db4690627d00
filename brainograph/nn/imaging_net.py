"""A network on a participant's images: one encoder and a linear layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.encoders.choice import new_encoder

__all__ = ["ImagingNet"]


class ImagingNet(nn.Module):
    r"""Any image encoder, dropout and a linear layer.

    .. math:: z = W\,\mathrm{drop}(f(x_1 \Vert \dots \Vert x_M)) + b

    with the images :math:`x_m` of M modalities as the channels of one.

    Parameters
    ----------
    n_regions, n_classes : int
        R, of which nothing is read and which may be 0, and K.
    modalities : sequence of str
        Names of the images, on one grid: ``("T1w", "pet")``.
    encoder : class or str
        Of :mod:`brainograph.nn.encoders`, or any module that is built by
        ``encoder(in_channels, **params)`` and says its ``out_channels``.
    encoder_params : mapping, optional
        Hyper-parameters of the encoder.
    dropout : float
        Share of the encoder's features that is dropped in training.

    Raises
    ------
    ValueError
        For no modality, an unknown encoder or parameter, and images of several grids.

    Notes
    -----
    Shapes: ``batch.images[modality]`` (B, 1, D, H, W) each, to logits (B, K).

    What the papers state: a convolutional or transformer encoder with a linear layer is what the
    image systems have in common; each encoder names its own. What we chose: modalities are
    channels, and how they are brought together (a composite image, a stream for each) is the
    encoder's.

    Examples
    --------
    >>> batch = BrainBatch(images={"T1w": torch.randn(2, 1, 16, 16, 16)})
    >>> ImagingNet(0, 2, encoder_params={"channels": (4, 8)})(batch).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        modalities: Sequence[str] = ("T1w",),
        encoder: type[nn.Module] | str = "SFCN",
        encoder_params: Mapping[str, Any] | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if not modalities or isinstance(modalities, str):
            raise ValueError(
                f'modalities must name images, got {modalities!r}. Write modalities=("T1w",).'
            )
        self.modalities = tuple(modalities)
        self.reads = tuple(f"images/{name}" for name in self.modalities)
        self.encoder = new_encoder(encoder, in_channels=len(modalities), params=encoder_params)
        self.dropout = nn.Dropout(dropout)
        channels: Any = self.encoder.out_channels
        self.head = nn.Linear(channels, n_classes)

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return logits (B, K)."""
        return self.head(self.dropout(self.encoder(self.stack(batch))))

    def stack(self, batch: BrainBatch) -> Tensor:
        """Return the modalities as channels of one image (B, M, D, H, W)."""
        images = [batch.images[name] for name in self.modalities]
        shapes = {name: tuple(batch.images[name].shape[2:]) for name in self.modalities}
        if len(set(shapes.values())) > 1:
            raise ValueError(
                f"the images must have one grid to be channels of one image, got {shapes}. "
                "Resample them to one grid first."
            )
        return torch.cat(images, dim=1)
