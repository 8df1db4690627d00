"""Pictures of predictions and of brain graphs."""

from brainograph.inspection.connectomes import (
    plot_connectome,
    plot_matrix,
    plot_population_graph,
    plot_windows,
)
from brainograph.inspection.dynamics import (
    plot_dwell_times,
    plot_state_sequences,
    plot_states,
)
from brainograph.inspection.plots import (
    plot_calibration,
    plot_confusion,
    plot_models,
    plot_roc,
    plot_sites,
)

__all__ = [
    "plot_calibration",
    "plot_confusion",
    "plot_connectome",
    "plot_dwell_times",
    "plot_matrix",
    "plot_models",
    "plot_population_graph",
    "plot_roc",
    "plot_sites",
    "plot_state_sequences",
    "plot_states",
    "plot_windows",
]
