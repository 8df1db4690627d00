"""Folds: who is on which side, how often, and whether the folds are blocks of a sorted file."""

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import gammaln

from brainograph.model_selection.checks.auc import auc
from brainograph.model_selection.checks.finding import Finding
from brainograph.model_selection.checks.study import Study
from brainograph.model_selection.splits import Split, Splits

__all__ = ["best_epoch", "check_folds", "folds_table", "split_overlap", "splits_of"]

_P = 0.001


def split_overlap(study: Study) -> list[Finding]:
    """Check the sides of every fold, coverage, and whether folds are blocks of a sorted file."""
    findings = check_folds(folds_table(study.splits) if study.sides is None else study.sides)
    findings += [_coverage(study), _blocks(study)]
    if study.predictions is not None:
        findings.append(_predicted(study))
    return findings


def folds_table(splits: Splits) -> pd.DataFrame:
    """Return ``repeat``, ``fold``, ``participant_id``, ``part`` (train or test) as a long table."""
    rows = [
        (split.repeat, split.fold, name, part)
        for split in splits
        for part in ("train", "test")
        for name in getattr(split, part)
    ]
    return pd.DataFrame(rows, columns=["repeat", "fold", "participant_id", "part"])


def splits_of(folds: pd.DataFrame) -> Splits:
    """Return the folds of a long table; who is tested is taken out of training."""
    splits = []
    for (repeat, fold), table in folds.groupby(["repeat", "fold"]):
        test = set(table["participant_id"][table["part"] == "test"])
        train = set(table["participant_id"]) - test
        splits.append(Split(repeat, fold, tuple(sorted(train)), tuple(sorted(test))))
    return Splits("read from a table", tuple(splits))


def check_folds(folds: pd.DataFrame) -> list[Finding]:
    """Find participants who are in two parts of one fold; for folds of any software.

    Parameters
    ----------
    folds : DataFrame
        ``repeat``, ``fold``, ``participant_id`` and ``part``, one of ``"train"``,
        ``"validation"`` and ``"test"``.

    Returns
    -------
    list of Finding
        One, which fails if two parts share anybody.

    Raises
    ------
    ValueError
        If a column or the test participants are missing.

    Examples
    --------
    >>> folds = pd.DataFrame({"repeat": 0, "fold": 0, "participant_id": list("abcc"),
    ...                       "part": ["train", "train", "validation", "test"]})
    >>> check_folds(folds)[0].message
    'Fold 0 of repeat 0: 1 participants are in validation and test (c). Whatever is chosen on
    validation rows is then chosen on test rows.'
    """
    lacking = [c for c in ("repeat", "fold", "participant_id", "part") if c not in folds]
    if lacking or "test" not in set(folds["part"]):
        raise ValueError(
            f"folds need the columns repeat, fold, participant_id and part (train, validation or "
            f"test), lacking are {lacking or 'test participants'}."
        )
    n_shared, first = 0, ""
    for (repeat, fold), table in folds.groupby(["repeat", "fold"]):
        parts = {part: set(rows["participant_id"]) for part, rows in table.groupby("part")}
        for one, other in (("train", "test"), ("validation", "test"), ("train", "validation")):
            both = sorted(parts.get(one, set()) & parts.get(other, set()))
            n_shared += len(both)
            if both and not first:
                first = (
                    f"Fold {fold} of repeat {repeat}: {len(both)} participants are in {one} and "
                    f"{other} ({', '.join(both[:5])})."
                )
                if one == "validation":
                    first += " Whatever is chosen on validation rows is then chosen on test rows."
    parts_there = ", ".join(
        part for part in ("train", "validation", "test") if part in set(folds["part"])
    )
    message = first or f"Nobody is in two parts ({parts_there}) of a fold."
    return [Finding("split_overlap", "fail" if first else "pass", n_shared, "0", message)]


