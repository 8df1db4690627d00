"""One modality of a network of several: an encoder, and its features at equal width."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.embedding import Embedder, tapped
from brainograph.nn.encoders.choice import new_encoder
from brainograph.nn.hyperparameters import check_parameters

__all__ = ["Branch", "graph_branch", "image_branch", "phenotype_branch"]

_PROBE = 32  # voxels along each side of the image that tells the widths of an encoder's stages


class Branch(nn.Module):
    """From a batch to the features of one modality, those of each stage side by side.

    Parameters
    ----------
    encoder : Module
        From a :class:`~brainograph.nn.BrainBatch` to (B, ``encoder.out_channels``).
    reads : sequence of str
        What it needs of a batch.
    channels : int
        Features of each stage.
    stages : mapping of str to int
        Parts of the encoder that are stages before its end, and their widths.
    min_volumes : int
        That a scan must have.
    """

    def __init__(
        self,
        encoder: nn.Module,
        reads: Sequence[str],
        channels: int,
        *,
        stages: Mapping[str, int] | None = None,
        min_volumes: int = 1,
    ) -> None:
        super().__init__()
        out_channels: Any = encoder.out_channels
        self.encoder, self.reads, self.min_volumes = encoder, tuple(reads), min_volumes
        self.stages = tuple(stages or {})
        widths = [*(stages or {}).values(), out_channels]
        self.n_stages, self.width = len(widths), channels * len(widths)
        self.has_loss = bool(getattr(encoder, "has_loss", False))
        self.project = nn.ModuleList(
            nn.Sequential(nn.Linear(width, channels), nn.LayerNorm(channels)) for width in widths
        )

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return features (B, stages * channels), the last stage last."""
        with tapped(self.encoder, self.stages) as said:
            x = self.encoder(batch)
        return self._side_by_side(said, x)

    def loss(self, batch: BrainBatch, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and the encoder's own loss."""
        with tapped(self.encoder, self.stages) as said:
            x, loss = self.encoder.loss(batch, y)  # type: ignore[operator]
        return self._side_by_side(said, x), loss

    def _side_by_side(self, said: Mapping[str, Tensor], x: Tensor) -> Tensor:
        each = [*(_pooled(said[name]) for name in self.stages), x]
        return torch.cat([one(x) for one, x in zip(self.project, each, strict=True)], dim=1)


class _Images(nn.Module):
    """An image encoder on the images of these names, as channels."""

    def __init__(self, encoder: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.encoder, self.names = encoder, tuple(names)
        self.out_channels = encoder.out_channels

    def forward(self, batch: BrainBatch) -> Tensor:
        return self.encoder(torch.cat([batch.images[name] for name in self.names], dim=1))


class _Phenotypes(nn.Module):
    """A perceptron on the phenotypes, and the products of any two of them if asked for."""

    def __init__(self, n_phenotypes: int, channels: int, interactions: bool) -> None:
        super().__init__()
        self.interactions = interactions
        n_products = n_phenotypes * (n_phenotypes - 1) // 2 if interactions else 0
        self.mlp = nn.Sequential(nn.Linear(n_phenotypes + n_products, channels), nn.ReLU())
        self.out_channels = channels

    def forward(self, batch: BrainBatch) -> Tensor:
        return self.mlp(self.expanded(batch.phenotypes))

    def expanded(self, x: Tensor) -> Tensor:
        """Return phenotypes (B, P) with their products beside them."""
        if not self.interactions:
            return x
        i, j = torch.triu_indices(x.shape[1], x.shape[1], 1, device=x.device)
        return torch.cat([x, x[:, i] * x[:, j]], dim=1)


def graph_branch(
    name: str,
    params: Mapping[str, Any],
    n_regions: int,
    n_classes: int,
    channels: int,
    stages: Sequence[str] = (),
) -> Branch:
    """Return the branch of a graph network.

    Parameters
    ----------
    name : str
        Of the network, unless ``params["network"]`` is.
    params : mapping
        Of the network. ``"n_regions"`` is that of another parcellation, where it reads one:
        ``{"edges": "aparc/morph", "n_regions": 68}``.
    n_regions, n_classes, channels : int
        R, K, and the features of the branch.
    stages : sequence of str
        Parts of the network that are stages before its end.

    Raises
    ------
    ValueError
        If there is no such network, or it has no such parameter or part.
    """
    params = dict(params)
    n_regions = params.pop("n_regions", n_regions)
    kind = _graph_network(params.pop("network", name))
    check_parameters(kind, params, given=("n_regions", "n_classes"))
    network: Any = kind(n_regions, n_classes, **params)
    reads, min_volumes = network.reads, getattr(network, "min_volumes", 1)
    encoder = Embedder(network)
    taps = {f"network.{stage}": 0 for stage in stages}
    if taps:
        taps = _widths(encoder, tuple(taps), _blank(reads, n_regions, min_volumes))
    return Branch(encoder, reads, channels, stages=taps, min_volumes=min_volumes)


def image_branch(
    name: str,
    encoder: str | type[nn.Module] | Mapping[str, Any],
    channels: int,
    stages: Sequence[str] = (),
) -> Branch:
    """Return the branch of an image, or of several that are channels of one encoder.

    Parameters
    ----------
    name : str
        Of the image in the cohort; "T1w+pet" are two.
    encoder : str, class or mapping
        Encoder of :mod:`brainograph.nn.encoders`; a mapping has it under "encoder", with its
        parameters.
    channels : int
        Features of the branch.
    stages : sequence of str
        Parts of the encoder that are stages before its end.

    Raises
    ------
    ValueError
        If there is no such encoder, or it has no such parameter or part.
    """
    params = dict(encoder) if isinstance(encoder, Mapping) else {"encoder": encoder}
    kind, names = params.pop("encoder", "SFCN"), name.split("+")
    module = _Images(new_encoder(kind, in_channels=len(names), params=params), names)
    taps = {f"encoder.{stage}": 0 for stage in stages}
    if taps:
        images = {one: torch.zeros(1, 1, _PROBE, _PROBE, _PROBE) for one in names}
        taps = _widths(module, tuple(taps), BrainBatch(images=images))
    return Branch(module, [f"images/{one}" for one in names], channels, stages=taps)


def phenotype_branch(n_phenotypes: int, channels: int, *, interactions: bool = False) -> Branch:
    """Return the branch of the phenotypes, a perceptron with one hidden layer.

    Parameters
    ----------
    n_phenotypes, channels : int
        P, and the features of the branch.
    interactions : bool
        Whether the product of any two phenotypes stands beside them.
    """
    return Branch(_Phenotypes(n_phenotypes, channels, interactions), ["phenotypes"], channels)


def _graph_network(name: str | type[nn.Module]) -> type[nn.Module]:
    """Return a subject-level network by name; a class is itself."""
    if not isinstance(name, str):
        return name
    from brainograph import nn as networks  # which imports this module

    there = {k: v for k in networks.__all__ if hasattr(v := getattr(networks, k), "forward")}
    subject_level = sorted(k for k, v in there.items() if _takes_regions(v))
    if name not in subject_level:
        raise ValueError(
            f"graphs must be named after one of {subject_level}, got {name!r}. Under another name "
            "write {" + f"{name}: {{network: BrainGCN}}" + "}."
        )
    return there[name]


def _takes_regions(kind: Any) -> bool:
    return "n_regions" in kind.__init__.__annotations__ and kind.__name__ != "GraphImagingNet"


def _blank(reads: Sequence[str], n_regions: int, min_volumes: int) -> BrainBatch:
    """Return a participant with nothing in anything that is read."""
    volumes = max(min_volumes, 64)
    batch = BrainBatch(
        series=torch.randn(1, volumes, n_regions),
        lengths=torch.tensor([volumes]),
        t_r=torch.full((1,), 2.0),
    )
    for name in reads:
        kind, _, key = name.partition("/")
        if kind == "connectivity":
            batch.connectivity[key] = torch.zeros(1, n_regions, n_regions)
        elif kind == "measures":
            batch.measures[key] = torch.zeros(1, n_regions)
    return batch


@torch.no_grad()
def _widths(encoder: nn.Module, names: Sequence[str], batch: BrainBatch) -> dict[str, int]:
    """Return the features of some parts of an encoder, as they come out."""
    with torch.random.fork_rng(), tapped(encoder.eval(), names) as said:
        encoder(batch)
    encoder.train()
    return {name: math.prod(_pooled(said[name]).shape[1:]) for name in names}


def _pooled(x: Tensor) -> Tensor:
    """Average maps (B, C, D, H, W) over space and nodes (B, R, C) over regions: (B, C)."""
    if x.ndim == 3:
        return x.mean(dim=1)
    return x.flatten(2).mean(dim=2) if x.ndim > 3 else x
