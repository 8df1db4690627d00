"""Audit: whether the number of a study could be too good to be true, and why."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from brainograph.cohort import Cohort
from brainograph.files import read_tsv, write_tsv
from brainograph.model_selection.checks.confounds import confounds
from brainograph.model_selection.checks.duplicates import duplicates
from brainograph.model_selection.checks.finding import Finding
from brainograph.model_selection.checks.folds import (
    best_epoch,
    folds_table,
    split_overlap,
    splits_of,
)
from brainograph.model_selection.checks.isolation import hidden_labels, isolation
from brainograph.model_selection.checks.order import identifiers, label_order, row_order
from brainograph.model_selection.checks.permuted import permuted_labels, permuted_within_site
from brainograph.model_selection.checks.phenotypes import phenotypes
from brainograph.model_selection.checks.study import Pipeline, Study
from brainograph.model_selection.jobs import Regime
from brainograph.model_selection.splits import Splits, repeated_stratified

__all__ = ["Audit", "Check", "audit", "audit_predictions"]

Check = Literal[
    "split_overlap",
    "duplicates",
    "label_order",
    "phenotypes",
    "confounds",
    "best_epoch",
    "hidden_labels",
    "isolation",
    "row_order",
    "identifiers",
    "permuted_labels",
    "permuted_within_site",
]
_FUNCTIONS: dict[Check, Callable[[Study], list[Finding]]] = {
    "split_overlap": split_overlap,
    "duplicates": duplicates,
    "label_order": label_order,
    "phenotypes": phenotypes,
    "confounds": confounds,
    "best_epoch": best_epoch,
    "hidden_labels": hidden_labels,
    "isolation": isolation,
    "row_order": row_order,
    "identifiers": identifiers,
    "permuted_labels": permuted_labels,
    "permuted_within_site": permuted_within_site,
}
_OF_DATA: tuple[Check, ...] = (
    "split_overlap",
    "duplicates",
    "label_order",
    "phenotypes",
    "confounds",
)


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Parameters
    ----------
    findings : DataFrame
        ``check``, ``status`` (``pass``, ``warn``, ``fail`` or ``skipped``), ``value``,
        ``expected``, ``message``: one row for each finding.
    """

    findings: pd.DataFrame

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not (self.findings["status"] == "fail").any()

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``audit.tsv`` into a folder and return its path."""
        path = Path(folder) / "audit.tsv"
        write_tsv(self.findings, path)
        return path

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Audit":
        """Read ``audit.tsv``.

        Raises
        ------
        FileNotFoundError
            If the folder has none.
        """
        path = Path(folder) / "audit.tsv"
        if not path.is_file():
            raise FileNotFoundError(
                f"{folder} has no audit.tsv. Write `brainograph audit CONFIG {folder}`."
            )
        return cls(read_tsv(path))


def audit(
    model: BaseEstimator | Pipeline,
    cohort: Cohort,
    y: np.ndarray,
    *,
    splits: Splits | None = None,
    regime: Regime | None = None,
    checks: Sequence[Check] | None = None,
    n_permutations: int = 20,
    n_folds: int = 3,
    predictions: pd.DataFrame | None = None,
    folder: str | os.PathLike[str] | None = None,
    n_jobs: int = 1,
    progress: bool = True,
    random_state: int = 0,
) -> Audit:
    """Audit a model: an estimator, or any pipeline that can be called.

    The model is run from outside: on labels in another order, with the test labels turned round,
    with rows shuffled, participants renamed and other people's data replaced. So a pipeline that
    was written elsewhere is audited as ours are.

    =========================  ====================================================================
    ``split_overlap``          who is on which side, how often, and folds that are blocks of a file
    ``duplicates``             one scan or one person in training and in test
    ``label_order``            whether the files are sorted by group
    ``phenotypes``             columns that tell the diagnosis, and whether the model uses them
    ``confounds``              motion, site, age and sex against label and scores
    ``hidden_labels``          test labels turned round change no prediction
    ``isolation``              other test participants' data change no prediction
    ``row_order``              rows in another order change no prediction
    ``identifiers``            other names lower no score
    ``permuted_labels``        the whole pipeline on permuted labels lands at chance; p-value
    ``permuted_within_site``   the same with the sites' shares of patients kept
    =========================  ====================================================================

    Steps that look at labels across folds, such as features selected or harmonised before the
    split, show in ``permuted_labels`` and ``hidden_labels``; they need no check of their own.

    Parameters
    ----------
    model : estimator or callable
        A callable is ``run(cohort, y, splits)`` and returns, for each split, the scores of
        ``split.test`` in that order. ``y`` holds every label: what it does with those of the test
        participants is what the audit finds out. It runs all folds itself, so that what it
        carries from one to the next is seen. To keep nothing between calls is its own business.
    cohort : Cohort (S)
        The participants.
    y : array (S,)
        0 or 1, -1 for unlabelled.
    splits : Splits, optional
        The folds of the study; by default ten, stratified by label and, where it is known, site.
    regime : {"transductive", "inductive", "single_query"}, optional
        How an estimator is fitted: transductively if it can be. A callable is taken to be
        inductive unless it is declared ``"transductive"``.
    checks : sequence of str, optional
        Some of the checks; by default all.
    n_permutations : int
        Orders of the labels, each a run on ``n_folds`` folds. The smallest p-value is
        ``1 / (1 + n_permutations)``: 20 are enough to see a leak, write 99 or more for a paper.
    n_folds : int
        Folds, the largest ones, that the model is run on.
    predictions : DataFrame, optional
        Out-of-fold predictions of the model, as in ``Results.predictions``; without them
        ``confounds`` looks at ``n_folds`` folds only.
    folder : path, optional
        Keeps the scores of every run; the same call goes on from there. Runs are known by the
        data, the labels, the folds and the parameters of an estimator, a callable by its name.
    n_jobs : int
        Runs at a time, through joblib.
    progress : bool
        Whether to show progress bars.
    random_state : int
        Seed of everything that is shuffled.

    Returns
    -------
    Audit
        ``audit.passed`` is False if any check failed.

    Raises
    ------
    ValueError
        If the labels are not 0 and 1, a check is unknown, a number is out of range, or the
        callable returns something else.

    References
    ----------
    Kapoor & Narayanan, Leakage and the reproducibility crisis in machine-learning-based science,
    Patterns 4, 2023.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.preprocessing import Edges
    >>> cohort = simulate_cohort(n_subjects=60, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = make_pipeline(Edges(), LogisticRegression())
    >>> found = audit(model, cohort, y, checks=["hidden_labels", "row_order"], progress=False)
    >>> found.findings[["check", "status"]].to_numpy().tolist()
    [['hidden_labels', 'pass'], ['row_order', 'pass']]
    """
    y = _check_labels(y, cohort)
    for name, value in (("n_permutations", n_permutations), ("n_folds", n_folds)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}. Write {name}=3.")
    if not (hasattr(model, "fit") or callable(model)):
        raise ValueError(
            f"model must be an estimator or a function run(cohort, y, splits), got {model!r}."
        )
    if splits is None:
        splits = repeated_stratified(cohort, y, by=[c for c in ("site",) if c in cohort.phenotype])
    _check_labelled(splits, cohort, y)
    if regime is None:
        own = getattr(model, "regimes", ("inductive",))
        regime = "transductive" if "transductive" in own else "inductive"
    study = Study(
        cohort,
        y,
        splits,
        model,
        regime,
        predictions=None if predictions is None else _one_model(predictions),
        n_permutations=n_permutations,
        n_folds=n_folds,
        folder=None if folder is None else Path(folder),
        n_jobs=n_jobs,
        progress=progress,
        random_state=random_state,
    )
    chosen = _chosen(checks, [name for name in get_args(Check) if name != "best_epoch"])
    return _audited(study, chosen)


def audit_predictions(
    predictions: pd.DataFrame,
    cohort: Cohort,
    y: np.ndarray,
    *,
    splits: Splits | pd.DataFrame,
    history: pd.DataFrame | None = None,
    checks: Sequence[Check] | None = None,
) -> Audit:
    """Audit results that were made elsewhere, from their predictions and folds alone.

    Whether the pipeline has seen test labels cannot be known without running it; that needs
    :func:`audit`.

    Parameters
    ----------
    predictions : DataFrame
        ``participant_id``, ``repeat``, ``fold``, ``y_true``, ``y_score``; of several ``model`` and
        ``regime``, the first is audited.
    cohort : Cohort (S)
        The participants.
    y : array (S,)
        0 or 1, -1 for unlabelled.
    splits : Splits or DataFrame
        The folds; a table has ``repeat``, ``fold``, ``participant_id`` and ``part``, one of
        ``"train"``, ``"validation"`` and ``"test"``.
    history : DataFrame, optional
        ``repeat``, ``fold``, ``epoch`` and ``auc`` on the test fold: shows whether the reported
        epoch is the best one there.
    checks : sequence of str, optional
        Some of ``"split_overlap"``, ``"duplicates"``, ``"label_order"``, ``"phenotypes"``,
        ``"confounds"`` and, with a history, ``"best_epoch"``; by default all.

    Returns
    -------
    Audit
        ``audit.passed`` is False if any check failed.

    Raises
    ------
    ValueError
        If columns are missing, the labels are not 0 and 1, or a check is unknown.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.model_selection import repeated_stratified
    >>> cohort = simulate_cohort(n_subjects=60, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> splits = repeated_stratified(cohort, y, n_splits=5)
    >>> ids = [name for split in splits for name in split.test]
    >>> made = pd.DataFrame({"participant_id": ids, "repeat": 0, "fold": np.arange(60) // 12})
    >>> made = made.assign(y_true=y[cohort.locate(ids)], y_score=0.5)
    >>> audit_predictions(made, cohort, y, splits=splits).passed
    True
    """
    y = _check_labels(y, cohort)
    table = _one_model(predictions)
    allowed: list[Check] = [*_OF_DATA, "best_epoch"]
    chosen = _chosen(checks, _OF_DATA if history is None else allowed)
    sides = splits if isinstance(splits, pd.DataFrame) else folds_table(splits)
    made = splits_of(sides) if isinstance(splits, pd.DataFrame) else splits
    _check_labelled(made, cohort, y)
    study = Study(cohort, y, made, predictions=table, history=history, sides=sides)
    return _audited(study, chosen)


def _audited(study: Study, chosen: Sequence[Check]) -> Audit:
    return Audit(_table([finding for name in chosen for finding in _FUNCTIONS[name](study)]))


def _table(findings: list[Finding]) -> pd.DataFrame:
    table = pd.DataFrame(
        [asdict(finding) for finding in findings],
        columns=["check", "status", "value", "expected", "message"],
    )
    return table.astype({"value": float})


def _chosen(checks: Sequence[Check] | None, allowed: Sequence[Check]) -> Sequence[Check]:
    if checks is None:
        return allowed
    strange = [name for name in checks if name not in allowed]
    if isinstance(checks, str) or strange or not checks:
        raise ValueError(f"checks must be a list of some of {list(allowed)}, got {checks!r}.")
    return checks


def _check_labels(y: np.ndarray, cohort: Cohort) -> np.ndarray:
    y = np.asarray(y)
    if y.shape != (len(cohort),):
        raise ValueError(f"y has shape {y.shape}, needed is ({len(cohort)},).")
    found = sorted(set(y.tolist()) - {-1})
    if found != [0, 1]:
        raise ValueError(
            f"an audit needs the labels 0 and 1 (and -1 for unlabelled), got {found[:6]}. Choose "
            "two classes, for example y = (diagnosis == 'patient').astype(int)."
        )
    return y.astype(int)


def _check_labelled(splits: Splits, cohort: Cohort, y: np.ndarray) -> None:
    """Refuse folds that name somebody without a label, or of another cohort."""
    rows = np.unique([row for split in splits for side in split.rows(cohort) for row in side])
    lacking = [cohort.participant_ids[row] for row in rows[y[rows] == -1]]
    if lacking:
        raise ValueError(
            f"{len(lacking)} participants of the folds have no label: {lacking[:5]}. Make folds of "
            "those who have one."
        )


def _one_model(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of the first model in its first regime."""
    columns = ["participant_id", "repeat", "fold", "y_true", "y_score"]
    lacking = [name for name in columns if name not in predictions]
    if lacking:
        raise ValueError(f"predictions lack the columns {lacking}; needed are {columns}.")
    for name in ("model", "regime"):
        if name in predictions:
            predictions = predictions[predictions[name] == predictions[name].iloc[0]]
    return predictions.reset_index(drop=True)
