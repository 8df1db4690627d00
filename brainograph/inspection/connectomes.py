"""Pictures of brain graphs and of the graph of participants."""

from typing import Literal, get_args

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from nilearn import plotting
from nilearn.plotting.displays import OrthoProjector

from brainograph.inspection.style import GREY, MAIN, OTHERS, line_style, new_axes, plain, tidy

__all__ = ["plot_connectome", "plot_matrix", "plot_population_graph", "plot_windows"]

ColorBy = Literal["site", "diagnosis"]
_DIAGNOSES = {1: "patient", 0: "control"}
_COLORS = (MAIN, *OTHERS, "#000000", "#C0C0C0")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")


def plot_matrix(
    matrix: np.ndarray, *, regions: pd.DataFrame | None = None, axes: Axes | None = None
) -> Axes:
    """Draw a connectivity matrix, its regions in the order of their networks.

    Parameters
    ----------
    matrix : array (R, R)
    regions : DataFrame (R, .), optional
        Indexed by region name; with a ``network`` column the rows are ordered by it, and blocks
        carry its names. Without one, up to 60 regions carry their own names.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the matrix is not square or does not fit the regions.

    Examples
    --------
    >>> regions = pd.DataFrame({"network": ["visual", "default", "visual"]}, index=list("abc"))
    >>> axes = plot_matrix(np.eye(3), regions=regions)
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['default', 'visual']
    """
    n_regions = len(matrix)
    if matrix.shape != (n_regions, n_regions):
        raise ValueError(f"matrix must be (R, R), got {matrix.shape}. Give one subject: fc[0].")
    if regions is not None and len(regions) != n_regions:
        raise ValueError(f"regions must have {n_regions} rows like the matrix, got {len(regions)}.")
    axes = new_axes(axes, size=(5.4, 4.6))
    networks = None
    if regions is not None and "network" in regions.columns:
        networks = regions["network"].fillna("none").astype(str).to_numpy()
    order = np.arange(n_regions) if networks is None else np.argsort(networks, kind="stable")
    off_diagonal = matrix[~np.eye(n_regions, dtype=bool)]
    limit = float(np.quantile(np.abs(off_diagonal), 0.99)) if off_diagonal.size else 1.0
    signed = bool((off_diagonal < 0).any())
    picture = axes.imshow(
        matrix[np.ix_(order, order)],
        cmap="RdBu_r" if signed else "Reds",
        vmin=-(limit or 1) if signed else 0,
        vmax=limit or 1,
    )
    plt.colorbar(picture, ax=axes, shrink=0.8, label="connectivity")
    if networks is not None:
        blocks, start, size = np.unique(networks[order], return_index=True, return_counts=True)
        axes.set_yticks(start + (size - 1) / 2, [plain(block) for block in blocks])
        axes.set_xticks([])
        for edge in start[1:] - 0.5:
            axes.axhline(edge, color="black", linewidth=0.6)
            axes.axvline(edge, color="black", linewidth=0.6)
    elif regions is not None and n_regions <= 60:
        names = [plain(name) for name in regions.index]
        axes.set_yticks(np.arange(n_regions), names, fontsize="x-small")
        axes.set_xticks(np.arange(n_regions), names, fontsize="x-small", rotation=90)
    axes.tick_params(length=0)
    return axes


def plot_connectome(
    matrix: np.ndarray,
    regions: pd.DataFrame,
    *,
    edge_threshold: float | str = "98%",
    node_size: float = 18,
    title: str | None = None,
    axes: Axes | None = None,
) -> OrthoProjector:
    """Draw the strongest edges of a matrix on a glass brain.

    Parameters
    ----------
    matrix : array (R, R)
        Symmetric.
    regions : DataFrame (R, .)
        With ``x``, ``y``, ``z`` in MNI millimetres.
    edge_threshold : float or percentage
        As for :func:`nilearn.plotting.plot_connectome`.
    node_size : float
        Area of a node in points squared.
    title : str, optional
        Text above the brain.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    OrthoProjector
        nilearn's display; ``display.savefig(path)`` writes it.

    Raises
    ------
    ValueError
        If the regions have no coordinates.
    """
    missing = [name for name in "xyz" if name not in regions.columns]
    if missing:
        raise ValueError(
            f"regions need the columns x, y, z in MNI mm, {missing} are missing. Read the cohort "
            f"with an atlas image, or add them: regions[['x', 'y', 'z']] = coordinates."
        )
    placed = regions[["x", "y", "z"]].notna().all(axis=1).to_numpy()
    return plotting.plot_connectome(
        matrix[np.ix_(placed, placed)],
        regions.loc[placed, ["x", "y", "z"]].to_numpy(float),
        node_color="#333333",
        node_size=node_size,
        edge_cmap="RdBu_r",
        edge_threshold=edge_threshold,
        title=None if title is None else plain(title),
        axes=axes,
        colorbar=True,
    )


