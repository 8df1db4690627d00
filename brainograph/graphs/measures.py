"""Measures of a weighted brain graph, by matrix products and scipy.sparse.csgraph.

All take ``adjacency``: array (R, R), symmetric, weights >= 0 (see
:func:`~brainograph.graphs.sparsify.sparsify`), the diagonal ignored. They follow Rubinov & Sporns
(2010), NeuroImage 52, 1059-1069, and equal networkx where it has them. The length of an edge of
weight w is 1 / w.
"""

from collections.abc import Sequence

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csgraph

from brainograph.graphs.sparsify import symmetric

__all__ = [
    "betweenness",
    "characteristic_path_length",
    "clustering",
    "degree",
    "eigenvector_centrality",
    "global_efficiency",
    "graph_measures",
    "local_efficiency",
    "louvain",
    "modularity",
    "participation",
    "strength",
    "transitivity",
]

Vector = NDArray[np.float64]


def graph_measures(
    adjacency: ArrayLike,
    *,
    regions: Sequence[str] | None = None,
    communities: ArrayLike | None = None,
    random_state: int = 0,
) -> tuple[pd.DataFrame, pd.Series]:
    """Compute every measure of this module.

    Parameters
    ----------
    adjacency : array (R, R)
        Symmetric weights >= 0.
    regions : sequence of str (R,), optional
        The index of the table.
    communities : array (R,) of int, optional
        Community of each region; found by :func:`louvain` otherwise.
    random_state : int
        Seed of :func:`louvain`.

    Returns
    -------
    regional : DataFrame (R, 8)
        degree, strength, clustering, local_efficiency, betweenness, eigenvector_centrality,
        participation, community.
    whole : Series (6,)
        density, transitivity, global_efficiency, characteristic_path_length, modularity,
        n_communities.

    Examples
    --------
    >>> regional, whole = graph_measures([[0, 1, 1], [1, 0, 1], [1, 1, 0]], regions=list("ABC"))
    >>> regional.loc["A", ["degree", "clustering"]].tolist()
    [2.0, 1.0]
    >>> float(whole["global_efficiency"])
    1.0
    """
    A = _weights(adjacency)
    labels = louvain(A, random_state=random_state) if communities is None else _labels(communities)
    regional = pd.DataFrame(
        {
            "degree": degree(A),
            "strength": strength(A),
            "clustering": clustering(A),
            "local_efficiency": local_efficiency(A),
            "betweenness": betweenness(A),
            "eigenvector_centrality": eigenvector_centrality(A),
            "participation": participation(A, labels),
            "community": labels,
        },
        index=pd.Index(range(len(A)) if regions is None else list(regions), name="region"),
    )
    n = len(A)
    whole = pd.Series(
        {
            "density": np.count_nonzero(A) / max(n * (n - 1), 1),
            "transitivity": transitivity(A),
            "global_efficiency": global_efficiency(A),
            "characteristic_path_length": characteristic_path_length(A),
            "modularity": modularity(A, labels),
            "n_communities": len(np.unique(labels)),
        }
    )
    return regional, whole


def degree(adjacency: ArrayLike) -> Vector:
    """Count each region's edges.

    Examples
    --------
    >>> degree([[0, 2, 0], [2, 0, 3], [0, 3, 0]])
    array([1., 2., 1.])
    """
    return (_weights(adjacency) > 0).sum(axis=1).astype(float)


def strength(adjacency: ArrayLike) -> Vector:
    """Add up each region's weights.

    Examples
    --------
    >>> strength([[0, 2, 0], [2, 0, 3], [0, 3, 0]])
    array([2., 5., 3.])
    """
    return _weights(adjacency).sum(axis=1)


def clustering(adjacency: ArrayLike) -> Vector:
    r"""Weighted clustering coefficient of each region (Onnela et al. 2005, Phys Rev E 71, 065103).

    .. math:: C_i = \frac{1}{k_i (k_i - 1)} \sum_{jh} (\hat w_{ij} \hat w_{jh} \hat w_{hi})^{1/3}

    with weights divided by the largest; 0 for regions with fewer than two edges.

    Examples
    --------
    >>> clustering([[0, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]).round(3)
    array([0.333, 1.   , 1.   , 0.   ])
    """
    A = _weights(adjacency)
    root = np.cbrt(A / max(A.max(initial=0), np.finfo(float).tiny))
    triangles = np.einsum("ij,ji->i", root @ root, root)
    k = (A > 0).sum(axis=1)
    return triangles / np.maximum(k * (k - 1), 1)


