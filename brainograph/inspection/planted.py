"""Whether an explanation finds what was planted in a simulated cohort."""

import pandas as pd
from sklearn.metrics import roc_auc_score

from brainograph.cohort import Cohort
from brainograph.inspection.importances import places_of, summarize

__all__ = ["planted_auc"]


def planted_auc(table: pd.DataFrame, cohort: Cohort) -> float:
    """Return how well importances tell the truly changed regions or edges from the others.

    Parameters
    ----------
    table : DataFrame
        Importances by ``region``, or by ``region_a`` and ``region_b``; their sizes are averaged
        over participants.
    cohort : Cohort
        Of :func:`~brainograph.datasets.simulate_cohort`, which knows the truth.

    Returns
    -------
    float
        Area under the ROC curve: 1 if all changed ones come first, 0.5 by chance.

    Raises
    ------
    ValueError
        If the cohort has no planted truth, or the table no regions.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(n_subjects=4)
    >>> changed = cohort.regions["affected"].astype(float)
    >>> planted_auc(changed.rename("importance").reset_index(), cohort)
    1.0
    """
    truth = cohort.provenance.get("truth")
    if not truth:
        raise ValueError(
            "the cohort has no planted truth in provenance['truth']. Write simulate_cohort(...)."
        )
    found = summarize(table)
    places = places_of(found)
    if places == ["region"]:
        changed = found["region"].isin(truth["regions"])
    elif places == ["region_a", "region_b"]:
        planted = {frozenset(edge) for edge in truth["edges"]}
        pairs = zip(found["region_a"], found["region_b"], strict=True)
        changed = pd.Series([frozenset(pair) in planted for pair in pairs])
    else:
        raise ValueError(f"truth is planted in regions and edges; the table is of {places}.")
    return float(roc_auc_score(changed, found["importance"]))
