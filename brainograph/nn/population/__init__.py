"""Population networks that learn their features: ``encode`` one, ``propagate`` among all."""

from brainograph.nn.population.eh_gcn import EHGCN, Modality
from brainograph.nn.population.join import Attach, Join
from brainograph.nn.population.mmgnn import MMGNN
from brainograph.nn.population.network import PopulationNetwork
from brainograph.nn.population.region_gate import RegionGate

__all__ = [
    "EHGCN",
    "MMGNN",
    "Attach",
    "Join",
    "Modality",
    "PopulationNetwork",
    "RegionGate",
]
