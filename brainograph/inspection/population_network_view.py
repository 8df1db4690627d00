"""What a population network that learns its features reads, and whom it listens to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from brainograph.cohort import Cohort
from brainograph.estimators import PopulationNetworkClassifier
from brainograph.estimators.population.network_agreement import Agreement
from brainograph.estimators.population.network_member import PopulationNetworkMember
from brainograph.estimators.population.network_training import new_join
from brainograph.inspection.subject_view import network_views, own_regions
from brainograph.inspection.view import View
from brainograph.nn import BrainBatch
from brainograph.nn.population import Attach, PopulationNetwork

__all__ = ["Listening", "listening_network", "population_network_views"]


@dataclass(frozen=True)
class Listening:
    """Participants in a population graph, or in several of them.

    Parameters
    ----------
    x : Tensor (N, ...)
        What is known of each.
    graphs : list of Tensor (N, N)
        Dense; row i is what participant i listens to.
    nodes : array (S,)
        Where the explained ones are.
    say : callable
        (x, graphs) -> logits (N, K).
    """

    x: Tensor
    graphs: list[Tensor]
    nodes: np.ndarray
    say: Callable[[Tensor, list[Tensor]], Tensor]


def population_network_views(
    model: PopulationNetworkClassifier, i: int, cohort: Cohort, background: Cohort | None
) -> Iterator[View]:
    """Return the views of the i-th member, of scans; everybody else stays as in the fit.

    Who was in the fit stands at their own node, and a new participant listens to the fitted ones.
    """
    member = model._members[i]
    cohort = own_regions(model, cohort)
    nodes = _nodes(model, member, cohort)

    def say(network: Any, batch: BrainBatch, rows: np.ndarray) -> Tensor:
        h = network.encode(batch)
        return _said(member, network, h, nodes[rows], cohort.phenotype.iloc[rows])

    return network_views(
        member.network.eval(),
        model._data(cohort, member.network, member.phenotypes),
        cohort,
        None if background is None else own_regions(model, background),
        member.phenotypes,
        [str(name) for name in model.phenotypes],
        say,
    )


def _nodes(
    model: PopulationNetworkClassifier, member: PopulationNetworkMember, cohort: Cohort
) -> np.ndarray:
    """Return the row of each participant in the fit (S,), -1 for a new one."""
    nodes = model._rows(cohort)
    known = np.flatnonzero(nodes >= 0)
    if len(known):
        names = np.array(cohort.participant_ids)[known]
        member.check_identity(model._encode(cohort[known], member), nodes[known], names)
    return nodes


def _said(
    member: PopulationNetworkMember,
    network: PopulationNetwork,
    h: Tensor,
    nodes: np.ndarray,
    phenotype: pd.DataFrame,
) -> Tensor:
    """Return the logits (B, K) of participants with codes ``h`` (B, ...), each beside the fit."""
    known, new = np.flatnonzero(nodes >= 0), np.flatnonzero(nodes < 0)
    parts = []
    for one in known:
        node = int(nodes[one])
        codes = torch.cat([member.codes[:node], h[[one]], member.codes[node + 1 :]])
        join = new_join(member.edges, Agreement.of(member.edges, member.table))
        parts.append(network.propagate(codes, join)[[node]])
    if len(new):
        codes = torch.cat([member.codes, h[torch.from_numpy(new)]])
        attach = _attach(member, phenotype.iloc[new])
        parts.append(network.propagate(codes, attach)[len(member.codes) :])
    order = torch.from_numpy(np.argsort(np.concatenate([known, new])))
    return torch.cat(parts)[order.to(h.device)]


def _attach(member: PopulationNetworkMember, phenotype: pd.DataFrame) -> Attach:
    people = member.edges.of(phenotype)
    return Attach(member.join, Agreement.of(member.edges, people, member.table))


def listening_network(
    model: PopulationNetworkClassifier, member: PopulationNetworkMember, cohort: Cohort
) -> Listening:
    """Return the fitted participants and new ones who listen to them, with their graphs."""
    cohort = own_regions(model, cohort)
    nodes = _nodes(model, member, cohort)
    new = np.flatnonzero(nodes < 0)
    x, graphs = member.codes, list(member.join.graphs)
    if len(new):
        x = torch.cat([x, model._encode(cohort[new], member).to(x)])
        nodes[new] = len(member.codes) + np.arange(len(new))
        noted = _Noted(_attach(member, cohort.phenotype.iloc[new]))
        with torch.no_grad():
            member.network.eval().propagate(x, noted)
        graphs = noted.graphs

    def say(x: Tensor, graphs: list[Tensor]) -> Tensor:
        given = iter(graphs)
        return member.network.eval().propagate(x, lambda *features: next(given))

    return Listening(x, [g.to_dense() if g.is_sparse else g for g in graphs], nodes, say)


class _Noted:
    """Note the graphs that are made."""

    def __init__(self, join: Attach) -> None:
        self.join = join
        self.graphs: list[Tensor] = []

    def __call__(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the graph (N, N)."""
        self.graphs.append(self.join(x, present))
        return self.graphs[-1]
