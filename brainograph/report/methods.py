"""A methods section that can be pasted into a paper, from the configuration and the provenance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from brainograph.report.citations import CITATIONS, cite_network
from brainograph.report.target import Target
from brainograph.report.verdict import describe_model
from brainograph.report.words import flat, listed

__all__ = ["Methods", "describe_scheme", "write_methods"]

_PIPELINES = {
    "cpac": "C-PAC",
    "fmriprep": "fMRIPrep",
    "xcpd": "XCP-D",
    "freesurfer": "FreeSurfer",
}
_ATLASES = {
    "ho": "Harvard-Oxford",
    "aal": "AAL",
    "cc200": "Craddock 200",
    "cc400": "Craddock 400",
}
_CONVOLUTIONS = {"cheb": "Chebyshev", "gcn": "graph", "sage": "GraphSAGE", "gat": "attention"}
_REGIMES = {
    "transductive": "the scans and phenotypes of the test participants, never their labels, were "
    "present in training",
    "inductive": "the test participants were absent in training",
    "single_query": "the test participants were absent in training and each was predicted alone",
}
_HARMONIZED = {
    "center": "each site's mean was subtracted",
    "combat": "site effects were removed with ComBat",
    "mida": "site effects were removed by maximum independence domain adaptation",
}
_HEADLINES = {
    "binary": "the area under the ROC curve (AUC)",
    "multiclass": "the area under the ROC curve (AUC) of each class against the rest, averaged",
    "regression": "the mean absolute error",
}
_OPTIMIZERS = {"lbfgs": "L-BFGS", "adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}
_WITHOUT_FEATURES = ("subject_graph", "population_network", "late_fusion")
_TREES = {"forest": "a random forest", "boosting": "gradient boosting"}
_SHRINKAGE = {"ledoit_wolf": "Ledoit-Wolf", "oas": "oracle approximating"}


@dataclass(frozen=True)
class Methods:
    """Paragraphs by their heading, with numbers in brackets for the references.

    Parameters
    ----------
    paragraphs : dict of str
    references : tuple of str
        In the order of their numbers, from 1.
    """

    paragraphs: dict[str, str]
    references: tuple[str, ...]


class _References:
    """Number works in the order in which they are cited."""

    def __init__(self) -> None:
        self.works: list[str] = []

    def cite(self, *names: str) -> str:
        """Return the numbers of works known by name, such as `` [1, 2]``, or nothing."""
        return self.cite_works(*(CITATIONS[name] for name in names if name in CITATIONS))

    def cite_works(self, *works: str) -> str:
        """Return the numbers of works."""
        self.works += [work for work in dict.fromkeys(works) if work not in self.works]
        places = sorted(self.works.index(work) + 1 for work in set(works))
        return f" [{', '.join(map(str, places))}]" if places else ""


def describe_scheme(predictions: pd.DataFrame) -> str:
    """Say how the folds were made, from the rows of one model.

    Examples
    --------
    >>> rows = {"model": "gcn", "regime": "inductive", "repeat": 0, "fold": [0, 1, 2]}
    >>> describe_scheme(pd.DataFrame(rows))
    '3-fold cross-validation'
    """
    one = predictions[predictions["model"] == predictions["model"].iloc[0]]
    one = one[one["regime"] == one["regime"].iloc[0]]
    n_repeats, n_folds = one["repeat"].nunique(), one.groupby("repeat")["fold"].nunique().max()
    times = f", repeated {n_repeats} times" if n_repeats > 1 else ""
    if "site" in one.columns and one["site"].nunique() > 1:
        folds = one.groupby(["repeat", "fold"])["site"].nunique()
        sites = one.groupby(["repeat", "site"])["fold"].nunique()
        if folds.max() == 1 and sites.max() == 1:
            return f"leave one site out, {n_folds} folds{times}"
    return f"{n_folds}-fold cross-validation{times}"


def _object(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a part that should be an object, empty where it is none."""
    found = content.get(name)
    return found if isinstance(found, Mapping) else {}


def _list(content: Mapping[str, Any], name: str) -> list[Any]:
    """Return a part that should be a list, empty where it is none."""
    found = content.get(name)
    return found if isinstance(found, list) else []


