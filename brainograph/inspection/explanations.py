"""Everything that is known of why a model predicts what it does, in one folder."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from brainograph.cohort import Cohort
from brainograph.estimators import (
    LateFusionClassifier,
    MultipleKernelClassifier,
    PopulationGraphClassifier,
    PopulationNetworkClassifier,
)
from brainograph.estimators.subject.base import SubjectGraph
from brainograph.estimators.wrappers.wrapper import unwrapped
from brainograph.files import replace_on_success, write_json, write_tsv
from brainograph.inspection.attention import attention
from brainograph.inspection.attribution import Level, attribute
from brainograph.inspection.brains import plot_chord, plot_ranking, plot_regions
from brainograph.inspection.curves import plot_attention
from brainograph.inspection.graph_explainer import explain_graph
from brainograph.inspection.haufe import haufe_patterns
from brainograph.inspection.image_maps import ImageMethod, map_images, map_regions, save_maps
from brainograph.inspection.importances import places_of, summarize, to_regions
from brainograph.inspection.influence import neighbor_influence, phenotype_influence
from brainograph.inspection.members import modality_contributions
from brainograph.inspection.occlusion import Occluded, occlude
from brainograph.inspection.opening import Model, open_model

__all__ = ["Explanation", "write_explanations"]

Explanation = Literal[
    "integrated_gradients",
    "saliency",
    "occlusion",
    "attention",
    "haufe",
    "neighbors",
    "phenotypes",
    "modalities",
    "gnnexplainer",
    "gradcam",
    "gradcam++",
]
_MOST_ROWS = 200_000  # of a table of participants; edges of many are summarised only


def write_explanations(
    model: Model,
    cohort: Cohort,
    folder: str | os.PathLike[str],
    *,
    methods: Sequence[Explanation] = (),
    levels: Sequence[str] = (),
    target: object | None = None,
    background: Cohort | None = None,
    atlas: str | os.PathLike[str] | None = None,
) -> Path:
    """Explain a model by one or more methods and write tables, pictures and maps.

    Parameters
    ----------
    model : fitted estimator
        As for :func:`~brainograph.inspection.attribute`.
    cohort : Cohort (S)
        Whose predictions are explained.
    folder : path
        The folder to make, whole or not at all.
    methods : sequence of str
        Some of ``Explanation``; by default what suits the model: Haufe's patterns for a linear
        one, integrated gradients for another population graph, occlusion for networks on
        participants, Grad-CAM for images, neighbours and phenotypes for a population graph,
        contributions of modalities where kernels or decisions are fused.
    levels : sequence of str
        Regions, edges, networks, windows ... only; by default all that a method has and that do not
        take a prediction for each edge.
    target : label, optional
        The class to explain; by default the second of two, or the predicted one of several.
    background : Cohort, optional
        As for :func:`~brainograph.inspection.attribute`.
    atlas : path, optional
        Label image of the regions: they are filled on slices instead of marked by dots, and maps of
        images are averaged over them.

    Returns
    -------
    path
        The folder: ``METHOD_LEVEL.tsv`` (mean over participants), its picture ``.png``,
        ``participants/METHOD_LEVEL.tsv``, ``maps/*.nii.gz``, ``regions.tsv`` (where they are) and
        ``explanations.json``.

    Raises
    ------
    ValueError
        If the model lacks what a method explains.
    """
    *_, inner = unwrapped(model)
    chosen = list(methods) or _suitable(inner, cohort)
    if strangers := [one for one in chosen if one not in get_args(Explanation)]:
        raise ValueError(f"methods must be among {get_args(Explanation)}, got {strangers}.")
    if getattr(inner, "parcellation", None) is not None:
        shown = cohort.parcellations[inner.parcellation].regions
    else:
        shown = cohort.regions
    with replace_on_success(folder) as part:
        part.mkdir()
        written = []
        for method in chosen:
            for name, table in _tables(
                model, cohort, method, levels, target, background, atlas, part
            ):
                _write(table, name, shown, part, atlas)
                written.append(name)
        if not written:
            raise ValueError(
                f"{', '.join(chosen)} of this model has none of the levels {list(levels)}. Leave "
                "the levels out."
            )
        facts = {"methods": chosen, "tables": written, "n_participants": len(cohort)}
        write_json(facts, part / "explanations.json")
        write_tsv(shown.rename_axis("region"), part / "regions.tsv", index=True)
    return Path(folder)


def _suitable(model: Any, cohort: Cohort) -> list[Explanation]:
    """Return the methods that tell most about a kind of model."""
    if isinstance(model, LateFusionClassifier):
        return ["modalities", "occlusion"]
    if isinstance(model, MultipleKernelClassifier):
        return ["modalities", "haufe" if model.kernel == "linear" else "occlusion"]
    if isinstance(model, PopulationGraphClassifier):
        features: list[Explanation] = ["integrated_gradients" if model.num_layers else "haufe"]
        joined = model.combine != "none"
        return [*features, "phenotypes", "neighbors"] if joined else features
    if not isinstance(model, (SubjectGraph, PopulationNetworkClassifier)):
        return ["haufe"]
    network: Any = model.networks_[0]
    reads = network.reads
    methods: list[Explanation] = []
    if any(name.startswith("images/") for name in reads):
        methods.append("gradcam")
    if not all(name.startswith("images/") for name in reads):
        methods.append("occlusion")
    if isinstance(model, PopulationNetworkClassifier) and model.combine != "none":
        methods += ["phenotypes", "neighbors"]
    return methods


def _tables(
    model: Any,
    cohort: Cohort,
    method: Explanation,
    levels: Sequence[str],
    target: object | None,
    background: Cohort | None,
    atlas: str | os.PathLike[str] | None,
    folder: Path,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Return the names and tables of one method; maps of images are written."""

    def wanted(*known: str) -> list[str]:
        return [level for level in known if not levels or level in levels]

    more: dict[str, Any] = {"target": target, "background": background}
    match method:
        case "integrated_gradients" | "saliency":
            there = _levels(model, cohort, background)
            for level in wanted(*(level for level in there if level in get_args(Level))):
                table = attribute(model, cohort, method=method, level=cast("Level", level), **more)
                yield f"{method}_{level}", table
        case "occlusion":
            there = _levels(model, cohort, background)
            if "network" in cohort.regions and "region" in there:
                there.append("network")
            for level in wanted(*there):
                if level == "edge" and "edge" not in levels:
                    continue
                yield f"occlusion_{level}", occlude(model, cohort, cast("Occluded", level), **more)
        case "attention":
            *_, inner = unwrapped(model)
            by_time = hasattr(getattr(inner, "_members", [None])[0], "window")
            for level in wanted("region", *(["window"] if by_time else [])):
                yield f"attention_{level}", attention(model, cohort, level=cast("Any", level))
        case "haufe":
            edges = haufe_patterns(model, cohort)
            found = {"edge": edges, "region": to_regions(edges)}
            yield from ((f"haufe_{level}", found[level]) for level in wanted("region", "edge"))
        case "neighbors":
            found = neighbor_influence(model, cohort, target=target)
            yield from (("neighbors", found) for _ in wanted("neighbor"))
        case "modalities":
            found = modality_contributions(model, cohort)
            yield from (("modalities", found) for _ in wanted("input"))
        case "phenotypes":
            found = phenotype_influence(model, cohort, target=target)
            yield from (("phenotypes", found) for _ in wanted("phenotype"))
        case "gnnexplainer":
            found = explain_graph(model, cohort, target=target)
            yield from (("gnnexplainer", found) for _ in wanted("neighbor"))
        case _:
            maps = map_images(model, cohort, method=cast("ImageMethod", method), target=target)
            suffix = method.replace("+", "p")
            save_maps(maps, folder / "maps", suffix=suffix)
            if atlas is not None:
                yield f"{suffix}_region", map_regions(maps, atlas)
            else:
                total = [float(image.get_fdata().mean()) for image in maps.values()]
                rows = {"participant_id": list(maps), "input": "image", "importance": total}
                yield f"{suffix}_input", pd.DataFrame(rows)


def _levels(model: Model, cohort: Cohort, background: Cohort | None) -> list[str]:
    """Return what the values that a model reads belong to."""
    *_, inner = unwrapped(model)
    if isinstance(inner, LateFusionClassifier):
        members = [_levels(one, cohort, background) for one in inner.members_.values()]
        return list(dict.fromkeys([*(level for one in members for level in one), "input"]))
    some = cohort[: min(2, len(cohort))]
    view = next(iter(open_model(model, some, background=background)[0]))
    reads = view.reads.values()
    there = {
        "region": any((read.first >= 0).any() for read in reads),
        "edge": any(((read.first >= 0) & (read.first != read.second)).any() for read in reads),
        "window": any((read.volume >= 0).any() for read in reads),
        "phenotype": any((read.phenotype >= 0).any() for read in reads),
        "input": len(view.reads) > 1,
    }
    return [level for level, is_there in there.items() if is_there]


def _write(
    table: pd.DataFrame,
    name: str,
    regions: pd.DataFrame,
    folder: Path,
    atlas: str | os.PathLike[str] | None,
) -> None:
    """Write the mean over participants, who had what, and a picture."""
    if "participant_id" in table and len(table) <= _MOST_ROWS:
        (folder / "participants").mkdir(exist_ok=True)
        write_tsv(table, folder / "participants" / f"{name}.tsv")
    write_tsv(summarize(table), folder / f"{name}.tsv")
    for suffix, figure in _pictures(table, regions, atlas):
        figure.savefig(folder / f"{name}{suffix}.png", dpi=150, bbox_inches="tight")
        plt.close(figure)


def _pictures(
    table: pd.DataFrame, regions: pd.DataFrame, atlas: str | os.PathLike[str] | None
) -> Iterator[tuple[str, Figure]]:
    """Draw what a table is about."""
    places = places_of(table)
    if places[:2] == ["start", "stop"]:
        yield "", cast("Figure", plot_attention(table).figure)
        return
    yield "", cast("Figure", plot_ranking(table).figure)
    known = set(regions.index.astype(str))
    if not {str(one) for column in places for one in table[column].unique()} <= known:
        return
    if places == ["region_a", "region_b"]:
        yield "_chord", cast("Figure", plot_chord(table, regions).figure)
    elif places == ["region"] and (atlas is not None or {"x", "y", "z"} <= set(regions)):
        where: Any = "markers" if atlas is None else "slices"
        yield "_brain", plot_regions(table, regions, where=where, atlas=atlas)
