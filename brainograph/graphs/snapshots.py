"""Dynamic brain graphs, window by window: for PyG, for networkx and as a table of edges."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from torch_geometric.data import Data

from brainograph.files import replace_on_success
from brainograph.graphs.brain import to_networkx
from brainograph.graphs.sparsify import symmetric

__all__ = ["dynamic_to_networkx", "edge_table", "snapshots", "write_edge_table"]


def snapshots(graph: Data) -> list[Data]:
    """Cut a dynamic brain graph into the graphs of its windows.

    Parameters
    ----------
    graph : Data
        Of :func:`~brainograph.graphs.dynamic_brain_graph`: W R nodes and ``num_windows``.

    Returns
    -------
    list of W Data
        Static graphs of R nodes with all edge sets, target and participant of the whole.

    Raises
    ------
    ValueError
        If the graph has no windows.

    Examples
    --------
    >>> from brainograph.graphs import dynamic_brain_graph
    >>> graph = dynamic_brain_graph([[[1, 0.5], [0.5, 1]], [[1, 0.2], [0.2, 1]]])
    >>> [one.edge_weight.tolist() for one in snapshots(graph)]
    [[0.5, 0.5], [0.20000000298023224, 0.20000000298023224]]
    """
    if "num_windows" not in graph:
        raise ValueError("graph has no windows: it is static, and a snapshot itself.")
    n_regions = int(graph.num_nodes) // graph.num_windows
    cuts = [Data(x=x) for x in graph.x.split(n_regions)]
    for key, value in graph:
        if key.startswith("edge_index"):
            weight = key.replace("index", "weight")
            owner = value[0] // n_regions
            for w, cut in enumerate(cuts):
                mine = owner == w
                cut[key], cut[weight] = value[:, mine] - w * n_regions, graph[weight][mine]
        elif not key.startswith("edge_weight") and key not in ("x", "num_windows"):
            for cut in cuts:
                cut[key] = value
    return cuts


def dynamic_to_networkx(
    graph: Data | ArrayLike,
    *,
    regions: pd.DataFrame | Sequence[str] | None = None,
    channel: str | None = None,
) -> list[nx.Graph]:
    """Convert each window to a networkx graph.

    Parameters
    ----------
    graph : Data or array (W, R, R)
        A dynamic brain graph or symmetric matrices.
    regions, channel
        As of :func:`~brainograph.graphs.to_networkx`.

    Examples
    --------
    >>> windows = [[[0, 0.5], [0.5, 0]], [[0, 0], [0, 0]]]
    >>> [list(one.edges) for one in dynamic_to_networkx(windows, regions=["a", "b"])]
    [[('a', 'b')], []]
    """
    windows = snapshots(graph) if isinstance(graph, Data) else symmetric(graph, name="windows")
    return [to_networkx(one, regions=regions, channel=channel) for one in windows]


def edge_table(
    graphs: Data | Iterable[Data], *, regions: pd.DataFrame | Sequence[str] | None = None
) -> pd.DataFrame:
    """List the edges of dynamic brain graphs, each once.

    Parameters
    ----------
    graphs : Data or iterable of Data
        Dynamic brain graphs.
    regions : DataFrame (R, .) or sequence of str (R,), optional
        Names; numbers by default.

    Returns
    -------
    DataFrame
        ``participant_id``, ``window`` (from 0), ``region_a``, ``region_b``, ``weight``.

    Examples
    --------
    >>> from brainograph.graphs import dynamic_brain_graph
    >>> windows = [[[0, 0.5], [0.5, 0]], [[0, 0.25], [0.25, 0]]]
    >>> graph = dynamic_brain_graph(windows, participant_id="sub-01")
    >>> edge_table(graph, regions=["a", "b"])
      participant_id  window region_a region_b  weight
    0         sub-01       0        a        b    0.50
    1         sub-01       1        a        b    0.25
    """
    given = [graphs] if isinstance(graphs, Data) else graphs
    return pd.concat([_edges_of(graph, regions) for graph in given], ignore_index=True)


def write_edge_table(
    graphs: Iterable[Data],
    path: str | os.PathLike[str],
    *,
    regions: pd.DataFrame | Sequence[str] | None = None,
) -> None:
    """Write :func:`edge_table` as TSV, one participant after the other.

    Parameters
    ----------
    graphs : iterable of Data
        Such as :func:`~brainograph.graphs.dynamic_brain_graphs` yields: one is in memory at a
        time.
    path : path
        A ``.tsv``, or ``.tsv.gz`` to compress it.
    regions : DataFrame (R, .) or sequence of str (R,), optional
        Names.
    """
    gz = os.fspath(path).endswith(".gz")
    compression: Any = {"method": "gzip", "mtime": 0} if gz else None  # no time: the same bytes
    with replace_on_success(path) as temporary:
        for i, graph in enumerate(graphs):
            _edges_of(graph, regions).to_csv(
                temporary,
                sep="\t",
                index=False,
                header=i == 0,
                mode="w" if i == 0 else "a",
                compression=compression,
                lineterminator="\n",
            )


def _edges_of(graph: Data, regions: pd.DataFrame | Sequence[str] | None) -> pd.DataFrame:
    """List the edges of one dynamic brain graph."""
    n_regions = int(graph.num_nodes) // graph.num_windows
    names = np.arange(n_regions) if regions is None else _names(regions)
    if len(names) != n_regions:
        raise ValueError(f"regions must be {n_regions} names, got {len(names)}.")
    source, target = graph.edge_index.cpu().numpy()
    once = source < target
    return pd.DataFrame(
        {
            "participant_id": graph.get("participant_id", "n/a"),
            "window": source[once] // n_regions,
            "region_a": names[source[once] % n_regions],
            "region_b": names[target[once] % n_regions],
            "weight": graph.edge_weight.cpu().numpy()[once],
        }
    )


def _names(regions: pd.DataFrame | Sequence[str]) -> NDArray:
    return np.asarray(regions.index if isinstance(regions, pd.DataFrame) else regions, dtype=object)
