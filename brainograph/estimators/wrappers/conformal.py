"""Conformal prediction: sets of classes that hold the true one as often as was asked for."""

from collections.abc import Mapping
from math import ceil
from typing import Any, Literal, Self, get_args
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from brainograph.cohort import Cohort
from brainograph.estimators.wrappers.wrapper import Wrapper
from brainograph.metrics.uncertainty import set_coverage

__all__ = ["ABSTAIN", "Conformal", "Score", "conformal_quantile"]

ABSTAIN = -1  # in the place of a class
Score = Literal["lac", "aps"]


class Conformal(Wrapper):
    r"""Predict sets that hold the true class with probability 1 - alpha, and abstain if in doubt.

    A part of the labelled participants is held out from the fit (split conformal prediction). How
    badly each of them fits their true class is a score s; a set holds every class that fits no
    worse than the

    .. math:: \lceil (n + 1)(1 - \alpha) \rceil

    -th smallest of their n scores. If a new participant is exchangeable with those held out, the
    set holds the true class with a probability of at least 1 - alpha, whatever the model: on
    average over participants, not for each. Participants of a site that was not there are not
    exchangeable; see :meth:`coverage` for what that costs.

    - ``"lac"``: :math:`s = 1 - p_y`, the smallest sets on average; they can be empty [1]_.
    - ``"aps"``: :math:`s = \sum_{k: p_k > p_y} p_k + u\, p_y`, sets that grow where the model is
      in doubt [2]_; u in [0, 1] is drawn from the participant's id and the seed, and the most
      probable class is always in the set.

    ``predict`` says a class where the set is that class alone, and -1 otherwise: the model
    abstains. Probabilities are those of the estimator.

    Parameters
    ----------
    estimator : estimator
        A classifier of a :class:`~brainograph.cohort.Cohort`.
    alpha : float
        Share of sets that may miss the true class.
    score : {"lac", "aps"}
        How badly a class fits.
    by : str, optional
        A phenotype, such as ``"site"``, whose groups have a quantile of their own where at least
        :math:`1 / \alpha - 1` of them are held out, for coverage within each; others have that of
        all.
    min_confidence : float
        Abstain, too, where the largest probability is below this.
    validation_fraction : float
        Share of the labelled participants that is held out, and not learnt from: learning from
        them afterwards would break the promise.
    random_state : int
        Seed of who is held out, and of u.

    Attributes
    ----------
    estimator_ : estimator
        The fitted one.
    quantile_ : float
        Of the scores of all who were held out; infinite if they are too few.
    quantiles_ : dict of str to float
        Of those of each group.
    n_calibration_ : int
        How many were held out.

    References
    ----------
    .. [1] Sadinle, Lei & Wasserman, Least ambiguous set-valued classifiers with bounded error
           levels, JASA 114, 2019.
    .. [2] Romano, Sesia & Candès, Classification with valid and adaptive coverage, NeurIPS 2020.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.preprocessing import Edges
    >>> cohort = simulate_cohort(n_subjects=120, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = Conformal(make_pipeline(Edges(), LogisticRegression()), alpha=0.2)
    >>> model.fit(cohort[:80], y[:80]).predict_set(cohort[80:]).shape
    (40, 2)
    >>> model.coverage(cohort[80:], y[80:], by="site")["group"].tolist()
    ['all', 'site01', 'site02', 'site03']
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        *,
        alpha: float = 0.1,
        score: Score = "lac",
        by: str | None = None,
        min_confidence: float = 0.0,
        validation_fraction: float = 0.3,
        random_state: int = 0,
    ) -> None:
        self.estimator = estimator
        self.alpha = alpha
        self.score = score
        self.by = by
        self.min_confidence = min_confidence
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def fit(self, cohort: Cohort, y: ArrayLike) -> Self:
        """Fit the estimator and the quantiles.

        Parameters
        ----------
        cohort : Cohort (S)
            Participants.
        y : array (S,)
            Integer labels, -1 for a participant without one, who plays no part in the quantiles.

        Returns
        -------
        Conformal
            Itself.

        Raises
        ------
        ValueError
            For labels of one class, too few to hold out enough for ``alpha``, or a phenotype that
            the cohort lacks.
        """
        self._check(cohort)
        others, labels = self._fit_and_hold_out(
            cohort, y, fraction=self.validation_fraction, seed=self.random_state
        )
        scores = self._scores(others)[np.arange(len(labels)), self._columns(labels)]
        self.n_calibration_ = len(scores)
        self.quantile_ = conformal_quantile(scores, self.alpha)
        if np.isinf(self.quantile_):
            raise ValueError(
                f"{len(scores)} participants held out are too few for sets that miss "
                f"{self.alpha:.0%}: {ceil(1 / self.alpha) - 1} are needed. Raise "
                "validation_fraction or alpha."
            )
        self.quantiles_ = {}
        if self.by is not None:
            groups = _groups(others, self.by)
            each = {g: conformal_quantile(scores[groups == g], self.alpha) for g in set(groups)}
            self.quantiles_ = {g: q for g, q in sorted(each.items()) if np.isfinite(q)}
        return self

    def _check(self, cohort: Cohort) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(
                f"alpha must be in (0, 1), got {self.alpha}. For sets that miss 10 % write "
                "alpha=0.1."
            )
        if self.score not in get_args(Score):
            raise ValueError(f"score must be one of {get_args(Score)}, got {self.score!r}.")
        if not 0 <= self.min_confidence <= 1:
            raise ValueError(
                f"min_confidence must be in [0, 1], got {self.min_confidence}. Write 0.8."
            )
        if self.by is not None and self.by not in cohort.phenotype:
            raise ValueError(
                f"by names {self.by!r}; the cohort has {cohort.phenotype.columns.tolist()}."
            )

    def _scores(self, cohort: Cohort) -> np.ndarray:
        """Return how badly each class fits each participant (S, K)."""
        probability = self.predict_proba(cohort)
        if self.score == "lac":
            return 1 - probability
        larger = np.where(probability[:, None, :] > probability[:, :, None], 1, 0)
        above = (larger * probability[:, None, :]).sum(axis=2)
        seeds = [[self.random_state, crc32(name.encode())] for name in cohort.participant_ids]
        drawn = np.array([np.random.default_rng(seed).random() for seed in seeds])
        return above + drawn[:, None] * probability

    def predict_set(self, cohort: Cohort) -> np.ndarray:
        """Tell which classes are in each participant's set (S, K), bool."""
        quantile = np.full(len(cohort), self.quantile_)
        if self.by is not None and self.by in cohort.phenotype:
            own = [self.quantiles_.get(g, self.quantile_) for g in _groups(cohort, self.by)]
            quantile = np.array(own)
        sets = self._scores(cohort) <= quantile[:, None]
        if self.score == "aps":
            sets[np.arange(len(sets)), self.predict_proba(cohort).argmax(axis=1)] = True
        return sets

    def abstains(self, cohort: Cohort) -> np.ndarray:
        """Tell for whom nothing is said (S,), bool: the set is not one class, or it is unsure."""
        unsure = self.predict_proba(cohort).max(axis=1) < self.min_confidence
        return (self.predict_set(cohort).sum(axis=1) != 1) | unsure

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Return the class (S,), or -1 where the model abstains."""
        said = self.classes_[self.predict_set(cohort).argmax(axis=1)]
        return np.where(self.abstains(cohort), ABSTAIN, said)

    def coverage(self, cohort: Cohort, y: ArrayLike, *, by: str | None = None) -> pd.DataFrame:
        """Return how often sets hold the truth, of labelled participants who were not in the fit.

        Parameters
        ----------
        cohort : Cohort (S)
            Participants.
        y : array (S,)
            Their labels; -1 is left out.
        by : str, optional
            A phenotype, such as ``"site"``.

        Returns
        -------
        DataFrame
            As of :func:`~brainograph.metrics.uncertainty.set_coverage`.
        """
        known = np.asarray(y) != -1
        people, target = cohort[known], self._columns(np.asarray(y)[known])
        group = None if by is None else _groups(people, by)
        return set_coverage(self.predict_set(people), target, group=group)

    def _facts(self) -> dict[str, Any]:
        return {
            "quantile": self.quantile_,
            "quantiles": self.quantiles_,
            "n_calibration": self.n_calibration_,
        }

    def _restore(self, facts: Mapping[str, Any]) -> None:
        self.quantile_, self.quantiles_ = facts["quantile"], facts["quantiles"]
        self.n_calibration_ = facts["n_calibration"]


def conformal_quantile(scores: np.ndarray, alpha: float) -> float:
    r"""Return the :math:`\lceil (n + 1)(1 - \alpha) \rceil`-th smallest score, or infinity.

    Examples
    --------
    >>> scores = np.arange(1.0, 10.0)
    >>> conformal_quantile(scores, 0.2), conformal_quantile(scores, 0.05)
    (8.0, inf)
    """
    rank = ceil(round((len(scores) + 1) * (1 - alpha), 9))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else float("inf")


def _groups(cohort: Cohort, by: str) -> np.ndarray:
    """Return the group of each participant as text (S,); the unknown are one."""
    column = cohort.phenotype[by].astype(object)
    return column.where(column.notna(), "n/a").astype(str).to_numpy()
