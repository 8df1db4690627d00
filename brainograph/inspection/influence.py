"""Whom and what a population graph listened to: neighbours and the phenotypes that join them."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import Data

from brainograph.cohort import Cohort
from brainograph.estimators import PopulationGraphClassifier, PopulationNetworkClassifier
from brainograph.estimators.population.member import Member
from brainograph.estimators.population.network_member import PopulationNetworkMember
from brainograph.estimators.wrappers.wrapper import unwrapped
from brainograph.inspection.population_network_view import Listening, listening_network
from brainograph.inspection.population_view import listening
from brainograph.inspection.view import chosen_classes, margin
from brainograph.nn.adjacency import to_tensor

__all__ = ["neighbor_influence", "phenotype_influence", "population_model"]

Population = PopulationGraphClassifier | PopulationNetworkClassifier


def population_model(model: Any) -> Population:
    """Return the model, or the one that it is wrapped around; refuse others than populations."""
    *_, model = unwrapped(model)
    if not isinstance(model, Population):
        raise ValueError(
            f"a {type(model).__name__} joins no participants: there are no neighbours to explain "
            "it by. Write attribute(model, cohort) or occlude(model, cohort)."
        )
    return model


def _listeners(model: Population, cohort: Cohort) -> Iterator[Listening]:
    """Return for each member the participants in their graphs."""
    for member in model._members:
        if isinstance(member, PopulationNetworkMember):
            yield listening_network(model, member, cohort)
            continue
        x, adj, nodes = listening(model, member, cohort)
        dense = adj.to_dense() if adj.is_sparse else adj
        yield Listening(x, [dense], nodes, partial(_propagated, member.network.eval()))


def _propagated(network: Any, x: Tensor, graphs: list[Tensor]) -> Tensor:
    return network(Data(x=x, adj=graphs[0]))


@torch.no_grad()
def neighbor_influence(
    model: Population,
    cohort: Cohort,
    *,
    n_neighbors: int | None = 10,
    target: object | None = None,
) -> pd.DataFrame:
    r"""Leave each neighbour of a participant out and say by how much the prediction falls.

    Without the edge to neighbour j, participant i listens to the others alone. Of a network without
    hidden layers this is computed for all neighbours at once,

    .. math:: m_i - \Big(o_i + \beta \frac{\sum_{k \neq j} A_{ik} o_k}
              {\sum_{k \neq j} A_{ik}}\Big), \qquad o = X w + b

    and of others neighbour by neighbour, for those to whom the prediction is most sensitive. Where
    a network joins participants several times, the neighbour is left out of all graphs.

    Parameters
    ----------
    model : PopulationGraphClassifier or PopulationNetworkClassifier
        Fitted.
    cohort : Cohort (S)
        Fitted or new participants, whose predictions are explained.
    n_neighbors : int, optional
        How many neighbours are listed for each participant, the most influential first; all if
        None.
    target : label, optional
        The class to explain; by default the second of two, or the predicted one of several.

    Returns
    -------
    DataFrame
        ``participant_id``, ``class``, ``neighbor``, ``weight`` of the edge (mean over the members)
        and ``importance``: positive for a neighbour who speaks for the class.

    Raises
    ------
    ValueError
        If the model has no population graph.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(n_subjects=40)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = PopulationGraphClassifier(max_epochs=5, n_members=1).fit(cohort, y)
    >>> neighbor_influence(model, cohort[:2], n_neighbors=3).columns.tolist()
    ['participant_id', 'class', 'neighbor', 'weight', 'importance']
    """
    model = population_model(model)
    codes = torch.from_numpy(chosen_classes(model, cohort, target))
    everybody = [*model.participant_ids_]
    tables = []
    linear = isinstance(model, PopulationGraphClassifier) and model.num_layers == 0
    for i, heard in enumerate(_listeners(model, cohort)):
        weights = torch.stack(heard.graphs).mean(dim=0)
        for row, node in enumerate(heard.nodes):
            if linear:
                near, effect = _leave_out(model, i, heard, int(node), codes[row])
            else:
                near, effect = _leave_out_slowly(heard, int(node), codes[row], n_neighbors)
            kept = near < len(everybody)  # a new participant is heard by nobody
            tables.append(
                pd.DataFrame(
                    {
                        "participant_id": cohort.participant_ids[row],
                        "class": model.classes_[codes[row]],
                        "neighbor": [everybody[j] for j in near[kept]],
                        "weight": weights[node, near[kept]].cpu().numpy(),
                        "importance": effect[kept],
                    }
                )
            )
    keys = ["participant_id", "class", "neighbor"]
    found = pd.concat(tables).groupby(keys, sort=False)[["weight", "importance"]]
    table = found.sum() / len(model._members)
    order = table["importance"].abs().groupby(level=0, sort=False).rank(ascending=False)
    first = pd.Index(cohort.participant_ids).get_indexer(table.index.get_level_values(0))
    table = table.assign(_first=first, _rank=order.to_numpy()).sort_values(["_first", "_rank"])
    if n_neighbors is not None:
        table = table[table["_rank"] <= n_neighbors]
    return table[["weight", "importance"]].reset_index()


def _leave_out(
    model: Any, i: int, heard: Listening, node: int, code: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Return the neighbours of a node and what each adds to its margin, of a linear network."""
    (adj,) = heard.graphs
    near = adj[node].nonzero()[:, 0]
    own = model._members[i].network.skip(heard.x[near]).double()
    says = margin(own, code.to(own.device).expand(len(near)))  # (neighbours,)
    weight = adj[node, near].double()
    total, sum_of_all = weight.sum(), weight @ says
    without = torch.where(weight < total, (sum_of_all - weight * says) / (total - weight), 0.0)
    before = sum_of_all / total if len(near) else sum_of_all
    effect = model.skip_smoothing * (before - without)
    return near.cpu().numpy(), effect.cpu().numpy()


