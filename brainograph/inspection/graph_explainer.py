"""GNNExplainer on the graph of a population: which edges one prediction needs."""

import pandas as pd
import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.nn import MessagePassing

from brainograph.cohort import Cohort
from brainograph.estimators import PopulationGraphClassifier
from brainograph.inspection.influence import population_model
from brainograph.inspection.population_view import listening
from brainograph.inspection.view import chosen_classes

__all__ = ["explain_graph"]


def explain_graph(
    model: PopulationGraphClassifier,
    cohort: Cohort,
    *,
    target: object | None = None,
    epochs: int = 100,
    lr: float = 0.05,
    random_state: int = 0,
) -> pd.DataFrame:
    """Find with GNNExplainer [1]_ which neighbours a prediction cannot do without.

    A mask over the edges of the population graph is learnt for each participant, as small as the
    prediction allows. It is PyTorch Geometric's explainer; its mask multiplies the weights of the
    edges, so that it reaches every convolution of this package as well as PyTorch Geometric's own.
    For the features of people, and for networks on single participants, whose graphs are dense,
    write :func:`~brainograph.inspection.attribute`: a mask over hundreds of features that say the
    same is not the same twice, and does not find what was planted in simulated cohorts.

    Parameters
    ----------
    model : PopulationGraphClassifier
        Fitted, with ``num_layers`` of 1 or more. Its first member is explained.
    cohort : Cohort (S)
        Fitted or new participants.
    target : label, optional
        The class to explain; by default the one that is predicted.
    epochs : int
    lr : float
        Of the masks.
    random_state : int
        Seed of the masks.

    Returns
    -------
    DataFrame
        ``participant_id``, ``class``, ``neighbor`` and ``importance`` in [0, 1].

    Raises
    ------
    ValueError
        If the model has no population graph or no graph convolution.

    References
    ----------
    .. [1] Ying, R. et al. (2019). GNNExplainer: generating explanations for graph neural
       networks. NeurIPS.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(n_subjects=30, n_regions=8)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = PopulationGraphClassifier(n_neighbors=5, max_epochs=5, n_members=1).fit(cohort, y)
    >>> explain_graph(model, cohort[:1], epochs=3).columns.tolist()
    ['participant_id', 'class', 'neighbor', 'importance']
    """
    model = population_model(model)
    if not isinstance(model, PopulationGraphClassifier):
        raise ValueError(
            f"a {type(model).__name__} joins participants by what it has learnt of them, and has "
            "no list of edges to mask. Write neighbor_influence(model, cohort)."
        )
    if not model.num_layers:
        raise ValueError(
            "the model has no graph convolution. Write neighbor_influence(model, cohort), which "
            "is exact."
        )
    member = model._members[0]
    x, adj, nodes = listening(model, member, cohort)
    edges = (adj if adj.is_sparse else adj.to_sparse_coo()).coalesce()
    network = _Masked(member.network.eval(), edges)
    explainer = Explainer(
        network,
        algorithm=GNNExplainer(epochs=epochs, lr=lr),
        explanation_type="phenomenon",
        edge_mask_type="object",
        model_config={
            "mode": "multiclass_classification",
            "task_level": "node",
            "return_type": "raw",
        },
    )
    said = model.classes_[0] if target is None else target
    codes = chosen_classes(model, cohort, said)
    if target is None:
        codes = model.predict_proba(cohort).argmax(axis=1)
    tables = []
    for row, node in enumerate(nodes):
        wanted = torch.full((len(x),), int(codes[row]), device=x.device)
        with torch.random.fork_rng():
            torch.manual_seed(random_state)
            found = explainer(x, edges.indices(), target=wanted, index=int(node))
        rows = _neighbors(found.edge_mask, edges, int(node), model.participant_ids_)
        rows.insert(0, "participant_id", cohort.participant_ids[row])
        rows.insert(1, "class", model.classes_[codes[row]])
        tables.append(rows)
    return pd.concat(tables, ignore_index=True)


class _Weights(MessagePassing):
    """Hand the weights of the edges through, where PyTorch Geometric's mask is put on."""

    def forward(self, edge_index: Tensor, weight: Tensor, n: int) -> Tensor:
        """Return the weights (E, 1), masked while they are explained."""
        return self.propagate(edge_index, weight=weight, size=(n, n))

    def message(self, weight: Tensor) -> Tensor:
        """Return them as they are."""
        return weight

    def aggregate(self, inputs: Tensor) -> Tensor:
        """Keep them apart."""
        return inputs


class _Masked(nn.Module):
    """A population network whose graph is a list of edges."""

    def __init__(self, network: nn.Module, edges: Tensor) -> None:
        super().__init__()
        self.network, self.weights = network, _Weights()
        self.values = edges.values()

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return logits (N, K)."""
        values = self.weights(edge_index, self.values[:, None], len(x))[:, 0]
        adj = x.new_zeros(len(x), len(x)).index_put(tuple(edge_index), values)  # dense: a gradient
        return self.network(Data(x=x, adj=adj))


def _neighbors(mask: Tensor, edges: Tensor, node: int, ids: list[str]) -> pd.DataFrame:
    """Return the mask of the edges that a node listens to."""
    listener, heard = edges.indices()
    near = (listener == node) & (heard < len(ids))
    names = [ids[j] for j in heard[near].tolist()]
    return pd.DataFrame({"neighbor": names, "importance": mask[near].detach().cpu().numpy()})
