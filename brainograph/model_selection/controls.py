"""Controls: what a model has to beat, on the same folds, before its number means anything."""

import warnings
from collections.abc import Iterable, Sequence

import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from brainograph.cohort import Cohort
from brainograph.connectivity.covariance import Shrinkage
from brainograph.estimators.subject.estimator import SubjectGraphClassifier
from brainograph.estimators.training.settings import Training
from brainograph.preprocessing.block_scaler import BlockScaler
from brainograph.preprocessing.edges import Edges
from brainograph.preprocessing.phenotypes import Phenotypes
from brainograph.preprocessing.tangent import TangentSpace

__all__ = ["default_controls", "number_controls"]

NETWORK_CONTROLS = ("no_edges", "rewired_edges", "permuted_features")
_PHENOTYPE_WEIGHT = 10.0  # one phenotype beside thousands of edges


def default_controls(
    cohort: Cohort,
    model: BaseEstimator | None = None,
    *,
    connectivity: str = "fc",
    phenotypes: Sequence[str] = ("site", "age", "sex"),
    motion: Sequence[str] = ("mean_fd",),
    shrinkage: Shrinkage | float | None = "ledoit_wolf",
    memory: str | None = None,
    random_state: int = 0,
) -> dict[str, BaseEstimator]:
    """Return the controls that the cohort has the data for, and warn of those it has not.

    ========================  =====================================================================
    ``majority``              the share of each class in the training rows
    ``phenotype``             logistic regression on site, age and sex: who was recruited where
    ``site``                  logistic regression on site alone
    ``motion``                logistic regression on head motion
    ``edges_logistic``        logistic regression on standardised Fisher-z edges, C = 0.001
    ``edges_ridge``           ridge classifier on the same, alpha = 10,000
    ``edges_phenotype``       ``edges_logistic`` with the phenotypes beside the edges, times 10
    ``mlp``                   three perceptrons of 16 hidden units on the edges, averaged, each
                              stopped early on 15 % of the training rows
    ``tangent_logistic``      logistic regression on tangent space, C = 1
    ``tangent_ridge``         ridge classifier on tangent space, alpha = 1
    ``mean_mlp``              perceptron on every volume, averaged over the series (Popov 2024)
    ``no_edges``              the same network with every participant alone
    ``rewired_edges``         the same network with others joined, and as many for everybody
    ``permuted_features``     the same network where everybody has somebody else's features
    ========================  =====================================================================

    Parameters
    ----------
    cohort : Cohort (S)
        The participants.
    model : estimator, optional
        The population graph classifier of the last three.
    connectivity : str
        Name of the matrices for the controls on edges.
    phenotypes, motion : sequence of str
        Columns of the phenotype table; those that are not there are left out. An empty list
        means no such control, and without ``"site"`` there is no control ``site``.
    shrinkage : {"ledoit_wolf", "oas"} or float in [0, 1), optional
        Of the covariances in tangent space.
    memory : str, optional
        Folder in which tangent spaces are kept for models that share training rows.
    random_state : int
        Seed of the perceptrons.

    Returns
    -------
    dict of name to estimator
        Unfitted.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> list(default_controls(simulate_cohort(n_subjects=20), motion=[]))
    ['majority', 'phenotype', 'site', 'edges_logistic', 'edges_ridge', 'edges_phenotype', 'mlp',
    'tangent_logistic', 'tangent_ridge', 'mean_mlp']
    """
    controls: dict[str, BaseEstimator] = {"majority": DummyClassifier(strategy="prior")}
    site = [name for name in phenotypes if name == "site"]
    for name, columns in {"phenotype": phenotypes, "site": site, "motion": motion}.items():
        known = _known(cohort.phenotype, columns)
        if known:
            controls[name] = make_pipeline(Phenotypes(known), LogisticRegression(max_iter=1000))
        elif columns:
            beside = ["edges_phenotype"] if name == "phenotype" else []
            _warn([name, *beside], " or ".join(columns))
    known = _known(cohort.phenotype, phenotypes)
    on_edges = _on_edges(connectivity, known, random_state)
    if connectivity in cohort.connectivity:
        controls |= on_edges
    else:
        _warn(on_edges, f"connectivity {connectivity!r}")
    on_series = _on_series(shrinkage, memory, random_state)
    if cohort.timeseries is not None:
        controls |= on_series
    else:
        _warn(on_series, "series")
    return controls if model is None else controls | _of_network(model)


