"""What a linear model at the end of a pipeline reads: the features, by block."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from torch import Tensor

from brainograph.cohort import Cohort
from brainograph.estimators import TransductiveClassifier
from brainograph.inspection.feature_places import feature_places
from brainograph.inspection.population_view import joined, names_of, reads_of
from brainograph.inspection.view import NotThereError, Values, View
from brainograph.preprocessing import check_regions

__all__ = ["linear_features", "linear_view", "split_linear", "weights_of_linear"]


def split_linear(model: TransductiveClassifier | Pipeline) -> tuple[BaseEstimator, BaseEstimator]:
    """Return the features and the linear model of an estimator.

    Raises
    ------
    ValueError
        If its last step is not linear.
    """
    if isinstance(model, TransductiveClassifier):
        features, last = model.features_, model.classifier_
    else:
        features, last = model[:-1], model[-1]
    while isinstance(last, Pipeline):
        features = Pipeline([("features", features), *last.steps[:-1]])
        last = last[-1]
    if not hasattr(last, "coef_"):
        raise NotThereError(
            f"a {type(last).__name__} has no weights: this explanation is of linear models. Choose "
            "one, such as LogisticRegression, RidgeClassifier or SVC(kernel='linear')."
        )
    return features, last


def weights_of_linear(last: BaseEstimator) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (K, F) and intercepts (K,): one row for a number, two for two classes.

    Raises
    ------
    ValueError
        If the weights compare pairs of more than two classes, as those of SVC do.
    """
    weights = np.atleast_2d(np.asarray(last.coef_, dtype=float))
    intercept = np.broadcast_to(np.asarray(last.intercept_, dtype=float), len(weights))
    classes = getattr(last, "classes_", None)
    if classes is None:
        return weights, intercept
    if len(classes) == 2:  # the margin of the two halves is the decision value
        return np.concatenate([-weights, weights]) / 2, np.concatenate([-intercept, intercept]) / 2
    if hasattr(last, "dual_coef_"):
        raise ValueError(
            f"the weights of SVC compare pairs of the {len(classes)} classes. For a weight for "
            "each class choose LogisticRegression or RidgeClassifier."
        )
    return weights, intercept


def linear_view(
    model: TransductiveClassifier | Pipeline, cohort: Cohort, background: Cohort | None
) -> View:
    """Return the view of all participants; the mean of ``background`` stands for nothing."""
    features, last = split_linear(model)
    if isinstance(model, TransductiveClassifier):
        check_regions(model.region_names_, cohort.regions.index.tolist())
    if background is None and len(cohort) < 2:
        raise ValueError(
            "one participant alone has nobody to be compared with. Give others, for example "
            "those that were learnt from: background=training_cohort."
        )
    x = torch.from_numpy(linear_features(model, features, cohort))
    behind = x
    if background is not None:
        behind = torch.from_numpy(linear_features(model, features, background))
    weights, intercept = map(torch.tensor, weights_of_linear(last))
    places = feature_places(names_of(features, x.shape[1]), cohort)
    reads = reads_of(x, behind.mean(dim=0)[None], places)
    order = np.argsort(np.concatenate([np.flatnonzero(places.block == b) for b in reads]))

    def logits(values: Values, rows: Tensor) -> Tensor:
        parts: Sequence[Tensor] = [
            values[name] if name in values else read.baseline.expand_as(read.values[rows])
            for name, read in reads.items()
        ]
        return joined(parts, torch.from_numpy(order)) @ weights.T + intercept

    return View(np.arange(len(cohort)), reads, logits, places.regions, places.phenotypes)


def linear_features(
    model: TransductiveClassifier | Pipeline, features: BaseEstimator, cohort: Cohort
) -> np.ndarray:
    """Return what the linear model reads (S, F); a fitted participant's as it stood in the fit."""
    if not isinstance(model, TransductiveClassifier):
        return np.asarray(features.transform(cohort), dtype=float)
    rows = model._rows(cohort)
    model._check_identity(cohort[rows >= 0], rows[rows >= 0])
    x = np.asarray(model._x, dtype=float)[rows]
    for i in np.flatnonzero(rows < 0):
        x[i] = np.asarray(model.features_.transform(cohort[[i]]))[0]
    return x if model.features_ is features else np.asarray(features[1:].transform(x), dtype=float)
