"""Pictures of predictions and their scores, each on one matplotlib axes."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from sklearn.metrics import roc_curve

from brainograph.inspection.style import GREY, MAIN, line_style, new_axes, plain, tidy
from brainograph.metrics import comparable_scores

__all__ = [
    "chosen_predictions",
    "plot_calibration",
    "plot_confusion",
    "plot_models",
    "plot_roc",
    "plot_sites",
]

_GRID = np.linspace(0, 1, 101)


def chosen_predictions(
    predictions: pd.DataFrame, model: str | None, regime: str | None
) -> pd.DataFrame:
    """Keep one model in one regime: the first of each where none is named."""
    for column, wanted in (("model", model), ("regime", regime)):
        known = list(predictions[column].unique())
        if wanted is not None and wanted not in known:
            raise ValueError(f"{column} must be one of {known}, got {wanted!r}.")
        predictions = predictions[predictions[column] == (known[0] if wanted is None else wanted)]
    return predictions


def _mean_roc(part: pd.DataFrame) -> np.ndarray:
    """Sensitivity at each point of a grid of false positive rates, averaged over repeats."""
    curves = []
    part = part.assign(y_score=comparable_scores(part))
    for _, repeat in part.groupby("repeat"):
        false_positive, true_positive, _ = roc_curve(
            repeat["y_true"], repeat["y_score"], drop_intermediate=False
        )
        curves.append(np.interp(_GRID, false_positive, true_positive))
    mean: np.ndarray = np.mean(curves, axis=0)
    mean[0] = 0
    return mean


def plot_roc(
    predictions: pd.DataFrame,
    *,
    main: str | None = None,
    regime: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the ROC curve of every model, averaged over repeats.

    Parameters
    ----------
    predictions : DataFrame
        As for :func:`brainograph.metrics.score`.
    main : str, optional
        Model drawn in front; the first one by default.
    regime : str, optional
        Regime of the main model. Others are drawn in the same one, or in the only one they have.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Examples
    --------
    >>> rows = {"participant_id": list("abcd"), "model": "gcn", "regime": "inductive", "repeat": 0,
    ...         "fold": 0, "y_true": [0, 1, 0, 1], "y_score": [0.1, 0.8, 0.6, 0.4]}
    >>> plot_roc(pd.DataFrame(rows)).get_xlabel()
    '1 - specificity (false positive rate)'
    """
    axes = new_axes(axes)
    chosen = chosen_predictions(predictions, main, regime)
    name, kind = chosen["model"].iloc[0], chosen["regime"].iloc[0]
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, label="chance")
    (front,) = axes.plot(_GRID, _mean_roc(chosen), color=MAIN, linewidth=2.4, zorder=5)
    lines, labels = [front], [plain(name)]
    for rank, other in enumerate(m for m in predictions["model"].unique() if m != name):
        part = predictions[predictions["model"] == other]
        part = chosen_predictions(part, None, kind if (part["regime"] == kind).any() else None)
        lines += axes.plot(_GRID, _mean_roc(part), linewidth=1.3, **line_style(rank))
        labels.append(plain(other))
    axes.legend(lines, labels, frameon=False, loc="lower right", handlelength=2.8, fontsize=9)
    axes.set(xlim=(0, 1), ylim=(0, 1.005), aspect="equal")
    axes.set(xlabel="1 - specificity (false positive rate)", ylabel="sensitivity")
    return tidy(axes)


