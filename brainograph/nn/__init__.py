"""Networks in plain torch: ``forward(batch) -> logits``, readable top to bottom."""

from brainograph.nn.augment import (
    Compose,
    EdgeDropout,
    MixUp,
    Noise,
    WindowCrop,
    WindowJitter,
)
from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.brain_gcn import BrainGCN
from brainograph.nn.brain_network_transformer import BrainNetworkTransformer
from brainograph.nn.brainnetcnn import BrainNetCNN
from brainograph.nn.cnn1d import CNN1d
from brainograph.nn.graph_imaging_net import GraphImagingNet
from brainograph.nn.hgpsl import HGPSL
from brainograph.nn.iglcn import IGLCN
from brainograph.nn.image_autoencoder import ImageAutoencoder
from brainograph.nn.imaging_net import ImagingNet
from brainograph.nn.lstm import LSTM
from brainograph.nn.mean_mlp import MeanMLP
from brainograph.nn.mstgc import MSTGC
from brainograph.nn.population_gcn import PopulationGCN
from brainograph.nn.stagin import STAGIN

__all__ = [
    "HGPSL",
    "IGLCN",
    "LSTM",
    "MSTGC",
    "STAGIN",
    "BrainBatch",
    "BrainGCN",
    "BrainNetCNN",
    "BrainNetworkTransformer",
    "CNN1d",
    "Compose",
    "EdgeDropout",
    "GraphImagingNet",
    "ImageAutoencoder",
    "ImagingNet",
    "MeanMLP",
    "MixUp",
    "Noise",
    "PopulationGCN",
    "WindowCrop",
    "WindowJitter",
]
