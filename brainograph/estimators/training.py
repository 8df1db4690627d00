"""The one training loop: every network of the package is trained here."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping

import pandas as pd
import torch
from rich.progress import Progress
from torch import Tensor, nn
from torch.optim import Optimizer
from torch_geometric.data import Data

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
    batches: Iterable[Data],
    *,
    loss: Callable[[Data], Tensor],
    optimizer: Optimizer,
    max_epochs: int,
    validate: Callable[[], float] | None = None,
    patience: int = 20,
    progress: bool = False,
) -> pd.DataFrame:
    """Train a network; with validation, stop early and keep the weights of the best epoch.

    Parameters
    ----------
    network : Module
        Trained in place; left in evaluation mode.
    batches : iterable of Data
        Walked through once an epoch.
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

    Returns
    -------
    DataFrame (epochs, 2)
        ``loss`` and ``validation`` of each epoch (index ``epoch``, from 1).

    Raises
    ------
    FloatingPointError
        If the loss is not finite.
    """
    history: list[tuple[float, float]] = []
    best, best_epoch, best_weights = math.inf, 0, copy.deepcopy(network.state_dict())
    with Progress(disable=not progress, transient=True) as bar:
        task = bar.add_task("training", total=max_epochs)
        for epoch in range(1, max_epochs + 1):
            history.append((_epoch(network, batches, loss, optimizer, epoch), math.nan))
            if validate is not None:
                network.eval()
                with torch.no_grad():
                    value = validate()
                history[-1] = (history[-1][0], value)
                if value < best:
                    best, best_epoch = value, epoch
                    best_weights = copy.deepcopy(network.state_dict())
                elif epoch - best_epoch >= patience:
                    break
            bar.update(task, completed=epoch, description=f"loss {history[-1][0]:.3f}")
    if validate is not None:
        network.load_state_dict(best_weights)
    network.eval()
    epochs = pd.RangeIndex(1, len(history) + 1, name="epoch")
    return pd.DataFrame(history, index=epochs, columns=["loss", "validation"])


def _epoch(
    network: nn.Module,
    batches: Iterable[Data],
    loss: Callable[[Data], Tensor],
    optimizer: Optimizer,
    epoch: int,
) -> float:
    """Walk through the batches once; return the mean loss."""
    network.train()
    values = [_step(batch, loss, optimizer) for batch in batches]
    mean = sum(values) / len(values)
    if not math.isfinite(mean):
        raise FloatingPointError(
            f"the loss is {mean} at epoch {epoch}. Lower the learning rate, for example lr=0.001, "
            "and standardise the features."
        )
    return mean


def _step(batch: Data, loss: Callable[[Data], Tensor], optimizer: Optimizer) -> float:
    """Take one step (L-BFGS asks for the loss several times); return the loss before it."""

    def closure() -> float:
        optimizer.zero_grad(set_to_none=True)
        value = loss(batch)
        value.backward()
        return value.item()

    return optimizer.step(closure)
