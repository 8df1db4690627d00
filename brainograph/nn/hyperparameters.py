"""Hyper-parameters that come by name from a file."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["check_parameters"]


def check_parameters(
    kind: Callable[..., Any], params: Mapping[str, Any], *, given: int | tuple[str, ...]
) -> None:
    """Refuse parameters that a class does not have.

    Parameters
    ----------
    kind : class
        What is going to be built.
    params : mapping
        Its parameters.
    given : int or tuple of str
        The first so many of its parameters, or those of these names, are not the user's.

    Raises
    ------
    ValueError
        If it lacks one; the message says which it has.

    Examples
    --------
    >>> check_parameters(dict.fromkeys, {"width": 3}, given=0)
    Traceback (most recent call last):
    ...
    ValueError: fromkeys has no parameter ['width']; it has ['iterable', 'value'].
    """
    names = list(inspect.signature(kind).parameters)
    takes = names[given:] if isinstance(given, int) else [n for n in names if n not in given]
    strangers = sorted(set(params) - set(takes))
    if strangers:
        raise ValueError(f"{kind.__name__} has no parameter {strangers}; it has {takes}.")
