"""Image encoders: a training step, what checkpointing saves, and real volumes through each.

``python tests/benchmarks/bench_encoders.py``. Rows of memory are in MB: the peak of activations and
gradients in a forward and a backward pass, counted by torch's ``MemTracker``.
``--volumes ../shared/data/aomic_piop2`` sends every image of the folder through every encoder at
its default size; ``--spacing 2`` sets the grid (mm), ``--limit 1`` takes so many of each kind.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from monai.networks import nets
from torch import Tensor, nn
from torch.distributed._tools.mem_tracker import MemTracker

from brainograph.io.volumes import Volumes
from brainograph.nn import encoders
from brainograph.nn.encoders import M3T, SFCN, BraInf, MonaiEncoder

BATCH, REPEATS = 2, 3
MONAI = ("resnet10", "resnet18", "resnet50", "densenet121", "efficientnet-b0")


def image(side: int, batch: int = BATCH) -> Tensor:
    return torch.randn(batch, 1, side, side, side, generator=torch.Generator().manual_seed(0))


def both_ways(network: nn.Module, x: Tensor) -> None:
    network(x).square().mean().backward()


def training(network: nn.Module, x: Tensor) -> Callable[[], None]:
    """Return a training step: forward, backward and update."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)

    def one_step() -> None:
        optimizer.zero_grad()
        both_ways(network, x)
        optimizer.step()

    return one_step


def in_turn(*functions: Callable, repeats: int = REPEATS) -> list[float]:
    """Return the median time of each (ms), measured in turn."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, record in zip(functions, times, strict=True):
            started = perf_counter()
            function()
            record.append(1000 * (perf_counter() - started))
    return [median(record) for record in times]


def peak(function: Callable, network: nn.Module) -> float:
    """Return the most that a call holds at once beside the weights (MB)."""
    tracker = MemTracker()
    tracker.track_external(network)
    with tracker:
        function()
    held = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]
    kinds = {getattr(kind, "value", kind): size for kind, size in held.items()}
    return (kinds["Total"] - kinds["Parameter"]) / 1e6


def row(what: str, ours: float, reference: str, other: float) -> dict:
    return {
        "what": what,
        "ours_ms": ours,
        "reference": reference,
        "reference_ms": other,
        "ratio": other / ours,
        "error": np.nan,
    }


def speed() -> list[dict]:
    """Return SFCN's step beside MONAI's ResNet-10, as MONAI makes it and with a stride of two."""
    rows = []
    for side in (64, 96):
        x = image(side)
        networks = [
            SFCN(),
            nets.resnet10(n_input_channels=1, num_classes=64),
            nets.resnet10(n_input_channels=1, num_classes=64, conv1_t_stride=2),
        ]
        ours, plain, strided = in_turn(*(training(network, x) for network in networks))
        what = f"SFCN, training step, {BATCH} volumes of {side} cubed"
        rows += [row(what, ours, "MONAI ResNet-10", plain)]
        rows += [row(what, ours, "MONAI ResNet-10, stride 2", strided)]
    return rows


def memory() -> list[dict]:
    """Return the peak and the time of a step with checkpointing, beside one without."""
    rows = []
    for name, kind, side, batch in (("M3T", M3T, 48, 1), ("BraInf", BraInf, 96, 8)):
        x, steps, peaks = image(side, batch), [], []
        for checkpointing in (True, False):
            torch.manual_seed(0)
            network = kind(checkpointing=checkpointing)
            steps.append(training(network, x))
            peaks.append(peak(partial(both_ways, network, x), network))
        times = in_turn(*steps, repeats=1 if kind is M3T else REPEATS)
        size = f"{batch} of {side} cubed"
        rows += [row(f"{name}, MB, checkpointing, {size}", peaks[0], "without", peaks[1])]
        rows += [
            row(f"{name}, training step, checkpointing, {size}", times[0], "without", times[1])
        ]
    return rows


def run() -> list[dict]:
    """Return the rows of speed and memory."""
    torch.set_num_threads(1)
    return speed() + memory()


def every_encoder() -> Iterator[tuple[str, nn.Module]]:
    """Yield each encoder at its default size, with its name."""
    for name in encoders.__all__:
        for monai in MONAI if name == "MonaiEncoder" else ("",):
            torch.manual_seed(0)
            yield monai or name, MonaiEncoder(name=monai) if monai else getattr(encoders, name)()


def through(folder: Path, spacing: float, limit: int | None) -> None:
    """Print shape, time and memory of every real volume in every encoder."""
    kinds = {
        "VBM": sorted(folder.glob("vbm/sub-*.nii.gz")),
        "T1": sorted(folder.glob("t1w/*/brain.mgz")),
    }
    shape = tuple(int(np.ceil(mm / spacing / 8)) * 8 for mm in (182, 218, 182))
    volumes = Volumes(spacing=spacing, shape=shape, centre="brain")
    images = {}
    for kind, paths in kinds.items():
        read = [volumes.read(path) for path in paths[:limit]]
        images[kind] = [torch.from_numpy(np.array(one))[None, None].float() for one in read]
    print(f"{'encoder':<16} {'image':<5} {'in':>15} {'out':>10} {'weights':>9} {'s':>7} {'MB':>7}")
    for name, encoder in every_encoder():
        size = sum(weights.numel() for weights in encoder.parameters()) / 1e6
        for kind, several in images.items():
            shape, seconds, high = _ask(encoder.eval(), several)
            given = "x".join(map(str, several[0].shape[2:]))
            line = f"{name:<16} {kind:<5} {given:>15} {shape!s:>10} {size:>8.1f}M"
            print(f"{line} {seconds:>7.2f} {high:>7.0f}", flush=True)


@torch.inference_mode()
def _ask(encoder: nn.Module, images: list[Tensor]) -> tuple[tuple[int, ...], float, float]:
    """Return the shape of a participant's features, the median time (s) and the memory (MB)."""
    features = encoder(images[0])
    if not features.isfinite().all():
        raise ValueError(f"a {type(encoder).__name__} gives NaN")
    times = in_turn(*(partial(encoder, x) for x in images), repeats=1)
    return tuple(features.shape), median(times) / 1000, peak(partial(encoder, images[0]), encoder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--volumes", type=Path)
    parser.add_argument("--spacing", type=float, default=3.0)
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.volumes is not None:
        through(given.volumes, given.spacing, given.limit)
    else:
        for one in run():
            print(
                f"{one['what']:<60} {one['ours_ms']:9.1f}   {one['reference']:<26} "
                f"{one['reference_ms']:9.1f}   {one['ratio']:6.2f}x"
            )
