"""Data to try things on: simulations with planted ground truth, and ABIDE."""

from brainograph.datasets.abide import fetch_abide
from brainograph.datasets.images import simulate_images
from brainograph.datasets.scans import simulate_fmriprep
from brainograph.datasets.simulate import simulate_cohort

__all__ = ["fetch_abide", "simulate_cohort", "simulate_fmriprep", "simulate_images"]
