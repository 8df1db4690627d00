"""ComBat against neuroCombat: the edges of 871 participants and 110 regions from 20 sites."""

import contextlib
import io
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from neuroCombat import neuroCombat
from threadpoolctl import threadpool_limits

from brainograph.preprocessing import ComBat


def _timed(function: Callable[[], np.ndarray], repeats: int):
    """Return the median wall time (ms) and the last result."""
    times = []
    with threadpool_limits(1), contextlib.redirect_stdout(io.StringIO()):
        for _ in range(repeats):
            start = time.perf_counter()
            result = function()
            times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times)), result


def _data(n_subjects: int, n_features: int, n_sites: int):
    """Draw features with shifts and scales of sites, and the participants' table."""
    rng = np.random.default_rng(0)
    code = rng.integers(n_sites, size=n_subjects)
    table = pd.DataFrame(
        {
            "site": [f"site{c}" for c in code],
            "age": rng.uniform(6, 40, n_subjects).round(2),
            "sex": rng.choice(["female", "male"], n_subjects),
        }
    )
    x = rng.standard_normal((n_subjects, n_features)) + 0.02 * table[["age"]].to_numpy()
    x *= rng.uniform(0.7, 1.4, (n_sites, n_features))[code]
    return x + rng.normal(0, 0.4, (n_sites, n_features))[code], table


def run() -> list[dict]:
    """Return one row for each comparison."""
    x, table = _data(871, 6105, 20)
    rows = []
    for kept in ([], ["age", "sex"]):
        covariates = table[kept] if kept else None
        ours_ms, got = _timed(
            lambda covariates=covariates: ComBat().fit_transform(
                x, sites=table["site"], covariates=covariates
            ),
            5,
        )
        reference_ms, expected = _timed(
            lambda kept=kept: (
                neuroCombat(
                    x.T,
                    table,
                    "site",
                    categorical_cols=[c for c in kept if c == "sex"],
                    continuous_cols=[c for c in kept if c == "age"],
                )["data"].T
            ),
            3,
        )
        rows.append(
            {
                "what": f"ComBat, 871 x 6105, 20 sites, {' and '.join(kept) or 'no covariates'}",
                "ours_ms": ours_ms,
                "reference": "neuroCombat",
                "reference_ms": reference_ms,
                "ratio": reference_ms / ours_ms,
                "error": float(np.abs(got - expected).max()),
            }
        )
    return rows


if __name__ == "__main__":
    for row in run():
        print(
            f"{row['what']:<50} {row['ours_ms']:>9.1f} ms   {row['reference']:<12}"
            f"{row['reference_ms']:>9.1f} ms   {row['ratio']:>6.1f}x   error {row['error']:.1e}"
        )
