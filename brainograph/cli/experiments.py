"""``brainograph crossval``, ``leaderboard`` and ``report``: from cohorts to numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from brainograph.cli.app import Jobs, Overrides, app, load_cohort, say

if TYPE_CHECKING:
    from brainograph.model_selection import Results

__all__ = ["crossval", "leaderboard", "report"]


@app.command(
    epilog="Example: brainograph crossval configs/abide_ho_population_gcn.yaml results/ho "
    "--set cohort=cohorts/ho --jobs 2"
)
def crossval(
    config: Annotated[Path, typer.Argument(help="Experiment file (YAML).")],
    results: Annotated[Path, typer.Argument(help="Folder to write the results to.")],
    jobs: Jobs = 1,
    overrides: Overrides = None,
) -> None:
    """Cross-validate a model beside its controls. A run that was interrupted goes on."""
    import shutil

    from brainograph.config import load_config, save_config

    experiment = load_config(config, overrides or ())
    from brainograph.config.build import check_cohort, make_labels, make_splits
    from brainograph.config.models import make_models
    from brainograph.model_selection import cross_validate

    cohort = load_cohort(experiment.cohort)
    check_cohort(experiment, cohort)
    y = make_labels(experiment, cohort)
    say(f"{(y == 1).sum()} positive, {(y == 0).sum()} negative, {(y == -1).sum()} unlabelled")
    cache = results / "folds" / "cache"
    try:
        outcome = cross_validate(
            make_models(experiment, cohort, memory=str(cache)),
            cohort,
            y,
            splits=make_splits(experiment, cohort, y),
            regimes=experiment.regimes,
            threshold=experiment.cross_validation.threshold,
            folder=results,
            n_jobs=jobs,
            title=experiment.title,
        )
        save_config(experiment, results / "config.yaml")
    except OSError as error:
        error.add_note("Folds that were finished are kept: the same command goes on from there.")
        raise
    shutil.rmtree(cache, ignore_errors=True)
    _print_scores(outcome)
    say(f"Written to {results}. Next: brainograph report {results}")


def _print_scores(outcome: "Results") -> None:
    """Print the AUC and balanced accuracy of every model."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    scores = outcome.scores()
    table = Table(title=outcome.provenance["scheme"], box=SIMPLE_HEAD)
    for column in ("model", "regime", "AUC [95 % interval]"):
        table.add_column(column, no_wrap=True)
    for column in ("mean AUC of folds", "balanced accuracy"):
        table.add_column(column)
    for (model, regime), rows in scores.groupby(["model", "regime"], sort=False):
        of = rows.set_index("metric")
        auc, balanced = of.loc["auc"], of.loc["balanced_accuracy", "value"]
        interval = f"{auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]"
        table.add_row(
            model, regime, interval, f"{of.loc['auc_folds', 'value']:.3f}", f"{balanced:.3f}"
        )
    Console().print(table)


@app.command(
    epilog="Example: brainograph leaderboard configs/abide_*.yaml results/abide "
    "--scheme stratified --scheme leave_one_site_out --repeats 5 --jobs 2"
)
def leaderboard(
    configs: Annotated[list[Path], typer.Argument(help="Experiment files; last, the folder.")],
    scheme: Annotated[
        list[str] | None,
        typer.Option(help="stratified or leave_one_site_out, for all files. Repeatable."),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Repeats of the stratified folds, for all files.")
    ] = None,
    published: Annotated[
        Path | None, typer.Option(help="TSV of published numbers to print below ours.")
    ] = None,
    jobs: Jobs = 1,
    overrides: Overrides = None,
) -> None:
    """Run several experiments and all their controls on the same folds, and rank them in a table.

    Writes leaderboard.tsv, leaderboard.md and leaderboard.svg, and a results folder for each
    cohort and scheme. A run that was interrupted goes on.
    """
    from brainograph.config import load_config

    *paths, folder = configs
    if not paths or folder.suffix in (".yaml", ".yml"):
        raise ValueError(
            "leaderboard takes experiment files and, last, the folder to write to: "
            "brainograph leaderboard configs/abide_*.yaml RESULTS."
        )
    experiments = {path.stem: load_config(path, overrides or ()) for path in paths}
    if len(experiments) < len(paths):
        raise ValueError("two experiment files have one name; rename one: rows are named so.")
    from brainograph.leaderboard import leaderboard as run
    from brainograph.leaderboard import write_leaderboard

    results = run(experiments, folder, schemes=scheme, n_repeats=repeats, n_jobs=jobs)
    for outcome in results.values():
        _print_scores(outcome)
    say(f"The table is at {write_leaderboard(results, folder, published=published)}")


@app.command(epilog="Example: brainograph report results/ho")
def report(
    results: Annotated[Path, typer.Argument(help="Results folder made by crossval.")],
) -> None:
    """Write one self-contained report.html from a results folder."""
    from brainograph.report import write_report

    path = write_report(results)
    say(f"The report is at {path.resolve()}")
