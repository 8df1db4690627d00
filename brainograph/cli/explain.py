"""``brainograph explain``: why a model predicts what it does, by region."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from brainograph.cli.app import app, refuse_occupied, say
from brainograph.cli.reading import HashIds, Salt, with_hashed_ids, with_hashed_training_ids

if TYPE_CHECKING:
    from brainograph.inspection.explanations import Explanation

__all__ = ["explain"]


class How(StrEnum):
    """How to explain."""

    integrated_gradients = "integrated_gradients"
    saliency = "saliency"
    occlusion = "occlusion"
    attention = "attention"
    haufe = "haufe"
    neighbors = "neighbors"
    phenotypes = "phenotypes"
    modalities = "modalities"
    gnnexplainer = "gnnexplainer"
    gradcam = "gradcam"
    gradcam_plus_plus = "gradcam++"


class What(StrEnum):
    """What to explain it by."""

    region = "region"
    edge = "edge"
    network = "network"
    window = "window"
    phenotype = "phenotype"
    neighbor = "neighbor"
    input = "input"


@app.command(epilog="Example: brainograph explain model cohort explanations --method occlusion")
def explain(
    model: Annotated[Path, typer.Argument(help="Model folder made by fit.")],
    cohort: Annotated[Path, typer.Argument(help="Cohort folder made by build.")],
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    method: Annotated[
        list[How] | None, typer.Option(help="How. Repeatable. [what suits the model]")
    ] = None,
    level: Annotated[
        list[What] | None, typer.Option(help="By what. Repeatable. [what the method has]")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Class to explain. [the second; of several, the predicted]")
    ] = None,
    background: Annotated[
        Path | None,
        typer.Option(help="Cohort whose mean stands for no information. [COHORT itself]"),
    ] = None,
    participant: Annotated[
        list[str] | None, typer.Option(help="Explain these only. Repeatable. [all]")
    ] = None,
    atlas: Annotated[
        Path | None, typer.Option(help="Label image of the regions, to fill them in pictures.")
    ] = None,
    hash_ids: HashIds = False,
    salt: Salt = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace explanations that are there.")
    ] = False,
) -> None:
    """Say which regions, edges, windows, neighbours or voxels a model's predictions rest on.

    Writes a table of the mean over participants for each method and level, one of everybody in
    participants/, pictures, and for images maps in their own space. A folder RESULTS/explanations
    is shown by the report.
    """
    refuse_occupied(out, "explanations.json", overwrite=overwrite)
    from brainograph.cohort import Cohort
    from brainograph.estimators import load_model
    from brainograph.inspection.explanations import write_explanations

    people = everybody = Cohort.load(cohort)
    if participant:
        rows = people.locate(participant)
        if strangers := [name for name, row in zip(participant, rows, strict=True) if row < 0]:
            raise ValueError(f"{cohort} has no participants {strangers[:5]}.")
        everybody, people = people, people[rows]
    people = with_hashed_ids(people, hash_ids, salt)
    fitted = with_hashed_training_ids(load_model(model), hash_ids, salt)
    classes = getattr(fitted, "classes_", ())
    label = next((one for one in classes if str(one) == target), target)
    behind = everybody if participant else None
    if background is not None:
        behind = Cohort.load(background)
    written = write_explanations(
        fitted,
        people,
        out,
        methods=cast("list[Explanation]", [one.value for one in method or ()]),
        levels=[one.value for one in level or ()],
        target=label,
        background=behind,
        atlas=atlas,
    )
    say(f"Explained {len(people)} participants. Written to {written}")
