"""Phenotypes that tell the diagnosis by themselves, and whether the model looks at them."""

from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from brainograph.model_selection.checks.auc import above_chance, auc
from brainograph.model_selection.checks.changes import columns_shuffled, label_columns
from brainograph.model_selection.checks.finding import Finding
from brainograph.model_selection.checks.study import Study

__all__ = ["design_of", "phenotypes", "predictability", "told_by"]

_TELLING, _GIVEN_AWAY = 0.6, 0.9
_VALUES, _FOLDS = 10, 10
_SHOWN = 8


def phenotypes(study: Study) -> list[Finding]:
    """Predict the label by every phenotype alone, and by who lacks it; see which the model uses.

    A column that reaches an AUC of 0.6 (and is above chance, p < 0.0001) *tells*. Which of these
    the model uses is found by dealing their values to other participants: who looks at a column
    scores differently. *fail*: the model uses one above 0.9, or the label under another name;
    *warn*: it uses one above 0.6. Without a model the columns are named for the reader to judge.
    """
    table = study.cohort.phenotype
    aliases = label_columns(table, study.y)
    told = {name: told_by(table[name], study.y, study.cohort.participant_ids) for name in table}
    telling = {name: told[name][0] for name in aliases}
    telling |= {name: value for name, (value, tells) in told.items() if tells}
    ranked = sorted(telling, key=lambda name: -telling[name])
    lacking = _lacking(study, [name for name in ranked if name not in aliases])
    if study.model is None:
        return [_unknown_use(telling, ranked, lacking)]
    used = _used(study, ranked)
    findings = []
    for name in (name for name in ranked if name in used):
        given = telling[name] > _GIVEN_AWAY or name in aliases
        message = (
            f"The model uses {name!r}, which alone predicts the label with AUC {telling[name]:.2f}"
        )
        message += f" ({lacking[name]})" if name in lacking else ""
        message += ": leave it out." if given else ": give the score without it too."
        findings.append(
            Finding(
                "phenotypes", "fail" if given else "warn", telling[name], "at most 0.6", message
            )
        )
    if not findings:
        strongest = max((value for value, _ in told.values()), default=np.nan)
        message = (
            f"{len(telling)} of {len(told)} phenotypes tell the label"
            f"{': ' + _list(telling, ranked) if telling else ''}; the model uses none of them."
        )
        findings.append(Finding("phenotypes", "pass", strongest, "not used by the model", message))
    return findings


def _unknown_use(telling: dict[str, float], ranked: list[str], lacking: dict[str, str]) -> Finding:
    if not telling:
        return Finding("phenotypes", "pass", np.nan, "at most 0.6", "No phenotype tells the label.")
    message = "These phenotypes tell the label, make sure that no model saw them: "
    message += _list(telling, ranked)
    if lacking:
        message += f". Of these by who lacks them: {', '.join(list(lacking)[:_SHOWN])}"
    return Finding("phenotypes", "warn", telling[ranked[0]], "at most 0.6", message + ".")


def _list(telling: dict[str, float], ranked: list[str]) -> str:
    shown = ", ".join(f"{name} {telling[name]:.2f}" for name in ranked[:_SHOWN])
    return shown + (f" and {len(ranked) - _SHOWN} more" if len(ranked) > _SHOWN else "")


def _lacking(study: Study, names: list[str]) -> dict[str, str]:
    """Say of which columns it is the missing values that tell."""
    table = study.cohort.phenotype
    of = {
        name: told_by(table[name].isna().astype(str), study.y, study.cohort.participant_ids)
        for name in names
        if table[name].isna().any()
    }
    return {name: f"who lacks it: {value:.2f}" for name, (value, tells) in of.items() if tells}


def _used(study: Study, names: list[str]) -> set[str]:
    """Return the columns whose values change the scores of the first fold, by halving."""
    if not names:
        return set()
    first = study.baseline[study.fold_of == 0]
    change = partial(columns_shuffled, columns=tuple(names), seed=[study.random_state, 3])
    (scores,) = study.run([change], "phenotypes", folds=[[0]])[0]
    if np.array_equal(scores, first):
        return set()
    if len(names) == 1:
        return set(names)
    half = len(names) // 2
    return _used(study, names[:half]) | _used(study, names[half:])


def told_by(column: pd.Series, y: np.ndarray, ids: list[str]) -> tuple[float, bool]:
    """Return the AUC of the label by a column alone, and whether that is notable."""
    score = predictability(column, y, ids)
    known = y != -1
    value = auc(y[known], score[known])
    return value, bool(value > _TELLING and above_chance(y[known], score[known]))


def predictability(column: pd.Series, y: np.ndarray, ids: list[str]) -> np.ndarray:
    """Return an out-of-fold score (S,) of the label by a column alone.

    For a number: logistic regression on its normal score, the square of that, and who lacks it.
    For few values or text: the share of patients among others of the same value, or who lack it
    too, shrunk by two participants towards that of all.

    Examples
    --------
    >>> y = np.array([0, 1] * 20)
    >>> score = predictability(pd.Series(np.where(y, "yes", None)), y, list(map(str, range(40))))
    >>> auc(y, score)
    1.0
    """
    order = np.argsort(ids)
    order = order[y[order] != -1]
    column, labels = column.iloc[order], y[order]
    n_splits = int(min(_FOLDS, np.bincount(labels).min()))
    if n_splits < 2:
        return np.where(y == -1, np.nan, 0.5)
    folds = StratifiedKFold(n_splits, shuffle=True, random_state=0)
    score_of = _by_number if _is_number(column) else _by_value
    score = np.full(len(y), np.nan)
    score[order] = score_of(column, labels, folds)
    return score


def _by_number(column: pd.Series, y: np.ndarray, folds: StratifiedKFold) -> np.ndarray:
    design = design_of(column)
    return cross_val_predict(
        LogisticRegression(), design, y, cv=folds, method="predict_proba"
    )[:, 1]  # fmt: skip


def design_of(column: pd.Series) -> np.ndarray:
    """Return what a linear model needs to see of a phenotype (S, .), nothing learnt from labels.

    Of a number its normal score, the square of that, and who lacks it; of few values or text one
    column for each, none for those who lack it.

    Examples
    --------
    >>> design_of(pd.Series(["a", "b", None, "a"]))
    array([[1., 0.],
           [0., 1.],
           [0., 0.],
           [1., 0.]])
    """
    if not _is_number(column):
        return pd.get_dummies(column.astype(object).map(str, na_action="ignore")).to_numpy(float)
    values = column.to_numpy(dtype=float, na_value=np.nan)
    lacks = ~np.isfinite(values)
    x = np.zeros(len(values))
    x[~lacks] = norm.ppf(rankdata(values[~lacks]) / (np.sum(~lacks) + 1))
    return np.column_stack([x, x**2, lacks])


def _is_number(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) and column.nunique() > _VALUES)


def _by_value(column: pd.Series, y: np.ndarray, folds: StratifiedKFold) -> np.ndarray:
    codes = pd.factorize(column.astype(object).map(str, na_action="ignore"))[0] + 1
    score = np.empty(len(y))
    for train, test in folds.split(codes[:, None], y):
        count = np.bincount(codes[train], minlength=codes.max() + 1)
        patients = np.bincount(codes[train], y[train], minlength=codes.max() + 1)
        score[test] = ((patients + 2 * y[train].mean()) / (count + 2))[codes[test]]
    return score
