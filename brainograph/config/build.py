"""From an experiment to checks, labels and folds."""

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import yaml

from brainograph.cohort import Cohort
from brainograph.config.load import ConfigError
from brainograph.config.models import edge_phenotypes
from brainograph.config.schema import (
    Block,
    DeepBlock,
    EdgesBlock,
    Experiment,
    Label,
    LateFusion,
    MeasuresBlock,
    PhenotypesBlock,
    PopulationGraph,
    PopulationNetwork,
    SubjectGraph,
    TangentBlock,
)
from brainograph.model_selection.splits import Splits, leave_one_site_out, repeated_stratified
from brainograph.model_selection.tasks import strata
from brainograph.preprocessing.phenotypes import check_phenotypes

__all__ = ["check_cohort", "make_labels", "make_splits"]


def check_cohort(experiment: Experiment, cohort: Cohort) -> None:
    """Refuse an experiment that asks for what the cohort lacks or for what gives the label away.

    Raises
    ------
    ConfigError
        With one line for each mistake.
    """
    _refuse(_mistakes(experiment, cohort))


def _mistakes(experiment: Experiment, cohort: Cohort) -> list[str]:
    """Say what is wrong with a model and its features."""
    model = experiment.model
    if isinstance(model, LateFusion):
        return [
            f"model.members.{name}.{mistake}"
            for name, member in model.members.items()
            for mistake in _mistakes(experiment.model_copy(update=dict(member)), cohort)
        ]
    mistakes: list[str] = []
    if isinstance(model, PopulationGraph | PopulationNetwork):
        edges = edge_phenotypes(model)
        mistakes += _leaks("model", edges, model.allow_diagnostic, experiment)
        for key, names in (("categorical", model.categorical), ("continuous", model.continuous)):
            used = [name for name in names if name in edges]
            mistakes += _lacking({f"model.{key}": used}, cohort)
    if isinstance(model, SubjectGraph | PopulationNetwork):
        mistakes += _of_network("model", model, experiment, cohort)
    for i, block in enumerate(experiment.features.blocks):
        mistakes += _of_block(f"features.blocks.{i}", block, experiment, cohort)
    return mistakes


def _of_network(
    key: str, model: SubjectGraph | PopulationNetwork, experiment: Experiment, cohort: Cohort
) -> list[str]:
    """Say what a network asks for in vain."""
    mistakes = _leaks(key, model.phenotypes, model.allow_diagnostic, experiment)
    if model.parcellation is not None and model.parcellation not in cohort.parcellations:
        mistakes.append(f"{key}{_no_parcellation(model.parcellation, cohort)}")
    return mistakes + _lacking({f"{key}.phenotypes": model.phenotypes}, cohort)


def _of_block(key: str, block: Block, experiment: Experiment, cohort: Cohort) -> list[str]:
    """Say what a block of features asks for in vain, or gives away."""
    used: dict[str, list[str]] = {}
    mistakes: list[str] = []
    if isinstance(block, PhenotypesBlock):
        used[f"{key}.columns"] = block.columns
    if isinstance(block, DeepBlock):
        used[f"{key}.target"] = [n for n in (block.target,) if n not in ("y", "nothing")]
        mistakes += _of_network(f"{key}.network", block.network, experiment, cohort)
    if block.harmonize is not None:
        used[f"{key}.harmonize.site"] = [block.harmonize.site]
        used[f"{key}.harmonize.covariates"] = block.harmonize.covariates
    allow = isinstance(block, PhenotypesBlock) and block.allow_diagnostic
    for name, names in used.items():
        mistakes += _leaks(name, names, allow, experiment)
    if block.harmonize is not None and block.harmonize.controls is not None:
        used[f"{key}.harmonize.controls"] = [block.harmonize.controls]
    mistakes += [f"{key}{mistake}" for mistake in _lacking_part(block, cohort)]
    return mistakes + _lacking(used, cohort)


def _lacking_part(block: Block, cohort: Cohort) -> list[str]:
    """Say what a block asks of the cohort, or of one of its parcellations, in vain."""
    if block.parcellation is None:
        return _lacking_data(block, cohort)
    if block.parcellation not in cohort.parcellations:
        return [_no_parcellation(block.parcellation, cohort)]
    return _lacking_data(block, cohort.parcellations[block.parcellation])


def _no_parcellation(name: str, cohort: Cohort) -> str:
    there = ", ".join(cohort.parcellations) or "none"
    return (
        f".parcellation: no {name!r}, the cohort has {there}. Add it: brainograph merge OUT "
        "MAIN_COHORT OTHER_COHORT."
    )


def _lacking_data(block: Block, cohort: Cohort) -> list[str]:
    """Say which matrices, series or measures of a block the cohort does not have."""
    if isinstance(block, EdgesBlock) and block.connectivity not in cohort.connectivity:
        there = ", ".join(cohort.connectivity) or "no matrices"
        return [
            f".connectivity: no {block.connectivity!r}, the cohort has {there}. "
            "Build it with --connectivity NAME=KIND."
        ]
    if isinstance(block, TangentBlock) and cohort.timeseries is None:
        return [
            ".kind: tangent is computed from series, and the cohort has none. Build it from scans "
            "or series (brainograph build), or write `kind: edges` for its matrices."
        ]
    if isinstance(block, MeasuresBlock):
        missing = [name for name in block.names or () if name not in cohort.measures]
        if missing or not (cohort.measures if block.names is None else block.names):
            there = ", ".join(cohort.measures) or "no measures"
            asked = ", ".join(map(repr, missing)) or "measures named"
            return [
                f".names: no {asked}, the cohort has {there}. Add them in Python: "
                "cohort.assign(measures={'NAME': array}).save(PATH)."
            ]
    return []


