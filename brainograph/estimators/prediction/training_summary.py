"""What the training participants were like, in numbers of the group, and who is unlike them."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from brainograph.cohort import Cohort
from brainograph.estimators.prediction.connectivity_range import ConnectivityRange
from brainograph.estimators.prediction.silence import silent_regions
from brainograph.files import write_json

__all__ = ["TrainingSummary"]

_FILE = "training.json"
_USUAL = 0.99
_READING = (
    "layout", "strategy", "atlas", "atlas_sha256", "task", "space", "confounds", "runs", "contents",
    "connectivity", "shrinkage",
)  # fmt: skip
_UNITS = {"age": " years", "repetition_time": " s", "n_volumes": " volumes"}
_WORDS = {"repetition_time": "repetition time", "n_volumes": "scan length"}


@dataclass(frozen=True)
class TrainingSummary:
    """The training participants as a group: what a later cohort is compared with.

    It holds ranges, names of sites, and the mean and deviation of each connection: numbers of the
    group, of nobody alone but those at the ends of a range.

    Parameters
    ----------
    n_participants : int
        How many had a label.
    counts : dict of str to int
        Participants of each class.
    ranges : dict of str to (float, float)
        Smallest and largest ``age`` (years), ``repetition_time`` (s) and ``n_volumes``; for
        ``mean_fd`` (mm) and ``silent_regions`` 0 and what 99 % do not exceed.
    levels : dict of str to list of str
        The values of ``site`` and ``sex``.
    reading : dict
        How the scans were read: layout, atlas, confounds, kinds of connectivity.
    connectivity : ConnectivityRange, optional
        Mean and deviation of each connection.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(n_subjects=60, missing=0.0, random_state=0)
    >>> summary = TrainingSummary.of(cohort[:50], cohort.phenotype["diagnosis"].to_numpy()[:50])
    >>> summary.levels["site"]
    ['site01', 'site02', 'site03']
    >>> other = cohort.phenotype.assign(site="elsewhere")[50:51]
    >>> summary.compare(cohort[50:51].assign(phenotype=other))["warnings"].item()
    "site 'elsewhere' was not in training"
    """

    n_participants: int
    counts: Mapping[str, int]
    ranges: Mapping[str, tuple[float, float]]
    levels: Mapping[str, list[str]]
    reading: Mapping[str, Any] = field(default_factory=dict)
    connectivity: ConnectivityRange | None = None

    @classmethod
    def of(cls, cohort: Cohort, y: np.ndarray) -> Self:
        """Summarise those who have a label.

        Parameters
        ----------
        cohort : Cohort (S)
            Participants.
        y : array (S,)
            Their labels, -1 (of a number NaN) for none.
        """
        y = np.asarray(y)
        cohort, y = cohort[np.isfinite(y) & (y != -1)], y[np.isfinite(y) & (y != -1)]
        classes = np.unique(y).tolist() if y.dtype.kind in "iu" else []
        name = _first_matrix(cohort)
        numbers = _numbers(cohort)
        return cls(
            len(cohort),
            {str(k): int((y == k).sum()) for k in classes},
            {key: _range(key, values) for key, values in numbers.items() if values.notna().any()},
            {
                key: sorted(cohort.phenotype[key].dropna().map(str).unique())
                for key in ("site", "sex")
                if key in cohort.phenotype
            },
            {key: cohort.provenance[key] for key in _READING if cohort.provenance.get(key)},
            None if name is None else ConnectivityRange.of(cohort, name),
        )

    def compare(self, cohort: Cohort) -> pd.DataFrame:
        """Say in plain words what of each participant was not met in training.

        Returns
        -------
        DataFrame (S, .)
            By participant: ``silent_regions`` (number), ``connectivity_distance`` (deviations for
            each connection, root mean square) and ``warnings`` (sentences with ``"; "`` between
            them, empty for none), as far as there is the data.
        """
        numbers, silent = _numbers(cohort), silent_regions(cohort)
        said: list[list[str]] = [[] for _ in range(len(cohort))]
        for key, values in cohort.phenotype.items():
            if key in self.levels:
                for row, value in enumerate(values):
                    said[row] += self._of_level(str(key), value)
        for key in [name for name in self.ranges if name != "silent_regions"]:
            values = numbers.get(key, pd.Series(np.nan, index=cohort.phenotype.index))
            for row, value in enumerate(values):
                said[row] += self._of_number(key, float(value))
        table = pd.DataFrame(index=cohort.phenotype.index)
        if silent is not None:
            table["silent_regions"] = silent.map(len).astype(int)
            for row, names in enumerate(silent):
                said[row] += self._of_silence(names)
        if self.connectivity is not None and self.connectivity.name in cohort.connectivity:
            distance = self.connectivity.distance(cohort)
            table["connectivity_distance"] = distance.round(4)
            for row, far in enumerate(distance > self.connectivity.usual):
                if far:
                    said[row].append(
                        f"connectivity is {distance[row]:.2f} deviations from the training mean, "
                        f"99 % of training participants are within {self.connectivity.usual:.2f}"
                    )
        return table.assign(warnings=["; ".join(one) for one in said])

    def _of_level(self, key: str, value: Any) -> list[str]:
        if pd.isna(value):
            return [f"{key} is not known"]
        known = str(value) in self.levels[key]
        return [] if known else [f"{key} {str(value)!r} was not in training"]

    def _of_silence(self, names: list[str]) -> list[str]:
        _, usual = self.ranges.get("silent_regions", (0, 0))
        if len(names) <= usual:
            return []
        listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        text = f"no signal in {len(names)} region{'s' if len(names) > 1 else ''} ({listed})"
        return [f"{text}, 99 % of training participants have at most {usual:.0f} such"]

    def _of_number(self, key: str, value: float) -> list[str]:
        low, high = self.ranges[key]
        if key == "mean_fd":
            if np.isnan(value):
                return ["head motion is not known"]
            text = f"head motion of {value:.2f} mm is above the {high:.2f} mm"
            return [f"{text} that 99 % of training participants stay below"] if value > high else []
        word, unit = _WORDS.get(key, key), _UNITS.get(key, "")
        if np.isnan(value):
            return [f"{word} is not known"]
        if low <= value <= high or (key == "n_volumes" and value > high):
            return []
        return [f"{word} of {value:g}{unit} is outside the training range, {low:g} to {high:g}"]

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``training.json`` and, of connections, ``training_connectivity.tsv``."""
        content = {
            "n_participants": self.n_participants,
            "counts": self.counts,
            "ranges": self.ranges,
            "levels": self.levels,
            "reading": self.reading,
        }
        if self.connectivity is not None:
            content["connectivity"] = self.connectivity.save(Path(folder))
        write_json(content, Path(folder) / _FILE)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self | None:
        """Read what :meth:`save` wrote; None if the folder has none.

        Raises
        ------
        ValueError
            If a file is damaged.
        """
        path = Path(folder) / _FILE
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            facts = content.pop("connectivity", None)
            known = None if facts is None else ConnectivityRange.load(Path(folder), facts)
            content["ranges"] = {k: (low, high) for k, (low, high) in content["ranges"].items()}
            return cls(**content, connectivity=known)
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise ValueError(
                f"{path} is damaged. Delete it to predict without comparing with the training "
                "participants, or get the model anew."
            ) from error


def _numbers(cohort: Cohort) -> dict[str, pd.Series]:
    """Return what is compared as numbers, as far as the cohort has it."""
    index = cohort.phenotype.index
    numbers = {
        key: pd.to_numeric(cohort.phenotype[key], errors="coerce")
        for key in ("age", "mean_fd", "repetition_time")
        if key in cohort.phenotype
    }
    if cohort.timeseries is not None:
        numbers["n_volumes"] = pd.Series([len(one) for one in cohort.timeseries], index=index)
    silent = silent_regions(cohort)
    return numbers if silent is None else numbers | {"silent_regions": silent.map(len)}


def _range(key: str, values: pd.Series) -> tuple[float, float]:
    if key in ("mean_fd", "silent_regions"):
        return 0.0, float(values.quantile(_USUAL))
    return float(values.min()), float(values.max())


def _first_matrix(cohort: Cohort) -> str | None:
    names = list(cohort.connectivity)
    return "fc" if "fc" in names else next(iter(names), None)
