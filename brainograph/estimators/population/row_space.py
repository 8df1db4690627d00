"""Train a linear network on as many features as there are participants, with the same result."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["expand", "is_wide", "rotate"]

_NEGLIGIBLE = 1e-6  # of the largest eigenvalue


def rotate(x: Tensor) -> tuple[Tensor, Tensor]:
    r"""Turn features into the space that the participants span.

    .. math:: X = X_r B^\top, \quad B^\top B = I

    A network that is linear in the features, under a penalty on the squares of its weights, has
    its optimum in that space (the representer theorem, Schölkopf et al. 2001), where it is found
    with S columns instead of F.

    Parameters
    ----------
    x : Tensor (S, F)
        With F > S.

    Returns
    -------
    rotated : Tensor (S, r)
        r <= S columns.
    basis : Tensor (F, r)
        Orthonormal.

    Examples
    --------
    >>> x = torch.tensor([[3.0, 0.0, 4.0], [0.0, 2.0, 0.0]])
    >>> rotated, basis = rotate(x)
    >>> torch.allclose(rotated @ basis.T, x, atol=1e-5)
    True
    """
    values, vectors = torch.linalg.eigh((x @ x.T).double())
    kept = values > _NEGLIGIBLE * values[-1]
    scale = values[kept].sqrt()
    rotated = vectors[:, kept] * scale
    basis = x.T @ (vectors[:, kept] / scale).to(x.dtype)
    return rotated.to(x.dtype), basis


def is_wide(x: np.ndarray) -> bool:
    """Tell whether features (S, F) are so many that rotating them costs less than it saves."""
    return x.shape[1] > 4 * len(x)


def expand(weight: Tensor, basis: Tensor) -> Tensor:
    """Return weights (K, F) of the features from weights (K, r) of the rotated ones."""
    return weight @ basis.T
