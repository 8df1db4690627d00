"""Nested search: hyper-parameters are chosen by an inner cross-validation of training rows."""

import os
import warnings
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Literal, Self, get_args

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_regressor
from sklearn.metrics import (
    balanced_accuracy_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.model_selection.jobs import one_thread
from brainograph.model_selection.search_journal import Journal
from brainograph.model_selection.search_space import Method, check_space, propose
from brainograph.model_selection.settings import settings
from brainograph.model_selection.splits import Split, repeated_stratified
from brainograph.model_selection.tasks import Task, has_target, hide, predict, strata, task_of

__all__ = ["Scoring", "SearchCV"]

Scoring = Literal["roc_auc", "neg_log_loss", "balanced_accuracy", "neg_mean_absolute_error", "r2"]
_OF_NUMBERS = ("neg_mean_absolute_error", "r2")


def _delegated(name: str) -> Any:
    """Return a decorator of methods that are there if the estimator has them."""
    return available_if(lambda search: hasattr(search.estimator, name))


class SearchCV(MetaEstimatorMixin, BaseEstimator):
    r"""Choose hyper-parameters by an inner cross-validation of the labelled participants.

    As a model of :func:`~brainograph.model_selection.cross_validate` it makes the search nested:
    each outer fold has a search of its own, on its training labels alone. The inner folds are
    stratified by label and site and keep groups together. Inner held-out participants are met as
    the outer ones will be: where ``fit`` is given unlabelled participants and the estimator takes
    them (``estimator.regimes``), they stay in the cohort with hidden labels (*transductive*);
    otherwise the estimator is fitted without them.

    A candidate's score is computed from all inner out-of-fold predictions together. Among equal
    ones the earliest is chosen, and fitted anew on all labelled participants.

    scikit-learn's ``GridSearchCV``, ``RandomizedSearchCV`` and halving searches take a cohort too,
    for inductive models; they know of no unlabelled participants and no groups.

    Parameters
    ----------
    estimator : estimator
        What is searched for.
    space : mapping of str to sequence or mapping
        Parameters with their values, or intervals ``{"low": ., "high": ., "log": ., "int": .}``;
        see :func:`~brainograph.model_selection.search_space.check_space`.
    method : {"grid", "random", "optuna"}
        All combinations; independent draws; Optuna's tree-structured Parzen estimator, seeded for
        each trial (needs the ``hpo`` extra).
    n_trials : int
        Candidates of ``"random"`` and ``"optuna"``.
    cv : int
        Inner folds.
    scoring : {"roc_auc", "neg_log_loss", "balanced_accuracy", "neg_mean_absolute_error", "r2"}
        What is to be as high as can be; the last two for regressors.
    by : sequence of str
        Phenotype columns that are spread evenly over the inner folds, where they are there.
    group : str, optional
        Phenotype column of those who stay together; by default ``group``, where there is one.
    n_jobs : int
        Inner folds at a time. The numbers do not depend on it.
    random_state : int
        Seed of inner folds and candidates.
    journal : path, optional
        Folder that keeps the score of each trial, one file for each set of participants and
        labels: a search that was killed goes on and finds the same.
    refit : bool
        Whether to fit the best candidate on all labelled participants.

    Attributes
    ----------
    best_params_ : dict
        The chosen values.
    best_score_ : float
        Their score on inner folds: too good an estimate, since it is the best of many.
    best_estimator_ : estimator
        Fitted with them.
    cv_results_ : DataFrame
        A row for each trial: the parameters and ``score``.

    References
    ----------
    Cawley and Talbot, On over-fitting in model selection and subsequent selection bias in
    performance evaluation, JMLR 11, 2010.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.preprocessing import Edges
    >>> cohort = simulate_cohort(n_subjects=40, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = make_pipeline(Edges(), LogisticRegression(max_iter=1000))
    >>> search = SearchCV(model, {"logisticregression.C": [1e-6, 0.1]}).fit(cohort, y)
    >>> search.best_params_
    {'logisticregression__C': 0.1}
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        space: Mapping[str, Any],
        *,
        method: Method = "grid",
        n_trials: int = 50,
        cv: int = 5,
        scoring: Scoring = "roc_auc",
        by: Sequence[str] = ("site",),
        group: str | None = None,
        n_jobs: int = 1,
        random_state: int = 0,
        journal: str | os.PathLike[str] | None = None,
        refit: bool = True,
    ) -> None:
        self.estimator = estimator
        self.space = space
        self.method = method
        self.n_trials = n_trials
        self.cv = cv
        self.scoring = scoring
        self.by = by
        self.group = group
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.journal = journal
        self.refit = refit

    def fit(self, cohort: Cohort, y: np.ndarray) -> Self:
        """Search, and fit the best candidate.

        Parameters
        ----------
        cohort : Cohort (S)
            The participants.
        y : array (S,)
            Labels, -1 (for regressors NaN) for a participant without one.

        Returns
        -------
        SearchCV
            Itself.

        Raises
        ------
        ValueError
            If the space does not fit the estimator, a class has fewer members than there are inner
            folds, or the journal holds another search.
        TypeError
            If ``cohort`` is not a Cohort.
        """
        task = task_of(self.estimator, y)
        y = self._check(cohort, y, task)
        space = check_space(self.estimator, self.space, method=self.method)
        takes_all = "transductive" in self.regimes
        order = np.argsort(cohort.participant_ids)
        rows = order if takes_all else order[has_target(y, task)[order]]
        cohort, y = cohort[rows], y[rows]
        splits = self._inner_splits(cohort, strata(y, task))
        same = clone(self).set_params(n_jobs=1, journal=None)
        journal = Journal(settings(same), cohort, y, self.journal)
        proposed = propose(
            space, self.method, n_trials=self.n_trials, random_state=self.random_state
        )
        trials: list[dict[str, Any]] = []
        score: float | None = None
        while (params := _next(proposed, score)) is not None:
            score = journal.score_of(params)
            if score is None:
                score = self._score(params, cohort, y, splits, task)
                journal.add(params, score)
            trials.append({"params": params, "score": score})
        best = max(trials, key=lambda trial: trial["score"])  # the first of equals
        self.best_params_, self.best_score_ = best["params"], best["score"]
        self.cv_results_ = pd.DataFrame([{**t["params"], "score": t["score"]} for t in trials])
        if self.refit:
            self.best_estimator_ = self._candidate(self.best_params_)
            self.best_estimator_.fit(cohort, y)
        return self

    def _check(self, cohort: Cohort, y: np.ndarray, task: Task) -> np.ndarray:
        """Return the labels as an array, or say what is wrong with the data and the settings."""
        if not isinstance(cohort, Cohort):
            raise TypeError(
                f"SearchCV takes a Cohort, got {type(cohort).__name__}. For arrays use "
                "sklearn.model_selection.GridSearchCV."
            )
        y = np.asarray(y)
        if y.shape != (len(cohort),):
            raise ValueError(f"y has shape {y.shape}, needed is ({len(cohort)},).")
        allowed = [s for s in get_args(Scoring) if (s in _OF_NUMBERS) == (task == "regression")]
        if self.scoring not in allowed:
            raise ValueError(f"scoring must be one of {allowed}, got {self.scoring!r}.")
        if self.method != "grid" and self.n_trials < 1:
            raise ValueError(f"n_trials must be at least 1, got {self.n_trials}.")
        return y

    def _inner_splits(self, cohort: Cohort, classes: np.ndarray) -> list[Split]:
        by = [name for name in self.by if name in cohort.phenotype]
        try:
            return list(
                repeated_stratified(
                    cohort,
                    classes,
                    n_splits=self.cv,
                    by=by,
                    group=self.group,
                    random_state=self.random_state,
                )
            )
        except ValueError as error:
            error.add_note("These are the inner folds of a search: n_splits is its cv.")
            raise

    def _candidate(self, params: Mapping[str, Any]) -> BaseEstimator:
        values = {name: clone(value, safe=False) for name, value in params.items()}
        return clone(self.estimator).set_params(**values)

    def _score(
        self,
        params: dict[str, Any],
        cohort: Cohort,
        y: np.ndarray,
        splits: Sequence[Split],
        task: Task,
    ) -> float:
        """Return the score of a candidate on the out-of-fold predictions of all inner folds."""
        known = has_target(y, task)
        try:
            tables = joblib.Parallel(n_jobs=self.n_jobs)(
                joblib.delayed(_predict_held_out)(
                    self._candidate(params), cohort, y, split, task, all_there=not known.all()
                )
                for split in splits
            )
        except Exception as error:
            error.add_note(f"This happened while trying {params}.")
            raise
        rows = cohort.locate([name for split in splits for name in split.test])
        return _scored(y[rows], pd.concat(tables, ignore_index=True), self.scoring, task)

    @property
    def regimes(self) -> tuple[str, ...]:
        """How the estimator can predict unlabelled participants."""
        return tuple(getattr(self.estimator, "regimes", ("inductive",)))

    def _fitted(self) -> BaseEstimator:
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_

    @_delegated("regime")
    def regime(self, cohort: Cohort) -> np.ndarray:
        """Tell how each participant is predicted (S,), as the best estimator does."""
        return self._fitted().regime(cohort)

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Predict with the best estimator (S,)."""
        return self._fitted().predict(cohort)

    @_delegated("predict_proba")
    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Return the best estimator's probability of each class (S, K)."""
        return self._fitted().predict_proba(cohort)

    @_delegated("decision_function")
    def decision_function(self, cohort: Cohort) -> np.ndarray:
        """Return the best estimator's decision values."""
        return self._fitted().decision_function(cohort)

    @property
    def classes_(self) -> np.ndarray:
        """The labels (K,)."""
        return self._fitted().classes_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor" if is_regressor(self.estimator) else "classifier"
        return tags


def _next(
    proposed: Generator[dict[str, Any], float | None, None], score: float | None
) -> dict[str, Any] | None:
    """Hand over the last score and return the next candidate, or None after the last."""
    try:
        return proposed.send(score)
    except StopIteration:
        return None


def _predict_held_out(
    model: BaseEstimator,
    cohort: Cohort,
    y: np.ndarray,
    split: Split,
    task: Task,
    *,
    all_there: bool,
) -> pd.DataFrame:
    """Fit without the labels of an inner fold and predict its participants.

    What the candidates warn of is not passed on: the chosen one warns when it is fitted anew.
    """
    learnt, left = split.rows(cohort)
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if all_there:
            model.fit(cohort, hide(y, learnt, task))
        else:
            model.fit(cohort[learnt], y[learnt])
        return predict(model, cohort[left], task)


def _scored(y: np.ndarray, predicted: pd.DataFrame, scoring: Scoring, task: Task) -> float:
    """Return a score of predictions, the higher the better."""
    if task == "regression":
        numbers = predicted["y_pred"]
        if scoring == "r2":
            return float(r2_score(y, numbers))
        return -float(mean_absolute_error(y, numbers))
    classes = np.unique(y)
    if task == "binary":
        positive = predicted["y_score"].to_numpy(float)
        probability = np.column_stack([1 - positive, positive])
    else:
        probability = predicted[[f"p_{k}" for k in classes]].fillna(0.0).to_numpy(float)
    if scoring == "neg_log_loss":
        return -float(log_loss(y, probability, labels=classes))
    if scoring == "balanced_accuracy":
        return float(balanced_accuracy_score(y, classes[probability.argmax(axis=1)]))
    if task == "binary":
        return float(roc_auc_score(y, probability[:, 1]))
    return float(roc_auc_score(y, probability, multi_class="ovr", labels=classes))
