"""Channels of a dynamic brain graph: windowed matrices of series, and matrices that stay."""

import re

import torch
from torch import Tensor
from torch.nn import functional

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.windows import sliding_correlation

__all__ = ["band_pass", "check_channels", "is_windowed", "lagged_correlation", "windowed_channel"]

_BAND = re.compile(r"band:(\d*\.?\d+)-(\d*\.?\d+)")
_LAG = re.compile(r"lag:([1-9]\d*)")


def check_channels(channels: tuple[str, ...], *, window: int | None) -> None:
    """Refuse channels that cannot be read.

    Raises
    ------
    ValueError
        If there is none, one stands twice, a band is empty or a lag leaves nothing of a window.
    """
    allowed = '"dynamic", "band:0.01-0.05" (Hz), "lag:1" (volumes) or a name of a connectivity'
    if not channels or len(set(channels)) < len(channels):
        raise ValueError(f"channels must be different and at least one of {allowed}: {channels}.")
    for name in channels:
        band, lag = _BAND.fullmatch(name), _LAG.fullmatch(name)
        if name.startswith(("band:", "lag:")) and not (band or lag):
            raise ValueError(f"channel {name!r} cannot be read. Write {allowed}.")
        if band and float(band[1]) >= float(band[2]):
            raise ValueError(f"channel {name!r} is empty. Write the lower frequency (Hz) first.")
        if lag and window is not None and int(lag[1]) > window // 2:
            raise ValueError(
                f"channel {name!r} leaves less than half of a window of {window} volumes. Write a "
                "smaller lag or a longer window."
            )


def is_windowed(channel: str) -> bool:
    """Tell whether a channel is computed from the series, window by window."""
    return channel == "dynamic" or channel.startswith(("band:", "lag:"))


def windowed_channel(channel: str, batch: BrainBatch, *, window: int, step: int) -> Tensor:
    """Return the matrices of one channel in all windows (B, W, R, R), without gradient.

    Parameters
    ----------
    channel : str
        ``"dynamic"``, ``"band:LOW-HIGH"`` (Hz) or ``"lag:VOLUMES"``.
    batch : BrainBatch
        With ``series`` and ``lengths``; ``t_r`` (s) for a band.
    window, step : int (volumes)
    """
    series = batch.series
    if band := _BAND.fullmatch(channel):
        series = band_pass(
            series, batch.lengths, batch.t_r, low=float(band[1]), high=float(band[2])
        )
    if lag := _LAG.fullmatch(channel):
        return lagged_correlation(series, lag=int(lag[1]), window=window, step=step)
    return sliding_correlation(series, batch.lengths, window=window, step=step)[0]


@torch.no_grad()
def band_pass(series: Tensor, lengths: Tensor, t_r: Tensor, *, low: float, high: float) -> Tensor:
    """Keep the frequencies of a band, each scan by itself.

    Parameters
    ----------
    series : Tensor (B, T, R)
        Padded.
    lengths : Tensor (B,)
        Volumes.
    t_r : Tensor (B,)
        Repetition times (s).
    low, high : float
        Hz.

    Returns
    -------
    Tensor (B, T, R)
        0 in the padding.

    Raises
    ------
    ValueError
        If a repetition time is not known, or a scan is too slow or too short for the band.
    """
    if t_r is None or not torch.isfinite(t_r).all():
        raise ValueError(
            "a frequency band needs the repetition time of every scan. Write it (s) to the "
            "phenotype column repetition_time, or leave the band out of channels."
        )
    filtered = torch.zeros_like(series)
    for i, (n_volumes, seconds) in enumerate(zip(lengths.tolist(), t_r.tolist(), strict=True)):
        frequencies = torch.fft.rfftfreq(n_volumes, seconds, device=series.device)
        kept = (frequencies >= low) & (frequencies <= high)
        if not kept.any():
            raise ValueError(
                f"a scan of {n_volumes} volumes every {seconds:g} s has no frequency between {low} "
                f"and {high} Hz: its highest is {float(frequencies[-1]):.3f} Hz. Choose another "
                "band."
            )
        spectrum = torch.fft.rfft(series[i, :n_volumes], dim=0) * kept[:, None]
        filtered[i, :n_volumes] = torch.fft.irfft(spectrum, n=n_volumes, dim=0)
    return filtered


@torch.no_grad()
def lagged_correlation(series: Tensor, *, lag: int, window: int, step: int) -> Tensor:
    r"""Correlate each region with the others some volumes later, in both directions.

    .. math:: \tfrac12 (C_k + C_k^\top), \quad C_k = \mathrm{corr}(x_t^i, x_{t+k}^j)

    Parameters
    ----------
    series : Tensor (B, T, R)
    lag, window, step : int (volumes)

    Returns
    -------
    Tensor (B, W, R, R)
        Over the ``window - lag`` pairs inside each window; 0 for a constant region.
    """
    windows = series.unfold(1, window, step)  # (B, W, R, window)
    early, late = (_standard(part) for part in (windows[..., :-lag], windows[..., lag:]))
    correlation = early @ late.transpose(-1, -2)  # (B, W, R, R)
    return (correlation + correlation.transpose(-1, -2)) / 2


def _standard(windows: Tensor) -> Tensor:
    """Centre and scale to unit length along time."""
    return functional.normalize(windows - windows.mean(-1, keepdim=True), dim=-1, eps=1e-6)
