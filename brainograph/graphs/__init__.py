"""Graphs of one brain, and the graph of a population.

All but :mod:`~brainograph.graphs.population`, its :mod:`~brainograph.graphs.affinity` and its
null, :mod:`~brainograph.graphs.rewire`, sees one subject at a time and cannot leak.
"""

from brainograph.graphs.affinity import mean_distance, phenotype_agreement, similarity
from brainograph.graphs.brain import brain_graph, dynamic_brain_graph, to_networkx
from brainograph.graphs.dynamics import cohort_windows, dynamic_brain_graphs, edge_variability
from brainograph.graphs.export import (
    write_brainnet_edges,
    write_brainnet_nodes,
    write_graphml,
    write_matrix,
)
from brainograph.graphs.flexibility import dynamic_communities, flexibility, match_communities
from brainograph.graphs.measures import graph_measures
from brainograph.graphs.node_features import alff, node_features, series_moments
from brainograph.graphs.population import attach, isolated, population_graph
from brainograph.graphs.rewire import draw_neighbors, moved_share, rewire
from brainograph.graphs.snapshots import (
    dynamic_to_networkx,
    edge_table,
    snapshots,
    write_edge_table,
)
from brainograph.graphs.sparsify import sparsify
from brainograph.graphs.states import state_transitions, state_visits

__all__ = [
    "alff",
    "attach",
    "brain_graph",
    "cohort_windows",
    "draw_neighbors",
    "dynamic_brain_graph",
    "dynamic_brain_graphs",
    "dynamic_communities",
    "dynamic_to_networkx",
    "edge_table",
    "edge_variability",
    "flexibility",
    "graph_measures",
    "isolated",
    "match_communities",
    "mean_distance",
    "moved_share",
    "node_features",
    "phenotype_agreement",
    "population_graph",
    "rewire",
    "series_moments",
    "similarity",
    "snapshots",
    "sparsify",
    "state_transitions",
    "state_visits",
    "to_networkx",
    "write_brainnet_edges",
    "write_brainnet_nodes",
    "write_edge_table",
    "write_graphml",
    "write_matrix",
]
