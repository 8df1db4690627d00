"""Rewired graphs: the same degrees, other neighbours; what a graph has to beat."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["draw_neighbors", "moved_share", "rewire"]


def rewire(
    graph: NDArray | sparse.csr_array, *, n_rounds: int = 20, random_state: int = 0
) -> NDArray | sparse.csr_array:
    r"""Shuffle who is joined to whom, and keep with how many everybody is joined.

    Two edges exchange an end, :math:`(a, b), (c, d) \to (a, d), (c, b)`, unless that would make a
    loop or an edge that is there already (Maslov and Sneppen 2002). In each round all edges are
    paired at random and the pairs that can be swapped are swapped at once. Of a graph with more
    than half of all pairs the missing edges are swapped, which keeps the degrees as well. The
    weights are then dealt anew to the edges: of a complete graph nothing else can change.

    Parameters
    ----------
    graph : array or csr_array (S, S)
        Symmetric weights without a diagonal, such as
        :func:`~brainograph.graphs.population.population_graph` returns.
    n_rounds : int
        How often each edge is offered a swap.
    random_state : int
        Seed.

    Returns
    -------
    array or csr_array (S, S), as given
        Symmetric, with the number of edges of every row and the same weights.

    Raises
    ------
    ValueError
        If the graph is not symmetric or has loops.

    References
    ----------
    Maslov and Sneppen, Specificity and stability in topology of protein networks, Science 296,
    2002.

    Examples
    --------
    >>> ring = np.roll(np.eye(6), 1, axis=1) + np.roll(np.eye(6), -1, axis=1)
    >>> (rewire(ring) > 0).sum(axis=1)
    array([2, 2, 2, 2, 2, 2])
    >>> bool((rewire(ring) == ring).all())
    False
    """
    _check(graph)
    edges = sparse.coo_array(sparse.triu(graph, k=1))
    edges.eliminate_zeros()
    rng, n = np.random.default_rng(random_state), edges.shape[0]
    keys = _keys(edges.coords[0], edges.coords[1], n)
    if 4 * len(keys) > n * (n - 1):
        missing = _complement(keys, n)
        keys = _complement(_swap(missing, n, n_rounds, rng), n)
    else:
        keys = np.sort(_swap(keys, n, n_rounds, rng))
    half = sparse.csr_array((rng.permutation(edges.data), np.divmod(keys, n)), shape=(n, n))
    rewired = (half + half.T).tocsr().sorted_indices()
    return rewired.toarray() if isinstance(graph, np.ndarray) else rewired


def _check(graph: NDArray | sparse.csr_array) -> None:
    square = graph.shape[0] == graph.shape[1]
    if not square or (graph != graph.T).sum() or graph.diagonal().any():
        raise ValueError(
            "graph must be symmetric without a diagonal, as population_graph returns it, got "
            f"shape {graph.shape}. Write graph = np.maximum(graph, graph.T) and "
            "np.fill_diagonal(graph, 0)."
        )


def _keys(i: NDArray, j: NDArray, n: int) -> NDArray[np.int64]:
    """Give each pair (i, j) = (j, i) one number."""
    return np.minimum(i, j).astype(np.int64) * n + np.maximum(i, j)


def _complement(keys: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return the pairs that are not there, sorted."""
    free = np.triu(np.ones((n, n), dtype=bool), k=1).ravel()
    free[keys] = False
    return np.flatnonzero(free)


def _swap(
    keys: NDArray[np.int64], n: int, n_rounds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Let pairs of edges exchange an end, ``n_rounds`` times."""
    half = len(keys) // 2
    for _ in range(n_rounds):
        keys = rng.permutation(keys)
        (a, b), (c, d) = np.divmod(keys[:half], n), np.divmod(keys[half : 2 * half], n)
        turned = rng.random(half) < 0.5
        c, d = np.where(turned, d, c), np.where(turned, c, d)
        proposed = np.concatenate([_keys(a, d, n), _keys(c, b, n)])
        _, number, times = np.unique(
            np.concatenate([proposed, keys]), return_inverse=True, return_counts=True
        )
        alone = (times[number[: 2 * half]] == 1).reshape(2, half).all(axis=0)
        swapped = np.tile(alone & (a != d) & (c != b), 2)
        keys[: 2 * half][swapped] = proposed[swapped]
    return keys


def moved_share(graph: NDArray | sparse.csr_array, rewired: NDArray | sparse.csr_array) -> float:
    """Return the share of a graph's edges that are not in the rewired one; 0 without edges.

    Examples
    --------
    >>> moved_share(np.array([[0, 1], [1, 0]]), np.array([[0, 2], [2, 0]]))
    0.0
    """
    before, after = sparse.csr_array(graph) != 0, sparse.csr_array(rewired) != 0
    n_edges = before.sum()
    return float(1 - before.multiply(after).sum() / n_edges) if n_edges else 0.0


def draw_neighbors(
    heard: sparse.csr_array, participant_ids: Sequence[str], *, random_state: int = 0
) -> sparse.csr_array:
    """Let each new participant listen to as many others, drawn at random.

    Parameters
    ----------
    heard : csr_array (Q, S)
        The edges of new participants to those of a graph, as of
        :func:`~brainograph.graphs.population.attach`.
    participant_ids : sequence of Q str
        A draw depends on the seed and the identifier, not on who else is new.
    random_state : int
        Seed.

    Returns
    -------
    csr_array (Q, S)
        As many edges a row, with the same weights in another order.

    Examples
    --------
    >>> heard = sparse.csr_array([[0.0, 2.0, 0.0, 1.0]])
    >>> drawn = draw_neighbors(heard, ["sub-01"])
    >>> sorted(drawn.data.tolist())
    [1.0, 2.0]
    """
    heard = sparse.csr_array(heard)
    heard.eliminate_zeros()
    drawn = heard.copy()
    for i, name in enumerate(participant_ids):
        row = slice(*heard.indptr[i : i + 2])
        rng = np.random.default_rng([random_state, crc32(name.encode())])
        drawn.data[row] = rng.permutation(heard.data[row])
        drawn.indices[row] = rng.choice(heard.shape[1], row.stop - row.start, replace=False)
    drawn.has_sorted_indices = False
    return drawn.sorted_indices()
