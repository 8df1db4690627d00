"""The ``brainograph`` command: build, crossval, fit, predict, report, and a demo of them all.

Everything heavy is imported inside the commands, so that ``--help`` answers at once.
"""

import os
import shlex
import warnings
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, cast

import typer
from rich.console import Console
from typer.core import TyperGroup

import brainograph

if TYPE_CHECKING:
    from brainograph.cohort import Cohort
    from brainograph.connectivity.static import Kind
    from brainograph.model_selection import Results

__all__ = ["app", "main"]

console = Console(stderr=True, highlight=False)


class _Commands(TyperGroup):
    """The commands; a mistake of the user ends in a message, not in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command and put warnings, errors and a stop into plain words."""
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except BrokenPipeError:
                raise
            except KeyboardInterrupt as stop:
                kept = str(stop).removeprefix("stopped: ")
                _say(f"Stopped. {kept or 'What is finished is kept; the same command goes on.'}")
                raise SystemExit(130) from stop
            except (ValueError, ArithmeticError, OSError) as error:
                if os.environ.get("BRAINOGRAPH_TRACEBACK"):
                    raise
                console.print("[bold red]Error:[/bold red] ", end="")
                _say("\n".join([_text(error), *getattr(error, "__notes__", [])]))
                raise SystemExit(1) from error


def _say(text: str) -> None:
    """Print a line for the user, on standard error and as it is."""
    console.print(text, markup=False, soft_wrap=True)


def _text(error: ValueError | ArithmeticError | OSError) -> str:
    """Return the message of an error, without the number of a system error."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}." if error.filename else error.strerror


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line; those for developers stay out."""
    if not issubclass(category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning)):
        console.print("[bold yellow]Warning:[/bold yellow] ", end="")
        _say(" ".join(str(message).split()))


