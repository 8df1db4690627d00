"""Sliding-window and static correlation against numpy and nilearn.

``python tests/benchmarks/bench_sliding_window.py``
"""

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
import torch
from nilearn.connectome import ConnectivityMeasure
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from threadpoolctl import threadpool_limits

from brainograph.connectivity import sliding_window, static

N_REGIONS, N_VOLUMES, LENGTH = 200, 200, 30
REPEATS = 15


def corrcoef_loop(series: np.ndarray) -> np.ndarray:
    starts = range(len(series) - LENGTH + 1)
    return np.stack([np.corrcoef(series[s : s + LENGTH].T) for s in starts])


def nilearn(scans: list[np.ndarray], estimator: object, kind: str = "correlation") -> np.ndarray:
    measure = ConnectivityMeasure(cov_estimator=estimator, kind=kind, standardize=True)
    return measure.fit_transform(scans)


def nilearn_windows(series: np.ndarray) -> np.ndarray:
    starts = range(len(series) - LENGTH + 1)
    return nilearn([series[s : s + LENGTH] for s in starts], EmpiricalCovariance())


def compare(
    what: str, reference: str, ours: Callable, theirs: Callable, *, repeats: int = REPEATS
) -> dict:
    """Time both in turn, so that a busy moment of the machine meets both; medians."""
    error = float(np.abs(np.asarray(ours()) - np.asarray(theirs())).max())
    times: tuple[list[float], list[float]] = [], []
    for _ in range(repeats):
        for function, record in zip((ours, theirs), times, strict=True):
            started = perf_counter()
            result = function()
            record.append(1000 * (perf_counter() - started))
            del result
    ours_ms, reference_ms = median(times[0]), median(times[1])
    return {
        "what": what,
        "ours_ms": ours_ms,
        "reference": reference,
        "reference_ms": reference_ms,
        "ratio": reference_ms / ours_ms,
        "error": error,
    }


def threads(number: int) -> threadpool_limits:
    """Give both sides this many threads, in torch and in every BLAS."""
    torch.set_num_threads(number)
    return threadpool_limits(number)


def windows(series: np.ndarray, number: int) -> list[dict]:
    """Return the rows of sliding windows."""
    what = f"sliding window, {series.dtype}, threads: {number}"
    references = (
        ("np.corrcoef loop", lambda: corrcoef_loop(series), REPEATS),
        ("nilearn per window", lambda: nilearn_windows(series), 3),
    )
    with threads(number):
        return [
            compare(what, name, lambda: sliding_window(series, LENGTH), theirs, repeats=repeats)
            for name, theirs, repeats in references
        ]


def run() -> list[dict]:
    """Return one row for each comparison."""
    double = np.random.default_rng(0).standard_normal((N_VOLUMES, N_REGIONS)) + 1e4
    rows = []
    for series in (double.astype(np.float32), double):
        for number in (1, 2):
            rows += windows(series, number)
    threads(1)
    mixing = np.random.default_rng(1).standard_normal((20, N_REGIONS))
    scans = [np.roll(double, s) + double[:, :20] @ mixing for s in range(20)]
    for kind, shrinkage, estimator in (
        ("correlation", None, EmpiricalCovariance()),
        ("correlation", "ledoit_wolf", LedoitWolf()),
        ("partial correlation", "ledoit_wolf", LedoitWolf()),
    ):
        rows.append(
            compare(
                f"static {kind}, {shrinkage or 'plain'}, 20 scans",
                f"nilearn {type(estimator).__name__}",
                lambda kind=kind, shrinkage=shrinkage: static(
                    scans, kind=kind, shrinkage=shrinkage
                ),
                lambda kind=kind, estimator=estimator: nilearn(scans, estimator, kind),
                repeats=5,
            )
        )
    return rows


if __name__ == "__main__":
    for row in run():
        print(
            f"{row['what']:<50} {row['ours_ms']:9.2f} ms   {row['reference']:<28} "
            f"{row['reference_ms']:9.2f} ms   {row['ratio']:6.1f}x   error {row['error']:.1e}"
        )
