"""What of its participants a model keeps, and how it is dropped or given other names."""

import copy
import hmac
import re
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy import sparse

from brainograph.cohort import Cohort
from brainograph.estimators.late_fusion import LateFusionClassifier
from brainograph.estimators.population.estimator import PopulationGraphClassifier
from brainograph.estimators.population.member import Member
from brainograph.estimators.population.transductive import TransductiveClassifier
from brainograph.estimators.subject.base import SubjectGraph
from brainograph.estimators.wrappers.wrapper import Wrapper, unwrapped
from brainograph.nn.adjacency import to_tensor
from brainograph.preprocessing.mida import MIDA

__all__ = ["drop_training_data", "hash_ids", "hash_training_ids", "kept_of_participants"]

Fitted = TypeVar("Fitted")
_HASHED = re.compile("p[0-9a-f]{12}")


def hash_ids(cohort: Cohort, salt: str) -> Cohort:
    """Give the participants names from which nobody without the salt can tell their old ones.

    A name is the beginning of HMAC-SHA-256 of the old one under the salt, so that the same person
    has the same name wherever the same salt was used. Columns that repeat an id are hashed too,
    and the folder that the data came from is left out. Paths of images stay as they are: they are
    where the images are.

    Parameters
    ----------
    cohort : Cohort (S)
        Participants.
    salt : str
        A secret of at least 16 characters, kept apart from the data.

    Raises
    ------
    ValueError
        If the salt is too short to be a secret.

    Examples
    --------
    >>> cohort = Cohort(pd.DataFrame({"age": [20]}, index=["sub-01"]), pd.DataFrame(index=["r1"]))
    >>> hash_ids(cohort, "0123456789abcdef").participant_ids
    ['pfa1a1c8acf51']
    """
    if len(salt) < 16:
        raise ValueError(
            f"salt must have at least 16 characters, got {len(salt)}: names could be guessed. Make "
            "one with `openssl rand -hex 16` and keep it apart from the data."
        )
    old = [*cohort.participant_ids, *cohort.failures["participant_id"].astype(str)]
    new = {name: _hashed(name, salt) for name in old}
    phenotype = cohort.phenotype.rename(index=new)
    for column in phenotype:
        values = phenotype[column].astype(object)
        if _repeat_an_id(values, cohort.participant_ids):
            phenotype[column] = values.map(lambda v: _hashed(str(v), salt), na_action="ignore")
    failures = cohort.failures.assign(
        participant_id=cohort.failures["participant_id"].map(new), source="n/a"
    )
    failures["reason"] = [_without_ids(text, new) for text in failures["reason"].astype(str)]
    renamed = cohort.assign(
        phenotype=phenotype, images=cohort.images.rename(index=new), failures=failures
    )
    provenance = {k: v for k, v in cohort.provenance.items() if k != "source"}
    return replace(renamed, provenance=provenance | {"ids": "hashed"})


def hash_training_ids(model: Fitted, salt: str) -> Fitted:
    """Return a fitted model that knows its training participants by the names of :func:`hash_ids`.

    Names that were hashed before the fit stay. Predictions are the same; what names training
    participants, such as neighbours, names nobody.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(n_subjects=40, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = PopulationGraphClassifier(max_epochs=2, n_members=1).fit(cohort[:30], y[:30])
    >>> hidden = hash_ids(cohort, "0123456789abcdef")
    >>> print(hash_training_ids(model, "0123456789abcdef").regime(hidden[[0, 39]]))
    ['training' 'inductive']
    """
    other: Any = copy.copy(model)
    if isinstance(other, Wrapper):
        other.estimator_ = hash_training_ids(other.estimator_, salt)
        return other
    if isinstance(other, LateFusionClassifier):
        members = other.members_.items()
        other.members_ = {name: hash_training_ids(one, salt) for name, one in members}
    ids = getattr(other, "participant_ids_", [])
    if not ids or all(_HASHED.fullmatch(name) for name in ids):
        return other
    other.participant_ids_ = [_hashed(name, salt) for name in ids]
    if isinstance(other, PopulationGraphClassifier):
        names = pd.Index(other.participant_ids_, name="participant_id")
        other._phenotype = other._phenotype.set_axis(names)
    return other


def _hashed(name: str, salt: str) -> str:
    return "p" + hmac.new(salt.encode(), name.encode(), sha256).hexdigest()[:12]


