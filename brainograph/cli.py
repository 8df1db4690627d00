"""The ``brainograph`` command: build, crossval, fit, predict, report, and a demo of them all.

Everything heavy is imported inside the commands, so that ``--help`` answers at once.
"""

import os
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

if TYPE_CHECKING:
    from brainograph.cohort import Cohort
    from brainograph.connectivity.static import Kind
    from brainograph.model_selection import Results

__all__ = ["app", "main"]

app = typer.Typer(
    name="brainograph",
    help="Graph neural network connectomics: brain scans in, honest predictions out. "
    "For research use only, not for diagnosis.\n\n"
    "Try it: [bold]brainograph demo[/bold]",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
console = Console(stderr=True, highlight=False)


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


@app.command(epilog="Example: brainograph demo --output brainograph_demo --jobs 2")
def demo(
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("brainograph_demo"),
    jobs: Jobs = 2,
) -> None:
    """Run the whole path on simulated scans: build, crossval, report. Nothing is downloaded."""
    from brainograph.datasets import simulate_fmriprep

    scans, cohort, results = output / "fmriprep", output / "cohort", output / "results"
    if not (scans / "participants.tsv").is_file():
        console.print(f"Simulating a small fMRIPrep data set in [bold]{scans}[/bold] ...")
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
        console.print(f"\n[bold green]$[/bold green] brainograph {shlex.join(step)}")
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

    if (cohort / "cohort.json").is_file() and not overwrite:
        raise FileExistsError(f"{cohort} is there. Add --overwrite, or choose another folder.")
    kinds = _kinds(connectivity)
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
    work_dir = cohort.with_name(f".{cohort.name}.build")
    made = _read(source, layout, {k: v for k, v in given.items() if v is not None}, jobs, work_dir)
    if made.timeseries is not None:
        made = _connect(made, kinds, jobs)
    made.save(cohort, overwrite=overwrite)
    shutil.rmtree(work_dir, ignore_errors=True)
    _summarise(made, cohort)


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


def _connect(cohort: "Cohort", kinds: dict[str, "Kind"], jobs: int) -> "Cohort":
    """Return the cohort with its matrices."""
    from brainograph.connectivity import static

    series = list(cohort.timeseries or ())
    return cohort.assign(
        connectivity={name: static(series, kind=kind, n_jobs=jobs) for name, kind in kinds.items()}
    )


def _summarise(cohort: "Cohort", folder: Path) -> None:
    """Say what was read and what was not."""
    console.print(f"[bold]{cohort}[/bold]")
    for row in cohort.failures.head(5).itertuples():
        console.print(f"  not read: {row.participant_id}: {row.reason}", markup=False)
    if len(cohort.failures) > 5:
        console.print(f"  and {len(cohort.failures) - 5} more, all in {folder / 'failures.tsv'}")
    console.print(f"Written to [bold]{folder}[/bold]")


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
    from brainograph.config import load_config, save_config

    experiment = load_config(config, overrides or ())
    from brainograph.config.build import make_labels, make_models, make_splits
    from brainograph.model_selection import cross_validate

    cohort = _load_cohort(experiment.cohort)
    y = make_labels(experiment, cohort)
    outcome = cross_validate(
        make_models(experiment, cohort),
        cohort,
        y,
        splits=make_splits(experiment, cohort, y),
        regimes=experiment.regimes,
        folder=results,
        n_jobs=jobs,
        title=experiment.title,
    )
    save_config(experiment, results / "config.yaml")
    _print_scores(outcome)
    console.print(f"Written to [bold]{results}[/bold]. Next: brainograph report {results}")


def _load_cohort(folder: Path) -> "Cohort":
    from brainograph.cohort import Cohort

    try:
        return Cohort.load(folder)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error} Or name another: --set cohort=PATH") from error


def _print_scores(outcome: "Results") -> None:
    """Print the AUC and balanced accuracy of every model."""
    from rich.table import Table

    scores = outcome.scores()
    table = Table(title=outcome.provenance["scheme"])
    for column in (
        "model",
        "regime",
        "AUC [95 % interval]",
        "mean AUC of folds",
        "balanced accuracy",
    ):
        table.add_column(column)
    for (model, regime), rows in scores.groupby(["model", "regime"], sort=False):
        of = rows.set_index("metric")
        auc, balanced = of.loc["auc"], of.loc["balanced_accuracy", "value"]
        interval = f"{auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]"
        table.add_row(
            model, regime, interval, f"{of.loc['auc_folds', 'value']:.3f}", f"{balanced:.3f}"
        )
    Console().print(table)


@app.command(epilog="Example: brainograph fit configs/demo.yaml model --set cohort=cohort")
def fit(
    config: Annotated[Path, typer.Argument(help="Experiment file (YAML).")],
    model: Annotated[Path, typer.Argument(help="Folder to write the model to.")],
    overrides: Overrides = None,
) -> None:
    """Fit a model on every labelled participant and save it without pickle."""
    from brainograph.config import load_config, save_config

    experiment = load_config(config, overrides or ())
    from brainograph.config.build import make_labels, make_model

    cohort = _load_cohort(experiment.cohort)
    y = make_labels(experiment, cohort)
    fitted = make_model(experiment).set_params(progress=True).fit(cohort, y)
    fitted.save(model)
    save_config(experiment, model / "config.yaml")
    console.print(
        f"Fitted on {(y != -1).sum()} of {len(y)} participants. Written to [bold]{model}[/bold]"
    )


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

    fitted = PopulationGraphClassifier.load(model)
    people = Cohort.load(cohort)
    table = pd.DataFrame(
        {
            "participant_id": people.participant_ids,
            "probability": fitted.predict_proba(people)[:, 1],
            "prediction": fitted.predict(people),
            "regime": fitted.regime(people),
        }
    )
    write_tsv(table, out)
    console.print(f"{len(table)} participants predicted. Written to [bold]{out}[/bold]")


@app.command(epilog="Example: brainograph report results/ho")
def report(
    results: Annotated[Path, typer.Argument(help="Results folder made by crossval.")],
) -> None:
    """Write one self-contained report.html from a results folder."""
    from brainograph.report import write_report

    path = write_report(results)
    console.print(f"The report is at [bold]{path.resolve()}[/bold]", soft_wrap=True)


def main() -> None:
    """Run the command; a mistake of the user ends in a message, not in a traceback."""
    try:
        app()
    except (ValueError, OSError) as error:
        if os.environ.get("BRAINOGRAPH_TRACEBACK"):
            raise
        notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", []))
        console.print("[bold red]Error:[/bold red] ", end="")
        console.print(f"{error}{notes}", markup=False, soft_wrap=True)
        sys.exit(1)
