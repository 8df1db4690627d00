"""Duplicates: the same scan, or the same person, in training and in test."""

import hashlib
import re
from collections.abc import Iterable

import numpy as np

from brainograph.cohort import Cohort
from brainograph.model_selection.checks.finding import Finding
from brainograph.model_selection.checks.study import Study

__all__ = ["duplicates", "equal_scans", "same_names", "similar_scans"]

_SIMILAR = 0.8
_OUTLIER = 6.0
_SHOWN = 5
Pairs = list[tuple[int, int]]


def duplicates(study: Study) -> list[Finding]:
    """Look for people who are on both sides of a fold.

    *fail*: scans equal byte for byte; connectivity of two participants that correlates like one
    scan's (:func:`similar_scans`); one value of the column ``group`` on both sides. *warn*: names
    that differ only in case, leading zeros, session or run. Two scans of one person on different
    days cannot be told from two people by this: write who belongs together in ``group``.
    """
    cohort = study.cohort
    equal = equal_scans(cohort)
    similar = [pair for pair in similar_scans(cohort) if pair not in set(equal)]
    related: Pairs = []
    if "group" in cohort.phenotype:
        related = _pairs(cohort.units("group").tolist())
    named = [pair for pair in same_names(cohort.participant_ids) if pair not in set(related)]
    found = {
        "the same scan, byte for byte": (equal, "fail"),
        "nearly the same connectivity, as of one scan": (similar, "fail"),
        "one group (a family, or sessions of a person)": (related, "fail"),
        "names that differ in case, zeros, session or run only": (named, "warn"),
    }
    findings, together = [], 0
    for what, (pairs, status) in found.items():
        apart = _straddling(study, pairs)
        together += len(pairs) - len(apart)
        if apart:
            message = (
                f"{_count(apart)} in training and test of a fold with {what}: "
                f"{_shown(study, apart)}. Keep one of each, or give both one value in the "
                "phenotype column group, which the splits keep together."
            )
            findings.append(
                Finding(
                    "duplicates", "fail" if status == "fail" else "warn", len(apart), "0", message
                )
            )
    if not findings:
        kept = f" Of one person or scan, and kept together: {together}." if together else ""
        message = f"Nobody is found on both sides of a fold.{kept}"
        findings.append(Finding("duplicates", "pass", 0, "0", message))
    return findings


def _pairs(keys: Iterable[object]) -> Pairs:
    """Return the pairs (i < j) of equal keys."""
    where: dict[object, list[int]] = {}
    for row, key in enumerate(keys):
        where.setdefault(key, []).append(row)
    return [(i, j) for rows in where.values() for n, j in enumerate(rows) for i in rows[:n]]


def equal_scans(cohort: Cohort) -> Pairs:
    """Return the pairs of rows whose series, or one of whose matrices, are equal.

    Examples
    --------
    >>> import pandas as pd
    >>> fc = np.stack([np.eye(2), np.ones((2, 2)), np.eye(2)])
    >>> people, regions = pd.DataFrame(index=list("abc")), pd.DataFrame(index=["r1", "r2"])
    >>> equal_scans(Cohort(people, regions, connectivity={"fc": fc}))
    [(0, 2)]
    """
    members: list[Iterable[np.ndarray]] = [*cohort.connectivity.values()]
    if cohort.timeseries is not None:
        members.append(cohort.timeseries)
    digests = [
        [hashlib.sha256(np.ascontiguousarray(one).tobytes()).digest() for one in member]
        for member in members
    ]
    return sorted({pair for keys in digests for pair in _pairs(keys)})


def similar_scans(cohort: Cohort) -> Pairs:
    """Return the pairs of rows whose connectivity correlates like that of one scan.

    The correlation is taken over edges, after Fisher's z, of the deviations from the cohort's mean:
    about 0 between people, up to 0.55 between the most alike of ABIDE. A pair is found if it
    exceeds 0.8 and lies 6 robust standard deviations from the other pairs (few regions make people
    look alike by chance).
    """
    x = _edges(cohort)
    if x is None or len(x) < 3:
        return []
    x = np.nan_to_num(x - x.mean(axis=0))
    x -= x.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    x = np.divide(x, norm, out=x, where=norm > 0)
    rows, columns = np.triu_indices(len(x), k=1)
    z = np.arctanh(np.clip((x @ x.T)[rows, columns], -1 + 1e-7, 1 - 1e-7))
    middle = np.median(z)
    spread = 1.4826 * np.median(np.abs(z - middle))
    found = z > max(np.arctanh(_SIMILAR), middle + _OUTLIER * spread)
    return list(zip(rows[found].tolist(), columns[found].tolist(), strict=True))


def _edges(cohort: Cohort) -> np.ndarray | None:
    """Return edges (S, R(R-1)/2) of ``fc``, the first matrix, or the series."""
    upper = np.triu_indices(cohort.n_regions, k=1)
    if cohort.connectivity:
        name = "fc" if "fc" in cohort.connectivity else next(iter(cohort.connectivity))
        edges = np.stack([one[upper] for one in cohort.connectivity[name]]).astype(np.float32)
    elif cohort.timeseries is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            series = [np.corrcoef(one, rowvar=False)[upper] for one in cohort.timeseries]
        edges = np.stack(series).astype(np.float32)
    else:
        return None
    edges = np.nan_to_num(edges)
    if np.abs(edges).max(initial=0) <= 1 + 1e-3:
        edges = np.arctanh(np.clip(edges, -1 + 1e-6, 1 - 1e-6))
    return edges


def same_names(participant_ids: Iterable[str]) -> Pairs:
    """Return the pairs of rows whose names differ in case, zeros, session or run only.

    Examples
    --------
    >>> same_names(["sub-007_ses-1", "sub-7_ses-2", "sub-008", "SUB-8"])
    [(0, 1), (2, 3)]
    """
    return _pairs(map(_person, participant_ids))


def _person(name: str) -> str:
    text = re.sub(r"(?<![a-z])(ses|session|run|visit|scan)[-_ ]?[a-z0-9]+", "", name.lower())
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub("[^a-z0-9]", "", text.removeprefix("sub-")))


def _straddling(study: Study, pairs: Pairs) -> Pairs:
    """Return the pairs that are on both sides of some fold."""
    if not pairs:
        return []
    i, j = np.array(pairs).T
    apart = np.zeros(len(pairs), dtype=bool)
    for split in study.splits:
        train, test = (np.zeros(len(study.cohort), dtype=bool) for _ in range(2))
        for side, rows in zip((train, test), split.rows(study.cohort), strict=True):
            side[rows] = True
        apart |= (train[i] & test[j]) | (train[j] & test[i])
    return [pair for pair, is_apart in zip(pairs, apart, strict=True) if is_apart]


def _count(pairs: Pairs) -> str:
    return "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"


def _shown(study: Study, pairs: Pairs) -> str:
    ids, y = study.cohort.participant_ids, study.y
    texts = [f"{ids[i]} and {ids[j]} (labels {y[i]} and {y[j]})" for i, j in pairs[:_SHOWN]]
    return ", ".join(texts) + (", ..." if len(pairs) > _SHOWN else "")
