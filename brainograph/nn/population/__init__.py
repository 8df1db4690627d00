"""Population networks that learn their features: ``encode`` one, ``propagate`` among all."""

from brainograph.nn.population.deep_gcn import DeepGCN
from brainograph.nn.population.eh_gcn import EHGCN
from brainograph.nn.population.ev_gcn import EVGCN
from brainograph.nn.population.join import Attach, Join
from brainograph.nn.population.mmgnn import MMGNN
from brainograph.nn.population.network import PopulationNetwork
from brainograph.nn.population.region_gate import RegionGate
from brainograph.nn.population.vmm_dgcn import VMMDGCN

__all__ = [
    "EHGCN",
    "EVGCN",
    "MMGNN",
    "VMMDGCN",
    "Attach",
    "DeepGCN",
    "Join",
    "PopulationNetwork",
    "RegionGate",
]
