"""Explanations of fitted models by region, and pictures of predictions and of brain graphs."""

from brainograph.inspection.attention import attention
from brainograph.inspection.attribution import attribute
from brainograph.inspection.brains import plot_chord, plot_ranking, plot_regions
from brainograph.inspection.connectomes import (
    plot_connectome,
    plot_matrix,
    plot_population_graph,
    plot_windows,
)
from brainograph.inspection.curves import (
    plot_attention,
    plot_history,
    plot_precision_recall,
    plot_risk_coverage,
)
from brainograph.inspection.dynamics import (
    plot_dwell_times,
    plot_state_sequences,
    plot_states,
)
from brainograph.inspection.graph_explainer import explain_graph
from brainograph.inspection.haufe import haufe_patterns
from brainograph.inspection.image_maps import map_images, map_regions, save_maps
from brainograph.inspection.importances import consensus, summarize, to_regions
from brainograph.inspection.influence import neighbor_influence, phenotype_influence
from brainograph.inspection.members import modality_contributions
from brainograph.inspection.occlusion import occlude
from brainograph.inspection.planted import planted_auc
from brainograph.inspection.plots import (
    plot_calibration,
    plot_confusion,
    plot_models,
    plot_roc,
    plot_sites,
)
from brainograph.inspection.sanity import randomized, sanity_check
from brainograph.inspection.significance import significance
from brainograph.inspection.stability import explain_folds, stability

__all__ = [
    "attention",
    "attribute",
    "consensus",
    "explain_folds",
    "explain_graph",
    "haufe_patterns",
    "map_images",
    "map_regions",
    "modality_contributions",
    "neighbor_influence",
    "occlude",
    "phenotype_influence",
    "planted_auc",
    "plot_attention",
    "plot_calibration",
    "plot_chord",
    "plot_confusion",
    "plot_connectome",
    "plot_dwell_times",
    "plot_history",
    "plot_matrix",
    "plot_models",
    "plot_population_graph",
    "plot_precision_recall",
    "plot_ranking",
    "plot_regions",
    "plot_risk_coverage",
    "plot_roc",
    "plot_sites",
    "plot_state_sequences",
    "plot_states",
    "plot_windows",
    "randomized",
    "sanity_check",
    "save_maps",
    "significance",
    "stability",
    "summarize",
    "to_regions",
]
