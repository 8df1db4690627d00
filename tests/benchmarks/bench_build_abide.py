"""Building ABIDE's 871 Harvard-Oxford participants from text files, with its parts.

python tests/benchmarks/bench_build_abide.py
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from brainograph.connectivity.static import static
from brainograph.io.cpac import read_cpac, read_phenotype

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def loop(root: Path) -> np.ndarray:
    """Read and correlate as a script would: np.loadtxt and np.corrcoef, file by file."""
    matrices = []
    for path in sorted(root.rglob("*_rois_ho.1D")):
        with np.errstate(invalid="ignore", divide="ignore"):
            matrices.append(np.nan_to_num(np.corrcoef(np.loadtxt(path), rowvar=False)))
    return np.stack(matrices)


def timed(function, *args, **kwargs):
    start = time.perf_counter()
    result = function(*args, **kwargs)
    return result, (time.perf_counter() - start) * 1e3


def run() -> list[dict]:
    if not SHARED.is_dir():
        return []
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tool = [sys.executable, str(SHARED / "tools" / "unpack_abide.py"), name, "--atlas", "ho"]
        subprocess.run(tool, check=True, capture_output=True)
        table = next((root / "ABIDE_pcp").glob("*.csv"))
        _, table_ms = timed(read_phenotype, table)
        cohort, read_ms = timed(read_cpac, root, progress=False)
        fc, fc_ms = timed(static, cohort.timeseries)
        cohort = cohort.assign(connectivity={"fc": fc})
        _, save_ms = timed(cohort.save, root / "cohort")
        _, load_ms = timed(type(cohort).load, root / "cohort")
        expected, loop_ms = timed(loop, root)
    files = sorted(range(len(cohort)), key=lambda i: cohort.phenotype["file_id"].iloc[i])
    order = np.abs(fc[files] - expected)[..., ~np.eye(cohort.n_regions, dtype=bool)]
    parts = [
        ("phenotype table", table_ms),
        ("series from text, with the table", read_ms),
        ("fc", fc_ms),
        ("save", save_ms),
        ("load again", load_ms),
    ]
    rows = [
        {
            "what": f"ABIDE {len(cohort)} x {cohort.n_regions}: series and fc",
            "ours_ms": read_ms + fc_ms,
            "reference": "np.loadtxt, np.corrcoef",
            "reference_ms": loop_ms,
            "ratio": loop_ms / (read_ms + fc_ms),
            "error": float(order.max()),
        }
    ]
    nothing = {"reference": "", "reference_ms": np.nan, "ratio": np.nan, "error": np.nan}
    return rows + [{"what": f"  {what}", "ours_ms": ms, **nothing} for what, ms in parts]


if __name__ == "__main__":
    table = run()
    if not table:
        print("skipped: no real data")
    for row in table:
        line = f"{row['what']:<40} {row['ours_ms']:9.1f} ms"
        if row["reference"]:
            line += (
                f"  {row['reference']} {row['reference_ms']:9.1f} ms  {row['ratio']:.1f}x  "
                f"error {row['error']:.1e}"
            )
        print(line)
