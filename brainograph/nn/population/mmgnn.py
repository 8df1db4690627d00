"""MMGNN: a population graph for each modality, combined at nodes, at graphs and at decisions."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.population.combine_graphs import Combination, combine_graphs
from brainograph.nn.population.network import Joiner, PopulationNetwork, Standardize
from brainograph.nn.population_gcn import PopulationGCN

__all__ = ["MMGNN"]

Fusion = Literal["weighted", "max", "product"]


class MMGNN(PopulationNetwork):
    r"""Brain networks of several modalities, each with a population graph, and one of all.

    .. math:: x^m = \frac{1}{\sqrt{F_m}} W_m e^m + W_p p,\qquad A^* = \mathrm{comb}_m A(x^m),\qquad
              P = \sum_b w_b\,\mathrm{softmax}(\mathrm{GNN}_b(x^b, A^b))

    over the branches b: every modality m, with its F standardised edges :math:`e^m`, and the
    combined one, of all vectors side by side and :math:`A^*`. The weights are positive and sum to
    1 over the branches that a participant has.

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    modalities : sequence of str
        ``"connectivity/NAME"`` or ``"measures/NAME"``: networks of regional similarity of sMRI or
        PET, functional connectivity, regional values. ``"connectivity/aparc/morph"`` is of a
        parcellation of the cohort.
    regions : mapping of parcellation to int
        Numbers of regions of those parcellations: ``{"aparc": 68}``.
    channels : int
        Width of a participant's vector in each modality.
    hidden_channels, num_layers : int
        Width and number of the population layers of each branch.
    conv : str
        As in :class:`~brainograph.nn.PopulationGCN`.
    linear_skip : bool
        Whether each branch has a linear path beside its graph.
    combination : {"mean", "hadamard", "max"}
        Of the modalities' population graphs.
    fusion : {"weighted", "max", "product"}
        Of the branches' probabilities: their mean with learnt weights, the largest of each class,
        or their product (independent evidence); all normalised.
    dropout : float
        Of edges, and of the inputs of the population layers.
    n_phenotypes : int
        P.

    Raises
    ------
    ValueError
        For a choice that does not exist.

    Notes
    -----
    Shapes: codes (N, M, channels + 1), the last column telling who has the modality, to
    log-probabilities (N, K).

    What the paper states: networks made from sMRI or PET, a branch for each, modalities combined
    at the level of node vectors and of adjacency matrices, phenotypes in the population graph,
    late fusion of the branches' decisions [1]_. What we chose (no sizes are known): vectors that
    are learnt in place of feature selection, from edges divided by the root of their number, since
    Adam moves every weight as far as any other: at a rate that suits the rest of the network,
    6,105 undivided edges are overfitted within a few steps; GraphSAGE, since graphs of nearest
    neighbours are not symmetric; a pair is joined by the modalities that both have, and a branch
    that somebody lacks has no say.

    References
    ----------
    .. [1] Zhang et al., Multi-modal graph neural network for early diagnosis of Alzheimer's
           disease from sMRI and PET scans, Computers in Biology and Medicine 164:107328, 2023.

    Examples
    --------
    >>> from brainograph.nn.population import Join
    >>> network = MMGNN(9, 2, modalities=("connectivity/fc", "measures/thickness")).eval()
    >>> batch = BrainBatch(
    ...     connectivity={"fc": torch.rand(4, 9, 9)}, measures={"thickness": torch.rand(4, 9)}
    ... )
    >>> network.propagate(network.encode(batch), Join(1 - torch.eye(4))).exp().sum(dim=1).round()
    tensor([1., 1., 1., 1.], grad_fn=<RoundBackward0>)
    """

    missing_ok = True

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        modalities: Sequence[str] = ("connectivity/morph", "connectivity/fc"),
        regions: Mapping[str, int] | None = None,
        channels: int = 32,
        hidden_channels: int = 32,
        num_layers: int = 2,
        conv: str = "sage",
        linear_skip: bool = True,
        combination: Combination = "mean",
        fusion: Fusion = "weighted",
        dropout: float = 0.3,
        n_phenotypes: int = 0,
    ) -> None:
        super().__init__()
        for name, value, choices in (
            ("combination", combination, get_args(Combination)),
            ("fusion", fusion, get_args(Fusion)),
        ):
            if value not in choices:
                raise ValueError(f"{name} must be one of {choices}, got {value!r}.")
        self.modalities = tuple(modalities)
        widths = [_width(name, {"": n_regions, **(regions or {})}) for name in self.modalities]
        self.reads = (*self.modalities, *(("phenotypes",) if n_phenotypes else ()))
        self.combination, self.fusion = combination, fusion
        self.scales = nn.ModuleList(Standardize(width) for width in widths)
        self.projections = nn.ModuleList(nn.Linear(width, channels) for width in widths)
        self.phenotypes = nn.Linear(n_phenotypes, channels) if n_phenotypes else None
        self.dropout = nn.Dropout(dropout)
        self.branches = nn.ModuleList(
            PopulationGCN(
                wide,
                n_classes,
                hidden_channels=hidden_channels,
                num_layers=num_layers,
                conv=conv,
                dropout=dropout,
                linear_skip=linear_skip,
            )
            for wide in [channels] * len(widths) + [channels * len(widths)]
        )
        self.weights = nn.Parameter(torch.zeros(len(widths) + 1))

    def _features(self, batch: BrainBatch, name: str) -> Tensor:
        kind, _, key = name.partition("/")
        if kind == "measures":
            return batch.measures[key]
        matrices = batch.connectivity[key]
        n = matrices.shape[1]
        i, j = torch.triu_indices(n, n, 1, device=matrices.device)
        return matrices.flatten(1).index_select(1, i * n + j)  # twice as fast as two indices

    def observe(self, batch: BrainBatch) -> None:
        """Learn means and deviations of the edges of those who have them."""
        for name, scale in zip(self.modalities, self.scales, strict=True):
            scale.update(self._features(batch, name)[batch.has(name)])  # type: ignore[operator]

    def encode(self, batch: BrainBatch) -> Tensor:
        """Return the vectors of each participant (B, M, channels + 1)."""
        codes = []
        for name, scale, project in zip(
            self.modalities, self.scales, self.projections, strict=True
        ):
            x = scale(self._features(batch, name))
            x = project(self.dropout(x) / math.sqrt(x.shape[1]))
            if self.phenotypes is not None:
                x = x + self.phenotypes(batch.phenotypes)
            has = batch.has(name)[:, None].to(x)
            codes.append(torch.cat([x * has, has], dim=1))
        return torch.stack(codes, dim=1)

    def propagate(self, h: Tensor, join: Joiner) -> Tensor:
        """Return the logarithms of the probabilities (N, K)."""
        said, say = self.decisions(h, join)
        if self.fusion == "weighted":
            weights = (self.weights + say.log()).log_softmax(dim=1)  # (N, M + 1)
            return (weights[:, :, None] + said).logsumexp(dim=1)
        said = said.masked_fill(~say[:, :, None].bool(), -torch.inf if self.fusion == "max" else 0)
        fused = said.amax(dim=1) if self.fusion == "max" else said.sum(dim=1)
        return fused.log_softmax(dim=1)

    def decisions(self, h: Tensor, join: Joiner) -> tuple[Tensor, Tensor]:
        """Return log-probabilities of each branch (N, M + 1, K), and who has a say (N, M + 1)."""
        x, present = h[..., :-1], h[..., -1] > 0.5  # (N, M, channels), (N, M)
        graphs = [join(x[:, m], present[:, m]) for m in range(x.shape[1])]
        both = combine_graphs(graphs, present, self.combination)
        nodes = [*x.unbind(dim=1), x.flatten(1)]
        logits = [
            branch(Data(x=node, adj=graph))
            for branch, node, graph in zip(self.branches, nodes, [*graphs, both], strict=True)
        ]
        say = torch.cat([present, torch.ones_like(present[:, :1])], dim=1).to(x)
        return torch.stack(logits, dim=1).log_softmax(dim=2), say


def _width(name: str, regions: Mapping[str, int]) -> int:
    """Return how many numbers a modality has, from the regions of each parcellation."""
    kind, _, key = name.partition("/")
    if kind not in ("connectivity", "measures") or not key:
        raise ValueError(
            f"modalities must be connectivity/NAME or measures/NAME, got {name!r}. Write "
            'modalities=("connectivity/morph", "connectivity/fc").'
        )
    parcellation = key.rpartition("/")[0]
    if parcellation not in regions:
        raise ValueError(
            f"regions must tell how many the parcellation {parcellation!r} of {name!r} has. Write "
            f"for example regions={{{parcellation!r}: 68}}."
        )
    n = regions[parcellation]
    return n if kind == "measures" else n * (n - 1) // 2
