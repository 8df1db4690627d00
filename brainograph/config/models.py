"""From an experiment to estimators: the features, the model and its controls."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any, assert_never

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from brainograph import nn as networks
from brainograph.cohort import Cohort
from brainograph.config.load import ConfigError
from brainograph.config.schema import (
    Block,
    DeepBlock,
    EdgesBlock,
    Experiment,
    Features,
    Harmonize,
    LateFusion,
    Linear,
    MeasuresBlock,
    Model,
    MultipleKernel,
    PhenotypesBlock,
    PopulationGraph,
    PopulationNetwork,
    SubjectGraph,
    TangentBlock,
    Trees,
)
from brainograph.estimators.deep_features import DeepFeatures
from brainograph.estimators.denoising import DenoisingFeatures
from brainograph.estimators.kernels import MultipleKernelClassifier
from brainograph.estimators.late_fusion import LateFusionClassifier
from brainograph.estimators.population.estimator import PopulationGraphClassifier
from brainograph.estimators.population.network import PopulationNetworkClassifier
from brainograph.estimators.population.transductive import TransductiveClassifier
from brainograph.estimators.subject.estimator import SubjectGraphClassifier, SubjectGraphRegressor
from brainograph.estimators.training.settings import Training
from brainograph.estimators.wrappers.calibration import Calibrated
from brainograph.estimators.wrappers.conformal import Conformal
from brainograph.estimators.wrappers.uncertainty import MonteCarloDropout
from brainograph.io.volumes import Volumes
from brainograph.model_selection.controls import (
    NETWORK_CONTROLS,
    default_controls,
    number_controls,
)
from brainograph.model_selection.search import SearchCV
from brainograph.model_selection.search_space import check_space
from brainograph.nn.augment import Augmentation
from brainograph.preprocessing.block_scaler import BlockScaler
from brainograph.preprocessing.combat import ComBat
from brainograph.preprocessing.edges import Edges
from brainograph.preprocessing.harmonization import Harmonized
from brainograph.preprocessing.measures import Measures
from brainograph.preprocessing.mida import MIDA
from brainograph.preprocessing.parcellation import Parcellation
from brainograph.preprocessing.phenotypes import Phenotypes
from brainograph.preprocessing.selection import RidgeRFE
from brainograph.preprocessing.sites import SiteCentering
from brainograph.preprocessing.tangent import TangentSpace

__all__ = ["edge_phenotypes", "make_features", "make_model", "make_models"]


def make_model(experiment: Experiment, *, memory: str | None = None) -> BaseEstimator:
    """Return the unfitted model; ``memory`` is a folder that keeps tangent spaces."""
    model = _searched(_make_model(experiment, memory), experiment, memory, name="model")
    for wrapper, settings in (
        (MonteCarloDropout, experiment.monte_carlo),
        (Calibrated, experiment.calibration),
        (Conformal, experiment.conformal),
    ):
        if settings is not None:
            _refuse_number(experiment, wrapper.__name__)
            model = wrapper(model, **settings.model_dump())
    return model


def _searched(
    model: BaseEstimator, experiment: Experiment, memory: str | None, *, name: str
) -> BaseEstimator:
    """Let an inner cross-validation choose what the experiment leaves open."""
    search = experiment.search
    if search is None:
        return model
    try:
        check_space(model, search.space, method=search.method)
    except ValueError as error:
        raise ConfigError(f"search.space: {error}") from error
    return SearchCV(
        model,
        search.space,
        method=search.method,
        n_trials=search.n_trials,
        cv=search.inner_splits,
        scoring=search.scoring,
        group=experiment.cross_validation.group,
        random_state=search.random_state,
        journal=None if memory is None else f"{memory}/searches/{name}",
    )


def _make_model(experiment: Experiment, memory: str | None) -> BaseEstimator:
    model = experiment.model
    match model:
        case PopulationGraph():
            _refuse_number(experiment, "a population graph")
            features = make_features(experiment.features, memory=memory)
            return PopulationGraphClassifier(features, **model.model_dump(exclude={"kind"}))
        case Linear():
            return _linear(model, experiment, make_features(experiment.features, memory=memory))
        case Trees():
            return _trees(model, experiment, make_features(experiment.features, memory=memory))
        case SubjectGraph():
            return _subject_graph(model, number=experiment.target.number)
        case PopulationNetwork():
            _refuse_number(experiment, "a population network")
            return PopulationNetworkClassifier(**_network_settings(model))
        case MultipleKernel():
            _refuse_number(experiment, "a combination of kernels")
            blocks = _blocks(experiment.features, memory)
            return MultipleKernelClassifier(blocks, **model.model_dump(exclude={"kind"}))
        case LateFusion():
            _refuse_number(experiment, "late fusion")
            return _late_fusion(model, experiment, memory)
        case _:
            assert_never(model)


def _refuse_number(experiment: Experiment, what: str) -> None:
    if experiment.target.number:
        raise ConfigError(
            f"target.number: {what} predicts classes. Write `model: {{kind: linear}}` or "
            "`model: {kind: subject_graph, network: ...}`, without calibration and conformal sets."
        )


def _linear(model: Linear, experiment: Experiment, features: Pipeline) -> BaseEstimator:
    """Return a linear model on the features; C is the inverse of the penalty everywhere."""
    if experiment.target.number:
        return Pipeline([("features", features), ("ridge", Ridge(alpha=1 / model.C))])
    classifier = {
        "logistic": LogisticRegression(C=model.C, max_iter=1000),
        "ridge": RidgeClassifier(alpha=1 / model.C),
        "svm": SVC(kernel="linear", C=model.C),
    }[model.classifier]
    if model.transductive:
        return TransductiveClassifier(features, classifier)
    return Pipeline([("features", features), (model.classifier, classifier)])


def _trees(model: Trees, experiment: Experiment, features: Pipeline) -> BaseEstimator:
    """Return a forest, or boosted trees, on the features."""
    forest, boosting = (
        (RandomForestRegressor, HistGradientBoostingRegressor)
        if experiment.target.number
        else (RandomForestClassifier, HistGradientBoostingClassifier)
    )
    settings = model.model_dump(include={"min_samples_leaf", "random_state"})
    trees = {
        "forest": forest(model.n_trees, **settings),
        "boosting": boosting(max_iter=model.n_trees, **settings),
    }[model.method]
    return Pipeline([("features", features), (model.method, trees)])


def _late_fusion(model: LateFusion, experiment: Experiment, memory: str | None) -> BaseEstimator:
    """Return members, each with features of its own, and the rule that fuses them."""
    members = [
        (name, _make_model(experiment.model_copy(update=dict(member)), memory))
        for name, member in model.members.items()
    ]
    return LateFusionClassifier(members, **model.model_dump(exclude={"kind", "members"}))


def _subject_graph(model: SubjectGraph, *, number: bool) -> BaseEstimator:
    estimator = SubjectGraphRegressor if number else SubjectGraphClassifier
    return estimator(**_network_settings(model), augmentation=_augmentation(model.augmentation))


def _network_settings(model: SubjectGraph | PopulationNetwork) -> dict[str, Any]:
    """Return the parameters of an estimator of networks, its settings objects made."""
    settings = model.model_dump(exclude={"kind", "training", "volumes", "augmentation"})
    volumes = None if model.volumes is None else Volumes(**model.volumes.model_dump())
    return settings | {"training": Training(**model.training.model_dump()), "volumes": volumes}


def _augmentation(named: Mapping[str, Mapping[str, Any]]) -> Augmentation | None:
    """Return the augmentations of these names, one after the other."""
    there = {
        name: kind
        for name, kind in vars(networks).items()
        if inspect.isclass(kind) and issubclass(kind, Augmentation) and kind is not networks.Compose
    }
    if unknown := sorted(set(named) - set(there)):
        raise ConfigError(
            f"model.augmentation: there is no {unknown}; there are {sorted(there)}. Write for "
            "example `augmentation: {EdgeDropout: {p: 0.1}}`."
        )
    try:
        made = tuple(there[name](**params) for name, params in named.items())
    except TypeError as error:
        raise ConfigError(f"model.augmentation: {error}.") from error
    return networks.Compose(made) if made else None


def make_models(
    experiment: Experiment, cohort: Cohort, *, memory: str | None = None
) -> dict[str, BaseEstimator]:
    """Return the model, named after its kind, and its controls."""
    model = make_model(experiment, memory=memory)
    with warnings.catch_warnings():
        if experiment.controls != "default":
            warnings.simplefilter("ignore")  # what is not asked for is not missed
        controls = _controls(experiment, cohort, memory)
    if experiment.controls != "default":
        unknown = sorted(set(experiment.controls) - set(controls))
        if unknown:
            raise ConfigError(
                f"controls: {unknown} cannot be made for this cohort; choose among "
                f"{sorted(controls)}, or write `controls: default`."
            )
        controls = {name: controls[name] for name in experiment.controls}
    return {experiment.model.kind: model, **controls}


def _controls(
    experiment: Experiment, cohort: Cohort, memory: str | None
) -> dict[str, BaseEstimator]:
    """Return the controls that share the edges, the tangent space and the search of the model."""
    blocks = experiment.features.blocks
    edges = [b.connectivity for b in blocks if isinstance(b, EdgesBlock) and not b.parcellation]
    tangents = [b.shrinkage for b in blocks if isinstance(b, TangentBlock) and not b.parcellation]
    target = experiment.target.column
    columns = dict.fromkeys(["site", "age", "sex", *edge_phenotypes(experiment.model)])
    phenotypes = [name for name in columns if name != target]
    motion = [name for name in ("mean_fd",) if name != target]
    connectivity = edges[0] if edges else "fc"
    if experiment.target.number:
        return number_controls(
            cohort, connectivity=connectivity, phenotypes=phenotypes, motion=motion
        )
    controls = default_controls(
        cohort,
        _make_model(experiment, memory),
        connectivity=connectivity,
        phenotypes=phenotypes,
        motion=motion,
        shrinkage=tangents[0] if tangents else "ledoit_wolf",
        memory=memory,
    )
    searched = {
        name: _searched(controls[name], experiment, memory, name=name)
        for name in NETWORK_CONTROLS
        if name in controls
    }
    return controls | searched


def edge_phenotypes(model: Model) -> list[str]:
    """Return the phenotypes that join participants; the phenotype control may know them too."""
    if not isinstance(model, PopulationGraph | PopulationNetwork) or model.combine not in (
        "product",
        "phenotype",
    ):
        return []
    return [*model.categorical, *model.continuous]


def make_features(features: Features, *, memory: str | None = None) -> Pipeline:
    """Return the feature pipeline: blocks side by side, scaled, selected."""
    blocks = _blocks(features, memory)
    weights = {n: b.weight for (n, _), b in zip(blocks, features.blocks, strict=True)}
    steps: list[tuple[str, TransformerMixin]] = [
        ("blocks", FeatureUnion(blocks, transformer_weights=weights))
    ]
    if features.select == "anova":
        steps.append(("select", SelectKBest(k=features.n_features)))
    elif features.select == "ridge_rfe":
        steps.append(("select", RidgeRFE(features.n_features)))
    return Pipeline(steps)


def _blocks(features: Features, memory: str | None) -> list[tuple[str, TransformerMixin]]:
    """Return the transformer of each block, by name."""
    return [
        (f"{block.kind}_{i}", _scaled_block(block, features.scale, memory))
        for i, block in enumerate(features.blocks)
    ]


def _scaled_block(block: Block, scale: str, memory: str | None) -> Pipeline:
    values = _block(block, memory)
    if block.parcellation is not None:
        values = Parcellation(block.parcellation, values)
    if block.harmonize is not None:
        values = _harmonized(values, block.harmonize)
    steps = [("values", values)]
    if scale == "block":
        steps.append(("scale", BlockScaler()))
    elif scale == "standard" and block.kind != "phenotypes":
        steps.append(("scale", StandardScaler()))
    if block.denoise is not None:
        steps.append(("denoise", DenoisingFeatures(**block.denoise.model_dump())))
    return Pipeline(steps)


def _harmonized(values: TransformerMixin, settings: Harmonize) -> Harmonized:
    harmonizer = {
        "center": SiteCentering(),
        "combat": ComBat(settings.unseen),
        "mida": MIDA() if settings.n_components is None else MIDA(settings.n_components),
    }[settings.method]
    return Harmonized(
        values,
        harmonizer,
        site=settings.site,
        covariates=tuple(settings.covariates),
        controls=settings.controls,
    )


def _block(block: Block, memory: str | None) -> TransformerMixin:
    match block:
        case EdgesBlock():
            return Edges(block.connectivity, fisher_z=block.fisher_z)
        case TangentBlock():
            return TangentSpace(shrinkage=block.shrinkage, memory=memory)
        case MeasuresBlock():
            return Measures(block.names)
        case PhenotypesBlock():
            return Phenotypes(block.columns, allow_diagnostic=block.allow_diagnostic)
        case DeepBlock():
            network = _subject_graph(block.network, number=block.number)
            return DeepFeatures(network, target=block.target)
        case _:
            assert_never(block)