def plot_population_graph(
    adjacency: np.ndarray,
    phenotype: pd.DataFrame,
    *,
    color_by: ColorBy = "site",
    seed: int = 0,
    axes: Axes | None = None,
) -> Axes:
    """Draw the graph of participants, placed by its springs.

    Parameters
    ----------
    adjacency : array (S, S)
        Symmetric weights; 0 is no edge. The 5000 strongest edges are drawn.
    phenotype : DataFrame (S, .)
        With the column ``color_by``. Participants that the springs throw far out are drawn at
        the border.
    color_by : {"site", "diagnosis"}
        What colours and shapes tell apart. Sites beyond the nine largest share one colour.
    seed : int
        Seed of the layout.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the sizes differ, or the phenotype lacks the column.
    """
    if color_by not in get_args(ColorBy):
        raise ValueError(f"color_by must be one of {get_args(ColorBy)}, got {color_by!r}.")
    if color_by not in phenotype.columns or adjacency.shape != (len(phenotype),) * 2:
        raise ValueError(
            f"adjacency must be (S, S) and phenotype (S, .) with the column {color_by!r}, got "
            f"{adjacency.shape} and {phenotype.shape} with {list(phenotype.columns)}."
        )
    axes = new_axes(axes, size=(5.4, 4.6))
    weights = np.triu(np.asarray(adjacency, dtype=float), k=1)
    graph = nx.from_numpy_array(weights + weights.T)
    layout = nx.spring_layout(graph, seed=seed, iterations=60)
    strongest = sorted(graph.edges(data="weight"), key=lambda edge: -abs(edge[2]))[:5000]
    position = np.array([layout[node] for node in graph])
    low, high = np.quantile(position, [0.01, 0.99], axis=0)
    position = np.clip(position, low, high)
    nx.draw_networkx_edges(
        graph,
        dict(enumerate(position)),
        edgelist=strongest,
        ax=axes,
        edge_color=GREY,
        width=0.4,
        alpha=0.25,
    )
    groups = phenotype[color_by].map(_DIAGNOSES) if color_by == "diagnosis" else phenotype[color_by]
    groups = groups.astype(object).where(groups.notna(), "unknown").astype(str)
    largest = list(groups.value_counts().index[:9])
    groups = groups.where(groups.isin(largest), "other")
    for rank, group in enumerate(dict.fromkeys([*largest, *groups])):
        x, y = position[(groups == group).to_numpy()].T
        color, marker = _COLORS[rank % len(_COLORS)], _MARKERS[rank % len(_MARKERS)]
        axes.scatter(x, y, s=16, c=color, marker=marker, linewidths=0, label=plain(group), zorder=3)
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    axes.set_axis_off()
    return axes


def plot_windows(
    windows: np.ndarray,
    *,
    seconds: np.ndarray | None = None,
    regions: pd.DataFrame | None = None,
    n_edges: int = 5,
    axes: Axes | None = None,
) -> Axes:
    """Draw the edges that change most over sliding windows, above the mean over all edges.

    Parameters
    ----------
    windows : array (W, R, R)
        One matrix for each window or state.
    seconds : array (W,), optional
        Centre of each window in seconds; its number by default.
    regions : DataFrame (R, .), optional
        Its index names the edges.
    n_edges : int
        How many edges are drawn.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If ``windows`` is not (W, R, R).
    """
    if windows.ndim != 3 or windows.shape[1] != windows.shape[2]:
        raise ValueError(
            f"windows must be (W, R, R), got {windows.shape}. Give one subject's windows."
        )
    axes = new_axes(axes, size=(5.4, 3.4))
    n_windows, n_regions = windows.shape[:2]
    first, second = np.triu_indices(n_regions, k=1)
    edges = windows[:, first, second]
    names = np.arange(n_regions) if regions is None else regions.index
    where = np.arange(n_windows) if seconds is None else seconds
    for rank, edge in enumerate(np.argsort(-edges.std(axis=0), kind="stable")[:n_edges]):
        name = plain(f"{names[first[edge]]} - {names[second[edge]]}")
        axes.plot(where, edges[:, edge], linewidth=1.1, label=name, **line_style(rank))
    axes.plot(where, edges.mean(axis=1), color="black", linewidth=2, label="mean of all edges")
    axes.set(xlabel="window" if seconds is None else "time (s)", ylabel="connectivity")
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return tidy(axes, grid="y")
