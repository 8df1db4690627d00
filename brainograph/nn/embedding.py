"""What a network knows before it decides: the input of its last linear layer, or any inner part."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from brainograph.nn.brain_batch import BrainBatch

__all__ = ["Embedder", "embedding", "last_linear", "tapped"]


class Embedder(nn.Module):
    """A subject-level network without its last linear layer: from a batch to features (B, F).

    A network with a loss of its own keeps the layer, which that loss reads.

    Parameters
    ----------
    network : Module
        Changed in place.

    Attributes
    ----------
    out_channels : int
        F.
    has_loss : bool
        Whether :meth:`loss` can be asked.

    Raises
    ------
    ValueError
        If the network has no linear layer.

    Examples
    --------
    >>> import torch
    >>> from brainograph.nn import MeanMLP
    >>> batch = BrainBatch(series=torch.randn(4, 9, 5), lengths=torch.full((4,), 9))
    >>> Embedder(MeanMLP(5, 2, hidden_channels=16))(batch).shape
    torch.Size([4, 16])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._last, layer = last_linear(network)
        self.out_channels = layer.in_features
        self.has_loss = hasattr(network, "loss")
        if not self.has_loss:
            network.set_submodule(self._last, nn.Identity())
        self.network = network

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return features (B, F)."""
        return _given(self.network.get_submodule(self._last), lambda: self.network(batch))

    def loss(self, batch: BrainBatch, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, F) and the network's own loss, of one pass."""
        losses: list[Tensor] = []
        last = self.network.get_submodule(self._last)
        features = _given(last, lambda: losses.append(self.network.loss(batch, y)))  # type: ignore[operator]
        return features, losses[0]


def embedding(network: nn.Module, batch: BrainBatch) -> Tensor:
    """Return what a network gives to its last linear layer (B, F).

    Parameters
    ----------
    network : Module
        A subject-level network.
    batch : BrainBatch
        What it reads of B participants.

    Raises
    ------
    ValueError
        If the network has no linear layer.

    Examples
    --------
    >>> import torch
    >>> from brainograph.nn import MeanMLP
    >>> batch = BrainBatch(series=torch.randn(4, 9, 5), lengths=torch.full((4,), 9))
    >>> embedding(MeanMLP(5, 2, hidden_channels=16), batch).shape
    torch.Size([4, 16])
    """
    return _given(last_linear(network)[1], lambda: network(batch))


def last_linear(network: nn.Module) -> tuple[str, nn.Linear]:
    """Return the name and the module of the last linear layer.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> last_linear(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)))
    ('2', Linear(in_features=2, out_features=1, bias=True))
    """
    layers = [(name, one) for name, one in network.named_modules() if isinstance(one, nn.Linear)]
    if not layers:
        raise ValueError(
            f"{type(network).__name__} has no linear layer, whose input would be its embedding. "
            "Train it with labels and by itself."
        )
    return layers[-1]


@contextmanager
def tapped(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Collect what some parts of a network say while it is called.

    Parameters
    ----------
    network : Module
        Whose parts.
    names : sequence of str
        As in ``network.named_modules()``.

    Raises
    ------
    ValueError
        If there is no such part.

    Examples
    --------
    >>> import torch
    >>> network = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    >>> with tapped(network, ["0"]) as said:
    ...     out = network(torch.ones(4, 3))
    >>> bool((said["0"].relu() == out).all())
    True
    """
    there = dict(network.named_modules())
    unknown = [name for name in names if name not in there]
    if unknown:
        raise ValueError(
            f"{type(network).__name__} has no part {unknown}; it has {[n for n in there if n]}."
        )
    said: dict[str, Tensor] = {}
    hooks = [
        there[name].register_forward_hook(lambda _, x, out, name=name: said.update({name: out}))
        for name in names
    ]
    try:
        yield said
    finally:
        for hook in hooks:
            hook.remove()


def _given(module: nn.Module, call: Callable[[], object]) -> Tensor:
    """Return the first thing that a module is given during a call."""
    given: list[Tensor] = []
    hook = module.register_forward_pre_hook(lambda _, x: given.append(x[0]))
    try:
        call()
    finally:
        hook.remove()
    return given[0]