def _participants(
    people: pd.DataFrame,
    target: Target,
    counts: Mapping[str, Any],
    data: Mapping[str, Any],
    cited: _References,
) -> str:
    """Say who was analysed."""
    sites = people["site"].nunique() if "site" in people else 0
    where = f" from {sites} {'site' if sites == 1 else 'sites'}" if sites else ""
    said = f"We analysed {len(people)} participants"
    if "abide" in str(data.get("source", "")).lower():
        said += f" of the Autism Brain Imaging Data Exchange (ABIDE){cited.cite('abide')}"
    said += where
    said += f" ({target.count(people)})."
    if counts["n_excluded"] and counts["found"]:
        said += f" Of {counts['found']} participants found, {counts['n_excluded']} were excluded"
        reasons = [f"{reason} ({n})" for reason, n in counts["excluded"].items()]
        said += f": {'; '.join(reasons)}."
    return said


def _data(data: Mapping[str, Any], cited: _References) -> str:
    """Say where the regional signals come from."""
    layout, atlas = str(data.get("layout", "")).lower(), str(data.get("atlas", ""))
    said = []
    if layout in _PIPELINES:
        strategy = f" (strategy {data['strategy']})" if data.get("strategy") else ""
        said.append(f"Data were preprocessed with {_PIPELINES[layout]}{strategy}")
        said[-1] += f"{cited.cite(layout)}."
    if atlas:
        name = _ATLASES.get(atlas.lower(), atlas)
        family = "schaefer" if "schaefer" in atlas.lower() else atlas.lower()
        regions = f"{data['n_regions']} regions" if data.get("n_regions") else "the regions"
        said.append(f"Signals were averaged in {regions} of the atlas {name}{cited.cite(family)}.")
    if data.get("confounds"):
        said.append(f"Confounds were removed from the series: {_one_line(data['confounds'])}.")
    kinds = data.get("connectivity")
    if isinstance(kinds, Mapping) and kinds:
        named = [f"{kind} ({name})" for name, kind in kinds.items()]
        said.append(f"Connectivity between regions was estimated as {listed(named)}.")
    return " ".join(said)


