"""Sliding windows of a padded batch of series, computed on its device instead of stored."""

import torch
from torch import Tensor

from brainograph.connectivity.kernel import fisher_z as to_z
from brainograph.connectivity.kernel import window_mask, windowed_correlation

__all__ = ["sliding_correlation"]


@torch.no_grad()
def sliding_correlation(
    series: Tensor, lengths: Tensor, *, window: int, step: int, fisher_z: bool = False
) -> tuple[Tensor, Tensor]:
    """Correlate the regions in every window of every subject, in float32 and without gradient.

    The kernel of :func:`brainograph.connectivity.sliding_window`. A region that is constant in a
    window has correlations of 0 there, its diagonal too.

    Parameters
    ----------
    series : Tensor (B, T, R)
        Padded; what stands in the padding does not matter.
    lengths : Tensor (B,)
        Volumes of each subject before padding.
    window, step : int (volumes)
        W = 1 + (T - window) // step.
    fisher_z : bool
        Return z = arctanh(r) with a diagonal of 0.

    Returns
    -------
    correlation : Tensor (B, W, R, R)
        0 in windows that reach into the padding.
    inside : Tensor (B, W) of bool
        Which windows lie fully inside the scan.

    Raises
    ------
    ValueError
        If a scan is shorter than one window, or ``step`` is below 1.

    Examples
    --------
    >>> correlation, inside = sliding_correlation(
    ...     torch.randn(2, 9, 5), torch.tensor([9, 6]), window=4, step=2
    ... )
    >>> correlation.shape, inside.tolist()
    (torch.Size([2, 3, 5, 5]), [[True, True, True], [True, True, False]])
    """
    shortest = int(lengths.min())
    if shortest < window:
        raise ValueError(
            f"window must be at most the shortest scan of the batch, which has {shortest} volumes, "
            f"got {window}. Write window={shortest} or leave short scans out."
        )
    correlation = windowed_correlation(
        series, window, step=step, lengths=lengths, dtype=torch.float32
    )
    inside = window_mask(lengths, series.shape[1], window, step=step)
    return (to_z(correlation, out=correlation) if fisher_z else correlation), inside
