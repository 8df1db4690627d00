"""Whether an importance is larger than a model that learnt nothing would give: permuted labels."""

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control
from sklearn.base import BaseEstimator, clone

from brainograph.cohort import Cohort
from brainograph.inspection.importances import places_of, summarize
from brainograph.inspection.stability import Explain

__all__ = ["significance"]


def significance(
    explain: Explain,
    model: BaseEstimator,
    cohort: Cohort,
    y: ArrayLike,
    *,
    n_permutations: int = 99,
    within: str | None = None,
    n_jobs: int | None = None,
    random_state: int = 0,
) -> pd.DataFrame:
    r"""Fit and explain with labels in random orders, and count how often importances are as large.

    .. math:: p_u = \frac{1 + \#\{b: T_u^b \ge T_u\}}{1 + B},\qquad
              p^{max}_u = \frac{1 + \#\{b: \max_v Z_v^b \ge Z_u\}}{1 + B}

    T is the mean size of an importance over participants and Z the same standardised by its mean
    and deviation over all B + 1 orders, so that regions whose importance varies much do not hide
    the others.

    Parameters
    ----------
    explain : callable
        (fitted model, cohort) -> importances, such as :func:`attribute`.
    model : estimator
        Is cloned and fitted anew for each order.
    cohort : Cohort (S)
    y : array (S,)
        -1 (NaN of numbers) where there is no label; these stay where they are.
    n_permutations : int
        B; the smallest p is 1 / (1 + B).
    within : str, optional
        Phenotype, such as ``"site"``, within whose values labels change places.
    n_jobs : int, optional
        Processes; the numbers do not depend on it.
    random_state : int
        Seed of the orders.

    Returns
    -------
    DataFrame
        What is important, ``importance``, ``effect``, ``p``, ``p_fdr`` (Benjamini and Hochberg) and
        ``p_max`` (corrected for all comparisons by the largest Z [1]_), the largest importance
        first.

    Notes
    -----
    What is explained must be smaller for a model that learnt nothing: attributions, occlusion and
    weights are. Haufe's pattern is divided by the variance of the decision and is not.

    Raises
    ------
    ValueError
        If ``n_permutations`` is below 1, or there is no phenotype ``within``.

    References
    ----------
    .. [1] Westfall, P. H. and Young, S. S. (1993). Resampling-based multiple testing. Wiley.
       Nichols, T. E. and Holmes, A. P. (2002). Nonparametric permutation tests for functional
       neuroimaging. Human Brain Mapping 15.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.inspection import haufe_patterns, to_regions
    >>> from brainograph.preprocessing import Edges
    >>> cohort = simulate_cohort(n_subjects=60)
    >>> y = cohort.phenotype["diagnosis"]
    >>> model = make_pipeline(Edges(), LogisticRegression())
    >>> explain = lambda model, cohort: to_regions(haufe_patterns(model, cohort, weights=True))
    >>> table = significance(explain, model, cohort, y, n_permutations=19)
    >>> float(table["p"].min())
    0.05
    """
    if n_permutations < 1:
        raise ValueError(f"n_permutations must be at least 1, got {n_permutations}.")
    if within is not None and within not in cohort.phenotype:
        raise ValueError(f"the cohort has no phenotype {within!r}; it has {list(cohort.phenotype)}")
    labels = np.asarray(y)
    blocks = np.zeros(len(labels), dtype=int)
    if within is not None:
        blocks = pd.factorize(cohort.phenotype[within])[0]
    blocks = np.where(np.isfinite(labels) & (labels != -1), blocks, -2)
    orders = [labels, *_orders(labels, blocks, n_permutations, random_state)]
    found = Parallel(n_jobs)(delayed(_explained)(explain, model, cohort, one) for one in orders)
    first = found[0]
    places = places_of(first)
    index = pd.MultiIndex.from_frame(first[places].astype(object))
    sizes = np.stack(
        [
            one.set_index(pd.MultiIndex.from_frame(one[places].astype(object)))["importance"]
            .reindex(index)
            .to_numpy()
            for one in found
        ]
    )
    return first.assign(**_p_values(sizes)).drop(columns="n")


def _orders(
    labels: np.ndarray, blocks: np.ndarray, n_permutations: int, random_state: int
) -> list[np.ndarray]:
    """Return the labels in random orders within blocks; block -2 keeps its own."""
    rng = np.random.default_rng(random_state)
    orders = []
    for _ in range(n_permutations):
        order = labels.copy()
        for block in np.unique(blocks[blocks != -2]):
            rows = np.flatnonzero(blocks == block)
            order[rows] = labels[rng.permutation(rows)]
        orders.append(order)
    return orders


def _explained(
    explain: Explain, model: BaseEstimator, cohort: Cohort, labels: np.ndarray
) -> pd.DataFrame:
    return summarize(explain(clone(model).fit(cohort, labels), cohort))


def _p_values(sizes: np.ndarray) -> dict[str, np.ndarray]:
    """Return p values of the first of B + 1 orders, from (B + 1, U).

    Examples
    --------
    >>> _p_values(np.array([[3.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))["p"].round(2).tolist()
    [0.33, 1.0]
    """
    deviation = sizes.std(axis=0)
    z = (sizes - sizes.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    p = (sizes >= sizes[0]).mean(axis=0)
    largest = z.max(axis=1)
    p_max = (largest[:, None] >= z[0]).mean(axis=0)
    return {"p": p, "p_fdr": false_discovery_control(p), "p_max": p_max}
