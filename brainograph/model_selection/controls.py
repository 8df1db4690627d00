"""Controls: what a model has to beat, on the same folds, before its number means anything."""

import warnings
from collections.abc import Sequence

import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brainograph.cohort import Cohort
from brainograph.preprocessing.edges import Edges
from brainograph.preprocessing.phenotypes import Phenotypes
from brainograph.preprocessing.tangent import TangentSpace

__all__ = ["default_controls"]


def default_controls(
    cohort: Cohort,
    model: BaseEstimator | None = None,
    *,
    connectivity: str = "fc",
    phenotypes: Sequence[str] = ("site", "age", "sex"),
    motion: Sequence[str] = ("mean_fd",),
    memory: str | None = None,
) -> dict[str, BaseEstimator]:
    """Return the controls that the cohort has the data for, and warn of those it has not.

    ========================  =====================================================================
    ``majority``              the share of each class in the training rows
    ``phenotype``             logistic regression on site, age and sex: who was recruited where
    ``motion``                logistic regression on head motion
    ``edges_logistic``        logistic regression on standardised Fisher-z edges, C = 0.001
    ``tangent_logistic``      logistic regression on tangent space, C = 1
    ``no_edges``              the same network with every participant alone
    ========================  =====================================================================

    Parameters
    ----------
    cohort : Cohort (S)
        The participants.
    model : estimator, optional
        The population graph classifier whose edges are taken away for ``no_edges``.
    connectivity : str
        Name of the matrices for ``edges_logistic``.
    phenotypes, motion : sequence of str
        Columns of the phenotype table; those that are not there are left out. An empty list
        means no such control.
    memory : str, optional
        Folder in which tangent spaces are kept for models that share training rows.

    Returns
    -------
    dict of name to estimator
        Unfitted.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> sorted(default_controls(simulate_cohort(n_subjects=20)))
    ['edges_logistic', 'majority', 'motion', 'phenotype', 'tangent_logistic']
    """
    controls: dict[str, BaseEstimator] = {
        "majority": DummyClassifier(strategy="prior"),
    }
    for name, columns in (("phenotype", phenotypes), ("motion", motion)):
        known = _known(cohort.phenotype, columns)
        if known:
            controls[name] = make_pipeline(Phenotypes(known), LogisticRegression(max_iter=1000))
        elif columns:
            _warn(name, " or ".join(columns))
    if connectivity in cohort.connectivity:
        controls["edges_logistic"] = make_pipeline(
            Edges(connectivity), StandardScaler(), LogisticRegression(C=1e-3, max_iter=1000)
        )
    else:
        _warn("edges_logistic", f"connectivity {connectivity!r}")
    if cohort.timeseries is not None:
        controls["tangent_logistic"] = make_pipeline(
            TangentSpace(memory=memory), LogisticRegression(C=1.0, max_iter=1000)
        )
    else:
        _warn("tangent_logistic", "series")
    if model is not None and "combine" in model.get_params(deep=False):
        controls["no_edges"] = clone(model).set_params(combine="none")
    return controls


def _known(phenotype: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return the columns that are there and hold anything."""
    return [name for name in columns if name in phenotype and phenotype[name].notna().any()]


def _warn(control: str, lacking: str) -> None:
    """Say that a control is missing and why."""
    warnings.warn(f"No control {control}: the cohort has no {lacking}.", stacklevel=3)
