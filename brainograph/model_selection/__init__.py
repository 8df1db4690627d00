"""Honest evaluation: splits, cross-validation and the controls that go with every model."""

from brainograph.model_selection.auditing import Audit, audit, audit_predictions
from brainograph.model_selection.cluster import cluster
from brainograph.model_selection.controls import default_controls
from brainograph.model_selection.cross_validation import cross_validate
from brainograph.model_selection.graph_grid import graph_grid
from brainograph.model_selection.permutation import PermutationTest, permutation_test_linear
from brainograph.model_selection.results import Results
from brainograph.model_selection.search import SearchCV
from brainograph.model_selection.splits import (
    Split,
    Splits,
    leave_one_site_out,
    repeated_stratified,
)

__all__ = [
    "Audit",
    "PermutationTest",
    "Results",
    "SearchCV",
    "Split",
    "Splits",
    "audit",
    "audit_predictions",
    "cluster",
    "cross_validate",
    "default_controls",
    "graph_grid",
    "leave_one_site_out",
    "permutation_test_linear",
    "repeated_stratified",
]