app = typer.Typer(
    name="brainograph",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


class Layout(StrEnum):
    """Which software wrote the files."""

    fmriprep = "fmriprep"
    cpac = "cpac"
    xcpd = "xcpd"
    tables = "tables"


Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Processes; -1 for one per core.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a value of the config: key.sub=value. Repeatable."),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"brainograph {brainograph.__version__}")
        raise typer.Exit


@app.callback()
def describe(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Graph neural network connectomics: brain scans in, honest predictions out.

    For research use only, not for diagnosis.

    Try it: [bold]brainograph demo[/bold]
    """


@app.command(epilog="Example: brainograph demo --output brainograph_demo --jobs 2")
def demo(
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("brainograph_demo"),
    jobs: Jobs = 2,
) -> None:
    """Run the whole path on simulated scans: build, crossval, report. Nothing is downloaded."""
    from brainograph.datasets import simulate_fmriprep

    scans, cohort, results = output / "fmriprep", output / "cohort", output / "results"
    if not (scans / "participants.tsv").is_file():
        _say(f"Simulating a small fMRIPrep data set in {scans} ...")
        simulate_fmriprep(scans)
    config = _shipped_config("demo.yaml")
    names, n_jobs = str(scans / "atlas.tsv"), ["--jobs", str(jobs)]
    atlas = ["--atlas", str(scans / "atlas.nii.gz"), "--atlas-names", names]
    steps = [
        ["build", str(scans), str(cohort), "--layout", "fmriprep", *atlas, *n_jobs, "--overwrite"],
        ["crossval", str(config), str(results), "--set", f"cohort={cohort}", *n_jobs],
        ["report", str(results)],
    ]
    for step in steps:
        _say(f"\n$ brainograph {shlex.join(step)}")
        app(step, standalone_mode=False)


def _shipped_config(name: str) -> Path:
    """Return a config of the distribution, or of the checkout that is being worked on."""
    package = Path(__file__).parent
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{name} was not installed; reinstall with `pip install brainograph`.")


@app.command(
    epilog="Example: brainograph build derivatives/fmriprep cohort --layout fmriprep "
    "--atlas schaefer_100 --jobs 4"
)
def build(
    source: Annotated[Path, typer.Argument(help="Folder of derivatives or tables.")],
    cohort: Annotated[Path, typer.Argument(help="Folder to write the cohort to.")],
    layout: Annotated[Layout, typer.Option(help="Which software wrote SOURCE.")],
    atlas: Annotated[
        str | None, typer.Option(help="fmriprep: a name or a label image; cpac, xcpd: a name.")
    ] = None,
    atlas_names: Annotated[
        Path | None, typer.Option(help="fmriprep: TSV with index and name of the labels.")
    ] = None,
    atlas_image: Annotated[
        Path | None, typer.Option(help="cpac: label image, for the regions' coordinates.")
    ] = None,
    participants: Annotated[
        Path | None, typer.Option(help="Table of participants, if it is not in SOURCE.")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(help="Column of the participants' ids in that table.")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(help="cpac: folder such as filt_noglobal.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="fmriprep, xcpd: BIDS task.")] = None,
    space: Annotated[str | None, typer.Option(help="fmriprep, xcpd: BIDS space.")] = None,
    confounds: Annotated[
        str | None, typer.Option(help="fmriprep: strategy of nilearn's load_confounds [simple].")
    ] = None,
    runs: Annotated[
        str | None, typer.Option(help="fmriprep, xcpd: concatenate or separate [concatenate].")
    ] = None,
    contents: Annotated[
        str | None, typer.Option(help="tables: timeseries or connectivity [timeseries].")
    ] = None,
    connectivity: Annotated[
        list[str] | None,
        typer.Option(help="Matrices to compute, NAME=KIND. Repeatable. [fc=correlation]"),
    ] = None,
    jobs: Jobs = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a cohort that is there.")
    ] = False,
) -> None:
    """Read scans or series and write a cohort. A build that was interrupted goes on."""
    import shutil

    from brainograph.io.connect import connect

    _refuse_occupied(cohort, "cohort.json", overwrite=overwrite)
    given = {
        "atlas": atlas,
        "atlas_names": atlas_names,
        "atlas_image": atlas_image,
        "phenotype" if layout is Layout.cpac else "participants": participants,
        "id_column": id_column,
        "strategy": strategy,
        "task": task,
        "space": space,
        "confounds": confounds,
        "runs": runs,
        "contents": contents,
    }
    kinds = _kinds(connectivity)
    work_dir = cohort.resolve().with_name(f".{cohort.resolve().name}.build")
    made = _read(source, layout, {k: v for k, v in given.items() if v is not None}, jobs, work_dir)
    if connectivity and made.timeseries is None:
        raise ValueError("--connectivity is computed from series, and SOURCE holds matrices.")
    try:
        if made.timeseries is not None:
            made = connect(made, kinds, n_jobs=jobs)
        made.save(cohort, overwrite=overwrite)
    except (ValueError, OSError) as error:
        error.add_note("What was read is kept: the same command goes on from there.")
        raise
    shutil.rmtree(work_dir, ignore_errors=True)
    _summarise(made, cohort)


def _refuse_occupied(folder: Path, proof: str, *, overwrite: bool) -> None:
    """Refuse a folder that holds something, before anything is computed for it."""
    if (folder / proof).is_file():
        if not overwrite:
            raise FileExistsError(f"{folder} is there. Add --overwrite, or choose another folder.")
    elif folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} holds something else. Choose another folder.")


def _kinds(connectivity: list[str] | None) -> dict[str, "Kind"]:
    """Return the kind of each matrix by its name, from NAME=KIND."""
    from typing import get_args

    from brainograph.connectivity.static import Kind

    kinds = dict(item.partition("=")[::2] for item in connectivity or ["fc=correlation"])
    wrong = {name: kind for name, kind in kinds.items() if kind not in get_args(Kind)}
    if wrong:
        raise ValueError(
            f"--connectivity takes NAME=KIND with KIND one of {get_args(Kind)}, got {wrong}. "
            "Write for example --connectivity fc=correlation"
        )
    return cast(dict[str, "Kind"], kinds)


def _read(
    source: Path, layout: Layout, options: dict[str, object], jobs: int, work_dir: Path
) -> "Cohort":
    """Call the reader of the layout with the options that were given."""
    import inspect

    import brainograph.io as readers

    read = getattr(readers, f"read_{layout.value}")
    known = inspect.signature(read).parameters
    strange = ["--" + name.replace("_", "-") for name in options if name not in known]
    if strange:
        raise ValueError(f"{', '.join(strange)} has no meaning with --layout {layout.value}.")
    needed = [n for n in ("atlas",) if n in known and known[n].default is inspect.Parameter.empty]
    if set(needed) - set(options):
        raise ValueError(f"--layout {layout.value} needs --atlas NAME (or a label image).")
    return read(source, **options, n_jobs=jobs, work_dir=work_dir)


def _summarise(cohort: "Cohort", folder: Path) -> None:
    """Say what was read and, by reason, what was not."""
    _say(str(cohort))
    reasons = cohort.failures.groupby("reason", sort=False)["participant_id"].agg(list)
    reasons = reasons.sort_values(key=lambda people: people.map(len), kind="stable")[::-1]
    for reason, people in reasons.head(5).items():
        named = ", ".join(people[:3]) + (", ..." if len(people) > 3 else "")
        who = named if len(people) == 1 else f"{len(people)} participants ({named})"
        _say(f"  not read: {who}: {reason}")
    if more := sum(map(len, reasons[5:])):
        _say(f"  not read: {more} more, for {len(reasons) - 5} other reasons")
    if len(reasons):
        _say(f"  all of them: {folder / 'failures.tsv'}")
    _say(f"Written to {folder}")


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
    from brainograph.config.build import check_cohort, make_labels, make_models, make_splits
    from brainograph.model_selection import cross_validate

    cohort = _load_cohort(experiment.cohort)
    check_cohort(experiment, cohort)
    y = make_labels(experiment, cohort)
    _say(f"{(y == 1).sum()} positive, {(y == 0).sum()} negative, {(y == -1).sum()} unlabelled")
    cache = results / "folds" / "cache"
    try:
        outcome = cross_validate(
            make_models(experiment, cohort, memory=str(cache)),
            cohort,
            y,
            splits=make_splits(experiment, cohort, y),
            regimes=experiment.regimes,
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
    _say(f"Written to {results}. Next: brainograph report {results}")


def _load_cohort(folder: Path) -> "Cohort":
    from brainograph.cohort import Cohort

    try:
        return Cohort.load(folder)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error} Or name another: --set cohort=PATH") from error


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
    _say(f"The table is at {write_leaderboard(results, folder, published=published)}")


@app.command(epilog="Example: brainograph fit configs/demo.yaml model --set cohort=cohort")
def fit(
    config: Annotated[Path, typer.Argument(help="Experiment file (YAML).")],
    model: Annotated[Path, typer.Argument(help="Folder to write the model to.")],
    overrides: Overrides = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model that is there.")
    ] = False,
) -> None:
    """Fit a model on every labelled participant and save it without pickle."""
    from brainograph.config import load_config, save_config

    _refuse_occupied(model, "model.json", overwrite=overwrite)
    experiment = load_config(config, overrides or ())
    from brainograph.config.build import check_cohort, make_labels, make_model

    cohort = _load_cohort(experiment.cohort)
    check_cohort(experiment, cohort)
    y = make_labels(experiment, cohort)
    fitted = make_model(experiment).set_params(progress=True).fit(cohort, y)
    fitted.save(model)
    save_config(experiment, model / "config.yaml")
    _say(f"Fitted on {(y != -1).sum()} of {len(y)} participants. Written to {model}")


@app.command(epilog="Example: brainograph predict model new_cohort predictions.tsv")
def predict(
    model: Annotated[Path, typer.Argument(help="Model folder made by fit.")],
    cohort: Annotated[Path, typer.Argument(help="Cohort folder made by build.")],
    out: Annotated[Path, typer.Argument(help="Table to write (TSV).")],
) -> None:
    """Predict the participants of a cohort with a fitted model."""
    import pandas as pd

    from brainograph.cohort import Cohort
    from brainograph.estimators import PopulationGraphClassifier
    from brainograph.files import write_tsv

    if out.is_dir():
        raise IsADirectoryError(f"{out} is a folder. Name a file, such as {out / 'out.tsv'}.")
    fitted = PopulationGraphClassifier.load(model)
    people = Cohort.load(cohort)
    probability = fitted.predict_proba(people)
    table = pd.DataFrame(
        {
            "participant_id": people.participant_ids,
            "probability": probability[:, 1],
            "prediction": fitted.classes_[probability.argmax(axis=1)],
            "regime": fitted.regime(people),
        }
    )
    write_tsv(table, out)
    _say(f"{len(table)} participants predicted. Written to {out}")


@app.command(epilog="Example: brainograph report results/ho")
def report(
    results: Annotated[Path, typer.Argument(help="Results folder made by crossval.")],
) -> None:
    """Write one self-contained report.html from a results folder."""
    from brainograph.report import write_report

    path = write_report(results)
    _say(f"The report is at {path.resolve()}")


def main() -> None:
    """Run the command that the arguments name."""
    app()
