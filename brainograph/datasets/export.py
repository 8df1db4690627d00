"""Write a cohort's graphs and matrices for other programs."""

import os
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from torch_geometric.data import InMemoryDataset

import brainograph
from brainograph.cohort import Cohort
from brainograph.datasets.pyg import BrainGraphDataset
from brainograph.files import replace_on_success, write_json, write_tsv
from brainograph.graphs.brain import to_networkx
from brainograph.graphs.export import (
    write_brainnet_edges,
    write_brainnet_nodes,
    write_graphml,
    write_matrix,
)
from brainograph.graphs.sparsify import Sign, sparsify

__all__ = ["Format", "export_cohort"]

Format = Literal["graphml", "brainnet", "pyg", "csv", "tsv"]


def export_cohort(
    cohort: Cohort,
    folder: str | os.PathLike[str],
    *,
    format: Format = "tsv",
    matrix: str = "fc",
    density: float | None = None,
    sign: Sign = "signed",
    overwrite: bool = False,
) -> Path:
    """Write one matrix or graph for each participant, for programs that know no cohort.

    Beside them stand ``participants.tsv``, ``regions.tsv`` and ``export.json``, which says how they
    were made. Participants are in the order of their ids.

    Parameters
    ----------
    cohort : Cohort (S)
        With ``connectivity``. :func:`~brainograph.estimators.saving.privacy.hash_ids` gives its
        participants other names.
    folder : path
        The folder to make.
    format : {"graphml", "brainnet", "pyg", "csv", "tsv"}
        "graphml": ``ID.graphml``. "brainnet": ``regions.node`` and ``ID.edge``. "pyg":
        ``graphs.pt``, which ``torch_geometric.data.InMemoryDataset().load(path)`` opens. "csv" and
        "tsv": ``ID.csv`` with a line of region names, which :func:`~brainograph.io.read_tables`
        reads back.
    matrix : str
        Of ``cohort.connectivity``.
    density : float, optional
        Share of the edges that stay, the strongest; None keeps all.
    sign : {"signed", "positive", "absolute", "negative"}
        As of :func:`~brainograph.graphs.sparsify`. Most convolutions need "positive" or "absolute".
    overwrite : bool
        Whether an export that is there may be replaced.

    Returns
    -------
    path
        The folder.

    Raises
    ------
    ValueError
        For an unknown format, a matrix that the cohort lacks, ids that cannot be file names, and
        regions without coordinates where the format needs them.
    FileExistsError
        If the folder holds something else, or an export and ``overwrite`` is not set.

    Examples
    --------
    >>> import tempfile
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(2, n_regions=6)
    >>> folder = export_cohort(cohort, Path(tempfile.mkdtemp()) / "out", format="graphml")
    >>> len(list(folder.glob("*.graphml")))
    2
    """
    if format not in get_args(Format):
        raise ValueError(f"format must be one of {get_args(Format)}, got {format!r}.")
    if matrix not in cohort.connectivity:
        raise ValueError(
            f"the cohort has no connectivity {matrix!r}; it has {list(cohort.connectivity)}."
        )
    _check_names(cohort.participant_ids)
    cohort = cohort[np.argsort(cohort.participant_ids)]
    folder = Path(folder)
    _check_free(folder, overwrite=overwrite)
    facts = {"format": format, "matrix": matrix, "density": density, "sign": sign}
    with replace_on_success(folder) as part:
        part.mkdir()
        write_tsv(cohort.phenotype, part / "participants.tsv", index=True)
        write_tsv(cohort.regions, part / "regions.tsv", index=True)
        write_json({**facts, "brainograph": brainograph.__version__}, part / "export.json")
        if format == "pyg":
            graphs = BrainGraphDataset(cohort, matrix=matrix, density=density, sign=sign)
            InMemoryDataset.save(list(graphs), str(part / "graphs.pt"))
        else:
            _write_each(cohort, part, format, matrix, density, sign)
    return folder


def _write_each(
    cohort: Cohort, folder: Path, format: Format, matrix: str, density: float | None, sign: Sign
) -> None:
    """Write one file for each participant."""
    if format == "brainnet":
        write_brainnet_nodes(cohort.regions, folder / "regions.node")
    whole = density is None and sign == "signed"
    for name, values in zip(cohort.participant_ids, cohort.connectivity[matrix], strict=True):
        try:
            kept = values if whole else sparsify(values, density=density, sign=sign)
            if format == "graphml":
                graph = to_networkx(kept, regions=cohort.regions)
                graph.graph["participant_id"] = name
                write_graphml(graph, folder / f"{name}.graphml")
            elif format == "brainnet":
                write_brainnet_edges(kept, folder / f"{name}.edge")
            else:
                write_matrix(kept, folder / f"{name}.{format}", regions=cohort.regions)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def _check_names(participant_ids: list[str]) -> None:
    """Refuse ids that are not names of files."""
    wrong = [n for n in participant_ids if not n.strip(". ") or any(c in n for c in "/\\:\0\n\r\t")]
    if wrong:
        raise ValueError(
            f"{len(wrong)} participants have ids that cannot be names of files: {wrong[:5]}. "
            "Rename them, or hash them: --hash-ids, hash_ids(cohort, salt)."
        )


def _check_free(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something else, or an export that may not be replaced."""
    ours = (folder / "export.json").is_file()
    occupied = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if occupied and not (ours and overwrite):
        hint = "Write overwrite=True to replace it" if ours else "It is not an export"
        raise FileExistsError(f"{folder} exists. {hint}, or choose another folder.")
