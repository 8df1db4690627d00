"""Whether an explanation depends on what the model has learnt: randomise its weights and see."""

import copy
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from sklearn.pipeline import Pipeline
from torch import nn

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
from brainograph.inspection.importances import places_of
from brainograph.inspection.opening import Model
from brainograph.inspection.stability import Explain, rank_correlation

__all__ = ["Randomization", "randomized", "sanity_check"]

Randomization = Literal["full", "cascading"]
_SIMILAR = 0.5


def sanity_check(
    explain: Explain,
    model: Model,
    cohort: Cohort,
    *,
    randomization: Randomization = "full",
    n_draws: int = 3,
    largest: float = _SIMILAR,
    random_state: int = 0,
) -> pd.DataFrame:
    """Compare an explanation of the fitted model with those of models of random weights.

    An explanation that stays the same says nothing of the model: it shows the anatomy, the data,
    or itself [1]_. The sizes of importances are compared by Spearman's correlation within each
    participant, and averaged.

    Parameters
    ----------
    explain : callable
        (fitted model, cohort) -> importances, such as :func:`attribute`.
    model : fitted estimator
        Stays as it is; its copies are randomised: every weight is drawn from a normal
        distribution of its tensor's mean and deviation. The weights of linear models change
        places.
    cohort : Cohort (S)
        Whose predictions are explained.
    randomization : {"full", "cascading"}
        All weights at once, or from the last layer to the first, one more in each row.
    n_draws : int
        Random models, whose correlations are averaged.
    largest : float
        Up to which correlation the check is passed.
    random_state : int
        Seed of the draws.

    Returns
    -------
    DataFrame
        ``randomized`` (the layer that came last, or ``all``), ``rank_correlation`` and
        ``passed``. The last row is the model without any learnt weight.

    Raises
    ------
    ValueError
        If the model has no weights to randomise.

    References
    ----------
    .. [1] Adebayo, J. et al. (2018). Sanity checks for saliency maps. NeurIPS.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.inspection import attribute
    >>> from brainograph.preprocessing import Edges
    >>> cohort = simulate_cohort(n_subjects=40)
    >>> model = make_pipeline(Edges(), LogisticRegression())
    >>> model = model.fit(cohort, cohort.phenotype["diagnosis"])
    >>> sanity_check(lambda m, c: attribute(m, c, n_steps=1), model, cohort)["passed"].tolist()
    [True]
    """
    if randomization not in get_args(Randomization):
        raise ValueError(
            f"randomization must be one of {get_args(Randomization)}, got {randomization!r}."
        )
    *_, model = unwrapped(model)
    truth = explain(model, cohort)
    layers = _layers(model)
    last = range(len(layers) - 1, -1, -1) if randomization == "cascading" else [0]
    rows = []
    for start in last:
        found = []
        for draw in range(n_draws):
            other = randomized(model, layers[start:], random_state=random_state + draw)
            found.append(_similarity(truth, explain(other, cohort)))
        name = layers[start] if randomization == "cascading" else "all"
        rows.append({"randomized": name, "rank_correlation": float(np.mean(found))})
    table = pd.DataFrame(rows)
    return table.assign(passed=table["rank_correlation"] <= largest)


def _networks(model: Model) -> list[nn.Module]:
    if isinstance(model, SubjectGraph):
        return list(model._members)
    if isinstance(model, (PopulationGraphClassifier, PopulationNetworkClassifier)):
        return [member.network for member in model._members]
    return []


def _layers(model: Model) -> list[str]:
    """Return the names of the layers that have weights, the first one first."""
    networks = _networks(model)
    if not networks:
        return ["linear"]
    names = [name.rpartition(".")[0] or name for name, _ in networks[0].named_parameters()]
    return list(dict.fromkeys(names))


