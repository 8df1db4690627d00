"""``brainograph export``: a cohort for other programs."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from brainograph.cli.app import app, refuse_occupied, say
from brainograph.cli.reading import HashIds, Salt, with_hashed_ids

if TYPE_CHECKING:
    from brainograph.graphs.sparsify import Sign

__all__ = ["export"]


class Format(StrEnum):
    """What to write."""

    graphml = "graphml"
    brainnet = "brainnet"
    pyg = "pyg"
    csv = "csv"
    tsv = "tsv"


@app.command(epilog="Example: brainograph export cohort graphs --format graphml --density 0.1")
def export(
    cohort: Annotated[Path, typer.Argument(help="Cohort folder made by build.")],
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    format: Annotated[
        Format,
        typer.Option(
            help="GraphML; BrainNet Viewer; one file for PyTorch Geometric; matrices as text."
        ),
    ],
    matrix: Annotated[str, typer.Option(help="Which of the cohort's matrices.")] = "fc",
    density: Annotated[
        float | None, typer.Option(help="Share of the edges that stay, the strongest. [all]")
    ] = None,
    sign: Annotated[
        str, typer.Option(help="Edges to keep: signed, positive, negative or absolute.")
    ] = "signed",
    hash_ids: HashIds = False,
    salt: Salt = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an export that is there.")
    ] = False,
) -> None:
    """Write graphs or matrices for other programs, one file for each participant."""
    from brainograph.cohort import Cohort
    from brainograph.datasets import export_cohort
    from brainograph.graphs.sparsify import Sign

    if sign not in get_args(Sign):
        raise ValueError(f"--sign must be one of {', '.join(get_args(Sign))}, got {sign!r}.")
    refuse_occupied(out, "export.json", overwrite=overwrite)
    people = Cohort.load(cohort)
    export_cohort(
        with_hashed_ids(people, hash_ids, salt),
        out,
        format=format.value,
        matrix=matrix,
        density=density,
        sign=cast("Sign", sign),
        overwrite=overwrite,
    )
    say(f"{matrix} of {len(people)} participants. Written to {out}")
