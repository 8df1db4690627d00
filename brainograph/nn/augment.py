"""Augmentation: training batches that differ a little each time they are seen.

Each takes a training batch and its target and returns others, as the ``augmentation`` of
:class:`~brainograph.estimators.SubjectGraphClassifier` does, which calls it in training only.
All draw from torch's global generator, which that training seeds, and leave what they were given.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from brainograph.nn.brain_batch import BrainBatch

__all__ = ["Compose", "EdgeDropout", "MixUp", "Noise", "WindowCrop", "WindowJitter"]


class Augmentation:
    """What the augmentations share: from a batch and its target to others."""

    def __call__(self, batch: BrainBatch, y: Tensor) -> tuple[BrainBatch, Tensor]:
        """Return another batch and its target."""
        return self.change(batch), y

    def change(self, batch: BrainBatch) -> BrainBatch:
        """Return another batch."""
        raise NotImplementedError


@dataclass(frozen=True)
class Compose(Augmentation):
    """Apply several augmentations, one after the other.

    Parameters
    ----------
    augmentations : tuple of augmentations

    Examples
    --------
    >>> augmentation = Compose((WindowCrop(0.8), Noise(series=0.1)))
    >>> batch = BrainBatch(series=torch.ones(2, 10, 3), lengths=torch.tensor([10, 10]))
    >>> augmentation(batch, torch.tensor([0, 1]))[0].series.shape[1] >= 8
    True
    """

    augmentations: tuple[Augmentation, ...]

    def __call__(self, batch: BrainBatch, y: Tensor) -> tuple[BrainBatch, Tensor]:
        """Return another batch and its target."""
        for augmentation in self.augmentations:
            batch, y = augmentation(batch, y)
        return batch, y


@dataclass(frozen=True)
class EdgeDropout(Augmentation):
    """Set some edges of each connectivity to 0, both directions of an edge together.

    DropEdge (Rong et al. 2020) by participant and matrix; the diagonal stays. A network that
    computes its windows from series reads no connectivity and is not changed by it.

    Parameters
    ----------
    p : float
        Probability that an edge is dropped.

    Examples
    --------
    >>> batch = BrainBatch(connectivity={"fc": torch.ones(1, 4, 4)})
    >>> dropped, _ = EdgeDropout(0.5)(batch, torch.tensor([0]))
    >>> fc = dropped.connectivity["fc"]
    >>> torch.equal(fc, fc.mT), fc.diagonal(dim1=1, dim2=2).tolist()
    (True, [[1.0, 1.0, 1.0, 1.0]])
    """

    p: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise ValueError(f"p must be in [0, 1), got {self.p}. To drop 10 % write p=0.1.")

    def change(self, batch: BrainBatch) -> BrainBatch:
        """Return the batch with fewer edges."""
        _need_connectivity(batch, "EdgeDropout")
        return replace(
            batch, connectivity={name: self._thin(m) for name, m in batch.connectivity.items()}
        )

    def _thin(self, matrices: Tensor) -> Tensor:
        upper = (torch.rand_like(matrices) < self.p).triu(1)  # (B, R, R)
        return matrices.masked_fill(upper | upper.mT, 0)


@dataclass(frozen=True)
class WindowCrop(Augmentation):
    """Cut a contiguous piece of random length and place out of each scan.

    Parameters
    ----------
    min_fraction : float
        Shortest piece, as a share of the scan; the longest is all of it.
    min_volumes : int
        No piece is shorter than this (or than the scan): the window of a network of dynamic
        graphs.

    Examples
    --------
    >>> batch = BrainBatch(series=torch.ones(1, 100, 3), lengths=torch.tensor([100]))
    >>> cropped, _ = WindowCrop(0.5, min_volumes=60)(batch, torch.tensor([0]))
    >>> 60 <= int(cropped.lengths) <= 100
    True
    """

    min_fraction: float = 0.7
    min_volumes: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.min_fraction <= 1:
            raise ValueError(
                f"min_fraction must be in (0, 1], got {self.min_fraction}. For at least 70 % of "
                "each scan write min_fraction=0.7."
            )
        _check_volumes("min_volumes", self.min_volumes)

    def change(self, batch: BrainBatch) -> BrainBatch:
        """Return the batch with shorter series."""
        _need_series(batch, "WindowCrop")
        shortest = (batch.lengths * self.min_fraction).ceil().long().clamp_min(self.min_volumes)
        lengths = _whole_number(torch.minimum(shortest, batch.lengths), batch.lengths)
        starts = _whole_number(torch.zeros_like(lengths), batch.lengths - lengths)
        return _cut(batch, starts, lengths)


@dataclass(frozen=True)
class WindowJitter(Augmentation):
    """Leave out a random number of volumes at the beginning, so that windows start elsewhere.

    Parameters
    ----------
    max_volumes : int
        The most that are left out: the step of the windows less one moves their starts over
        every volume.
    min_volumes : int
        What is left of a scan is not shorter than this (or than the scan).

    Examples
    --------
    >>> series = torch.arange(5.0).reshape(1, 5, 1)
    >>> batch = BrainBatch(series=series, lengths=torch.tensor([5]))
    >>> moved, _ = WindowJitter(2)(batch, torch.tensor([0]))
    >>> moved.series[0, 0, 0] == 5 - moved.lengths[0]
    tensor(True)
    """

    max_volumes: int = 7
    min_volumes: int = 3

    def __post_init__(self) -> None:
        _check_volumes("max_volumes", self.max_volumes)
        _check_volumes("min_volumes", self.min_volumes)

    def change(self, batch: BrainBatch) -> BrainBatch:
        """Return the batch with series that begin later."""
        _need_series(batch, "WindowJitter")
        most = (batch.lengths - self.min_volumes).clamp(0, self.max_volumes)
        starts = _whole_number(torch.zeros_like(most), most)
        return _cut(batch, starts, batch.lengths - starts)


@dataclass(frozen=True)
class MixUp(Augmentation):
    r"""Blend each participant with another of the batch, matrices and target alike.

    .. math:: \tilde x = \lambda x + (1 - \lambda) x', \quad
              \tilde y = \lambda y + (1 - \lambda) y', \qquad
              \lambda \sim \mathrm{Beta}(\alpha, \alpha)

    with one λ for each participant (Zhang et al. 2018). Connectivity, measures, phenotypes and
    images are blended; classes become shares of classes (B, K), numbers stay numbers (B,).
    Class weights of the loss remain those of the first participant. Where some lack a modality,
    participants are blended with those who have the same ones, and stay as they are if nobody
    does. Scans of two people have no common time, so a network that reads series cannot use it.

    Parameters
    ----------
    alpha : float
        Small: nearly all of one participant; 1: any blend is as likely.
    n_classes : int
        K.

    Raises
    ------
    ValueError
        For a batch with series, or a label of ``n_classes`` or more.

    Examples
    --------
    >>> batch = BrainBatch(connectivity={"fc": torch.eye(3).repeat(2, 1, 1)})
    >>> MixUp(0.4)(batch, torch.tensor([0, 1]))[1].sum(1)
    tensor([1., 1.])
    """

    alpha: float = 0.2
    n_classes: int = 2

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"alpha must be more than 0, got {self.alpha}. Write alpha=0.2.")

    def __call__(self, batch: BrainBatch, y: Tensor) -> tuple[BrainBatch, Tensor]:
        """Return blends of participants and of their targets."""
        if batch.series is not None:
            raise ValueError(
                "MixUp blends matrices, and the network reads series, which have no common time. "
                "Write WindowCrop() or Noise(series=0.1), or take a network of connectivity."
            )
        n = len(batch)
        alpha = torch.full((n,), self.alpha, device=batch.device)
        share = torch.distributions.Beta(alpha, alpha).sample()  # (B,)
        partner = _partners(batch)

        def blend(values: Tensor) -> Tensor:
            weight = share.to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
            return weight * values + (1 - weight) * values[partner]

        kept = {"t_r": batch.t_r, "present": batch.present}
        mixed = replace(batch, t_r=None, present={}).map(blend)
        return replace(mixed, **kept), blend(self._shares(y))

    def _shares(self, y: Tensor) -> Tensor:
        """Return classes as shares of classes (B, K); shares and numbers as they are."""
        if y.is_floating_point():
            return y
        if int(y.max()) >= self.n_classes:
            raise ValueError(
                f"MixUp has n_classes={self.n_classes} and met the label {int(y.max())}. Write "
                f"MixUp(n_classes={int(y.max()) + 1})."
            )
        return functional.one_hot(y, self.n_classes).float()


@dataclass(frozen=True)
class Noise(Augmentation):
    """Add independent normal noise; what somebody lacks stays zeros.

    Parameters
    ----------
    series : float
        Standard deviation on every volume that is not padding; the estimators standardise series
        to 1 by default.
    connectivity : float
        Standard deviation on every pair of regions, the same in both directions; the diagonal
        stays.

    Examples
    --------
    >>> batch = BrainBatch(series=torch.zeros(1, 4, 2), lengths=torch.tensor([3]))
    >>> noisy, _ = Noise(series=0.5)(batch, torch.tensor([0]))
    >>> (noisy.series[0, :, 0] != 0).tolist()
    [True, True, True, False]
    """

    series: float = 0.0
    connectivity: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("series", self.series), ("connectivity", self.connectivity)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be at least 0, got {value}. Write {name}=0.1.")
        if not self.series and not self.connectivity:
            raise ValueError("Noise needs a place: write Noise(series=0.1) or connectivity=0.05.")

    def change(self, batch: BrainBatch) -> BrainBatch:
        """Return the batch with noise on it."""
        if self.series:
            _need_series(batch, "Noise(series=...)")
            there = batch.mask & batch.has("series")[:, None]  # (B, T)
            noise = self.series * torch.randn_like(batch.series) * there[..., None]
            batch = replace(batch, series=batch.series + noise)
        if self.connectivity:
            _need_connectivity(batch, "Noise(connectivity=...)")
            noisy = {
                name: self._noisy(m, batch.has(f"connectivity/{name}"))
                for name, m in batch.connectivity.items()
            }
            batch = replace(batch, connectivity=noisy)
        return batch

    def _noisy(self, matrices: Tensor, there: Tensor) -> Tensor:
        upper = torch.randn_like(matrices).triu(1) * there[:, None, None]  # (B, R, R)
        return matrices + self.connectivity * (upper + upper.mT)


def _partners(batch: BrainBatch) -> Tensor:
    """Draw for each participant another (B,), each once, who has the same modalities."""
    order = torch.randperm(len(batch), device=batch.device)
    if not batch.present:
        return order
    patterns = torch.stack(list(batch.present.values()), dim=1)  # (B, M)
    group = patterns.unique(dim=0, return_inverse=True)[1]  # (B,)
    partner = torch.empty_like(order)
    partner[group.argsort(stable=True)] = order[group[order].argsort(stable=True)]
    return partner


def _whole_number(low: Tensor, high: Tensor) -> Tensor:
    """Draw whole numbers (B,), each between its own bounds, both included."""
    draw = torch.rand(low.shape, dtype=torch.float64, device=low.device)
    return low + (draw * (high - low + 1)).long()


def _cut(batch: BrainBatch, starts: Tensor, lengths: Tensor) -> BrainBatch:
    """Return each scan from its start on (B,), as long as its length (B,), padded with 0."""
    volumes = torch.arange(int(lengths.max()), device=lengths.device)  # (T,)
    inside = volumes < lengths[:, None]  # (B, T)
    where = torch.where(inside, starts[:, None] + volumes, 0)[..., None]
    series = batch.series.gather(1, where.expand(-1, -1, batch.series.shape[2]))
    return replace(batch, series=series.masked_fill(~inside[..., None], 0), lengths=lengths)


def _check_volumes(name: str, value: int) -> None:
    if value < 1 or value != int(value):
        raise ValueError(f"{name} must be a whole number of volumes above 0, got {value}.")


def _need_series(batch: BrainBatch, who: str) -> None:
    if batch.series is None:
        raise ValueError(
            f"{who} changes series, and the network reads none. Write EdgeDropout() or MixUp()."
        )


def _need_connectivity(batch: BrainBatch, who: str) -> None:
    if not batch.connectivity:
        raise ValueError(
            f"{who} changes connectivity, and the network reads none. Write WindowCrop() or "
            "Noise(series=0.1)."
        )
