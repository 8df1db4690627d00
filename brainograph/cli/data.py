"""``brainograph build`` and ``merge``: from files to cohorts."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from brainograph.cli.app import Jobs, app, refuse_occupied, say

if TYPE_CHECKING:
    from brainograph.cohort import Cohort
    from brainograph.connectivity.static import Kind, Shrinkage

__all__ = ["build", "merge"]


class Layout(StrEnum):
    """Which software wrote the files."""

    fmriprep = "fmriprep"
    cpac = "cpac"
    xcpd = "xcpd"
    tables = "tables"


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
    shrinkage: Annotated[
        list[str] | None,
        typer.Option(help="Shrink a matrix's covariance: NAME=ledoit_wolf, oas or 0 to 1."),
    ] = None,
    jobs: Jobs = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a cohort that is there.")
    ] = False,
) -> None:
    """Read scans or series and write a cohort. A build that was interrupted goes on."""
    import shutil

    from brainograph.io.connect import connect

    refuse_occupied(cohort, "cohort.json", overwrite=overwrite)
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
    kinds, shrunk = _kinds(connectivity), _shrinkage(shrinkage)
    work_dir = cohort.resolve().with_name(f".{cohort.resolve().name}.build")
    made = _read(source, layout, {k: v for k, v in given.items() if v is not None}, jobs, work_dir)
    if connectivity and made.timeseries is None:
        raise ValueError("--connectivity is computed from series, and SOURCE holds matrices.")
    try:
        if made.timeseries is not None:
            made = connect(made, kinds, shrinkage=shrunk, n_jobs=jobs)
        made.save(cohort, overwrite=overwrite)
    except (ValueError, OSError) as error:
        error.add_note("What was read is kept: the same command goes on from there.")
        raise
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


def _shrinkage(given: list[str] | None) -> "dict[str, Shrinkage | float]":
    """Return how the covariance of each matrix is shrunk, from NAME=HOW."""
    from brainograph.connectivity.covariance import check_shrinkage

    shrunk: dict[str, Any] = dict(item.partition("=")[::2] for item in given or ())
    for name, how in shrunk.items():
        number = how.replace(".", "", 1).isdigit()
        shrunk[name] = float(how) if number else how
        check_shrinkage(shrunk[name])
    return shrunk


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
    say(str(cohort))
    reasons = cohort.failures.groupby("reason", sort=False)["participant_id"].agg(list)
    reasons = reasons.sort_values(key=lambda people: people.map(len), kind="stable")[::-1]
    for reason, people in reasons.head(5).items():
        named = ", ".join(people[:3]) + (", ..." if len(people) > 3 else "")
        who = named if len(people) == 1 else f"{len(people)} participants ({named})"
        say(f"  not read: {who}: {reason}")
    if more := sum(map(len, reasons[5:])):
        say(f"  not read: {more} more, for {len(reasons) - 5} other reasons")
    if len(reasons):
        say(f"  all of them: {folder / 'failures.tsv'}")
    say(f"Written to {folder}")


@app.command(epilog="Example: brainograph merge cohorts/both ho=cohorts/ho cc200=cohorts/cc200")
def merge(
    out: Annotated[Path, typer.Argument(help="Folder to write the merged cohort to.")],
    cohorts: Annotated[
        list[str], typer.Argument(help="Cohort folders, the main one first: NAME=PATH or PATH.")
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a cohort that is there.")
    ] = False,
) -> None:
    """Put cohorts of the same participants, read with several atlases, into one."""
    from brainograph.cohort import Cohort
    from brainograph.cohort_merge import merge as put_together

    refuse_occupied(out, "cohort.json", overwrite=overwrite)
    named = [(name or Path(path).name, path) for name, _, path in map(_name_and_path, cohorts)]
    parts = {name: Cohort.load(path) for name, path in named}
    if len(parts) < 2 or len(parts) < len(cohorts):
        raise ValueError(
            "merge takes two or more cohorts with different names: brainograph merge OUT "
            "ho=cohorts/ho cc200=cohorts/cc200."
        )
    put_together(parts).save(out, overwrite=overwrite)
    say(f"{Cohort.load(out)}\nWritten to {out}")


def _name_and_path(item: str) -> tuple[str, str, str]:
    """Split NAME=PATH; the name of PATH alone is its folder's."""
    name, equals, path = item.rpartition("=")
    return name, equals, path
