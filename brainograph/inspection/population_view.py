"""What a population graph network reads: the features of everybody, by block."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor
from torch_geometric.data import Data

from brainograph.cohort import Cohort
from brainograph.estimators import PopulationGraphClassifier
from brainograph.estimators.population.member import Member, transform
from brainograph.inspection.feature_places import FeaturePlaces, feature_places
from brainograph.inspection.view import Read, Values, View
from brainograph.preprocessing import check_regions

__all__ = ["listening", "names_of", "population_view", "reads_of"]


def listening(
    model: PopulationGraphClassifier, member: Member, cohort: Cohort
) -> tuple[Tensor, Tensor, np.ndarray]:
    """Return features, graph and the node of each participant of a cohort.

    Returns
    -------
    x : Tensor (N, F)
    adj : Tensor (N, N)
    nodes : array (S,)

    Raises
    ------
    ValueError
        If regions differ, or somebody has the id of a fitted participant and other data.
    """
    check_regions(model.region_names_, cohort.regions.index.tolist())
    nodes = model._rows(cohort)
    fitted = nodes >= 0
    if fitted.any():
        member.check_identity(cohort[fitted], nodes[fitted])
    if fitted.all():
        return member.x[member.carries], member.adj, nodes
    x, adj = member.extended(cohort[~fitted], model._phenotype, model._edges())
    nodes[~fitted] = len(member.x) + np.arange((~fitted).sum())
    return x, adj, nodes


def names_of(features: BaseEstimator, n_features: int) -> list[str]:
    """Return the names of a pipeline's features, or their numbers if it does not tell."""
    try:
        return [str(name) for name in features.get_feature_names_out()]
    except (AttributeError, ValueError):
        return [f"feature {i}" for i in range(n_features)]


def reads_of(x: Tensor, baseline: Tensor, places: FeaturePlaces) -> dict[str, Read]:
    """Cut features (..., F) into their blocks."""
    reads = {}
    for block in dict.fromkeys(places.block):
        columns = np.flatnonzero(places.block == block)
        chosen = torch.from_numpy(columns).to(x.device)
        reads[str(block)] = Read(
            x[..., chosen],
            baseline[..., chosen],
            (len(columns),),
            places.first[columns],
            places.second[columns],
            phenotype=places.phenotype[columns],
        )
    return reads


def population_view(
    model: PopulationGraphClassifier, i: int, cohort: Cohort, background: Cohort | None
) -> View:
    """Return the view of the i-th member: the features of the whole graph belong to everybody."""
    member = model._members[i]
    x, adj, nodes = listening(model, member, cohort)
    behind = member.x[torch.from_numpy(model._labelled).to(x.device)]
    if background is not None:
        behind = torch.from_numpy(transform(member.features, background)).to(x.device)
    places = feature_places(names_of(member.features, x.shape[1]), cohort)
    reads = reads_of(x[None], behind.mean(dim=0)[None, None], places)
    order = np.argsort(np.concatenate([np.flatnonzero(places.block == b) for b in reads]))
    back = None if len(reads) == 1 else torch.from_numpy(order).to(x.device)
    network = member.network.eval()

    def logits(values: Values, rows: Tensor) -> Tensor:
        parts = [
            values[name] if name in values else read.baseline.expand_as(read.values)
            for name, read in reads.items()
        ]
        at = torch.from_numpy(nodes)[rows].to(x.device)
        people = parts[0] if len(parts) == 1 else joined(parts, back)
        if len(people) == 1:
            return network(Data(x=people[0], adj=adj))[at]
        pairs = zip(people, at, strict=True)
        return torch.stack([network(Data(x=one, adj=adj))[node] for one, node in pairs])

    return View(np.arange(len(cohort)), reads, logits, places.regions, places.phenotypes)


def joined(parts: Sequence[Tensor], order: Tensor | None) -> Tensor:
    """Put blocks of features side by side again, in their first order."""
    size = max(len(part) for part in parts)
    whole = torch.cat([part.expand(size, *part.shape[1:]) for part in parts], dim=-1)
    return whole if order is None else whole[..., order]
