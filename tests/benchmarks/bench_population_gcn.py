"""One epoch of the Chebyshev population GCN, 871 x 2,000, dense graph, against PyG's layer."""

import statistics
import time

import torch
from torch_geometric.nn import ChebConv

from brainograph.nn.conv import Cheb


def _epoch(forward, parameters) -> float:
    """Time one forward and backward pass, in ms."""
    start = time.perf_counter()
    forward().square().mean().backward()
    for parameter in parameters:
        parameter.grad = None
    return 1e3 * (time.perf_counter() - start)


def run() -> list[dict]:
    """Return the row of the table."""
    torch.manual_seed(0)
    n, features, hidden, terms = 871, 2000, 16, 3
    x = torch.randn(n, features)
    adj = torch.rand(n, n).triu(1)
    adj = adj + adj.T
    ours, theirs = Cheb(features, hidden, K=terms), ChebConv(features, hidden, terms)
    for mine, their in zip(ours.linears, theirs.lins, strict=True):
        their.weight.data = mine.weight.data
    sparse = adj.to_sparse_coo().coalesce()
    edge_index, weight = sparse.indices().flip(0), sparse.values()
    with torch.no_grad():
        error = (ours(x, adj) - theirs(x, edge_index, weight)).abs().max().item()
    fast = [_epoch(lambda: ours(x, adj), ours.parameters()) for _ in range(11)]
    slow = [_epoch(lambda: theirs(x, edge_index, weight), theirs.parameters()) for _ in range(2)]
    mine, reference = statistics.median(fast), statistics.median(slow)
    return [
        {
            "what": "Chebyshev population GCN, one epoch, 871 x 2,000, dense graph",
            "ours_ms": mine,
            "reference": "PyG ChebConv",
            "reference_ms": reference,
            "ratio": reference / mine,
            "error": error,
        }
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    for row in run():
        print(row)
