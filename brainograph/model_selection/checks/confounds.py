"""Confounds: what motion, site, age and sex say of the label, and of the model's scores."""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from brainograph.model_selection.checks.auc import above_chance, auc
from brainograph.model_selection.checks.finding import Finding, Status
from brainograph.model_selection.checks.phenotypes import design_of, told_by
from brainograph.model_selection.checks.study import Study

__all__ = ["confounds", "normal_scores", "out_of_fold"]

_CONFOUNDS = ("mean_fd", "site", "age", "sex")
_SHARE, _TELLING, _P = 0.1, 0.6, 0.05
_UNPENALISED = 1e4


def confounds(study: Study) -> list[Finding]:
    r"""See whether the score still says anything given motion, site, age and sex.

    Three findings: how well the confounds predict the label (logistic regression, 10 folds), how
    much of the variance of the out-of-fold scores they explain (adjusted :math:`R^2`), and whether
    the score improves a logistic regression of the label on the confounds (likelihood ratio, 1
    degree of freedom). Scores become normal scores within each fold, numbers normal scores and
    their squares. Scores of different folds share training participants, so that this p-value is
    approximate.
    """
    names = [c for c in _CONFOUNDS if c in study.cohort.phenotype]
    names = [c for c in names if study.cohort.phenotype[c].nunique() > 1]
    if not names:
        reason = f"The cohort has none of {', '.join(_CONFOUNDS)}."
        return [Finding("confounds", "skipped", np.nan, "at most 0.6", reason)]
    table = out_of_fold(study)
    rows = study.cohort.locate(table["participant_id"])
    y, score = table["y_true"].to_numpy(int), table["score"].to_numpy(float)
    people = study.cohort.phenotype.iloc[rows]
    design = {c: design_of(people[c]) for c in names}
    return [
        _of_label(study, names),
        _of_score(score, design),
        _beyond(y, score, np.hstack(list(design.values())), people),
    ]


def out_of_fold(study: Study) -> pd.DataFrame:
    """Return ``participant_id``, ``y_true`` and normal ``score`` of those who were predicted."""
    if study.predictions is not None:
        table = study.predictions[["participant_id", "repeat", "fold", "y_true", "y_score"]]
    else:
        ids = [name for split in study.setting.splits for name in split.test]
        table = pd.DataFrame({"participant_id": ids, "repeat": 0, "fold": study.fold_of})
        table = table.assign(y_true=study.truth, y_score=study.baseline)
    score = table.groupby(["repeat", "fold"])["y_score"].transform(normal_scores)
    table = table.assign(score=score)
    return table.groupby("participant_id", as_index=False)[["y_true", "score"]].mean()


def normal_scores(values: pd.Series) -> np.ndarray:
    """Return the quantiles of the normal distribution at the ranks of the values.

    Examples
    --------
    >>> normal_scores(pd.Series([0.1, 0.9, 0.5])).round(2)
    array([-0.67,  0.67,  0.  ])
    """
    return stats.norm.ppf(stats.rankdata(values) / (len(values) + 1))


def _of_label(study: Study, names: list[str]) -> Finding:
    known = study.y != -1
    y, ids = study.y[known], study.cohort.participant_ids
    people = study.cohort.phenotype[known]
    design = np.hstack([design_of(people[c]) for c in names])
    folds = StratifiedKFold(int(min(10, np.bincount(y).min())), shuffle=True, random_state=0)
    logistic = LogisticRegression(max_iter=1000)
    score = cross_val_predict(logistic, design, y, cv=folds, method="predict_proba")[:, 1]
    value = auc(y, score)
    alone = {c: told_by(study.cohort.phenotype[c], study.y, ids)[0] for c in names}
    each = ", ".join(f"{name} {one:.2f}" for name, one in alone.items())
    notable = value > _TELLING and above_chance(y, score)
    message = f"Together they predict the label with AUC {value:.3f}; alone: {each}."
    if notable:
        message += " The groups differ in who was recruited or how still they lay."
    return Finding("confounds_label", "warn" if notable else "pass", value, "at most 0.6", message)


def _of_score(score: np.ndarray, design: dict[str, np.ndarray]) -> Finding:
    together = _explained(score, np.hstack(list(design.values())))
    each = ", ".join(f"{name} {_explained(score, x):.2f}" for name, x in design.items())
    message = (
        f"They explain {100 * max(together, 0):.0f} % of the variance of the scores; alone: {each}."
    )
    status: Status = "warn" if together > _SHARE else "pass"
    return Finding("confounds_score", status, together, f"at most {_SHARE}", message)


def _explained(score: np.ndarray, design: np.ndarray) -> float:
    """Return the adjusted share of variance that a linear model explains."""
    residual = _residual(score, design)
    rank = np.linalg.matrix_rank(design - design.mean(axis=0))
    free = len(score) - rank - 1
    total = np.var(score) * len(score)
    if free < 1 or total == 0:
        return 0.0
    return float(1 - (residual @ residual / free) / (total / (len(score) - 1)))


def _residual(score: np.ndarray, design: np.ndarray) -> np.ndarray:
    x = np.column_stack([np.ones(len(design)), design])
    return score - x @ np.linalg.lstsq(x, score, rcond=None)[0]


def _beyond(y: np.ndarray, score: np.ndarray, design: np.ndarray, people: pd.DataFrame) -> Finding:
    gain = 2 * (_log_likelihood(y, np.column_stack([design, score])) - _log_likelihood(y, design))
    left = _residual(score, design)
    p = float(stats.chi2.sf(max(gain, 0.0), 1))
    helps = auc(y, left) > 0.5
    message = f"AUC {auc(y, score):.3f}, {auc(y, left):.3f} of what the confounds do not explain"
    if "site" in people:
        message += f", {auc(y, score, people['site'].astype(str).to_numpy()):.3f} within sites"
    message += f"; beside the confounds the score has p = {p:.2g} ({len(y)} participants)."
    if p < _P and helps:
        return Finding("confounds_beyond", "pass", p, f"below {_P}", message)
    message += " No evidence that it says more than they do."
    return Finding("confounds_beyond", "warn", p, f"below {_P}", message)


def _log_likelihood(y: np.ndarray, x: np.ndarray) -> float:
    model = LogisticRegression(C=_UNPENALISED, solver="newton-cholesky", max_iter=200).fit(x, y)
    p = np.clip(model.predict_proba(x)[np.arange(len(y)), y], 1e-12, None)
    return float(np.log(p).sum())
