"""Networks in plain torch: ``forward(batch) -> logits``, readable top to bottom."""

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.mean_mlp import MeanMLP
from brainograph.nn.mstgc import MSTGC
from brainograph.nn.population_gcn import PopulationGCN

__all__ = ["MSTGC", "BrainBatch", "MeanMLP", "PopulationGCN"]
