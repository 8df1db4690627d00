"""What linear models see: weights turned into patterns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import TransformerMixin
from sklearn.pipeline import Pipeline
from torch_geometric.data import Data

from brainograph.cohort import Cohort
from brainograph.estimators import (
    LateFusionClassifier,
    MultipleKernelClassifier,
    PopulationGraphClassifier,
    TransductiveClassifier,
)
from brainograph.estimators.wrappers.wrapper import unwrapped
from brainograph.inspection.feature_places import feature_places
from brainograph.inspection.kernel_view import dual_weights, kernel_view, primal_weights
from brainograph.inspection.linear_view import linear_features, split_linear, weights_of_linear
from brainograph.inspection.members import explain_members
from brainograph.inspection.opening import Model
from brainograph.inspection.population_view import listening, names_of
from brainograph.inspection.view import NotThereError
from brainograph.nn.conv import mean_of_neighbors

__all__ = ["haufe_patterns"]


def haufe_patterns(
    model: Model,
    cohort: Cohort,
    *,
    features: TransformerMixin | None = None,
    weights: bool = False,
) -> pd.DataFrame:
    r"""Return which features go with the output of a linear model.

    .. math:: A = \Sigma_x W \Sigma_s^{-1}, \qquad s = W^\top x

    and of two classes :math:`a = \mathrm{Cov}(x, s) / \mathrm{Var}(s)`. A weight may be large
    because its feature cancels noise of another one and has nothing to do with the diagnosis; the
    pattern [1]_ of such a feature is zero.

    Parameters
    ----------
    model : fitted estimator
        A pipeline or :class:`~brainograph.estimators.TransductiveClassifier` with a linear model at
        its end, or a :class:`~brainograph.estimators.PopulationGraphClassifier` with
        ``num_layers=0``, whose x is smoothed over neighbours; a mixture of linear kernels; or
        fused decisions, of which the linear members are shown, each by its share.
    cohort : Cohort (S)
        Over whom the covariances are taken; those that were learnt from tell best what was learnt.
    features : transformer, optional
        Fitted, from a Cohort to (S, F) with names, such as ``Edges().fit(cohort)``: what to express
        the pattern in. By default what the linear model reads, as it is scaled and harmonised;
        components, as of :class:`~brainograph.preprocessing.MIDA`, need other features.
    weights : bool
        Return W itself.

    Returns
    -------
    DataFrame
        ``class`` (the second of two; each of several; none of a number), ``input`` (the block of
        features), ``region_a`` and ``region_b`` (the same region twice for a regional measure or
        a variance), and ``importance``. :func:`~brainograph.inspection.to_regions` adds them up.

    Raises
    ------
    ValueError
        If the model is not linear, or no feature has a region in its name.

    References
    ----------
    .. [1] Haufe, S. et al. (2014). On the interpretation of weight vectors of linear models in
       multivariate neuroimaging. NeuroImage 87, eq. 6.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.inspection import planted_auc
    >>> from brainograph.preprocessing import Edges
    >>> cohort = simulate_cohort(n_subjects=60)
    >>> model = make_pipeline(Edges(), LogisticRegression())
    >>> model = model.fit(cohort, cohort.phenotype["diagnosis"])
    >>> planted_auc(haufe_patterns(model, cohort), cohort) > 0.9
    True
    """
    if len(cohort) < 2:
        raise ValueError("a pattern is a covariance over participants; give two or more.")
    if weights and features is not None:
        raise ValueError("weights are of the model's own features: leave out features.")
    *_, model = unwrapped(model)
    if isinstance(model, LateFusionClassifier):
        how: Any = {"features": features, "weights": weights}
        return explain_members(model, cohort, lambda one: haufe_patterns(one, cohort, **how))
    given = None if features is None else np.asarray(features.transform(cohort), dtype=float)
    total: np.ndarray | float = 0.0
    count = 0
    for x, w, s, own in _linear(model, cohort):
        found = w if weights else _patterns(x if given is None else given, s)
        total, count = total + found, count + 1
        names = own if features is None else names_of(features, found.shape[1])
    return _table(np.atleast_2d(total / count), names, model, cohort)


def _linear(
    model: Model, cohort: Cohort
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]]:
    """Return for each member x (S, F), weights (C, F), decisions (S, C) and the features' names."""
    if isinstance(model, PopulationGraphClassifier):
        if model.num_layers:
            raise NotThereError(
                f"the model has {model.num_layers} graph convolutions and is not linear. Write "
                "attribute(model, cohort, level='edge')."
            )
        for member in model._members:
            x, adj, nodes = listening(model, member, cohort)
            with torch.no_grad():
                logits = member.network.eval()(Data(x=x, adj=adj))[nodes].double().cpu().numpy()
                if model.skip_smoothing:
                    x = x + model.skip_smoothing * (mean_of_neighbors(adj) @ x)
            skip = member.network.skip
            w = np.zeros((0, 0)) if skip is None else skip.weight.detach().double().cpu().numpy()
            names = names_of(member.features, x.shape[1])
            yield x[nodes].double().cpu().numpy(), *_margins(w, logits), names
        return
    if isinstance(model, MultipleKernelClassifier):
        yield _of_kernels(model, cohort)
        return
    if not isinstance(model, (TransductiveClassifier, Pipeline)):
        raise NotThereError(
            f"a {type(model).__name__} is not linear. Write attribute(model, cohort), or give a "
            "pipeline, a TransductiveClassifier or a population graph with num_layers=0."
        )
    features, last = split_linear(model)
    read = linear_features(model, features, cohort)
    w, intercept = weights_of_linear(last)
    yield read, *_margins(w, read @ w.T + intercept), names_of(features, read.shape[1])


