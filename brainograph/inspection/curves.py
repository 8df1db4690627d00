"""Curves: training, precision and recall, risk and coverage, attention over time."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from sklearn.metrics import precision_recall_curve

from brainograph.inspection.plots import chosen_predictions
from brainograph.inspection.style import GREY, MAIN, around, line_style, new_axes, plain, tidy
from brainograph.metrics import comparable_scores
from brainograph.metrics.uncertainty import risk_coverage

__all__ = ["plot_attention", "plot_history", "plot_precision_recall", "plot_risk_coverage"]

_GRID = np.linspace(0, 1, 101)


def plot_history(history: pd.DataFrame, *, axes: Axes | None = None) -> Axes:
    """Draw the training and the validation loss of every member over the epochs.

    Parameters
    ----------
    history : DataFrame
        ``model.history_``: ``loss`` and perhaps ``validation``, indexed by member and epoch.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        A dot marks the epoch with the least validation loss.

    Examples
    --------
    >>> index = pd.MultiIndex.from_product([[0], [0, 1]], names=["member", "epoch"])
    >>> history = pd.DataFrame({"loss": [0.7, 0.5], "validation": [0.7, 0.6]}, index=index)
    >>> len(plot_history(history).lines)
    3
    """
    axes = new_axes(axes, size=(5.2, 3.6))
    for rank, (_, part) in enumerate(history.groupby(level="member")):
        epochs = part.index.get_level_values("epoch")
        label = "training" if rank == 0 else None
        axes.plot(epochs, part["loss"], color=GREY, linewidth=1, linestyle="--", label=label)
        if "validation" not in part or not part["validation"].notna().any():
            continue
        label = "validation" if rank == 0 else None
        axes.plot(epochs, part["validation"], color=MAIN, linewidth=1.6, label=label)
        best = int(part["validation"].to_numpy().argmin())
        axes.plot(epochs[best], part["validation"].iloc[best], "o", color=MAIN)
    axes.legend(frameon=False)
    axes.set(xlabel="epoch", ylabel="loss")
    return tidy(axes, grid="y")


def plot_precision_recall(
    predictions: pd.DataFrame,
    *,
    main: str | None = None,
    regime: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw precision over recall of every model, averaged over repeats.

    Parameters
    ----------
    predictions : DataFrame
        As for :func:`brainograph.metrics.score`.
    main : str, optional
        Model drawn in front; the first one by default.
    regime : str, optional
        Regime of the main model; others are drawn in the same one, or in the first they have.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        The grey line is the share of patients, which guessing attains.

    Examples
    --------
    >>> rows = {"participant_id": list("abcd"), "model": "gcn", "regime": "inductive", "repeat": 0,
    ...         "fold": 0, "y_true": [0, 1, 0, 1], "y_score": [0.1, 0.8, 0.6, 0.4]}
    >>> plot_precision_recall(pd.DataFrame(rows)).get_ylabel()
    'precision (positive predictive value)'
    """
    axes = new_axes(axes)
    front = chosen_predictions(predictions, main, regime)
    name, kind = front["model"].iloc[0], front["regime"].iloc[0]
    share = front["y_true"].mean()
    axes.plot([0, 1], [share, share], color=GREY, linewidth=0.8, label="chance")
    others = [other for other in predictions["model"].unique() if other != name]
    axes.plot(_GRID, _mean_precision(front), color=MAIN, linewidth=2.4, zorder=5, label=plain(name))
    for rank, other in enumerate(others):
        part = predictions[predictions["model"] == other]
        part = chosen_predictions(part, None, kind if (part["regime"] == kind).any() else None)
        precision = _mean_precision(part)
        axes.plot(_GRID, precision, linewidth=1.3, label=plain(other), **line_style(rank))
    axes.legend(frameon=False, loc="lower left", handlelength=2.8, fontsize=9)
    axes.set(xlim=(0, 1), ylim=(0, 1.005), aspect="equal")
    axes.set(xlabel="recall (sensitivity)", ylabel="precision (positive predictive value)")
    return tidy(axes)


def _mean_precision(part: pd.DataFrame) -> np.ndarray:
    """Return the precision at each recall of the grid, the mean over repeats."""
    part = part.assign(y_score=comparable_scores(part))
    curves = []
    for _, repeat in part.groupby("repeat"):
        precision, recall, _ = precision_recall_curve(repeat["y_true"], repeat["y_score"])
        at = np.searchsorted(recall[::-1], _GRID, side="left")  # the next recall that is reached
        curves.append(precision[::-1][at])
    return np.mean(curves, axis=0)


