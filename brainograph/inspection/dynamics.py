"""Pictures of brain states: what they look like, when they come and how long they stay."""

from collections.abc import Sequence
from typing import Literal, get_args

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from numpy.typing import ArrayLike

from brainograph.inspection.connectomes import plot_matrix
from brainograph.inspection.style import MAIN, OTHERS, new_axes, plain, tidy

__all__ = ["plot_dwell_times", "plot_state_sequences", "plot_states"]

Quantity = Literal["dwell_seconds", "dwell_windows", "fraction", "n_visits"]
_LABELS = {
    "dwell_seconds": "mean dwell time (s)",
    "dwell_windows": "mean dwell time (windows)",
    "fraction": "fraction of time",
    "n_visits": "visits",
}
_COLORS = (MAIN, *OTHERS)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def plot_states(
    centroids: np.ndarray,
    *,
    regions: pd.DataFrame | None = None,
    fractions: Sequence[float] | None = None,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw the centroid of each state as a matrix, all in one scale of colours.

    Parameters
    ----------
    centroids : array (K, R, R)
        ``BrainStates.centroids_``.
    regions : DataFrame (R, .), optional
        As of :func:`~brainograph.inspection.plot_matrix`.
    fractions : sequence of float (K,), optional
        Share of the windows in each state, for its title.
    axes : sequence of K Axes, optional
        Where to draw; a new figure, up to five to a row, by default.

    Returns
    -------
    list of K Axes

    Raises
    ------
    ValueError
        If ``centroids`` is not (K, R, R), or there are other axes than states.

    Examples
    --------
    >>> drawn = plot_states(np.zeros((2, 3, 3)), fractions=[0.75, 0.25])
    >>> [axes.get_title() for axes in drawn]
    ['state 0 (75 %)', 'state 1 (25 %)']
    """
    if centroids.ndim != 3 or not len(centroids):
        raise ValueError(
            f"centroids must be (K, R, R), got {centroids.shape}. For one write c[None]."
        )
    n_states = len(centroids)
    places = _grid(n_states) if axes is None else list(np.ravel(np.asarray(axes, dtype=object)))
    if len(places) != n_states or (fractions is not None and len(fractions) != n_states):
        raise ValueError(
            f"there must be one of axes and of fractions for each of {n_states} states."
        )
    off_diagonal = centroids[:, ~np.eye(centroids.shape[1], dtype=bool)]
    limit = float(np.quantile(np.abs(off_diagonal), 0.99)) or 1.0
    signed = bool((off_diagonal < 0).any())
    for k, place in enumerate(places):
        plot_matrix(centroids[k], regions=regions, axes=place)
        image = place.images[0]
        if image.colorbar is not None:
            image.colorbar.remove()
        image.set(cmap="RdBu_r" if signed else "Reds", clim=(-limit if signed else 0, limit))
        share = "" if fractions is None else f" ({100 * fractions[k]:.0f} %)"
        place.set_title(f"state {k}{share}", fontsize="medium")
        spec = place.get_subplotspec()
        if spec is not None and not spec.is_first_col():
            place.set_yticks([])
    plt.colorbar(places[-1].images[0], ax=places, shrink=0.8, label="Fisher z")
    return places


def plot_state_sequences(
    sequences: Sequence[ArrayLike],
    n_states: int,
    *,
    participant_ids: Sequence[str] | None = None,
    step_seconds: float | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the state of every participant over time, a row for each.

    Parameters
    ----------
    sequences : S arrays (W_s,) of int
        As of ``BrainStates.predict``; lengths may differ.
    n_states : int
        K, up to eight.
    participant_ids : sequence of str (S,), optional
        Names of up to 40 rows.
    step_seconds : float, optional
        From one window to the next: the axis is in seconds then.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        For other numbers of states, or of names than sequences.

    Examples
    --------
    >>> plot_state_sequences([[0, 0, 1], [1, 0]], 2, step_seconds=2.0).get_xlabel()
    'time (s)'
    """
    rows = [np.asarray(one) for one in sequences]
    if not 1 <= n_states <= len(_COLORS) or max(one.max() for one in rows) >= n_states:
        raise ValueError(
            f"n_states must be above every state and at most {len(_COLORS)}, which is as many "
            f"colours as can be told apart, got {n_states}."
        )
    if participant_ids is not None and len(participant_ids) != len(rows):
        raise ValueError(f"{len(participant_ids)} participant_ids for {len(rows)} sequences.")
    axes = new_axes(axes, size=(6.4, min(1.4 + 0.16 * len(rows), 7.0)))
    raster = np.full((len(rows), max(map(len, rows))), np.nan)
    for row, one in zip(raster, rows, strict=True):
        row[: len(one)] = one
    picture = axes.imshow(
        np.ma.masked_invalid(raster),
        cmap=ListedColormap(_COLORS[:n_states]),
        norm=BoundaryNorm(np.arange(n_states + 1) - 0.5, n_states),
        extent=(0, raster.shape[1] * (step_seconds or 1), len(rows) - 0.5, -0.5),
        aspect="auto",
        interpolation="nearest",
    )
    plt.colorbar(picture, ax=axes, ticks=range(n_states), label="state").ax.tick_params(length=0)
    axes.set_yticks([])
    if participant_ids is not None and len(rows) <= 40:
        names = [plain(name) for name in participant_ids]
        axes.set_yticks(np.arange(len(rows)), names, fontsize="x-small")
    axes.set(xlabel="window" if step_seconds is None else "time (s)", ylabel="participant")
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)
    return axes


