"""Who has what a network reads, where somebody in the cohort lacks a modality."""

from collections.abc import Mapping, Sequence

import numpy as np

from brainograph.cohort import Cohort
from brainograph.preprocessing.parcellation import whose

__all__ = ["check_learnt", "find_present"]

_MODALITIES = ("series", "connectivity", "measures", "images")


def find_present(
    cohort: Cohort, reads: Sequence[str], *, missing_ok: bool, phenotypes: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Tell who has each modality that a network reads.

    A path that is NaN, a matrix or a measure that is NaN in all its cells and a series without a
    volume are absent, and phenotypes where all of them are missing. Where only some are, or the
    network needs them, they are filled in.

    Parameters
    ----------
    cohort : Cohort (S)
        With all names of ``reads``.
    reads : sequence of str
        As ``"images/T1w"``.
    missing_ok : bool
        Whether the network can do with some of them.
    phenotypes : sequence of str
        Columns, for a network to which they are a modality like others.

    Returns
    -------
    dict of name to array (S,) of bool
        Nothing for a network that needs them all.

    Raises
    ------
    ValueError
        If somebody lacks what the network cannot do without, or has nothing at all; it says who.

    Examples
    --------
    >>> import pandas as pd
    >>> ids = pd.Index(["a", "b"], name="participant_id")
    >>> images = pd.DataFrame({"T1w": ["a.nii", "b.nii"], "pet": [None, "pet.nii"]}, index=ids)
    >>> cohort = Cohort(pd.DataFrame(index=ids), pd.DataFrame(), images=images)
    >>> find_present(cohort, ["images/T1w", "images/pet"], missing_ok=True)["images/pet"].tolist()
    [False, True]
    """
    names = [name for name in reads if name.partition("/")[0] in _MODALITIES]
    present = {name: _has(cohort, name) for name in names}
    if missing_ok and len(phenotypes) and "phenotypes" in reads:
        there = cohort.phenotype[list(phenotypes)].notna().any(axis=1)
        present["phenotypes"] = there.to_numpy()
    if not missing_ok:
        for name, there in present.items():
            if name != "series":  # a scan without a volume is one that is too short
                _refuse_absent(cohort, name, there)
        return {}
    nothing = ~np.any(list(present.values()), axis=0) if present else np.zeros(len(cohort), bool)
    if nothing.any():
        raise ValueError(
            f"{nothing.sum()} participants have none of {[*present]}: {_who(cohort, nothing)}. "
            "Leave them out: there is nothing to learn from or to predict by."
        )
    return present


def check_learnt(present: Mapping[str, np.ndarray], rows: np.ndarray) -> None:
    """Refuse a modality that nobody has among the rows that are learnt from.

    Raises
    ------
    ValueError
        It names the modality.
    """
    for name, there in present.items():
        if not there[rows].any():
            raise ValueError(
                f"nobody of the {len(rows)} participants that are learnt from has {name!r}. Leave "
                "it out of what the network reads, or learn from participants who have it."
            )


def _has(cohort: Cohort, name: str) -> np.ndarray:
    """Tell who has one modality (S,)."""
    kind, _, key = name.partition("/")
    if kind == "series":
        return np.array([len(one) > 0 for one in cohort.timeseries or ()], dtype=bool)
    if kind == "images":
        return cohort.images[key].notna().to_numpy()
    part, key = whose(cohort, key)
    values = getattr(part, kind)[key]
    there = np.ones(len(cohort), dtype=bool)
    if values[0].size if len(values) else 0:
        # Only a row that begins with NaN can be NaN throughout: the others stay on disk.
        suspects = np.flatnonzero(np.isnan(values[(slice(None), *[0] * (values.ndim - 1))]))
        there[[row for row in suspects if np.isnan(values[row]).all()]] = False
    return there


def _refuse_absent(cohort: Cohort, name: str, there: np.ndarray) -> None:
    if there.all():
        return
    kind, _, key = name.partition("/")
    singular = {"images": "image", "measures": "measure"}.get(kind, kind)
    raise ValueError(
        f"{(~there).sum()} participants have no {singular} {key!r}: {_who(cohort, ~there)}. The "
        "network needs it of everybody: leave them out, or take a network that can do with what "
        "there is (missing_ok)."
    )


def _who(cohort: Cohort, which: np.ndarray) -> list[str]:
    return [cohort.participant_ids[row] for row in np.flatnonzero(which)[:5]]
