"""What a fitted model says of participants, how sure it is, and whether they are like its own."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_regressor

from brainograph.cohort import Cohort
from brainograph.estimators.prediction.neighborhood import Neighborhood
from brainograph.estimators.prediction.training_summary import TrainingSummary
from brainograph.estimators.subject.base import SubjectGraph
from brainograph.estimators.wrappers.calibration import Calibrated
from brainograph.estimators.wrappers.conformal import Conformal
from brainograph.estimators.wrappers.uncertainty import draws_differ, uncertainty
from brainograph.estimators.wrappers.wrapper import unwrapped

__all__ = ["prediction_table"]


def prediction_table(
    model: Any,
    cohort: Cohort,
    *,
    summary: TrainingSummary | None = None,
    min_confidence: float = 0.0,
    n_passes: int = 20,
    n_neighbors: int = 3,
    random_state: int = 0,
) -> pd.DataFrame:
    """Predict participants with a fitted model, with all that says how far to trust it.

    Parameters
    ----------
    model : estimator
        Fitted, such as :func:`~brainograph.estimators.load_model` opens.
    cohort : Cohort (S)
        Participants.
    summary : TrainingSummary, optional
        What the training participants were like, to warn of those who are not.
    min_confidence : float
        The model abstains where its largest probability is below this.
    n_passes : int
        Passes with dropout for the uncertainty of a network that has any; 0 for none.
    n_neighbors : int
        How many of the most alike training participants are named, where the model keeps them.
    random_state : int
        Seed of the passes.

    Returns
    -------
    DataFrame (S, .)
        Of a classifier: ``probability`` of the second of two classes, or one column a class;
        ``calibrated_probability`` where the model is calibrated; ``prediction`` (missing where it
        abstains), ``abstains``, and of a conformal model ``prediction_set``; ``regime``;
        ``entropy`` and, of several members or passes, ``mutual_information`` (nats);
        ``contribution_NAME`` of each modality that a network fuses; ``nearest`` and
        ``nearest_distance``; ``silent_regions``, ``connectivity_distance`` and ``warnings``.
        Of a regressor: ``prediction``, of several members their ``deviation``, ``warnings``.

    Raises
    ------
    ValueError
        If ``min_confidence`` is not in [0, 1], or the cohort does not fit the model.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.estimators import PopulationGraphClassifier
    >>> cohort = simulate_cohort(n_subjects=40, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = PopulationGraphClassifier(max_epochs=10).fit(cohort[:30], y[:30])
    >>> summary = TrainingSummary.of(cohort[:30], y[:30])
    >>> table = prediction_table(model, cohort[30:], summary=summary, n_passes=2)
    >>> table.columns[:4].tolist()
    ['probability', 'prediction', 'abstains', 'regime']
    """
    if not 0 <= min_confidence <= 1:
        raise ValueError(f"min_confidence must be in [0, 1], got {min_confidence}. Write 0.8.")
    if is_regressor(model):
        table = _numbers(model, cohort)
    else:
        table = _classes(model, cohort, min_confidence)
    if hasattr(model, "regime"):
        table["regime"] = model.regime(cohort)
    if not is_regressor(model) and len(cohort):
        samples = _samples(model, cohort, n_passes, random_state)
        table = table.join(uncertainty(samples, cohort).round(6))
        table = table.join(_contributions(unwrapped(model)[-1], cohort))
    warned = pd.DataFrame({"warnings": ""}, index=table.index)
    if summary is not None:
        warned = summary.compare(cohort)
    known = Neighborhood.of(model)
    if known is not None and n_neighbors:
        nearest = known.nearest(cohort, n_neighbors)
        table = table.join(nearest)
        warned["warnings"] = _with_far(warned["warnings"], nearest["nearest_distance"], known)
    return table.join(warned)


def _classes(model: Any, cohort: Cohort, min_confidence: float) -> pd.DataFrame:
    """Return probabilities, the class that is called, and whether none is."""
    chain = unwrapped(model)
    table = _named(chain[-1].predict_proba(cohort), model.classes_, "probability", cohort)
    for one in chain:
        if isinstance(one, Calibrated):
            said = one.predict_proba(cohort)
            table = table.join(_named(said, model.classes_, "calibrated_probability", cohort))
    probability = model.predict_proba(cohort)
    abstains = probability.max(axis=1) < min_confidence
    if isinstance(model, Conformal):
        abstains |= model.abstains(cohort)
        names = model.classes_.astype(str)
        sets = model.predict_set(cohort)
        table["prediction_set"] = [" ".join(names[inside]) or "none" for inside in sets]
    called = pd.Series(model.classes_[probability.argmax(axis=1)], index=table.index)
    table["prediction"] = called.astype(object).mask(abstains)
    table["abstains"] = abstains
    return table


def _named(proba: np.ndarray, classes: np.ndarray, name: str, cohort: Cohort) -> pd.DataFrame:
    """Return the probability of the second of two classes, or those of several."""
    index = cohort.phenotype.index
    if len(classes) == 2:
        return pd.DataFrame({name: proba[:, 1]}, index=index)
    return pd.DataFrame(proba, columns=[f"{name}_{k}" for k in classes], index=index)


def _numbers(model: Any, cohort: Cohort) -> pd.DataFrame:
    table = pd.DataFrame({"prediction": model.predict(cohort)}, index=cohort.phenotype.index)
    if getattr(model, "n_members", 1) > 1:
        outputs = np.stack(model._outputs(cohort))[:, :, 0]
        table["deviation"] = model.scale_ * outputs.std(axis=0)
    return table


def _contributions(model: Any, cohort: Cohort) -> pd.DataFrame:
    """Return what each modality weighed, of a network that fuses some."""
    network = model.networks_[0] if isinstance(model, SubjectGraph) else None
    if not hasattr(network, "contributions"):
        return pd.DataFrame(index=cohort.phenotype.index)
    return model.contributions(cohort).add_prefix("contribution_").round(6)


def _samples(model: Any, cohort: Cohort, n_passes: int, random_state: int) -> np.ndarray:
    """Return probabilities drawn with dropout, else by the members, else the one there is."""
    if not hasattr(model, "sample_proba"):
        return model.predict_proba(cohort)[None]
    if n_passes:
        drawn = model.sample_proba(cohort, n_passes=n_passes, random_state=random_state)
        if draws_differ(drawn, n_passes):
            return drawn
    return model.sample_proba(cohort)


def _with_far(warned: pd.Series, distance: pd.Series, known: Neighborhood) -> pd.Series:
    """Add that nobody in training is near."""
    usual = known.usual()
    far = distance > usual
    text = (
        "nobody in training is near: the nearest is at "
        + distance.map("{:.2f}".format)
        + f", 99 % of training participants have one within {usual:.2f}"
    )
    both = warned.where(warned == "", warned + "; ") + text
    return warned.where(~far, both)
