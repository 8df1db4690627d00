"""How an estimator joins participants: the settings of a population graph, in one place."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from brainograph.graphs.population import (
    Combine,
    Metric,
    attach,
    isolated,
    mean_distance,
    population_graph,
)
from brainograph.graphs.rewire import draw_neighbors, moved_share, rewire

__all__ = ["Joined", "PopulationEdges", "Shuffle", "unreached"]

Joined = Combine | Literal["none"]
Shuffle = Literal["none", "edges", "features"]
_JOINED = (*get_args(Combine), "none")
_MOVED_LITTLE = 0.05


@dataclass(frozen=True)
class PopulationEdges:
    """Settings of :func:`~brainograph.graphs.population.population_graph`.

    ``combine="none"`` leaves every participant alone; ``shuffle="edges"`` rewires who is joined.
    """

    categorical: Sequence[str]
    continuous: Mapping[str, float]
    combine: Joined
    metric: Metric
    n_neighbors: int | None
    shuffle: Shuffle = "none"
    random_state: int = 0

    def __post_init__(self) -> None:
        """Refuse an unknown way to combine or to shuffle."""
        if self.combine not in _JOINED:
            raise ValueError(f"combine must be one of {_JOINED}, got {self.combine!r}.")
        if self.shuffle not in get_args(Shuffle):
            raise ValueError(f"shuffle must be one of {get_args(Shuffle)}, got {self.shuffle!r}.")

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
        graph = population_graph(x, phenotype, **self._options(sigma))
        if self.shuffle != "edges":
            return graph
        rewired = rewire(graph, random_state=self.random_state)
        if (moved := moved_share(graph, rewired)) < _MOVED_LITTLE:
            warnings.warn(
                f"only {moved:.0%} of the edges could be moved without changing anybody's number "
                "of edges: nearly everybody is joined to everybody, and what was shuffled are the "
                "weights. Write n_neighbors=20 for a graph that can be rewired.",
                stacklevel=2,
            )
        return rewired

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
        if self.shuffle == "edges":
            ids = new_phenotype.index.astype(str)
            return draw_neighbors(edges, ids, random_state=self.random_state)
        return sparse.csr_array(edges)

    def count_isolated(
        self, graph: sparse.csr_array, phenotype: pd.DataFrame, labelled: np.ndarray
    ) -> int:
        """Return how many have no edge, and warn of them and of those whom no label reaches."""
        if self.combine == "none":
            return 0
        alone, apart = isolated(graph), unreached(graph, labelled)
        if alone.any():
            why, remedy = self._explain(phenotype[alone], phenotype[~alone])
            warnings.warn(
                f"{alone.sum()} of {len(alone)} participants share no phenotype with anybody{why} "
                f"and are predicted from their own features alone. {remedy}",
                stacklevel=3,
            )
        if apart.any():
            why, remedy = self._explain(phenotype[apart], phenotype[labelled])
            warnings.warn(
                f"{apart.sum()} participants without a label are joined only to others without "
                f"one{why}: edges bring them nothing from those who are learnt from. {remedy}",
                stacklevel=3,
            )
        return int(alone.sum())

    def warn_of_unheard(
        self, heard: sparse.csr_array, new_phenotype: pd.DataFrame, phenotype: pd.DataFrame
    ) -> None:
        """Warn of new participants who hear nobody."""
        alone = isolated(heard)
        if self.combine != "none" and alone.any():
            why, remedy = self._explain(new_phenotype[alone], phenotype)
            warnings.warn(
                f"{alone.sum()} new participants share no phenotype with any fitted one{why} and "
                f"are predicted from their own features alone. {remedy}",
                stacklevel=3,
            )

    def _explain(self, phenotype: pd.DataFrame, others: pd.DataFrame) -> tuple[str, str]:
        """Say why these participants are not joined to the others, and what to do."""
        strange = {
            name: sorted(map(str, {*phenotype[name].dropna()} - {*others[name].dropna()}))
            for name in self.columns
            if name in self.categorical
        }
        strange = {name: values for name, values in strange.items() if values}
        if not strange:
            return "", 'Add a phenotype that joins them, or write combine="similarity".'
        why = " or ".join(f"{name} {', '.join(v[:3])}" for name, v in strange.items())
        return (
            f" (nobody there has their {why})",
            f"Leave {' and '.join(strange)} out of categorical, and join them by a phenotype that "
            "is known everywhere, for example continuous={'age': 2.0}.",
        )

    def _options(self, sigma: float | None) -> dict[str, Any]:
        return {
            "categorical": self.categorical,
            "continuous": self.continuous,
            "combine": self.combine,
            "metric": self.metric,
            "sigma": sigma,
            "n_neighbors": self.n_neighbors,
        }


def unreached(graph: sparse.csr_array, labelled: np.ndarray) -> np.ndarray:
    """Tell who has edges, but no path to anybody with a label (S,).

    Examples
    --------
    >>> pairs = sparse.csr_array(np.kron(np.eye(3), [[0, 1], [1, 0]]))
    >>> unreached(pairs, np.array([True, False, False, False, False, True]))
    array([False, False,  True,  True, False, False])
    """
    _, part = connected_components(graph, directed=False)
    return ~np.isin(part, part[labelled]) & (np.bincount(part)[part] > 1)
