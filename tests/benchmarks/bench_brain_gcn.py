"""Two graph convolutions on a cohort of brain graphs against PyG's layer with its loader.

``python tests/benchmarks/bench_brain_gcn.py``
"""

from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCNConv, global_mean_pool
from torch_geometric.utils import dense_to_sparse

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.brain_gcn import BrainGCN
from brainograph.nn.sparsify import strongest_edges, without_diagonal

N_GRAPHS, N_REGIONS, BATCH, HIDDEN = 256, 200, 32, 64


class Reference(nn.Module):
    """The same network on PyTorch Geometric's batches, with the weights of ours."""

    def __init__(self, ours: BrainGCN) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            GCNConv(width, HIDDEN) for width in (N_REGIONS, *[HIDDEN] * (len(ours.convs) - 1))
        )
        self.norms, self.head = ours.norms, ours.head
        for theirs, mine in zip(self.convs, ours.convs, strict=True):
            theirs.lin.weight, theirs.bias = mine.linear.weight, mine.bias

    def forward(self, data: Data) -> Tensor:
        x = data.x
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = torch.relu(norm(conv(x, data.edge_index, data.edge_weight)))
        return self.head(global_mean_pool(x, data.batch))


def _epoch(network: nn.Module, batches: object) -> float:
    """Time a pass over (batch, labels) with forward, backward and step, in ms."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    start = perf_counter()
    for batch, y in batches:
        optimizer.zero_grad()
        cross_entropy(network(batch), y).backward()
        optimizer.step()
    return 1e3 * (perf_counter() - start)


def _compare(density: float, matrices: Tensor, y: Tensor, repeats: int) -> list[dict]:
    torch.manual_seed(0)
    ours = BrainGCN(N_REGIONS, 2, density=density, sign="absolute", readout="mean", dropout=0.0)
    theirs = Reference(ours)
    graphs = strongest_edges(matrices, density=density, sign="absolute")
    data = []
    for profile, graph, label in zip(without_diagonal(matrices), graphs, y, strict=True):
        edge_index, edge_weight = dense_to_sparse(graph)
        data.append(Data(x=profile, edge_index=edge_index, edge_weight=edge_weight, y=label))
    loader = DataLoader(data, batch_size=BATCH)
    with torch.no_grad():
        expected = torch.cat([theirs(batch) for batch in loader])
        error = (ours(BrainBatch(connectivity={"fc": matrices})) - expected).abs().max().item()

    def mine() -> object:
        for rows in torch.arange(N_GRAPHS).split(BATCH):
            yield BrainBatch(connectivity={"fc": matrices[rows]}), y[rows]

    def reference() -> object:
        for batch in loader:
            yield batch, batch.y

    fast, slow = [], []
    for _ in range(repeats):
        fast += [_epoch(ours, mine()) for _ in range(3)]
        slow.append(_epoch(theirs, reference()))
    share = "full density" if density == 1 else f"{density:.0%} density"
    return [
        {
            "what": f"BrainGCN, an epoch of 256 x 200 regions, {share}",
            "ours_ms": median(fast),
            "reference": "PyG GCNConv, DataLoader",
            "reference_ms": median(slow),
            "ratio": median(slow) / median(fast),
            "error": error,
        }
    ]


def run() -> list[dict]:
    """Return a row for each density; ours thresholds in every epoch, the reference once before."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    series = torch.randn(N_GRAPHS, 100, N_REGIONS, generator=generator)
    series += torch.randn(N_GRAPHS, 100, 1, generator=generator)
    matrices = torch.stack([torch.corrcoef(one.T) for one in series])
    y = torch.arange(N_GRAPHS) % 2
    return _compare(0.1, matrices, y, repeats=3) + _compare(1.0, matrices, y, repeats=1)


if __name__ == "__main__":
    for row in run():
        print(
            f"{row['what']:<55} {row['ours_ms']:9.1f} ms   {row['reference']:<25} "
            f"{row['reference_ms']:9.1f} ms   {row['ratio']:6.1f}x   error {row['error']:.1e}"
        )