def plot_risk_coverage(
    predictions: pd.DataFrame,
    *,
    main: str | None = None,
    regime: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the share of errors among the surest predictions over how many of them are kept.

    Parameters
    ----------
    predictions : DataFrame
        As for :func:`brainograph.metrics.score`; errors are those at a threshold of 0.5, and
        confidence is the distance from it.
    main, regime
        As for :func:`plot_precision_recall`.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Examples
    --------
    >>> rows = {"participant_id": list("abcd"), "model": "gcn", "regime": "inductive", "repeat": 0,
    ...         "fold": 0, "y_true": [0, 1, 0, 1], "y_score": [0.1, 0.8, 0.6, 0.4]}
    >>> plot_risk_coverage(pd.DataFrame(rows)).get_xlabel()
    'share of participants predicted'
    """
    axes = new_axes(axes, size=(5.0, 3.8))
    front = chosen_predictions(predictions, main, regime)
    name, kind = front["model"].iloc[0], front["regime"].iloc[0]
    axes.plot(_GRID, _mean_risk(front), color=MAIN, linewidth=2.4, zorder=5, label=plain(name))
    others = [other for other in predictions["model"].unique() if other != name]
    for rank, other in enumerate(others):
        part = predictions[predictions["model"] == other]
        part = chosen_predictions(part, None, kind if (part["regime"] == kind).any() else None)
        axes.plot(_GRID, _mean_risk(part), linewidth=1.3, label=plain(other), **line_style(rank))
    axes.legend(frameon=False, fontsize=9, handlelength=2.8)
    axes.set(xlabel="share of participants predicted", ylabel="share of errors among them")
    axes.set(xlim=(0, 1), ylim=(0, None))
    return tidy(axes, grid="y")


def _mean_risk(part: pd.DataFrame) -> np.ndarray:
    """Return the risk at each coverage of the grid, the mean over repeats."""
    curves = []
    for _, repeat in part.groupby("repeat"):
        wrong = (repeat["y_score"] >= 0.5) != (repeat["y_true"] == 1)
        confidence = (repeat["y_score"] - 0.5).abs().to_numpy()
        table = risk_coverage(wrong.to_numpy(float), confidence)
        curves.append(np.interp(_GRID, table["coverage"], table["risk"]))
    return np.mean(curves, axis=0)


def plot_attention(
    windows: pd.DataFrame, *, t_r: float | None = None, axes: Axes | None = None
) -> Axes:
    """Draw attention or importance over time: the mean over participants, and their spread.

    Parameters
    ----------
    windows : DataFrame
        With ``start``, ``stop`` (volumes) and ``importance``, of
        :func:`~brainograph.inspection.attention`, :func:`~brainograph.inspection.attribute` or
        :func:`~brainograph.inspection.occlude`; a line for each ``channel``.
    t_r : float, s, optional
        Repetition time: the axis is in seconds then.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        The band is the middle half of the participants; the dotted line of channels is the weight
        of one of them where all count alike.

    Raises
    ------
    ValueError
        If the table is not of windows.

    Examples
    --------
    >>> windows = pd.DataFrame({"start": [0, 10], "stop": [20, 30], "importance": [0.4, 0.6]})
    >>> plot_attention(windows, t_r=2.0).lines[0].get_xdata().tolist()
    [20.0, 40.0]
    """
    if missing := {"start", "stop", "importance"} - {*windows}:
        raise ValueError(
            f"a table of windows has start, stop and importance, {sorted(missing)} are missing. "
            "Write level='window'."
        )
    axes = new_axes(axes, size=(6.0, 3.4))
    scale = 1.0 if t_r is None else t_r
    lines = windows.groupby("channel", observed=True, sort=False) if "channel" in windows else None
    parts = [("", windows)] if lines is None else [(str(name), part) for name, part in lines]
    for rank, (name, part) in enumerate(parts):
        style = {"color": MAIN} if rank == 0 else line_style(rank - 1)
        middle = scale * (part["start"] + part["stop"]) / 2
        found = part.groupby(middle)["importance"].quantile([0.25, 0.75]).unstack()
        mean = part.groupby(middle)["importance"].mean()
        axes.plot(mean.index, mean, linewidth=1.8, label=plain(name) or None, **style)
        axes.fill_between(found.index, found[0.25], found[0.75], color=style["color"], alpha=0.15)
    axes.set(xlabel="volume" if t_r is None else "time (s)", ylabel="importance")
    if lines is not None:
        alike = 1 / len(parts)
        axes.axhline(alike, color=GREY, linewidth=1, linestyle=":", label="all alike")
        axes.set(ylabel="weight of the channel", ylim=around(alike, axes.get_ylim()))
        axes.legend(frameon=False, fontsize="small", ncols=2)
    elif np.prod(axes.get_ylim()) < 0:
        axes.axhline(0, color=GREY, linewidth=1)
    return tidy(axes, grid="y")