def transitivity(adjacency: ArrayLike) -> float:
    """Fraction of connected triples of regions that are triangles; the weights do not count.

    Examples
    --------
    >>> transitivity([[0, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]])
    0.6
    """
    A = (_weights(adjacency) > 0).astype(float)
    k = A.sum(axis=1)
    return float(np.einsum("ij,ji->", A @ A, A) / max((k * (k - 1)).sum(), 1))


def global_efficiency(adjacency: ArrayLike, *, weighted: bool = True) -> float:
    r"""Mean inverse path length (Latora & Marchiori 2001, PRL 87, 198701).

    .. math:: E = \frac{1}{R (R - 1)} \sum_{i \ne j} \frac{1}{d_{ij}}

    Regions without a path add 0. ``weighted=False`` counts steps, as networkx does.

    Examples
    --------
    >>> round(global_efficiency([[0, 1, 0], [1, 0, 1], [0, 1, 0]]), 3)
    0.833
    """
    return _efficiency(_distances(_weights(adjacency), weighted))


def local_efficiency(adjacency: ArrayLike) -> Vector:
    """Global efficiency, in steps, of the graph between each region's neighbours.

    Its mean is networkx's ``local_efficiency``.

    Examples
    --------
    >>> local_efficiency([[0, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]).round(3)
    array([0.333, 1.   , 1.   , 0.   ])
    """
    A = _weights(adjacency) > 0
    return np.array([_efficiency(_steps(A[row][:, row])) for row in A])


def characteristic_path_length(adjacency: ArrayLike, *, weighted: bool = True) -> float:
    """Mean path length over the pairs of regions that have a path; NaN without an edge.

    ``weighted=False`` counts steps.

    Examples
    --------
    >>> characteristic_path_length([[0, 0.5, 0], [0.5, 0, 1], [0, 1, 0]])
    2.0
    """
    d = _distances(_weights(adjacency), weighted)
    paths = d[np.isfinite(d) & (d > 0)]
    return float(paths.mean()) if len(paths) else float("nan")


def betweenness(adjacency: ArrayLike) -> Vector:
    """Fraction of the shortest paths between other regions that pass through each region.

    Brandes (2001), J Math Sociol 25, 163-177, run from all regions at once.

    Examples
    --------
    >>> betweenness([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    array([0., 1., 0.])
    """
    A = _weights(adjacency)
    n = len(A)
    lengths = np.divide(1, A, out=np.full_like(A, np.inf), where=A > 0)
    d = _distances(A)
    d[np.isinf(d)] = np.nan  # no path: compares false with everything
    sources, credit, paths = np.arange(n), np.zeros((n, n)), np.eye(n)
    by_distance = np.argsort(d, axis=1).T[1:]  # (R - 1, R): the next nearest region to each source

    def on_path(regions: NDArray) -> NDArray[np.bool_]:
        """Mark (R, R), by source, the regions from which a shortest path steps to ``regions``."""
        total = d[sources, regions, None]
        return np.abs(d + lengths[regions] - total) <= 1e-10 * total

    for regions in by_distance:
        paths[sources, regions] = (paths * on_path(regions)).sum(axis=1)
    for regions in by_distance[::-1]:
        share = (1 + credit[sources, regions]) / np.maximum(paths[sources, regions], 1)
        credit += paths * on_path(regions) * share[:, None]
    np.fill_diagonal(credit, 0)
    return credit.sum(axis=0) / max((n - 1) * (n - 2), 1)