def _of_kernels(
    model: MultipleKernelClassifier, cohort: Cohort
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return the same of a mixture of linear kernels, of standardised features."""
    w, (_, intercept) = primal_weights(model), dual_weights(model)
    reads = kernel_view(model, cohort, cohort).reads
    x = np.concatenate(
        [model._scalers[name].transform(read.values.numpy()) for name, read in reads.items()],
        axis=1,
    )
    names = [
        f"{name}__{feature}"
        for name, read in reads.items()
        for feature in names_of(model._blocks[name], read.shape[0])
    ]
    return x, *_margins(w, x @ w.T + intercept), names


def _margins(w: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (C, F) and decisions (S, C) of classes against the others: one of two."""
    n = len(w)
    if n == 1:
        return w, logits
    against = np.array([[-1.0, 1.0]]) if n == 2 else (n * np.eye(n) - 1) / (n - 1)
    return against @ w, logits @ against.T


def _patterns(x: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Return the patterns (C, F) of decisions (S, C) in features (S, F).

    Examples
    --------
    >>> _patterns(np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]]), np.array([[0.0], [1.0], [2.0]]))
    array([[2., 0.]])
    """
    x, s = x - x.mean(axis=0), s - s.mean(axis=0)
    return np.linalg.pinv(s.T @ s) @ (s.T @ x)


def _table(found: np.ndarray, names: list[str], model: Model, cohort: Cohort) -> pd.DataFrame:
    """Return one row for each feature with a region in its name, and class."""
    places = feature_places(names, cohort)
    named = np.flatnonzero(places.first >= 0)
    if not len(named):
        raise NotThereError(
            f"no feature has a region in its name ({names[:2]}, ...). Say in which features to "
            "express the pattern: features=Edges().fit(cohort)."
        )
    ends = np.stack([places.first, places.second])[:, named]
    classes = getattr(model, "classes_", None)
    kept = [None] if classes is None else list(classes)[-len(found) :]
    tables = []
    for label, row in zip(kept, found, strict=True):
        columns = {} if classes is None else {"class": label}
        columns |= {
            "input": pd.Categorical(places.block[named]),
            "region_a": pd.Categorical([places.regions[i] for i in ends.min(axis=0)]),
            "region_b": pd.Categorical([places.regions[i] for i in ends.max(axis=0)]),
            "importance": row[named],
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)
