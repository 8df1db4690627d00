"""Choose an encoder by name or class."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from brainograph.nn import encoders
from brainograph.nn.hyperparameters import check_parameters

__all__ = ["new_encoder"]


def new_encoder(
    encoder: type[nn.Module] | str, *, in_channels: int, params: Mapping[str, Any] | None = None
) -> nn.Module:
    """Return an encoder with random weights.

    Parameters
    ----------
    encoder : class or str
        Of :mod:`brainograph.nn.encoders`, such as ``SFCN`` or ``"SFCN"``; or any module that is
        built by ``encoder(in_channels, **params)``, says its ``out_channels`` and maps images
        (B, in_channels, D, H, W) to (B, out_channels).
    in_channels : int
        Channels of the image.
    params : mapping, optional
        Hyper-parameters of the encoder.

    Raises
    ------
    ValueError
        If there is no encoder of that name, or it does not have one of the parameters.

    Examples
    --------
    >>> new_encoder("SFCN", in_channels=2, params={"out_channels": 16}).out_channels
    16
    """
    if isinstance(encoder, str) and encoder not in encoders.__all__:
        raise ValueError(f"encoder must be one of {encoders.__all__}, got {encoder!r}.")
    kind: Any = getattr(encoders, encoder) if isinstance(encoder, str) else encoder
    check_parameters(kind, params or {}, given=1)
    return kind(in_channels, **dict(params or {}))
