"""Fusion of modalities that some participants lack: of features, of stages, of decisions."""

from brainograph.nn.fusion.add import AddFusion
from brainograph.nn.fusion.base import Fusion
from brainograph.nn.fusion.concat import ConcatFusion
from brainograph.nn.fusion.cross_attention import CrossAttentionFusion
from brainograph.nn.fusion.gated import GatedFusion
from brainograph.nn.fusion.hierarchical import HierarchicalFusion
from brainograph.nn.fusion.late import Late, LateFusion
from brainograph.nn.fusion.make import FusionName, make_fusion
from brainograph.nn.fusion.missing import drop_modalities, has_all
from brainograph.nn.fusion.tensor import TensorFusion

__all__ = [
    "AddFusion",
    "ConcatFusion",
    "CrossAttentionFusion",
    "Fusion",
    "FusionName",
    "GatedFusion",
    "HierarchicalFusion",
    "Late",
    "LateFusion",
    "TensorFusion",
    "drop_modalities",
    "has_all",
    "make_fusion",
]
