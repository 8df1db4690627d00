"""How sure a model is: predictions drawn with dropout on, and how far they disagree."""

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from brainograph.cohort import Cohort
from brainograph.estimators.wrappers.wrapper import Wrapper
from brainograph.metrics.uncertainty import mutual_information, predictive_entropy

__all__ = ["MonteCarloDropout", "draws_differ", "uncertainty"]


class MonteCarloDropout(Wrapper):
    r"""Average the predictions of many passes with dropout left on.

    .. math:: p_i = \frac{1}{M T} \sum_{m=1}^M \sum_{t=1}^T
              \mathrm{softmax}(f_m(x_i; \mathrm{dropout}_t))

    Dropout, and the weights of a Bayesian head, are drawn; normalisation stays as in prediction.
    The members of an ensemble (``n_members``) draw apart, and all draws are one mixture. A model
    that is fitted already can be asked at once: ``model.sample_proba(cohort, n_passes=20)``.

    Parameters
    ----------
    estimator : estimator
        A :class:`~brainograph.estimators.SubjectGraphClassifier` or
        :class:`~brainograph.estimators.PopulationGraphClassifier`.
    n_passes : int
        T, draws of each member.
    random_state : int
        Seed of the draws, which are the same for everybody: a participant's do not depend on who
        else is predicted.

    References
    ----------
    Gal & Ghahramani, Dropout as a Bayesian approximation: representing model uncertainty in deep
    learning, ICML 2016.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.estimators import PopulationGraphClassifier
    >>> cohort = simulate_cohort(n_subjects=40, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = MonteCarloDropout(PopulationGraphClassifier(max_epochs=20), n_passes=5)
    >>> model.fit(cohort[:30], y[:30]).uncertainty(cohort[30:]).columns.tolist()
    ['entropy', 'mutual_information']
    """

    def __init__(
        self, estimator: BaseEstimator, *, n_passes: int = 20, random_state: int = 0
    ) -> None:
        self.estimator = estimator
        self.n_passes = n_passes
        self.random_state = random_state

    def fit(self, cohort: Cohort, y: ArrayLike) -> Self:
        """Fit the estimator.

        Raises
        ------
        ValueError
            If it cannot draw, or for fewer than two passes.
        """
        if self.n_passes < 2:
            raise ValueError(f"n_passes must be at least 2, got {self.n_passes}. Write 20.")
        if not hasattr(self.estimator, "sample_proba"):
            raise ValueError(
                f"a {type(self.estimator).__name__} has no dropout to leave on. Give a "
                "SubjectGraphClassifier or a PopulationGraphClassifier."
            )
        self.estimator_ = clone(self.estimator).fit(cohort, y)
        return self

    def _draws(self, cohort: Cohort) -> np.ndarray:
        draws = {"n_passes": self.n_passes, "random_state": self.random_state}
        samples = self._fitted().sample_proba(cohort, **draws)
        if len(cohort) and not draws_differ(samples, self.n_passes):
            raise ValueError(
                "all passes say the same: the network drops nothing. Give it dropout above 0 (and "
                'num_layers above 0), or write head="bayesian" or n_members=5.'
            )
        return samples

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Return the probability of each class (S, K), the mean over all passes."""
        return self._draws(cohort).mean(axis=0)

    def uncertainty(self, cohort: Cohort) -> pd.DataFrame:
        """Return ``entropy`` and ``mutual_information`` of each participant, in nats."""
        return uncertainty(self._draws(cohort), cohort)


def uncertainty(samples: np.ndarray, cohort: Cohort) -> pd.DataFrame:
    """Return how uncertain each participant's prediction is.

    Parameters
    ----------
    samples : array (N, S, K)
        Probabilities by members or passes.
    cohort : Cohort (S)
        Whose.

    Returns
    -------
    DataFrame (S, .)
        By participant: ``entropy`` and, of two samples or more, ``mutual_information``, in nats.
    """
    table = {"entropy": predictive_entropy(samples)}
    if len(samples) > 1:
        table["mutual_information"] = mutual_information(samples)
    return pd.DataFrame(table, index=cohort.phenotype.index)


def draws_differ(samples: np.ndarray, n_passes: int) -> bool:
    """Tell whether the passes of any one member (M * n_passes, S, K) differ."""
    by_member = samples.reshape(-1, n_passes, *samples.shape[1:])
    return bool((by_member != by_member[:, :1]).any())