def _refuse(mistakes: list[str]) -> None:
    if mistakes:
        lines = "".join(f"\n  {mistake}" for mistake in mistakes)
        raise ConfigError(f"This cohort cannot be used with this experiment:{lines}")


def _lacking(columns: dict[str, list[str]], cohort: Cohort) -> list[str]:
    """Say which phenotypes the cohort does not have."""
    lacking = {
        key: [name for name in names if name not in cohort.phenotype]
        for key, names in columns.items()
    }
    there = ", ".join(cohort.phenotype) or "none"
    return [
        f"{key}: the cohort has no phenotype {', '.join(names)}; it has {there}."
        for key, names in lacking.items()
        if names
    ]


def _leaks(
    key: str, columns: list[str], allow_diagnostic: bool, experiment: Experiment
) -> list[str]:
    """Say which phenotypes give the label away."""
    try:
        check_phenotypes(
            columns, allow_diagnostic=allow_diagnostic, target=experiment.target.column
        )
    except ValueError as error:
        return [f"{key}: {line}" for line in str(error).splitlines()]
    return []


def make_labels(experiment: Experiment, cohort: Cohort) -> np.ndarray:
    """Return the target of each participant (S,).

    Two classes are 1 and 0, several are 0, 1, ..., K - 1 in their order, and every other value is
    -1; of a number the unknown is NaN.
    """
    target = experiment.target
    if target.column not in cohort.phenotype:
        raise ConfigError(
            f"target.column: the cohort has no phenotype {target.column!r}; it has "
            f"{cohort.phenotype.columns.tolist()}. Write --set target.column=NAME."
        )
    column = cohort.phenotype[target.column]
    if target.number:
        return _numbers(column)
    if target.classes is not None:
        return _classes(column, target.classes)
    positive, negative = _equals(column, target.positive), _equals(column, target.negative)
    if not positive.any() or not negative.any():
        counts = column.convert_dtypes().astype(object).value_counts().to_dict()
        side, other = ("negative", positive) if positive.any() else ("positive", negative)
        free = [value for value in counts if not _equals(column[other], value).any()]
        example = yaml.safe_dump(free[0] if free else "VALUE").split("\n")[0]
        raise ConfigError(
            f"target: {target.column!r} needs participants of {target.positive!r} and of "
            f"{target.negative!r}, it has {_some(counts)}. Write for example "
            f"--set {shlex.quote(f'target.{side}={example}')}."
        )
    return np.select([positive, negative], [1, 0], default=-1)


def _numbers(column: pd.Series) -> np.ndarray:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    if np.isfinite(numbers).sum() < 2 or np.nanstd(numbers) == 0:
        raise ConfigError(
            f"target: {column.name!r} holds no two different numbers. Choose a column of numbers, "
            "or leave out target.number to predict classes."
        )
    return numbers


def _classes(column: pd.Series, classes: Sequence[Label]) -> np.ndarray:
    members = [_equals(column, value) for value in classes]
    empty = [value for value, rows in zip(classes, members, strict=True) if not rows.any()]
    if empty:
        counts = column.convert_dtypes().astype(object).value_counts().to_dict()
        raise ConfigError(
            f"target.classes: nobody has {empty} in {column.name!r}, which holds {_some(counts)}."
        )
    return np.select(members, list(range(len(classes))), default=-1)


def _some(counts: dict[Any, int]) -> str:
    """Write out how often each value occurs, the most frequent only."""
    shown = ", ".join(f"{value!r} ({n})" for value, n in list(counts.items())[:6])
    return f"{shown}, ..." if len(counts) > 6 else shown or "no value"


def _equals(column: pd.Series, value: int | str) -> np.ndarray:
    """Compare as numbers where both are numbers, else as text."""
    if pd.api.types.is_numeric_dtype(column) and isinstance(value, int):
        return (column == value).fillna(False).to_numpy(dtype=bool)
    return (column.astype(str) == str(value)).to_numpy()


def make_splits(experiment: Experiment, cohort: Cohort, y: np.ndarray) -> Splits:
    """Return the folds: made, or read from ``cross_validation.splits``."""
    settings = experiment.cross_validation
    if settings.splits is not None:
        return Splits.load(settings.splits)
    loso = settings.scheme == "leave_one_site_out"
    group = [settings.group] if settings.group else []
    columns = {"scheme": ["site"]} if loso else {"by": settings.by, "group": group}
    _refuse(_lacking({f"cross_validation.{k}": names for k, names in columns.items()}, cohort))
    y = strata(y, "regression" if experiment.target.number else "binary")
    if loso:
        return leave_one_site_out(cohort, y, min_size=settings.min_site_size)
    return repeated_stratified(
        cohort,
        y,
        n_splits=settings.n_splits,
        n_repeats=settings.n_repeats,
        by=settings.by,
        group=settings.group,
        random_state=settings.random_state,
    )