def randomized(model: Model, layers: list[str] | None = None, *, random_state: int = 0) -> Model:
    """Return a copy of a fitted model with random weights.

    Parameters
    ----------
    model : fitted estimator
        Of networks, linear, or of kernels, whose participants change places. The fitted
        participants of a population network are strangers to it afterwards.
    layers : list of str, optional
        Names of the layers to randomise; all by default.
    random_state : int
        Seed.
    """
    *_, model = unwrapped(model)
    other: Any = copy.copy(model)
    generator = torch.Generator().manual_seed(random_state)
    chosen = set(_layers(model) if layers is None else layers)
    if isinstance(model, SubjectGraph):
        other._members = [_redrawn(one, chosen, generator) for one in model._members]
    elif isinstance(model, PopulationGraphClassifier):
        other._members = [
            replace(one, network=_redrawn(one.network, chosen, generator)) for one in model._members
        ]
    elif isinstance(model, PopulationNetworkClassifier):
        other._members = [
            replace(one, network=_redrawn(one.network, chosen, generator)) for one in model._members
        ]
        # codes of the fitted are those of the trained encoder: everybody is met as a stranger
        other.participant_ids_ = [f"fitted {i}" for i in range(len(model.participant_ids_))]
    elif isinstance(model, LateFusionClassifier):
        other.members_ = {
            name: randomized(one, random_state=random_state) for name, one in model.members_.items()
        }
    elif isinstance(model, MultipleKernelClassifier):
        other._features, other._centerers = _other_people(model, random_state)
    elif isinstance(model, TransductiveClassifier):
        other.classifier_ = _shuffled(model.classifier_, random_state)
    elif isinstance(model, Pipeline):
        *before, (name, last) = model.steps
        other = Pipeline([*before, (name, _shuffled(last, random_state))])
    else:
        raise ValueError(f"a {type(model).__name__} has no weights that could be randomised.")
    return other


def _other_people(model: MultipleKernelClassifier, random_state: int) -> tuple[Any, Any]:
    """Return the features and centerers of kernels whose participants have changed places."""
    order = np.random.default_rng(random_state).permutation(len(model.participant_ids_))
    centerers = copy.deepcopy(model._centerers)
    for centerer in centerers.values():
        centerer.K_fit_rows_ = centerer.K_fit_rows_[order]
    return {name: x[order] for name, x in model._features.items()}, centerers


@torch.no_grad()
def _redrawn(network: Any, layers: set[str], generator: torch.Generator) -> Any:
    network = copy.deepcopy(network)
    for name, weights in network.named_parameters():
        if (name.rpartition(".")[0] or name) in layers:
            noise = torch.randn(weights.shape, generator=generator).to(weights)
            weights.copy_(weights.mean() + weights.std(correction=0) * noise)
    return network


def _shuffled(last: Any, random_state: int) -> Any:
    """Return a copy of a linear model whose weights have changed places."""
    last = copy.deepcopy(last)
    inner = last[-1] if isinstance(last, Pipeline) else last
    if not hasattr(inner, "coef_"):
        raise ValueError(f"a {type(inner).__name__} has no weights that could be randomised.")
    weights = np.array(inner.coef_)
    order = np.random.default_rng(random_state).permutation(weights.shape[-1])
    if hasattr(inner, "dual_coef_"):
        return _Weights(weights[..., order], inner)
    inner.coef_ = weights[..., order]
    return last


class _Weights:
    """The weights of a support vector machine, which keeps its own read-only."""

    def __init__(self, coef: np.ndarray, of: Any) -> None:
        self.coef_, self.intercept_, self.classes_ = coef, of.intercept_, of.classes_

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the classes of (S, F)."""
        decision = x @ self.coef_[0] + self.intercept_[0]
        return self.classes_[(decision > 0).astype(int)]


def _similarity(truth: pd.DataFrame, other: pd.DataFrame) -> float:
    """Return the mean over participants of the rank correlation of sizes."""
    # another model may predict another class, which is explained then
    who = "participant_id" if "participant_id" in truth else "class"
    keys = [n for n in (who, "input") if n in truth]
    keys += [n for n in places_of(truth) if n not in keys]
    pair = pd.DataFrame(
        {
            "truth": truth.set_index(keys)["importance"].abs(),
            "other": other.set_index(keys)["importance"].abs(),
        }
    )
    if pair.isna().any(axis=None):
        raise ValueError("the explanation lists other things when the weights are random.")
    if "participant_id" not in keys:
        return rank_correlation(pair["truth"].to_numpy(), pair["other"].to_numpy())
    people = pair.groupby(level="participant_id", sort=False)
    each = [rank_correlation(p["truth"].to_numpy(), p["other"].to_numpy()) for _, p in people]
    return float(np.mean(each))
