"""EH-GCN: encoders of images and of regions, joined in a spatial population graph."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.branch import Branch, graph_branch, image_branch, phenotype_branch
from brainograph.nn.fusion.missing import drop_modalities, has_all
from brainograph.nn.population.network import Joiner, PopulationNetwork
from brainograph.nn.population.region_gate import RegionGate
from brainograph.nn.population_gcn import PopulationGCN

__all__ = ["EHGCN"]

Selection = Literal["none", "l1", "topk"]


class EHGCN(PopulationNetwork):
    r"""Encoders of images and regional graphs feed a graph network that takes in newcomers.

    .. math:: v_i = \mathrm{LN}\Big(\sum_{m \in \mathcal M_i} W_m\,\mathrm{LN}(V_m f_m(x_i^m))
              + b\Big),\qquad z = \mathrm{GNN}(v, A(v))

    with the modalities :math:`\mathcal M_i` that participant i has: brain graphs, images,
    phenotypes. A newcomer listens to neighbours and is answered without a new training.

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    graphs : sequence of str, or mapping of name to parameters
        Subject-level networks, by name. In a mapping, ``{"morph": {"network": "BrainGCN", "edges":
        "morph"}}`` gives a modality a name of its own.
    images : sequence of str, or mapping of modality to encoder
        Images by name, ``SFCN`` for each; or ``{"T1w": {"encoder": "SFCN", ...}}``.
    channels : int
        Features of each modality.
    hidden_channels : int
        Width of a participant's vector and of the population layers.
    num_layers : int
        Rounds of listening.
    conv : str
        As in :class:`~brainograph.nn.PopulationGCN`; ``"sage"`` and ``"GraphConv"`` are spatial.
    linear_skip : bool
        Whether a linear path from a participant's own vector to the logits runs beside.
    selection : {"none", "l1", "topk"}
        A gate over the regions that ``graphs`` read: with a penalty on its sum, or for the
        ``n_selected`` best regions alone. :meth:`region_scores` returns it.
    selection_weight : float
        Of the penalty of ``"l1"``.
    n_selected : int, optional
        Regions that ``"topk"`` keeps.
    dropout : float
        Of the inputs of the population layers.
    modality_dropout : float
        Probability that a modality is taken from a participant in training.
    n_phenotypes : int
        P.

    Attributes
    ----------
    modalities : tuple of str
        Names of graphs and images, and "phenotypes".

    Raises
    ------
    ValueError
        If there is nothing to encode, or a name is not known.

    Notes
    -----
    Shapes: codes (N, hidden_channels) to logits (N, K).

    What the paper states: residual image branches, graph networks over regions for structural and
    functional connections, and a spatial population network over both that avoids rebuilding the
    graph and takes further modalities [1]_. All regions are used, for which the review of such
    systems criticises it. What we chose (no layer sizes are known): GraphSAGE; vectors that are
    projected and added, so that a new modality widens the vector and leaves every other weight
    as it was; trained in stages, a linear path that begins as the encoders' own classifier, to
    which the population adds what neighbours tell; who lacks a modality is answered from the
    others; the gate over regions.

    References
    ----------
    .. [1] Tian et al., An extensible hierarchical graph convolutional network for early
           Alzheimer's disease identification, Computer Methods and Programs in Biomedicine 238,
           2023.

    Examples
    --------
    >>> from brainograph.nn.population import Join
    >>> network = EHGCN(9, 2).eval()
    >>> codes = network.encode(BrainBatch(connectivity={"fc": torch.rand(4, 9, 9)}))
    >>> network.propagate(codes, Join(1 - torch.eye(4))).shape
    torch.Size([4, 2])
    """

    missing_ok = True

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        graphs: Sequence[str] | Mapping[str, Mapping[str, Any]] = ("BrainGCN",),
        images: Sequence[str] | Mapping[str, str | Mapping[str, Any]] = (),
        channels: int = 32,
        hidden_channels: int = 32,
        num_layers: int = 1,
        conv: str = "sage",
        linear_skip: bool = True,
        selection: Selection = "none",
        selection_weight: float = 0.1,
        n_selected: int | None = None,
        dropout: float = 0.3,
        modality_dropout: float = 0.0,
        n_phenotypes: int = 0,
    ) -> None:
        super().__init__()
        self.gate = _new_gate(n_regions, selection, n_selected)
        self.selection_weight = selection_weight if selection == "l1" else 0.0
        self.modality_dropout = modality_dropout
        self.modalities: tuple[str, ...] = ()
        self.reads, self.min_volumes = (), 1
        self.branches, self.projections = nn.ModuleDict(), nn.ModuleDict()
        self.bias = nn.Parameter(torch.zeros(hidden_channels))
        self.norm = nn.LayerNorm(hidden_channels)
        self.population = PopulationGCN(
            hidden_channels,
            n_classes,
            hidden_channels=hidden_channels,
            num_layers=num_layers,
            conv=conv,
            dropout=dropout,
            linear_skip=linear_skip,
        )
        graphs = graphs if isinstance(graphs, Mapping) else {name: {} for name in graphs}
        images = images if isinstance(images, Mapping) else dict.fromkeys(images, "SFCN")
        for name, params in graphs.items():
            self._add(name, graph_branch(name, params, n_regions, n_classes, channels))
        for name, encoder in images.items():
            self._add(name, image_branch(name, encoder, channels))
        if n_phenotypes:
            self._add("phenotypes", phenotype_branch(n_phenotypes, channels))
        if not self.modalities:
            raise ValueError('there is nothing to encode. Write graphs=("BrainGCN",).')

    def _add(self, name: str, branch: Branch) -> nn.Linear:
        """Take in a branch; return what brings it into the vector."""
        if name in self.modalities:
            raise ValueError(f"the network has {name!r} already; it has {self.modalities}.")
        project = nn.Linear(branch.width, len(self.bias), bias=False).to(self.bias.device)
        key = name.replace(".", "_")
        self.branches[key], self.projections[key] = branch.to(self.bias.device), project
        self.modalities = (*self.modalities, name)
        self.reads = tuple(dict.fromkeys([*self.reads, *branch.reads]))
        self.min_volumes = max(self.min_volumes, branch.min_volumes)
        return project

    def add_modality(self, name: str, branch: Branch) -> None:
        """Widen the vector of a participant; every other weight stays as it is.

        No answer changes until the new modality is trained.

        Parameters
        ----------
        name : str
            A new name.
        branch : Branch
            Such as ``image_branch("pet", "SFCN", 32)`` of :mod:`brainograph.nn.branch`.

        Raises
        ------
        ValueError
            If the network has a modality of that name.
        """
        nn.init.zeros_(self._add(name, branch).weight)

    def encode(self, batch: BrainBatch) -> Tensor:
        """Return the vector of each participant (B, hidden_channels)."""
        regions = batch if self.gate is None else self.gate(batch)
        branches: Any = self.branches.values()
        present = torch.stack([has_all(batch, branch.reads) for branch in branches], dim=1)
        if self.training and self.modality_dropout:
            present = drop_modalities(present, self.modality_dropout)
        vector = self.bias.expand(len(batch), -1)
        for branch, project, has in zip(
            branches, self.projections.values(), present.T, strict=True
        ):
            rows = has.nonzero().flatten()
            if len(rows):
                part = regions if len(rows) == len(batch) else regions[rows]
                vector = vector.index_add(0, rows, project(branch(part)))
        return self.norm(vector)

    def propagate(self, h: Tensor, join: Joiner) -> Tensor:
        """Return logits (N, K)."""
        return self.population(Data(x=h, adj=join(h)))

    @torch.no_grad()
    def take_over(self, classifier: nn.Linear) -> None:
        """Begin with the answers of the encoders, to which neighbours add nothing yet."""
        if self.population.skip is not None:
            self.population.skip.weight.copy_(classifier.weight)
            self.population.bias.copy_(classifier.bias)
            if self.population.head is not None:
                nn.init.zeros_(self.population.head.weight)

    def penalty(self) -> Tensor:
        """Return the sum of the gate's weights, weighed: regions that do not help are closed."""
        if self.gate is None or not self.selection_weight:
            return super().penalty()
        return self.selection_weight * self.gate.weights().mean()

    def region_scores(self) -> Tensor:
        """Return how much of each region is read (R,), between 0 and 1.

        Raises
        ------
        ValueError
            Without a gate.
        """
        if self.gate is None:
            raise ValueError('region_scores needs a gate. Write selection="l1" or "topk".')
        return torch.sigmoid(self.gate.scores.detach())


def _new_gate(n_regions: int, selection: str, n_selected: int | None) -> RegionGate | None:
    if selection not in get_args(Selection):
        raise ValueError(f"selection must be one of {get_args(Selection)}, got {selection!r}.")
    if (selection == "topk") != (n_selected is not None):
        raise ValueError(
            f"selection={selection!r} with n_selected={n_selected}: write both, for example "
            'selection="topk", n_selected=20, or neither.'
        )
    return None if selection == "none" else RegionGate(n_regions, n_selected)
