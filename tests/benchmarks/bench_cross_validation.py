"""Cross-validate a population GCN and its controls, at 1, 2, 4 and 8 times ABIDE's size.

The first row is ten folds of the 871-participant size with every control; the others are one fold
of the network and of ridge regression on edges, compared with the size before: a ratio of 2 for
twice as many participants is linear growth, 4 quadratic. Run by itself it takes more sizes:

    python tests/benchmarks/bench_cross_validation.py 1 2 4 8
"""

import sys
import time

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from brainograph.cohort import Cohort
from brainograph.estimators import PopulationGraphClassifier
from brainograph.model_selection import cross_validate, default_controls, repeated_stratified
from brainograph.model_selection.jobs import Job
from brainograph.preprocessing import Edges, Harmonized, SiteCentering
from brainograph.preprocessing.block_scaler import BlockScaler

N, REGIONS, SITES = 871, 111, 20


def simulate(n: int) -> tuple[Cohort, np.ndarray]:
    """Return a cohort of ABIDE's shape whose edges hold a weak effect, without series."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(n) % 2)
    matrices = np.empty((n, REGIONS, REGIONS), dtype=np.float32)
    for i in range(n):
        noise = rng.standard_normal((REGIONS, REGIONS)).astype(np.float32) * 0.3
        matrices[i] = np.tanh((noise + noise.T) / 2 + 0.01 * y[i])
    phenotype = pd.DataFrame(
        {
            "site": rng.choice([f"site{k:02d}" for k in range(SITES)], n),
            "age": rng.uniform(7, 60, n),
            "sex": rng.choice(["female", "male"], n),
            "mean_fd": rng.gamma(2.0, 0.05, n),
        },
        index=[f"sub-{i:05d}" for i in range(n)],
    )
    regions = pd.DataFrame(index=[f"r{k:03d}" for k in range(REGIONS)])
    return Cohort(phenotype, regions, connectivity={"fc": matrices}), y


def network() -> PopulationGraphClassifier:
    """Return the network of ``configs/abide_ho_population_gcn.yaml`` without tangent space."""
    features = make_pipeline(Harmonized(Edges(), SiteCentering(), covariates=()), BlockScaler())
    return PopulationGraphClassifier(
        features, num_layers=0, linear_skip=True, skip_smoothing=1.0, combine="phenotype",
        categorical=("sex",), continuous={"age": 2.0}, optimizer="lbfgs", max_epochs=10,
        n_members=1, validation_fraction=0.0, device="cpu",
    )  # fmt: skip


def whole() -> dict:
    """Time ten folds of the network and all controls that need no series."""
    cohort, y = simulate(N)
    models = {"gcn": network(), **default_controls(cohort, network())}
    started = time.perf_counter()
    cross_validate(models, cohort, y, regimes=("transductive", "inductive"), progress=False)
    spent = 1000 * (time.perf_counter() - started)
    what = f"10 folds, {N} participants: population GCN in two regimes, {len(models) - 1} controls"
    return {"what": what, "ours_ms": spent, "reference": "-", "reference_ms": None, "ratio": None,
            "error": None}  # fmt: skip


def growth(times: int) -> float:
    """Return the milliseconds of one fold, transductive, at a multiple of the size."""
    cohort, y = simulate(N * times)
    split = next(iter(repeated_stratified(cohort, y, n_splits=10)))
    started = time.perf_counter()
    Job("gcn", network(), "transductive", split).run(cohort, y)
    return 1000 * (time.perf_counter() - started)


def run(sizes: tuple[int, ...] = (1, 2, 4)) -> list[dict]:
    """Return a row for the whole and one for each size."""
    rows, before = [whole()], None
    for times in sizes:
        spent = growth(times)
        rows.append(
            {
                "what": f"one fold of the population GCN, {N * times} participants",
                "ours_ms": spent,
                "reference": "-" if before is None else "the size before (growth)",
                "reference_ms": before,
                "ratio": None if before is None else spent / before,
                "error": None,
            }
        )
        before = spent
    return rows


if __name__ == "__main__":
    for row in run(tuple(map(int, sys.argv[1:])) or (1, 2, 4, 8)):
        ratio = "" if row["ratio"] is None else f"  {row['ratio']:.1f}x the size before"
        print(f"{row['what']:<80} {row['ours_ms'] / 1000:8.1f} s{ratio}")
