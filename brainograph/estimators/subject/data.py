"""What a network reads of a cohort, cut into batches on the device."""

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import torch

from brainograph.cohort import Cohort
from brainograph.connectivity.series import find_constant
from brainograph.estimators.subject.presence import find_present
from brainograph.estimators.subject.read_ahead import ReadAhead
from brainograph.nn.brain_batch import BrainBatch
from brainograph.preprocessing.inputs import check_regions
from brainograph.preprocessing.parcellation import whose

if TYPE_CHECKING:
    from brainograph.io.volumes import Volumes

__all__ = ["SubjectData"]

_KINDS = ("series", "phenotypes", "connectivity", "measures", "images")
_CPU_LIMIT = 2 * 2**30  # bytes that are read once and kept


class SubjectData:
    """The members of a cohort that a network reads, by row.

    Series, matrices and images are read from the (memory-mapped) cohort when a batch asks for
    them, or once if :meth:`keep_on` finds room; both give the same batches. After :meth:`expect`
    the next batch is read while the current one is used.

    Parameters
    ----------
    cohort : Cohort (S)
        Where from.
    reads : sequence of str
        ``"series"``, ``"connectivity/NAME"``, ``"measures/NAME"``, ``"images/NAME"``,
        ``"phenotypes"``. The name ``"aparc/morph"`` is that of a parcellation of the cohort.
    standardize : bool
        Whether each region's series has mean 0 and deviation 1 over time, and, without
        ``volumes``, each image over its voxels.
    min_volumes : int
        Volumes that the network needs.
    volumes : Volumes, optional
        How images are brought to one grid; by default they are on one, and only turned to RAS.
    missing_ok : bool
        Whether the network can do without some of what it reads. What somebody lacks is then
        zeros (of a series: ``min_volumes`` of them), and ``batch.present`` says who has what.
    shapes : mapping of modality to (D, H, W), optional
        Grids of the images that were learnt from.
    regions : mapping of parcellation to list of str, optional
        Regions of the other parcellations that were learnt from.
    phenotypes : sequence of str
        Columns that are a modality like others: whoever has none of them lacks it.

    Attributes
    ----------
    present : dict of name to array (S,) of bool
        Who has what; nothing for a network that needs it all.
    shapes : dict of modality to (D, H, W)
        Grid of each modality's images.
    regions : dict of parcellation to list of str
        Regions of the other parcellations that are read.

    Raises
    ------
    ValueError
        If the cohort lacks something, or scans are too short.
    """

    def __init__(
        self,
        cohort: Cohort,
        reads: Sequence[str],
        *,
        standardize: bool,
        min_volumes: int = 1,
        volumes: "Volumes | None" = None,
        missing_ok: bool = False,
        shapes: Mapping[str, Sequence[int]] | None = None,
        regions: Mapping[str, Sequence[str]] | None = None,
        phenotypes: Sequence[str] = (),
    ) -> None:
        self.cohort = cohort
        self.reads = tuple(reads)
        self.standardize = standardize
        self.lengths: np.ndarray | None = None
        self.phenotypes: np.ndarray | None = None
        self.device = torch.device("cpu")
        self.volumes = volumes
        self._whole: BrainBatch | None = None
        self._ahead: ReadAhead | None = None
        for name in self.reads:
            _check_there(cohort, name)
        self.regions = self._other_regions()
        for name, known in (regions or {}).items():
            check_regions(known, self.regions[name])
        self.present = find_present(
            cohort, self.reads, missing_ok=missing_ok, phenotypes=phenotypes
        )
        if "series" in self.reads:
            self.lengths = np.array([len(series) for series in cohort.timeseries or ()], dtype=int)
            self.lengths[~self._has("series", np.arange(len(cohort)))] = max(min_volumes, 1)
            self._check_lengths(self.lengths, min_volumes)
        given = {name: tuple(shape) for name, shape in (shapes or {}).items()}
        names = self.names("images") if len(cohort) else []
        self.shapes = {name: given.get(name) or self._grid(name) for name in names}

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

    def _other_regions(self) -> dict[str, list[str]]:
        """Return the regions of each parcellation that is read beside the cohort's own."""
        keys = [*self.names("connectivity"), *self.names("measures")]
        names = {key.rpartition("/")[0] for key in keys} - {""}
        return {n: self.cohort.parcellations[n].regions.index.tolist() for n in sorted(names)}

    def names(self, kind: str) -> list[str]:
        """Return the names that are read of ``connectivity``, ``measures`` or ``images``."""
        return [name.split("/", 1)[1] for name in self.reads if name.startswith(f"{kind}/")]

    def with_phenotypes(self, phenotypes: np.ndarray | None) -> "SubjectData":
        """Return the same data beside a design matrix (S, P)."""
        other = copy.copy(self)
        if phenotypes is not None:
            phenotypes = phenotypes.astype(np.float32)
            phenotypes[~self._has("phenotypes", np.arange(len(self)))] = 0
        other.phenotypes = phenotypes
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
        size += n * sum(whose(self.cohort, k)[0].n_regions ** 2 for k in self.names("connectivity"))
        size += n * sum(whose(self.cohort, k)[0].n_regions for k in self.names("measures"))
        for name in self.names("images"):
            size += n * int(np.prod(self.shapes[name]))
        return 4 * size

    def expect(self, batches: Sequence[np.ndarray]) -> None:
        """Say which rows will be asked for, in order: each is read while those before are used."""
        if self._whole is None:
            self._ahead = ReadAhead(self._read, batches)

    def batch(self, rows: np.ndarray) -> BrainBatch:
        """Return the participants of some rows, padded to the longest of them."""
        if self._whole is None:
            batch = (self._ahead or self._read)(rows).to(self.device)
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
        batch.present = {name: torch.from_numpy(one[rows]) for name, one in self.present.items()}
        if self.lengths is not None:
            batch.lengths = torch.from_numpy(self.lengths[rows])
            batch.series = torch.from_numpy(self._series(rows))
        for name in self.names("connectivity"):
            batch.connectivity[name] = self._rows_of("connectivity", name, rows)
        for name in self.names("measures"):
            batch.measures[name] = self._rows_of("measures", name, rows)
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
            if not len(one):
                continue
            self._check_finite(one, row, "series")
            padded[i, : len(one)] = _standardized(one) if self.standardize else one
        return padded

    def _rows_of(self, kind: str, name: str, rows: np.ndarray) -> torch.Tensor:
        cohort, own = whose(self.cohort, name)
        part = np.asarray(getattr(cohort, kind)[own][rows], dtype=np.float32)
        part[~self._has(f"{kind}/{name}", rows)] = 0
        for row, one in zip(rows, part, strict=True):
            self._check_finite(one, row, name)
        return torch.from_numpy(part)

    def _has(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Tell who of some rows has what is read."""
        return self.present[name][rows] if name in self.present else np.ones(len(rows), dtype=bool)

    def _grid(self, name: str) -> tuple[int, ...]:
        """Return the shape of the images of a modality: that of the first."""
        if self.volumes is not None and self.volumes.shape is not None:
            return self.volumes.shape
        row = self.cohort.images[name].notna().to_numpy().argmax()
        path = self.cohort.images[name].iloc[row]
        if not isinstance(path, str):
            raise ValueError(
                f"nobody has an image {name!r}. Leave it out of what the network reads."
            )
        return self._volume(path).shape

    def _images(self, rows: np.ndarray, name: str) -> torch.Tensor:
        shape = self.shapes[name]
        volumes = np.zeros((len(rows), 1, *shape), dtype=np.float32)
        there = self._has(f"images/{name}", rows)
        for i, row in zip(np.flatnonzero(there), rows[there], strict=True):
            volume = self._volume(self.cohort.images[name].iloc[row])
            self._check_finite(volume, row, name)
            if volume.shape != shape:
                raise ValueError(
                    f"the images {name!r} must have one grid, got {shape} and, for "
                    f"{self.cohort.participant_ids[row]}, {volume.shape}. Write volumes="
                    "Volumes(spacing=2.0, shape=(96, 112, 96)), which resamples them."
                )
            volumes[i, 0] = volume
        return torch.from_numpy(volumes)

    def _volume(self, path: str) -> np.ndarray:
        """Read one image (D, H, W), to the right, front and top."""
        if self.volumes is not None:
            return self.volumes.read(path)
        image: Any = nib.as_closest_canonical(nib.load(path))
        volume = np.asarray(image.dataobj, dtype=np.float32)
        return (volume - volume.mean()) / (volume.std() or 1.0) if self.standardize else volume

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
    if kind in ("connectivity", "measures"):
        cohort, key = whose(cohort, key)
    there = list(getattr(cohort, kind))
    if key not in there:
        hint = f"cohort.assign({kind}={{{key!r}: ...}})"
        raise ValueError(
            f"the network reads {kind} {key!r} and the cohort has {there or 'none'}. Add it with "
            f"{hint}, or name one of those in the parameters of the network."
        )
