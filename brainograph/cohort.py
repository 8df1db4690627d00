"""The cohort: subjects by regions, and everything that is aligned to them."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainograph.cohort_files import read_members, write_members
from brainograph.files import replace_on_success, sampled_digest

__all__ = ["Cohort"]

_FAILURE_COLUMNS = ["participant_id", "source", "reason"]


def _named_rows(table: pd.DataFrame, *, member: str, name: str) -> pd.DataFrame:
    """Return the table with a text index called ``name`` and refuse repeated row names."""
    if name in table.columns:
        table = table.set_index(name)
    table = table.set_axis(table.index.astype(str)).rename_axis(name)
    repeated = table.index[table.index.duplicated()].unique().tolist()
    if repeated:
        raise ValueError(
            f"{member} has {name} {repeated[:5]} more than once. Keep one row for each, "
            f"for example {member}[~{member}.index.duplicated()]."
        )
    return table


def _text(value: Any) -> str:
    """Write a value; whole numbers without a point, as they may be read back as either."""
    if isinstance(value, (float, np.floating)) and value.is_integer():
        return str(int(value))
    return str(value)


def _named_sites(phenotype: pd.DataFrame) -> pd.DataFrame:
    """Return the phenotype with sites as text; missing ones stay missing."""
    if "site" not in phenotype or all(isinstance(s, str) for s in phenotype["site"].dropna()):
        return phenotype
    text = phenotype["site"].astype(object).map(_text, na_action="ignore")
    return phenotype.assign(site=text)


@dataclass(frozen=True, eq=False, repr=False)
class Cohort:
    """Participants, brain regions, and what was measured of them, kept aligned.

    A cohort is sliced as one (``cohort[mask]``), saved as one and passed as ``X`` to
    scikit-learn: ``cross_validate``, ``GridSearchCV`` and a ``Pipeline`` take it as they take an
    array. It is frozen: :meth:`assign` returns a new one. S subjects, T volumes, R regions.

    Parameters
    ----------
    phenotype : DataFrame (S, .)
        One row for each participant, indexed by ``participant_id`` (or with that column). BIDS
        names: ``site`` (made text), ``age`` (years), ``sex``, ``diagnosis``, ``mean_fd`` (mm),
        ``repetition_time`` (s).
    regions : DataFrame (R, .)
        One row for each region, indexed by region name (or with a ``region`` column); ``label``
        is the value in the atlas, ``x``, ``y``, ``z`` are MNI millimetres.
    timeseries : S arrays (T_s, R), optional
        Regional series; lengths may differ.
    connectivity : mapping of name to array (S, R, R), optional
        Matrices by name: ``fc``, ``sc``, ``morph`` or any other.
    measures : mapping of name to array (S, R), optional
        Regional measures by name: ``thickness``, ``volume`` and the like.
    images : DataFrame (S, modality), optional
        Paths of images, read where they are used.
    parcellations : mapping of name to Cohort (S), optional
        The same participants, in the same order, in other regions: a second atlas, FreeSurfer's
        regions. Each has its own regions, series, connectivity and measures; its phenotype is
        this one. :func:`~brainograph.cohort_merge.merge` aligns cohorts that were read apart.
    failures : DataFrame, optional
        What could not be read: ``participant_id``, ``source``, ``reason``. Not sliced.
    provenance : mapping, optional
        Where the data came from: source, atlas, confound strategy, versions. Not sliced.

    Raises
    ------
    ValueError
        If the members do not fit each other; the message has the shapes given and needed.

    Examples
    --------
    >>> cohort = Cohort(
    ...     pd.DataFrame({"age": [20, 30]}, index=["sub-01", "sub-02"]),
    ...     pd.DataFrame(index=["Left Amygdala", "Right Amygdala"]),
    ...     timeseries=[np.zeros((90, 2)), np.zeros((120, 2))],
    ... )
    >>> cohort
    Cohort of 2 participants, 2 regions: timeseries of 90 to 120 volumes
    >>> cohort[cohort.phenotype["age"] > 25].participant_ids
    ['sub-02']
    """

    phenotype: pd.DataFrame
    regions: pd.DataFrame
    timeseries: Sequence[np.ndarray] | None = None
    connectivity: Mapping[str, np.ndarray] = field(default_factory=dict)
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    images: pd.DataFrame = field(default_factory=pd.DataFrame)
    parcellations: Mapping[str, "Cohort"] = field(default_factory=dict)
    failures: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=_FAILURE_COLUMNS))
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Bring the members to one form and check that they fit each other."""
        phenotype = _named_rows(self.phenotype, member="phenotype", name="participant_id")
        phenotype = _named_sites(phenotype)
        regions = _named_rows(self.regions, member="regions", name="region")
        n_subjects, n_regions = len(phenotype), len(regions)
        members: dict[str, Any] = {
            "phenotype": phenotype,
            "regions": regions,
            "connectivity": dict(self.connectivity),
            "measures": dict(self.measures),
            "provenance": dict(self.provenance),
            "failures": self.failures[_FAILURE_COLUMNS],
        }
        if self.timeseries is not None:
            members["timeseries"] = tuple(self.timeseries)
            self._check_series(members["timeseries"], phenotype.index, n_regions)
        for member, shape in (
            ("connectivity", (n_subjects, n_regions, n_regions)),
            ("measures", (n_subjects, n_regions)),
        ):
            for name, array in members[member].items():
                if np.shape(array) != shape:
                    raise ValueError(
                        f"{member}[{name!r}] has shape {np.shape(array)}, needed is {shape}: "
                        f"{n_subjects} participants and {n_regions} regions."
                    )
        members["images"] = self._aligned_images(phenotype.index)
        members["parcellations"] = self._aligned_parcellations(phenotype)
        for name, value in members.items():
            object.__setattr__(self, name, value)

    @staticmethod
    def _check_series(series: tuple[np.ndarray, ...], ids: pd.Index, n_regions: int) -> None:
        if len(series) != len(ids):
            raise ValueError(
                f"timeseries has {len(series)} arrays for {len(ids)} participants; "
                "give one (volumes, regions) array for each row of phenotype."
            )
        for participant, array in zip(ids, series, strict=True):
            if array.ndim != 2 or array.shape[1] != n_regions:
                raise ValueError(
                    f"the series of {participant} has shape {array.shape}, needed is "
                    f"(volumes, {n_regions}), one column for each row of regions."
                )

    def _aligned_images(self, ids: pd.Index) -> pd.DataFrame:
        if not len(self.images.columns):
            return pd.DataFrame(index=ids)
        images = _named_rows(self.images, member="images", name="participant_id")
        strangers = sorted(set(images.index) - set(ids))
        if strangers:
            raise ValueError(
                f"images has participants that phenotype lacks: {strangers[:5]}. "
                "Add their rows to phenotype or drop them from images."
            )
        return images.reindex(ids)

    def _aligned_parcellations(self, phenotype: pd.DataFrame) -> dict[str, "Cohort"]:
        """Give the parcellations this phenotype; refuse other participants or another order."""
        for name, cohort in self.parcellations.items():
            if not cohort.phenotype.index.equals(phenotype.index):
                same = set(cohort.participant_ids) == set(phenotype.index)
                raise ValueError(
                    f"parcellations[{name!r}] has "
                    f"{'the participants in another order' if same else 'other participants'}: "
                    f"{len(cohort)}, and the cohort {len(phenotype)}. Write "
                    f"merge({{'main': cohort, {name!r}: other}}), which brings them in line."
                )
            if cohort.parcellations:
                raise ValueError(
                    f"parcellations[{name!r}] has parcellations of its own: "
                    f"{', '.join(cohort.parcellations)}. Give them side by side."
                )
        return {
            name: replace(cohort, phenotype=phenotype)
            for name, cohort in self.parcellations.items()
        }

    def __repr__(self) -> str:
        parts = []
        if self.timeseries:
            lengths = [len(series) for series in self.timeseries]
            parts.append(f"timeseries of {min(lengths)} to {max(lengths)} volumes")
        for member in ("connectivity", "measures"):
            if names := list(getattr(self, member)):
                parts.append(f"{member} {', '.join(names)}")
        if len(self.images.columns):
            parts.append(f"images {', '.join(map(str, self.images.columns))}")
        others = [f"{name} ({one.n_regions} regions)" for name, one in self.parcellations.items()]
        if others:
            parts.append(f"parcellations {', '.join(others)}")
        text = f"Cohort of {len(self)} participants, {self.n_regions} regions"
        return f"{text}: {'; '.join(parts)}" if parts else text

    def __getstate__(self) -> dict[str, Any]:
        """Send the series as the one array they are rows of: a memory map stays one map."""
        return {**self.__dict__, "timeseries": _stacked(self.timeseries)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Cut the series out of their array again."""
        if state["timeseries"] is not None:
            array, starts, stops = state["timeseries"]
            series = tuple(array[i:j] for i, j in zip(starts, stops, strict=True))
            state = {**state, "timeseries": series}
        self.__dict__.update(state)

    def __len__(self) -> int:
        return len(self.phenotype)

    @property
    def shape(self) -> tuple[int, int]:
        """``(S, R)``, as scikit-learn's splitters ask for."""
        return len(self), len(self.regions)

    @property
    def n_regions(self) -> int:
        """R, the number of regions."""
        return len(self.regions)

    @property
    def participant_ids(self) -> list[str]:
        """The participants, in row order."""
        return self.phenotype.index.tolist()

    def __getitem__(self, key: Any) -> "Cohort":
        """Return the participants of a boolean mask, a slice or positions, in that order."""
        if isinstance(key, tuple):  # scikit-learn asks for cohort[rows, ...]
            if not key or any(one is not Ellipsis for one in key[1:]):
                raise IndexError(
                    f"a cohort is indexed by participants only, got {len(key)} indices. Write "
                    "cohort[rows]; for several rows cohort[[1, 2]]."
                )
            key = key[0]
        if _is_list(key):
            key = np.asarray(key, dtype=None if len(key) else int)
        rows = np.atleast_1d(np.arange(len(self))[key])
        series = self.timeseries
        return replace(
            self,
            phenotype=self.phenotype.iloc[rows],
            timeseries=None if series is None else tuple(series[row] for row in rows),
            connectivity={name: array[rows] for name, array in self.connectivity.items()},
            measures={name: array[rows] for name, array in self.measures.items()},
            images=self.images.iloc[rows],
            parcellations={name: one[rows] for name, one in self.parcellations.items()},
        )

    def locate(self, participant_ids: Iterable[str]) -> np.ndarray:
        """Return the row of each participant, -1 for one who is not here."""
        return self.phenotype.index.get_indexer(pd.Index(list(participant_ids), dtype=object))

    def units(self, group: str | None = None) -> pd.Series:
        """Return who must stay together (S,): the value of a column, else the participant.

        Parameters
        ----------
        group : str, optional
            Phenotype column; a participant without a value is a unit of their own.

        Examples
        --------
        >>> phenotype = pd.DataFrame({"family": ["f1", "f1", None]}, index=["a", "b", "c"])
        >>> Cohort(phenotype, pd.DataFrame(index=["r1"])).units("family").tolist()
        ['f1', 'f1', 'c']
        """
        units = self.phenotype.index.to_series().astype(object)
        if group is not None:
            column = self.phenotype[group]
            units = column.astype(object).where(column.notna(), units)
        return units.astype(str)

    def assign(
        self,
        *,
        phenotype: pd.DataFrame | None = None,
        regions: pd.DataFrame | None = None,
        timeseries: Sequence[np.ndarray] | None = None,
        connectivity: Mapping[str, np.ndarray] | None = None,
        measures: Mapping[str, np.ndarray] | None = None,
        images: pd.DataFrame | None = None,
        parcellations: Mapping[str, "Cohort"] | None = None,
        failures: pd.DataFrame | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> "Cohort":
        """Return a new cohort with the given members replaced.

        ``connectivity``, ``measures``, ``parcellations`` and ``provenance`` are added to those
        that are there, by name; the other members take the place of the old. A phenotype of new
        names renames the participants, row by row.

        Raises
        ------
        ValueError
            If the members do not fit each other, or if ``phenotype`` has the participants in
            another order, or some of them only, and arrays would stay in the old rows.

        Examples
        --------
        >>> cohort = Cohort(pd.DataFrame(index=["a"]), pd.DataFrame(index=["r1", "r2"]))
        >>> list(cohort.assign(connectivity={"fc": np.zeros((1, 2, 2))}).connectivity)
        ['fc']
        """
        others = {**self.parcellations, **(parcellations or {})}
        if phenotype is not None:
            given = (connectivity or {}, measures or {}, parcellations or {})
            self._check_rows(phenotype, timeseries, *given)
            kept = [name for name in self.parcellations if name not in given[-1]]
            others |= {name: replace(others[name], phenotype=phenotype) for name in kept}
        return Cohort(
            self.phenotype if phenotype is None else phenotype,
            self.regions if regions is None else regions,
            timeseries=self.timeseries if timeseries is None else timeseries,
            connectivity={**self.connectivity, **(connectivity or {})},
            measures={**self.measures, **(measures or {})},
            images=self.images if images is None else images,
            parcellations=others,
            failures=self.failures if failures is None else failures,
            provenance={**self.provenance, **(provenance or {})},
        )

    def _check_rows(
        self,
        phenotype: pd.DataFrame,
        timeseries: Sequence[np.ndarray] | None,
        connectivity: Mapping[str, np.ndarray],
        measures: Mapping[str, np.ndarray],
        parcellations: Mapping[str, "Cohort"],
    ) -> None:
        """Refuse rows that move, unless every array is given anew: renaming everybody is fine."""
        ids = _named_rows(phenotype, member="phenotype", name="participant_id").index
        if ids.equals(self.phenotype.index) or set(ids).isdisjoint(self.phenotype.index):
            return
        stay = ["timeseries"] if self.timeseries is not None and timeseries is None else []
        for member, given in (
            ("connectivity", connectivity),
            ("measures", measures),
            ("parcellations", parcellations),
        ):
            stay += [f"{member}[{name!r}]" for name in getattr(self, member) if name not in given]
        if stay:
            raise ValueError(
                "phenotype must have the participants of the cohort in their order, got others or "
                f"another order, and these would stay as they are: {', '.join(stay)}. Write "
                "phenotype=phenotype.loc[cohort.participant_ids], or give these too."
            )

    def fingerprint(self) -> str:
        """Return a SHA-256 of the data: the same whatever the order of the rows.

        Of images it knows what is in the files, by samples, and not where they are: they may move.
        """
        digests = []
        texts = [
            np.where(column.isna(), "nan", [_text(value) for value in column.to_numpy()])
            for _, column in self.phenotype.sort_index(axis=1).items()
        ]
        for row, participant in enumerate(self.participant_ids):
            digest = hashlib.sha256(participant.encode())
            digest.update("\t".join(text[row] for text in texts).encode())
            if self.timeseries is not None:
                digest.update(np.ascontiguousarray(self.timeseries[row]).tobytes())
            for member in (self.connectivity, self.measures):
                for name in sorted(member):
                    digest.update(name.encode() + np.ascontiguousarray(member[name][row]).tobytes())
            for name, path in self.images.iloc[row].dropna().sort_index().items():
                digest.update(f"{name}\t{sampled_digest(path)}".encode())
            digests.append(digest.digest())
        digests.append("\t".join(self.regions.index).encode())
        digests += [f"{n}\t{one.fingerprint()}".encode() for n, one in self.parcellations.items()]
        return hashlib.sha256(b"".join(sorted(digests))).hexdigest()

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the cohort as a folder of TSV, ``.npy`` and JSON, whole or not at all.

        Parameters
        ----------
        folder : path
            The folder to make.
        overwrite : bool
            Whether a cohort that is there may be replaced.

        Returns
        -------
        path
            The folder.

        Raises
        ------
        FileExistsError
            If the folder exists and ``overwrite`` is not set, or if it is not a cohort.
        """
        folder = Path(folder)
        is_cohort = (folder / "cohort.json").is_file()
        occupied = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        if occupied and not (overwrite and is_cohort):
            hint = "Write overwrite=True to replace it" if is_cohort else "It is not a cohort"
            raise FileExistsError(f"{folder} exists. {hint}, or choose another folder.")
        with replace_on_success(folder) as part:
            part.mkdir()
            write_members(self, part)
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Cohort":
        """Open a saved cohort; the arrays stay on disk (memory-mapped) until they are used.

        Raises
        ------
        FileNotFoundError
            If the folder is not a saved cohort.
        ValueError
            If it is damaged or of a later version.
        """
        members = read_members(Path(folder))
        members["parcellations"] = {
            name: cls(**others) for name, others in members["parcellations"].items()
        }
        return cls(**members)


def _stacked(
    series: Sequence[np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return one array and where each series starts and stops in it."""
    if series is None:
        return None
    lengths = np.array([len(one) for one in series], dtype=int)
    base = series[0].base if len(series) else None
    if isinstance(base, np.ndarray) and all(_is_rows(one, base) for one in series):
        starts = np.array([_offset(one, base) for one in series], dtype=int) // base.strides[0]
        return base, starts, starts + lengths
    stops = np.cumsum(lengths)
    stacked = np.concatenate(series) if len(series) else np.zeros((0, 0))
    return stacked, stops - lengths, stops


def _offset(part: np.ndarray, base: np.ndarray) -> int:
    """Return the bytes from the start of one array to that of another."""
    return part.__array_interface__["data"][0] - base.__array_interface__["data"][0]


def _is_rows(part: np.ndarray, base: np.ndarray) -> bool:
    """Return whether an array is some whole, successive rows of the other."""
    return (
        part.base is base
        and base.flags.c_contiguous
        and (part.dtype, part.strides, part.shape[1:]) == (base.dtype, base.strides, base.shape[1:])
        and base.strides[0] > 0
        and _offset(part, base) % base.strides[0] == 0
    )


def _is_list(key: Any) -> bool:
    return not isinstance(key, (slice, int, np.integer))
