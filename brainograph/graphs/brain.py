"""Brain graphs of one subject: PyTorch Geometric ``Data`` and networkx ``Graph``."""

from collections.abc import Mapping, Sequence

import networkx as nx
import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch_geometric.data import Data

from brainograph.graphs.sparsify import symmetric

__all__ = ["brain_graph", "dynamic_brain_graph", "to_networkx"]


def brain_graph(
    connectivity: ArrayLike,
    *,
    x: ArrayLike | None = None,
    y: float | None = None,
    channels: Mapping[str, ArrayLike] | None = None,
    image: ArrayLike | None = None,
    participant_id: str | None = None,
    allow_negative: bool = False,
) -> Data:
    """Make the graph of one subject.

    Every non-zero weight is an edge, in both directions; the diagonal is dropped, since
    convolutions add their own self-loops. Thin the matrix out first with
    :func:`~brainograph.graphs.sparsify.sparsify`.

    Parameters
    ----------
    connectivity : array (R, R)
        Symmetric, finite, >= 0.
    x : array (R, C), optional
        Node features; the rows of the connectivity by default.
    y : int or float, optional
        The target.
    channels : mapping of str to array (R, R), optional
        More edge sets: ``{"sc": matrix}`` becomes ``edge_index_sc`` and ``edge_weight_sc``.
    image : array (D, H, W) or (C, D, H, W), optional
        Stored as (1, C, D, H, W).
    participant_id : str, optional
        Carried along.
    allow_negative : bool
        Accept weights below 0, for layers that bear them.

    Returns
    -------
    torch_geometric.data.Data
        ``x`` (R, C), ``edge_index`` (2, E), ``edge_weight`` (E,) and what was given.

    Raises
    ------
    ValueError
        For a matrix that is not square, symmetric, finite and >= 0, or another number of regions.

    Examples
    --------
    >>> graph = brain_graph([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]], y=1)
    >>> graph
    Data(x=[3, 3], edge_index=[2, 2], edge_weight=[2], y=[1])
    """
    matrix = symmetric(connectivity)
    if matrix.ndim != 2:
        raise ValueError(
            f"connectivity must have the shape (R, R), got {matrix.shape}. For windows (W, R, R) "
            "write dynamic_brain_graph(windows)."
        )
    data = _graph(matrix[None], x, y, channels, allow_negative)
    if image is not None:
        volume = torch.as_tensor(np.asarray(image), dtype=torch.float32)
        if volume.ndim not in (3, 4):
            raise ValueError(
                f"image must have the shape (D, H, W) or (C, D, H, W), got {tuple(volume.shape)}."
            )
        data.image = volume.reshape(1, -1, *volume.shape[-3:])
    if participant_id is not None:
        data.participant_id = participant_id
    return data


def dynamic_brain_graph(
    windows: ArrayLike,
    *,
    x: ArrayLike | None = None,
    y: float | None = None,
    channels: Mapping[str, ArrayLike] | None = None,
    participant_id: str | None = None,
    allow_negative: bool = False,
) -> Data:
    """Make the disjoint union of a subject's window snapshots.

    Node ``w * R + r`` is region r in window w, so a layer for static graphs runs on it unchanged
    and ``out.view(num_windows, R, -1)`` are its snapshots.

    Parameters
    ----------
    windows : array (W, R, R)
        One matrix per window, as in :func:`brain_graph`.
    x : array (W, R, C) or (R, C), optional
        Node features; those of shape (R, C) are repeated. The rows of each matrix by default.
    y, participant_id, allow_negative
        As in :func:`brain_graph`.
    channels : mapping of str to array (W, R, R) or (R, R), optional
        More edge sets; those of shape (R, R) are repeated.

    Returns
    -------
    torch_geometric.data.Data
        As :func:`brain_graph`, with W R nodes and ``num_windows``.

    Examples
    --------
    >>> windows = [[[1, 0.5], [0.5, 1]], [[1, 0.2], [0.2, 1]], [[1, 0], [0, 1]]]
    >>> graph = dynamic_brain_graph(windows)
    >>> graph.edge_index.tolist()
    [[0, 1, 2, 3], [1, 0, 3, 2]]
    >>> graph.num_windows
    3
    """
    matrices = symmetric(windows, name="windows")
    if matrices.ndim != 3 or len(matrices) == 0:
        raise ValueError(f"windows must have the shape (W, R, R), got {matrices.shape}.")
    data = _graph(matrices, x, y, channels, allow_negative)
    data.num_windows = len(matrices)
    if participant_id is not None:
        data.participant_id = participant_id
    return data


