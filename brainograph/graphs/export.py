"""Write the graph of one subject for other programs: GraphML, BrainNet Viewer, TSV and CSV."""

import csv
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from torch_geometric.data import Data

from brainograph.files import replace_on_success
from brainograph.graphs.brain import to_networkx
from brainograph.graphs.sparsify import symmetric

__all__ = ["write_brainnet_edges", "write_brainnet_nodes", "write_graphml", "write_matrix"]


def write_graphml(
    graph: nx.Graph | Data | ArrayLike,
    path: str | os.PathLike[str],
    *,
    regions: pd.DataFrame | Sequence[str] | None = None,
    channel: str | None = None,
) -> None:
    """Write a brain graph as GraphML, which networkx, igraph, Gephi and Cytoscape read.

    Nodes are called by their region and carry its numbers and texts; what is missing is left out.

    Parameters
    ----------
    graph : Graph, Data or array (R, R)
        Of networkx, as it is; otherwise as of :func:`~brainograph.graphs.to_networkx`.
    path : path
        The file.
    regions, channel
        As of :func:`~brainograph.graphs.to_networkx`.

    Raises
    ------
    ValueError
        For names that XML cannot hold, such as those with control characters.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "one.graphml"
    >>> write_graphml([[0, 0.5], [0.5, 0]], path, regions=["A < B", "C & D"])
    >>> list(nx.read_graphml(path).edges(data="weight"))
    [('A < B', 'C & D', 0.5)]
    """
    if isinstance(graph, nx.Graph):
        network = graph
    else:
        network = to_networkx(graph, regions=regions, channel=channel)
    plain = nx.Graph(**_plain(network.graph))
    for name, attributes in network.nodes(data=True):
        plain.add_node(_printable(name), **_plain(attributes))
    for a, b, attributes in network.edges(data=True):
        plain.add_edge(str(a), str(b), **_plain(attributes))
    with replace_on_success(path) as temporary:
        nx.write_graphml(plain, temporary)


