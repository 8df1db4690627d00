"""Image encoders: ``forward(image (B, C, D, H, W)) -> (B, out_channels)``, for any size."""

from brainograph.nn.encoders.monai_encoder import MonaiEncoder
from brainograph.nn.encoders.sfcn import SFCN

__all__ = [
    "SFCN",
    "MonaiEncoder",
]
