"""Connectivity matrices, computed from one subject at a time."""

from brainograph.connectivity.dynamic import sliding_window, window_starts
from brainograph.connectivity.kernel import fisher_z, window_mask, windowed_correlation
from brainograph.connectivity.morphometric import (
    morphometric_similarity,
    profile_similarity,
    regional_measures,
)
from brainograph.connectivity.series import constant_regions
from brainograph.connectivity.static import static

__all__ = [
    "constant_regions",
    "fisher_z",
    "morphometric_similarity",
    "profile_similarity",
    "regional_measures",
    "sliding_window",
    "static",
    "window_mask",
    "window_starts",
    "windowed_correlation",
]
