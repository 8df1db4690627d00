"""Choose a population network by name or class."""

import inspect

from brainograph.nn import population
from brainograph.nn.population.network import PopulationNetwork

__all__ = ["network_class"]


def network_class(network: type[PopulationNetwork] | str) -> type[PopulationNetwork]:
    """Return a network of :mod:`brainograph.nn.population` by name; a class is itself.

    Raises
    ------
    ValueError
        If there is no population network of that name.

    Examples
    --------
    >>> network_class("MMGNN").__name__
    'MMGNN'
    """
    if not isinstance(network, str):
        return network
    everything = {name: getattr(population, name) for name in population.__all__}
    there = [
        name
        for name, kind in everything.items()
        if issubclass(kind, PopulationNetwork) and "n_regions" in inspect.signature(kind).parameters
    ]
    if network not in there:
        raise ValueError(f"network must be one of {there}, got {network!r}.")
    return everything[network]
