"""Dynamic brain graphs as data: the windows of a cohort, one participant at a time.

Matrices of windows are larger than anything else of a cohort (13 GB for 1,000 participants and
200 regions), so all of this goes from participant to participant and keeps none.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch_geometric.data import Data

from brainograph.connectivity.dynamic import DynamicKind, Window, sliding_window, window_starts
from brainograph.connectivity.kernel import fisher_z as to_z
from brainograph.connectivity.series import shorten
from brainograph.graphs.brain import dynamic_brain_graph
from brainograph.graphs.sparsify import Sign, sparsify, symmetric

__all__ = [
    "cohort_windows",
    "dynamic_brain_graphs",
    "edge_variability",
    "repetition_times",
]


class Scans(Protocol):
    """What is read of a :class:`~brainograph.cohort.Cohort`."""

    @property
    def participant_ids(self) -> list[str]:
        """S names."""

    @property
    def phenotype(self) -> pd.DataFrame:
        """One row for each participant."""

    @property
    def timeseries(self) -> Sequence[np.ndarray] | None:
        """S arrays (T_s, R)."""


def repetition_times(cohort: Scans, t_r: str | float | None) -> list[float | None]:
    """Return the repetition time (s) of each participant, or None for each.

    Parameters
    ----------
    cohort : Cohort (S)
    t_r : str, float (seconds) or None
        A column of the phenotype, one time for all, or none.

    Raises
    ------
    ValueError
        If the column is not there or has no time above 0 for somebody.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> repetition_times(simulate_cohort(2), "repetition_time")
    [2.0, 2.0]
    """
    n = len(cohort.participant_ids)
    if not isinstance(t_r, str):
        return [t_r] * n
    hint = "Write t_r=2.0 (s), or t_r=None and windows in volumes."
    if t_r not in cohort.phenotype:
        raise ValueError(f"the phenotype has no column {t_r!r} of repetition times. {hint}")
    seconds = pd.to_numeric(cohort.phenotype[t_r], errors="coerce").to_numpy(dtype=float)
    unknown = [p for p, s in zip(cohort.participant_ids, seconds, strict=True) if not s > 0]
    if unknown:
        raise ValueError(
            f"{len(unknown)} of {n} participants have no {t_r}: {shorten(unknown)}. {hint}"
        )
    return seconds.tolist()


def cohort_windows(
    cohort: Scans,
    length: float,
    *,
    step: float = 1,
    t_r: str | float | None = "repetition_time",
    window: Window | ArrayLike = "rectangular",
    kind: DynamicKind = "correlation",
) -> Iterator[NDArray[np.float32]]:
    """Yield the matrices of each participant's windows, in the order of the cohort.

    Parameters
    ----------
    cohort : Cohort (S)
        With series.
    length, step : float (seconds), or int (volumes) with ``t_r=None``
        Of the windows.
    t_r : str, float (seconds) or None
        The column of the phenotype with the repetition times, one for all, or windows in volumes.
    window, kind
        As of :func:`~brainograph.connectivity.sliding_window`.

    Yields
    ------
    array (W_s, R, R) of float32

    Raises
    ------
    ValueError
        For a cohort without series, and for scans shorter than a window; it names them.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(2, n_regions=6, n_volumes=(80, 80))
    >>> [windows.shape for windows in cohort_windows(cohort, 60.0, step=10.0)]
    [(11, 6, 6), (11, 6, 6)]
    """
    if cohort.timeseries is None:
        raise ValueError("the cohort has no series: windows need cohort.assign(timeseries=[...]).")
    times = repetition_times(cohort, t_r)
    scans = list(zip(cohort.participant_ids, cohort.timeseries, times, strict=True))
    short = [
        f"{name}: {len(series)}"
        for name, series, time in scans
        if not len(window_starts(len(series), length, step=step, t_r=time))
    ]
    if short:
        unit = "volumes" if t_r is None else "s"
        raise ValueError(
            f"a window of {length:g} {unit} is longer than {len(short)} of {len(scans)} scans "
            f"(participant: volumes): {shorten(short)}. Choose a shorter one, or leave them out."
        )

    def one(name: str, series: np.ndarray, time: float | None) -> NDArray[np.float32]:
        try:
            return sliding_window(  # type: ignore[return-value]
                series, length, step=step, t_r=time, window=window, kind=kind, dtype="float32"
            )
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error

    return (one(*scan) for scan in scans)


def dynamic_brain_graphs(
    cohort: Scans,
    length: float,
    *,
    step: float = 1,
    t_r: str | float | None = "repetition_time",
    window: Window | ArrayLike = "rectangular",
    density: float | None = 0.1,
    sign: Sign = "positive",
    y: ArrayLike | None = None,
) -> Iterator[Data]:
    """Yield the dynamic brain graph of each participant: one ``Data`` with all its windows.

    Parameters
    ----------
    cohort : Cohort (S)
        With series.
    length, step, t_r, window
        As of :func:`cohort_windows`.
    density, sign
        Which edges stay, as of :func:`~brainograph.graphs.sparsify`.
    y : array (S,), optional
        Targets.

    Yields
    ------
    torch_geometric.data.Data
        As of :func:`~brainograph.graphs.dynamic_brain_graph`, with ``participant_id``; ``x``
        are the windows' correlations before edges are dropped. ``list(...)`` keeps all in memory;
        :func:`~brainograph.graphs.snapshots` cuts one into its windows.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(2, n_regions=6, n_volumes=(80, 80))
    >>> for graph in dynamic_brain_graphs(cohort, 60.0, step=10.0, density=0.2):
    ...     print(graph.num_windows, graph.x.shape, graph.num_edges)
    11 torch.Size([66, 6]) 66
    11 torch.Size([66, 6]) 66
    """
    targets = [None] * len(cohort.participant_ids) if y is None else np.asarray(y).tolist()
    if len(targets) != len(cohort.participant_ids):
        raise ValueError(
            f"y must have one target for each of {len(cohort.participant_ids)} participants, got "
            f"{len(targets)}."
        )
    stacks = cohort_windows(cohort, length, step=step, t_r=t_r, window=window)
    return (
        dynamic_brain_graph(
            sparsify(windows, density=density, sign=sign),
            x=windows,
            y=target,
            participant_id=name,
            allow_negative=sign == "signed",
        )
        for windows, target, name in zip(stacks, targets, cohort.participant_ids, strict=True)
    )


def edge_variability(windows: ArrayLike, *, fisher_z: bool = True) -> NDArray[np.floating]:
    r"""Compute the standard deviation of each edge over the windows of one scan.

    .. math:: \sqrt{\tfrac1W \sum_w (z_{wij} - \bar z_{ij})^2}, \qquad z = \mathrm{arctanh}\, r

    as Kucyi & Davis (2014, NeuroImage 100, 471-480) used it. Short windows raise it by sampling
    error alone: compare scans of one length, repetition time and window, and with a null.

    Parameters
    ----------
    windows : array (W, R, R)
        Correlations.
    fisher_z : bool
        Whether to take Fisher's z of them first; False where ``windows`` are z already.

    Returns
    -------
    array (R, R)
        With a diagonal of 0.

    Examples
    --------
    >>> edge_variability([[[1, 0.0], [0.0, 1]], [[1, 0.5], [0.5, 1]]]).round(3)
    array([[0.   , 0.275],
           [0.275, 0.   ]])
    """
    matrices = symmetric(windows, name="windows")
    if matrices.ndim != 3 or not len(matrices):
        raise ValueError(f"windows must have the shape (W, R, R), got {matrices.shape}.")
    if fisher_z and np.abs(matrices).max(initial=0) > 1 + 1e-3:
        raise ValueError(
            f"Fisher's z needs correlations in [-1, 1], the windows reach "
            f"{np.abs(matrices).max():.3g}. If they are z already write fisher_z=False."
        )
    return (to_z(torch.from_numpy(matrices)).numpy() if fisher_z else matrices).std(axis=0)
