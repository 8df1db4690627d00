"""The checks of an audit, one function each: what could make a number too good."""

from brainograph.model_selection.checks.confounds import confounds
from brainograph.model_selection.checks.duplicates import duplicates
from brainograph.model_selection.checks.finding import Finding, Status
from brainograph.model_selection.checks.folds import best_epoch, split_overlap
from brainograph.model_selection.checks.isolation import hidden_labels, isolation
from brainograph.model_selection.checks.order import identifiers, label_order, row_order
from brainograph.model_selection.checks.permuted import permuted_labels, permuted_within_site
from brainograph.model_selection.checks.phenotypes import phenotypes
from brainograph.model_selection.checks.study import Study

__all__ = [
    "Finding",
    "Status",
    "Study",
    "best_epoch",
    "confounds",
    "duplicates",
    "hidden_labels",
    "identifiers",
    "isolation",
    "label_order",
    "permuted_labels",
    "permuted_within_site",
    "phenotypes",
    "row_order",
    "split_overlap",
]
