"""What a network reads of a cohort, cut into batches on the device."""

import copy
from collections.abc import Sequence
from typing import Any

import nibabel as nib
import numpy as np
import torch

from brainograph.cohort import Cohort
from brainograph.connectivity.series import find_constant
from brainograph.nn.brain_batch import BrainBatch

__all__ = ["SubjectData"]

_KINDS = ("series", "phenotypes", "connectivity", "measures", "images")
_CPU_LIMIT = 2 * 2**30  # bytes that are read once and kept


class SubjectData:
    """The members of a cohort that a network reads, by row.

    Series and matrices are read from the (memory-mapped) cohort when a batch asks for them, or
    once if :meth:`keep_on` finds room; both give the same batches.

    Parameters
    ----------
    cohort : Cohort (S)
        Where from.
    reads : sequence of str
        ``"series"``, ``"connectivity/NAME"``, ``"measures/NAME"``, ``"images/NAME"``,
        ``"phenotypes"``.
    standardize : bool
        Whether each region's series has mean 0 and deviation 1 over time, and each image over
        its voxels.
    min_volumes : int
        Volumes that the network needs.

    Raises
    ------
    ValueError
        If the cohort lacks something, or scans are too short.
    """

    def __init__(
        self, cohort: Cohort, reads: Sequence[str], *, standardize: bool, min_volumes: int = 1
    ) -> None:
        self.cohort = cohort
        self.reads = tuple(reads)
        self.standardize = standardize
        self.lengths: np.ndarray | None = None
        self.phenotypes: np.ndarray | None = None
        self.device = torch.device("cpu")
        self._whole: BrainBatch | None = None
        for name in self.reads:
            _check_there(cohort, name)
        if "series" in self.reads:
            self.lengths = np.array([len(series) for series in cohort.timeseries or ()])
            self._check_lengths(self.lengths, min_volumes)

    def __len__(self) -> int:
        return len(self.cohort)

    def _check_lengths(self, lengths: np.ndarray, min_volumes: int) -> None:
        short = np.flatnonzero(lengths < max(min_volumes, 1))
        if len(short):
            who = {self.cohort.participant_ids[i]: int(lengths[i]) for i in short[:5]}
            raise ValueError(
                f"the network needs {min_volumes} volumes and {len(short)} of {len(self)} scans "
                f"are shorter: {who}. Leave them out, or choose a shorter window."
            )

    def names(self, kind: str) -> list[str]:
        """Return the names that are read of ``connectivity``, ``measures`` or ``images``."""
        return [name.split("/", 1)[1] for name in self.reads if name.startswith(f"{kind}/")]

    def with_phenotypes(self, phenotypes: np.ndarray | None) -> "SubjectData":
        """Return the same data beside a design matrix (S, P)."""
        other = copy.copy(self)
        other.phenotypes = None if phenotypes is None else phenotypes.astype(np.float32)
        return other

    def keep_on(self, device: torch.device) -> "SubjectData":
        """Put batches on a device from now on, and keep everything there if there is room."""
        self.device = device
        cuda = device.type == "cuda"
        room = torch.cuda.mem_get_info(device)[0] // 3 if cuda else _CPU_LIMIT
        if self._whole is None and self._bytes() <= room:
            self._whole = self._read(np.arange(len(self))).to(device)
        return self

    def _bytes(self) -> int:
        n, n_regions = len(self), self.cohort.n_regions
        size = 0 if self.lengths is None else n * int(self.lengths.max()) * n_regions
        size += n * n_regions * (n_regions * len(self.names("connectivity")))
        size += n * n_regions * len(self.names("measures"))
        for name in self.names("images"):
            first: Any = nib.load(self.cohort.images[name].iloc[0])
            size += n * int(np.prod(first.shape))
        return 4 * size

    def batch(self, rows: np.ndarray) -> BrainBatch:
        """Return the participants of some rows, padded to the longest of them."""
        if self._whole is None:
            batch = self._read(rows).to(self.device)
        else:
            longest = None if self.lengths is None else int(self.lengths[rows].max())
            batch = self._whole.trim(longest)[torch.from_numpy(rows).to(self.device)]
        if self.phenotypes is not None:
            batch.phenotypes = torch.from_numpy(self.phenotypes[rows]).to(self.device)
        return batch

    def _read(self, rows: np.ndarray) -> BrainBatch:
        """Read rows from the cohort."""
        cohort = self.cohort
        batch = BrainBatch()
        if self.lengths is not None:
            batch.lengths = torch.from_numpy(self.lengths[rows])
            batch.series = torch.from_numpy(self._series(rows))
        for name in self.names("connectivity"):
            batch.connectivity[name] = self._rows_of(cohort.connectivity[name], rows, name)
        for name in self.names("measures"):
            batch.measures[name] = self._rows_of(cohort.measures[name], rows, name)
        for name in self.names("images"):
            batch.images[name] = self._images(rows, name)
        if "repetition_time" in cohort.phenotype:
            seconds = cohort.phenotype["repetition_time"].to_numpy(dtype=np.float32)[rows]
            batch.t_r = torch.from_numpy(seconds)
        return batch

    def _series(self, rows: np.ndarray) -> np.ndarray:
        series, lengths = self.cohort.timeseries or (), self.lengths[rows]  # type: ignore[index]
        padded = np.zeros((len(rows), lengths.max(), self.cohort.n_regions), dtype=np.float32)
        for i, row in enumerate(rows):
            one = np.asarray(series[row])
            self._check_finite(one, row, "series")
            padded[i, : len(one)] = _standardized(one) if self.standardize else one
        return padded

    def _rows_of(self, array: np.ndarray, rows: np.ndarray, name: str) -> torch.Tensor:
        part = np.asarray(array[rows], dtype=np.float32)
        for row, one in zip(rows, part, strict=True):
            self._check_finite(one, row, name)
        return torch.from_numpy(part)

    def _images(self, rows: np.ndarray, name: str) -> torch.Tensor:
        volumes: list[np.ndarray] = []
        for row in rows:
            image: Any = nib.load(self.cohort.images[name].iloc[row])
            volume = np.asarray(image.dataobj, dtype=np.float32)
            self._check_finite(volume, row, name)
            if volumes and volume.shape != volumes[0].shape:
                raise ValueError(
                    f"the images {name!r} must have one grid, got {volumes[0].shape} and, for "
                    f"{self.cohort.participant_ids[row]}, {volume.shape}. Resample them first."
                )
            if self.standardize:
                volume = (volume - volume.mean()) / (volume.std() or 1.0)
            volumes.append(volume)
        return torch.from_numpy(np.stack(volumes)[:, None])

    def _check_finite(self, values: np.ndarray, row: int, name: str) -> None:
        if not np.isfinite(values).all():
            raise ValueError(
                f"{name} of {self.cohort.participant_ids[row]} has NaN or infinite values. Leave "
                "the participant out, or fill them, for example with np.nan_to_num."
            )


