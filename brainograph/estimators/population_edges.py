"""How an estimator joins participants: the settings of a population graph, in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import sparse

from brainograph.graphs.population import Combine, Metric, attach, mean_distance, population_graph

__all__ = ["Joined", "PopulationEdges"]

Joined = Combine | Literal["none"]
_JOINED = (*get_args(Combine), "none")


@dataclass(frozen=True)
class PopulationEdges:
    """Settings of :func:`~brainograph.graphs.population.population_graph`.

    ``combine="none"`` leaves every participant alone.
    """

    categorical: Sequence[str]
    continuous: Mapping[str, float]
    combine: Joined
    metric: Metric
    n_neighbors: int | None

    def __post_init__(self) -> None:
        """Refuse an unknown way to combine."""
        if self.combine not in _JOINED:
            raise ValueError(f"combine must be one of {_JOINED}, got {self.combine!r}.")

    @property
    def columns(self) -> list[str]:
        """The phenotypes that are used."""
        if self.combine in ("similarity", "none"):
            return []
        return [*self.categorical, *self.continuous]

    def of(self, phenotype: pd.DataFrame) -> pd.DataFrame:
        """Return the phenotypes that are used, or say which are missing."""
        missing = [name for name in self.columns if name not in phenotype]
        if missing:
            raise ValueError(
                f"the cohort has no phenotype {missing}; it has {phenotype.columns.tolist()}. "
                "Name the ones that make edges, for example categorical=('sex',), continuous={}."
            )
        return phenotype[self.columns]

    def fit_sigma(self, x: np.ndarray) -> float | None:
        """Return the mean distance of the rows it is learnt from (N, F)."""
        if self.combine in ("phenotype", "none"):
            return None
        return mean_distance(x, metric=self.metric)

    def join(
        self, x: np.ndarray, phenotype: pd.DataFrame, sigma: float | None
    ) -> np.ndarray | sparse.csr_array:
        """Return the symmetric graph of the participants (S, S)."""
        if self.combine == "none":
            return sparse.csr_array((len(x), len(x)), dtype=np.float32)
        return population_graph(x, phenotype, **self._options(sigma))

    def attach(
        self,
        x: np.ndarray,
        phenotype: pd.DataFrame,
        new_x: np.ndarray,
        new_phenotype: pd.DataFrame,
        sigma: float | None,
    ) -> sparse.csr_array:
        """Return what new participants hear of the fitted ones (Q, S)."""
        if self.combine == "none":
            return sparse.csr_array((len(new_x), len(x)), dtype=np.float32)
        edges = attach(
            x,
            phenotype,
            new_x,
            new_phenotype,
            **self._options(sigma),
        )
        return sparse.csr_array(edges)

    def _options(self, sigma: float | None) -> dict[str, Any]:
        return {
            "categorical": self.categorical,
            "continuous": self.continuous,
            "combine": self.combine,
            "metric": self.metric,
            "sigma": sigma,
            "n_neighbors": self.n_neighbors,
        }
