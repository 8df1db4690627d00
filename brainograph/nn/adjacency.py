"""A graph as a tensor that the convolutions take, and back."""

from typing import Literal, get_args

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

__all__ = ["Layout", "from_tensor", "to_tensor"]

Layout = Literal["auto", "dense", "sparse"]
_SPARSE_BELOW = 0.1  # share of edges under which scattering is faster than multiplying


def to_tensor(graph: np.ndarray | sparse.csr_array, *, layout: Layout = "auto") -> Tensor:
    """Return an adjacency (N, N) as a float32 tensor, dense or coalesced sparse COO.

    Parameters
    ----------
    graph : array or csr_array (N, N)
        Weights of the edges; row i holds what node i listens to.
    layout : {"auto", "dense", "sparse"}
        ``"auto"`` is sparse where fewer than a tenth of the pairs are joined.

    Raises
    ------
    ValueError
        For another layout.

    Examples
    --------
    >>> to_tensor(np.array([[0, 1], [1, 0]]), layout="sparse").is_sparse
    True
    """
    if layout not in get_args(Layout):
        raise ValueError(f"layout must be one of {get_args(Layout)}, got {layout!r}.")
    if layout == "auto":
        filled = np.count_nonzero(graph) if isinstance(graph, np.ndarray) else graph.nnz
        layout = "sparse" if filled < _SPARSE_BELOW * graph.shape[0] * graph.shape[1] else "dense"
    if layout == "dense":
        array = graph if isinstance(graph, np.ndarray) else graph.toarray()
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    rows = sparse.csr_array(graph)
    rows.sum_duplicates()  # sorted by row, then column: coalesced
    edges = rows.tocoo()
    return torch.sparse_coo_tensor(
        torch.from_numpy(np.stack(edges.coords).astype(np.int64)),
        torch.from_numpy(edges.data.astype(np.float32)),
        edges.shape,
        is_coalesced=True,
        check_invariants=False,
    )


def from_tensor(adj: Tensor) -> sparse.csr_array:
    """Return the graph (N, N) of :func:`to_tensor` as a sparse matrix.

    Examples
    --------
    >>> from_tensor(to_tensor(np.array([[0, 2], [2, 0]]))).toarray()
    array([[0., 2.],
           [2., 0.]], dtype=float32)
    """
    coo = (adj if adj.is_sparse else adj.to_sparse_coo()).coalesce().cpu()
    return sparse.csr_array((coo.values().numpy(), coo.indices().numpy()), shape=tuple(coo.shape))
