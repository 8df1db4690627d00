"""An image encoder that learns to draw what it has seen: pretraining without labels."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate, mse_loss

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.encoders.layers import conv_block, group_norm
from brainograph.nn.imaging_net import ImagingNet
from brainograph.nn.misfit import misfit

__all__ = ["ImageAutoencoder"]


class ImageAutoencoder(ImagingNet):
    r"""An :class:`ImagingNet` with a decoder, from its features back to a coarse image.

    .. math:: \ell = \mathrm{CE}(z, y) + \lambda\,\mathrm{mean}\,(g(f(x)) - \mathrm{coarse}(x))^2

    Without labels the first term falls away: ``SubjectGraphClassifier("ImageAutoencoder")`` learns
    its encoder from images alone (``y`` is -1 for all), and its folder is ``pretrained`` for an
    :class:`ImagingNet` with the same encoder.

    Parameters
    ----------
    n_regions, n_classes, modalities, encoder, encoder_params, dropout
        As :class:`ImagingNet`'s.
    decoder_channels : sequence of int
        Of the decoder, from 4 voxels a side, each with twice the voxels of the one before: three
        draw 16 voxels a side.
    weight : float
        :math:`\lambda`.

    Raises
    ------
    ValueError
        For no decoder, or a weight that is not positive.

    Notes
    -----
    Shapes: ``batch.images[modality]`` (B, 1, D, H, W) each, to logits (B, K).

    What the papers state: stacked autoencoders pretrain the image part of multi-modal systems [1]_
    (there from regions). What we chose: all features of the encoder, which are few, are the
    bottleneck; the image is drawn as means over a coarse grid, so that images of any size share a
    decoder and fine noise is not learnt.

    References
    ----------
    .. [1] Venugopalan et al., Multimodal deep learning models for early detection of Alzheimer's
           disease stage, Scientific Reports 11:3254, 2021.

    Examples
    --------
    >>> import torch
    >>> batch = BrainBatch(images={"T1w": torch.randn(2, 1, 16, 16, 16)})
    >>> network = ImageAutoencoder(0, 2, encoder_params={"channels": (4, 8)})
    >>> network(batch).shape, network.reconstruct(batch).shape
    (torch.Size([2, 2]), torch.Size([2, 1, 16, 16, 16]))
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
        decoder_channels: Sequence[int] = (64, 32, 16),
        weight: float = 1.0,
    ) -> None:
        super().__init__(
            n_regions,
            n_classes,
            modalities=modalities,
            encoder=encoder,
            encoder_params=encoder_params,
            dropout=dropout,
        )
        if not decoder_channels or weight <= 0:
            raise ValueError(
                "decoder_channels must name widths and weight must be positive, got "
                f"{decoder_channels} and {weight}. Write decoder_channels=(64, 32, 16)."
            )
        self.weight = weight
        self.decoder = _decoder(self.head.in_features, decoder_channels, len(self.modalities))

    def loss(self, batch: BrainBatch, y: Tensor) -> Tensor:
        """Return the misfit of the logits and of the drawn images."""
        image = self.stack(batch)
        features = self.encoder(image)
        logits = self.head(self.dropout(features))
        return misfit(logits, y) + self.weight * self._misdrawn(features, image)

    def pretraining_loss(self, batch: BrainBatch) -> Tensor:
        """Return the misfit of the drawn images alone, for who has no label."""
        image = self.stack(batch)
        return self._misdrawn(self.encoder(image), image)

    def reconstruct(self, batch: BrainBatch) -> Tensor:
        """Return the coarse images that are drawn from the features (B, M, d, d, d)."""
        return self.decoder(self.encoder(self.stack(batch))[:, :, None, None, None])

    def _misdrawn(self, features: Tensor, image: Tensor) -> Tensor:
        drawn = self.decoder(features[:, :, None, None, None])
        return mse_loss(drawn, interpolate(image, size=drawn.shape[2:], mode="area"))


def _decoder(in_channels: int, channels: Sequence[int], out_channels: int) -> nn.Sequential:
    """Return a network from features (B, C, 1, 1, 1) to an image."""
    layers: list[nn.Module] = [
        nn.ConvTranspose3d(in_channels, channels[0], 4),
        group_norm(channels[0]),
        nn.ReLU(),
    ]
    for before, after in pairwise(channels):
        layers += [nn.Upsample(scale_factor=2), conv_block(before, after, norm="group")]
    return nn.Sequential(*layers, nn.Conv3d(channels[-1], out_channels, 3, padding=1))