def _on_edges(
    connectivity: str, phenotypes: list[str], random_state: int
) -> dict[str, BaseEstimator]:
    """Return the controls on edges, and on edges with what is known of the phenotypes."""

    def edges() -> list[BaseEstimator]:
        return [Edges(connectivity), StandardScaler()]

    controls = {
        "edges_logistic": make_pipeline(*edges(), LogisticRegression(C=1e-3, max_iter=1000)),
        "edges_ridge": make_pipeline(*edges(), RidgeClassifier(alpha=1e4)),
    }
    if phenotypes:
        both = FeatureUnion(
            [("edges", make_pipeline(*edges())), ("phenotypes", Phenotypes(phenotypes))],
            transformer_weights={"phenotypes": _PHENOTYPE_WEIGHT},
        )
        controls["edges_phenotype"] = make_pipeline(both, LogisticRegression(C=1e-3, max_iter=1000))
    perceptron = MLPClassifier(
        (16,),
        alpha=0.3,
        learning_rate_init=0.005,
        max_iter=300,
        early_stopping=True,
        validation_fraction=0.15,
        n_iter_no_change=20,
    )
    three = BaggingClassifier(perceptron, 3, bootstrap=False, random_state=random_state)
    return controls | {"mlp": make_pipeline(*edges(), BlockScaler(), three)}


def _on_series(
    shrinkage: Shrinkage | float | None, memory: str | None, random_state: int
) -> dict[str, BaseEstimator]:
    """Return the controls on series."""

    def tangent() -> BaseEstimator:
        return TangentSpace(shrinkage=shrinkage, memory=memory)

    return {
        "tangent_logistic": make_pipeline(tangent(), LogisticRegression(C=1.0, max_iter=1000)),
        "tangent_ridge": make_pipeline(tangent(), RidgeClassifier(alpha=1.0)),
        "mean_mlp": SubjectGraphClassifier(
            "MeanMLP",
            training=Training(lr=0.005, lr_schedule="one_cycle", max_epochs=20, weight_decay=0.1),
            random_state=random_state,
        ),
    }


def _of_network(model: BaseEstimator) -> dict[str, BaseEstimator]:
    """Return the population graph without what its edges or its features say."""
    settings = model.get_params(deep=False)
    if settings.get("combine", "none") == "none":
        return {}
    alone = {"no_edges": clone(model).set_params(combine="none", categorical=(), continuous={})}
    if "shuffle" not in settings:
        return alone
    return alone | {
        "rewired_edges": clone(model).set_params(shuffle="edges"),
        "permuted_features": clone(model).set_params(shuffle="features"),
    }


def number_controls(
    cohort: Cohort,
    *,
    connectivity: str = "fc",
    phenotypes: Sequence[str] = ("site", "age", "sex"),
    motion: Sequence[str] = ("mean_fd",),
) -> dict[str, BaseEstimator]:
    """Return the controls of a model that predicts a number, where the cohort has their data.

    ``mean`` (of the training rows) and ridge regression on phenotypes, on head motion and on edges
    (``phenotype``, ``motion``, ``edges_ridge``).

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> list(number_controls(simulate_cohort(n_subjects=20), phenotypes=["site"], motion=[]))
    ['mean', 'phenotype', 'edges_ridge']
    """
    controls: dict[str, BaseEstimator] = {"mean": DummyRegressor()}
    for name, columns in {"phenotype": phenotypes, "motion": motion}.items():
        if known := _known(cohort.phenotype, columns):
            controls[name] = make_pipeline(Phenotypes(known), Ridge())
    if connectivity in cohort.connectivity:
        controls["edges_ridge"] = make_pipeline(
            Edges(connectivity), StandardScaler(), Ridge(alpha=1e4)
        )
    return controls


def _known(phenotype: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return the columns that are there and hold anything."""
    return [name for name in columns if name in phenotype and phenotype[name].notna().any()]


def _warn(controls: Iterable[str], lacking: str) -> None:
    """Say which controls are missing and why."""
    warnings.warn(f"No control {', '.join(controls)}: the cohort has no {lacking}.", stacklevel=3)
