"""Explanations of fused decisions: each member by its own, weighed by what it counts."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.estimators import LateFusionClassifier, MultipleKernelClassifier
from brainograph.estimators.subject.base import SubjectGraph
from brainograph.estimators.wrappers.wrapper import unwrapped
from brainograph.inspection.view import NotThereError, tidy_rows

__all__ = ["explain_members", "modality_contributions"]


def explain_members(
    model: LateFusionClassifier, cohort: Cohort, explain: Callable[[Any], pd.DataFrame]
) -> pd.DataFrame:
    """Explain each member of a fusion; an importance counts as much as the member does.

    Parameters
    ----------
    model : LateFusionClassifier
        Fitted.
    cohort : Cohort (S)
        Whose predictions are explained.
    explain : callable
        member -> importances.

    Returns
    -------
    DataFrame
        That of the members, one below the other; ``input`` begins with the member's name.

    Raises
    ------
    NotThereError
        If no member has what is asked for; members that lack it are named in a warning.
    """
    check_is_fitted(model, "members_")
    shares = model.contributions(cohort)
    tables, lacking = [], {}
    for name, member in model.members_.items():
        try:
            table = explain(member)
        except NotThereError as error:
            lacking[name] = str(error)
            continue
        share: Any = shares[name].mean()
        if "participant_id" in table:
            share = shares[name].loc[table["participant_id"]].to_numpy()
        inside = (
            table["input"].astype(str).map(f"{name}: {{}}".format) if "input" in table else name
        )
        others = table.drop(columns="input", errors="ignore")
        others.insert(others.columns.isin(["participant_id", "class"]).sum(), "input", inside)
        tables.append(others.assign(importance=table["importance"] * share))
    if not tables:
        raise NotThereError(f"no member can be explained so: {lacking}")
    if lacking:
        warnings.warn(
            f"the members {list(lacking)} cannot be explained so, and the table is of the others: "
            f"{next(iter(lacking.values()))}",
            stacklevel=3,
        )
    return pd.concat(tables, ignore_index=True)


def modality_contributions(model: Any, cohort: Cohort) -> pd.DataFrame:
    """Return how much each modality, or member, counts in a prediction.

    * :class:`~brainograph.estimators.MultipleKernelClassifier`: the weight of each kernel, the same
      for everybody.
    * :class:`~brainograph.estimators.LateFusionClassifier`: the weight of each member; of rules
      without weights, how far it moves the result.
    * A network that fuses modalities: the weights inside it.

    They say what is listened to and not what it says; compare them with
    ``occlude(model, cohort, "input")``.

    Parameters
    ----------
    model : fitted estimator
        One of these.
    cohort : Cohort (S)
        Whose predictions are explained.

    Returns
    -------
    DataFrame
        ``participant_id``, ``input`` and ``importance``, of sum 1 for each participant.

    Raises
    ------
    ValueError
        If the model joins no modalities.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.preprocessing import Edges, Phenotypes
    >>> cohort = simulate_cohort(n_subjects=40, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = MultipleKernelClassifier([("edges", Edges()), ("age", Phenotypes(["age"]))])
    >>> modality_contributions(model.fit(cohort, y), cohort[:1])[["input", "importance"]]
       input  importance
    0  edges         0.5
    1    age         0.5
    """
    *_, model = unwrapped(model)
    if isinstance(model, MultipleKernelClassifier):
        check_is_fitted(model, "weights_")
        weights = np.tile(list(model.weights_.values()), (len(cohort), 1))
        shares = pd.DataFrame(weights, cohort.phenotype.index, list(model.weights_))
    elif isinstance(model, (LateFusionClassifier, SubjectGraph)):
        shares = model.contributions(cohort)
    else:
        raise ValueError(
            f"a {type(model).__name__} joins no modalities. Write occlude(model, cohort, 'input') "
            "for what a prediction loses without one of the things that it reads."
        )
    ids = np.array(cohort.participant_ids, dtype=object)
    return tidy_rows(ids, None, pd.DataFrame({"input": list(shares)}), shares.to_numpy())
