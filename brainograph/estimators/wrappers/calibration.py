"""Calibrated probabilities: as sure as a model has been right on participants it did not learn."""

from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, clone

from brainograph.cohort import Cohort
from brainograph.estimators.wrappers.wrapper import Wrapper

__all__ = ["Calibrated", "Calibration"]

Calibration = Literal["temperature", "sigmoid"]
_LEAST = 1e-300


class Calibrated(Wrapper):
    r"""Scale a classifier's log-probabilities so that they mean what they say.

    .. math:: q_{ik} \propto \exp(\log p_{ik} / T + b_k)

    A part of the labelled participants is held out from the fit, by label; T (and b) are those
    under which their labels are likeliest. Then the estimator is fitted again on all.

    One temperature changes no decision and no rank: a T above 1 says that the model was too sure.
    ``"sigmoid"`` shifts the classes too; of two it is Platt's scaling.

    Parameters
    ----------
    estimator : estimator
        A classifier of a :class:`~brainograph.cohort.Cohort`.
    method : {"temperature", "sigmoid"}
        Whether there is b.
    validation_fraction : float
        Share of the labelled participants that is held out.
    refit : bool
        Whether to fit on all of them afterwards. The numbers are those of the model that was
        fitted on fewer, which is a little less sure with reason.
    random_state : int
        Seed of who is held out.

    Attributes
    ----------
    estimator_ : estimator
        The fitted one.
    temperature_ : float
        T.
    shift_ : array (K,)
        b, 0 of the first class.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger, On calibration of modern neural networks, ICML 2017.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.preprocessing import Edges
    >>> cohort = simulate_cohort(n_subjects=80, effect=1.0, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = Calibrated(make_pipeline(Edges(), LogisticRegression(C=1e3, max_iter=1000)))
    >>> bool(model.fit(cohort, y).temperature_ > 2)
    True
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        *,
        method: Calibration = "temperature",
        validation_fraction: float = 0.2,
        refit: bool = True,
        random_state: int = 0,
    ) -> None:
        self.estimator = estimator
        self.method = method
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.random_state = random_state

    def fit(self, cohort: Cohort, y: ArrayLike) -> Self:
        """Fit the estimator and its scaling.

        Parameters
        ----------
        cohort : Cohort (S)
            Participants.
        y : array (S,)
            Integer labels, -1 for a participant without one, whom the scaling does not see.

        Returns
        -------
        Calibrated
            Itself.

        Raises
        ------
        ValueError
            For labels of one class, or too few to hold some out.
        """
        if self.method not in get_args(Calibration):
            raise ValueError(f"method must be one of {get_args(Calibration)}, got {self.method!r}.")
        others, labels = self._fit_and_hold_out(
            cohort, y, fraction=self.validation_fraction, seed=self.random_state
        )
        log = _log(super().predict_proba(others))
        self.temperature_, self.shift_ = _likeliest(
            log, self._columns(labels), shift=self.method == "sigmoid"
        )
        if self.refit:
            self.estimator_ = _fit_all(self.estimator, cohort, np.asarray(y), self.regimes)
        return self

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Return the calibrated probability of each class (S, K)."""
        return self._scaled(super().predict_proba(cohort))

    def sample_proba(
        self, cohort: Cohort, *, n_passes: int = 0, random_state: int = 0
    ) -> np.ndarray:
        """Return the probabilities of each member or pass (N, S, K), each calibrated."""
        draws = {"n_passes": n_passes, "random_state": random_state}
        return self._scaled(super().sample_proba(cohort, **draws))

    def _scaled(self, probability: np.ndarray) -> np.ndarray:
        return softmax(_log(probability) / self.temperature_ + self.shift_, axis=-1)

    def _facts(self) -> dict[str, Any]:
        return {"temperature": self.temperature_, "shift": self.shift_.tolist()}

    def _restore(self, facts: Mapping[str, Any]) -> None:
        self.temperature_, self.shift_ = facts["temperature"], np.array(facts["shift"])


def _log(probability: np.ndarray) -> np.ndarray:
    return np.log(np.clip(probability, _LEAST, None))


def _fit_all(
    estimator: BaseEstimator, cohort: Cohort, y: np.ndarray, regimes: tuple[str, ...]
) -> BaseEstimator:
    """Fit on everyone with a label, beside the others where the estimator takes them."""
    rows = np.argsort(cohort.participant_ids)
    if "transductive" not in regimes:
        rows = rows[y[rows] != -1]
    return clone(estimator).fit(cohort[rows], y[rows].astype(int))


def _likeliest(log: np.ndarray, target: np.ndarray, *, shift: bool) -> tuple[float, np.ndarray]:
    r"""Return the temperature and shift that minimise the cross-entropy.

    Parameters
    ----------
    log : array (S, K)
        Log-probabilities.
    target : array of int (S,)
        Columns of the true classes.
    shift : bool
        Whether the classes are shifted; the first is not.

    Notes
    -----
    It is convex in 1/T and b. A class of n participants is taken for true of (n + 1) / (n + 2) of
    them (Platt 1999): where no held-out participant is mistaken the likeliest T would be 0.
    """
    n_classes = log.shape[1]
    free = n_classes - 1 if shift else 0
    others = 1 / (np.bincount(target, minlength=n_classes) + 2)[target]
    wanted = np.repeat(others[:, None] / (n_classes - 1), n_classes, axis=1)
    wanted[np.arange(len(target)), target] = 1 - others

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        moved = np.concatenate([[0.0], x[1:]]) if shift else np.zeros(n_classes)
        logits = x[0] * log + moved
        logp = log_softmax(logits, axis=1)
        excess = np.exp(logp) - wanted
        gradient = [(excess * log).sum(axis=1).mean(), *excess.mean(axis=0)[1 : 1 + free]]
        return -(wanted * logp).sum(axis=1).mean(), np.array(gradient)

    bounds = [(0.01, 100.0), *[(-10.0, 10.0)] * free]
    found = minimize(loss, [1.0, *[0.0] * free], jac=True, bounds=bounds, method="L-BFGS-B")
    moved = np.concatenate([[0.0], found.x[1:]]) if shift else np.zeros(n_classes)
    return float(1 / found.x[0]), moved
