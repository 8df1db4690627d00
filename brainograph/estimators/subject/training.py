"""One training of a subject-level network: batches, losses, devices."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from brainograph.estimators.subject.data import SubjectData
from brainograph.estimators.training.checkpoint import Checkpoint, from_bytes, to_bytes
from brainograph.estimators.training.log import TrainingLog
from brainograph.estimators.training.loop import train
from brainograph.estimators.training.settings import Training, deterministic
from brainograph.nn.bayesian import divergence
from brainograph.nn.brain_batch import BrainBatch

if TYPE_CHECKING:
    from lightning.fabric import Fabric

__all__ = ["Augmentation", "Fit", "epoch_batches"]

Augmentation = Callable[[BrainBatch, Tensor], tuple[BrainBatch, Tensor]]


def epoch_batches(
    rows: np.ndarray, classes: np.ndarray, *, batch_size: int, balanced: bool, seed: int, epoch: int
) -> list[np.ndarray]:
    """Return the rows of each batch of an epoch, of nearly equal size.

    Parameters
    ----------
    rows : array (N,)
        Training rows.
    classes : array (S,)
        Class of every row of the cohort.
    batch_size : int
        At the most.
    balanced : bool
        Whether each batch has as many rows of each class.
    seed, epoch : int
        The order depends on these only.

    Examples
    --------
    >>> rows, classes = np.arange(5), np.array([0, 0, 0, 0, 1])
    >>> batches = epoch_batches(rows, classes, batch_size=4, balanced=True, seed=0, epoch=1)
    >>> [classes[batch].tolist() for batch in batches]
    [[0, 1, 0, 1], [0, 1, 0, 1]]
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(rows)
    if balanced:
        members = [order[classes[order] == k] for k in np.unique(classes[rows])]
        most = max(map(len, members))
        order = np.stack([np.resize(one, most) for one in members], axis=1).ravel()
        batch_size -= batch_size % len(members) if batch_size > len(members) else 0
    return np.array_split(order, -(-len(order) // batch_size))


class _Objective(nn.Module):
    """What is minimised: the network's own loss, or that of its logits.

    Weights that are distributions add their divergence over the number of rows that are learnt
    from.
    """

    def __init__(self, network: nn.Module, regression: bool, n_rows: int) -> None:
        super().__init__()
        self.network = network
        self.regression = regression
        self.n_rows = n_rows

    def forward(self, batch: BrainBatch, target: Tensor, weight: Tensor) -> Tensor:
        loss, cost = self._misfit(batch, target, weight), divergence(self.network)
        return loss if cost is None else loss + cost / self.n_rows

    def _misfit(self, batch: BrainBatch, target: Tensor, weight: Tensor) -> Tensor:
        own = getattr(self.network, "loss", None)
        if own is not None:
            return own(batch, target)
        each = self.misfit(self.network(batch), target)
        return (each * weight).sum() / weight.sum()

    def train(self, mode: bool = True) -> "_Objective":
        """Change the mode, but for frozen parts: their dropout is off, their statistics stay."""
        super().train(mode)
        for module in self.network.modules():
            weights = list(module.parameters())
            if weights and not any(one.requires_grad for one in weights):
                module.eval()
        return self

    def misfit(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each row (B,)."""
        if self.regression:
            return mse_loss(logits[:, 0].float(), target, reduction="none")
        return cross_entropy(logits.float(), target, reduction="none")


@dataclass(frozen=True)
class Fit:
    """A network and all that its training needs.

    Parameters
    ----------
    network : Module
        With its first weights.
    data : SubjectData (S)
        What it reads.
    target : array (S,)
        Classes, or numbers for a regression.
    weight : array (S,)
        Of each row in the loss.
    rows, held_out : arrays of int
        What is learnt from, and what says when to stop (if any).
    training : Training
        Settings.
    device : device
        Where.
    seed : int
        Of the batches and of torch.
    augmentation : callable, optional
        From a training batch and its target to others.
    checkpoint : Checkpoint, optional
        Where the training is kept.
    log, tensorboard : path or None, bool
        Where the log goes.
    progress : bool
        Whether to show a bar.
    """

    network: nn.Module
    data: SubjectData
    target: np.ndarray
    weight: np.ndarray
    rows: np.ndarray
    held_out: np.ndarray
    training: Training
    device: torch.device
    seed: int
    augmentation: Augmentation | None = None
    checkpoint: Checkpoint | None = None
    log: str | None = None
    tensorboard: bool = False
    progress: bool = False

    @property
    def regression(self) -> bool:
        """Whether numbers are predicted."""
        return self.target.dtype.kind == "f"

    def run(self) -> pd.DataFrame:
        """Train the network in place; return its history."""
        fabric = self.training.new_fabric(self.device)
        if self.training.devices == 1:
            return _train(fabric, self)
        apart: Any = partial(_train_apart, fit=self)
        weights, history = from_bytes(fabric.launch(apart))
        self.network.load_state_dict(weights)
        self.network.eval()
        return pd.DataFrame(**history).rename_axis("epoch")


def _train_apart(fabric: "Fabric", fit: Fit) -> bytes:
    """Train in a process of several; tensors do not outlive it, bytes do."""
    fit = replace(fit, network=copy.deepcopy(fit.network))  # the processes share what they are sent
    history = _train(fabric, fit)
    table = {
        "data": history.to_numpy().tolist(),
        "index": history.index.tolist(),
        "columns": history.columns.tolist(),
    }
    return to_bytes((fit.network.state_dict(), table))


def _train(fabric: "Fabric", fit: Fit) -> pd.DataFrame:
    settings = fit.training
    objective = _Objective(fit.network, fit.regression, len(fit.rows))
    bare = settings.new_optimizer(objective.to(fabric.device))
    scheduler = settings.new_scheduler(bare)
    module, optimizer = fabric.setup(objective, bare)
    run = _Run(fit, fit.data.keep_on(fabric.device), fabric, objective, module)
    log = None
    if fit.log is not None and fabric.is_global_zero:
        log = TrainingLog(fit.log, tensorboard=fit.tensorboard)
    try:
        with torch.random.fork_rng(), deterministic(settings.deterministic):
            return train(
                module,
                run.batches,
                loss=run.loss,
                optimizer=optimizer,
                max_epochs=settings.max_epochs,
                validate=run.validate if len(fit.held_out) else None,
                patience=settings.patience,
                progress=fit.progress,
                scheduler=scheduler,
                clip=settings.clip,
                accumulate=settings.accumulate,
                fabric=fabric,
                seed=fit.seed,
                checkpoint=fit.checkpoint,
                log=log,
            )
    finally:
        if log is not None:
            log.close()


@dataclass(frozen=True)
class _Run:
    """A training in one process: which rows it takes, and how much they count."""

    fit: Fit
    data: SubjectData
    fabric: "Fabric"
    objective: _Objective
    module: Any

    def batches(self, epoch: int) -> list[tuple[np.ndarray, float]]:
        """Return this process's parts of each batch, each with its share of the batch's loss."""
        fit, settings, fabric = self.fit, self.fit.training, self.fabric
        n_parts = settings.accumulate * fabric.world_size
        parts = []
        for batch in epoch_batches(
            fit.rows,
            fit.target,
            batch_size=settings.batch_size,
            balanced=settings.balanced,
            seed=fit.seed,
            epoch=epoch,
        ):
            whole = fit.weight[batch].sum()
            for i in range(fabric.global_rank, n_parts, fabric.world_size):
                part = batch[i::n_parts]
                share = fabric.world_size * fit.weight[part].sum() / whole
                # A process without a row of its own goes through the motions.
                parts.append((part if len(part) else batch[:1], float(share)))
        self.data.expect([rows for rows, _ in parts])
        return parts

    def _target(self, rows: np.ndarray) -> Tensor:
        kind = np.float32 if self.fit.regression else np.int64
        return torch.from_numpy(self.fit.target[rows].astype(kind)).to(self.fabric.device)

    def _weight(self, rows: np.ndarray) -> Tensor:
        weight = self.fit.weight[rows].astype(np.float32)
        return torch.from_numpy(weight).to(self.fabric.device)

    def loss(self, part: tuple[np.ndarray, float]) -> Tensor:
        """Return what a part of a batch adds to the loss."""
        rows, share = part
        batch, target = self.data.batch(rows), self._target(rows)
        if self.fit.augmentation is not None:
            batch, target = self.fit.augmentation(batch, target)
        return share * self.module(batch, target, self._weight(rows))

    def validate(self) -> float:
        """Return the mean loss of the validation rows, over all processes."""
        size = self.fit.training.batch_size
        mine = self.fit.held_out[self.fabric.global_rank :: self.fabric.world_size]
        batches = [mine[start : start + size] for start in range(0, len(mine), size)]
        self.data.expect(batches)
        total = torch.zeros(2, dtype=torch.float32, device=self.fabric.device)
        for rows in batches:
            with self.fabric.autocast():
                logits = self.objective.network(self.data.batch(rows))
            weight = self._weight(rows)
            each = self.objective.misfit(logits, self._target(rows)) * weight
            total += torch.stack([each.sum(), weight.sum()])
        everywhere: Any = self.fabric.all_reduce(total, reduce_op="sum")
        return float(everywhere[0] / everywhere[1])
