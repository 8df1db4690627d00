"""Order and names: nothing may depend on where a participant stands or what they are called."""

from functools import partial

import numpy as np
import pandas as pd

from brainograph.model_selection.checks.auc import auc, paired_test
from brainograph.model_selection.checks.changes import Change, renamed, shuffled
from brainograph.model_selection.checks.finding import Finding
from brainograph.model_selection.checks.study import Study
from brainograph.model_selection.permutation import aucs, exchangeable, permute_labels

__all__ = ["identifiers", "label_order", "nearest", "row_order"]

_SAME = 0.01
_P = 0.001
_NEAREST = 5
_READABLE = 0.6
_N_ORDERS = 200


def row_order(study: Study) -> list[Finding]:
    """Shuffle the rows and each side of the folds: every participant must score the same.

    Up to 1 % of the scores' standard deviation is rounding and solvers that stop early. More is a
    *warn*, since another file order gives other numbers, and a *fail* if the AUC falls by more
    than chance (p < 0.001): then the order itself is read.
    """
    return [_compared(study, "row_order", partial(shuffled, seed=[study.random_state, 1]))]


def identifiers(study: Study) -> list[Finding]:
    """Give everybody a random name: scores may move as if by another seed, the AUC may not fall.

    Validation rows and folds are drawn from sorted identifiers, so that other names are another
    draw. *fail* if the AUC falls by more than chance (p < 0.001).
    """
    return [_compared(study, "identifiers", partial(renamed, seed=[study.random_state, 2]))]


def _compared(study: Study, check: str, change: Change) -> Finding:
    (scores,) = study.run([change], check.replace("_", " "))
    new, old = np.concatenate(scores), study.baseline
    largest = float(np.abs(new - old).max())
    spread = float(old.std()) or 1.0
    expected = "AUC unchanged" if check == "identifiers" else "0 or rounding"
    did = "Other names" if check == "identifiers" else "Shuffled rows"
    if largest <= _SAME * spread:
        same = "the same scores, bit for bit" if largest == 0 else "the same scores to rounding"
        value = 0.0 if check == "identifiers" else largest
        return Finding(check, "pass", value, expected, f"{did} give {same}.")
    change_of_auc, p = paired_test(study.truth, new, old, study.fold_of)
    before = study.auc
    value = change_of_auc if check == "identifiers" else largest
    moved = f"AUC {before:.3f} becomes {before + change_of_auc:.3f} (p = {p:.2g})"
    if p < _P and change_of_auc < 0:
        message = f"{did}: {moved}. The model reads the diagnosis from where participants stand."
        return Finding(check, "fail", value, expected, message)
    if check == "identifiers":
        return Finding(check, "pass", value, expected, f"{did}: {moved}, as by another seed.")
    if not study.deterministic:
        message = (
            f"A second run differs too, so order cannot be told from chance: {moved}. Set a seed."
        )
        return Finding(check, "warn", value, expected, message)
    message = (
        f"{did}: scores move by up to {largest / spread:.2g} standard deviations, {moved}. Sort "
        "participants by id before anything is drawn or summed."
    )
    return Finding(check, "warn", value, expected, message)


def label_order(study: Study) -> list[Finding]:
    """Predict each diagnosis by the nearest rows, and the nearest names, of the same site.

    No imaging is used. Where the files are sorted by group, as ABIDE's are, a pipeline that lets
    the position in (a graph whose edges go to later rows only, a batch effect, padding by
    number) reads the diagnosis from it; :func:`row_order` and :func:`identifiers` tell whether
    this one does. *warn* above 0.6, if labels permuted within sites do not reach it: neighbours
    share neighbours, so that chance alone spreads wider than for a score.
    """
    phenotype = study.cohort.phenotype
    site = phenotype["site"].astype(str) if "site" in phenotype else pd.Series("", phenotype.index)
    known = (study.y != -1) & (_size(site, study.y != -1) > _NEAREST)
    if not known.any():
        reason = f"No site has more than {_NEAREST} labelled participants."
        return [Finding("label_order", "skipped", np.nan, "0.5", reason)]
    ids = pd.Index(study.cohort.participant_ids)
    positions = {"rows": np.arange(len(ids)), "identifiers": ids.argsort().argsort()}
    return [
        _order_finding(what, study.y[known], position[known], site.to_numpy()[known])
        for what, position in positions.items()
    ]


def _size(site: pd.Series, counted: np.ndarray) -> np.ndarray:
    """Return how many of those who count are at each participant's site (S,)."""
    return site.map(site[counted].value_counts()).fillna(0).to_numpy()


def _order_finding(what: str, y: np.ndarray, position: np.ndarray, site: np.ndarray) -> Finding:
    near = nearest(position, site)
    value = auc(y, y[near].mean(axis=1))
    cells, generator = exchangeable(y, within=site), np.random.default_rng(0)
    orders = np.array([permute_labels(y, cells, generator) for _ in range(_N_ORDERS)]).T
    chance = aucs(orders, orders[near].mean(axis=1)).max()
    message = (
        f"The diagnosis of the {_NEAREST} nearest {what} of the same site has AUC {value:.3f}."
    )
    if value <= max(_READABLE, chance):
        return Finding("label_order", "pass", value, "0.5", message)
    message += (
        " The data are sorted by group, so that nothing may depend on the order: shuffle the "
        f"{what} before other software sees them."
    )
    return Finding("label_order", "warn", value, "0.5", message)


def nearest(position: np.ndarray, site: np.ndarray) -> np.ndarray:
    """Return the nearest participants (S, 5) of the same site, which has at least 6.

    Examples
    --------
    >>> nearest(np.arange(7), np.array(["A"] * 7))[[0, 3]]
    array([[1, 2, 3, 4, 5],
           [2, 4, 1, 5, 0]])
    """
    near = np.empty((len(site), _NEAREST), dtype=int)
    for name in np.unique(site):
        rows = np.flatnonzero(site == name)
        rank = position[rows].argsort().argsort()
        distance = np.abs(rank[:, None] - rank) + len(rows) * np.eye(len(rows))
        near[rows] = rows[np.argsort(distance, axis=1, kind="stable")[:, :_NEAREST]]
    return near