def _one_line(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in flat(value).items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _block(block: Mapping[str, Any], cited: _References) -> str:
    """Describe one block of features."""
    kind = block.get("kind")
    if kind == "edges":
        fisher = " after Fisher's z transformation" if block.get("fisher_z") else ""
        said = f"the edges of the matrix {block.get('connectivity', 'fc')}{fisher}"
    elif kind == "tangent":
        shrinkage = block.get("shrinkage")
        name = _SHRINKAGE.get(str(shrinkage), str(shrinkage))
        how = f" of covariances with {name} shrinkage" if shrinkage else ""
        said = f"the tangent-space projection{how}{cited.cite('tangent', str(shrinkage))}"
    elif kind == "phenotypes":
        said = f"the phenotypes {', '.join(map(str, _list(block, 'columns')))}"
    elif kind == "deep":
        said = _deep(block, cited)
    else:
        apart = ("kind", "denoise", "parcellation")
        rest = {n: value for n, value in block.items() if n not in apart and value}
        said = f"{kind} ({_one_line(rest)})" if rest else str(kind)
    if block.get("parcellation"):
        said += f" in the parcellation {block['parcellation']}"
    harmonize = _object(block, "harmonize")
    method = str(harmonize.get("method", ""))
    if method:
        said += f", where {_HARMONIZED.get(method, method)}{cited.cite(method)}"
    if sizes := _list(_object(block, "denoise"), "sizes"):
        said += f", encoded by a denoising autoencoder of {_one_line(sizes)} units"
    return said


def _deep(block: Mapping[str, Any], cited: _References) -> str:
    """Describe features that a network has learnt."""
    network, target = str(_object(block, "network").get("network")), block.get("target")
    learnt = {"y": "the labels", "nothing": "no label"}.get(str(target), str(target))
    work = cite_network(network)
    by = cited.cite_works(work) if work else ""
    return f"the last features of {network}{by}, trained on {learnt}"


def _features(settings: Mapping[str, Any], cited: _References) -> str:
    """Say what a participant is described by, where the model has features."""
    features = _object(settings, "features")
    if _object(settings, "model").get("kind") in _WITHOUT_FEATURES:
        return ""
    blocks = [block for block in _list(features, "blocks") if isinstance(block, Mapping)]
    if not blocks:
        return ""
    said = f"Features were {'; and '.join(_block(block, cited) for block in blocks)}."
    scales = {
        "standard": "Each feature was standardised",
        "block": "Blocks were scaled to equal weight",
    }
    scale = str(features.get("scale"))
    if scale in scales:
        said += f" {scales[scale]}"
        if features.get("select") not in (None, "none"):
            said += f", and {features.get('n_features')} features were selected"
            said += f" ({str(features['select']).replace('_', ' ')})"
        said += "; all of this was fitted on the training participants only."
    return said


def _graph(model: Mapping[str, Any]) -> str:
    """Say who is joined in a population graph."""
    names = [f"had the same {name}" for name in _list(model, "categorical")]
    for name, width in _object(model, "continuous").items():
        names.append(f"differed in {name} by less than {width}")
    if not names or model.get("combine") == "none":
        return " Nobody was joined to anybody." if model.get("combine") == "none" else ""
    alike = model.get("combine") in ("product", "similarity")
    weight = (
        f", weighted by the {model.get('metric', 'similarity')} of their features" if alike else ""
    )
    return f" Participants were joined who {' or '.join(names)}{weight}."


def _population(model: Mapping[str, Any], cited: _References) -> str:
    """Describe a graph of participants."""
    layers, conv = model.get("num_layers", 1), str(model.get("conv", "cheb"))
    said = f"The model is a graph of participants{cited.cite('population_graph')} with "
    if layers == 0:
        said += f"a simplified graph convolution{cited.cite('sgc')}, linear in the features."
    else:
        name = _CONVOLUTIONS.get(conv, conv)
        plural = "layer" if layers == 1 else "layers"
        width = f"{model['hidden_channels']} " if "hidden_channels" in model else ""
        said += f"{layers} {plural} of {width}{name} convolutions{cited.cite(conv)}."
        if model.get("linear_skip"):
            said += " A linear path from features to logits runs beside them."
    return said + _graph(model)


def _subject(model: Mapping[str, Any], cited: _References) -> str:
    """Describe a network on each participant."""
    network = str(model.get("network"))
    work = cite_network(network)
    params = _one_line(_object(model, "params"))
    with_params = f" ({params})" if params else ""
    by = cited.cite_works(work) if work else ""
    return f"The model is {network}{by}{with_params}, which sees each participant alone."


def _training(model: Mapping[str, Any]) -> str:
    """Say how the weights were found."""
    training = _object(model, "training") or model
    if "optimizer" not in training:
        return ""
    optimizer = str(training["optimizer"])
    said = f" It was trained by {_OPTIMIZERS.get(optimizer, optimizer)}"
    if optimizer != "lbfgs" and "lr" in training:
        said += f" with a learning rate of {training['lr']}"
    if "max_epochs" in training:
        said += f" for at most {training['max_epochs']} epochs"
    share = training.get("validation_fraction")
    if isinstance(share, float) and share:
        said += f", stopped early on {share:.0%} of the training participants"
    members = model.get("n_members", 1)
    return f"{said}; {members} networks were averaged." if members != 1 else f"{said}."


def _late_fusion(model: Mapping[str, Any], cited: _References) -> str:
    """Describe models whose decisions are fused, one after the other."""
    rule = f" (rule: {model['how']})" if "how" in model else ""
    said = f"The decisions of several models were fused{rule}."
    for name, member in _object(model, "members").items():
        if isinstance(member, Mapping):
            parts = (_model(member, name, cited), _features(member, cited))
            said += f" Of {name}: {' '.join(filter(None, parts))}"
    return said


def _model(settings: Mapping[str, Any], main: str, cited: _References) -> str:
    """Describe the model and how it was trained."""
    model = _object(settings, "model")
    if not model:
        return f"The model is {main} [its settings are not in the results folder]."
    kind = model.get("kind", "population_graph")
    if kind == "population_graph":
        said = _population(model, cited)
    elif kind == "subject_graph":
        said = _subject(model, cited)
    elif kind == "linear":
        classifier = model.get("classifier", "logistic")
        said = f"The model is linear ({classifier}, C = {model.get('C', 1.0)})."
    elif kind == "trees":
        number = f" of {model['n_trees']} trees" if "n_trees" in model else ""
        said = f"The model is {_TREES.get(str(model.get('method')), 'a random forest')}{number}."
    elif kind == "late_fusion":
        said = _late_fusion(model, cited)
    else:
        said = f"The model is {kind}."
    said += _training(model)
    search = _object(settings, "search")
    if search:
        names = ", ".join(map(str, _object(search, "space")))
        said += f" Hyper-parameters ({names}) were chosen in each fold "
        said += f"by a {search.get('method', 'grid')} search with an inner cross-validation "
        said += f"of {search.get('inner_splits', 5)} folds of the training participants."
    return said


def _controls(models: list[str], main: str, cited: _References) -> str:
    """Say what it was compared with."""
    said = {name: describe_model(name) for name in models if name != main}
    own = {name: what for name, what in said.items() if what and "." not in name}
    others = [name for name, what in said.items() if not what]
    if not said:
        return "It was compared with no control."
    text = ""
    if own:
        named = [f"{name.replace('_', ' ')} ({what})" for name, what in own.items()]
        text = f"It was compared with these controls{cited.cite('edges')}: {'; '.join(named)}."
    if others:
        text += f" Also run on the same folds: {listed(others)}"
        text += ", with controls of their own." if len(own) + len(others) < len(said) else "."
    return text.strip()


def _evaluation(scheme: str, regimes: list[str], threshold: object) -> str:
    """Say how the number was come by."""
    said = f"Every participant was predicted out of fold ({scheme}); all models shared the folds."
    for regime in regimes:
        said += f" In the {regime.replace('_', '-')} regime {_REGIMES.get(regime, 'n/a')}."
    if threshold == "tuned":
        said += " Thresholds were chosen in each fold on its training participants."
    return said


def _statistics(target: Target, cited: _References) -> str:
    """Describe intervals and tests."""
    how = " within their class" if target.classes else ""
    return (
        f"Models were compared by {_HEADLINES[target.kind]}. Intervals of 95 % come from 1,000 "
        f"bootstrap resamples of participants{how}"
        f"{cited.cite('bootstrap')}; those of differences are paired. Differences were tested over "
        f"folds by a t test with a variance corrected for shared training participants"
        f"{cited.cite('folds')}, at a false discovery rate of 0.05 over the models compared"
        f"{cited.cite('discoveries')}."
    )


def _software(provenance: Mapping[str, Any], version: str, cited: _References) -> str:
    """Say what computed it."""
    versions = _object(provenance, "versions")
    shown = [name for name in ("scikit-learn", "torch", "torch-geometric") if name in versions]
    beside = [f"{name} {versions[name]}{cited.cite(name)}" for name in shown]
    said = f"Analyses were run with brainograph {version}"
    if provenance.get("python"):
        said += f" on Python {provenance['python']}"
    said += f", with {listed(beside)}" if beside else ""
    return f"{said}. Reporting follows TRIPOD+AI{cited.cite('tripod')}."


def write_methods(
    people: pd.DataFrame,
    target: Target,
    *,
    counts: Mapping[str, Any],
    provenance: Mapping[str, Any],
    settings: Mapping[str, Any],
    models: list[str],
    regimes: list[str],
    scheme: str,
    version: str,
) -> Methods:
    """Write the methods section of a paper about this run.

    What the results folder does not say is left out; nothing is guessed.

    Parameters
    ----------
    people : DataFrame
        Those who were analysed, once each.
    target : Target
    counts : mapping
        From :func:`brainograph.report.participants.flow`.
    provenance, settings : mapping
        What ``provenance.json`` and ``config.yaml`` hold.
    models : list of str
        The main one first.
    regimes : list of str
        Of the main model.
    scheme, version : str
        How the folds were made; of brainograph.
    """
    cited, data = _References(), _object(provenance, "data")
    threshold = provenance.get("threshold")
    paragraphs = {
        "Participants": _participants(people, target, counts, data, cited),
        "Data": _data(data, cited),
        "Features": _features(settings, cited),
        "Model": f"{_model(settings, models[0], cited)} {_controls(models, models[0], cited)}",
        "Evaluation": f"{_evaluation(scheme, regimes, threshold)} {_statistics(target, cited)}",
        "Software": _software(provenance, version, cited),
    }
    kept = {heading: text for heading, text in paragraphs.items() if text}
    return Methods(kept, tuple(cited.works))
