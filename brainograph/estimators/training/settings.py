"""How a subject-level network is trained: settings that estimators share, in one place."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from sklearn.base import BaseEstimator
from torch import nn
from torch.optim import Optimizer, lr_scheduler

if TYPE_CHECKING:
    from lightning.fabric import Fabric

__all__ = ["Training"]

OptimizerName = Literal["adamw", "adam", "sgd"]
Schedule = Literal["constant", "cosine", "one_cycle", "plateau"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
ClassWeight = Literal["balanced"]


class Training(BaseEstimator):
    """Settings of a training, searchable as ``training__lr`` and so on.

    Parameters
    ----------
    optimizer : {"adamw", "adam", "sgd"}
        SGD has a momentum of 0.9.
    lr : float
        Learning rate; the highest of a schedule.
    weight_decay : float
        Of weights with more than one dimension; biases and scales are free.
    lr_schedule : {"constant", "cosine", "one_cycle", "plateau"}
        Over ``max_epochs``; ``"plateau"`` halves the rate after ``patience // 2`` epochs without
        a better validation loss.
    batch_size : int
        Participants a step, over all devices.
    balanced : bool
        Whether every batch has as many participants of each class; those of small classes come
        several times an epoch.
    class_weight : {"balanced"}, optional
        Weigh participants by the inverse frequency of their class.
    max_epochs, patience : int
        Epochs at the most, and without a better validation loss.
    validation_fraction : float
        Share of the labelled participants on whom training is stopped early; 0 trains for
        ``max_epochs`` on all.
    clip : float, optional
        Largest norm of the gradient.
    accumulate : int
        Parts in which a batch is computed, to save memory. The step is the same, but for
        networks that compare the participants of a batch: batch normalisation, contrastive terms.
    devices : int
        Processes, each with a device, among which a batch is divided (DDP), likewise. A script
        needs ``if __name__ == "__main__":``.
    precision : {"32-true", "bf16-mixed", "16-mixed"}
        Of the arithmetic.
    deterministic : bool
        Whether torch must use deterministic algorithms on a GPU, or say that there is none.

    Examples
    --------
    >>> Training(lr=0.01)
    Training(lr=0.01)
    """

    def __init__(
        self,
        *,
        optimizer: OptimizerName = "adamw",
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
        lr_schedule: Schedule = "constant",
        batch_size: int = 32,
        balanced: bool = False,
        class_weight: ClassWeight | None = None,
        max_epochs: int = 100,
        patience: int = 20,
        validation_fraction: float = 0.15,
        clip: float | None = None,
        accumulate: int = 1,
        devices: int = 1,
        precision: Precision = "32-true",
        deterministic: bool = False,
    ) -> None:
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.lr_schedule = lr_schedule
        self.batch_size = batch_size
        self.balanced = balanced
        self.class_weight = class_weight
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.clip = clip
        self.accumulate = accumulate
        self.devices = devices
        self.precision = precision
        self.deterministic = deterministic

    def check(self) -> None:
        """Refuse settings outside their range.

        Raises
        ------
        ValueError
            It says which, and what to write.
        """
        choices = {
            "optimizer": get_args(OptimizerName),
            "lr_schedule": get_args(Schedule),
            "precision": get_args(Precision),
            "class_weight": (*get_args(ClassWeight), None),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}.")
        for name in ("batch_size", "max_epochs", "patience", "accumulate", "devices"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(
                f"validation_fraction must be in [0, 1), got {self.validation_fraction}. "
                "For 15 % of the labelled participants write validation_fraction=0.15."
            )
        if self.lr_schedule == "plateau" and not self.validation_fraction:
            raise ValueError(
                'lr_schedule="plateau" watches the validation loss and validation_fraction is 0. '
                'Write validation_fraction=0.15 or lr_schedule="cosine".'
            )
        if not 0 < self.lr < math.inf or self.weight_decay < 0:
            raise ValueError(
                f"lr must be positive and weight_decay not negative, got {self.lr} and "
                f"{self.weight_decay}."
            )

    def new_optimizer(self, network: nn.Module) -> Optimizer:
        """Return the optimizer of the parameters that are not frozen."""
        trained = [weights for weights in network.parameters() if weights.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [w for w in trained if w.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [w for w in trained if w.ndim <= 1], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        if self.optimizer == "sgd":
            return torch.optim.SGD(groups, lr=self.lr, momentum=0.9)
        kind = torch.optim.AdamW if self.optimizer == "adamw" else torch.optim.Adam
        return kind(groups, lr=self.lr)

    def new_scheduler(self, optimizer: Optimizer) -> lr_scheduler.LRScheduler | None:
        """Return the schedule of the learning rate, a step an epoch."""
        if self.lr_schedule == "cosine":
            return lr_scheduler.CosineAnnealingLR(optimizer, self.max_epochs)
        if self.lr_schedule == "one_cycle":
            # One step more than epochs: the schedule takes one after the last epoch too.
            return lr_scheduler.OneCycleLR(optimizer, self.lr, total_steps=self.max_epochs + 1)
        if self.lr_schedule == "plateau":
            wait = self.patience // 2
            return lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=wait)
        return None

    def new_fabric(self, device: torch.device) -> "Fabric":
        """Return the devices and the precision.

        Raises
        ------
        ValueError
            If there are not so many devices.
        """
        from lightning.fabric import Fabric
        from lightning.fabric.strategies import DDPStrategy

        if device.type == "cuda" and self.devices > torch.cuda.device_count():
            raise ValueError(
                f"devices must be at most the {torch.cuda.device_count()} GPUs of this machine, "
                f"got {self.devices}."
            )
        strategy: Any = "auto"
        devices: int | list[int] = self.devices
        if self.devices > 1:
            start: Any = "fork" if hasattr(sys, "ps1") else "spawn"  # notebooks cannot be imported
            strategy = DDPStrategy(start_method=start, find_unused_parameters=True)
        elif device.type == "cuda":
            devices = [torch.cuda.current_device() if device.index is None else device.index]
        return Fabric(
            accelerator=device.type, devices=devices, strategy=strategy, precision=self.precision
        )


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Ask torch for deterministic algorithms for the length of the block."""
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(before or wanted)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
