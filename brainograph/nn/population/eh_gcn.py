"""EH-GCN: encoders of images and of regions, joined in a spatial population graph."""

import inspect
from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

import brainograph.nn as networks
from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.encoders.choice import new_encoder
from brainograph.nn.population.network import Joiner, PopulationNetwork
from brainograph.nn.population.region_gate import RegionGate
from brainograph.nn.population_gcn import PopulationGCN

__all__ = ["EHGCN", "Modality"]

Selection = Literal["none", "l1", "topk"]
_FC: Mapping[str, Mapping[str, Any]] = {
    "fc": {
        "network": "BrainGCN",
        "edges": "fc",
        "hidden_channels": 32,
        "concat_channels": 4,
    }
}


class Modality(nn.Module):
    """One encoder of what a participant has.

    Parameters
    ----------
    encoder : Module
        From a :class:`~brainograph.nn.BrainBatch` to (B, out_channels), such as a subject-level
        network with ``n_classes=out_channels``; with ``image``, from (B, 1, D, H, W).
    out_channels : int
        Width of what it returns.
    image : str, optional
        The image it reads.

    Examples
    --------
    >>> from brainograph.nn.encoders import SFCN
    >>> Modality(SFCN(1, out_channels=8), 8, image="pet").reads
    ('images/pet',)
    """

    def __init__(self, encoder: nn.Module, out_channels: int, *, image: str | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.out_channels = out_channels
        self.image = image
        reads: Any = (f"images/{image}",) if image is not None else encoder.reads
        self.reads: tuple[str, ...] = tuple(reads)

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return features (B, out_channels)."""
        return self.encoder(batch if self.image is None else batch.images[self.image])

    def present(self, batch: BrainBatch) -> Tensor:
        """Tell who has all that is read (B,), bool."""
        return torch.stack([batch.has(name) for name in self.reads]).all(dim=0)


class EHGCN(PopulationNetwork):
    r"""Encoders of images and regional graphs feed a graph network that takes in newcomers.

    .. math:: v_i = \mathrm{LayerNorm}\Big(\sum_{m \in \mathcal M_i} W_m f_m(x_i^m) + W_p p_i
              + b\Big),\qquad z = \mathrm{GNN}(v, A(v))

    with the modalities :math:`\mathcal M_i` that participant i has and phenotypes p. A newcomer
    listens to neighbours and is answered without a new training.

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    graphs : mapping of name to mapping, optional
        Subject-level networks that encode regions: ``{"fc": {"network": "BrainGCN", "edges":
        "fc"}}``, a small one, is the default. ``network`` is a name of :mod:`brainograph.nn`; the
        rest are its hyper-parameters.
    images : mapping of name to mapping, optional
        Image encoders by image: ``{"T1w": {"encoder": "SFCN", "out_channels": 32}}``, with a name
        of :mod:`brainograph.nn.encoders` and hyper-parameters.
    graph_channels : int
        Width of what each of ``graphs`` returns.
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
        Of the inputs of the population layers and, unless they say otherwise, in ``graphs``.
    n_phenotypes : int
        P.

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
    as it was; who lacks a modality is answered from the others; the gate over regions.

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
        graphs: Mapping[str, Mapping[str, Any]] | None = None,
        images: Mapping[str, Mapping[str, Any]] | None = None,
        graph_channels: int = 32,
        hidden_channels: int = 32,
        num_layers: int = 1,
        conv: str = "sage",
        linear_skip: bool = True,
        selection: Selection = "none",
        selection_weight: float = 0.1,
        n_selected: int | None = None,
        dropout: float = 0.3,
        n_phenotypes: int = 0,
    ) -> None:
        super().__init__()
        self.gate = _new_gate(n_regions, selection, n_selected)
        self.selection_weight = selection_weight if selection == "l1" else 0.0
        self.modalities = nn.ModuleDict()
        self.projections = nn.ModuleDict()
        self.bias = nn.Parameter(torch.zeros(hidden_channels))
        self.norm = nn.LayerNorm(hidden_channels)
        self.phenotypes = nn.Linear(n_phenotypes, hidden_channels) if n_phenotypes else None
        self.population = PopulationGCN(
            hidden_channels,
            n_classes,
            hidden_channels=hidden_channels,
            num_layers=num_layers,
            conv=conv,
            dropout=dropout,
            linear_skip=linear_skip,
        )
        for name, params in (_FC if graphs is None else graphs).items():
            self._add(name, _new_graph(n_regions, graph_channels, **{"dropout": dropout, **params}))
        for name, params in (images or {}).items():
            self._add(name, _new_image(name, **params))
        if not self.modalities and self.phenotypes is None:
            raise ValueError('there is nothing to encode. Name graphs, such as {"fc": {...}}.')

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        """What is read of a batch."""
        reads = [name for modality in self.modalities.values() for name in modality.reads]
        reads += ["phenotypes"] if self.phenotypes is not None else []
        return tuple(dict.fromkeys(reads))

    @property
    def min_volumes(self) -> int:
        """Volumes of the series that the encoders need."""
        needed = [getattr(m.encoder, "min_volumes", 1) for m in self.modalities.values()]
        return max(needed, default=1)

    def _add(self, name: str, modality: Modality) -> None:
        if name in self.modalities:
            raise ValueError(f"the network has {name!r}; it has {list(self.modalities)}.")
        channels = self.bias.shape[0]
        self.modalities[name] = modality
        self.projections[name] = nn.Linear(modality.out_channels, channels, bias=False)

    def add_modality(self, name: str, modality: Modality) -> None:
        """Widen the vector of a participant; every other weight stays as it is.

        The new modality says nothing until it is trained.

        Parameters
        ----------
        name : str
            A new name.
        modality : Modality
            Its encoder.

        Raises
        ------
        ValueError
            If the network has a modality of that name.
        """
        self._add(name, modality.to(self.bias.device))
        nn.init.zeros_(self.projections[name].to(self.bias.device).weight)

    def encode(self, batch: BrainBatch) -> Tensor:
        """Return the vector of each participant (B, hidden_channels)."""
        regions = batch if self.gate is None else self.gate(batch)
        vector = self.bias.expand(len(batch), -1)
        if self.phenotypes is not None:
            vector = vector + self.phenotypes(batch.phenotypes)
        for name, modality in self.modalities.items():
            said = self.projections[name](modality(regions))
            vector = vector + said * modality.present(batch)[:, None]
        return self.norm(vector)

    def propagate(self, h: Tensor, join: Joiner) -> Tensor:
        """Return logits (N, K)."""
        return self.population(Data(x=h, adj=join(h)))

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


def _new_graph(n_regions: int, out_channels: int, network: str, **params: Any) -> Modality:
    """Return a subject-level network whose logits are features."""
    kind = getattr(networks, network, None) if network in networks.__all__ else None
    if kind is None or "n_regions" not in inspect.signature(kind).parameters:
        raise ValueError(f"network must be a subject-level one of brainograph.nn, got {network!r}.")
    return Modality(kind(n_regions, out_channels, **params), out_channels)


def _new_image(name: str, encoder: str, **params: Any) -> Modality:
    module: Any = new_encoder(encoder, in_channels=1, params=params)
    return Modality(module, module.out_channels, image=name)
