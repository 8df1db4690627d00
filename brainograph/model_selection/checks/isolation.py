"""Hidden labels and other people: neither may change a prediction."""

from functools import partial

import numpy as np

from brainograph.model_selection.checks.auc import paired_test
from brainograph.model_selection.checks.changes import flipped, others, replaced, unchanged
from brainograph.model_selection.checks.finding import Finding
from brainograph.model_selection.checks.study import Study
from brainograph.model_selection.jobs import Regime

__all__ = ["hidden_labels", "isolation"]

_SAME = 0.01
_P = 0.001


def hidden_labels(study: Study) -> list[Finding]:
    """Turn the test labels of each fold round: its predictions must stay the same, bit for bit.

    Phenotypes that are the label by another name are turned round too. A pipeline without a seed
    is judged by whether its AUC changes sides with the labels.
    """
    check, expected = "hidden_labels", "0"
    folds = range(len(study.setting.splits))
    runs = study.run(
        [partial(flipped, fold=fold) for fold in folds],
        "hidden labels",
        folds=[[fold] for fold in folds],
    )
    new = np.concatenate([scores for (scores,) in runs])
    largest = float(np.abs(new - study.baseline).max())
    if largest == 0:
        message = "With the test labels turned round every prediction is the same, bit for bit."
        return [Finding(check, "pass", 0.0, expected, message)]
    if study.deterministic:
        message = (
            f"With the test labels turned round predictions change by up to {largest:.2g}: they "
            "are seen in training, in the choice of epochs, features or thresholds, or as a "
            "phenotype."
        )
        return [Finding(check, "fail", largest, expected, message)]
    change, p = paired_test(study.truth, new, study.baseline, study.fold_of)
    moved = f"the AUC changes by {change:.3f} (p = {p:.2g})"
    if p < _P and change < 0:
        message = f"With the test labels turned round {moved}: they are seen."
        return [Finding(check, "fail", largest, expected, message)]
    message = f"Two runs differ, so bits cannot be compared; {moved}. Set a seed and audit again."
    return [Finding(check, "warn", largest, expected, message)]


def isolation(study: Study) -> list[Finding]:
    """Replace the data of half of the test participants: the others' predictions must stay.

    Scalers, selectors and harmonisation that are fitted on all rows fail it. No label is seen
    that way, so it is a *warn*, and none where the study says so: a transductive model.
    """
    check, expected = "isolation", "0 or rounding"
    inductive = hasattr(study.model, "fit") and "inductive" in _regimes(study.model)
    regime: Regime = "inductive" if inductive else study.regime
    folds = range(len(study.setting.splits))
    runs = study.run(
        [unchanged, *(partial(replaced, fold=fold) for fold in folds)],
        check,
        folds=[list(folds), *([fold] for fold in folds)],
        regime=regime,
    )
    largest = 0.0
    for split, old, (new,) in zip(study.setting.splits, runs[0], runs[1:], strict=True):
        kept = len(split.test) - len(others(split))
        moved = np.abs(new - old)[:kept].max(initial=0)
        largest = max(largest, float(moved / (old.std() or 1.0)))
    if largest <= _SAME:
        how = "" if regime == study.regime else ", fitted inductively,"
        message = f"Predictions{how} do not depend on the data of other test participants."
        return [Finding(check, "pass", largest, expected, message)]
    seen = (
        f"Other test participants' data move predictions by up to {largest:.2g} standard deviations"
    )
    if study.declared:
        return [Finding(check, "pass", largest, expected, f"{seen}, as a transductive model says.")]
    if not study.deterministic:
        message = f"{seen}, but a second run differs too. Set a seed and audit again."
        return [Finding(check, "warn", largest, expected, message)]
    message = (
        f"{seen}. Something is fitted on all rows, such as a scaler or harmonisation. Fit it on "
        "training rows, or declare it: regime='transductive'."
    )
    return [Finding(check, "warn", largest, expected, message)]


def _regimes(model: object) -> tuple[str, ...]:
    """Return the regimes that an estimator knows; scikit-learn's are inductive."""
    return tuple(getattr(model, "regimes", ("inductive",)))
