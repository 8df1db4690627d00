"""Permuted labels: a pipeline that has not seen the test labels lands at chance."""

from functools import partial

import numpy as np
from scipy import stats

from brainograph.model_selection.checks.auc import auc, null_deviation
from brainograph.model_selection.checks.changes import permuted, permuted_y
from brainograph.model_selection.checks.finding import Finding, Status
from brainograph.model_selection.checks.study import Study

__all__ = ["at_chance", "permuted_labels", "permuted_within_site"]

_FAIL, _WARN = 0.001, 0.01
_FEW = 10


def permuted_labels(study: Study) -> list[Finding]:
    r"""Run the whole pipeline on labels in another order: null at chance, and the p-value.

    Given the training labels, the test labels of a fold are then in random order: a score that has
    not seen them has an AUC of exactly 0.5 on average, whatever the pipeline. Feature selection
    before the split, harmonisation with labels, the best epoch on the test fold and validation
    rows that are the test rows all lift it.
    """
    return _permuted(study, "permuted_labels", None)


def permuted_within_site(study: Study) -> list[Finding]:
    """Exchange labels within sites only: what the sites' shares of patients are worth stays.

    The null is judged by pairs of one site, for which chance is 0.5; the mean over all pairs is
    what knowing the site alone is worth, and the model has to beat that.
    """
    if "site" not in study.cohort.phenotype:
        reason = "The cohort has no site."
        return [Finding("permuted_within_site", "skipped", np.nan, "0.5", reason)]
    return _permuted(study, "permuted_within_site", "site")


def _permuted(study: Study, check: str, within: str | None) -> list[Finding]:
    seeds = [[study.random_state, i] for i in range(study.n_permutations)]
    title = check.replace("_", " ")
    runs = study.run([partial(permuted, seed=seed, within=within) for seed in seeds], title)
    rows = [split.rows(study.cohort)[1] for split in study.setting.splits]
    sites = None if within is None else study.cohort.phenotype[within].astype(str).to_numpy()
    strata = [None if sites is None else sites[test] for test in rows]
    null, overall, deviations = [], [], []
    for seed, scores in zip(seeds, runs, strict=True):
        labels = permuted_y(study.setting, seed=seed, within=within)
        folds = [(labels[test], s, k) for test, s, k in zip(rows, scores, strata, strict=True)]
        folds = [fold for fold in folds if np.isfinite(null_deviation(fold[0], fold[2]))]
        if folds:
            null.append(np.mean([auc(*fold) for fold in folds]))
            overall.append(np.mean([auc(y, score) for y, score, _ in folds]))
            deviations.append(np.mean([null_deviation(y, k) for y, _, k in folds]))
    if not null:
        reason = "No test fold holds patients and controls to compare."
        return [Finding(check, "skipped", np.nan, "0.5", reason)]
    status, chance = at_chance(np.array(null), np.array(deviations))
    return [
        _null_finding(check, status, np.array(null), np.array(overall), chance, within),
        _p_finding(study, check, np.array(overall), within),
    ]


def at_chance(null: np.ndarray, deviations: np.ndarray) -> tuple[Status, float]:
    r"""Tell whether AUCs under permuted labels are 0.5 on average; return the p-value too.

    The permutations are independent of each other, and for a clean pipeline the expectation is
    exact. From 10 permutations on it is a t test with their own standard error. With fewer, the
    standard deviation is replaced by its upper bound, the mean over folds of Mann and Whitney's
    null deviation (folds share labels, so it does not shrink by their number). *fail* is
    p < 0.001, *warn* p < 0.01, on both sides: a leak can push below chance as well.

    Parameters
    ----------
    null : array (n_permutations,)
        Mean AUC over folds.
    deviations : array (n_permutations,)
        Mean null deviation over folds.

    Examples
    --------
    >>> status, p = at_chance(np.array([0.61, 0.58, 0.63]), np.array([0.05, 0.05, 0.05]))
    >>> status, round(p, 5)
    ('fail', 0.00022)
    """
    n = len(null)
    if n < _FEW:
        z = (null.mean() - 0.5) / (deviations.mean() / np.sqrt(n))
        p = float(2 * stats.norm.sf(abs(z)))
    elif np.ptp(null) == 0:
        p = 1.0 if null[0] == 0.5 else 0.0
    else:
        p = float(stats.ttest_1samp(null, 0.5).pvalue)
    return ("fail" if p < _FAIL else "warn" if p < _WARN else "pass"), p


def _null_finding(
    check: str,
    status: Status,
    null: np.ndarray,
    overall: np.ndarray,
    chance: float,
    within: str | None,
) -> Finding:
    n, mean = len(null), null.mean()
    spread = f" ± {null.std(ddof=1):.3f}" if n > 1 else ""
    where = f" within {within}" if within else ""
    message = f"Mean AUC of {n} runs on labels permuted{where} {mean:.3f}{spread}"
    if within:
        message += f", over all pairs {overall.mean():.3f}: what the {within} alone is worth"
    if status == "pass":
        message += "; chance, as it must be."
    else:
        message += (
            f"; not chance (p = {chance:.1g}). Labels of test participants reach the model: look "
            "for features selected or harmonised before the split, epochs or thresholds chosen on "
            "test rows, steps kept from another fold."
        )
    return Finding(check, status, float(mean), "0.5", message)


def _p_finding(study: Study, check: str, null: np.ndarray, within: str | None) -> Finding:
    """Compare the model with the null, over the mean AUC of the same folds."""
    folds = [study.fold_of == fold for fold in range(len(study.setting.splits))]
    observed = np.nanmean([auc(study.truth[fold], study.baseline[fold]) for fold in folds])
    p = float((1 + np.sum(null >= observed)) / (1 + len(null)))
    beyond = f" beyond what the {within} is worth" if within else ""
    verdict = "" if p <= 0.05 else f" No evidence that the model predicts anything{beyond}."
    if len(null) < 19:
        verdict = f" {len(null)} permutations cannot give p < 0.05: write n_permutations=99."
    message = f"AUC {observed:.3f} on {len(folds)} folds, p = {p:.2g} by {len(null)} permutations."
    return Finding(
        f"{check}_p", "pass" if p <= 0.05 else "warn", p, "0.05 or less", message + verdict
    )
