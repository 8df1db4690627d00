"""Images: the second epoch against the first, and what a training step waits for.

``python tests/benchmarks/bench_volumes.py FOLDER`` runs the real volumes of a folder through
``Volumes`` instead, and prints time and peak memory for each.
"""

import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import torch
from torch import nn

from brainograph.datasets import simulate_images
from brainograph.estimators.subject.data import SubjectData
from brainograph.io import Volumes
from brainograph.nn.augment_images import ImageAugmentation

SHAPE = (64, 64, 64)
SETTINGS = {"spacing": 3.0, "shape": SHAPE}
N, BATCH = 16, 4


def _network() -> nn.Module:
    """Return five layers of a light 3D CNN, of about the cost of SFCN."""
    layers: list[nn.Module] = []
    for channels, out in zip((1, 16, 32, 64, 64), (16, 32, 64, 64, 64), strict=True):
        layers += [nn.Conv3d(channels, out, 3, padding=1), nn.GroupNorm(4, out)]
        layers += [nn.MaxPool3d(2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 8, 2))


def _epoch(data: SubjectData, network: nn.Module, *, ahead: bool, augment: bool) -> np.ndarray:
    """Train on each batch once; return the seconds (3,) of waiting, augmenting and the step."""
    order = np.array_split(np.random.default_rng(0).permutation(N), N // BATCH)
    y, spent = torch.arange(BATCH) % 2, np.zeros(3)
    optimizer = torch.optim.AdamW(network.parameters())
    if ahead:
        data.expect(order)
    for rows in order:
        moments = [time.perf_counter()]
        batch = data.batch(rows)
        moments.append(time.perf_counter())
        if augment:
            batch, _ = ImageAugmentation()(batch, y)
        moments.append(time.perf_counter())
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(batch.images["T1w"]), y).backward()
        optimizer.step()
        moments.append(time.perf_counter())
        spent += np.diff(moments)
    return spent


def _read_all(data: SubjectData) -> tuple[float, torch.Tensor]:
    start = time.perf_counter()
    batches = [data.batch(np.arange(i, i + BATCH)).images["T1w"] for i in range(0, N, BATCH)]
    return 1e3 * (time.perf_counter() - start), torch.cat(batches)


def _row(what: str, ours: float, reference: str, theirs: float, error: float | None = None) -> dict:
    return {
        "what": what,
        "ours_ms": ours,
        "reference": reference,
        "reference_ms": theirs,
        "ratio": theirs / ours,
        "error": error,
    }


def run() -> list[dict]:
    """Return one row for each comparison."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        cohort = simulate_images(N, Path(folder) / "images", modalities=["T1w"], resolution=2)

        def data(cache: str | None = None) -> SubjectData:
            where = None if cache is None else Path(folder) / cache
            volumes = Volumes(**SETTINGS, cache=where)
            return SubjectData(cohort, ["images/T1w"], standardize=True, volumes=volumes)

        first_ms, first = _read_all(data("cache"))
        second_ms, second = _read_all(data("cache"))
        error = float((first - second).abs().max())
        rows = [
            _row(f"{N} T1w, 2 mm to 64 cubed: second epoch", second_ms, "first", first_ms, error)
        ]
        network = _network()
        _epoch(data("cache"), network, ahead=True, augment=True)  # warms up MONAI and torch
        for what, cache, ahead in (
            ("not cached, read when asked for", None, False),
            ("not cached, read ahead", None, True),
            ("cached, read ahead", "cache", True),
        ):
            wait, _, step = 1e3 * _epoch(data(cache), network, ahead=ahead, augment=False)
            share = f"{wait / (wait + step):.1%} of a step"
            rows.append(_row(f"wait, {what}: {share}", wait, "the epoch", wait + step))
        wait, augment, step = 1e3 * _epoch(data("cache"), network, ahead=True, augment=True)
        whole = wait + augment + step
        rows.append(_row(f"augment: {augment / whole:.1%} of a step", augment, "the epoch", whole))
    return rows


def real(folder: Path) -> None:
    """Print what each image of a folder costs, first computed and then from the cache."""
    paths = sorted(folder.glob("vbm/*_mod.nii.gz")) + sorted(folder.glob("t1w/*/brain.mgz"))
    print(f"{'image':<52} {'axes':<5} {'given':<16} {'first s':>8} {'cached s':>9} {'peak MiB':>9}")
    with tempfile.TemporaryDirectory() as cache:
        for path in paths:
            centre = "brain" if path.suffix == ".mgz" else "grid"
            volumes = Volumes(centre=centre, cache=cache)
            tracemalloc.start()
            start = time.perf_counter()
            volumes.read(path)
            first, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1] / 2**20
            tracemalloc.stop()
            start = time.perf_counter()
            float(volumes.read(path).sum())
            again, facts = time.perf_counter() - start, volumes.record(path)
            given = " x ".join(map(str, facts["shape"]))
            print(
                f"{'/'.join(path.parts[-2:]):<52} {facts['orientation']:<5} {given:<16} "
                f"{first:>8.2f} {again:>9.4f} {peak:>9.0f}"
            )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        real(Path(sys.argv[1]))
    else:
        torch.set_num_threads(1)
        for row in run():
            print(
                f"{row['what']:<62} {row['ours_ms']:>9.1f} ms   {row['reference']:<10}"
                f"{row['reference_ms']:>9.1f} ms   {row['ratio']:>6.1f}x"
            )
