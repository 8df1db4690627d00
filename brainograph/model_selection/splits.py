"""Splits of a cohort: made once, hashed, saved, published, and never dependent on row order."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from brainograph.cohort import Cohort
from brainograph.files import write_json

__all__ = ["Split", "Splits", "leave_one_site_out", "repeated_stratified"]


@dataclass(frozen=True)
class Split:
    """One fold: who is learnt from and who is predicted, by participant id."""

    repeat: int
    fold: int
    train: tuple[str, ...]
    test: tuple[str, ...]

    def rows(self, cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of the training and of the test participants in a cohort."""
        train, test = cohort.locate(self.train), cohort.locate(self.test)
        missing = [*np.array(self.train)[train < 0], *np.array(self.test)[test < 0]]
        if missing:
            raise ValueError(
                f"{len(missing)} participants of the splits are not in the cohort: "
                f"{[str(name) for name in missing[:5]]}. Use the cohort that the splits were "
                "made for, or make new ones."
            )
        return train, test


@dataclass(frozen=True)
class Splits:
    """Every fold of a cross-validation, with the scheme that made it.

    Parameters
    ----------
    scheme : str
        What the folds are, in words, for the report.
    splits : tuple of Split
        The folds.

    Examples
    --------
    >>> splits = Splits("by hand", (Split(0, 0, ("a", "b"), ("c",)),))
    >>> len(splits), splits.hash[:8]
    (1, '0039ac8f')
    """

    scheme: str
    splits: tuple[Split, ...]

    def __post_init__(self) -> None:
        """Refuse folds in which somebody is on both sides."""
        for split in self.splits:
            both = sorted(set(split.train) & set(split.test))
            if both:
                raise ValueError(
                    f"repeat {split.repeat}, fold {split.fold} trains and tests on {both[:5]}."
                )

    def __len__(self) -> int:
        return len(self.splits)

    def __iter__(self) -> Iterator[Split]:
        return iter(self.splits)

    @property
    def hash(self) -> str:
        """SHA-256 of who is where: the same for the same folds, however they were made."""
        content = [[s.repeat, s.fold, sorted(s.train), sorted(s.test)] for s in self.splits]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the splits as JSON."""
        content = {
            "scheme": self.scheme,
            "sha256": self.hash,
            "splits": [
                {"repeat": s.repeat, "fold": s.fold, "train": s.train, "test": s.test}
                for s in self.splits
            ],
        }
        write_json(content, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Splits":
        """Read splits that were saved; a file whose content was changed is refused."""
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        try:
            splits = cls(
                content["scheme"],
                tuple(
                    Split(s["repeat"], s["fold"], tuple(s["train"]), tuple(s["test"]))
                    for s in content["splits"]
                ),
            )
            expected = content["sha256"]
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{path} does not hold splits ({error!r}). Name a splits.json of a results folder."
            ) from error
        if splits.hash != expected:
            raise ValueError(f"{path} was changed after it was saved: its hash does not fit.")
        return splits


def _units(cohort: Cohort, y: np.ndarray, by: Sequence[str], group: str | None) -> pd.DataFrame:
    """Return one row for each unit that must stay together, in an order of its own.

    Columns: ``members`` (ids), ``label`` and ``cell`` (the values of ``by``). The order is that
    of the identifiers, so that it does not depend on the rows; every use of it is shuffled.
    """
    phenotype = cohort.phenotype
    for name in [*by, *([group] if group else [])]:
        if name not in phenotype:
            raise ValueError(
                f"the phenotype table has no column {name!r}; it has "
                f"{phenotype.columns.tolist()}. Choose among these, or write by=()."
            )
    table = pd.DataFrame({"label": y, "unit": cohort.units(group)}, index=phenotype.index)
    table["cell"] = [" | ".join(map(str, row)) for row in phenotype[list(by)].to_numpy()]
    table = table[y != -1].sort_index()
    return table.groupby("unit", sort=True).agg(
        members=("label", lambda rows: tuple(rows.index)),
        label=("label", "first"),
        cell=("cell", "first"),
    )


def _deal(units: pd.DataFrame, n_splits: int, generator: np.random.Generator) -> np.ndarray:
    """Return the fold of each unit: label first, then cell, then size as even as can be."""
    label = units["label"].factorize()[0]
    cell = units["cell"].factorize()[0]
    size = units["members"].map(len).to_numpy()
    of_label = np.zeros((label.max() + 1, n_splits))
    of_cell = np.zeros((cell.max() + 1, n_splits))
    total = np.zeros(n_splits)
    folds = np.empty(len(units), dtype=int)
    shuffled = generator.permutation(len(units))
    for unit in shuffled[np.lexsort((cell[shuffled], label[shuffled], -size[shuffled]))]:
        chance = generator.random(n_splits)
        order = np.lexsort((chance, total, of_cell[cell[unit]], of_label[label[unit]]))
        fold = folds[unit] = order[0]
        for count in (of_label[label[unit]], of_cell[cell[unit]], total):
            count[fold] += size[unit]
    return folds


def _check_classes(cohort: Cohort, y: np.ndarray, n_splits: int) -> np.ndarray:
    y = np.asarray(y)
    if y.shape != (len(cohort),):
        raise ValueError(f"y has shape {y.shape}, needed is ({len(cohort)},): one label a row.")
    labels, counts = np.unique(y[y != -1], return_counts=True)
    if len(labels) < 2:
        raise ValueError(
            f"the labels have one class ({labels.tolist()}): there is nothing to tell apart. "
            "Check the target column and its coding; -1 stands for unlabelled."
        )
    if counts.min() < n_splits:
        raise ValueError(
            f"class {labels[counts.argmin()]} has {counts.min()} participants, fewer than "
            f"n_splits={n_splits}. Write n_splits={max(counts.min(), 2)} or fewer."
        )
    return y


def repeated_stratified(
    cohort: Cohort,
    y: np.ndarray,
    *,
    n_splits: int = 10,
    n_repeats: int = 1,
    by: Sequence[str] = ("site",),
    group: str | None = None,
    random_state: int = 0,
) -> Splits:
    """Return repeated stratified folds: label and site in the same shares in every fold.

    The shuffled participants are dealt one by one, each to the fold that has fewest of its label,
    among these fewest of its site, so that sites with one member do no harm and each label's
    count differs by one between folds at the most (more only where groups stay together).

    Parameters
    ----------
    cohort : Cohort (S)
        The participants.
    y : array (S,)
        Labels; participants with -1 are in no fold.
    n_splits, n_repeats : int
        Folds, and how often the cohort is dealt anew.
    by : sequence of str
        Phenotype columns that are spread evenly besides the label.
    group : str, optional
        Phenotype column of those who must stay together: families, or the sessions of one person.
        By default the column ``group``, where there is one: readers that keep the runs of a
        person apart write it.
    random_state : int
        Seed.

    Returns
    -------
    Splits
        ``n_repeats * n_splits`` folds.

    Raises
    ------
    ValueError
        If a column is missing, or a class has fewer members than there are folds.

    Examples
    --------
    >>> phenotype = pd.DataFrame({"site": ["A", "A", "B", "B"] * 5})
    >>> cohort = Cohort(phenotype, pd.DataFrame(index=["r1", "r2"]))
    >>> splits = repeated_stratified(cohort, np.array([0, 1] * 10), n_splits=5)
    >>> [len(split.test) for split in splits]
    [4, 4, 4, 4, 4]
    """
    if n_splits < 2:
        raise ValueError(f"n_splits must be at least 2, got {n_splits}.")
    y = _check_classes(cohort, y, n_splits)
    if group is None and "group" in cohort.phenotype:
        group = "group"
    units = _units(cohort, y, by, group)
    splits = []
    for repeat in range(n_repeats):
        generator = np.random.default_rng([random_state, repeat])
        fold_of = _deal(units, n_splits, generator)
        for fold in range(n_splits):
            test = units["members"][fold_of == fold]
            train = units["members"][fold_of != fold]
            splits.append(Split(repeat, fold, _flatten(train), _flatten(test)))
    spread = " x ".join(["label", *by])
    kept = f", grouped by {group}" if group else ""
    scheme = f"{n_repeats} x {n_splits}-fold, stratified by {spread}{kept}, seed {random_state}"
    return Splits(scheme, tuple(splits))


def leave_one_site_out(
    cohort: Cohort, y: np.ndarray, *, site: str = "site", min_size: int = 1
) -> Splits:
    """Return one fold for each site: it is predicted by a model that has not seen it.

    Parameters
    ----------
    cohort : Cohort (S)
        The participants.
    y : array (S,)
        Labels; participants with -1 are in no fold.
    site : str
        The phenotype column of the site. Participants without one are always in training.
    min_size : int
        Sites with fewer labelled participants are never held out, only learnt from.

    Returns
    -------
    Splits
        A fold for each site, in alphabetical order.

    Raises
    ------
    ValueError
        If the column is missing or fewer than two sites are large enough.

    Examples
    --------
    >>> phenotype = pd.DataFrame({"site": ["A", "B", "A", "B"]}, index=list("abcd"))
    >>> cohort = Cohort(phenotype, pd.DataFrame(index=["r1", "r2"]))
    >>> [split.test for split in leave_one_site_out(cohort, np.array([0, 0, 1, 1]))]
    [('a', 'c'), ('b', 'd')]
    """
    y = _check_classes(cohort, y, 1)
    if site not in cohort.phenotype:
        raise ValueError(
            f"the phenotype table has no column {site!r}; it has "
            f"{cohort.phenotype.columns.tolist()}. Write site= one of these."
        )
    sites = cohort.phenotype[site][y != -1].sort_index()
    sizes = sites.value_counts()
    held_out = sorted(sizes.index[sizes >= min_size])
    if len(held_out) < 2:
        raise ValueError(
            f"leaving one site out needs at least two sites with {min_size} participants, "
            f"got {sizes.to_dict()}."
        )
    splits = tuple(
        Split(0, fold, tuple(sites.index[sites != name]), tuple(sites.index[sites == name]))
        for fold, name in enumerate(held_out)
    )
    return Splits(f"leave one site out, {len(held_out)} sites", splits)


def _flatten(members: pd.Series) -> tuple[str, ...]:
    """Return the sorted ids of several units."""
    return tuple(sorted(name for unit in members for name in unit))
