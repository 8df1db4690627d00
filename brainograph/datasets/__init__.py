"""Cohorts to try things on, simulated or ABIDE; cohorts for other programs, PyG before all."""

from brainograph.datasets.abide import fetch_abide
from brainograph.datasets.export import export_cohort
from brainograph.datasets.images import simulate_images
from brainograph.datasets.pyg import BrainGraphDataset
from brainograph.datasets.scans import simulate_fmriprep
from brainograph.datasets.simulate import simulate_cohort

__all__ = [
    "BrainGraphDataset",
    "export_cohort",
    "fetch_abide",
    "simulate_cohort",
    "simulate_fmriprep",
    "simulate_images",
]
