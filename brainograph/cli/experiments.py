"""``brainograph crossval``, ``audit``, ``leaderboard`` and ``report``: from cohorts to numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.markup import escape

from brainograph.cli.app import Cluster, Jobs, Overrides, app, load_cohort, on_cluster, say

if TYPE_CHECKING:
    from brainograph.model_selection import Audit, Results
    from brainograph.model_selection.auditing import Check

__all__ = ["audit", "crossval", "leaderboard", "report"]


@app.command(
    epilog="Example: brainograph crossval configs/abide_ho_population_gcn.yaml results/ho "
    "--set cohort=cohorts/ho --jobs 2"
)
def crossval(
    config: Annotated[Path, typer.Argument(help="Experiment file (YAML).")],
    results: Annotated[Path, typer.Argument(help="Folder to write the results to.")],
    jobs: Jobs = 1,
    cluster: Cluster = None,
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
    cache = results.resolve() / "folds" / "cache"
    try:
        with on_cluster(cluster, jobs):
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
    epilog="Example: brainograph audit configs/abide_ho_population_gcn.yaml results/ho "
    "--set cohort=cohorts/ho --permutations 99 --jobs 2"
)
def audit(
    config: Annotated[Path, typer.Argument(help="Experiment file (YAML).")],
    results: Annotated[
        Path, typer.Argument(help="Results folder of crossval; without one, a folder to make.")
    ],
    permutations: Annotated[int, typer.Option(min=1, help="Orders of the labels.")] = 20,
    folds: Annotated[int, typer.Option(min=1, help="Folds that each order is run on.")] = 3,
    check: Annotated[
        list[str] | None, typer.Option(help="Do this check only. Repeatable. [all]")
    ] = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    overrides: Overrides = None,
) -> None:
    """Try to show that a study's number is too good to be true; exit status 1 if that succeeds.

    Permutes and turns round labels, shuffles rows, renames participants, replaces other people's
    data, looks for duplicates and for phenotypes that tell the label. Writes audit.tsv, which
    the report shows. A run that was interrupted goes on.
    """
    from brainograph.config import load_config

    experiment = load_config(config, overrides or ())
    from brainograph.config.build import check_cohort, make_labels, make_splits
    from brainograph.config.models import make_model
    from brainograph.model_selection import Results
    from brainograph.model_selection import audit as run

    cohort = load_cohort(experiment.cohort)
    check_cohort(experiment, cohort)
    y = make_labels(experiment, cohort)
    predictions, splits = None, None
    if (results / "predictions.tsv").is_file():
        known = Results.load(results)
        table, splits = known.predictions, known.splits
        predictions = table[table["model"] == known.provenance["main"]]
    memory = results.resolve() / "folds" / "cache"
    with on_cluster(cluster, jobs):
        found = run(
            make_model(experiment, memory=str(memory)),
            cohort,
            y,
            splits=make_splits(experiment, cohort, y) if splits is None else splits,
            regime="transductive"
            if "transductive" in experiment.regimes
            else experiment.regimes[0],
            checks=cast("list[Check] | None", check),
            n_permutations=permutations,
            n_folds=folds,
            predictions=predictions,
            folder=results / "folds" / "audit",
            n_jobs=jobs,
        )
    _print_findings(found)
    say(f"Written to {found.save(results)}. Next: brainograph report {results}")
    if not found.passed:
        raise typer.Exit(1)


def _print_findings(found: "Audit") -> None:
    """Print what was found, one row for each finding."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    colors = {"pass": "green", "warn": "yellow", "fail": "bold red"}
    table = Table(box=SIMPLE_HEAD)
    for column in ("check", "status", "finding"):
        table.add_column(column)
    for row in found.findings.itertuples():
        color = colors.get(row.status, "dim")
        message = escape(str(row.message))
        table.add_row(row.check.replace("_", " "), f"[{color}]{row.status}[/{color}]", message)
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
    cluster: Cluster = None,
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

    with on_cluster(cluster, jobs):
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
