"""``brainograph build`` and ``merge``: from files to cohorts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from brainograph.cli.app import Jobs, app, refuse_occupied, say
from brainograph.cli.reading import (
    Aseg,
    Atlas,
    AtlasImage,
    AtlasNames,
    Confounds,
    Contents,
    HashIds,
    IdColumn,
    IdPattern,
    Layout,
    Parcellation,
    Participants,
    Runs,
    Salt,
    Space,
    Strategy,
    Task,
    given_options,
    read_scans,
    with_hashed_ids,
)

if TYPE_CHECKING:
    from brainograph.cohort import Cohort
    from brainograph.connectivity.static import Kind, Shrinkage

__all__ = ["build", "merge"]


@app.command(
    epilog="Example: brainograph build derivatives/fmriprep cohort --layout fmriprep "
    "--atlas schaefer_100 --jobs 4"
)
def build(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="Folder of derivatives or tables.")],
    cohort: Annotated[Path, typer.Argument(help="Folder to write the cohort to.")],
    layout: Annotated[Layout, typer.Option(help="Which software wrote SOURCE.")],
    atlas: Atlas = None,
    atlas_names: AtlasNames = None,
    atlas_image: AtlasImage = None,
    participants: Participants = None,
    id_column: IdColumn = None,
    strategy: Strategy = None,
    task: Task = None,
    space: Space = None,
    confounds: Confounds = None,
    runs: Runs = None,
    contents: Contents = None,
    parcellation: Parcellation = None,
    id_pattern: IdPattern = None,
    aseg: Aseg = None,
    connectivity: Annotated[
        list[str] | None,
        typer.Option(
            help="Matrices to compute, NAME=KIND. Repeatable. [fc=correlation] KIND profile "
            "compares the regions' measures (freesurfer)."
        ),
    ] = None,
    shrinkage: Annotated[
        list[str] | None,
        typer.Option(help="Shrink a matrix's covariance: NAME=ledoit_wolf, oas or 0 to 1."),
    ] = None,
    hash_ids: HashIds = False,
    salt: Salt = None,
    jobs: Jobs = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a cohort that is there.")
    ] = False,
) -> None:
    """Read scans or series and write a cohort. A build that was interrupted goes on."""
    import shutil

    from brainograph.io.connect import connect, connect_profiles

    refuse_occupied(cohort, "cohort.json", overwrite=overwrite)
    kinds, shrunk = _kinds(connectivity), _shrinkage(shrinkage)
    work_dir = cohort.resolve().with_name(f".{cohort.resolve().name}.build")
    made = read_scans(source, layout, given_options(context), jobs, work_dir)
    profiles = [name for name, kind in kinds.items() if kind == "profile"]
    if len(profiles) < len(kinds) and connectivity and made.timeseries is None:
        there = "measures: write --connectivity morph=profile" if made.measures else "matrices."
        raise ValueError(f"--connectivity is computed from series, and SOURCE holds {there}")
    try:
        if made.timeseries is not None:
            of_series = {name: kinds[name] for name in kinds if name not in profiles}
            made = connect(made, of_series, shrinkage=shrunk, n_jobs=jobs)
        for name in profiles:
            made = connect_profiles(made, name)
        made = with_hashed_ids(made, hash_ids, salt)
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
    allowed = (*get_args(Kind), "profile")
    wrong = {name: kind for name, kind in kinds.items() if kind not in allowed}
    if wrong:
        raise ValueError(
            f"--connectivity takes NAME=KIND with KIND one of {allowed}, got {wrong}. "
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
