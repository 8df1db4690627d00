"""Parameters of the parts of an estimator that is made of several, under names of their own."""

from collections.abc import Sequence
from typing import Any

from sklearn.base import BaseEstimator

__all__ = ["nested_params"]


def nested_params(parts: Sequence[tuple[str, BaseEstimator]]) -> dict[str, Any]:
    """Return each part by its name, and its parameters as ``name__parameter``.

    So a search can set them, and results are known to be of other settings.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> nested_params([("small", Ridge(alpha=0.1))])["small__alpha"]
    0.1
    """
    params: dict[str, Any] = dict(parts)
    for name, part in parts:
        params |= {f"{name}__{key}": value for key, value in part.get_params().items()}
    return params
