"""What the estimators of subject-level networks share: fitting members, saving, loading."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from brainograph.cohort import Cohort
from brainograph.estimators.saving.network_model import open_network_model
from brainograph.estimators.saving.persistence import SavedModel, write_model
from brainograph.estimators.subject.data import SubjectData
from brainograph.estimators.subject.network import (
    Head,
    freeze,
    network_class,
    new_network,
    take_weights,
    weights_of,
)
from brainograph.estimators.subject.presence import check_learnt
from brainograph.estimators.subject.pretraining import Contrast, OwnPretraining
from brainograph.estimators.subject.training import Augmentation, Fit
from brainograph.estimators.training.checkpoint import Checkpoint
from brainograph.estimators.training.loop import resolve_device
from brainograph.estimators.training.settings import Training
from brainograph.estimators.training.validation_split import validation_split
from brainograph.io.volumes import Volumes
from brainograph.nn.bayesian import sampling
from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.embedding import embedding
from brainograph.preprocessing.inputs import check_regions
from brainograph.preprocessing.parcellation import parcellation_of
from brainograph.preprocessing.phenotypes import Phenotypes, check_phenotypes

__all__ = ["SubjectGraph"]

_NOT_SAVED = ("augmentation", "checkpoint", "log", "pretrained")  # only ``fit`` reads them


def _matrix(phenotypes: Phenotypes | None, cohort: Cohort) -> np.ndarray | None:
    return None if phenotypes is None else phenotypes.transform(cohort)


def _name(augmentation: Augmentation | None) -> str:
    """Say which augmentation it is, with its settings where it has fields."""
    if augmentation is None or is_dataclass(augmentation):
        return repr(augmentation)
    return getattr(augmentation, "__qualname__", type(augmentation).__qualname__)


def _part(cohort: Cohort, parcellation: str | None) -> Cohort:
    """Return a parcellation with the images of the cohort, unless it has some of its own."""
    part = parcellation_of(cohort, parcellation)
    return part if len(part.images.columns) else part.assign(images=cohort.images)


class SubjectGraph(BaseEstimator):
    """What the classifier and the regressor share: all but what the numbers mean."""

    regimes = ("inductive",)

    def __init__(
        self,
        network: type[nn.Module] | str = "MeanMLP",
        *,
        params: Mapping[str, Any] | None = None,
        parcellation: str | None = None,
        phenotypes: Sequence[str] = (),
        allow_diagnostic: bool = False,
        standardize: bool = True,
        volumes: Volumes | None = None,
        training: Training | None = None,
        augmentation: Augmentation | None = None,
        pretrained: str | os.PathLike[str] | None = None,
        freeze: Sequence[str] = (),
        head: Head = "linear",
        n_members: int = 1,
        device: str = "auto",
        random_state: int = 0,
        checkpoint: str | os.PathLike[str] | None = None,
        log: str | os.PathLike[str] | None = None,
        tensorboard: bool = False,
        progress: bool = False,
    ) -> None:
        self.network = network
        self.params = params
        self.parcellation = parcellation
        self.phenotypes = phenotypes
        self.allow_diagnostic = allow_diagnostic
        self.standardize = standardize
        self.volumes = volumes
        self.training = Training() if training is None else training
        self.augmentation = augmentation
        self.pretrained = pretrained
        self.freeze = freeze
        self.head = head
        self.n_members = n_members
        self.device = device
        self.random_state = random_state
        self.checkpoint = checkpoint
        self.log = log
        self.tensorboard = tensorboard
        self.progress = progress

    def _check_settings(self) -> None:
        self.training.check()
        if self.n_members < 1:
            raise ValueError(f"n_members must be at least 1, got {self.n_members}.")
        if self.tensorboard and self.log is None:
            raise ValueError('tensorboard=True needs a folder. Write log="runs/first".')
        check_phenotypes(self.phenotypes, allow_diagnostic=self.allow_diagnostic)

    def _new_network(self, phenotypes: Phenotypes | None, seed: int) -> nn.Module:
        return new_network(
            network_class(self.network),
            len(self.region_names_),
            self._n_outputs,
            params=dict(self.params or {}),
            n_phenotypes=0 if phenotypes is None else len(phenotypes.get_feature_names_out()),
            seed=seed,
            head=self.head,
        )

    def _fit(
        self,
        cohort: Cohort,
        target: np.ndarray,
        strata: np.ndarray,
        n_outputs: int,
        *,
        contrast: bool = False,
    ) -> None:
        """Train every member on all participants given; ``strata`` (S,) are spread evenly.

        With ``contrast`` there are no labels: the network has a loss without any, or two views of
        each participant are compared.
        """
        device = resolve_device(self.device)
        cohort = _part(cohort, self.parcellation)
        self.region_names_ = cohort.regions.index.tolist()
        self.participant_ids_ = cohort.participant_ids
        self._n_outputs = n_outputs
        self._image_shapes: dict[str, list[int]] = {}
        self._other_regions: dict[str, list[str]] = {}
        self._members: list[nn.Module] = []
        self._phenotypes: list[Phenotypes | None] = []
        histories = {}
        seeds = np.random.SeedSequence(self.random_state).generate_state(self.n_members).tolist()
        data: SubjectData | None = None
        for i, seed in enumerate(seeds):
            rows, held_out = np.arange(len(cohort)), np.arange(0)
            if not contrast:
                rows, held_out = self._split(cohort, strata, seed)
            phenotypes = self._fit_phenotypes(cohort[rows])
            network = self._new_network(phenotypes, seed)
            if self.pretrained is not None:
                take_weights(network, self.pretrained, self.region_names_)
            freeze(network, self.freeze)
            if data is None:
                data = self._data(cohort, network)
                self._image_shapes = {name: list(shape) for name, shape in data.shapes.items()}
                self._other_regions = data.regions
                if self.training.devices == 1:
                    data.keep_on(device)
            check_learnt(data.present, rows)
            fit = Fit(
                network=self._unlabelled(network, seed) if contrast else network,
                data=data.with_phenotypes(_matrix(phenotypes, cohort)),
                target=target,
                weight=self._weights(strata),
                rows=rows,
                held_out=held_out,
                training=self.training,
                device=device,
                seed=seed,
                augmentation=None if contrast else self.augmentation,
                checkpoint=self._checkpoint(cohort, target, i),
                log=None if self.log is None else str(Path(self.log) / f"member{i}"),
                tensorboard=self.tensorboard,
                progress=self.progress,
            )
            histories[i] = self._run(fit)
            self._members.append(network.to(device))
            self._phenotypes.append(phenotypes)
        self.history_ = pd.concat(histories, names=["member"])

    def _unlabelled(self, network: nn.Module, seed: int) -> nn.Module:
        """Return what is trained where nobody has a label."""
        if hasattr(network, "pretraining_loss"):
            return OwnPretraining(network)
        if self.augmentation is None:
            raise ValueError(
                "nobody has a label, and pretraining without labels needs an augmentation that "
                "makes two views of each participant. Write augmentation=WindowCrop() (of "
                "brainograph.nn.augment; for matrices EdgeDropout()), or give labels."
            )
        if self.training.batch_size < 2:
            raise ValueError("pretraining compares participants: write Training(batch_size=32).")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return Contrast(network, self.augmentation)

    def _run(self, fit: Fit) -> pd.DataFrame:
        """Train, and say what to do when the memory does not suffice."""
        try:
            return fit.run()
        except Exception as error:
            text = str(error).lower()
            if "out of memory" not in text and "can't allocate memory" not in text:
                raise
            size, parts = self.training.batch_size, self.training.accumulate
            raise MemoryError(
                f"the {fit.device.type} ran out of memory with batches of {size} in {parts} "
                f"part(s). Write Training(batch_size={max(1, size // 2)}), or accumulate="
                f"{2 * parts} to keep the batch and compute it in smaller parts."
            ) from error

    def _split(
        self, cohort: Cohort, strata: np.ndarray, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        fraction = self.training.validation_fraction
        if not fraction:
            return np.arange(len(cohort)), np.arange(0)
        return validation_split(cohort, strata, fraction=fraction, seed=seed % 2**31)

    def _fit_phenotypes(self, cohort: Cohort) -> Phenotypes | None:
        if not len(self.phenotypes):
            return None
        columns = list(self.phenotypes)
        return Phenotypes(columns, allow_diagnostic=self.allow_diagnostic).fit(cohort)

    def _data(self, cohort: Cohort, network: nn.Module) -> SubjectData:
        reads: Any = network.reads
        needed: Any = getattr(network, "min_volumes", 1)
        modalities: Any = getattr(network, "modalities", ())
        return SubjectData(
            cohort,
            reads,
            standardize=self.standardize,
            min_volumes=needed,
            volumes=self.volumes,
            missing_ok=bool(getattr(network, "missing_ok", False)),
            shapes=self._image_shapes,
            regions=self._other_regions,
            phenotypes=self.phenotypes if "phenotypes" in modalities else (),
        )

    def _weights(self, strata: np.ndarray) -> np.ndarray:
        """Return the weight of each row in the loss (S,)."""
        if self.training.class_weight is None:
            return np.ones(len(strata))
        if hasattr(network_class(self.network), "loss"):
            raise ValueError(
                f"{network_class(self.network).__name__} has a loss of its own, which takes no "
                "class weights. For batches with as many of each class write "
                "Training(balanced=True)."
            )
        counts = np.bincount(strata)
        return len(strata) / (len(counts) * counts)[strata]

    def _checkpoint(self, cohort: Cohort, target: np.ndarray, member: int) -> Checkpoint | None:
        """Return where a member's training is kept; folds of a cross-validation do not collide."""
        if self.checkpoint is None:
            return None
        made_of = {
            "network": network_class(self.network).__name__,
            "params": dict(self.params or {}),
            "training": self.training.get_params(),
            "phenotypes": list(self.phenotypes),
            "standardize": self.standardize,
            "volumes": self.volumes and replace(self.volumes, cache=None).settings(),
            "pretrained": None if self.pretrained is None else str(self.pretrained),
            "freeze": list(self.freeze),
            "head": self.head,
            "augmentation": _name(self.augmentation),
            "random_state": self.random_state,
        }
        of = hashlib.sha256(cohort.fingerprint().encode() + target.tobytes()).hexdigest()[:16]
        return Checkpoint(Path(self.checkpoint) / f"{of}_member{member}.pt", made_of)

    @torch.no_grad()
    def _outputs(
        self,
        cohort: Cohort,
        *,
        n_passes: int = 0,
        random_state: int = 0,
        ask: Callable[[nn.Module, BrainBatch], Tensor] | None = None,
    ) -> list[np.ndarray]:
        """Return what each member says of the participants (S, K), before any softmax.

        With ``n_passes`` what is random in training stays so, and each member speaks so many
        times; everybody meets the same draws, whoever else is asked. Another question is put by
        ``ask(network, batch)``.
        """
        check_is_fitted(self, "_members")
        cohort = _part(cohort, self.parcellation)
        check_regions(self.region_names_, cohort.regions.index.to_numpy())
        device = next(self._members[0].parameters()).device
        data = self._data(cohort, self._members[0])
        if len(cohort):
            data.keep_on(device)
        outputs: list[np.ndarray] = []
        members = zip(self._members, self._phenotypes, strict=True)
        for i, (network, phenotypes) in enumerate(members):
            mine = data.with_phenotypes(_matrix(phenotypes, cohort))
            network.eval()
            if n_passes:
                outputs += self._draw(network, mine, n_passes, random_state + i)
            else:
                outputs.append(self._say(network, mine, ask or nn.Module.__call__))
        return outputs

    def _draw(
        self, network: nn.Module, data: SubjectData, n_passes: int, seed: int
    ) -> list[np.ndarray]:
        """Return what a network says in each pass (S, K): copies of one participant at a time."""
        said = np.zeros((n_passes, len(data), self._n_outputs))
        passes = np.array_split(np.arange(n_passes), -(-n_passes // self.training.batch_size))
        data.expect([np.array([i]) for i in range(len(data))])
        with sampling(network):
            for i in range(len(data)):
                torch.manual_seed(seed)
                alone = data.batch(np.array([i]))
                for part in passes:
                    said[part, i] = network(alone[[0] * len(part)]).double().cpu().numpy()
        return list(said)

    def _say(
        self,
        network: nn.Module,
        data: SubjectData,
        ask: Callable[[nn.Module, BrainBatch], Tensor],
    ) -> np.ndarray:
        """Return what a network says of the participants (S, K)."""
        size = self.training.batch_size
        rows = [np.arange(i, min(i + size, len(data))) for i in range(0, len(data), size)]
        data.expect(rows)
        said = [ask(network, data.batch(part)).double().cpu().numpy() for part in rows]
        return np.concatenate(said) if said else np.zeros((0, self._n_outputs))

    @property
    def networks_(self) -> list[nn.Module]:
        """The trained networks, one for each member."""
        check_is_fitted(self, "_members")
        return self._members

    def contributions(self, cohort: Cohort) -> pd.DataFrame:
        """Return how much each modality weighed in each prediction.

        Parameters
        ----------
        cohort : Cohort (S)
            Participants.

        Returns
        -------
        DataFrame (S, M)
            By participant and modality; each row sums to 1, and what a participant lacks is 0.
            The mean over the members. Weights inside the network, not causes.

        Raises
        ------
        ValueError
            If the network fuses no modalities.
        """
        check_is_fitted(self, "_members")
        network: Any = self._members[0]
        if not hasattr(network, "contributions"):
            raise ValueError(
                f"a {type(network).__name__} fuses no modalities. Contributions are those of "
                "GraphImagingNet; see brainograph.inspection for other networks."
            )

        def ask(one: Any, batch: BrainBatch) -> Tensor:
            return one.contributions(batch)

        said = self._outputs(cohort, ask=ask)
        shares = np.mean(said, axis=0).reshape(len(cohort), len(network.modalities))
        return pd.DataFrame(shares, cohort.phenotype.index, list(network.modalities))

    def embed(self, cohort: Cohort) -> np.ndarray:
        """Return what the members give to their last linear layers, side by side (S, F).

        Raises
        ------
        ValueError
            If the network has no linear layer, or the cohort is empty.
        """
        if not len(cohort):
            raise ValueError("a cohort of nobody has no embedding. Give participants.")
        return np.concatenate(self._outputs(cohort, ask=embedding), axis=1)

    def regime(self, cohort: Cohort) -> np.ndarray:
        """Tell whose label was learnt from (``"training"``) and who is new (``"inductive"``)."""
        check_is_fitted(self, "_members")
        known = np.isin(cohort.participant_ids, self.participant_ids_)
        return np.where(known, "training", "inductive")

    def _facts(self) -> dict[str, Any]:
        """Return what the twin has learnt beside the weights, as JSON."""
        raise NotImplementedError

    def _restore(self, facts: Mapping[str, Any]) -> None:
        """Take what :meth:`_facts` gave."""
        raise NotImplementedError

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the fitted model as a folder that :meth:`load` opens without running code.

        The folder holds weights, settings and the ids of the participants that were learnt from;
        no label and no scan.
        """
        check_is_fitted(self, "_members")
        params = {k: v for k, v in self.get_params(deep=False).items() if k not in _NOT_SAVED}
        network = network_class(self.network).__name__
        facts = {
            "estimator": type(self).__name__,
            "params": {
                **params,
                "network": network,
                "training": self.training.get_params(),
                "volumes": self.volumes and replace(self.volumes, cache=None).settings(),
            },
            "regions": self.region_names_,
            "participants": self.participant_ids_,
            "n_outputs": self._n_outputs,
            "image_shapes": self._image_shapes,
            "other_regions": self._other_regions,
            "fitted": self._facts(),
        }
        tensors = {
            f"{i}.{name}": tensor.detach().clone()
            for i, member in enumerate(self._members)
            for name, tensor in member.state_dict().items()
        }
        objects = {f"{i}.phenotypes": p for i, p in enumerate(self._phenotypes) if p is not None}
        tables = {"history": self.history_.reset_index()}
        return write_model(SavedModel(facts, tensors, objects, tables), folder)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        *,
        device: str = "auto",
        network: type[nn.Module] | None = None,
    ) -> Self:
        """Open a model folder.

        Parameters
        ----------
        folder : path
            What :meth:`save` wrote.
        device : str
            Where to predict.
        network : class, optional
            The network, where it is not one of :mod:`brainograph.nn`.

        Raises
        ------
        ValueError
            If a file was changed, or the folder holds another estimator or network.
        """
        model, saved = open_network_model(cls, folder, network=network, device=device)
        facts = saved.facts
        model.region_names_ = facts["regions"]
        model.participant_ids_ = facts["participants"]
        model._n_outputs = facts["n_outputs"]
        model._image_shapes = facts.get("image_shapes", {})
        model._other_regions = facts.get("other_regions", {})
        model.history_ = saved.tables["history"].set_index(["member", "epoch"])
        model._restore(facts["fitted"])
        model._members, model._phenotypes = [], []
        for i in range(model.n_members):
            phenotypes = saved.objects.get(f"{i}.phenotypes")
            member = model._new_network(phenotypes, seed=0)
            member.load_state_dict(weights_of(saved, i))
            model._members.append(member.to(resolve_device(device)).eval())
            model._phenotypes.append(phenotypes)
        return model
