"""Regional series of a gzipped 4D scan, cleaned: ours and NiftiLabelsMasker, one thread.

python tests/benchmarks/bench_roi_extraction.py
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import tempfile
import time
import tracemalloc
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
from nilearn.maskers import NiftiLabelsMasker
from nilearn.signal import clean

from brainograph.io.atlas import load_atlas
from brainograph.io.extraction import extract_series, igzip

SHAPE, N_VOLUMES, N_LABELS = (64, 64, 40), 200, 191
CLEANING = {
    "standardize": "zscore_sample",
    "detrend": True,
    "low_pass": 0.1,
    "high_pass": 0.01,
    "t_r": 2.0,
}
AFFINE = np.diag([3.0, 3, 3, 1])


def simulate(folder: Path) -> None:
    """Write an ellipsoidal brain in int16 and an atlas of equal numbers of voxels."""
    rng = np.random.default_rng(0)
    axes = np.indices(SHAPE) - np.reshape(SHAPE, (3, 1, 1, 1)) / 2
    brain = ((axes / np.reshape([26, 30, 17], (3, 1, 1, 1))) ** 2).sum(axis=0) < 1
    labels = np.zeros(SHAPE, np.int16)
    labels[brain] = np.arange(brain.sum()) * N_LABELS // brain.sum() + 1
    scan = np.zeros((*SHAPE, N_VOLUMES), np.int16)
    mean = 800 + 100 * rng.standard_normal(brain.sum())
    for t in range(N_VOLUMES):
        scan[brain, t] = mean + 20 * rng.standard_normal(brain.sum())
    header = nib.Nifti1Header()
    header.set_xyzt_units("mm", "sec")
    nib.save(nib.Nifti1Image(scan, AFFINE, header), folder / "scan.nii.gz")
    nib.save(nib.Nifti1Image(labels, AFFINE), folder / "atlas.nii.gz")


def ours(folder: Path) -> np.ndarray:
    series = extract_series(folder / "scan.nii.gz", load_atlas(folder / "atlas.nii.gz"))
    return clean(series, **CLEANING)


def nilearn(folder: Path) -> np.ndarray:
    masker = NiftiLabelsMasker(folder / "atlas.nii.gz", **CLEANING)
    return masker.fit_transform(folder / "scan.nii.gz")


def peak_memory(function, folder: Path) -> float:
    """Return the peak of the memory that one call allocates, in MB."""
    tracemalloc.start()
    function(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def median_ms(functions, folder: Path, repeats: int = 7) -> list[float]:
    """Time the functions in turn, so that a busy moment of the machine falls on all of them."""
    times = []
    for _ in range(repeats):
        for function in functions:
            start = time.perf_counter()
            function(folder)
            times.append(time.perf_counter() - start)
    return (np.median(np.reshape(times, (repeats, -1)), axis=0) * 1e3).tolist()


def run() -> list[dict]:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder)
        error = float(np.abs(ours(folder) - nilearn(folder)).max())
        ours_ms, reference_ms = median_ms([ours, nilearn], folder)
        ours_mb, reference_mb = peak_memory(ours, folder), peak_memory(nilearn, folder)
    stream = "isal" if igzip else "zlib"
    return [
        {
            "what": f"ROI extraction and cleaning, 64x64x40x200, {N_LABELS} labels, {stream}",
            "ours_ms": ours_ms,
            "reference": "NiftiLabelsMasker",
            "reference_ms": reference_ms,
            "ratio": reference_ms / ours_ms,
            "error": error,
        },
        {
            "what": "  its peak memory, in MB",
            "ours_ms": ours_mb,
            "reference": "NiftiLabelsMasker",
            "reference_ms": reference_mb,
            "ratio": reference_mb / ours_mb,
            "error": 0.0,
        },
    ]


if __name__ == "__main__":
    for row in run():
        unit = "MB" if "memory" in row["what"] else "ms"
        print(
            f"{row['what']:<66} {row['ours_ms']:8.1f} {unit}  {row['reference']} "
            f"{row['reference_ms']:8.1f} {unit}  {row['ratio']:5.1f}x  error {row['error']:.1e}"
        )
