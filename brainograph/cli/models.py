"""``brainograph fit`` and ``predict``: a model for participants to come."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainograph.cli.app import Jobs, Overrides, app, load_cohort, refuse_occupied, say
from brainograph.cli.reading import (
    Atlas,
    AtlasImage,
    AtlasNames,
    Confounds,
    Contents,
    HashIds,
    IdColumn,
    Layout,
    Participants,
    Runs,
    Salt,
    Space,
    Strategy,
    Task,
    given_options,
    read_scans,
    with_hashed_ids,
    with_hashed_training_ids,
)

if TYPE_CHECKING:
    import pandas as pd

    from brainograph.cohort import Cohort
    from brainograph.config.schema import Experiment
    from brainograph.estimators.prediction.training_summary import TrainingSummary

__all__ = ["fit", "predict"]


@app.command(epilog="Example: brainograph fit configs/demo.yaml model --set cohort=cohort")
def fit(
    config: Annotated[Path, typer.Argument(help="Experiment file (YAML).")],
    model: Annotated[Path, typer.Argument(help="Folder to write the model to.")],
    overrides: Overrides = None,
    results: Annotated[
        Path | None,
        typer.Option(help="Results folder of crossval, whose numbers the model card states."),
    ] = None,
    drop_training_data: Annotated[
        bool,
        typer.Option("--drop-training-data", help="Keep nothing of participants in the model."),
    ] = False,
    hash_ids: HashIds = False,
    salt: Salt = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model that is there.")
    ] = False,
) -> None:
    """Fit a model on every labelled participant and save it without pickle, with a model card."""
    import numpy as np

    from brainograph.config import load_config, save_config

    refuse_occupied(model, "model.json", overwrite=overwrite)
    experiment = load_config(config, overrides or ())
    from brainograph.config.build import check_cohort, make_labels
    from brainograph.config.models import make_model
    from brainograph.estimators.deep_features import DeepFeatures
    from brainograph.estimators.denoising import DenoisingFeatures
    from brainograph.estimators.prediction.training_summary import TrainingSummary
    from brainograph.estimators.saving.model_card import write_model_card
    from brainograph.estimators.saving.privacy import drop_training_data as without_participants

    cohort = load_cohort(experiment.cohort)
    check_cohort(experiment, cohort)
    y = make_labels(experiment, cohort)
    cohort = with_hashed_ids(cohort, hash_ids, salt)
    measured = _measured(results, experiment)
    unfitted = make_model(experiment)
    around = (experiment.monte_carlo, experiment.calibration, experiment.conformal)
    if experiment.search is not None and any(around):
        raise ValueError(
            "search: what is around a searched model (monte_carlo, calibration, conformal) is part "
            "of a study only. Write the values that were chosen under model, and leave search out."
        )
    inner = getattr(unfitted, "estimator", unfitted)  # of a search
    learnt = (DeepFeatures, DenoisingFeatures)
    if any(isinstance(part, learnt) for part in inner.get_params().values()):
        raise ValueError(
            "features: what a network has learnt (`kind: deep`, `denoise`) is part of a study "
            "only. Leave it out, or save the network: `model: {kind: subject_graph, ...}`."
        )
    if not hasattr(inner, "save"):
        raise ValueError(
            "model: trees, and a linear model on features that are learnt from labels, are saved "
            "as part of a study only. Write `kind: linear` and `transductive: true` under model, "
            "or another kind."
        )
    if "progress" in inner.get_params():
        inner.set_params(progress=True)
    fitted = unfitted.fit(cohort, y)
    fitted = getattr(fitted, "best_estimator_", fitted)
    if drop_training_data:
        fitted = without_participants(fitted)
        _say_what_is_gone(fitted)
    fitted.save(model)
    save_config(experiment, model / "config.yaml")
    summary = TrainingSummary.of(cohort, y)
    summary.save(model)
    target = _in_words(experiment)
    write_model_card(
        model, fitted, title=experiment.title, target=target, summary=summary, **measured
    )
    known = np.isfinite(y) & (y != -1)
    say(f"Fitted on {known.sum()} of {len(y)} participants. Written to {model}")


def _measured(results: Path | None, experiment: "Experiment") -> dict[str, Any]:
    """Return the scores of a cross-validation of this experiment, for the model card."""
    if results is None:
        return {}
    import pandas as pd

    from brainograph.config import load_config
    from brainograph.files import read_tsv
    from brainograph.model_selection import Results

    known = Results.load(results)
    measured = load_config(results / "config.yaml")
    parts = ("target", "features", "model", "search")
    other = [name for name in parts if getattr(measured, name) != getattr(experiment, name)]
    if other:
        raise ValueError(
            f"{results} was measured with other settings of {', '.join(other)} than this "
            "experiment: its numbers are not this model's. Run crossval with the same file, or "
            "leave --results out."
        )
    scores = read_tsv(results / "metrics.tsv")
    overall = scores[scores["group"] == "all"]
    names = [known.provenance["main"], "majority", "mean"]
    return {
        "scores": pd.concat([overall[overall["model"] == name] for name in names]),
        "scheme": known.provenance["scheme"],
    }


def _in_words(experiment: "Experiment") -> str:
    """Return what is predicted, in words."""
    target = experiment.target
    if target.number:
        return f"the number {target.column}"
    if target.classes is not None:
        named = ", ".join(f"{k}: {value}" for k, value in enumerate(target.classes))
        return f"{target.column} ({named})"
    return f"{target.column} (1: {target.positive}, 0: {target.negative})"


def _say_what_is_gone(model: Any) -> None:
    """Say what a model without its participants cannot do any more."""
    from brainograph.estimators.subject.base import SubjectGraph
    from brainograph.estimators.wrappers.wrapper import unwrapped

    gone = "Dropped the training participants: nobody is predicted transductively, and no nearest "
    if isinstance(unwrapped(model)[-1], SubjectGraph):
        say(f"{gone}participants are named. Predictions of others stay the same.")
    else:
        say(
            f"{gone}participants are named. New participants have nobody to listen to and are "
            "predicted from their own features alone, which is not what was cross-validated: try "
            "it on participants whose label is known before it is used."
        )


@app.command(epilog="Example: brainograph predict model new_cohort predictions.tsv")
def predict(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="Model folder made by fit.")],
    source: Annotated[
        Path, typer.Argument(help="Cohort folder made by build, or scans with --layout.")
    ],
    out: Annotated[Path, typer.Argument(help="Table to write (TSV).")],
    layout: Annotated[
        Layout | None, typer.Option(help="Read scans, and which software wrote them.")
    ] = None,
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
    min_confidence: Annotated[
        float, typer.Option(help="Abstain where the largest probability is below this.")
    ] = 0.0,
    passes: Annotated[
        int, typer.Option(min=0, help="Passes with dropout on, for the uncertainty.")
    ] = 20,
    neighbors: Annotated[
        int, typer.Option(min=0, help="How many of the nearest training participants to name.")
    ] = 3,
    hash_ids: HashIds = False,
    salt: Salt = None,
    jobs: Jobs = 1,
) -> None:
    """Predict participants with a fitted model, with uncertainty, abstention and warnings.

    Scans are read as those of the training were, as far as nothing else is said.
    """
    from brainograph.cohort import Cohort
    from brainograph.estimators import load_model
    from brainograph.estimators.prediction.table import prediction_table
    from brainograph.estimators.prediction.training_summary import TrainingSummary
    from brainograph.files import write_tsv

    if out.is_dir():
        raise IsADirectoryError(f"{out} is a folder. Name a file, such as {out / 'out.tsv'}.")
    fitted, summary = load_model(model), TrainingSummary.load(model)
    options = given_options(context)
    if layout is not None:
        people = _from_scans(source, layout, options, summary, jobs, out)
    elif options:
        named = ", ".join("--" + name.replace("_", "-") for name in options)
        raise ValueError(f"{named}: a cohort is read as it is. To read scans write --layout.")
    else:
        people = Cohort.load(source)
    people = with_hashed_ids(people, hash_ids, salt)
    fitted = with_hashed_training_ids(fitted, hash_ids, salt)
    table = prediction_table(
        fitted,
        people,
        summary=summary,
        min_confidence=min_confidence,
        n_passes=passes,
        n_neighbors=neighbors,
    )
    write_tsv(table, out, index=True)
    _say_what_was_found(table, summary)
    say(f"{len(table)} participants predicted. Written to {out}")


def _from_scans(
    source: Path,
    layout: Layout,
    options: dict[str, Any],
    summary: "TrainingSummary | None",
    jobs: int,
    out: Path,
) -> "Cohort":
    """Read scans as those of the training were, where nothing else was said."""
    import shutil

    from brainograph.io.connect import connect

    known = {} if summary is None else dict(summary.reading)
    same = known.get("layout") == layout.value
    asked = ("strategy", "atlas", "task", "space", "confounds", "runs", "contents")
    trained = {name: known[name] for name in asked if same and name in known}
    work_dir = out.resolve().with_name(f".{out.name}.build")
    people = read_scans(source, layout, {**trained, **options}, jobs, work_dir)
    if people.timeseries is not None:
        kinds, shrunk = known.get("connectivity", {"fc": "correlation"}), known.get("shrinkage")
        people = connect(people, kinds, shrinkage=shrunk, n_jobs=jobs)
    _warn_of_other_reading(people, known)
    for row in people.failures.itertuples():
        say(f"  not read: {row.participant_id}: {row.reason}")
    shutil.rmtree(work_dir, ignore_errors=True)
    return people


def _warn_of_other_reading(people: "Cohort", known: dict[str, Any]) -> None:
    """Warn of scans that were read in another way than those of the training."""
    import warnings

    other = [
        f"{name} {people.provenance[name]} and not {known[name]}"
        for name in known
        if people.provenance.get(name, known[name]) != known[name]
    ]
    if other:
        warnings.warn(
            f"these scans were read with {'; '.join(other)}: what differs may be the processing.",
            stacklevel=2,
        )


def _say_what_was_found(table: "pd.DataFrame", summary: "TrainingSummary | None") -> None:
    """Say in a line each how many are doubtful, and what could not be told."""
    if "abstains" in table and table["abstains"].any():
        say(f"{table['abstains'].sum()} without a prediction: the model abstains.")
    if summary is None:
        say("The model has no training.json: nobody could be compared with its participants.")
    elif (warned := (table["warnings"] != "").sum()) and len(table):
        say(f"{warned} of {len(table)} are unlike the training participants: column warnings.")
    if "entropy" in table and "mutual_information" not in table:
        say("No mutual information: the model has one member and no dropout.")
    if "nearest" not in table:
        say("No nearest participants: the model keeps none.")
