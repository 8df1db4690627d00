"""Permutation tests: the labels in another order, and what a model scores then."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from rich.progress import track
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import rankdata
from sklearn.base import TransformerMixin, clone

from brainograph.cohort import Cohort
from brainograph.model_selection.splits import Split, Splits

__all__ = ["PermutationTest", "aucs", "exchangeable", "permutation_test_linear", "permute_labels"]


@dataclass(frozen=True)
class PermutationTest:
    """What a model scores on the labels, and on labels in another order.

    Parameters
    ----------
    auc, pooled_auc : float
        Mean AUC of the folds; AUC over all participants of a repeat, mean over repeats.
    null, pooled_null : array (n_permutations,)
        The same for every order of the labels.
    """

    auc: float
    pooled_auc: float
    null: np.ndarray
    pooled_null: np.ndarray

    @property
    def p_value(self) -> float:
        """(1 + number of permutations that score as high) / (1 + number of permutations)."""
        return float((1 + np.sum(self.null >= self.auc)) / (1 + len(self.null)))

    @property
    def pooled_p_value(self) -> float:
        """The same of the pooled AUC."""
        return float((1 + np.sum(self.pooled_null >= self.pooled_auc)) / (1 + len(self.null)))


def exchangeable(
    y: np.ndarray,
    *,
    units: pd.Series | np.ndarray | None = None,
    within: pd.Series | np.ndarray | None = None,
) -> list[np.ndarray]:
    """Return who may exchange labels with whom: arrays (units, size) of rows.

    Parameters
    ----------
    y : array (S,)
        Labels; -1 for unlabelled, who exchange with nobody.
    units : (S,), optional
        Who must stay together, such as the sessions of a person. A unit of one label exchanges
        it, as a whole, with units of the same size; members of other units stand for themselves.
    within : (S,), optional
        Labels are exchanged among participants of the same value only, such as the site.

    Examples
    --------
    >>> y = np.array([0, 1, 0, 1, -1])
    >>> [cell.tolist() for cell in exchangeable(y, within=np.array([1, 1, 2, 2, 2]))]
    [[[0], [1]], [[2], [3]]]
    """
    table = pd.DataFrame({"label": y, "row": np.arange(len(y))})
    table["within"] = "all" if within is None else np.asarray(within).astype(str)
    table["unit"] = table["row"].astype(str) if units is None else np.asarray(units).astype(str)
    table = table[table["label"] != -1]
    varied = table.groupby("unit")[["label", "within"]].transform("nunique").max(axis=1) > 1
    table["unit"] = table["unit"].mask(varied, "row " + table["row"].astype(str))
    rows = table.groupby("unit", sort=False)["row"].agg(tuple)
    within_of = table.groupby("unit", sort=False)["within"].first()
    cells = rows.groupby([within_of, rows.map(len)], sort=True)
    return [np.array(cell.tolist()) for _, cell in cells]


def permute_labels(
    y: np.ndarray, cells: list[np.ndarray], generator: np.random.Generator
) -> np.ndarray:
    """Return the labels (S,) in another order, exchanged inside the cells.

    Examples
    --------
    >>> y = np.array([0, 1, 0, 1, -1])
    >>> permute_labels(y, exchangeable(y), np.random.default_rng(0))
    array([ 0,  0,  1,  1, -1])
    """
    permuted = np.array(y, copy=True)
    for cell in cells:
        permuted[cell] = y[generator.permutation(cell)]
    return permuted


def permutation_test_linear(
    features: TransformerMixin,
    cohort: Cohort,
    y: np.ndarray,
    *,
    splits: Splits,
    alpha: float = 1.0,
    n_permutations: int = 1000,
    within: str | None = None,
    random_state: int = 0,
    progress: bool = True,
) -> PermutationTest:
    r"""Test a ridge classifier against thousands of orders of the labels, all of them at once.

    The features do not depend on the labels, so that one factorisation serves every order: with
    the centred training features X, the test features Z and a column of labels (±1) for each order

    .. math:: D = Z X^T (X X^T + \alpha I)^{-1} (Y - \bar Y) + \bar Y

    are the decision values of scikit-learn's ``RidgeClassifier(alpha)``, to rounding.

    Parameters
    ----------
    features : transformer
        From a Cohort to (S, F), fitted on the training rows of each fold, without labels.
    cohort : Cohort (S)
        The participants.
    y : array (S,)
        0 or 1, -1 for unlabelled.
    splits : Splits
        The folds.
    alpha : float
        Ridge penalty, above 0.
    n_permutations : int
        Orders of the labels. The smallest p-value is ``1 / (1 + n_permutations)``.
    within : str, optional
        Phenotype column; labels are exchanged within its values only. With ``"site"``, what
        the sites' shares of patients are worth stays in the null.
    random_state : int
        Seed.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    PermutationTest
        Folds with one class are left out of the mean. On folds stratified by the label the pooled
        null lies slightly under 0.5, since permuted labels are not stratified; the mean of the
        folds is free of this.

    Raises
    ------
    ValueError
        If alpha or n_permutations is out of range, the column is missing, or the features need
        labels.

    References
    ----------
    Ojala & Garriga, Permutation tests for studying classifier performance, Journal of Machine
    Learning Research 11, 2010.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.model_selection import repeated_stratified
    >>> from brainograph.preprocessing import Edges
    >>> cohort = simulate_cohort(n_subjects=60, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> splits = repeated_stratified(cohort, y, n_splits=5)
    >>> test = permutation_test_linear(
    ...     Edges(), cohort, y, splits=splits, n_permutations=99, progress=False
    ... )
    >>> test.p_value
    0.01
    """
    if not alpha > 0:
        raise ValueError(f"alpha must be above 0, got {alpha}. Write alpha=1.0.")
    if n_permutations < 1:
        raise ValueError(f"n_permutations must be at least 1, got {n_permutations}. Write 1000.")
    if within is not None and within not in cohort.phenotype:
        raise ValueError(
            f"the phenotype table has no column {within!r}; it has "
            f"{cohort.phenotype.columns.tolist()}. Write within= one of these."
        )
    orders = _orders(cohort, np.asarray(y), n_permutations, within, random_state)
    decisions, of_folds = [], []
    for split in track(splits, "permutations", disable=not progress):
        train, test = split.rows(cohort)
        decisions.append(_decide(features, cohort, orders, train, test, alpha))
        of_folds.append(aucs(orders[test], decisions[-1]))
    pooled = [
        aucs(orders[cohort.locate(names)], np.concatenate(scores))
        for names, scores in _by_repeat(list(splits), decisions)
    ]
    auc, pooled_auc = np.nanmean(of_folds, axis=0), np.nanmean(pooled, axis=0)
    return PermutationTest(float(auc[0]), float(pooled_auc[0]), auc[1:], pooled_auc[1:])


def _orders(
    cohort: Cohort, y: np.ndarray, n_permutations: int, within: str | None, random_state: int
) -> np.ndarray:
    """Return the labels (S, 1 + n_permutations), first as they are; whatever the row order."""
    rows = np.argsort(cohort.participant_ids)
    units = cohort.units("group" if "group" in cohort.phenotype else None).iloc[rows]
    values = None if within is None else cohort.phenotype[within].iloc[rows]
    cells = exchangeable(y[rows], units=units, within=values)
    generator = np.random.default_rng(random_state)
    orders = np.empty((len(y), 1 + n_permutations), dtype=np.int8)
    orders[:, 0] = y
    for i in range(1, 1 + n_permutations):
        orders[rows, i] = permute_labels(y[rows], cells, generator)
    return orders


def _decide(
    features: TransformerMixin,
    cohort: Cohort,
    orders: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    alpha: float,
) -> np.ndarray:
    """Return the decision values (test, P) of the ridge classifiers of every order of labels."""
    try:
        fitted = clone(features).fit(cohort[train])
    except (TypeError, ValueError) as error:
        error.add_note(
            "Features are fitted without labels here: one factorisation serves all permutations. "
            "For features that learn from labels use brainograph.model_selection.audit."
        )
        raise
    x = np.asarray(fitted.transform(cohort[train]), dtype=float)
    mean = x.mean(axis=0)
    x -= mean
    z = np.asarray(fitted.transform(cohort[test]), dtype=float) - mean
    gram = x @ x.T
    gram.flat[:: len(gram) + 1] += alpha
    weights = cho_solve(cho_factor(gram, overwrite_a=True), x @ z.T).T
    labels = 2.0 * orders[train] - 1
    center = labels.mean(axis=0)
    return weights @ (labels - center) + center


def _by_repeat(splits: list[Split], decisions: list[np.ndarray]) -> list[tuple[list[str], list]]:
    """Return the test participants and the decision values of each repeat."""
    repeats = sorted({split.repeat for split in splits})
    pairs = list(zip(splits, decisions, strict=True))
    return [
        (
            [name for split, _ in pairs if split.repeat == repeat for name in split.test],
            [values for split, values in pairs if split.repeat == repeat],
        )
        for repeat in repeats
    ]


def aucs(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the AUC (P,) of each column of scores (S, P); NaN where there is one class.

    Examples
    --------
    >>> aucs(np.array([[0, 1], [1, 0], [1, 1]]), np.array([[0.1, 0.1], [0.2, 0.2], [0.9, 0.9]]))
    array([1. , 0.5])
    """
    positive = labels == 1
    n_positive = positive.sum(axis=0).astype(float)
    n_pairs = n_positive * (len(labels) - n_positive)
    above = (rankdata(scores, axis=0) * positive).sum(axis=0) - n_positive * (n_positive + 1) / 2
    return np.divide(above, n_pairs, out=np.full(len(n_pairs), np.nan), where=n_pairs > 0)
