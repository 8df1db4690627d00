"""``brainograph fit`` and ``predict``: a model for participants to come."""

from pathlib import Path
from typing import Annotated

import typer

from brainograph.cli.app import Overrides, app, load_cohort, refuse_occupied, say

__all__ = ["fit", "predict"]


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
    import numpy as np

    from brainograph.config import load_config, save_config

    refuse_occupied(model, "model.json", overwrite=overwrite)
    experiment = load_config(config, overrides or ())
    from brainograph.config.build import check_cohort, make_labels
    from brainograph.config.models import make_model

    cohort = load_cohort(experiment.cohort)
    check_cohort(experiment, cohort)
    y = make_labels(experiment, cohort)
    unfitted = make_model(experiment)
    inner = getattr(unfitted, "estimator", unfitted)  # of a search
    if not hasattr(inner, "save"):
        raise ValueError(
            "model: a linear model on features that are learnt from labels is saved as part of a "
            "study only. Write `transductive: true` under model, or another kind."
        )
    if "progress" in inner.get_params():
        inner.set_params(progress=True)
    fitted = unfitted.fit(cohort, y)
    getattr(fitted, "best_estimator_", fitted).save(model)
    save_config(experiment, model / "config.yaml")
    known = np.isfinite(y) & (y != -1)
    say(f"Fitted on {known.sum()} of {len(y)} participants. Written to {model}")


@app.command(epilog="Example: brainograph predict model new_cohort predictions.tsv")
def predict(
    model: Annotated[Path, typer.Argument(help="Model folder made by fit.")],
    cohort: Annotated[Path, typer.Argument(help="Cohort folder made by build.")],
    out: Annotated[Path, typer.Argument(help="Table to write (TSV).")],
) -> None:
    """Predict the participants of a cohort with a fitted model."""
    import pandas as pd

    from brainograph.cohort import Cohort
    from brainograph.estimators import load_model
    from brainograph.files import write_tsv

    if out.is_dir():
        raise IsADirectoryError(f"{out} is a folder. Name a file, such as {out / 'out.tsv'}.")
    fitted = load_model(model)
    people = Cohort.load(cohort)
    table = pd.DataFrame({"participant_id": people.participant_ids})
    if hasattr(fitted, "predict_proba"):
        probability = fitted.predict_proba(people)
        if len(fitted.classes_) == 2:
            table["probability"] = probability[:, 1]
        else:
            table[[f"probability_{name}" for name in fitted.classes_]] = probability
        table["prediction"] = fitted.classes_[probability.argmax(axis=1)]
    else:
        table["prediction"] = fitted.predict(people)
    if hasattr(fitted, "regime"):
        table["regime"] = fitted.regime(people)
    write_tsv(table, out)
    say(f"{len(table)} participants predicted. Written to {out}")
