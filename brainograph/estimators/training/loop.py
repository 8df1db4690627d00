"""The one training loop: every network of the package is trained here."""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from brainograph.estimators.training.checkpoint import Checkpoint
from brainograph.estimators.training.log import TrainingLog

if TYPE_CHECKING:
    from lightning.fabric import Fabric

__all__ = ["l2_penalty", "resolve_device", "train"]


def resolve_device(name: str) -> torch.device:
    """Return a device by name; ``"auto"`` is the accelerator where there is one, else the CPU.

    Raises
    ------
    ValueError
        If this machine does not have the device.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        found = (
            torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        )
        return found or torch.device("cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device={name!r} cannot be used on this machine ({str(error).splitlines()[0]}). "
            'Write device="auto" or device="cpu".'
        ) from error
    return torch.device(name)


def l2_penalty(network: nn.Module, decay: float, exceptions: Mapping[str, float]) -> Tensor:
    """Return half the weighted sum of squared weights; biases are free.

    Parameters
    ----------
    network : Module
        Its parameters with more than one dimension are penalised.
    decay : float
        Weight of the penalty.
    exceptions : mapping of parameter name to float
        Other weights.

    Examples
    --------
    >>> layer = nn.Linear(2, 1)
    >>> _ = nn.init.constant_(layer.weight, 2.0)
    >>> l2_penalty(layer, 0.5, {}).item()
    2.0
    """
    terms = [
        0.5 * exceptions.get(name, decay) * weights.square().sum()
        for name, weights in network.named_parameters()
        if weights.ndim > 1
    ]
    return torch.stack(terms).sum()


def train(
    network: nn.Module,
    batches: Iterable[Any] | Callable[[int], Iterable[Any]],
    *,
    loss: Callable[[Any], Tensor],
    optimizer: Optimizer,
    max_epochs: int,
    validate: Callable[[], float] | None = None,
    patience: int = 20,
    progress: bool = False,
    scheduler: LRScheduler | None = None,
    clip: float | None = None,
    accumulate: int = 1,
    fabric: "Fabric | None" = None,
    seed: int | None = None,
    checkpoint: Checkpoint | None = None,
    log: TrainingLog | None = None,
) -> pd.DataFrame:
    """Train a network; with validation, stop early and keep the weights of the best epoch.

    Parameters
    ----------
    network : Module
        Trained in place; left in evaluation mode.
    batches : iterable, or callable from the epoch to one
        Walked through once an epoch; the epochs are 1, 2, ...
    loss : callable
        From a batch to the scalar to minimise; the network is in training mode.
    optimizer : Optimizer
        Over the network's parameters.
    max_epochs : int
        Number of epochs at the most.
    validate : callable, optional
        Returns the loss of the validation rows (lower is better); called once an epoch in
        evaluation mode, without gradients.
    patience : int
        Epochs without a better validation loss after which training stops.
    progress : bool
        Whether to show a progress bar.
    scheduler : LRScheduler, optional
        Of the learning rate; takes a step an epoch.
    clip : float, optional
        Largest norm of the gradient.
    accumulate : int
        Batches whose gradients are added before a step.
    fabric : Fabric, optional
        Devices and precision, with ``network`` and ``optimizer`` set up by it; plain torch by
        default. With several processes each walks through batches of its own.
    seed : int, optional
        Seeds torch anew at every epoch, so that a resumed training continues as if it had not
        been stopped.
    checkpoint : Checkpoint, optional
        Read before the first epoch and written after each.
    log : TrainingLog, optional
        Gets the history after each epoch.

    Returns
    -------
    DataFrame (epochs, 3)
        ``loss``, ``validation`` and learning rate ``lr`` of each epoch (index ``epoch``, from 1).

    Raises
    ------
    FloatingPointError
        If the loss is not finite.
    """
    fabric = fabric or _one_process()
    state = _State(best_weights=copy.deepcopy(network.state_dict()))
    parts = {"network": network, "optimizer": optimizer, "scheduler": scheduler}
    saved = None if checkpoint is None else checkpoint.load()
    if saved is not None:
        state = _resume(parts, fabric, saved)
    with _bar(progress and fabric.is_global_zero) as bar:
        task = bar.add_task("training", total=max_epochs, completed=state.epoch)
        while state.epoch < max_epochs:
            if validate is not None and state.epoch - state.best_epoch >= patience:
                break
            began, lr = time.perf_counter(), optimizer.param_groups[0]["lr"]
            state.epoch += 1
            if seed is not None:
                _seed(seed, state.epoch, fabric.global_rank)
            network.train()
            walk = batches(state.epoch) if callable(batches) else batches
            value = _epoch(network, walk, loss, optimizer, clip, accumulate, fabric)
            _check_finite(value, state.epoch, "loss")
            score = math.nan if validate is None else _validate(network, validate)
            if validate is not None:
                _check_finite(score, state.epoch, "validation loss")
                if score < state.best:
                    state.best, state.best_epoch = score, state.epoch
                    state.best_weights = copy.deepcopy(network.state_dict())
            _advance(scheduler, score)
            state.history.append([value, score, lr, time.perf_counter() - began])
            if checkpoint is not None and fabric.is_global_zero:
                checkpoint.save(_state_dict(parts, fabric, state))
            if log is not None and fabric.is_global_zero:
                log.write(state.table())
            text = f"loss {value:.3f}" + ("" if validate is None else f" validation {score:.3f}")
            bar.update(task, completed=state.epoch, description=text)
    if validate is not None:
        network.load_state_dict(state.best_weights)
    network.eval()
    return state.table().drop(columns="seconds")


@dataclass
class _State:
    """How far a training has come."""

    best_weights: dict[str, Tensor]
    epoch: int = 0
    best: float = math.inf
    best_epoch: int = 0
    history: list[list[float]] = field(default_factory=list)

    def table(self) -> pd.DataFrame:
        epochs = pd.RangeIndex(1, len(self.history) + 1, name="epoch")
        columns = ["loss", "validation", "lr", "seconds"]
        return pd.DataFrame(self.history, index=epochs, columns=columns)


def _one_process() -> "Fabric":
    from lightning.fabric import Fabric

    return Fabric(accelerator="cpu", devices=1)


def _state_dict(parts: Mapping[str, Any], fabric: "Fabric", state: _State) -> dict[str, Any]:
    """Return all that a training needs to go on."""
    states = {name: part.state_dict() for name, part in parts.items() if part is not None}
    return {**states, "precision": fabric.strategy.precision.state_dict(), "state": vars(state)}


def _resume(parts: Mapping[str, Any], fabric: "Fabric", saved: Mapping[str, Any]) -> _State:
    for name, part in parts.items():
        if part is not None:
            part.load_state_dict(saved[name])
    fabric.strategy.precision.load_state_dict(saved["precision"])
    return _State(**saved["state"])


def _bar(shown: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), disable=not shown, transient=True)


def _seed(*numbers: int) -> None:
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


def _validate(network: nn.Module, validate: Callable[[], float]) -> float:
    network.eval()
    with torch.no_grad():
        return validate()


def _check_finite(value: float, epoch: int, what: str) -> None:
    if not math.isfinite(value):
        raise FloatingPointError(
            f"the {what} is {value} at epoch {epoch}. Lower the learning rate, for example "
            "lr=0.001, and standardise the features."
        )


def _advance(scheduler: LRScheduler | None, score: float) -> None:
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(score)
    elif scheduler is not None:
        scheduler.step()


def _epoch(
    network: nn.Module,
    batches: Iterable[Any],
    loss: Callable[[Any], Tensor],
    optimizer: Optimizer,
    clip: float | None,
    accumulate: int,
    fabric: "Fabric",
) -> float:
    """Walk through the batches once; return the mean loss."""
    values = [
        _step(network, parts, loss, optimizer, clip, fabric)
        for parts in _groups(batches, accumulate)
    ]
    mean: Any = fabric.all_reduce(torch.stack(values).mean(), reduce_op="mean")
    return float(mean)


def _groups(batches: Iterable[Any], size: int) -> Iterator[list[Any]]:
    group = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _step(
    network: Any,
    parts: list[Any],
    loss: Callable[[Any], Tensor],
    optimizer: Optimizer,
    clip: float | None,
    fabric: "Fabric",
) -> Tensor:
    """Take one step (L-BFGS asks for the loss several times); return the loss before it."""

    def closure() -> Any:
        optimizer.zero_grad(set_to_none=True)
        total = []
        for i, part in enumerate(parts):
            wait = fabric.world_size > 1 and i + 1 < len(parts)
            with fabric.no_backward_sync(network) if wait else nullcontext():
                value = loss(part)
                fabric.backward(value)
            total.append(value.detach())
        if clip is not None:
            fabric.clip_gradients(network, optimizer, max_norm=clip, error_if_nonfinite=False)
        return torch.stack(total).sum()

    if isinstance(getattr(optimizer, "optimizer", optimizer), torch.optim.LBFGS):
        return torch.as_tensor(optimizer.step(closure))
    value = closure()
    optimizer.step()
    return value
