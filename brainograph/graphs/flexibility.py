"""Communities of regions over time, and which regions change theirs."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from brainograph.graphs.measures import louvain, modularity

__all__ = ["dynamic_communities", "flexibility", "match_communities"]


def dynamic_communities(
    windows: ArrayLike, *, resolution: float = 1.0, random_state: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the communities of each window by Louvain's method, and their modularity.

    Every window is divided by itself and the labels are matched afterwards
    (:func:`match_communities`); the multilayer modularity of Mucha et al. (2010), which couples
    the windows, is another method and gives smoother communities.

    Parameters
    ----------
    windows : array (W, R, R)
        Symmetric weights >= 0, such as ``sparsify(windows, density=0.2, spanning_tree=True)``:
        a region without an edge would be a community of its own.
    resolution : float
        Above 1 for more and smaller communities.
    random_state : int
        Seed, the same in all windows: equal windows have equal communities.

    Returns
    -------
    communities : array (W, R) of int
        Numbered alike in all windows.
    modularity : array (W,)
        Newman's Q.

    Examples
    --------
    >>> pairs = np.kron(np.eye(2), np.ones((2, 2)))
    >>> communities, q = dynamic_communities([pairs, pairs])
    >>> communities.tolist(), q.tolist()
    ([[0, 0, 1, 1], [0, 0, 1, 1]], [0.5, 0.5])
    """
    matrices = np.asarray(windows)
    if matrices.ndim != 3 or not len(matrices):
        raise ValueError(f"windows must have the shape (W, R, R), got {matrices.shape}.")
    found = [louvain(one, resolution=resolution, random_state=random_state) for one in matrices]
    quality = [modularity(one, labels) for one, labels in zip(matrices, found, strict=True)]
    return match_communities(found), np.array(quality)


def match_communities(communities: ArrayLike) -> NDArray[np.int64]:
    """Give communities the numbers of those they overlap with in the window before.

    Pairs are chosen so that as many regions as possible keep their number; a community that
    continues none gets a new one.

    Parameters
    ----------
    communities : array (W, R) of int
        Community of each region in each window, numbered anew in every window.

    Returns
    -------
    array (W, R) of int

    Examples
    --------
    >>> match_communities([[0, 0, 1, 1, 1], [0, 0, 0, 1, 1], [0, 1, 1, 2, 2]]).tolist()
    [[0, 0, 1, 1, 1], [0, 0, 0, 1, 1], [2, 0, 0, 1, 1]]
    """
    given = np.asarray(communities)
    if given.ndim != 2:
        raise ValueError(f"communities must have the shape (W, R), got {given.shape}.")
    matched = np.empty(given.shape, dtype=np.int64)
    matched[:1] = [np.unique(first, return_inverse=True)[1] for first in given[:1]]
    for w in range(1, len(given)):
        names, before = np.unique(matched[w - 1], return_inverse=True)
        n_now, now = len(np.unique(given[w])), np.unique(given[w], return_inverse=True)[1]
        overlap = np.zeros((n_now, len(names)), dtype=int)
        np.add.at(overlap, (now, before), 1)
        numbers = np.full(n_now, -1)
        for row, column in zip(*linear_sum_assignment(-overlap), strict=True):
            if overlap[row, column]:
                numbers[row] = names[column]
        new = numbers == -1
        numbers[new] = matched[:w].max() + 1 + np.arange(new.sum())
        matched[w] = numbers[now]
    return matched


def flexibility(communities: ArrayLike) -> NDArray[np.float64]:
    r"""Share of the steps from window to window at which a region changes its community.

    .. math:: f_i = \frac{1}{W - 1} \sum_{w=2}^{W} [g_{iw} \ne g_{i,w-1}]

    (Bassett et al. 2011, PNAS 108, 7641-7646). Overlapping windows change little from one to the
    next: state length and step with it.

    Parameters
    ----------
    communities : array (W, R) of int
        Numbered alike in all windows, as by :func:`dynamic_communities`.

    Returns
    -------
    array (R,)
        In [0, 1].

    Examples
    --------
    >>> flexibility([[0, 0, 1], [0, 1, 1], [0, 0, 1]])
    array([0., 1., 0.])
    """
    labels = np.asarray(communities)
    if labels.ndim != 2 or len(labels) < 2:
        raise ValueError(
            f"communities must have the shape (W, R) with two windows or more, got {labels.shape}."
        )
    return (labels[1:] != labels[:-1]).mean(axis=0)
