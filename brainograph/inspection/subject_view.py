"""What a network on single participants reads of them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from brainograph.cohort import Cohort
from brainograph.estimators import PopulationNetworkClassifier
from brainograph.estimators.subject.base import SubjectGraph
from brainograph.estimators.subject.data import SubjectData
from brainograph.inspection.feature_places import phenotype_codes
from brainograph.inspection.view import Read, Values, View
from brainograph.nn import BrainBatch
from brainograph.preprocessing import check_regions
from brainograph.preprocessing.parcellation import parcellation_of
from brainograph.preprocessing.phenotypes import Phenotypes

__all__ = ["Logits", "Say", "network_views", "own_regions", "subject_views", "with_values"]

Say = Callable[[torch.nn.Module, BrainBatch, np.ndarray], Tensor]  # (network, people, their rows)
_AT_ONCE = 16  # participants


def own_regions(model: SubjectGraph | PopulationNetworkClassifier, cohort: Cohort) -> Cohort:
    """Return the cohort in the parcellation of the model, or say that its regions differ."""
    cohort = parcellation_of(cohort, model.parcellation)
    check_regions(model.region_names_, cohort.regions.index.to_numpy())
    return cohort


def subject_views(
    model: SubjectGraph, i: int, cohort: Cohort, background: Cohort | None
) -> Iterator[View]:
    """Return the views of the i-th member, 16 participants each.

    Raises
    ------
    ValueError
        If one participant would be compared with themselves.
    """
    network, phenotypes = model._members[i].eval(), model._phenotypes[i]
    cohort = own_regions(model, cohort)
    behind = None if background is None else own_regions(model, background)
    data = model._data(cohort, network)
    if phenotypes is not None:
        data = data.with_phenotypes(phenotypes.transform(cohort))
    columns = [str(name) for name in model.phenotypes]
    return network_views(network, data, cohort, behind, phenotypes, columns)


def network_views(
    network: torch.nn.Module,
    data: SubjectData,
    cohort: Cohort,
    background: Cohort | None,
    phenotypes: Phenotypes | None,
    columns: list[str],
    say: Say | None = None,
) -> Iterator[View]:
    """Return the views of participants as a network reads them, 16 each.

    Parameters
    ----------
    network : Module
        Whose ``missing_ok`` tells what may be left out.
    data : SubjectData (S)
        What is read.
    cohort, background : Cohort
        Of the same regions; by default ``cohort`` stands for no information.
    phenotypes : Phenotypes, optional
        As they are read.
    columns : list of str
        Their names in the cohort.
    say : callable, optional
        (network, some participants, their rows in ``cohort``) -> logits (B, K), what is explained;
        by default what the network says of the participants alone.
    """
    if data.regions:
        raise ValueError(
            f"the network reads the parcellations {list(data.regions)} beside its own, and an "
            "explanation names the regions of one. Explain a model of each."
        )
    behind = cohort if background is None else background
    names: list[str] = []
    means: dict[str, np.ndarray] = {}
    if phenotypes is not None:
        names = [str(name) for name in phenotypes.get_feature_names_out()]
        means["phenotypes"] = phenotypes.transform(behind).mean(axis=0)
    for kind in ("connectivity", "measures"):
        for name in data.names(kind):
            means[f"{kind}/{name}"] = np.nanmean(getattr(behind, kind)[name], axis=0)
    if means and background is None and len(cohort) < 2:
        raise ValueError(
            "one participant alone has nobody to be compared with. Give others, for example "
            "those that were learnt from: background=training_cohort."
        )
    device = next(network.parameters()).device
    codes = phenotype_codes(names, columns)
    for start in range(0, len(data), _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, len(data)))
        batch = data.batch(rows).to(device)
        reads = {name: _read(batch, name, means.get(name), codes) for name in data.reads}
        yield View(
            rows,
            reads,
            Logits(network, batch, reads, None if say is None else partial(_asked, say, rows)),
            cohort.regions.index.tolist(),
            columns,
            None if batch.lengths is None else batch.lengths.cpu().numpy(),
        )


def _read(batch: BrainBatch, name: str, mean: np.ndarray | None, codes: np.ndarray) -> Read:
    """Return the values of one name with their places; series and images are compared with 0."""
    kind, _, key = name.partition("/")
    values = getattr(batch, kind)[key] if key else getattr(batch, kind)
    shape = tuple(values.shape[1:])
    baseline = torch.zeros_like(values[:1])
    if mean is not None:
        baseline = torch.from_numpy(mean).to(values)[None]
    region = np.arange(shape[-1])
    match kind:
        case "series":
            return Read(values, baseline, shape, region, region, np.arange(shape[0])[:, None])
        case "connectivity":
            return Read(values, baseline, shape, region[:, None], region)
        case "measures":
            return Read(values, baseline, shape, region, region)
        case "phenotypes":
            return Read(values, baseline, shape, phenotype=codes)
        case _:
            return Read(values, baseline, shape)


def _asked(
    say: Say, people: np.ndarray, network: torch.nn.Module, batch: BrainBatch, rows: Tensor
) -> Tensor:
    return say(network, batch, people[rows.cpu().numpy()])


class Logits:
    """The network as a function of what it reads."""

    def __init__(
        self,
        network: torch.nn.Module,
        batch: BrainBatch,
        reads: dict[str, Read],
        say: Callable[[torch.nn.Module, BrainBatch, Tensor], Tensor] | None = None,
    ) -> None:
        self.network, self.batch = network, batch
        self.reads, self.say = reads, say

    def __call__(self, values: Values, rows: Tensor) -> Tensor:
        """Return logits (B, K) of some rows; what is left out is missing or as for nobody."""
        given = {}
        absent = []
        for name, read in self.reads.items():
            if name in values:
                given[name] = values[name]
            elif getattr(self.network, "missing_ok", False):
                given[name] = torch.zeros_like(read.values[rows])
                absent.append(name)
            else:
                given[name] = read.baseline.expand_as(read.values[rows])
        batch = with_values(self.batch[rows.to(self.batch.device)], given)
        nobody = torch.zeros(len(rows), dtype=torch.bool, device=batch.device)
        batch.present = {**batch.present, **dict.fromkeys(absent, nobody)}
        with torch.backends.cudnn.flags(enabled=False):  # its LSTM has no gradient in eval
            if self.say is None:
                return self.network(batch)
            return self.say(self.network, batch, rows)


def with_values(batch: BrainBatch, values: Values) -> BrainBatch:
    """Return the batch with other values for what is named as a network's ``reads`` name it.

    Examples
    --------
    >>> batch = BrainBatch(measures={"area": torch.zeros(1, 2)})
    >>> with_values(batch, {"measures/area": torch.ones(1, 2)}).measures["area"].tolist()
    [[1.0, 1.0]]
    """
    single = {name: value for name, value in values.items() if "/" not in name}
    named = {kind: dict(getattr(batch, kind)) for kind in ("connectivity", "measures", "images")}
    for name, value in values.items():
        kind, _, key = name.partition("/")
        if key:
            named[kind][key] = value
    return replace(batch, **single, **named)  # type: ignore[arg-type]