def _repeat_an_id(values: pd.Series, ids: Sequence[str]) -> bool:
    """Tell whether a column's texts hold the ids of their rows, or its numbers are they."""
    return any(
        name in value
        if isinstance(value, str)
        else str(value).removesuffix(".0") == name.lstrip("0")
        for value, name in zip(values, ids, strict=True)
        if isinstance(value, (str, int, float))
    )


def _without_ids(text: str, new: dict[str, str]) -> str:
    for old, name in new.items():
        text = text.replace(old, name)
    return text


def drop_training_data(model: Fitted) -> Fitted:
    """Return a fitted model without its training participants.

    Of a population graph nobody is left to listen to: every participant is predicted as one
    without an edge, from their own features, which is another model than the one that was
    cross-validated. A network of single participants only loses their ids and predicts as before.

    Raises
    ------
    ValueError
        If the model cannot do without them.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(n_subjects=40, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = PopulationGraphClassifier(max_epochs=2, n_members=1).fit(cohort[:30], y[:30])
    >>> print(drop_training_data(model).regime(cohort[:2]))
    ['inductive' 'inductive']
    """
    lean: Any = copy.copy(model)
    match lean:
        case Wrapper():
            lean.estimator_ = drop_training_data(lean.estimator_)
        case PopulationGraphClassifier():
            lean.set_params(combine="none", categorical=(), continuous={})
            lean._members = [_alone(member) for member in lean._members]
            lean._phenotype = pd.DataFrame(index=pd.Index([], name="participant_id"))
            lean.n_isolated_ = 0
        case TransductiveClassifier() if not _compares(lean):
            lean._x, lean._proba = lean._x[:0], lean._proba[:0]
        case SubjectGraph() if not _remembers(lean):
            pass
        case _:
            raise ValueError(
                f"a {type(lean).__name__} with these settings compares each new participant with "
                "its training participants and cannot do without them. Leave --drop-training-data "
                "out, or choose another model."
            )
    if not isinstance(lean, Wrapper):
        lean.participant_ids_, lean._labelled = [], np.zeros(0, dtype=bool)
    return lean


def _alone(member: Member) -> Member:
    """Return a member whose graph is empty."""
    layout: Any = "sparse" if member.adj.is_sparse else "dense"
    nobody = to_tensor(sparse.csr_array((0, 0), dtype=np.float32), layout=layout)
    return replace(
        member, x=member.x[:0].clone(), adj=nobody.to(member.x.device), carries=member.carries[:0]
    )


def _compares(model: TransductiveClassifier) -> bool:
    steps = [model.features, *model.features.get_params().values()]
    return any(isinstance(step, MIDA) for step in steps)


def _remembers(model: SubjectGraph) -> bool:
    """Tell whether a network keeps participants beside its weights, as IGLCN does."""
    return any("support" in name for name, _ in model._members[0].named_buffers())


def kept_of_participants(model: Any) -> str:
    """Return, in a sentence or two, what a fitted model keeps of its training participants.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.estimators import SubjectGraphClassifier, Training
    >>> cohort = simulate_cohort(n_subjects=20, random_state=0)
    >>> model = SubjectGraphClassifier("MeanMLP", training=Training(max_epochs=1), device="cpu")
    >>> kept_of_participants(model.fit(cohort, cohort.phenotype["diagnosis"]))
    'The ids of 20 participants. No scan, no feature, no label.'
    """
    inner: Any = unwrapped(model)[-1]
    ids = list(getattr(inner, "participant_ids_", []))
    if not ids:
        return "Nothing: the training participants were dropped."
    if isinstance(inner, SubjectGraph):
        if _remembers(inner):
            return (
                f"The ids of {len(ids)} participants and, in the network, what it reads of those "
                "whom it compares new ones with. No label."
            )
        return f"The ids of {len(ids)} participants. No scan, no feature, no label."
    table = getattr(inner, "_phenotype", None)
    names = [] if table is None else [str(name) for name in table.columns]
    return (
        f"Of {len(ids)} participants {', '.join(['the ids', *names])} and features, from which "
        "much of their connectivity can be computed: new participants are compared with them. No "
        "label, but who had one. Share it as you would share the features, or drop them with "
        "`brainograph fit --drop-training-data`."
    )