def write_brainnet_nodes(
    regions: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    color: ArrayLike | None = None,
    size: ArrayLike | None = None,
) -> None:
    """Write the ``.node`` file of BrainNet Viewer [1]_: x, y, z, colour, size and label.

    Parameters
    ----------
    regions : DataFrame (R, .)
        ``x``, ``y``, ``z`` in MNI mm; its index are the labels, with ``_`` for spaces.
    path : path
        The file, ``NAME.node``.
    color : array (R,), optional
        Numbers; by default 1, 2, ... for the column ``network`` in the order of its names, or 1.
    size : array (R,), optional
        Numbers; 1 by default.

    Raises
    ------
    ValueError
        If a region has no coordinates, or ``color`` or ``size`` is not R finite numbers.

    References
    ----------
    .. [1] Xia, Wang & He (2013). BrainNet Viewer: a network visualization tool for human brain
           connectomics. PLoS ONE 8, e68910.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "regions.node"
    >>> table = pd.DataFrame({"x": [-40, 40], "y": [4, 4], "z": [2, 2]}, index=["Ins L", "Ins R"])
    >>> write_brainnet_nodes(table, path, size=[1, 2.5])
    >>> print(path.read_text().expandtabs(5))
    -40  4    2    1    1    Ins_L
    40   4    2    1    2.5  Ins_R
    <BLANKLINE>
    """
    lacking = [axis for axis in "xyz" if axis not in regions]
    centres = pd.DataFrame() if lacking else regions[["x", "y", "z"]].astype(float)
    without = [] if lacking else regions.index[~np.isfinite(centres).all(axis=1)].tolist()
    if lacking or without:
        raise ValueError(
            f"BrainNet Viewer needs MNI coordinates, and regions has no {lacking or without[:5]}. "
            "Write cohort.assign(regions=table) with the columns x, y, z in mm."
        )
    if color is None and "network" in regions:
        color = pd.factorize(regions["network"], sort=True, use_na_sentinel=False)[0] + 1
    columns = [
        *centres.to_numpy().T,
        _numbers(color, len(regions), "color"),
        _numbers(size, len(regions), "size"),
    ]
    with replace_on_success(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for name, *values in zip(regions.index, *columns, strict=True):
            label = "_".join(_printable(name).split()) or "-"
            file.write("\t".join([*(f"{value:g}" for value in values), label]) + "\n")


def write_brainnet_edges(connectivity: ArrayLike, path: str | os.PathLike[str]) -> None:
    r"""Write the ``.edge`` file of BrainNet Viewer: the matrix without its diagonal, as text.

    Parameters
    ----------
    connectivity : array (R, R)
        Symmetric.
    path : path
        The file, ``NAME.edge``.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "one.edge"
    >>> write_brainnet_edges([[1, 0.5], [0.5, 1]], path)
    >>> path.read_text()
    '0\t0.5\n0.5\t0\n'
    """
    matrix = _matrix(symmetric(connectivity))
    with replace_on_success(path) as temporary:
        np.savetxt(temporary, matrix, fmt=_digits(matrix), delimiter="\t")


def write_matrix(
    connectivity: ArrayLike,
    path: str | os.PathLike[str],
    *,
    regions: pd.DataFrame | Sequence[str] | None = None,
) -> None:
    r"""Write a matrix as text with a line of region names first.

    :func:`~brainograph.io.read_tables` reads it back.

    Parameters
    ----------
    connectivity : array (R, R)
        As it is, diagonal and all.
    path : path
        ``.csv`` for commas; tabs for any other name.
    regions : DataFrame (R, .) or sequence of str (R,), optional
        Names; no such line without them.

    Raises
    ------
    ValueError
        For a matrix that is not square, and another number of regions.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "one.csv"
    >>> write_matrix([[1, 0.5], [0.5, 1]], path, regions=["Insula, left", "Insula, right"])
    >>> print(path.read_text().strip())
    "Insula, left","Insula, right"
    1,0.5
    0.5,1
    """
    matrix = _matrix(np.asarray(connectivity))
    separator = "," if Path(path).suffix == ".csv" else "\t"
    with (
        replace_on_success(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        if regions is not None:
            _write_header(file, _names(regions, len(matrix)), separator)
        np.savetxt(file, matrix, fmt=_digits(matrix), delimiter=separator)


def _write_header(file: Any, names: list[str], separator: str) -> None:
    """Write the line of names; one that could be taken for numbers gets a ``#``."""
    if all(name.replace(".", "", 1).isdigit() for name in names):
        names = [f"#{names[0]}", *names[1:]]
    csv.writer(file, delimiter=separator, lineterminator="\n").writerow(names)


def _matrix(matrix: NDArray) -> NDArray:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"connectivity must have the shape (R, R), got {matrix.shape}. Of many subjects write "
            "one after the other: export_cohort(cohort, folder)."
        )
    return matrix


def _digits(matrix: NDArray) -> str:
    """Return the format that gives every value back."""
    return "%.9g" if matrix.dtype == np.float32 else "%.17g"


def _names(regions: pd.DataFrame | Sequence[str], n_regions: int) -> list[str]:
    names = list(regions.index if isinstance(regions, pd.DataFrame) else regions)
    if len(names) != n_regions:
        raise ValueError(f"regions must be {n_regions} names, got {len(names)}.")
    return [_printable(name) for name in names]


def _numbers(values: ArrayLike | None, n_regions: int, name: str) -> NDArray:
    numbers = np.ones(n_regions) if values is None else np.asarray(values, dtype=float)
    if numbers.shape != (n_regions,) or not np.isfinite(numbers).all():
        raise ValueError(
            f"{name} must be {n_regions} finite numbers, one for each region, got {numbers!r}."
        )
    return numbers


def _printable(name: Any) -> str:
    """Return the name as text, or refuse one that text files and XML cannot hold."""
    text = str(name)
    if any(unicodedata.category(character) in ("Cc", "Cs", "Cn") for character in text):
        raise ValueError(
            f"the name {text!r} holds a control character, which the file cannot. Rename it: "
            "cohort.assign(regions=cohort.regions.rename({old: new}))."
        )
    return text


def _plain(attributes: dict[Any, Any]) -> dict[str, Any]:
    """Return attributes as Python's own numbers and texts, without missing ones."""
    known = {_printable(k): v for k, v in attributes.items() if np.ndim(v) == 0 and pd.notna(v)}
    values = {k: v.item() if isinstance(v, np.generic) else v for k, v in known.items()}
    return {k: v if isinstance(v, bool | int | float) else _printable(v) for k, v in values.items()}
