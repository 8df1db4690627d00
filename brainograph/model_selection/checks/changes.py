"""What an audit changes before the model is run again: labels, order, names, other people's data.

Each function takes a setting and returns another one. All draw by participant id, so that the
same seed makes the same change whatever the order of the rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from brainograph.cohort import Cohort
from brainograph.model_selection.permutation import exchangeable, permute_labels
from brainograph.model_selection.splits import Split, Splits

__all__ = [
    "Change",
    "Setting",
    "columns_shuffled",
    "flipped",
    "label_columns",
    "others",
    "permuted",
    "permuted_y",
    "renamed",
    "replaced",
    "shuffled",
    "unchanged",
]


@dataclass(frozen=True)
class Setting:
    """What a model is run on; ``names`` maps old ids to new ones where they were changed."""

    cohort: Cohort
    y: np.ndarray
    splits: Splits
    names: Mapping[str, str] = field(default_factory=dict)


Change = Callable[[Setting], Setting]


def unchanged(setting: Setting) -> Setting:
    """Return the setting."""
    return setting


def permuted_y(setting: Setting, *, seed: Sequence[int], within: str | None = None) -> np.ndarray:
    """Return the labels (S,) in another order; groups stay together."""
    cohort, y = setting.cohort, setting.y
    rows = np.argsort(cohort.participant_ids)
    units = cohort.units("group" if "group" in cohort.phenotype else None).iloc[rows]
    values = None if within is None else cohort.phenotype[within].iloc[rows]
    cells = exchangeable(y[rows], units=units, within=values)
    changed = y.copy()
    changed[rows] = permute_labels(y[rows], cells, np.random.default_rng(seed))
    return changed


def permuted(setting: Setting, *, seed: Sequence[int], within: str | None = None) -> Setting:
    """Give the labels to other participants."""
    return _relabelled(setting, permuted_y(setting, seed=seed, within=within))


def flipped(setting: Setting, *, fold: int) -> Setting:
    """Turn the labels of the test participants of a fold round."""
    y = setting.y.copy()
    _, test = setting.splits.splits[fold].rows(setting.cohort)
    y[test] = 1 - y[test]
    return _relabelled(setting, y)


def _relabelled(setting: Setting, y: np.ndarray) -> Setting:
    """Change the labels, and with them the phenotypes that are the label by another name."""
    phenotype = setting.cohort.phenotype.copy()
    other = (y != setting.y) & (setting.y != -1)
    for name in label_columns(phenotype, setting.y):
        values = phenotype[name].to_numpy(copy=True)
        of = {label: values[setting.y == label][0] for label in (0, 1)}
        values[other] = [of[label] for label in y[other]]
        phenotype[name] = values
    return replace(setting, cohort=setting.cohort.assign(phenotype=phenotype), y=y)


def label_columns(phenotype: pd.DataFrame, y: np.ndarray) -> list[str]:
    """Return the phenotypes that are the label: one value for each class.

    Examples
    --------
    >>> phenotype = pd.DataFrame({"dx": ["asd", "td", "asd"], "sex": ["m", "m", "f"]})
    >>> label_columns(phenotype, np.array([1, 0, 1]))
    ['dx']
    """
    known = phenotype[y != -1]
    names = [name for name in known if known[name].notna().all() and known[name].nunique() == 2]
    return [name for name in names if (known[name].groupby(y[y != -1]).nunique() == 1).all()]


def shuffled(setting: Setting, *, seed: Sequence[int]) -> Setting:
    """Put the rows, and the participants of each side of a fold, in another order."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(setting.cohort))

    def mixed(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(names[i] for i in generator.permutation(len(names)))

    splits = [replace(s, train=mixed(s.train), test=mixed(s.test)) for s in setting.splits]
    return Setting(
        setting.cohort[order],
        setting.y[order],
        replace(setting.splits, splits=tuple(splits)),
    )


def renamed(setting: Setting, *, seed: Sequence[int]) -> Setting:
    """Give everybody a name that says nothing, and sort each side of a fold by it."""
    ids = sorted(setting.cohort.participant_ids)
    numbers = np.random.default_rng(seed).permutation(len(ids))
    names = {name: f"p{number:08d}" for name, number in zip(ids, numbers, strict=True)}
    phenotype, images = (
        table.rename(index=names) for table in (setting.cohort.phenotype, setting.cohort.images)
    )

    def other(split: Split) -> Split:
        train, test = (sorted(names[name] for name in side) for side in (split.train, split.test))
        return replace(split, train=tuple(train), test=tuple(test))

    splits = replace(setting.splits, splits=tuple(map(other, setting.splits)))
    cohort = setting.cohort.assign(phenotype=phenotype, images=images)
    return Setting(cohort, setting.y, splits, names)


def others(split: Split) -> tuple[str, ...]:
    """Return the second half of the test participants."""
    return split.test[len(split.test) // 2 :]


def replaced(setting: Setting, *, fold: int) -> Setting:
    """Give half of a fold's test participants the data of one of them; their labels stay."""
    cohort = setting.cohort
    changed = cohort.locate(others(setting.splits.splits[fold]))
    rows = np.arange(len(cohort))
    rows[changed] = changed[0]
    phenotype = cohort.phenotype.iloc[rows].set_axis(cohort.phenotype.index)
    for name in label_columns(cohort.phenotype, setting.y):
        phenotype[name] = cohort.phenotype[name]
    series = cohort.timeseries
    copied = cohort.assign(
        phenotype=phenotype,
        timeseries=None if series is None else [series[row] for row in rows.tolist()],
        connectivity={name: array[rows] for name, array in cohort.connectivity.items()},
        measures={name: array[rows] for name, array in cohort.measures.items()},
        images=cohort.images.iloc[rows].set_axis(cohort.images.index),
    )
    return replace(setting, cohort=copied)


def columns_shuffled(setting: Setting, *, columns: tuple[str, ...], seed: Sequence[int]) -> Setting:
    """Deal the values of phenotypes to other participants: who looks at them shows it."""
    rows = np.random.default_rng(seed).permutation(len(setting.cohort))
    phenotype = setting.cohort.phenotype.copy()
    for name in columns:
        phenotype[name] = phenotype[name].to_numpy()[rows]
    return replace(setting, cohort=setting.cohort.assign(phenotype=phenotype))
