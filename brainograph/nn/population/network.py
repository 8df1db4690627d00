"""What the estimator of population networks asks of a network, in one place."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from brainograph.nn.brain_batch import BrainBatch

__all__ = ["Joiner", "PopulationNetwork", "Standardize"]

Joiner = Callable[..., Tensor]
"""``join(x (N, F), present (N,) = None) -> graph (N, N)``, dense or sparse COO."""


class PopulationNetwork(nn.Module):
    """A network that encodes each participant alone and then lets them listen to each other.

    A subclass is built by ``network(n_regions, n_classes, *, n_phenotypes=0, ...)`` and has

    - ``reads``: what :meth:`encode` reads of a :class:`~brainograph.nn.BrainBatch`, such as
      ``("connectivity/fc", "images/T1w")``; ``"phenotypes"`` where ``n_phenotypes`` is not 0;
    - ``min_volumes``, that a series must have, and ``missing_ok``: whether participants may lack
      some of what is read;
    - :meth:`encode`, of each participant alone, which is where scans are needed;
    - :meth:`propagate`, of all participants together, from what ``encode`` returned. It asks
      ``join`` for a graph over any features: whoever trains the network decides which phenotypes
      join participants, and the network which features do. Row i of the graph is what
      participant i listens to; a new participant is a column of zeros.

    It may have :meth:`observe`, :meth:`take_over` and :meth:`penalty`. Nothing in a network may
    look across participants but ``propagate`` through ``join`` and ``observe``: no batch
    normalisation.
    """

    reads: tuple[str, ...] = ()
    min_volumes = 1
    missing_ok = False

    def encode(self, batch: BrainBatch) -> Tensor:
        """Return what is kept of each participant (B, ...)."""
        raise NotImplementedError

    def propagate(self, h: Tensor, join: Joiner) -> Tensor:
        """Return logits (N, K) of the participants with codes ``h`` (N, ...)."""
        raise NotImplementedError

    def observe(self, batch: BrainBatch) -> None:
        """See labelled training participants before the training, for means and deviations."""

    def take_over(self, classifier: nn.Linear) -> None:
        """Start from the layer that told the classes apart by the codes of each alone."""

    def penalty(self) -> Tensor:
        """Return what is added to the loss."""
        return torch.zeros(())


class Standardize(nn.Module):
    """Bring each feature to mean 0 and deviation 1 over the training participants.

    Parameters
    ----------
    *shape : int
        Of the features of one participant.

    Examples
    --------
    >>> scale = Standardize(1)
    >>> scale.update(torch.tensor([[1.0], [3.0]]))
    >>> scale.update(torch.tensor([[5.0]]))
    >>> scale(torch.tensor([[3.0], [5.0]])).round(decimals=2)
    tensor([[0.0000],
            [1.2200]])
    """

    n: Tensor
    mean: Tensor
    squares: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("n", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("squares", torch.zeros(shape))

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Take in more training participants (B, *shape)."""
        if not len(x):
            return
        mean = x.mean(0)
        total = self.n + len(x)
        between = (mean - self.mean).square() * self.n * len(x) / total
        self.squares += (x - mean).square().sum(0) + between
        self.mean += (mean - self.mean) * len(x) / total
        self.n.copy_(total)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, *shape) to the same; features that did not vary in training become 0."""
        deviation = (self.squares / self.n.clamp(min=1)).sqrt()
        untaught = torch.where(self.n == 0, torch.ones_like(deviation), torch.zeros_like(deviation))
        scale = torch.where(deviation > 1e-6, 1 / deviation, untaught)
        return (x - self.mean) * scale
