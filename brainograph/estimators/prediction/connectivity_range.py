"""How far a participant's connections are from those of the training participants."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from brainograph.cohort import Cohort
from brainograph.files import read_tsv, write_tsv
from brainograph.preprocessing.inputs import check_regions

__all__ = ["ConnectivityRange"]

_FILE = "training_connectivity.tsv"
_USUAL = 0.99
_ROWS = 64  # participants read at a time
_EDGE = 1 - 1e-6


@dataclass(frozen=True)
class ConnectivityRange:
    r"""Mean and deviation of each connection in a group, and how far its members are from it.

    .. math:: d_i = \sqrt{\frac1E \sum_e \frac{(x_{ie} - \mu_e)^2}{\sigma_e^2}}

    over E connections, Fisher-z transformed where they are correlations: Mahalanobis' distance
    without covariances, which a few hundred participants cannot tell of thousands of connections.
    A participant like the others has a distance of about 1.

    Parameters
    ----------
    name : str
        Of the matrices.
    regions : list of str
        R names.
    fisher_z : bool
        Whether values lie in [-1, 1] and are transformed.
    mean, scale : array (R * (R - 1) / 2,)
        Of the upper triangle; 0 deviation counts as no connection.
    usual : float
        The distance that 99 % of the group do not exceed, each measured against the others.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> group = ConnectivityRange.of(simulate_cohort(n_subjects=40, random_state=0), "fc")
    >>> noise = simulate_cohort(n_subjects=2, n_volumes=(8, 8), random_state=1)
    >>> bool((group.distance(noise) > group.usual).all())
    True
    """

    name: str
    regions: list[str]
    fisher_z: bool
    mean: np.ndarray
    scale: np.ndarray
    usual: float

    @classmethod
    def of(cls, cohort: Cohort, name: str) -> Self | None:
        """Measure a group; None for fewer than four participants with all connections."""
        matrices = cohort.connectivity[name]
        blocks = [slice(i, i + _ROWS) for i in range(0, len(cohort), _ROWS)]
        bounded = all(np.nanmax(np.abs(matrices[part]), initial=0) <= 1 + 1e-3 for part in blocks)
        n, total, squares, shift = 0, 0.0, 0.0, None
        for part in blocks:
            x = _complete(_edges(matrices[part], fisher_z=bounded))
            if not len(x):
                continue
            shift = x.mean(axis=0) if shift is None else shift
            n += len(x)
            total = total + (x - shift).sum(axis=0)
            squares = squares + ((x - shift) ** 2).sum(axis=0)
        if n < 4 or shift is None:
            return None
        mean = shift + total / n
        variance = np.maximum((squares - total**2 / n) / (n - 1), 0)
        distances = np.concatenate(
            [
                _left_out(_complete(_edges(matrices[part], fisher_z=bounded)), mean, variance, n)
                for part in blocks
            ]
        )
        usual = float(np.quantile(distances, _USUAL))
        names = cohort.regions.index.tolist()
        return cls(name, names, bounded, mean, np.sqrt(variance), usual)

    def distance(self, cohort: Cohort) -> np.ndarray:
        """Return the distance of each participant (S,), NaN where connections are missing.

        Raises
        ------
        ValueError
            If the regions are not those of the group.
        """
        check_regions(self.regions, cohort.regions.index.tolist())
        matrices, varies = cohort.connectivity[self.name], self.scale > 0
        distances = [np.zeros(0)]
        for start in range(0, len(cohort), _ROWS):
            x = _edges(matrices[start : start + _ROWS], fisher_z=self.fisher_z)
            z = (x[:, varies] - self.mean[varies]) / self.scale[varies]
            distances.append(np.sqrt((z**2).mean(axis=1)))
        return np.concatenate(distances)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the connections as a table, and return the rest as JSON."""
        i, j = np.triu_indices(len(self.regions), 1)
        names = np.array(self.regions, dtype=object)
        table = {"region_1": names[i], "region_2": names[j]}
        values = {"mean": self.mean.round(5), "deviation": self.scale.round(5)}
        write_tsv(pd.DataFrame(table | values), folder / _FILE)
        facts = {"name": self.name, "regions": self.regions, "fisher_z": self.fisher_z}
        return facts | {"usual": self.usual}

    @classmethod
    def load(cls, folder: Path, facts: dict[str, Any]) -> Self:
        """Read what :meth:`save` wrote and returned."""
        table = read_tsv(folder / _FILE)
        return cls(**facts, mean=table["mean"].to_numpy(), scale=table["deviation"].to_numpy())


def _edges(matrices: np.ndarray, *, fisher_z: bool) -> np.ndarray:
    """Return the upper triangles (N, E) of some matrices."""
    i, j = np.triu_indices(matrices.shape[1], 1)
    values = np.asarray(matrices, dtype=float)[:, i, j]
    return np.arctanh(np.clip(values, -_EDGE, _EDGE)) if fisher_z else values


def _complete(x: np.ndarray) -> np.ndarray:
    return x[np.isfinite(x).all(axis=1)]


def _left_out(x: np.ndarray, mean: np.ndarray, variance: np.ndarray, n: int) -> np.ndarray:
    """Return the distance of members (N, E) from the mean and deviation of the n - 1 others."""
    squared = (x - mean) ** 2
    others = ((n - 1) * variance - squared * n / (n - 1)) / (n - 2)
    varies = others > 1e-12 * variance.max()
    z = np.where(varies, squared * (n / (n - 1)) ** 2 / np.where(varies, others, 1), 0)
    return np.sqrt(z.sum(axis=1) / np.maximum(varies.sum(axis=1), 1))