def plot_calibration(
    predictions: pd.DataFrame,
    *,
    model: str | None = None,
    regime: str | None = None,
    n_bins: int = 10,
    axes: Axes | None = None,
) -> Axes:
    """Draw the observed share of patients against the predicted probability.

    Participants are put in order of their mean probability over repeats and cut into bins of
    equal size; bars are 95 % Wilson intervals.

    Parameters
    ----------
    predictions : DataFrame
        As for :func:`brainograph.metrics.score`.
    model, regime : str, optional
        Which predictions; the first ones by default.
    n_bins : int
        Largest number of bins; each keeps at least 10 participants.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
    """
    axes = new_axes(axes)
    chosen = chosen_predictions(predictions, model, regime)
    people = chosen.groupby("participant_id")[["y_score", "y_true"]].mean().sort_values("y_score")
    bins = np.array_split(people.to_numpy(float), max(1, min(n_bins, len(people) // 10)))
    predicted, observed = np.transpose([part.mean(axis=0) for part in bins])
    size = np.array([len(part) for part in bins])
    centre = (observed + 1.92 / size) / (1 + 3.84 / size)
    half = 1.96 * np.sqrt(observed * (1 - observed) / size + 0.96 / size**2) / (1 + 3.84 / size)
    bars = np.abs([observed - (centre - half), centre + half - observed])
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, label="perfect calibration")
    axes.errorbar(predicted, observed, bars, fmt="o-", color=MAIN, linewidth=1.3, elinewidth=1)
    axes.legend(frameon=False, loc="upper left")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set(xlabel="predicted probability", ylabel="observed share of patients")
    return tidy(axes)


def plot_confusion(
    predictions: pd.DataFrame,
    *,
    model: str | None = None,
    regime: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw how many controls and patients were called what, at a threshold of 0.5.

    Parameters
    ----------
    predictions : DataFrame
        As for :func:`brainograph.metrics.score`.
    model, regime : str, optional
        Which predictions; the first ones by default.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Counts are means over repeats; the percentages of a row sum to 100.
    """
    axes = new_axes(axes, size=(4, 3.6))
    chosen = chosen_predictions(predictions, model, regime)
    called = (chosen["y_score"] >= 0.5).astype(int)
    counts = pd.crosstab(chosen["y_true"], called).reindex(index=[0, 1], columns=[0, 1])
    table = counts.fillna(0).to_numpy(float) / chosen["repeat"].nunique()
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1e-12)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1.25)
    for row, column in np.ndindex(2, 2):
        color = "white" if share[row, column] > 0.7 else "#12263a"
        text = f"{share[row, column]:.0%}\n{table[row, column]:.0f}"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize="large")
    axes.set_xticks([0, 1], ["control", "patient"])
    axes.set_yticks([0, 1], ["control", "patient"], rotation=90, va="center")
    axes.set(xlabel="predicted", ylabel="diagnosed")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes


def _dots(
    axes: Axes, rows: pd.DataFrame, *, names: list[str], main: str, chance: float | None
) -> Axes:
    """Draw one value with its interval in each row, the first on top, the main model in colour."""
    places = np.arange(len(rows))[::-1]
    colors = np.where(rows["model"] == main, MAIN, GREY).tolist()
    axes.hlines(places, rows["low"], rows["high"], colors=colors, linewidth=1.8)
    axes.scatter(rows["value"], places, c=colors, s=34, zorder=3)
    if chance is not None:
        axes.axvline(chance, color=GREY, linewidth=1, linestyle="--", zorder=0)
    axes.set_yticks(places, names)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.tick_params(axis="y", length=0)
    return tidy(axes, grid="x")


def plot_sites(
    scores: pd.DataFrame,
    *,
    model: str | None = None,
    regime: str | None = None,
    metric: str = "auc",
    axes: Axes | None = None,
) -> Axes:
    """Draw one score of every site with its interval and its number of participants.

    Parameters
    ----------
    scores : DataFrame
        ``score(predictions, by="site")`` of :mod:`brainograph.metrics`.
    model, regime : str, optional
        Which scores; the first ones by default.
    metric : str
        Name of the score.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Largest site on top. Sites of one class have no AUC and are left out.
    """
    rows = chosen_predictions(scores, model, regime)
    rows = rows[(rows["metric"] == metric) & (rows["group"] != "all") & rows["value"].notna()]
    rows = rows.sort_values(["n", "group"], ascending=[False, True])
    axes = new_axes(axes, size=(4.6, 1.2 + 0.26 * max(len(rows), 3)))
    names = [f"{plain(group)} ({n})" for group, n in zip(rows["group"], rows["n"], strict=True)]
    chance = 0.5 if metric.startswith("auc") or metric == "balanced_accuracy" else None
    _dots(axes, rows, names=names, main=rows["model"].iloc[0] if len(rows) else "", chance=chance)
    axes.set_xlabel(f"{metric.replace('_', ' ').replace('auc', 'AUC')}, 95 % interval")
    return axes


def plot_models(scores: pd.DataFrame, *, metric: str = "auc", axes: Axes | None = None) -> Axes:
    """Draw one score of every model and regime with its interval: a forest plot.

    Parameters
    ----------
    scores : DataFrame
        ``score(predictions)`` of :mod:`brainograph.metrics`; the main model comes first.
    metric : str
        Name of the score.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        The band is the interval of the first model, drawn through all rows.
    """
    rows = scores[(scores["metric"] == metric) & (scores["group"] == "all")]
    axes = new_axes(axes, size=(4.6, 1.2 + 0.34 * max(len(rows), 3)))
    several = scores.groupby("model")["regime"].nunique() > 1
    names = [
        plain(f"{model}\n({regime})" if several[model] else model)
        for model, regime in zip(rows["model"], rows["regime"], strict=True)
    ]
    chance = 0.5 if metric.startswith("auc") or metric == "balanced_accuracy" else None
    first = rows.iloc[0]
    _dots(axes, rows, names=names, main=first["model"], chance=chance)
    if np.isfinite(first["low"]):
        axes.axvspan(first["low"], first["high"], color=MAIN, alpha=0.1, linewidth=0, zorder=0)
    axes.set_xlabel(f"{metric.replace('_', ' ').replace('auc', 'AUC')}, 95 % interval")
    return axes
