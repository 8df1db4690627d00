"""Whether an explanation is the same over folds and seeds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import hypergeom, spearmanr
from sklearn.base import BaseEstimator, clone

from brainograph.cohort import Cohort
from brainograph.inspection.importances import places_of, summarize

__all__ = ["Explain", "explain_folds", "rank_correlation", "stability"]

Explain = Callable[[Any, Cohort], pd.DataFrame]


def stability(tables: Mapping[str, pd.DataFrame], *, k: int = 10) -> pd.DataFrame:
    r"""Compare the importances of each two fits.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Importances by fit, of :func:`explain_folds`.
    k : int
        How many of the largest are compared by the Jaccard index :math:`|A \cap B| / |A \cup B|`.

    Returns
    -------
    DataFrame
        ``first``, ``second``, ``rank_correlation`` (Spearman) and ``jaccard``; and
        ``jaccard_by_chance``, that of two random choices of k.

    Raises
    ------
    ValueError
        For fewer than two fits, or fits of other regions.

    References
    ----------
    Kalousis, A., Prados, J. and Hilario, M. (2007). Stability of feature selection algorithms: a
    study on high-dimensional spaces. Knowledge and Information Systems 12.

    Examples
    --------
    >>> one = pd.DataFrame({"region": list("abc"), "importance": [3.0, 2.0, 1.0]})
    >>> two = pd.DataFrame({"region": list("abc"), "importance": [3.0, 1.0, 2.0]})
    >>> stability({"seed 0": one, "seed 1": two}, k=1)[["rank_correlation", "jaccard"]]
       rank_correlation  jaccard
    0               0.5      1.0
    """
    if len(tables) < 2:
        raise ValueError(f"stability needs two fits or more, got {list(tables)}.")
    sizes = {}
    for name, table in tables.items():
        found = summarize(table)
        sizes[name] = found.set_index(places_of(found))["importance"]
    n = len(next(iter(sizes.values())))
    if any(len(one) != n for one in sizes.values()):
        raise ValueError("the fits explain other things: their tables differ in what they list.")
    top = min(k, n)
    rows = []
    for first, second in combinations(sizes, 2):
        a, b = sizes[first], sizes[second].reindex(sizes[first].index)
        if b.isna().any():
            raise ValueError(f"{first!r} and {second!r} explain other things: {a.index.names}.")
        best = [set(one.nlargest(top, keep="first").index) for one in (a, b)]
        rows.append(
            {
                "first": first,
                "second": second,
                "rank_correlation": rank_correlation(a.to_numpy(), b.to_numpy()),
                "jaccard": len(best[0] & best[1]) / len(best[0] | best[1]),
                "jaccard_by_chance": _by_chance(top, n),
            }
        )
    return pd.DataFrame(rows)


def _by_chance(k: int, n: int) -> float:
    """Return the expected Jaccard index of two random choices of k out of n."""
    shared = np.arange(k + 1)
    return float(hypergeom(n, k, k).pmf(shared) @ (shared / (2 * k - shared)))


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's correlation; 0 where one does not vary.

    Examples
    --------
    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([0.0, 5.0, 6.0]))
    1.0
    """
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b).statistic)


def explain_folds(
    explain: Explain,
    model: BaseEstimator,
    cohort: Cohort,
    y: ArrayLike,
    splits: Iterable[tuple[np.ndarray, np.ndarray]],
    *,
    seeds: Sequence[int] = (0,),
) -> dict[str, pd.DataFrame]:
    """Fit on each training part with each seed, and explain the participants left out.

    Parameters
    ----------
    explain : callable
        (fitted model, cohort) -> importances, such as :func:`attribute` or a ``lambda`` of it.
    model : estimator
        Is cloned.
    cohort : Cohort (S)
    y : array (S,)
        -1 (NaN of numbers) where there is no label.
    splits : iterable of (train, test) positions
        Such as ``StratifiedKFold(5).split(y, y)``.
    seeds : sequence of int
        ``random_state`` of the model, if it has one.

    Returns
    -------
    dict of str to DataFrame
        ``"fold 0, seed 0"``, ... For :func:`stability` and :func:`consensus`.
    """
    labels = np.asarray(y)
    tables = {}
    for fold, (train, test) in enumerate(splits):
        train = train[np.isfinite(labels[train]) & (labels[train] != -1)]
        for seed in seeds:
            fitted = clone(model)
            if "random_state" in fitted.get_params(deep=False):
                fitted.set_params(random_state=seed)
            fitted.fit(cohort[train], labels[train])
            tables[f"fold {fold}, seed {seed}"] = explain(fitted, cohort[test])
    return tables
