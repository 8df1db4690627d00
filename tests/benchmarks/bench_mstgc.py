"""Training MSTGC on windows of series against the same network fed by a loop of np.corrcoef.

``python tests/benchmarks/bench_mstgc.py``. Rows of memory are in MB, those of growth compare a
size with its half. With ``--profile`` it tells where the time of a step goes.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from brainograph.nn import mstgc
from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.channels import windowed_channel

CHANNELS, WINDOW, STEP, BATCH, N_VOLUMES, N_REGIONS = ("dynamic", "lag:1"), 30, 3, 16, 200, 200
STORED_SCANS, STORED_REGIONS = 400, 100  # 1.8 GB of windows
REPEATS = 3


def make_batch(n_scans: int = BATCH, n_regions: int = N_REGIONS) -> BrainBatch:
    generator = torch.Generator().manual_seed(0)
    series = torch.randn(n_scans, N_VOLUMES, n_regions, generator=generator)
    series += torch.randn(n_scans, N_VOLUMES, 1, generator=generator)
    return BrainBatch(series=series, lengths=torch.full((n_scans,), N_VOLUMES))


def corrcoef_loop(channel: str, batch: BrainBatch, *, window: int, step: int) -> Tensor:
    """Return the windows of a channel as a loop of numpy makes them, subject by subject."""
    scans = []
    for series in batch.series.numpy():
        matrices = []
        for start in range(0, len(series) - window + 1, step):
            rows = series[start : start + window].T
            if channel == "dynamic":
                matrices.append(np.corrcoef(rows))
            else:
                both = np.corrcoef(rows[:, :-1], rows[:, 1:])[: len(rows), len(rows) :]
                matrices.append((both + both.T) / 2)
        scans.append(np.stack(matrices).astype(np.float32))
    return torch.from_numpy(np.stack(scans))


def training(batch: BrainBatch, *, step: int = STEP, dropout: float = 0.3) -> Callable[[], Tensor]:
    """Return a training step, forward, backward and update, that gives its loss."""
    torch.manual_seed(0)
    n_regions = batch.series.shape[2]
    network = mstgc.MSTGC(
        n_regions, 2, channels=CHANNELS, window=WINDOW, step=step, dropout=dropout
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    y = torch.arange(len(batch)) % 2

    def one_step() -> Tensor:
        optimizer.zero_grad()
        loss = network.loss(batch, y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return one_step


def both_channels(make: Callable, batch: BrainBatch) -> list[Tensor]:
    """Return the windows of all channels, a scan at a time as the network asks for them."""
    n_windows, n_regions = 1 + (N_VOLUMES - WINDOW) // STEP, batch.series.shape[2]
    channels = [torch.empty(len(batch), n_windows, n_regions, n_regions) for _ in CHANNELS]
    for name, matrices in zip(CHANNELS, channels, strict=True):
        for i in range(len(batch)):
            matrices[i] = make(name, batch[[i]], window=WINDOW, step=STEP)[0]
    return channels


def slow(function: Callable) -> Callable:
    """Return a function in which the network's windows come from the loop."""

    def run() -> object:
        with mock.patch.object(mstgc, "windowed_channel", corrcoef_loop):
            return function()

    return run


def in_turn(first: Callable, second: Callable, repeats: int = REPEATS) -> tuple[float, float]:
    """Return the median time of each (ms), measured in turn."""
    times: tuple[list[float], list[float]] = [], []
    for _ in range(repeats):
        for function, record in zip((first, second), times, strict=True):
            started = perf_counter()
            function()
            record.append(1000 * (perf_counter() - started))
    return median(times[0]), median(times[1])


def row(what: str, ours: float, reference: str, other: float, error: float = np.nan) -> dict:
    return {
        "what": what,
        "ours_ms": ours,
        "reference": reference,
        "reference_ms": other,
        "ratio": other / ours,
        "error": error,
    }


