"""How scans are read, and ids are hashed: options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from brainograph.cohort import Cohort

__all__ = [
    "Aseg",
    "Atlas",
    "AtlasImage",
    "AtlasNames",
    "Confounds",
    "Contents",
    "HashIds",
    "IdColumn",
    "IdPattern",
    "Layout",
    "Parcellation",
    "Participants",
    "Runs",
    "Salt",
    "Space",
    "Strategy",
    "Task",
    "given_options",
    "read_scans",
    "with_hashed_ids",
    "with_hashed_training_ids",
]


class Layout(StrEnum):
    """Which software wrote the files."""

    fmriprep = "fmriprep"
    cpac = "cpac"
    xcpd = "xcpd"
    tables = "tables"
    freesurfer = "freesurfer"


Atlas = Annotated[
    str | None, typer.Option(help="fmriprep: a name or a label image; cpac, xcpd: a name.")
]
AtlasNames = Annotated[
    Path | None, typer.Option(help="fmriprep: TSV with index and name of the labels.")
]
AtlasImage = Annotated[
    Path | None, typer.Option(help="cpac: label image, for the regions' coordinates.")
]
Participants = Annotated[
    Path | None, typer.Option(help="Table of participants, if it is not in SOURCE.")
]
IdColumn = Annotated[
    str | None, typer.Option(help="Column of the participants' ids in that table.")
]
IdPattern = Annotated[
    str | None, typer.Option(help="freesurfer: what finds the id in a row's name: '[0-9]{7}$'.")
]
Parcellation = Annotated[
    str | None, typer.Option(help="freesurfer: aparc, aparc.a2009s ..., where there are several.")
]
Aseg = Annotated[
    bool | None, typer.Option("--aseg/--no-aseg", help="freesurfer: with or without aseg tables.")
]
Strategy = Annotated[str | None, typer.Option(help="cpac: folder such as filt_noglobal.")]
Task = Annotated[str | None, typer.Option(help="fmriprep, xcpd: BIDS task.")]
Space = Annotated[str | None, typer.Option(help="fmriprep, xcpd: BIDS space.")]
Confounds = Annotated[
    str | None, typer.Option(help="fmriprep: strategy of nilearn's load_confounds [simple].")
]
Runs = Annotated[
    str | None, typer.Option(help="fmriprep, xcpd: concatenate or separate [concatenate].")
]
Contents = Annotated[
    str | None, typer.Option(help="tables: timeseries or connectivity [timeseries].")
]
HashIds = Annotated[
    bool, typer.Option("--hash-ids", help="Give participants names that need --salt to be told.")
]
Salt = Annotated[
    str | None,
    typer.Option(
        envvar="BRAINOGRAPH_SALT",
        show_envvar=True,
        help="Secret of --hash-ids, the same for all commands of a study.",
    ),
]

_READING = (
    "atlas", "atlas_names", "atlas_image", "participants", "id_column", "strategy", "task", "space",
    "confounds", "runs", "contents", "parcellation", "id_pattern", "aseg",
)  # fmt: skip


def given_options(context: typer.Context) -> dict[str, Any]:
    """Return the options of reading that were given, by the command's names for them."""
    params = context.params
    return {name: params[name] for name in _READING if params.get(name) is not None}


def read_scans(
    source: Path, layout: Layout, options: dict[str, Any], jobs: int, work_dir: Path
) -> "Cohort":
    """Call the reader of the layout with the options that were given.

    Raises
    ------
    ValueError
        For an option that the layout does not have, or the lack of one that it needs.
    """
    import inspect

    import brainograph.io as readers

    if layout is Layout.cpac and "participants" in options:
        options = {**options, "phenotype": options["participants"]}
        del options["participants"]
    read = getattr(readers, f"read_{layout.value}")
    known = inspect.signature(read).parameters
    strange = ["--" + name.replace("_", "-") for name in options if name not in known]
    if strange:
        raise ValueError(f"{', '.join(strange)} has no meaning with --layout {layout.value}.")
    needed = [n for n in ("atlas",) if n in known and known[n].default is inspect.Parameter.empty]
    if set(needed) - set(options):
        raise ValueError(f"--layout {layout.value} needs --atlas NAME (or a label image).")
    parallel = {"n_jobs": jobs, "work_dir": work_dir}
    return read(source, **options, **{k: v for k, v in parallel.items() if k in known})


def with_hashed_ids(cohort: "Cohort", wanted: bool, salt: str | None) -> "Cohort":
    """Return the cohort with hashed ids if that is wanted.

    Raises
    ------
    ValueError
        If there is no salt.
    """
    if not wanted:
        return cohort
    if salt is None:
        raise ValueError(
            "--hash-ids needs a salt. Write `export BRAINOGRAPH_SALT=$(openssl rand -hex 16)`, "
            "and keep it apart from the data; whoever has it can tell who is who."
        )
    from brainograph.estimators.saving.privacy import hash_ids

    return hash_ids(cohort, salt)


def with_hashed_training_ids(model: Any, wanted: bool, salt: str | None) -> Any:
    """Return a fitted model that knows its participants by hashed ids if that is wanted."""
    if not wanted or salt is None:
        return model
    from brainograph.estimators.saving.privacy import hash_training_ids

    return hash_training_ids(model, salt)
