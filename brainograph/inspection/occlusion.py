"""Occlusion: how a prediction changes when a region, an edge or a window is taken away."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch

from brainograph.cohort import Cohort
from brainograph.estimators import LateFusionClassifier
from brainograph.estimators.wrappers.wrapper import unwrapped
from brainograph.inspection.members import explain_members
from brainograph.inspection.opening import Model, open_model
from brainograph.inspection.view import (
    NotThereError,
    Read,
    Values,
    View,
    chosen_classes,
    margin,
    tidy_rows,
)

__all__ = ["Occluded", "occlude"]

Occluded = Literal["region", "edge", "network", "window", "phenotype", "input"]
Masks = dict[str, np.ndarray]


@torch.no_grad()
def occlude(
    model: Model,
    cohort: Cohort,
    what: Occluded = "region",
    *,
    regions: Sequence[str] | None = None,
    target: object | None = None,
    background: Cohort | None = None,
    width: int = 20,
) -> pd.DataFrame:
    r"""Take away one thing after the other and say by how much the prediction falls.

    .. math:: F(x) - F(x_{\setminus u})

    with F the log-odds of a class (with more than two, its logit less the mean of the others; of a
    regression, the standardised number). What is taken away becomes the mean of ``background``,
    and 0 in series and images; a whole input that the network can do without is missing. It works
    where there is no gradient, and costs one prediction for each thing. Of fused decisions each
    member is explained, and counts by its share.

    Parameters
    ----------
    model : fitted estimator
        Of subjects or of a population, of kernels or fused decisions, or a pipeline with a linear
        model at its end. The mean over its members is returned.
    cohort : Cohort (S)
        Whose predictions are explained.
    what : {"region", "edge", "network", "window", "phenotype", "input"}
        A region and all of its edges; one edge; all regions with the same ``network`` in
        ``cohort.regions``; ``width`` volumes; a phenotype that is read; all that is read under one
        name, such as an image or a modality. In a population graph everybody loses it; where a
        population network learns features, the participant does, whose neighbours may change.
    regions : sequence of str, optional
        Occlude only these regions, or the edges among them.
    target : label or array of labels (S,), optional
        The class to explain; by default the second of two, or the predicted one of several.
    background : Cohort, optional
        As in :func:`~brainograph.inspection.attribute`.
    width : int (volumes)
        Of a window.

    Returns
    -------
    DataFrame
        ``participant_id``, ``class``, what is occluded (``region``; ``region_a`` and ``region_b``;
        ``network``; ``start`` and ``stop`` in volumes; ``phenotype``; ``input``) and
        ``importance``.

    Raises
    ------
    ValueError
        If the model reads nothing that could be taken away so.

    References
    ----------
    Zeiler, M. D. and Fergus, R. (2014). Visualizing and understanding convolutional networks. ECCV.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.preprocessing import Edges
    >>> cohort = simulate_cohort(n_subjects=40)
    >>> model = make_pipeline(Edges(), LogisticRegression())
    >>> model = model.fit(cohort, cohort.phenotype["diagnosis"])
    >>> occlude(model, cohort, "network")["network"].unique().tolist()
    ['Control', 'Default', 'Salience', 'Somatomotor', 'Visual']
    """
    if what not in get_args(Occluded):
        raise ValueError(f"what must be one of {get_args(Occluded)}, got {what!r}.")
    codes = chosen_classes(model, cohort, target)
    *_, inner = unwrapped(model)
    if isinstance(inner, LateFusionClassifier):
        how: Any = {"regions": regions, "target": inner.classes_[codes]}
        how |= {"background": background, "width": width}
        return explain_members(inner, cohort, lambda member: occlude(member, cohort, what, **how))
    networks = _networks(cohort, getattr(inner, "parcellation", None)) if what == "network" else {}
    classes = getattr(model, "classes_", None)
    ids = np.array(cohort.participant_ids, dtype=object)
    tables = []
    for views in open_model(model, cohort, background=background):
        parts = []
        for view in views:
            units = list(_units(view, what, width, networks, regions))
            if not units:
                raise NotThereError(
                    f"the model reads {list(view.reads)}, of which no {what} can be taken away. "
                    f"Choose another of {get_args(Occluded)}."
                )
            loss = _losses(view, [mask for _, mask in units], codes[view.rows])
            labels = pd.DataFrame([label for label, _ in units])
            chosen = None if classes is None else classes[codes[view.rows]]
            table = tidy_rows(ids[view.rows], chosen, labels, loss)
            if what == "window" and view.lengths is not None:
                table = table[table["start"].to_numpy() < np.repeat(view.lengths, len(labels))]
            parts.append(table)
        tables.append(pd.concat(parts, ignore_index=True))
    return tables[0].assign(importance=np.mean([t["importance"] for t in tables], axis=0))


def _networks(cohort: Cohort, parcellation: str | None) -> dict[str, list[str]]:
    """Return the regions of each network."""
    table = cohort.regions if parcellation is None else cohort.parcellations[parcellation].regions
    if "network" not in table:
        raise ValueError(
            "the regions table has no column 'network'. Add it, for example "
            "cohort.assign(regions=cohort.regions.assign(network=yeo7))."
        )
    known = table[table["network"].notna()]
    groups = known.groupby(known["network"].astype(str)).groups
    return {str(name): list(members) for name, members in groups.items()}


def _units(
    view: View,
    what: Occluded,
    width: int,
    networks: dict[str, list[str]],
    regions: Sequence[str] | None,
) -> Iterator[tuple[dict[str, object], Masks]]:
    """Return the labels and the masks of all that can be taken away."""
    if what == "input":
        for name in view.reads:
            yield {"input": name}, {name: np.ones((), dtype=bool)}
    elif what == "window":
        volumes = [int(read.volume.max()) + 1 for read in view.reads.values()]
        for start in range(0, max(volumes), width):
            stop = min(start + width, max(volumes))
            inside = {n: _inside(read, start, stop) for n, read in view.reads.items()}
            yield {"start": start, "stop": stop}, _some(inside)
    elif what == "phenotype":
        for i in _there(view, "phenotype"):
            masks = {name: read.phenotype == i for name, read in view.reads.items()}
            yield {"phenotype": view.phenotypes[i]}, _some(masks)
    elif what == "network":
        for network, members in networks.items():
            yield {"network": network}, _touching(view, members)
    elif what == "region":
        for region in _chosen(view, regions):
            yield {"region": region}, _touching(view, [region])
    else:
        yield from _edges(view, _chosen(view, regions))


def _chosen(view: View, regions: Sequence[str] | None) -> list[str]:
    """Return the regions that are read, or those of them that are wanted."""
    there = [view.regions[i] for i in _there(view, "first")]
    if strangers := sorted(set(() if regions is None else regions) - set(there)):
        raise ValueError(f"the model reads no regions {strangers[:5]}; it reads {there[:5]}, ...")
    return there if regions is None else list(regions)


def _there(view: View, place: str) -> np.ndarray:
    """Return the regions or phenotypes that are read, by number."""
    codes = np.concatenate([np.ravel(getattr(read, place)) for read in view.reads.values()])
    if place == "first":
        codes = np.concatenate([codes, *(np.ravel(read.second) for read in view.reads.values())])
    return np.unique(codes[codes >= 0])


def _inside(read: Read, start: int, stop: int) -> np.ndarray:
    return (read.volume >= start) & (read.volume < stop)


def _some(masks: Masks) -> Masks:
    """Leave out the masks that take nothing away."""
    return {name: mask for name, mask in masks.items() if mask.any()}


def _touching(view: View, members: Sequence[str]) -> Masks:
    """Return the masks of regions and of all of their edges."""
    codes = [view.regions.index(name) for name in members]
    reads = view.reads.items()
    return _some({n: np.isin(r.first, codes) | np.isin(r.second, codes) for n, r in reads})


def _edges(view: View, regions: list[str]) -> Iterator[tuple[dict[str, object], Masks]]:
    """Return the edges among regions, each in both directions."""
    codes = sorted(view.regions.index(name) for name in regions)
    pairs = [(a, b) for i, a in enumerate(codes) for b in codes[i + 1 :]]
    for a, b in pairs:
        masks = {
            name: ((r.first == a) & (r.second == b)) | ((r.first == b) & (r.second == a))
            for name, r in view.reads.items()
        }
        if masks := _some(masks):
            yield {"region_a": view.regions[a], "region_b": view.regions[b]}, masks


def _losses(view: View, units: list[Masks], target: np.ndarray) -> np.ndarray:
    """Return how much lower the margin is without each unit (B, U)."""
    codes = torch.from_numpy(target)
    values, rows = view.values, view.positions
    logits = view.logits(values, rows)
    codes = codes.to(logits.device)
    before = margin(logits, codes)
    losses = [before - margin(view.logits(_without(view, masks), rows), codes) for masks in units]
    return torch.stack(losses, dim=1).double().cpu().numpy()


def _without(view: View, masks: Masks) -> Values:
    """Return the values without what is masked; an input that is masked as a whole is left out."""
    values = view.values
    for name, mask in masks.items():
        if mask.ndim == 0:
            del values[name]
            continue
        read = view.reads[name]
        gone = torch.from_numpy(np.broadcast_to(mask, read.shape).copy()).to(read.values.device)
        values[name] = torch.where(gone, read.baseline, read.values)
    return values
