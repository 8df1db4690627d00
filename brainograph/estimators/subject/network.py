"""The network of a subject-level estimator: by name or class, with first or pretrained weights."""

import inspect
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import nn

from brainograph import nn as networks
from brainograph.estimators.saving.persistence import SavedModel, read_model
from brainograph.nn.bayesian import bayesian_head
from brainograph.preprocessing.inputs import check_regions

__all__ = ["Head", "freeze", "network_class", "new_network", "take_weights", "weights_of"]

Head = Literal["linear", "bayesian"]


def network_class(network: type[nn.Module] | str) -> type[nn.Module]:
    """Return the class of a network of :mod:`brainograph.nn` by name; a class is itself.

    Raises
    ------
    ValueError
        If there is no subject-level network of that name.

    Examples
    --------
    >>> network_class("MeanMLP").__name__
    'MeanMLP'
    """
    if not isinstance(network, str):
        return network
    there = [name for name in networks.__all__ if _is_subject_level(getattr(networks, name))]
    if network not in there:
        raise ValueError(f"network must be one of {there}, got {network!r}.")
    return getattr(networks, network)


def _is_subject_level(thing: Any) -> bool:
    return (
        inspect.isclass(thing)
        and issubclass(thing, nn.Module)
        and "n_regions" in inspect.signature(thing).parameters
    )


def new_network(
    kind: type[nn.Module],
    n_regions: int,
    n_outputs: int,
    *,
    params: Mapping[str, Any],
    n_phenotypes: int,
    seed: int,
    head: Head = "linear",
) -> nn.Module:
    """Return a network with random weights, the same for the same seed.

    Raises
    ------
    ValueError
        If it does not have one of the parameters, does not read phenotypes, or has no last layer
        to put a :class:`~brainograph.nn.bayesian.BayesianLinear` in place of.
    """
    if head not in get_args(Head):
        raise ValueError(f"head must be one of {get_args(Head)}, got {head!r}.")
    known = inspect.signature(kind).parameters
    strangers = sorted(set(params) - set(known))
    if strangers:
        takes = [name for name in known if name not in ("n_regions", "n_classes")]
        raise ValueError(f"{kind.__name__} has no parameter {strangers}; it has {takes}.")
    if n_phenotypes and "n_phenotypes" not in known:
        raise ValueError(
            f"{kind.__name__} does not read phenotypes. Write phenotypes=(), or choose another "
            "network."
        )
    more = {"n_phenotypes": n_phenotypes} if n_phenotypes else {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = kind(n_regions, n_outputs, **params, **more)
        return network if head == "linear" else bayesian_head(network, n_outputs)


def weights_of(saved: SavedModel, member: int) -> dict[str, torch.Tensor]:
    """Return the weights of one member of a saved model."""
    start = f"{member}."
    return {k.removeprefix(start): w for k, w in saved.tensors.items() if k.startswith(start)}


def take_weights(
    network: nn.Module, folder: str | os.PathLike[str], region_names: Sequence[str]
) -> None:
    """Copy the weights of a saved model that have the name and shape of the network's.

    A layer of which only a part fits is of another size and stays as it is, with a warning.

    Raises
    ------
    ValueError
        If none do but those of the last linear layer, or the saved model is of other regions.
    """
    saved = read_model(folder)
    check_regions(saved.facts["regions"], region_names)
    own = network.state_dict()
    given = weights_of(saved, 0).items()
    fitting = {n: w for n, w in given if n in own and w.shape == own[n].shape}
    last = _last(network)
    if not any(w.ndim > 1 and not n.startswith(last) for n, w in fitting.items()):
        raise ValueError(
            f"{folder} holds a {_named(saved)}, none of whose weights before the last layer fit "
            f"this {type(network).__name__}. Give both the same params."
        )
    others = [n for n, w in given if n in own and n not in fitting and not n.startswith(last)]
    if others:
        warnings.warn(
            f"{len(others)} weights of {folder}, a {_named(saved)}, have another shape than those "
            f"of this {type(network).__name__} and are not taken: {others[:3]}. Give both the same "
            "params.",
            stacklevel=2,
        )
    network.load_state_dict({**own, **fitting})


def _last(network: nn.Module) -> str:
    """Return how the names of the last linear layer's weights begin."""
    names = [name for name, one in network.named_modules() if isinstance(one, nn.Linear)]
    return f"{names[-1]}." if names else "no layer."


def _named(saved: SavedModel) -> str:
    """Return a saved network with the parameters that were chosen."""
    params = saved.facts["params"]
    chosen = ", ".join(f"{name}={value!r}" for name, value in (params.get("params") or {}).items())
    return f"{params.get('network')}({chosen})"


def freeze(network: nn.Module, prefixes: Sequence[str]) -> None:
    """Let the parameters whose names begin so keep their values in training.

    Raises
    ------
    ValueError
        If no name begins so.
    """
    for prefix in prefixes:
        frozen = [w for name, w in network.named_parameters() if name.startswith(prefix)]
        if not frozen:
            names = sorted({name.split(".")[0] for name, _ in network.named_parameters()})
            raise ValueError(f"freeze names {prefix!r}; the network has {names}.")
        for weights in frozen:
            weights.requires_grad_(False)
