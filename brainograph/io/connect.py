"""From the series of a cohort to its matrices: whoever cannot have them is a failure."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import track
from threadpoolctl import threadpool_limits

from brainograph.cohort import Cohort
from brainograph.connectivity.morphometric import profile_similarity
from brainograph.connectivity.series import constant_regions
from brainograph.connectivity.static import Kind, Shrinkage, static
from brainograph.io.collect import failure_table

__all__ = ["connect", "connect_profiles"]


def connect(
    cohort: Cohort,
    kinds: Mapping[str, Kind],
    *,
    shrinkage: Mapping[str, Shrinkage | float] | None = None,
    n_jobs: int = 1,
    progress: bool = True,
) -> Cohort:
    """Add connectivity matrices to a cohort of series.

    Parameters
    ----------
    cohort : Cohort (S)
        With ``timeseries``.
    kinds : mapping of name to kind
        The matrices to compute, see :func:`~brainograph.connectivity.static`.
    shrinkage : mapping of name to "ledoit_wolf", "oas" or float in [0, 1], optional
        How the covariance behind a matrix is shrunk; plain estimates by default. Partial
        correlations need it where scans have fewer volumes than regions.
    n_jobs : int
        Participants at a time.
    progress : bool
        Whether a terminal shows a progress bar.

    Returns
    -------
    Cohort
        With the matrices, without the participants who cannot have them (too few volumes): they
        are in ``failures``. Regions without signal are named in ``provenance["empty_regions"]``.

    Raises
    ------
    ValueError
        If no participant can have them, or ``shrinkage`` names a matrix that is not computed.

    Examples
    --------
    >>> series = [np.random.default_rng(0).normal(size=(50, 2)), np.zeros((2, 2))]
    >>> cohort = Cohort(pd.DataFrame(index=["a", "b"]), pd.DataFrame(index=["r1", "r2"]), series)
    >>> connected = connect(cohort, {"fc": "correlation"})
    >>> connected.participant_ids, connected.failures["participant_id"].tolist()
    (['a'], ['b'])
    """
    series, shrunk = cohort.timeseries or (), dict(shrinkage or {})
    if strange := sorted(set(shrunk) - set(kinds)):
        raise ValueError(f"shrinkage names {strange}; the matrices are {sorted(kinds)}.")
    console = Console(stderr=True)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", UserWarning)  # constant regions: told below, by name
        made = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")(
            delayed(_matrices)(one, kinds, shrunk) for one in series
        )
        disable = not (progress and console.is_terminal)
        bar = track(made, "Connecting", total=len(series), console=console, disable=disable)
        outcomes = dict(zip(cohort.participant_ids, bar, strict=True))
    matrices = [outcome for outcome in outcomes.values() if not isinstance(outcome, str)]
    reasons = {name: text for name, text in outcomes.items() if isinstance(text, str)}
    if not matrices:
        name, text = next(iter(reasons.items()), ("No series", "the cohort is empty"))
        raise ValueError(f"No participant can have these matrices. {name}: {text}")
    failures = failure_table([(name, "timeseries", text) for name, text in reasons.items()])
    kept = cohort[[name not in reasons for name in outcomes]]
    empty = cohort.provenance.get("empty_regions") or _name_constant(kept)
    return kept.assign(
        connectivity={name: np.stack([one[name] for one in matrices]) for name in kinds},
        failures=pd.concat([cohort.failures, failures], ignore_index=True),
        provenance={"connectivity": dict(kinds), "empty_regions": empty}
        | ({"shrinkage": shrunk} if shrunk else {}),
    )


def _matrices(
    series: np.ndarray, kinds: Mapping[str, Kind], shrinkage: Mapping[str, Shrinkage | float]
) -> dict[str, np.ndarray] | str:
    """Return the matrices of one participant, or the reason why there are none."""
    try:
        return {
            name: static(series, kind=kind, shrinkage=shrinkage.get(name))
            for name, kind in kinds.items()
        }
    except ValueError as error:
        return str(error)


def _name_constant(cohort: Cohort) -> list[str]:
    """Name the regions without signal, with the number of participants, and warn."""
    constant: Sequence[np.ndarray] = constant_regions(list(cohort.timeseries or ()))
    counts = Counter(cohort.regions.index[i] for regions in constant for i in regions)
    named = [f"{name} ({n})" for name, n in counts.most_common()]
    if named:
        warnings.warn(
            f"{len(named)} of {cohort.n_regions} regions are constant in some participants, their "
            "rows and columns of the matrices are 0 there. Region (number of participants): "
            f"{', '.join(named[:8])}{', ...' if len(named) > 8 else '.'}",
            stacklevel=3,
        )
    return named


def connect_profiles(cohort: Cohort, name: str = "morph") -> Cohort:
    """Add the similarity of the regions' profiles of measures, which needs no series.

    Parameters
    ----------
    cohort : Cohort (S)
        With three measures or more, such as thickness, area and volume.
    name : str
        Of the matrices, see :func:`~brainograph.connectivity.profile_similarity`.

    Returns
    -------
    Cohort
        With the matrices; rows of regions that lack a measure, as aseg's lack a thickness, are 0.

    Raises
    ------
    ValueError
        For fewer than three measures.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=(3, 2, 4))
    >>> ids, regions = pd.DataFrame(index=["a", "b"]), pd.DataFrame(index=list("rstu"))
    >>> measures = dict(zip(["thickness", "area", "volume"], values, strict=True))
    >>> connect_profiles(Cohort(ids, regions, measures=measures)).connectivity["morph"].shape
    (2, 4, 4)
    """
    if len(cohort.measures) < 3:
        raise ValueError(
            f"profiles of regions need three measures or more, got {list(cohort.measures)}. Add "
            "the tables of others, such as thickness, area and volume."
        )
    profiles = np.stack([np.asarray(values) for values in cohort.measures.values()], axis=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the same regions for everybody: told below
        matrices = np.stack([profile_similarity(one) for one in profiles]).astype(np.float32)
    lacking = cohort.regions.index[np.isnan(profiles).any(axis=(0, 2))].tolist()
    if lacking:
        warnings.warn(
            f"{len(lacking)} of {cohort.n_regions} regions lack a measure, their rows and columns "
            f"of {name} are 0: {', '.join(lacking[:5])}. Leave them out, as --no-aseg does.",
            stacklevel=2,
        )
    return cohort.assign(connectivity={name: matrices}, provenance={"profiles": name})