def to_networkx(
    graph: Data | ArrayLike,
    *,
    regions: pd.DataFrame | Sequence[str] | None = None,
    channel: str | None = None,
) -> nx.Graph:
    """Convert the graph of one subject to networkx.

    Parameters
    ----------
    graph : Data or array (R, R)
        A static brain graph or a symmetric matrix.
    regions : DataFrame (R, .) or sequence of str (R,), optional
        Names of the nodes (the index of the table) and, from a table, their attributes: x, y, z,
        network ...
    channel : str, optional
        The edge set of a ``Data`` to take: "sc" for ``edge_index_sc``.

    Returns
    -------
    networkx.Graph
        Edges carry ``weight``.

    Examples
    --------
    >>> regions = pd.DataFrame({"x": [-40.0, 40.0]}, index=["Insula L", "Insula R"])
    >>> graph = to_networkx([[0, 0.5], [0.5, 0]], regions=regions)
    >>> list(graph.edges(data="weight"))
    [('Insula L', 'Insula R', 0.5)]
    >>> graph.nodes["Insula R"]["x"]
    40.0
    """
    if isinstance(graph, Data):
        n_regions, source, target, weight = _edges_of(graph, channel)
    else:
        matrix = symmetric(graph)
        n_regions = len(matrix)
        source, target = np.nonzero(matrix)
        weight = matrix[source, target]
    table = regions if isinstance(regions, pd.DataFrame) else None
    names = (
        list(range(n_regions))
        if regions is None
        else list(regions if table is None else table.index)
    )
    if len(names) != n_regions or len(set(names)) != n_regions:
        raise ValueError(
            f"regions must be {n_regions} different names, got {len(set(names))} different of "
            f"{len(names)}."
        )
    network = nx.Graph()
    records = [{}] * n_regions if table is None else table.to_dict(orient="records")
    network.add_nodes_from(zip(names, records, strict=True))
    once = source < target
    network.add_weighted_edges_from(
        (names[i], names[j], float(w))
        for i, j, w in zip(source[once], target[once], weight[once], strict=True)
    )
    return network


def _edges_of(graph: Data, channel: str | None) -> tuple[int, NDArray, NDArray, NDArray]:
    if "num_windows" in graph:
        raise ValueError(
            "to_networkx takes one window of a dynamic graph: write to_networkx(windows[0])."
        )
    suffix = "" if channel is None else f"_{channel}"
    if f"edge_index{suffix}" not in graph:
        raise ValueError(f"graph has no channel {channel!r}: it has {list(graph.keys())}.")
    index = graph[f"edge_index{suffix}"].cpu().numpy()
    return int(graph.num_nodes), index[0], index[1], graph[f"edge_weight{suffix}"].cpu().numpy()


def _graph(
    matrices: NDArray,
    x: ArrayLike | None,
    y: float | None,
    channels: Mapping[str, ArrayLike] | None,
    allow_negative: bool,
) -> Data:
    n_windows, n_regions, _ = matrices.shape
    features = matrices if x is None else np.asarray(x)
    if features.ndim < 2 or features.shape[:-1] not in ((n_regions,), (n_windows, n_regions)):
        raise ValueError(
            f"x must have the shape (R, C) with R={n_regions}"
            + (f", or (W, R, C) with W={n_windows}" if n_windows > 1 else "")
            + f", got {features.shape}."
        )
    if not np.isfinite(features).all():
        raise ValueError("x holds NaN or infinity: impute it, or leave the feature out.")
    features = np.broadcast_to(features, (n_windows, n_regions, features.shape[-1]))
    data = Data(x=torch.tensor(features.reshape(n_windows * n_regions, -1), dtype=torch.float32))
    data.edge_index, data.edge_weight = _edges(matrices, "connectivity", allow_negative)
    for name, channel in (channels or {}).items():
        other = symmetric(channel, name=f"channels[{name!r}]")
        if other.shape not in (matrices.shape, matrices.shape[1:]):
            raise ValueError(
                f"channels[{name!r}] must have {n_regions} regions as connectivity has, got "
                f"{other.shape}."
            )
        edges = _edges(
            np.broadcast_to(other, matrices.shape), f"channels[{name!r}]", allow_negative
        )
        data[f"edge_index_{name}"], data[f"edge_weight_{name}"] = edges
    if y is not None:
        data.y = torch.tensor([y])
    return data


def _edges(matrices: NDArray, name: str, allow_negative: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Edges (2, E) and weights (E,) of the disjoint union of matrices (W, R, R)."""
    negative = np.count_nonzero(matrices < 0)
    if negative and not allow_negative:
        raise ValueError(
            f"{name} has {negative // 2} negative edges (the lowest is {matrices.min():.3g}), on "
            "which GCNConv and ChebConv return NaN. Write sparsify(connectivity, density=0.10) to "
            'keep positive edges, sign="absolute" for magnitudes, or allow_negative=True for '
            "layers that bear them (GraphConv, GATv2Conv)."
        )
    window, source, target = np.nonzero(matrices)
    index = np.stack([source, target]) + window * matrices.shape[-1]
    weight = matrices[window, source, target]
    return torch.from_numpy(index), torch.tensor(weight, dtype=torch.float32)
