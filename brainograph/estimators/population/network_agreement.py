"""In how many phenotypes participants agree, made where it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from brainograph.estimators.population.edges import PopulationEdges
from brainograph.graphs.affinity import agreement, phenotype_columns

__all__ = ["Agreement"]


@dataclass(frozen=True)
class Agreement:
    """Agreement of some participants (Q) with those of a graph (S), a block of rows at a time.

    Of 20,000 participants the whole matrix would take 1.6 GB; blocks of it are read by
    :class:`~brainograph.nn.population.Join`.

    Parameters
    ----------
    combine : str
        ``"none"`` is 0 and ``"similarity"`` is 1 for all pairs.
    left, right : array (Q, H) and (S, H)
        Phenotypes as numbers.
    tolerance : array (H,)
        Below which numbers agree; 0 for a category.
    same : bool
        Whether these are the participants of the graph, who do not listen to themselves.

    Examples
    --------
    >>> from brainograph.estimators.population.edges import PopulationEdges
    >>> edges = PopulationEdges(("sex",), {"age": 2.0}, "product", "correlation", None)
    >>> people = pd.DataFrame({"sex": ["f", "f", "m"], "age": [20, 21, 20]})
    >>> Agreement.of(edges, people)[0:2]
    tensor([[0., 2., 1.],
            [2., 0., 1.]])
    """

    combine: str
    left: np.ndarray
    right: np.ndarray
    tolerance: np.ndarray
    same: bool = True

    @classmethod
    def of(
        cls, edges: PopulationEdges, phenotype: pd.DataFrame, fitted: pd.DataFrame | None = None
    ) -> "Agreement":
        """Return the agreement of participants with each other, or with fitted ones."""
        other = phenotype if fitted is None else fitted
        if not edges.columns:
            sizes = np.zeros((len(phenotype), 0)), np.zeros((len(other), 0))
            return cls(edges.combine, *sizes, np.zeros(0), fitted is None)
        columns = phenotype_columns(phenotype, other, edges.categorical, edges.continuous)
        return cls(edges.combine, *columns, fitted is None)

    def __getitem__(self, rows: slice | Sequence[int] | np.ndarray) -> Tensor:
        """Return the agreement of some participants with all of the graph (r, S)."""
        block = self._block(self.left[rows], self.right)
        if self.same:
            block[np.arange(len(block)), np.arange(len(self.left))[rows]] = 0
        return torch.from_numpy(block)

    def among(self, nodes: np.ndarray) -> Tensor:
        """Return the agreement among some participants of the graph (n, n)."""
        block = self._block(self.left[nodes], self.right[nodes])
        np.fill_diagonal(block, 0)
        return torch.from_numpy(block)

    def _block(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        if self.combine in ("none", "similarity"):
            value = float(self.combine == "similarity")
            return np.full((len(left), len(right)), value, dtype=np.float32)
        return agreement(left, right, self.tolerance)
