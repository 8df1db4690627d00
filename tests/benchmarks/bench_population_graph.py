"""Time the population graph against the literature's double loop over pairs.

``python tests/benchmarks/bench_population_graph.py`` prints one line a comparison; both sides run
in one process on one thread. Graph measures and sparsifying are timed beside it.
"""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist, squareform
from threadpoolctl import threadpool_limits

from brainograph.graphs import measures
from brainograph.graphs.population import mean_distance, population_graph
from brainograph.graphs.sparsify import sparsify


def double_loop(features: np.ndarray, phenotype: pd.DataFrame, sigma: float) -> np.ndarray:
    """Card G0 in the shape of published code.

    Scores are the strings of a CSV in a dictionary, looked up for each pair by an array of
    participant numbers; distances are scipy's ``pdist``.
    """
    people = np.array(phenotype.index, dtype=str)
    n = len(people)
    agreement = np.zeros((n, n))
    for name in ("sex", "site"):
        score = dict(zip(phenotype.index, phenotype[name], strict=True))
        for i in range(n):
            for j in range(i + 1, n):
                if score[people[i]] == score[people[j]]:
                    agreement[i, j] += 1
                    agreement[j, i] += 1
    score = dict(zip(phenotype.index, phenotype["age"].astype(str), strict=True))
    for i in range(n):
        for j in range(i + 1, n):
            try:
                if abs(float(score[people[i]]) - float(score[people[j]])) < 2:
                    agreement[i, j] += 1
                    agreement[j, i] += 1
            except ValueError:  # a missing score
                continue
    distance = squareform(pdist(features, metric="correlation"))
    return agreement * np.exp(-(distance**2) / (2 * sigma**2))


def percentile_loop(windows: np.ndarray, density: float) -> np.ndarray:
    """Threshold matrix by matrix at a percentile."""
    pairs = np.triu_indices(windows.shape[-1], 1)
    kept = []
    for window in windows:
        cut = np.percentile(window[pairs], 100 * (1 - density))
        kept.append(np.where(window > cut, window, 0))
    return np.stack(kept)


def population(n: int, repeats: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((n, 2000))
    phenotype = pd.DataFrame(
        {
            "sex": rng.choice(["male", "female"], n),
            "site": rng.choice([f"site {i}" for i in range(20)], n),
            "age": rng.uniform(6, 58, n),
        },
        index=[f"{50000 + i}" for i in range(n)],
    )
    sigma = mean_distance(features)
    return _row(
        f"population graph, {n} x 2000 features",
        lambda: population_graph(features, phenotype),
        "double loop over pairs",
        lambda: double_loop(features, phenotype, sigma),
        repeats,
    )


def graph_measures() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    adjacency = sparsify(np.corrcoef(rng.standard_normal((200, 200))), density=0.1)
    graph = nx.from_numpy_array(adjacency)
    for _, _, edge in graph.edges(data=True):
        edge["length"] = 1 / edge["weight"]
    pairs = {
        "clustering": lambda: list(nx.clustering(graph, weight="weight").values()),
        "betweenness": lambda: list(nx.betweenness_centrality(graph, weight="length").values()),
        "local_efficiency": lambda: nx.local_efficiency(graph),
    }
    return [
        _row(
            f"{name.replace('_', ' ')}, 200 regions, 10 %",
            lambda name=name: _mean_if_local(name, getattr(measures, name)(adjacency)),
            "networkx",
            reference,
            1,
        )
        for name, reference in pairs.items()
    ]


def _mean_if_local(name: str, values: np.ndarray) -> Any:
    return values.mean() if name == "local_efficiency" else values


def sparsifying() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    windows = np.stack([np.corrcoef(rng.standard_normal((200, 30))) for _ in range(171)])
    windows = (windows + windows.swapaxes(1, 2)) / 2
    windows[:, range(200), range(200)] = 0
    windows = windows.astype(np.float32)
    return _row(
        "sparsify to 10 %, 171 windows, 200 regions",
        lambda: sparsify(windows, density=0.1),
        "np.percentile loop",
        lambda: percentile_loop(windows, 0.1),
        3,
    )


def _row(
    what: str,
    ours: Callable[[], Any],
    reference: str,
    theirs: Callable[[], Any],
    repeats: int,
) -> dict[str, Any]:
    ours()
    ours_ms, result = _time(ours, 5)
    reference_ms, expected = _time(theirs, repeats)
    return {
        "what": what,
        "ours_ms": ours_ms,
        "reference": reference,
        "reference_ms": reference_ms,
        "ratio": reference_ms / ours_ms,
        "error": float(np.abs(np.asarray(result) - np.asarray(expected)).max()),
    }


def _time(function: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    times = []
    for _ in range(repeats):
        start = perf_counter()
        result = function()
        times.append(1000 * (perf_counter() - start))
    return median(times), result


def run() -> list[dict[str, Any]]:
    """Return one row per comparison."""
    with threadpool_limits(1):
        return [population(871, 3), population(2000, 1), *graph_measures(), sparsifying()]


if __name__ == "__main__":
    for row in run():
        print(
            f"{row['what']:<45} {row['ours_ms']:9.1f} ms   {row['reference']:<24}"
            f"{row['reference_ms']:9.1f} ms {row['ratio']:7.1f}x   error {row['error']:.1e}"
        )
