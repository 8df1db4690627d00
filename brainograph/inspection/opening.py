"""Open a fitted model for explainers: every estimator gives the same views."""

from collections.abc import Iterable
from typing import TypeAlias

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.estimators import (
    LateFusionClassifier,
    MultipleKernelClassifier,
    PopulationGraphClassifier,
    PopulationNetworkClassifier,
    TransductiveClassifier,
)
from brainograph.estimators.subject.base import SubjectGraph
from brainograph.estimators.wrappers.wrapper import unwrapped
from brainograph.inspection.kernel_view import kernel_view
from brainograph.inspection.linear_view import linear_view
from brainograph.inspection.population_network_view import population_network_views
from brainograph.inspection.population_view import population_view
from brainograph.inspection.subject_view import subject_views
from brainograph.inspection.view import View

__all__ = ["Model", "open_model"]

Model: TypeAlias = (
    SubjectGraph
    | PopulationGraphClassifier
    | PopulationNetworkClassifier
    | MultipleKernelClassifier
    | LateFusionClassifier
    | TransductiveClassifier
    | Pipeline
)


def open_model(
    model: Model, cohort: Cohort, *, background: Cohort | None = None
) -> list[Iterable[View]]:
    """Return for each member of a model the views of all participants, a few at a time.

    Parameters
    ----------
    model : fitted estimator
        Of subjects or of a population, a mixture of kernels, or a pipeline with a linear model at
        its end; of a model that is wrapped in calibration and the like, the one inside.
    cohort : Cohort (S)
        Who is explained.
    background : Cohort, optional
        Participants whose mean stands for no information; the labelled ones of a fitted
        population graph, and ``cohort`` itself elsewhere, by default.

    Raises
    ------
    ValueError
        If the model is of another kind, or there is nobody to explain.
    """
    *_, model = unwrapped(model)
    if not len(cohort):
        raise ValueError("the cohort has no participants to explain.")
    if isinstance(model, SubjectGraph):
        check_is_fitted(model, "_members")
        n_members = len(model._members)
        return [subject_views(model, i, cohort, background) for i in range(n_members)]
    if isinstance(model, PopulationGraphClassifier):
        check_is_fitted(model, "_members")
        n_members = len(model._members)
        return [[population_view(model, i, cohort, background)] for i in range(n_members)]
    if isinstance(model, PopulationNetworkClassifier):
        check_is_fitted(model, "_members")
        n_members = len(model._members)
        return [population_network_views(model, i, cohort, background) for i in range(n_members)]
    if isinstance(model, MultipleKernelClassifier):
        check_is_fitted(model, "classifier_")
        return [[kernel_view(model, cohort, background)]]
    if isinstance(model, (TransductiveClassifier, Pipeline)):
        return [[linear_view(model, cohort, background)]]
    raise ValueError(
        f"a {type(model).__name__} cannot be explained; give a fitted SubjectGraphClassifier, "
        "PopulationGraphClassifier, PopulationNetworkClassifier, MultipleKernelClassifier, "
        "LateFusionClassifier, TransductiveClassifier or scikit-learn pipeline."
    )
