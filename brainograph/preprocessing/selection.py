"""Feature selection: the literature's recursive elimination by ridge classification.

Selection by ANOVA is scikit-learn's own ``SelectKBest(f_classif, k=2000)``. An edge that is
constant over the training rows (a region without signal) makes ``f_classif`` warn; put
``VarianceThreshold()`` before it.
"""

import warnings
from collections.abc import Iterator
from typing import Self

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["RidgeRFE"]


class RidgeRFE(SelectorMixin, BaseEstimator):
    r"""Eliminate features recursively by their weight in a ridge classifier.

    Of N subjects' centred features X and labels Y (±1), each round solves

    .. math:: B = X^T (X X^T + \alpha I)^{-1} Y

    and drops the ``step`` features of the smallest squared weight, until ``n_features`` are
    left [1]_. It selects what scikit-learn's ``RFE(RidgeClassifier(alpha), ...)`` selects, as in
    the population graphs of [2]_, but forms X Xᵀ once and subtracts what leaves. With fewer
    features than subjects the normal equations take over, whose XᵀX is only ever cut.

    Parameters
    ----------
    n_features : int
        Features to keep.
    alpha : float
        Ridge penalty, above 0.
    step : int
        Features to drop in a round.

    Attributes
    ----------
    support_ : ndarray (P,) of bool
        The features that were kept.
    ranking_ : ndarray (P,) of int
        1 for kept features; the larger, the earlier it was dropped.
    n_features_in_ : int
        P.

    References
    ----------
    .. [1] Guyon, I., Weston, J., Barnhill, S. and Vapnik, V. (2002). Gene selection for cancer
       classification using support vector machines. Machine Learning 46:389-422.
    .. [2] Parisot, S., et al. (2018). Disease prediction using graph convolutional networks.
       Medical Image Analysis 48:117-130.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X = rng.standard_normal((40, 30))
    >>> X[:, 7] += 3 * y
    >>> RidgeRFE(1, step=2).fit(X, y).get_support(indices=True)
    array([7])
    """

    def __init__(self, n_features: int = 2000, *, alpha: float = 1.0, step: int = 100) -> None:
        self.n_features = n_features
        self.alpha = alpha
        self.step = step

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Select the features.

        Parameters
        ----------
        X : array (N, P)
            Features of the training rows.
        y : array (N,)
            Their classes.

        Returns
        -------
        RidgeRFE
            Itself.

        Raises
        ------
        ValueError
            If ``y`` has one class, a value is missing, or a parameter is out of range.
        """
        self._check_parameters()
        X, y = validate_data(self, X, y, dtype=np.float64)
        if len(np.unique(y)) < 2:
            raise ValueError(
                f"y has one class ({y[0]}) in {len(y)} rows, two are needed to select features. "
                "Give rows of both classes."
            )
        if self.n_features > X.shape[1]:
            warnings.warn(
                f"n_features={self.n_features} of {X.shape[1]} features: all are kept.",
                UserWarning,
                stacklevel=2,
            )
        targets = LabelBinarizer(pos_label=1, neg_label=-1).fit_transform(y).astype(float)
        targets -= targets.mean(axis=0)
        features = np.ascontiguousarray((X - X.mean(axis=0)).T)  # (P, N): rows leave, whole
        rounds = list(_eliminated(features, targets, self.n_features, self.alpha, self.step))
        self.ranking_ = np.ones(X.shape[1], dtype=int)
        for rank, dropped in enumerate(reversed(rounds), start=2):
            self.ranking_[dropped] = rank
        self.support_ = self.ranking_ == 1
        return self

    def _check_parameters(self) -> None:
        for name in ("n_features", "step"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(
                    f"{name} must be an integer above 0, got {value}. Write {name}=100."
                )
        if not self.alpha > 0:
            raise ValueError(f"alpha must be above 0, got {self.alpha}. Write alpha=1.0.")

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        return self.support_


def _eliminated(
    features: np.ndarray, targets: np.ndarray, n_features: int, alpha: float, step: int
) -> Iterator[np.ndarray]:
    """Yield the features that leave in each round; ``features`` (P, N), ``targets`` (N, K)."""
    kept = np.arange(len(features))
    dual, gram = None, None
    while len(kept) > n_features:
        if len(kept) > features.shape[1]:
            dual = _regularised(features.T @ features, alpha) if dual is None else dual
            weights = features[kept] @ _solved(dual, targets)
        else:
            gram = _regularised(features[kept] @ features[kept].T, alpha) if gram is None else gram
            weights = _solved(gram, features[kept] @ targets)
        order = np.argsort(np.square(weights).sum(axis=1), kind="stable")
        leaving = np.zeros(len(kept), dtype=bool)
        leaving[order[: min(step, len(kept) - n_features)]] = True
        dropped, kept = kept[leaving], kept[~leaving]
        yield dropped
        if gram is not None:
            gram = gram[np.ix_(~leaving, ~leaving)]
        elif dual is not None:
            dual -= features[dropped].T @ features[dropped]


def _regularised(gram: np.ndarray, alpha: float) -> np.ndarray:
    gram.flat[:: len(gram) + 1] += alpha
    return gram


def _solved(gram: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return cho_solve(cho_factor(gram, check_finite=False), targets, check_finite=False)
