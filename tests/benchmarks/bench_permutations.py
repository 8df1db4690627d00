"""A thousand permutations of a linear control, 10 folds: one Gram matrix against refitting.

A simulated cohort of the size of ABIDE's (871 x 6,105 edges), or the saved one that is named:
``python tests/benchmarks/bench_permutations.py cohorts/abide_ho``. scikit-learn refits a few
permutations of one fold; the time for all is extrapolated, and the row says so.
"""

import sys
import time

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brainograph.cohort import Cohort
from brainograph.model_selection import repeated_stratified
from brainograph.model_selection.permutation import _decide, permutation_test_linear
from brainograph.preprocessing import Edges

N_PERMUTATIONS, N_REFITTED, ALPHA = 1000, 3, 1e4


def cohort_of_abide_size() -> tuple[Cohort, np.ndarray]:
    """Return 871 participants with 111 regions: 6,105 edges, a fifth of the variance shared."""
    rng = np.random.default_rng(0)
    series = rng.standard_normal((871, 111, 120)) + 0.5 * rng.standard_normal((871, 1, 120))
    fc = np.stack([np.corrcoef(one) for one in series]).astype(np.float32)
    phenotype = pd.DataFrame(
        {"site": rng.integers(20, size=871).astype(str)}, index=[f"{i:04d}" for i in range(871)]
    )
    regions = pd.DataFrame(index=[f"r{i}" for i in range(111)])
    return Cohort(phenotype, regions, connectivity={"fc": fc}), rng.permutation(871) % 2


class Precise(TransformerMixin, BaseEstimator):
    """Double precision, as ours computes."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.asarray(X, dtype=float)


def run(folder: str | None = None) -> list[dict]:
    """Return one row."""
    cohort, y = load(folder) if folder else cohort_of_abide_size()
    features = make_pipeline(Edges(), Precise(), StandardScaler())
    splits = repeated_stratified(cohort, y, by=())
    start = time.perf_counter()
    test = permutation_test_linear(
        features, cohort, y, splits=splits, alpha=ALPHA, n_permutations=N_PERMUTATIONS,
        progress=False,
    )  # fmt: skip
    ours = time.perf_counter() - start
    train, held_out = next(iter(splits)).rows(cohort)
    fitted = features.fit(cohort[train])
    x, z = fitted.transform(cohort[train]), fitted.transform(cohort[held_out])
    rng = np.random.default_rng(1)
    start = time.perf_counter()
    for _ in range(N_REFITTED):
        RidgeClassifier(ALPHA).fit(x, rng.permutation(y[train])).decision_function(z)
    refitted = (time.perf_counter() - start) / N_REFITTED * N_PERMUTATIONS * len(splits)
    reference = RidgeClassifier(ALPHA).fit(x, y[train]).decision_function(z)
    decided = _decide(features, cohort, y[:, None], train, held_out, ALPHA)[:, 0]
    what = f"{N_PERMUTATIONS} permutations x {len(splits)} folds, {len(cohort)} x {x.shape[1]}"
    return [
        {
            "what": f"{what}: {ours:.1f} s (p = {test.p_value:.3f})",
            "ours_ms": 1e3 * ours,
            "reference": f"sklearn, from {N_REFITTED} refits",
            "reference_ms": 1e3 * refitted,
            "ratio": refitted / ours,
            "error": float(np.abs(decided - reference).max()),
        }
    ]


def load(folder: str) -> tuple[Cohort, np.ndarray]:
    """Return a saved cohort, such as ABIDE's, and its diagnosis."""
    cohort = Cohort.load(folder)
    return cohort, (cohort.phenotype["diagnosis"] == 1).to_numpy().astype(int)


if __name__ == "__main__":
    for row in run(*sys.argv[1:]):
        print(
            f"{row['what']}   {row['reference']}: {row['reference_ms'] / 1e3:.0f} s extrapolated   "
            f"{row['ratio']:.0f}x   error {row['error']:.1e}"
        )
