"""Pretraining without labels: what two views of a participant share, or a network's own loss."""

import torch
from torch import Tensor, nn

from brainograph.estimators.subject.training import Augmentation
from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.contrast import info_nce
from brainograph.nn.embedding import embedding, last_linear

__all__ = ["Contrast", "OwnPretraining"]


class Contrast(nn.Module):
    r"""A network that learns to tell participants apart, whichever view it is given of them.

    .. math:: \ell = \mathrm{InfoNCE}(g(f(v_1)), g(f(v_2)))

    of two random views v of each participant, where f is the network up to its last linear layer
    and g a small one that is thrown away [1]_.

    Parameters
    ----------
    network : Module
        Trained in place.
    augmentation : callable
        ``augmentation(batch, y)``, each call another view of the same participants.
    width : int
        Channels of g's output.

    Raises
    ------
    ValueError
        If the augmentation mixes participants: it changes ``y``, or the size of the batch.

    References
    ----------
    .. [1] Chen et al., A simple framework for contrastive learning of visual representations,
           ICML 2020.

    Examples
    --------
    >>> from brainograph.nn import MeanMLP
    >>> from brainograph.nn.augment import WindowCrop
    >>> batch = BrainBatch(series=torch.randn(4, 9, 5), lengths=torch.full((4,), 9))
    >>> Contrast(MeanMLP(5, 2), WindowCrop()).loss(batch, torch.zeros(4)).shape
    torch.Size([])
    """

    def __init__(self, network: nn.Module, augmentation: Augmentation, *, width: int = 32) -> None:
        super().__init__()
        channels = last_linear(network)[1].in_features
        self.network = network
        self.augmentation = augmentation
        self.project = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, width)
        )

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return what is compared (B, width)."""
        return self.project(embedding(self.network, batch).float())

    def loss(self, batch: BrainBatch, y: Tensor) -> Tensor:
        """Return how badly the two views of each participant find each other."""
        return info_nce(self(self._view(batch, y)), self(self._view(batch, y)))

    def _view(self, batch: BrainBatch, y: Tensor) -> BrainBatch:
        view, target = self.augmentation(batch, y)
        if len(view) != len(batch) or not torch.equal(target, y):
            raise ValueError(
                "the augmentation mixes participants, and pretraining needs two views of each. "
                "Drop edges or crop series instead."
            )
        return view


class OwnPretraining(nn.Module):
    """A network that knows what to learn without labels: its ``pretraining_loss(batch)``.

    Parameters
    ----------
    network : Module
        Trained in place, such as an :class:`~brainograph.nn.ImageAutoencoder`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def loss(self, batch: BrainBatch, y: Tensor) -> Tensor:
        """Return the network's own loss; ``y`` holds no label."""
        return self.network.pretraining_loss(batch)  # type: ignore[operator]
