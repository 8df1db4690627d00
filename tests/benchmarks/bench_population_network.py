"""Population networks: deep graphs, one newcomer, and memory that does not grow with the cohort.

Memory is the peak of the process beyond what it held before, in the text of a row (Linux).
"""

import ctypes
import math
import statistics
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch_geometric.nn import DeepGCNLayer, GENConv

from brainograph.cohort import Cohort
from brainograph.estimators import PopulationNetworkClassifier, Training
from brainograph.nn.population import DeepGCN, Join

R = 30


def _cohort(n: int) -> Cohort:
    """Participants with a random matrix each."""
    rng = np.random.default_rng(0)
    matrices = rng.standard_normal((n, R, R), dtype=np.float32)
    matrices += matrices.transpose(0, 2, 1)
    people = pd.DataFrame(
        {
            "site": rng.integers(0, 20, n).astype(str),
            "sex": rng.choice(["female", "male"], n),
            "age": rng.uniform(20, 80, n),
        },
        index=[f"sub-{i:05d}" for i in range(n)],
    )
    return Cohort(people, pd.DataFrame(index=map(str, range(R))), connectivity={"fc": matrices})


def _time(work, repeats: int) -> float:
    """Return the median of wall times, in ms."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def _status(field: str) -> float:
    """Return a line of the kernel's account of this process, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def _peak(work) -> float:
    """Return by how much the memory of this process grew at its highest, in MB."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed before does not count
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _status("VmRSS")
        work()
        return _status("VmHWM") - before
    except OSError:  # not Linux
        work()
        return math.nan


class _Published(nn.Module):
    """The same 28 layers of torch_geometric."""

    def __init__(self, ours: DeepGCN, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for conv, norm in zip(ours.convs, ours.norms, strict=True):
            gen = GENConv(channels, channels, aggr="softmax", t=1.0, learn_t=True)
            gen.mlp = conv.mlp
            self.layers.append(DeepGCNLayer(gen, norm, nn.ReLU(), block="res+"))

    def forward(self, x, edge_index):
        x = self.layers[0].conv(x, edge_index)
        for layer in self.layers[1:]:
            x = layer(x, edge_index)
        return torch.relu(self.layers[0].norm(x))


def _deep(n: int, channels: int = 64, n_neighbors: int = 20) -> dict:
    torch.manual_seed(0)
    x = torch.randn(n, channels)
    graph = Join(1 - torch.eye(n), n_neighbors=n_neighbors)(x)
    ones = torch.ones_like(graph.values())
    graph = torch.sparse_coo_tensor(
        graph.indices(), ones, graph.shape, is_coalesced=True, check_invariants=False
    )
    edge_index = graph.indices().flip(0)
    ours = DeepGCN(channels, 28, dropout=0.0)
    theirs = _Published(ours, channels)
    with torch.no_grad():
        error = (ours(x, graph) - theirs(x, edge_index)).abs().max().item()
    mine = _time(lambda: ours(x, graph).square().mean().backward(), 3)
    reference = _time(lambda: theirs(x, edge_index).square().mean().backward(), 1)
    return {
        "what": f"DeepGCN, 28 layers, a step, {n:,} nodes, {n_neighbors} neighbours",
        "ours_ms": mine,
        "reference": "PyG DeepGCNLayer, GENConv",
        "reference_ms": reference,
        "ratio": reference / mine,
        "error": error,
    }


def _newcomer(n: int) -> dict:
    cohort = _cohort(n + 1)
    y = np.arange(n) % 2
    training = Training(max_epochs=1, batch_size=256, validation_fraction=0)
    model = PopulationNetworkClassifier(
        "EHGCN", stages="staged", training=training, device="cpu"
    ).fit(cohort[:n], y)
    member = model._members[0]
    code = model._encode(cohort[[n]], member)
    phenotype = cohort.phenotype.iloc[[n]]
    mine = _time(lambda: member.predict_new(code, phenotype), 11)
    whole = _time(lambda: Join(member.join.agreement, n_neighbors=20)(member.codes), 3)
    return {
        "what": f"EH-GCN, one newcomer beyond the encoder, {n:,} fitted",
        "ours_ms": mine,
        "reference": "making the graph again",
        "reference_ms": whole,
        "ratio": whole / mine,
        "error": math.nan,
    }


def _memory(n: int, *, sampled: bool) -> dict:
    """Train one epoch on 1,000 labelled participants of n."""
    cohort = _cohort(n)
    y = np.full(n, -1)
    y[:1000] = np.arange(1000) % 2
    training = Training(max_epochs=1, batch_size=32, validation_fraction=0)
    model = PopulationNetworkClassifier(
        "EHGCN", n_sampled=(10,) if sampled else None, training=training, device="cpu"
    )
    start = time.perf_counter()
    peak = _peak(lambda: model.fit(cohort, y))
    how = "10 neighbours drawn" if sampled else "everybody at once"
    data = cohort.connectivity["fc"].nbytes / 2**20
    return {
        "what": f"EH-GCN, {n:,} people, {how}: {peak:,.0f} MB ({data:.0f} data)",
        "ours_ms": 1e3 * (time.perf_counter() - start),
        "reference": None,
        "reference_ms": math.nan,
        "ratio": math.nan,
        "error": math.nan,
    }


def run() -> list[dict]:
    """Return the rows of the table."""
    return [
        *(_memory(n, sampled=True) for n in (1250, 5000, 20_000)),
        *(_memory(n, sampled=False) for n in (1250, 5000)),
        *(_newcomer(n) for n in (871, 5000)),
        *(_deep(n) for n in (871, 5000)),
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    for row in run():
        print(row)
