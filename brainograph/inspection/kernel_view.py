"""What a mixture of kernels reads: the features of each block."""

import numpy as np
import torch
from torch import Tensor

from brainograph.cohort import Cohort
from brainograph.estimators import MultipleKernelClassifier
from brainograph.inspection.feature_places import feature_places
from brainograph.inspection.population_view import names_of
from brainograph.inspection.view import NotThereError, Read, Values, View
from brainograph.preprocessing import check_regions

__all__ = ["dual_weights", "kernel_view", "primal_weights"]


def kernel_view(model: MultipleKernelClassifier, cohort: Cohort, background: Cohort | None) -> View:
    """Return the view of all participants; the mean of ``background`` stands for nothing."""
    check_regions(model.region_names_, cohort.regions.index.tolist())
    if background is None and len(cohort) < 2:
        raise ValueError(
            "one participant alone has nobody to be compared with. Give others, for example "
            "those that were learnt from: background=training_cohort."
        )
    reads = {}
    for name, block in model._blocks.items():
        x = torch.from_numpy(np.asarray(block.transform(cohort), dtype=float))
        behind = x
        if background is not None:
            behind = torch.from_numpy(np.asarray(block.transform(background), dtype=float))
        places = feature_places(names_of(block, x.shape[1]), cohort)
        ends = (places.first, places.second)
        mean = behind.mean(dim=0)[None]
        reads[name] = Read(x, mean, (x.shape[1],), *ends, phenotype=places.phenotype)
    dual, intercept = map(torch.from_numpy, dual_weights(model))

    def logits(values: Values, rows: Tensor) -> Tensor:
        mixed = torch.zeros(len(rows), len(dual), dtype=dual.dtype)
        for name, read in reads.items():
            given = values.get(name, read.baseline.expand(len(rows), -1))
            mixed = mixed + model.weights_[name] * _kernel(model, name, given)
        said = mixed @ dual + intercept
        return torch.cat([-said, said], dim=1) / 2 if said.shape[1] == 1 else said

    return View(np.arange(len(cohort)), reads, logits, places.regions, places.phenotypes)


def _kernel(model: MultipleKernelClassifier, name: str, x: Tensor) -> Tensor:
    """Return the centred kernel of features (B, F) with those learnt from (B, S)."""
    scaler, centerer = model._scalers[name], model._centerers[name]
    learnt = torch.from_numpy(model._features[name])
    x = (x - torch.from_numpy(scaler.mean_)) / torch.from_numpy(scaler.scale_)
    if model.kernel == "linear":
        raw = x @ learnt.T
    else:
        lengths = x.square().sum(1)[:, None] + learnt.square().sum(1)
        raw = (-model._gammas[name] * (lengths - 2 * x @ learnt.T)).exp()
    centred = raw - torch.from_numpy(centerer.K_fit_rows_) - raw.mean(dim=1, keepdim=True)
    return (centred + centerer.K_fit_all_) / model._scales[name]


def dual_weights(model: MultipleKernelClassifier) -> tuple[np.ndarray, np.ndarray]:
    """Return weights of the participants learnt from (S, C) and intercepts (C,), of one or K.

    Raises
    ------
    NotThereError
        If the classifier compares pairs of more than two classes.
    """
    last = model.classifier_
    if model.classifier == "svm":
        if len(model.classes_) > 2:
            raise NotThereError(
                f"a support vector machine compares pairs of the {len(model.classes_)} classes, "
                "and has no number for each of them. Choose classifier='logistic'."
            )
        dual = np.zeros((len(model.participant_ids_), 1))
        dual[last.support_] = last.dual_coef_.T
        return dual, np.asarray(last.intercept_, dtype=float)
    components, logistic = last[0], last[-1]
    used = components.eigenvalues_ > 0
    scaled = components.eigenvectors_[:, used] / np.sqrt(components.eigenvalues_[used])
    dual = scaled @ logistic.coef_[:, used].T  # (S, C)
    centerer = components._centerer  # what it subtracts, as weights of the same kernel
    intercept = logistic.intercept_ - centerer.K_fit_rows_ @ dual
    intercept = intercept + centerer.K_fit_all_ * dual.sum(axis=0)
    return dual - dual.mean(axis=0), intercept


def primal_weights(model: MultipleKernelClassifier) -> np.ndarray:
    """Return the weights (C, F) of the standardised features of all blocks, side by side.

    Raises
    ------
    NotThereError
        If the kernels are not linear.
    """
    if model.kernel != "linear":
        raise NotThereError(
            f"a kernel {model.kernel!r} has no weights of features. Write occlude(model, cohort) "
            "or attribute(model, cohort)."
        )
    dual, _ = dual_weights(model)
    blocks = [
        model.weights_[name] / model._scales[name] * (dual.T @ x)
        for name, x in model._features.items()
    ]
    return np.concatenate(blocks, axis=1)
