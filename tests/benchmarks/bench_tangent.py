"""Tangent space against nilearn, ridge elimination against scikit-learn.

The single-threaded rows give both sides one thread. The row of two gives nilearn two BLAS threads
and ours two threads over subjects.
"""

import time
from collections.abc import Callable

import numpy as np
from nilearn.connectome import ConnectivityMeasure
from sklearn.feature_selection import RFE
from sklearn.linear_model import RidgeClassifier
from threadpoolctl import threadpool_limits

from brainograph.preprocessing import RidgeRFE, TangentSpace


def _timed(function: Callable[[], np.ndarray], n_threads: int, repeats: int):
    """Return the median wall time (ms) and the last result."""
    times = []
    with threadpool_limits(n_threads):
        for _ in range(repeats):
            start = time.perf_counter()
            result = function()
            times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times)), result


def _row(what, ours, reference_name, reference, *, n_threads=1, repeats=3):
    ours_ms, got = _timed(ours, n_threads, repeats)
    reference_ms, expected = _timed(reference, n_threads, repeats)
    return {
        "what": what,
        "ours_ms": ours_ms,
        "reference": reference_name,
        "reference_ms": reference_ms,
        "ratio": reference_ms / ours_ms,
        "error": float(np.abs(got - expected).max()),
    }


def run() -> list[dict]:
    """Return one row for each comparison."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal((50, 200)) * 0.3
    series = [
        (rng.standard_normal((200, 50)) @ common + rng.standard_normal((200, 200)))
        * rng.uniform(0.5, 2, 200)
        for _ in range(60)
    ]
    rows = []
    for n_threads, repeats in ((1, 3), (2, 1)):
        ours = TangentSpace(standardize=False, n_jobs=n_threads)
        theirs = ConnectivityMeasure(kind="tangent", vectorize=True)
        rows.append(
            _row(
                f"tangent space, 60 x 200 regions, threads: {n_threads}",
                lambda ours=ours: ours.fit_transform(series),
                "nilearn",
                lambda theirs=theirs: theirs.fit_transform(series),
                n_threads=n_threads,
                repeats=repeats,
            )
        )
    X, y = rng.standard_normal((784, 6105)), rng.integers(2, size=784)
    rows.append(
        _row(
            "ridge elimination, 784 x 6105 -> 2000",
            lambda: RidgeRFE(2000).fit(X, y).ranking_,
            "sklearn RFE",
            lambda: RFE(RidgeClassifier(), n_features_to_select=2000, step=100).fit(X, y).ranking_,
            repeats=1,
        )
    )
    return rows


if __name__ == "__main__":
    for row in run():
        print(
            f"{row['what']:<48} {row['ours_ms']:>9.1f} ms   {row['reference']:<12}"
            f"{row['reference_ms']:>9.1f} ms   {row['ratio']:>6.1f}x   error {row['error']:.1e}"
        )
