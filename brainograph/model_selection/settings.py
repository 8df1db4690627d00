"""What an estimator is, as text: results are kept under it."""

from typing import Any

from scipy.stats.distributions import rv_frozen
from sklearn.base import BaseEstimator

__all__ = ["settings"]


def settings(model: Any) -> str:
    """Return everything that makes one model differ from another, the same in every process.

    A pipeline that is a function is known by its name. Where results are kept plays no part.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> settings(Ridge(alpha=2.0)) == settings(Ridge(alpha=1.0))
    False
    """
    if not isinstance(model, BaseEstimator):
        return getattr(model, "__qualname__", type(model).__qualname__)
    items = sorted(
        (name, value)
        for name, value in model.get_params(deep=True).items()
        if "memory" not in name and name.rpartition("__")[2] != "journal"
    )
    return type(model).__name__ + repr([(name, _plain(value)) for name, value in items])


def _plain(value: Any) -> Any:
    """Return a value without the estimators in it, whose parameters have names of their own."""
    if isinstance(value, BaseEstimator):
        return type(value).__name__
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return repr({name: _distribution(one) for name, one in value.items()})
    return repr(value)


def _distribution(value: Any) -> Any:
    """Return what a distribution of a randomised search is: its repr is an address."""
    if isinstance(value, rv_frozen):
        return value.dist.name, value.args, value.kwds
    return value
