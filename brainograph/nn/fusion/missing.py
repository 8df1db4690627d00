"""Who lacks which modality, by nature or by chance."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from brainograph.nn.brain_batch import BrainBatch

__all__ = ["drop_modalities", "has_all"]


def has_all(batch: BrainBatch, names: Sequence[str]) -> Tensor:
    """Tell who has everything that is named (B,), bool.

    Examples
    --------
    >>> pet = {"images/pet": torch.tensor([True, False])}
    >>> batch = BrainBatch(phenotypes=torch.ones(2, 1), present=pet)
    >>> has_all(batch, ["images/pet", "phenotypes"]).tolist()
    [True, False]
    """
    return torch.stack([batch.has(name) for name in names]).all(dim=0)


def drop_modalities(present: Tensor, p: float) -> Tensor:
    """Take modalities away at random, but never somebody's last.

    Parameters
    ----------
    present : Tensor (B, M) of bool
        Who has which.
    p : float
        Probability that one is taken; who would lose all keeps one of them, drawn evenly.

    Returns
    -------
    Tensor (B, M) of bool
        Who keeps which.

    Examples
    --------
    >>> present = torch.tensor([[True, True], [False, True]])
    >>> drop_modalities(present, 0.999).sum(dim=1).tolist()
    [1, 1]
    """
    kept = present & (torch.rand(present.shape, device=present.device) >= p)
    lottery = torch.rand(present.shape, device=present.device).masked_fill(~present, -1.0)
    lucky = functional.one_hot(lottery.argmax(dim=1), present.shape[1]).bool() & present
    return torch.where(kept.any(dim=1, keepdim=True), kept, lucky)