def eigenvector_centrality(adjacency: ArrayLike) -> Vector:
    """Leading eigenvector of the weights, of length 1 and >= 0.

    In a graph of several components only the strongest has values above 0.

    Examples
    --------
    >>> eigenvector_centrality([[0, 1, 0], [1, 0, 1], [0, 1, 0]]).round(3)
    array([0.5  , 0.707, 0.5  ])
    """
    return np.abs(np.linalg.eigh(_weights(adjacency))[1][:, -1])


def participation(adjacency: ArrayLike, communities: ArrayLike) -> Vector:
    r"""How evenly each region's weights spread over communities.

    .. math:: P_i = 1 - \sum_m (s_{im} / s_i)^2

    Guimerà & Amaral (2005), Nature 433, 895-900; 0 for regions without edges.

    Examples
    --------
    >>> participation([[0, 1, 1], [1, 0, 0], [1, 0, 0]], [0, 0, 1])
    array([0.5, 0. , 0. ])
    """
    A, members = _weights(adjacency), _members(communities)
    s = A.sum(axis=1)
    shares = A @ members / np.where(s > 0, s, 1)[:, None]
    return np.where(s > 0, 1 - (shares**2).sum(axis=1), 0.0)


def modularity(adjacency: ArrayLike, communities: ArrayLike) -> float:
    r"""Weight inside communities beyond what strengths would give by chance (Newman 2006).

    .. math:: Q = \frac{1}{2m} \sum_{ij} \left(w_{ij} - \frac{s_i s_j}{2m}\right) \delta_{ij}

    Examples
    --------
    >>> modularity([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], [0, 0, 1, 1])
    0.5
    """
    A, members = _weights(adjacency), _members(communities)
    total = A.sum()
    if total == 0:
        return 0.0
    inside = np.einsum("im,ij,jm->m", members, A, members, optimize=True)
    return float((inside / total - (members.T @ A.sum(axis=1) / total) ** 2).sum())


def louvain(
    adjacency: ArrayLike, *, resolution: float = 1.0, random_state: int = 0
) -> NDArray[np.int64]:
    """Find communities by networkx's Louvain method, numbered by their first region.

    Examples
    --------
    >>> louvain([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]])
    array([0, 0, 1, 1])
    """
    graph = nx.from_numpy_array(_weights(adjacency))
    found = nx.community.louvain_communities(graph, resolution=resolution, seed=random_state)
    labels = np.empty(len(graph), dtype=np.int64)
    for number, members in enumerate(sorted(found, key=min)):
        labels[list(members)] = number
    return labels


def _weights(adjacency: ArrayLike) -> NDArray[np.float64]:
    A = symmetric(adjacency, name="adjacency").astype(np.float64, copy=False)
    if A.ndim != 2:
        raise ValueError(f"adjacency must have the shape (R, R), got {A.shape}.")
    if (A < 0).any():
        raise ValueError(
            f"adjacency has {np.count_nonzero(A < 0) // 2} negative edges: these measures need "
            'weights >= 0. Write sparsify(connectivity, sign="positive") or sign="absolute".'
        )
    return A


def _labels(communities: ArrayLike) -> NDArray[np.int64]:
    return np.unique(np.asarray(communities), return_inverse=True)[1].astype(np.int64)


def _members(communities: ArrayLike) -> NDArray[np.float64]:
    labels = _labels(communities)
    return np.eye(labels.max(initial=0) + 1)[labels]


def _distances(A: NDArray, weighted: bool = True) -> NDArray[np.float64]:
    if not weighted:
        return _steps(A > 0)
    lengths = np.divide(1, A, out=np.zeros_like(A), where=A > 0)
    return csgraph.dijkstra(csgraph.csgraph_from_dense(lengths), directed=False)


def _steps(A: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Path lengths in steps, by products of the (R, R) adjacency."""
    edges = A.astype(np.float32)
    d = np.where(A, 1.0, np.inf)
    np.fill_diagonal(d, 0)
    front, step = edges, 1
    while front.any():
        step += 1
        front = ((front @ edges > 0) & np.isinf(d)).astype(np.float32)
        d[front > 0] = step
    return d


def _efficiency(d: NDArray) -> float:
    n = len(d)
    off = ~np.eye(n, dtype=bool)
    return float((1 / d[off]).mean()) if n > 1 else 0.0