def speed() -> list[dict]:
    """Return the windows alone and the whole step; the loss of the first step is compared."""
    batch = make_batch()
    fast, loop = both_channels(windowed_channel, batch), both_channels(corrcoef_loop, batch)
    error = max(float((a - b).abs().max()) for a, b in zip(fast, loop, strict=True))
    del fast, loop
    windows = in_turn(
        lambda: both_channels(windowed_channel, batch), lambda: both_channels(corrcoef_loop, batch)
    )
    off = abs(float(training(batch, dropout=0.0)() - slow(training(batch, dropout=0.0))()))
    steps = in_turn(training(batch), slow(training(batch)))
    share = 100 * windows[0] / steps[0], 100 * windows[1] / steps[1]
    return [
        row("MSTGC, windows of 2 channels, 16 scans", windows[0], "np.corrcoef loop", windows[1],
            error),
        row("MSTGC, training step, 16 scans", steps[0], "same, corrcoef loop", steps[1], off),
        row("MSTGC, share of windows in the step (%)", share[0], "same, corrcoef loop", share[1]),
    ]  # fmt: skip


def growth() -> list[dict]:
    """Return a step at twice as many subjects, regions and windows as in another."""
    half = in_turn(training(make_batch(16, 100)), training(make_batch(8, 100)))
    regions = in_turn(training(make_batch(8, 200)), training(make_batch(8, 100)))
    windows = in_turn(training(make_batch(8, 100), step=2), training(make_batch(8, 100), step=4))
    return [
        row("MSTGC, step of 16 scans, 100 regions", half[0], "8 scans", half[1]),
        row("MSTGC, step of 8 scans, 200 regions", regions[0], "100 regions", regions[1]),
        row("MSTGC, step of 8 scans, 86 windows", windows[0], "43 windows", windows[1]),
    ]


def high_water() -> float:
    """Return the most memory this process has held (MB, on Linux); getrusage's is inherited."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024 / 1e6


def resident(stored: bool) -> float:
    """Return by how many MB the process grows when it trains on many scans for three steps."""
    everybody = make_batch(STORED_SCANS, STORED_REGIONS)
    everybody.phenotypes = torch.arange(STORED_SCANS)[:, None]  # rows of what is stored
    before = high_water()
    windows = {}
    if stored:
        windows = dict(zip(CHANNELS, both_channels(windowed_channel, everybody), strict=True))

    def look_up(channel: str, batch: BrainBatch, **_: int) -> Tensor:
        return windows[channel][batch.phenotypes[:, 0]]

    with mock.patch.object(mstgc, "windowed_channel", look_up if stored else windowed_channel):
        for start in range(0, 24, 8):
            training(everybody[start : start + 8])()
    return high_water() - before


def memory() -> list[dict]:
    """Return the windows that a step keeps for its backward pass, and the growth of a process."""
    batch, kept = make_batch(), {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.ndim >= 2 and tensor.shape[-1] == N_REGIONS and tensor.numel() > N_REGIONS**2:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        training(batch)()
    n_windows = 1 + (N_VOLUMES - WINDOW) // STEP
    cohort = 871 * n_windows * N_REGIONS**2 * 4 * len(CHANNELS) / 1e6
    grown = [
        float(subprocess.check_output([sys.executable, __file__, "--resident", which]))
        for which in ("ours", "stored")
    ]
    return [
        row("MSTGC, MB of windows in a step of 16 scans", sum(kept.values()) / 1e6,
            "all of 871 scans (computed)", cohort),
        row(f"MSTGC, MB a process grows by, {STORED_SCANS} scans, 100 regions", grown[0],
            "all windows stored", grown[1]),
    ]  # fmt: skip


def run() -> list[dict]:
    """Return the rows of speed, memory and growth."""
    torch.set_num_threads(1)
    return speed() + memory() + growth()


def tell() -> None:
    """Print where the time of a step goes."""
    one_step = training(make_batch())
    one_step()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        one_step()
    print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=12))


if __name__ == "__main__":
    torch.set_num_threads(1)
    if "--profile" in sys.argv:
        tell()
    elif "--resident" in sys.argv:
        print(resident(sys.argv[-1] == "stored"))
    else:
        for one in run():
            print(
                f"{one['what']:<55} {one['ours_ms']:9.1f}   {one['reference']:<28} "
                f"{one['reference_ms']:9.1f}   {one['ratio']:6.1f}x   error {one['error']:.1e}"
            )
