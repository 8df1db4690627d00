"""Whom and what a population graph listened to: neighbours and the phenotypes that join them."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import Data

from brainograph.cohort import Cohort
from brainograph.estimators import PopulationGraphClassifier
from brainograph.estimators.member import Member
from brainograph.estimators.wrapper import unwrapped
from brainograph.inspection.population_view import listening
from brainograph.inspection.view import chosen_classes, margin
from brainograph.nn.adjacency import to_tensor

__all__ = ["neighbor_influence", "phenotype_influence", "population_model"]


def population_model(model: Any) -> PopulationGraphClassifier:
    """Return the model, or the one that it is wrapped around; refuse others than populations."""
    *_, model = unwrapped(model)
    if not isinstance(model, PopulationGraphClassifier):
        raise ValueError(
            f"a {type(model).__name__} joins no participants: there are no neighbours to explain "
            "it by. Write attribute(model, cohort) or occlude(model, cohort)."
        )
    return model


@torch.no_grad()
def neighbor_influence(
    model: PopulationGraphClassifier,
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

    and of others neighbour by neighbour, for those to whom the prediction is most sensitive.

    Parameters
    ----------
    model : PopulationGraphClassifier
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
    for member in model._members:
        x, adj, nodes = listening(model, member, cohort)
        dense = adj.to_dense() if adj.is_sparse else adj
        one = _leave_out if model.num_layers == 0 else _leave_out_slowly
        for row, node in enumerate(nodes):
            near, effect = one(model, member, x, dense, int(node), codes[row], n_neighbors)
            kept = near < len(everybody)  # a new participant is heard by nobody
            tables.append(
                pd.DataFrame(
                    {
                        "participant_id": cohort.participant_ids[row],
                        "class": model.classes_[codes[row]],
                        "neighbor": [everybody[j] for j in near[kept]],
                        "weight": dense[node, near[kept]].cpu().numpy(),
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
    model: PopulationGraphClassifier,
    member: Member,
    x: Tensor,
    adj: Tensor,
    node: int,
    code: Tensor,
    n_neighbors: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the neighbours of a node and what each adds to its margin, of a linear network."""
    network: Any = member.network
    near = adj[node].nonzero()[:, 0]
    own = network.skip(x[near]).double()
    says = margin(own, code.to(x.device).expand(len(near)))  # (neighbours,)
    weight = adj[node, near].double()
    total, heard = weight.sum(), weight @ says
    without = torch.where(weight < total, (heard - weight * says) / (total - weight), 0.0)
    before = heard / total if len(near) else heard
    effect = model.skip_smoothing * (before - without)
    return near.cpu().numpy(), effect.cpu().numpy()


def _leave_out_slowly(
    model: PopulationGraphClassifier,
    member: Member,
    x: Tensor,
    adj: Tensor,
    node: int,
    code: Tensor,
    n_neighbors: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Do the same for any network, for the neighbours to whom it is most sensitive."""
    network = member.network.eval()
    code = code.to(x.device)[None]

    def says(x: Tensor, adj: Tensor) -> Tensor:
        return margin(network(Data(x=x, adj=adj))[node][None], code)[0]

    near = adj[node].nonzero()[:, 0]
    if n_neighbors is not None and len(near) > 2 * n_neighbors:
        with torch.enable_grad():
            given = x.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(says(given, adj), given)
        moved = (gradient * (x - x.mean(dim=0))).sum(dim=1).abs()[near]
        near = near[moved.topk(2 * n_neighbors).indices]
    before, effect = says(x, adj), []
    for other in near:
        without = adj.clone()
        without[node, other] = without[other, node] = 0
        effect.append(float(before - says(x, without)))
    return near.cpu().numpy(), np.array(effect)


@torch.no_grad()
def phenotype_influence(
    model: PopulationGraphClassifier, cohort: Cohort, *, target: object | None = None
) -> pd.DataFrame:
    """Join the participants without one phenotype after the other; say how predictions fall.

    Features and network stay as they were fitted, and only who listens to whom changes.

    Parameters
    ----------
    model : PopulationGraphClassifier
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
    total = np.zeros((len(cohort), len(names)))
    for member in model._members:
        before = _margins(model, member, cohort, codes)
        for column, name in enumerate(names):
            other, same = _without(model, member, name)
            total[:, column] += before - _margins(other, same, cohort, codes)
    importance = total / len(model._members)
    return pd.DataFrame(
        {
            "participant_id": np.repeat(cohort.participant_ids, len(names)),
            "class": np.repeat(model.classes_[codes], len(names)),
            "phenotype": names * len(cohort),
            "importance": importance.ravel(),
        }
    )


def _margins(
    model: PopulationGraphClassifier, member: Member, cohort: Cohort, codes: Tensor
) -> np.ndarray:
    x, adj, nodes = listening(model, member, cohort)
    logits = member.network.eval()(Data(x=x, adj=adj))[torch.from_numpy(nodes).to(x.device)]
    return margin(logits, codes.to(x.device)).double().cpu().numpy()


def _without(
    model: PopulationGraphClassifier, member: Member, name: str
) -> tuple[PopulationGraphClassifier, Member]:
    """Return the model and its member with the graph that a phenotype is left out of."""
    other = copy.copy(model)
    edges = model._edges()
    other.categorical = [one for one in edges.categorical if one != name]
    other.continuous = {one: gap for one, gap in edges.continuous.items() if one != name}
    if name == "all edges" or not (other.categorical or other.continuous):
        other.combine = "none"
    graph = other._edges().join(member.x.cpu().numpy(), model._phenotype, member.sigma)
    adj = to_tensor(graph, layout="sparse" if member.adj.is_sparse else "dense").to(
        member.adj.device
    )
    return other, replace(member, adj=adj)
