"""The training participants whom a new one is most like, as far as a model keeps them."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestNeighbors

from brainograph.cohort import Cohort
from brainograph.estimators.population.estimator import PopulationGraphClassifier
from brainograph.estimators.population.member import transform
from brainograph.estimators.population.network import PopulationNetworkClassifier
from brainograph.estimators.population.transductive import TransductiveClassifier
from brainograph.estimators.wrappers.wrapper import unwrapped

__all__ = ["Neighborhood"]

_USUAL = 0.99


@dataclass(frozen=True)
class Neighborhood:
    """The fitted participants' features, where a model keeps them to listen to.

    A population graph does; a network of single participants keeps nobody, and has none.

    Parameters
    ----------
    model : estimator
        The fitted one, without what is around it.
    participant_ids : list of str
        Who they are.
    x : array (S, F)
        Their features, so that the closest have the smallest angle or distance.
    metric : {"cosine", "euclidean"}
        Which of both.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(n_subjects=40, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = PopulationGraphClassifier(max_epochs=2, n_members=1).fit(cohort[:30], y[:30])
    >>> Neighborhood.of(model).nearest(cohort[30:], 2).columns.tolist()
    ['nearest', 'nearest_distance']
    """

    model: Any
    participant_ids: list[str]
    x: np.ndarray
    metric: str

    @classmethod
    def of(cls, model: BaseEstimator) -> Self | None:
        """Return the participants that a fitted model keeps, None if it keeps none."""
        inner = unwrapped(model)[-1]
        match inner:
            case PopulationGraphClassifier():
                x = inner._members[0].x.cpu().numpy()
            case PopulationNetworkClassifier():
                x = inner._members[0].codes.flatten(1).cpu().numpy()
            case TransductiveClassifier():
                x = inner._x
            case _:
                return None
        if not len(x):
            return None
        metric = getattr(inner, "metric", "correlation")
        x = _centered(x) if metric == "correlation" else x
        ids = inner.participant_ids_
        return cls(inner, ids, x, "euclidean" if metric == "euclidean" else "cosine")

    def _features(self, cohort: Cohort) -> np.ndarray:
        """Return the features of other participants (Q, F)."""
        match self.model:
            case PopulationGraphClassifier():
                x = transform(self.model._members[0].features, cohort)
            case PopulationNetworkClassifier():
                x = self.model._encode(cohort, self.model._members[0]).flatten(1).cpu().numpy()
            case _:
                alone = [self.model.features_.transform(cohort[[i]]) for i in range(len(cohort))]
                x = np.concatenate(alone)
        return x if getattr(self.model, "metric", "correlation") != "correlation" else _centered(x)

    def nearest(self, cohort: Cohort, n_neighbors: int = 3) -> pd.DataFrame:
        """Return whom each participant is most like; nobody is their own neighbour.

        Returns
        -------
        DataFrame (S, .)
            ``nearest`` (ids, the nearest first) and ``nearest_distance`` (of the first; one minus
            the correlation, or as the model's ``metric`` says).
        """
        others = min(n_neighbors, len(self.x) - 1)
        if not len(cohort) or others < 1:
            empty = {"nearest": "", "nearest_distance": np.nan}
            return pd.DataFrame(empty, index=cohort.phenotype.index)
        search = NearestNeighbors(metric=self.metric).fit(self.x)
        distance, row = search.kneighbors(self._features(cohort), others + 1)
        known = np.array(self.participant_ids, dtype=object)[row]
        rows = []
        for me, ids, far in zip(cohort.participant_ids, known, distance, strict=True):
            kept = ids != me
            rows.append((", ".join(ids[kept][:others]), round(float(far[kept][0]), 4)))
        return pd.DataFrame(
            rows, columns=["nearest", "nearest_distance"], index=cohort.phenotype.index
        )

    def usual(self) -> float:
        """Return the distance within which 99 % of the fitted participants have another."""
        distance, _ = NearestNeighbors(metric=self.metric).fit(self.x).kneighbors(n_neighbors=1)
        return float(np.quantile(distance, _USUAL))


def _centered(x: np.ndarray) -> np.ndarray:
    """Return rows whose angles are their correlations."""
    return x - x.mean(axis=1, keepdims=True)
