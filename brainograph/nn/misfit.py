"""What a network with terms of its own adds them to."""

from torch import Tensor
from torch.nn import functional

__all__ = ["misfit"]


def misfit(logits: Tensor, y: Tensor) -> Tensor:
    """Return the cross-entropy of classes, or the squared error of numbers.

    Parameters
    ----------
    logits : Tensor (B, K)
        K = 1 for numbers.
    y : Tensor (B,) of int64, (B, K) of float, or (B,) of float
        Classes, shares of classes, or numbers.

    Returns
    -------
    Tensor ()

    Examples
    --------
    >>> import torch
    >>> misfit(torch.zeros(2, 1), torch.tensor([1.0, 3.0]))
    tensor(5.)
    """
    if y.ndim == 1 and y.is_floating_point():
        return functional.mse_loss(logits[:, 0], y)
    return functional.cross_entropy(logits, y)