def _standardized(series: np.ndarray) -> np.ndarray:
    """Return the series with mean 0 and deviation 1 over time; 0 where a region is constant."""
    centered = series - series.mean(axis=0, dtype=np.float64)
    scale = centered.std(axis=0)
    constant = find_constant(series)
    scale[constant], centered[:, constant] = 1.0, 0.0
    return centered / np.where(scale > 0, scale, 1.0)


def _check_there(cohort: Cohort, name: str) -> None:
    """Refuse what the cohort lacks."""
    kind, _, key = name.partition("/")
    if kind not in _KINDS or (kind in _KINDS[2:]) != bool(key):
        raise ValueError(f"a network reads {name!r}; what can be read is {_KINDS}, as in 'a/b'.")
    if kind == "series" and cohort.timeseries is None:
        raise ValueError(
            "the network reads series and the cohort has none. Write "
            "cohort.assign(timeseries=[...]), or choose a network of connectivity."
        )
    if not key:
        return
    there = list(getattr(cohort, kind))
    if key not in there:
        hint = f"cohort.assign({kind}={{{key!r}: ...}})"
        raise ValueError(
            f"the network reads {kind} {key!r} and the cohort has {there or 'none'}. Add it with "
            f"{hint}, or name one of those in the parameters of the network."
        )
    if kind == "images" and cohort.images[key].isna().any():
        who = cohort.images.index[cohort.images[key].isna()].tolist()
        raise ValueError(
            f"{len(who)} participants have no image {key!r}: {who[:5]}. Leave them out."
        )
