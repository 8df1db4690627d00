"""Numbers with intervals from a table of out-of-fold predictions."""

from brainograph.metrics.compare import compare, compare_regimes
from brainograph.metrics.fairness import gaps
from brainograph.metrics.score import METRICS, score
from brainograph.metrics.table import comparable_scores
from brainograph.metrics.thresholds import choose_threshold

__all__ = [
    "METRICS",
    "choose_threshold",
    "comparable_scores",
    "compare",
    "compare_regimes",
    "gaps",
    "score",
]
