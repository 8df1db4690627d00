"""Probabilities of any classifier, of those that have only decision values, too."""

from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator

__all__ = ["probabilities"]


def probabilities(classifier: BaseEstimator, x: Any) -> np.ndarray:
    """Return the probability of each class.

    The decision value d of a classifier without probabilities, such as ridge, becomes
    1 / (1 + exp(-d)), or the softmax of several: in the right order, and not calibrated.

    Parameters
    ----------
    classifier : estimator
        Fitted.
    x : Cohort (S) or array (S, F)
        What it predicts from.

    Returns
    -------
    array (S, K)

    Examples
    --------
    >>> from sklearn.linear_model import RidgeClassifier
    >>> ridge = RidgeClassifier().fit([[-1.0], [1.0]], [0, 1])
    >>> probabilities(ridge, [[0.0], [9.0]]).round(2)
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    known: Any = classifier
    if hasattr(known, "predict_proba"):
        return known.predict_proba(x)
    decision = known.decision_function(x)
    if decision.ndim == 2:
        return softmax(decision, axis=1)
    return np.column_stack([expit(-decision), expit(decision)])
