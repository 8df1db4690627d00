"""The pictures of the report."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes

from brainograph.inspection.plots import plot_calibration, plot_models, plot_roc, plot_sites
from brainograph.inspection.style import GREY, MAIN, line_style, plain, tidy
from brainograph.metrics.multiclass import class_columns
from brainograph.metrics.uncertainty import risk_coverage
from brainograph.report.svg import PAPER, draw
from brainograph.report.target import Target
from brainograph.report.words import METRICS

__all__ = ["figures", "plot_controls", "plot_people", "plot_training"]

_CURVES = 5  # ROC curves beside the main one that can be told apart
_MOST_LETTERS = 34
_MOST_POINTS = 400  # of a curve; clouds of more are drawn as one image
_CLOUD: dict[str, Any] = {"s": 14, "color": MAIN, "alpha": 0.5, "linewidths": 0}


def _short(names: pd.Series) -> pd.Series:
    """Return names that leave room for the picture, with their middle left out; still unique."""
    half = _MOST_LETTERS // 2
    text = names.astype(str)
    cut = text.where(text.str.len() <= _MOST_LETTERS, text.str[:half] + "…" + text.str[-half:])
    return cut if cut.nunique() == text.nunique() else text


def _right(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the probability of what is called, and whether it is right, as two classes."""
    if "y_score" in predictions:
        probability = predictions["y_score"].to_numpy(float)
        probability = np.column_stack([1 - probability, probability])
    else:
        probability = predictions[class_columns(predictions)].to_numpy(float)
    right = probability.argmax(axis=1) == predictions["y_true"].to_numpy(int)
    return predictions.assign(y_score=probability.max(axis=1), y_true=right.astype(int))


def _best(scores: pd.DataFrame, main: str, metric: str) -> list[str]:
    """Return the other models with the highest score, in the order of the scores."""
    others = scores[(scores["metric"] == metric) & (scores["model"] != main)]
    best = others.groupby("model")["value"].max().nlargest(_CURVES).index
    return [name for name in scores["model"].unique() if name in best]


def _plot_class_roc(of_main: pd.DataFrame, target: Target, axes: Axes) -> None:
    """Draw the ROC curve of each class against the rest."""
    tables = [
        of_main.assign(
            model=name,
            y_true=(of_main["y_true"] == k).astype(int),
            y_score=of_main[f"p_{k}"],
        )
        for k, name in enumerate(target.classes)
    ]
    plot_roc(pd.concat(tables), axes=axes)


def _plot_calibration(of_main: pd.DataFrame, target: Target, axes: Axes) -> None:
    """Draw the reliability diagram: of a class, or of whatever is called."""
    if target.kind == "binary":
        plot_calibration(of_main, axes=axes)
        axes.set_ylabel(f"observed share of {plain(target.classes[1])}")
        return
    plot_calibration(_right(of_main), axes=axes)
    axes.set(xlabel="probability of the class called", ylabel="share called right")


def _plot_risk(of_main: pd.DataFrame, axes: Axes) -> None:
    """Draw the share called wrong against the share of predictions that are kept."""
    called = _right(of_main)
    curve = risk_coverage(1 - called["y_true"].to_numpy(), called["y_score"].to_numpy())
    kept = curve[curve["coverage"] >= 0.05]
    kept = kept.iloc[np.unique(np.linspace(0, len(kept) - 1, _MOST_POINTS).astype(int))]
    error = float(curve["risk"].iloc[-1])
    axes.axhline(error, color=GREY, linewidth=0.8)
    axes.plot(kept["coverage"], kept["risk"], color=MAIN, linewidth=2)
    axes.set(xlim=(0, 1), ylim=(0, max(0.05, 1.15 * float(kept["risk"].max()))))
    axes.set(xlabel="share of participants called, the surest first", ylabel="share called wrong")
    tidy(axes)


def _plot_numbers(of_main: pd.DataFrame, target: Target, axes: Axes) -> None:
    """Draw what was predicted against what was measured, averaged over repeats."""
    people = of_main.groupby("participant_id")[["y_true", "y_pred"]].mean()
    low, high = float(people.min().min()), float(people.max().max())
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.8)
    axes.scatter(
        people["y_true"], people["y_pred"], rasterized=len(people) > 5 * _MOST_POINTS, **_CLOUD
    )
    name = plain(target.column)
    axes.set(xlabel=f"{name}, measured", ylabel=f"{name}, predicted")
    tidy(axes)


def _plot_errors(of_main: pd.DataFrame, target: Target, axes: Axes) -> None:
    """Draw the error against what was measured: regression to the mean is seen as a slope."""
    people = of_main.groupby("participant_id")[["y_true", "y_pred"]].mean()
    error = people["y_pred"] - people["y_true"]
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.scatter(people["y_true"], error, rasterized=len(people) > 5 * _MOST_POINTS, **_CLOUD)
    axes.set(xlabel=f"{plain(target.column)}, measured", ylabel="predicted less measured")
    tidy(axes)