def plot_dwell_times(
    visits: pd.DataFrame,
    groups: pd.Series,
    *,
    quantity: Quantity = "dwell_seconds",
    axes: Axes | None = None,
) -> Axes:
    """Draw how long each group stays in each state: every participant, and boxes of quartiles.

    Parameters
    ----------
    visits : DataFrame
        As of ``BrainStates.visits``.
    groups : Series (S,), indexed by participant_id
        Such as ``cohort.phenotype["diagnosis"]``; the participants without one are left out.
    quantity : {"dwell_seconds", "dwell_windows", "fraction", "n_visits"}
        The column. A participant who never visits a state has no dwell time there.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        For another column, or one that is empty.

    Examples
    --------
    >>> from brainograph.graphs import state_visits
    >>> visits = state_visits([[0, 0, 1], [1, 1, 0]], 2, participant_ids=["a", "b"])
    >>> axes = plot_dwell_times(visits, pd.Series({"a": 0, "b": 1}), quantity="fraction")
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['0 (n = 1)', '1 (n = 1)']
    """
    if quantity not in get_args(Quantity):
        raise ValueError(f"quantity must be one of {get_args(Quantity)}, got {quantity!r}.")
    group = visits["participant_id"].map(groups)
    table = visits.assign(group=group)[group.notna() & visits[quantity].notna()]
    if table.empty:
        raise ValueError(
            f"no participant of groups has a {quantity}. Give groups by participant_id; without "
            'repetition times write quantity="dwell_windows".'
        )
    axes = new_axes(axes, size=(5.4, 3.6))
    states, names = sorted(visits["state"].unique()), sorted(group.dropna().unique())
    width, rng = 0.8 / len(names), np.random.default_rng(0)
    handles = []
    for rank, name in enumerate(names):
        color, marker = _COLORS[rank % len(_COLORS)], _MARKERS[rank % len(_MARKERS)]
        offset = (rank - (len(names) - 1) / 2) * width
        mine = table[table["group"] == name]
        values = [mine.loc[mine["state"] == state, quantity].to_numpy() for state in states]
        axes.boxplot(
            values,
            positions=np.arange(len(states)) + offset,
            widths=0.7 * width,
            showfliers=False,
            boxprops={"color": color},
            whiskerprops={"color": color},
            capprops={"color": color},
            medianprops={"color": "black", "linewidth": 1.6},
        )
        x = np.concatenate([np.full(len(v), k + offset) for k, v in enumerate(values)])
        x = x + rng.uniform(-0.2, 0.2, len(x)) * width
        n = group.index[group == name].size // len(states)
        label = f"{plain(name)} (n = {n})"
        y = np.concatenate(values)
        points = axes.scatter(
            x, y, s=14, c=color, marker=marker, alpha=0.6, linewidths=0, label=label
        )
        handles.append(points)
    axes.set_xticks(range(len(states)), [str(state) for state in states])
    axes.set(xlabel="state", ylabel=_LABELS[quantity])
    axes.set_ylim(bottom=0)
    axes.legend(handles=handles, frameon=False, fontsize="small")
    return tidy(axes, grid="y")


def _grid(n_states: int) -> list[Axes]:
    """Return the axes of a new figure, up to five to a row, the rows of like length."""
    n_rows = -(-n_states // 5)
    n_columns = -(-n_states // n_rows)
    size = (2.3 * n_columns + 1.6, 2.4 * n_rows)
    _, places = plt.subplots(n_rows, n_columns, figsize=size, layout="constrained", squeeze=False)
    for unused in places.flat[n_states:]:
        unused.set_axis_off()
    return list(places.flat[:n_states])
