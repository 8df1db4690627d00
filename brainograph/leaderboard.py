"""The honest table: several experiments and all their controls, on the same folds."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from brainograph.cohort import Cohort
from brainograph.config.build import check_cohort, make_labels, make_splits
from brainograph.config.load import ConfigError, save_config
from brainograph.config.models import make_models
from brainograph.config.schema import CrossValidation, Experiment
from brainograph.files import read_tsv, replace_on_success, write_tsv
from brainograph.inspection.plots import plot_models
from brainograph.metrics import compare
from brainograph.model_selection.cross_validation import cross_validate
from brainograph.model_selection.results import Results
from brainograph.model_selection.settings import settings

__all__ = ["boards", "leaderboard", "tabulate", "write_leaderboard"]

_METRICS = ("auc", "auc_folds", "balanced_accuracy", "accuracy", "brier")


def boards(
    experiments: Mapping[str, Experiment],
    *,
    schemes: Sequence[str] | None = None,
    n_repeats: int | None = None,
) -> dict[str, dict[str, Experiment]]:
    """Group experiments that share a cohort, a label and folds.

    Parameters
    ----------
    experiments : mapping of name to Experiment
        In the order of interest: the first of each board is compared with all others.
    schemes : sequence of str, optional
        Run each experiment under each of these; by default under its own.
    n_repeats : int, optional
        Repeats of a stratified scheme; by default as the experiment says.

    Returns
    -------
    dict of board to dict of name to Experiment
        A board is named after the cohort's folder and the scheme.

    Raises
    ------
    ConfigError
        If experiments on one cohort have other labels or other folds.

    Examples
    --------
    >>> one = Experiment(title="one", cohort="cohorts/ho")
    >>> {name: list(board) for name, board in boards({"one": one}, schemes=["stratified"]).items()}
    {'ho__stratified': ['one']}
    """
    grouped: dict[str, dict[str, Experiment]] = {}
    for name, experiment in experiments.items():
        own = experiment.cross_validation
        for scheme in schemes or [own.scheme]:
            changed = own.model_dump() | {"scheme": scheme}
            if n_repeats is not None:
                changed["n_repeats"] = n_repeats
            folds = CrossValidation.model_validate(changed)
            board = grouped.setdefault(f"{experiment.cohort.name}__{scheme}", {})
            for other in board.values():
                _check_same(name, (experiment.cohort, experiment.target, folds), other)
            board[name] = experiment.model_copy(update={"cross_validation": folds})
    return grouped


def _check_same(name: str, made_of: tuple[object, ...], other: Experiment) -> None:
    if made_of != (other.cohort, other.target, other.cross_validation):
        raise ConfigError(
            f"{name} and {other.title!r} have one cohort name but another cohort, target or "
            "cross_validation, so that their numbers cannot stand in one table. Give them the "
            "same, or call leaderboard once for each."
        )


def leaderboard(
    experiments: Mapping[str, Experiment],
    folder: str | os.PathLike[str],
    *,
    schemes: Sequence[str] | None = None,
    n_repeats: int | None = None,
    n_jobs: int = 1,
    progress: bool = True,
) -> dict[str, Results]:
    """Cross-validate every experiment with its controls; a run that was interrupted goes on.

    Controls that several experiments share are run once. Each board is a results folder of its
    own, which ``brainograph report`` can read.

    Parameters
    ----------
    experiments, schemes, n_repeats
        As for :func:`boards`.
    folder : path
        Holds a results folder for each board.
    n_jobs : int
        Fits at a time.
    progress : bool
        Whether to show progress bars.

    Returns
    -------
    dict of board to Results
    """
    made = {}
    for board, members in boards(experiments, schemes=schemes, n_repeats=n_repeats).items():
        first = next(iter(members.values()))
        cohort = Cohort.load(first.cohort)
        for experiment in members.values():
            check_cohort(experiment, cohort)
        y = make_labels(first, cohort)
        results = Path(folder) / board
        cache = results.resolve() / "folds" / "cache"
        made[board] = cross_validate(
            _models(members, cohort, memory=str(cache)),
            cohort,
            y,
            splits=make_splits(first, cohort, y),
            regimes=list(dict.fromkeys(r for e in members.values() for r in e.regimes)),
            threshold=first.cross_validation.threshold,
            folder=results,
            n_jobs=n_jobs,
            progress=progress,
            title=f"{board.replace('__', ', ').replace('_', ' ')}: {', '.join(members)}",
        )
        for name, experiment in members.items():
            save_config(experiment, results / f"{name}.yaml")
        save_config(first, results / "config.yaml")
        shutil.rmtree(cache, ignore_errors=True)
    return made


def _models(
    members: Mapping[str, Experiment], cohort: Cohort, *, memory: str
) -> dict[str, BaseEstimator]:
    """Return the models of all experiments, then their controls, equal ones once."""
    models: dict[str, BaseEstimator] = {}
    controls: dict[str, BaseEstimator] = {}
    for name, experiment in members.items():
        (_, models[name]), *others = make_models(experiment, cohort, memory=memory).items()
        for control, estimator in others:
            known = [settings(other) for other in controls.values()]
            if settings(estimator) not in known:
                controls[f"{name}.{control}" if control in controls else control] = estimator
    return {**models, **controls}


def tabulate(results: Mapping[str, Results], *, n_bootstrap: int = 1000) -> pd.DataFrame:
    """Return one row for each board, model and regime.

    Parameters
    ----------
    results : mapping of board to Results
        From :func:`leaderboard`.
    n_bootstrap : int
        Resamples of the participants.

    Returns
    -------
    DataFrame
        ``board``, ``model``, ``regime``, ``n``, each metric with ``_low`` and ``_high``, and what
        the first model of the board gains over the row (``gain``, ``gain_low``, ``gain_high``,
        ``p_value``, ``q_value``; see :func:`brainograph.metrics.compare`).
    """
    return pd.concat(
        [_rows(board, one, n_bootstrap) for board, one in results.items()], ignore_index=True
    )


def _rows(board: str, results: Results, n_bootstrap: int) -> pd.DataFrame:
    scores = results.scores(n_bootstrap=n_bootstrap)
    scores = scores[(scores["group"] == "all") & scores["metric"].isin(_METRICS)]
    keys = ["model", "regime"]
    wide = scores.pivot_table(
        index=[*keys, "n"], columns="metric", values=["value", "low", "high"], sort=False
    )
    wide.columns = [name if kind == "value" else f"{name}_{kind}" for kind, name in wide.columns]
    order = [f"{name}{end}" for name in _METRICS for end in ("", "_low", "_high")]
    wide = wide[[name for name in order if name in wide]].reset_index()
    main = results.provenance["main"]
    compared = compare(results.predictions, main, n_bootstrap=n_bootstrap)
    gains = {"difference": "gain", "low": "gain_low", "high": "gain_high"}
    wanted = [*gains, "p_value", "q_value"]
    gained = compared.set_index(keys)[wanted].rename(columns=gains)
    first = next(iter(compared["regime"]), None)
    at = [
        (model, regime) if (model, regime) in gained.index else (model, first)
        for model, regime in wide[keys].itertuples(index=False)
    ]
    wide = pd.concat([wide, gained.reindex(at).reset_index(drop=True)], axis=1)
    wide.insert(0, "board", board)
    return wide


def write_leaderboard(
    results: Mapping[str, Results],
    folder: str | os.PathLike[str],
    *,
    published: str | os.PathLike[str] | None = None,
) -> Path:
    """Write ``leaderboard.tsv``, ``leaderboard.md`` and the forest plot ``leaderboard.svg``.

    Parameters
    ----------
    results : mapping of board to Results
        From :func:`leaderboard`.
    folder : path
        Where to write.
    published : path, optional
        TSV of numbers that others printed, written below ours as it is.

    Returns
    -------
    Path
        The Markdown file.
    """
    folder = Path(folder)
    table = tabulate(results)
    write_tsv(table, folder / "leaderboard.tsv")
    parts = [_markdown(name, part) for name, part in table.groupby("board", sort=False)]
    if published is not None:
        parts.append("## Published numbers, not reproduced here\n\n" + _grid(read_tsv(published)))
    with replace_on_success(folder / "leaderboard.md") as temporary:
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    _draw(results, folder / "leaderboard.svg")
    return folder / "leaderboard.md"


def _markdown(board: str, rows: pd.DataFrame) -> str:
    """Return one board as a table."""
    shown = pd.DataFrame(
        {
            "model": [
                f"**{m}**" if m == rows["model"].iloc[0] else m for m in rows["model"].astype(str)
            ],
            "regime": rows["regime"],
            "AUC [95 %]": _intervals(rows, "auc"),
            "mean of folds": rows["auc_folds"].map(_three),
            "balanced accuracy": rows["balanced_accuracy"].map(_three),
            "gain of the first [95 %]": _intervals(rows, "gain"),
            "p": rows["p_value"].map(_small),
            "q": rows["q_value"].map(_small),
        }
    )
    return f"## {board.replace('__', ', ')}, {rows['n'].max()} participants\n\n{_grid(shown)}"


def _intervals(rows: pd.DataFrame, name: str) -> list[str]:
    columns = rows[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)
    return [
        f"{_three(value)} [{_three(low)}, {_three(high)}]" if np.isfinite(low) else _three(value)
        for value, low, high in columns
    ]


def _three(value: float) -> str:
    """Return three decimals, without the zero before the point; nothing for NaN."""
    return f"{value:.3f}".replace("0.", ".", 1) if np.isfinite(value) else ""


def _small(value: float) -> str:
    """Return three decimals of a p value, or that it is smaller than they can say."""
    return "<.001" if value < 0.001 else _three(value)


def _grid(table: pd.DataFrame) -> str:
    """Return a table in Markdown."""
    rows = [[str(cell) for cell in row] for row in table.fillna("").itertuples(index=False)]
    lines = [list(map(str, table.columns)), ["---"] * table.shape[1], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _draw(results: Mapping[str, Results], path: Path) -> None:
    """Draw the forest plots of all boards, two in a row."""
    scores = {board: one.scores() for board, one in results.items()}
    aucs = {board: part[part["metric"] == "auc"] for board, part in scores.items()}
    n_columns = min(2, len(scores))
    n_rows = -(-len(scores) // n_columns)
    size = (7.0 * n_columns, n_rows * (1.4 + 0.34 * max(map(len, aucs.values()))))
    figure, panels = plt.subplots(
        n_rows, n_columns, figsize=size, layout="constrained", squeeze=False
    )
    for (board, part), axes in zip(scores.items(), panels.flat, strict=False):
        title = board.replace("__", ", ").replace("_", " ")
        plot_models(part, axes=axes).set_title(title, fontsize=10, loc="left")
    for axes in panels.flat[len(scores) :]:
        axes.remove()
    with replace_on_success(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:])
    plt.close(figure)
