"""From an experiment to labels, estimators and folds."""

from typing import assert_never

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler

from brainograph.cohort import Cohort
from brainograph.config.load import ConfigError
from brainograph.config.schema import (
    Block,
    EdgesBlock,
    Experiment,
    Features,
    MeasuresBlock,
    PhenotypesBlock,
    TangentBlock,
)
from brainograph.estimators.population import PopulationGraphClassifier
from brainograph.model_selection.controls import default_controls
from brainograph.model_selection.splits import Splits, leave_one_site_out, repeated_stratified
from brainograph.preprocessing.edges import Edges
from brainograph.preprocessing.measures import Measures
from brainograph.preprocessing.phenotypes import Phenotypes
from brainograph.preprocessing.selection import RidgeRFE
from brainograph.preprocessing.tangent import TangentSpace

__all__ = ["make_labels", "make_model", "make_models", "make_splits"]


def make_labels(experiment: Experiment, cohort: Cohort) -> np.ndarray:
    """Return 1, 0 and, for every other value of the target column, -1 (S,)."""
    target = experiment.target
    if target.column not in cohort.phenotype:
        raise ConfigError(
            f"target.column: the cohort has no phenotype {target.column!r}; it has "
            f"{cohort.phenotype.columns.tolist()}. Write --set target.column=NAME."
        )
    column = cohort.phenotype[target.column]
    positive, negative = _equals(column, target.positive), _equals(column, target.negative)
    counts = column.value_counts()
    if not positive.any() or not negative.any():
        raise ConfigError(
            f"target: {target.column!r} needs participants of {target.positive!r} and "
            f"{target.negative!r}, it has {counts.to_dict()}. Write for example "
            f"--set target.positive={counts.index[0]}."
        )
    return np.select([positive, negative], [1, 0], default=-1)


def _equals(column: pd.Series, value: int | str) -> np.ndarray:
    """Compare as numbers where both are numbers, else as text."""
    if pd.api.types.is_numeric_dtype(column) and isinstance(value, int):
        return (column == value).fillna(False).to_numpy(dtype=bool)
    return (column.astype(str) == str(value)).to_numpy()


def make_model(experiment: Experiment) -> PopulationGraphClassifier:
    """Return the unfitted model."""
    return PopulationGraphClassifier(
        make_features(experiment.features), **experiment.model.model_dump()
    )


def make_models(experiment: Experiment, cohort: Cohort) -> dict[str, BaseEstimator]:
    """Return the model, as ``population_graph``, and its controls."""
    model = make_model(experiment)
    controls = default_controls(cohort, model)
    if experiment.controls != "default":
        unknown = sorted(set(experiment.controls) - set(controls))
        if unknown:
            raise ConfigError(
                f"controls: {unknown} cannot be made for this cohort; choose among "
                f"{sorted(controls)}, or write `controls: default`."
            )
        controls = {name: controls[name] for name in experiment.controls}
    return {"population_graph": model, **controls}


def make_splits(experiment: Experiment, cohort: Cohort, y: np.ndarray) -> Splits:
    """Return the folds: made, or read from ``cross_validation.splits``."""
    settings = experiment.cross_validation
    if settings.splits is not None:
        return Splits.load(settings.splits)
    if settings.scheme == "leave_one_site_out":
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


def make_features(features: Features) -> Pipeline:
    """Return the feature pipeline: blocks side by side, scaled, selected."""
    names = [f"{block.kind}_{i}" for i, block in enumerate(features.blocks)]
    blocks = [
        (name, _scaled_block(block, features.scale))
        for name, block in zip(names, features.blocks, strict=True)
    ]
    weights = {n: b.weight for n, b in zip(names, features.blocks, strict=True)}
    steps: list[tuple[str, TransformerMixin]] = [
        ("blocks", FeatureUnion(blocks, transformer_weights=weights))
    ]
    if features.select == "anova":
        steps.append(("select", SelectKBest(k=features.n_features)))
    elif features.select == "ridge_rfe":
        steps.append(("select", RidgeRFE(features.n_features)))
    return Pipeline(steps)


def _scaled_block(block: Block, scale: str) -> Pipeline:
    steps = [("values", _block(block))]
    if scale != "none" and block.kind != "phenotypes":
        steps.append(("scale", StandardScaler(with_std=scale == "standard")))
    return Pipeline(steps)


def _block(block: Block) -> TransformerMixin:
    match block:
        case EdgesBlock():
            return Edges(block.connectivity, fisher_z=block.fisher_z)
        case TangentBlock():
            return TangentSpace(shrinkage=block.shrinkage)
        case MeasuresBlock():
            return Measures(block.names)
        case PhenotypesBlock():
            return Phenotypes(block.columns)
        case _:
            assert_never(block)
