"""Image encoders: ``forward(image (B, C, D, H, W)) -> (B, out_channels)``, for any size."""

from brainograph.nn.encoders.brainf import BraInf
from brainograph.nn.encoders.composite_cnn import CompositeCNN
from brainograph.nn.encoders.dilated_cnn import DilatedCNN
from brainograph.nn.encoders.encoder_ensemble import EncoderEnsemble
from brainograph.nn.encoders.m3t import M3T
from brainograph.nn.encoders.monai_encoder import MonaiEncoder
from brainograph.nn.encoders.multi_stream_cnn import MultiStreamCNN
from brainograph.nn.encoders.sfcn import SFCN
from brainograph.nn.encoders.slice_vit import SliceViT
from brainograph.nn.encoders.transmed import TransMed
from brainograph.nn.encoders.vit import ViT

__all__ = [
    "M3T",
    "SFCN",
    "BraInf",
    "CompositeCNN",
    "DilatedCNN",
    "EncoderEnsemble",
    "MonaiEncoder",
    "MultiStreamCNN",
    "SliceViT",
    "TransMed",
    "ViT",
]