def plot_controls(comparisons: Sequence[dict[str, Any]], metric: str, axes: Axes) -> None:
    """Draw the advantage over each model with its interval: a forest plot.

    Filled points are advantages that the interval and the test over folds agree on.
    """
    places = np.arange(len(comparisons))[::-1]
    names = _short(pd.Series([row["model"] for row in comparisons]))
    axes.axvline(0, color=GREY, linewidth=1, linestyle="--", zorder=0)
    for place, row in zip(places, comparisons, strict=True):
        color = MAIN if row["outcome"] == "better" else GREY
        axes.hlines(place, row["low"], row["high"], colors=color, linewidth=1.8)
        face = color if row["outcome"] == "better" else PAPER
        axes.scatter(row["difference"], place, s=36, color=face, edgecolors=color, zorder=3)
    axes.set_yticks(places, [plain(name) for name in names])
    axes.set_ylim(-0.7, len(comparisons) - 0.3)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"advantage in {metric}, 95 % interval")
    tidy(axes, grid="x")


def plot_people(people: pd.DataFrame, target: Target, column: str, label: str, axes: Axes) -> None:
    """Draw how a number is spread in each group, as outlines on the same bins."""
    values = pd.to_numeric(people[column], errors="coerce")
    top = values.quantile(0.99) if column == "mean_fd" else values.max()
    bins = np.histogram_bin_edges(values[values <= top].dropna(), bins=24)
    groups = target.split(people) if target.classes else {"all": values.notna()}
    for rank, (name, rows) in enumerate(groups.items()):
        style: dict[str, Any] = {"color": MAIN} if rank == 0 else line_style(rank - 1)
        weights = np.full(int((rows & values.notna()).sum()), 1.0)
        axes.hist(
            values[rows].dropna(),
            bins=bins.tolist(),
            weights=weights / max(len(weights), 1),
            histtype="step",
            linewidth=1.8,
            label=plain(name),
            **style,
        )
    axes.set(xlabel=label, ylabel="share of the group")
    if len(groups) > 1:
        axes.legend(frameon=False, loc="upper right")
    tidy(axes)


def plot_training(histories: pd.DataFrame, axes: Axes) -> None:
    """Draw the loss of each epoch: the median over fits, with the middle half of them."""
    curves = [name for name in ("loss", "validation") if name in histories]
    for rank, name in enumerate(curves):
        style: dict[str, Any] = {"color": MAIN} if rank == 0 else line_style(0)
        values = pd.to_numeric(histories[name], errors="coerce").groupby(histories["epoch"])
        middle = values.quantile(0.5)
        axes.plot(middle.index, middle, linewidth=1.8, label=name, **style)
        low, high = values.quantile(0.25), values.quantile(0.75)
        axes.fill_between(middle.index, low, high, color=style["color"], alpha=0.15, linewidth=0)
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend(frameon=False)
    tidy(axes)


def figures(
    predictions: pd.DataFrame,
    scores: pd.DataFrame,
    sites: pd.DataFrame | None,
    *,
    target: Target,
    main: str,
    regime: str,
) -> dict[str, Markup]:
    """Draw the pictures of what the models predicted, by name.

    Parameters
    ----------
    predictions, scores, sites : DataFrame
        The table, and what :func:`brainograph.metrics.score` makes of it: over all, and by site
        of the main model in its regime.
    target : Target
    main, regime : str
        Which model is drawn, and in which regime.
    """
    of_main = predictions[(predictions["model"] == main) & (predictions["regime"] == regime)]
    metric = target.headline
    named = scores.assign(model=_short(scores["model"]))
    longest = named["model"].map(len).max()
    n_models = len(scores[["model", "regime"]].drop_duplicates())

    def forest(axes: Axes) -> None:
        plot_models(named, metric=metric, axes=axes)
        axes.set_xlabel(f"{METRICS[metric]}, 95 % interval")

    size = (max(4.4, 2.8 + 0.085 * longest), 1 + n_models / 3)
    drawn = {"models": draw("models", forest, size=size)}
    if target.kind == "regression":
        drawn["numbers"] = draw("numbers", lambda a: _plot_numbers(of_main, target, a))
        drawn["errors"] = draw("errors", lambda a: _plot_errors(of_main, target, a))
    else:
        drawn["calibration"] = draw("calibration", lambda a: _plot_calibration(of_main, target, a))
        drawn["risk"] = draw("risk", lambda a: _plot_risk(of_main, a))
    if target.kind == "binary":
        best = predictions[predictions["model"].isin([main, *_best(scores, main, metric)])]
        best = best.assign(model=_short(best["model"]))  # the main one comes first
        drawn["roc"] = draw("roc", lambda a: plot_roc(best, regime=regime, axes=a))
    elif target.kind == "multiclass":
        drawn["roc"] = draw("roc", lambda a: _plot_class_roc(of_main, target, a))
    if sites is not None:

        def dots(axes: Axes) -> None:
            plot_sites(sites.assign(group=_short(sites["group"])), metric=metric, axes=axes)
            axes.set_xlabel(f"{METRICS[metric]}, 95 % interval")

        drawn["sites"] = draw("sites", dots, size=(4.4, 1 + 0.25 * sites["group"].nunique()))
    return drawn
