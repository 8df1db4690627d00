"""Networks in plain torch: ``forward(batch) -> logits``, readable top to bottom."""

from brainograph.nn.population_gcn import PopulationGCN

__all__ = ["PopulationGCN"]
