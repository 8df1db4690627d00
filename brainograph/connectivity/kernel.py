"""Windowed Pearson correlation of tensors: one kernel for arrays, networks and any device."""

import torch
from torch import Tensor

__all__ = ["fisher_z", "window_mask", "windowed_correlation"]

_FISHER_LIMIT = 1 - 1e-6
_ROUNDING = 4.0  # a standard deviation of this many units of rounding is no signal


def window_mask(lengths: Tensor, n_volumes: int, length: int, *, step: int = 1) -> Tensor:
    """Say which windows of a padded batch lie inside each subject's scan.

    Parameters
    ----------
    lengths : Tensor (B,)
        Volumes of each subject before padding.
    n_volumes : int
        Volumes T of the padded batch.
    length, step : int (volumes)
        Of the windows.

    Returns
    -------
    Tensor (B, W) of bool
        W = 1 + (T - length) // step.

    Examples
    --------
    >>> window_mask(torch.tensor([6, 4]), 6, 3)
    tensor([[ True,  True,  True,  True],
            [ True,  True, False, False]])
    """
    starts = torch.arange(0, n_volumes - length + 1, step, device=lengths.device)
    return starts + length <= lengths[..., None]


def _center(series: Tensor, lengths: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Center and scale each series, and bound what rounding left of its offset.

    A correlation depends on neither offset nor unit, so both are removed without a gradient,
    and before the precision is reduced.
    """
    resolution = torch.finfo(series.dtype)
    inside = None
    if lengths is not None:
        inside = torch.arange(series.shape[-2], device=series.device) < lengths[..., None]
        inside = inside[..., None]
        series = torch.where(inside, series, 0)
    with torch.no_grad():
        if lengths is None:
            offset = series.mean(-2, keepdim=True)
        else:
            offset = series.sum(-2, keepdim=True) / lengths.clamp_min(1)[..., None, None]
        span = (series - offset).abs()
        if inside is not None:
            span = torch.where(inside, span, 0)
        scale = span.amax(-2, keepdim=True).clamp_min(resolution.tiny)
        rounding = _ROUNDING * resolution.eps * (offset.abs() / scale)
    centered = (series - offset) / scale
    if inside is not None:
        centered = torch.where(inside, centered, 0)
    return centered.to(dtype), rounding.to(dtype)


def _profiles(
    windows: Tensor, weights: Tensor | None, rounding: Tensor, valid: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Center each window (..., W, R, w) and bring it to norm 1, or to 0 where it is constant.

    The second tensor (..., W, R, 1) is True where there is a signal.
    """
    if weights is None:
        total: float | Tensor = windows.shape[-1]
        mean = windows.mean(-1, keepdim=True)
        profiles = windows - mean
    else:
        total = weights.sum()
        mean = (windows * (weights / total)).sum(-1, keepdim=True)
        profiles = (windows - mean) * weights.sqrt()
    power = profiles.square().sum(-1, keepdim=True)  # a vector norm is slow along this stride
    with torch.no_grad():
        eps = torch.finfo(power.dtype).eps
        noise = rounding.mT[..., None, :, :] + _ROUNDING * eps * mean.abs()
        signal = power > total * noise.square()
        if valid is not None:
            signal = signal & valid[..., None, None]
    inverse = torch.where(signal, torch.where(signal, power, 1).rsqrt(), 0)
    reused = None if profiles.requires_grad else profiles
    return torch.mul(profiles, inverse, out=reused), signal


def windowed_correlation(
    series: Tensor,
    length: int,
    *,
    step: int = 1,
    weights: Tensor | None = None,
    lengths: Tensor | None = None,
    dtype: torch.dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    r"""Correlate the regions in every full window of one or a batch of series.

    .. math:: r_{ij} = \frac{\sum_t w_t (x_{ti} - \bar x_i)(x_{tj} - \bar x_j)}
        {\sqrt{\sum_t w_t (x_{ti} - \bar x_i)^2 \sum_t w_t (x_{tj} - \bar x_j)^2}},
        \qquad \bar x_i = \frac{\sum_t w_t x_{ti}}{\sum_t w_t}

    with the means of the window itself [1]_. The result is differentiable; where a region is
    constant in a window, its row, its column and their gradients are 0 there (the diagonal
    too; elsewhere the diagonal is 1), never NaN. Constant means a standard deviation within a
    few units of rounding of the data. Autocast is ignored.

    Parameters
    ----------
    series : Tensor (T, R) or (B, T, R)
        On any device, of any float type; half precision is computed in single.
    length, step : int (volumes)
        Of the windows; W = 1 + (T - length) // step.
    weights : Tensor (length,), optional
        Weight of each volume of a window, not negative; all equal by default.
    lengths : Tensor (B,), optional
        Volumes of each subject before padding. Windows that reach into the padding are 0, and
        :func:`window_mask` says which they are; the padding may hold anything, NaN included.
    dtype : torch.dtype, optional
        Of the result; the series' own by default. The series are centered before they are
        converted.
    out : Tensor (W, R, R) or (B, W, R, R), optional
        Memory to write to; no gradient is recorded then.

    Returns
    -------
    Tensor (W, R, R) or (B, W, R, R)
        In [-1, 1], symmetric to rounding.

    Raises
    ------
    ValueError
        If the window is longer than the series or the shapes do not fit.

    References
    ----------
    .. [1] Pozzi F. et al. (2012), Exponential smoothing weighted correlations, Eur. Phys. J. B
       85:175.

    Examples
    --------
    >>> series = torch.tensor([[0.0, 1, 7], [1, 3, 7], [2, 5, 7], [3, 4, 7]])
    >>> windowed_correlation(series, 3)
    tensor([[[1.0000, 1.0000, 0.0000],
             [1.0000, 1.0000, 0.0000],
             [0.0000, 0.0000, 0.0000]],
    <BLANKLINE>
            [[1.0000, 0.5000, 0.0000],
             [0.5000, 1.0000, 0.0000],
             [0.0000, 0.0000, 0.0000]]])
    """
    if series.ndim not in (2, 3):
        raise ValueError(f"series must be (T, R) or (B, T, R), got shape {tuple(series.shape)}.")
    n_volumes = series.shape[-2]
    if not 2 <= length <= n_volumes or step < 1:
        raise ValueError(
            f"length must be between 2 and the {n_volumes} volumes of the series and step at "
            f"least 1, got length={length} and step={step}."
        )
    if weights is not None and weights.shape != (length,):
        raise ValueError(
            f"weights must have shape ({length},), one for each volume of the window, got "
            f"{tuple(weights.shape)}."
        )
    if lengths is not None and lengths.shape != series.shape[:-2]:
        raise ValueError(
            f"lengths must have shape {tuple(series.shape[:-2])}, one for each series, got "
            f"{tuple(lengths.shape)}."
        )
    series = series.to(torch.promote_types(series.dtype, torch.float32))
    dtype = dtype or series.dtype
    valid = None if lengths is None else window_mask(lengths, n_volumes, length, step=step)
    with torch.autocast(series.device.type, enabled=False):
        centered, rounding = _center(series, lengths, dtype)
        windows = centered.unfold(-2, length, step)  # (..., W, R, length), a view
        weights = None if weights is None else weights.to(dtype)
        profiles, signal = _profiles(windows, weights, rounding, valid)
        correlation = torch.matmul(profiles, profiles.mT, out=out)
    with torch.no_grad():  # rounding only: the gradient of a correlation at its bounds is 0
        correlation.clamp_(-1, 1).diagonal(dim1=-2, dim2=-1).copy_(signal[..., 0])
    return correlation


def fisher_z(correlation: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Transform correlations to z = arctanh(r), with a diagonal of 0.

    Correlations are first clipped to 1 - 1e-6, so that identical regions stay finite.

    Parameters
    ----------
    correlation : Tensor (..., R, R)
        Pearson correlations.
    out : Tensor (..., R, R), optional
        Memory to write to, which may be ``correlation`` itself; no gradient is recorded then.

    Returns
    -------
    Tensor (..., R, R)
        In [-7.25, 7.25].

    Examples
    --------
    >>> fisher_z(torch.tensor([[1.0, 0.5], [0.5, 1.0]]))
    tensor([[0.0000, 0.5493],
            [0.5493, 0.0000]])
    """
    clipped = torch.clamp(correlation, -_FISHER_LIMIT, _FISHER_LIMIT, out=out)
    clipped.diagonal(dim1=-2, dim2=-1).zero_()
    return torch.atanh(clipped, out=out)