def _coverage(study: Study) -> Finding:
    """Check that every labelled participant is tested once in each repeat."""
    labelled = pd.Index(study.cohort.participant_ids)[study.y != -1]
    tested = folds_table(study.splits).query("part == 'test'")
    counts = tested.groupby(["repeat", "participant_id"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=labelled.union(counts.columns), fill_value=0)
    twice = sorted(counts.columns[(counts > 1).any()])
    never = sorted(counts.columns[(counts == 0).any()])
    if twice:
        message = f"{len(twice)} participants are tested more than once in a repeat: {twice[:5]}."
        return Finding("split_coverage", "fail", len(twice), "0", message)
    if never:
        message = (
            f"{len(never)} of {len(labelled)} labelled participants are not tested in every "
            f"repeat: {never[:5]}. Say who was left out and why."
        )
        return Finding("split_coverage", "warn", len(never), "0", message)
    message = f"All {len(labelled)} labelled participants are tested once in each repeat."
    return Finding("split_coverage", "pass", 0, "0", message)


def _blocks(study: Study) -> Finding:
    """Tell folds that are blocks of a sorted file from shuffled ones and from left-out sites."""
    ids = study.cohort.participant_ids
    orders = {"rows": ids, "identifiers": sorted(ids)}
    for what, order in orders.items():
        if _are_blocks(study.splits, order):
            message = (
                f"The test folds are blocks of the {what} in their order: nobody shuffled them. "
                "On files sorted by site or group such folds are neither a random split nor "
                "leave-one-site-out. Write shuffle=True, or use repeated_stratified."
            )
            if not _leaves_sites_out(study):
                return Finding("split_blocks", "fail", 1.0, "shuffled", message)
    if "site" not in study.cohort.phenotype:
        return Finding("split_blocks", "pass", np.nan, "shuffled", "The folds are shuffled.")
    if _leaves_sites_out(study):
        message = "Sites are left out as a whole: no site is in training and test of a fold."
        return Finding("split_blocks", "pass", np.nan, "sites left out", message)
    found, random = _sites_per_fold(study)
    message = f"A test fold holds {found:.1f} sites, {random:.1f} if dealt at random"
    if found < 0.6 * random:
        message += (
            ": folds follow the sites without leaving them out. Shuffle, or use leave_one_site_out."
        )
        return Finding("split_blocks", "fail", found, f"about {random:.1f} sites", message)
    return Finding("split_blocks", "pass", found, f"about {random:.1f} sites", message + ".")


def _are_blocks(splits: Splits, order: list[str]) -> bool:
    """Tell whether every test fold is an uninterrupted piece of the participants in this order."""
    tested = {name for split in splits for name in split.test}
    place = {name: i for i, name in enumerate(name for name in order if name in tested)}
    folds = [sorted(place[name] for name in split.test if name in place) for split in splits]
    folds = [fold for fold in folds if fold]
    if len(folds) < 2 or max(map(len, folds)) < 2:
        return False
    return all(fold[-1] - fold[0] == len(fold) - 1 for fold in folds)


def _sites(study: Study) -> pd.Series:
    sites = study.cohort.phenotype["site"]
    return sites.astype(str).where(sites.notna(), "n/a")


def _leaves_sites_out(study: Study) -> bool:
    if "site" not in study.cohort.phenotype:
        return False
    site = _sites(study)
    return all(
        not set(site.reindex(list(split.train))) & set(site.reindex(list(split.test)))
        for split in study.splits
    )


def _sites_per_fold(study: Study) -> tuple[float, float]:
    """Return the mean number of sites in a test fold, and its expectation if dealt at random."""
    site = _sites(study)
    found, random = [], []
    for split in study.splits:
        found.append(site.reindex(list(split.test)).nunique())
        pool = site.reindex([*split.train, *split.test]).value_counts().to_numpy()
        n, m = pool.sum(), len(split.test)
        with np.errstate(invalid="ignore"):
            absent = np.where(
                n - pool >= m,
                np.exp(_choose(np.maximum(n - pool, m), m) - _choose(n, m)),
                0.0,
            )
        random.append((1 - absent).sum())
    return float(np.mean(found)), float(np.mean(random))


def _choose(n: np.ndarray | int, k: int) -> np.ndarray:
    """Return the logarithm of the binomial coefficient."""
    return gammaln(np.add(n, 1.0)) - gammaln(k + 1.0) - gammaln(np.subtract(n, k - 1.0))


def _predicted(study: Study) -> Finding:
    """Check that predictions are of the test participants of their fold, with their labels."""
    table = study.predictions
    if table is None:
        return Finding("predictions", "skipped", np.nan, "0", "There are no predictions.")
    keys = ["repeat", "fold", "participant_id"]
    planned = folds_table(study.splits).query("part == 'test'")[keys]
    merged = planned.merge(table[keys].drop_duplicates(), how="outer", indicator=True)
    astray = int((merged["_merge"] != "both").sum())
    rows = study.cohort.locate(table["participant_id"])
    labels = np.where(rows >= 0, study.y[rows], -1)
    wrong = int((labels != table["y_true"].to_numpy()).sum())
    again = int(table.duplicated(keys).sum())
    bad = astray + wrong + again
    message = (
        f"{len(table)} predictions: {astray} do not belong to the test part of their fold, "
        f"{wrong} have another label than the cohort, {again} are there twice."
    )
    return Finding("predictions", "fail" if bad else "pass", bad, "0", message)


def best_epoch(study: Study) -> list[Finding]:
    """See whether the reported score of each fold is the best that any epoch had on the test fold.

    Needs a history: ``repeat``, ``fold``, ``epoch`` and ``auc`` on the test fold. If the epoch was
    chosen elsewhere, it is the best of E in one fold of E or so; all folds are then unlikely
    (binomial, p < 0.001).
    """
    check, expected = "best_epoch", "about one fold in as many as there are epochs"
    if study.history is None or study.predictions is None:
        reason = "There is no history of test scores by epoch."
        return [Finding(check, "skipped", np.nan, expected, reason)]
    hits, chances = [], []
    history = study.history.groupby(["repeat", "fold"])["auc"].agg(list)
    for key, table in study.predictions.groupby(["repeat", "fold"]):
        if key not in history.index:
            continue
        epochs = np.array(history[key], dtype=float)
        reported = auc(table["y_true"].to_numpy(int), table["y_score"].to_numpy(float))
        hits.append(reported >= epochs.max() - 1e-6)
        chances.append(float(np.mean(epochs >= epochs.max() - 1e-6)))
    if not hits:
        reason = "The history has none of the folds of the predictions."
        return [Finding(check, "skipped", np.nan, expected, reason)]
    p = float(stats.binom.sf(sum(hits) - 1, len(hits), np.mean(chances)))
    share = float(np.mean(hits))
    message = (
        f"In {sum(hits)} of {len(hits)} folds the reported AUC is the best of all epochs on the "
        f"test fold (p = {p:.2g})"
    )
    if p < _P:
        message += ": the epoch was chosen there. Choose it on validation rows."
        return [Finding(check, "fail", share, expected, message)]
    return [Finding(check, "pass", share, expected, message + ".")]
