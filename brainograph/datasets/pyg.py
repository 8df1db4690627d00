"""A cohort as a data set of PyTorch Geometric, for training loops of one's own."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from torch_geometric.data import Data, Dataset

from brainograph.cohort import Cohort
from brainograph.graphs.brain import brain_graph
from brainograph.graphs.node_features import Kind, node_features
from brainograph.graphs.sparsify import Sign, sparsify

__all__ = ["BrainGraphDataset"]


class BrainGraphDataset(Dataset):
    """The brain graphs of a cohort, made one at a time when they are asked for.

    A :class:`torch_geometric.data.Dataset`: give it to PyG's ``DataLoader``, index it by number,
    slice, list or mask, shuffle it. ``list(dataset)`` keeps all graphs in memory. For the graphs of
    sliding windows see :func:`~brainograph.graphs.dynamic_brain_graphs`.

    The labels of everybody are in it. What must not be seen in training has to be split off first:
    ``dataset[train]``, with rows of :func:`~brainograph.model_selection.repeated_stratified`.
    Features are of one participant at a time; whatever is learnt across participants (scaling,
    selection, harmonisation) is for the training rows alone.

    Parameters
    ----------
    cohort : Cohort (S)
        With ``connectivity``; it may be memory-mapped.
    y : str or array (S,), optional
        A column of the phenotype, or targets. A column of whole numbers becomes integers with -1
        for missing; other numbers stay, with NaN for missing.
    matrix : str
        Of ``cohort.connectivity``, the edges.
    density : float, optional
        Share of the edges that stay, the strongest; None keeps all.
    sign : {"positive", "absolute", "negative", "signed"}
        As of :func:`~brainograph.graphs.sparsify`.
    features : sequence of str
        The node features, as of :func:`~brainograph.graphs.node_features`; "profile" is the rows
        of the matrix before edges are dropped.
    channels : sequence of str
        More matrices: "sc" becomes ``edge_index_sc`` and ``edge_weight_sc``, thinned out alike.
    transform : callable, optional
        Applied to each graph when it is asked for.

    Raises
    ------
    ValueError
        If the cohort lacks a matrix or a column, or for another number of targets.

    Examples
    --------
    >>> from torch_geometric.loader import DataLoader
    >>> from brainograph.datasets import simulate_cohort
    >>> dataset = BrainGraphDataset(simulate_cohort(10, n_regions=6), "diagnosis", density=0.4)
    >>> dataset[0]
    Data(x=[6, 6], edge_index=[2, 12], edge_weight=[12], y=[1], participant_id='...')
    >>> batch = next(iter(DataLoader(dataset[:8], batch_size=4)))
    >>> batch.x.shape, batch.y.shape
    (torch.Size([24, 6]), torch.Size([4]))
    """

    def __init__(
        self,
        cohort: Cohort,
        y: str | ArrayLike | None = None,
        *,
        matrix: str = "fc",
        density: float | None = 0.1,
        sign: Sign = "positive",
        features: Sequence[Kind] = ("profile",),
        channels: Sequence[str] = (),
        transform: Callable[[Data], Data] | None = None,
    ) -> None:
        for name in (matrix, *channels):
            if name not in cohort.connectivity:
                raise ValueError(
                    f"the cohort has no connectivity {name!r}; it has {list(cohort.connectivity)}."
                )
        self.cohort, self.matrix, self.density, self.sign = cohort, matrix, density, sign
        self.features, self.channels = tuple(features), tuple(channels)
        self.targets = None if y is None else _targets(cohort, y)
        super().__init__(root=None, transform=transform)

    def len(self) -> int:
        """Return S, the number of participants."""
        return len(self.cohort)

    def get(self, idx: int) -> Data:
        """Make the graph of one participant."""
        matrices = self.cohort.connectivity
        try:
            edges = self._edges(matrices[self.matrix][idx])
            return brain_graph(
                edges,
                x=self._features(idx, edges),
                y=None if self.targets is None else self.targets[idx].item(),
                channels={name: self._edges(matrices[name][idx]) for name in self.channels},
                participant_id=self.cohort.participant_ids[idx],
                allow_negative=self.sign == "signed",
            )
        except ValueError as error:
            raise ValueError(f"{self.cohort.participant_ids[idx]}: {error}") from error

    def _edges(self, matrix: NDArray) -> NDArray:
        return sparsify(matrix, density=self.density, sign=self.sign)

    def _features(self, row: int, edges: NDArray) -> NDArray[np.float32]:
        cohort, table = self.cohort, self.cohort.regions
        seconds = cohort.phenotype.get("repetition_time")
        x, _ = node_features(
            cohort.connectivity[self.matrix][row],
            kinds=self.features,
            adjacency=np.abs(edges),
            series=None if cohort.timeseries is None else cohort.timeseries[row],
            t_r=None if seconds is None else float(seconds.iloc[row]),
            coordinates=table[["x", "y", "z"]] if {"x", "y", "z"} <= set(table) else None,
            measures={name: array[row] for name, array in cohort.measures.items()} or None,
        )
        return x


def _targets(cohort: Cohort, y: str | ArrayLike) -> NDArray:
    """Return the targets (S,): of a column, or as given."""
    if not isinstance(y, str):
        values = np.asarray(y)
        if values.shape != (len(cohort),) or values.dtype.kind not in "biuf":
            raise ValueError(
                f"y must be {len(cohort)} numbers, got the shape {values.shape} and the type "
                f"{values.dtype}."
            )
        return values
    if y not in cohort.phenotype:
        raise ValueError(f"the phenotype has no column {y!r}; it has {list(cohort.phenotype)}.")
    try:
        numbers = pd.to_numeric(cohort.phenotype[y]).to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"the column {y!r} is not of numbers: {cohort.phenotype[y].unique()[:5].tolist()}. "
            f"Write for example y=(cohort.phenotype[{y!r}] == 'patient').to_numpy().astype(int)."
        ) from error
    known = numbers[np.isfinite(numbers)]
    whole = np.array_equal(known, known.round())
    return np.where(np.isfinite(numbers), numbers, -1).astype(np.int64) if whole else numbers
