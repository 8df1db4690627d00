"""Open the folder of an estimator that trains a network, up to what it has learnt."""

import os
from typing import Any, TypeVar

from sklearn.base import BaseEstimator
from torch import nn

from brainograph.estimators.saving.persistence import SavedModel, read_model
from brainograph.estimators.training.settings import Training
from brainograph.io.volumes import Volumes

__all__ = ["open_network_model"]

M = TypeVar("M", bound=BaseEstimator)


def open_network_model(
    estimator: type[M],
    folder: str | os.PathLike[str],
    *,
    network: type[nn.Module] | None,
    device: str,
) -> tuple[M, SavedModel]:
    """Return an estimator with the settings that were saved, and what the folder holds.

    Parameters
    ----------
    estimator : class
        Whose folder it should be.
    folder : path
        What its ``save`` wrote.
    network : class, optional
        The network, where it is not one of :mod:`brainograph.nn`.
    device : str
        Where to predict.

    Raises
    ------
    ValueError
        If a file was changed, or the folder holds another estimator or network.
    """
    saved = read_model(folder)
    kind, params = saved.facts["estimator"], dict(saved.facts["params"])
    if kind != estimator.__name__:
        raise ValueError(f"{folder} holds a {kind}, not a {estimator.__name__}.")
    if network is not None and network.__name__ != params["network"]:
        raise ValueError(f"{folder} holds a {params['network']}, not a {network.__name__}.")
    changes: dict[str, Any] = {
        "training": Training(**params["training"]),
        "volumes": params.get("volumes") and Volumes(**params["volumes"]),
        "network": network or params["network"],
        "device": device,
    }
    return estimator(**{**params, **changes}), saved