def _leave_out_slowly(
    heard: Listening, node: int, code: Tensor, n_neighbors: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Do the same for any network, for the neighbours to whom it is most sensitive."""
    x = heard.x
    code = code.to(x.device)[None]

    def says(x: Tensor, graphs: list[Tensor]) -> Tensor:
        return margin(heard.say(x, graphs)[node][None], code)[0]

    near = torch.stack([graph[node] for graph in heard.graphs]).any(dim=0).nonzero()[:, 0]
    if n_neighbors is not None and len(near) > 2 * n_neighbors:
        with torch.enable_grad():
            given = x.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(says(given, heard.graphs), given)
        moved = (gradient * (x - x.mean(dim=0))).flatten(1).sum(dim=1).abs()[near]
        near = near[moved.topk(2 * n_neighbors).indices]
    before, effect = says(x, heard.graphs), []
    for other in near.tolist():
        without = [_cut(graph, node, other) for graph in heard.graphs]
        effect.append(float(before - says(x, without)))
    return near.cpu().numpy(), np.array(effect)


def _cut(graph: Tensor, one: int, other: int) -> Tensor:
    """Return the graph (N, N) without the edges between two."""
    graph = graph.clone()
    graph[one, other] = graph[other, one] = 0
    return graph


@torch.no_grad()
def phenotype_influence(
    model: Population, cohort: Cohort, *, target: object | None = None
) -> pd.DataFrame:
    """Join the participants without one phenotype after the other; say how predictions fall.

    Features and network stay as they were fitted, and only who listens to whom changes.

    Parameters
    ----------
    model : PopulationGraphClassifier or PopulationNetworkClassifier
        Fitted.
    cohort : Cohort (S)
        Fitted or new participants, whose predictions are explained.
    target : label, optional
        The class to explain; by default the second of two, or the predicted one of several.

    Returns
    -------
    DataFrame
        ``participant_id``, ``class``, ``phenotype`` and ``importance``; the phenotype
        ``"all edges"`` leaves everybody alone.

    Raises
    ------
    ValueError
        If the model has no population graph.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(n_subjects=40)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = PopulationGraphClassifier(max_epochs=5, n_members=1).fit(cohort, y)
    >>> phenotype_influence(model, cohort[:1])["phenotype"].tolist()
    ['sex', 'site', 'age', 'all edges']
    """
    model = population_model(model)
    codes = torch.from_numpy(chosen_classes(model, cohort, target))
    names = [*model._edges().columns, "all edges"]
    before = _margins(model, cohort, codes)
    lost = [before - _margins(_without(model, name), cohort, codes) for name in names]
    return pd.DataFrame(
        {
            "participant_id": np.repeat(cohort.participant_ids, len(names)),
            "class": np.repeat(model.classes_[codes], len(names)),
            "phenotype": names * len(cohort),
            "importance": np.stack(lost, axis=1).ravel(),
        }
    )


def _margins(model: Population, cohort: Cohort, codes: Tensor) -> np.ndarray:
    """Return the margin of each participant (S,), the mean over members."""
    found = []
    for heard in _listeners(model, cohort):
        said = heard.say(heard.x, heard.graphs)
        said = said[torch.from_numpy(heard.nodes).to(said.device)]
        found.append(margin(said, codes.to(said.device)).double().cpu().numpy())
    return np.mean(found, axis=0)


def _without(model: Population, name: str) -> Population:
    """Return the model with the graphs that a phenotype is left out of."""
    other: Any = copy.copy(model)
    edges = model._edges()
    other.categorical = [one for one in edges.categorical if one != name]
    other.continuous = {one: gap for one, gap in edges.continuous.items() if one != name}
    if name == "all edges" or not (other.categorical or other.continuous):
        other.combine = "none"
    rejoined: Any = _networks_member if isinstance(model, PopulationNetworkClassifier) else _member
    other._members = [rejoined(other, member) for member in model._members]
    return other


def _networks_member(model: Any, member: PopulationNetworkMember) -> PopulationNetworkMember:
    return replace(member, edges=model._edges())  # which joins the fitted ones again


def _member(model: Any, member: Member) -> Member:
    graph = model._edges().join(member.x.cpu().numpy(), model._phenotype, member.sigma)
    layout: Any = "sparse" if member.adj.is_sparse else "dense"
    return replace(member, adj=to_tensor(graph, layout=layout).to(member.adj.device))
