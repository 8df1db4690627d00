"""The strongest edges of a batch of dense graphs against a loop of np.percentile.

``python tests/benchmarks/bench_top_k.py``
"""

from statistics import median
from time import perf_counter

import numpy as np
import torch

from brainograph.nn.sparsify import strongest_edges

N_GRAPHS, DENSITY = 64, 0.1


def percentile_loop(matrices: np.ndarray) -> np.ndarray:
    """Keep what is above each graph's percentile, as dynamic graph networks commonly do."""
    n_regions = matrices.shape[-1]
    share = DENSITY * (n_regions - 1) / n_regions  # the diagonal, set to -1, is never kept
    kept = np.zeros_like(matrices)
    for graph, out in zip(matrices, kept, strict=True):
        above = graph > np.percentile(graph, 100 * (1 - share))
        out[above] = graph[above]
    return kept


def _time(function: object) -> float:
    start = perf_counter()
    function()
    return 1e3 * (perf_counter() - start)


def run() -> list[dict]:
    """Return one row for each number of regions."""
    torch.set_num_threads(1)
    rows = []
    for n_regions in (116, 200, 400):
        generator = torch.Generator().manual_seed(0)
        series = torch.randn(N_GRAPHS, 50, n_regions, generator=generator)
        matrices = torch.stack([torch.corrcoef(one.T) for one in series])
        matrices.diagonal(dim1=1, dim2=2).fill_(-1)
        array = matrices.numpy()
        ours, theirs = strongest_edges(matrices, density=DENSITY), percentile_loop(array)
        fast, slow = [], []
        for _ in range(9):
            fast.append(_time(lambda m=matrices: strongest_edges(m, density=DENSITY)))
            slow.append(_time(lambda a=array: percentile_loop(a)))
        rows.append(
            {
                "what": f"strongest 10 % edges, 64 graphs of {n_regions} regions",
                "ours_ms": median(fast),
                "reference": "loop of np.percentile",
                "reference_ms": median(slow),
                "ratio": median(slow) / median(fast),
                "error": float(((ours.numpy() != 0) != (theirs != 0)).mean()),
            }
        )
    return rows


if __name__ == "__main__":
    for row in run():
        print(
            f"{row['what']:<50} {row['ours_ms']:9.2f} ms   {row['reference']:<22} "
            f"{row['reference_ms']:9.2f} ms   {row['ratio']:6.1f}x   differ {row['error']:.1e}"
        )
