"""One estimator for every subject-level network: a participant is a graph, a scan, an image."""

import hashlib
import inspect
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from brainograph import nn as networks
from brainograph.cohort import Cohort
from brainograph.estimators.checkpoint import Checkpoint
from brainograph.estimators.labels import check_labels
from brainograph.estimators.persistence import SavedModel, read_model, write_model
from brainograph.estimators.settings import Training
from brainograph.estimators.subject_data import SubjectData
from brainograph.estimators.subject_training import Augmentation, Fit
from brainograph.estimators.training import resolve_device
from brainograph.estimators.validation_split import validation_split
from brainograph.preprocessing.inputs import check_regions
from brainograph.preprocessing.phenotypes import Phenotypes, check_phenotypes

__all__ = ["SubjectGraphClassifier", "SubjectGraphRegressor"]

_NOT_SAVED = ("augmentation", "checkpoint", "log", "pretrained")  # only ``fit`` reads them


def _is_subject_network(thing: Any) -> bool:
    return (
        inspect.isclass(thing)
        and issubclass(thing, nn.Module)
        and "n_regions" in inspect.signature(thing).parameters
    )


def _weights_of(saved: SavedModel, member: int) -> dict[str, torch.Tensor]:
    start = f"{member}."
    return {k.removeprefix(start): w for k, w in saved.tensors.items() if k.startswith(start)}


def _matrix(phenotypes: Phenotypes | None, cohort: Cohort) -> np.ndarray | None:
    return None if phenotypes is None else phenotypes.transform(cohort)


class _SubjectGraph(BaseEstimator):
    """What the classifier and the regressor share."""

    regimes = ("inductive",)

    def __init__(
        self,
        network: type[nn.Module] | str = "MeanMLP",
        *,
        params: Mapping[str, Any] | None = None,
        phenotypes: Sequence[str] = (),
        allow_diagnostic: bool = False,
        standardize: bool = True,
        training: Training | None = None,
        augmentation: Augmentation | None = None,
        pretrained: str | os.PathLike[str] | None = None,
        freeze: Sequence[str] = (),
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
        self.phenotypes = phenotypes
        self.allow_diagnostic = allow_diagnostic
        self.standardize = standardize
        self.training = Training() if training is None else training
        self.augmentation = augmentation
        self.pretrained = pretrained
        self.freeze = freeze
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
        check_phenotypes(self.phenotypes, allow_diagnostic=self.allow_diagnostic)
        takes = "n_phenotypes" in inspect.signature(self._network_class()).parameters
        if len(self.phenotypes) and not takes:
            raise ValueError(
                f"{self._network_class().__name__} does not read phenotypes, got "
                f"{list(self.phenotypes)}. Write phenotypes=(), or choose another network."
            )

    def _network_class(self) -> type[nn.Module]:
        if not isinstance(self.network, str):
            return self.network
        there = [name for name in networks.__all__ if _is_subject_network(getattr(networks, name))]
        if self.network not in there:
            raise ValueError(f"network must be one of {there}, got {self.network!r}.")
        return getattr(networks, self.network)

    def _new_network(self, phenotypes: Phenotypes | None, seed: int) -> nn.Module:
        """Return the network with random weights."""
        more: dict[str, int] = {}
        if phenotypes is not None:
            more["n_phenotypes"] = len(phenotypes.get_feature_names_out())
        kind, params = self._network_class(), dict(self.params or {})
        known = inspect.signature(kind).parameters
        strangers = sorted(set(params) - set(known))
        if strangers:
            takes = [name for name in known if name not in ("n_regions", "n_classes")]
            raise ValueError(f"{kind.__name__} has no parameter {strangers}; it has {takes}.")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return kind(len(self.region_names_), self._n_outputs, **params, **more)

    def _fit(self, cohort: Cohort, target: np.ndarray, strata: np.ndarray, n_outputs: int) -> None:
        """Train every member on labelled participants; ``strata`` (S,) are spread evenly."""
        device = resolve_device(self.device)
        self.region_names_ = cohort.regions.index.tolist()
        self.participant_ids_ = cohort.participant_ids
        self._n_outputs = n_outputs
        self._members: list[nn.Module] = []
        self._phenotypes: list[Phenotypes | None] = []
        histories = {}
        seeds = np.random.SeedSequence(self.random_state).generate_state(self.n_members).tolist()
        data: SubjectData | None = None
        for i, seed in enumerate(seeds):
            rows, held_out = self._split(cohort, strata, seed)
            phenotypes = self._fit_phenotypes(cohort[rows])
            network = self._new_network(phenotypes, seed)
            self._prepare(network)
            if data is None:
                data = self._data(cohort, network)
                if self.training.devices == 1:
                    data.keep_on(device)
            fit = Fit(
                network=network,
                data=data.with_phenotypes(_matrix(phenotypes, cohort)),
                target=target,
                weight=self._weights(strata),
                rows=rows,
                held_out=held_out,
                training=self.training,
                device=device,
                seed=seed,
                augmentation=self.augmentation,
                checkpoint=self._checkpoint(cohort, target, i),
                log=None if self.log is None else str(Path(self.log) / f"member{i}"),
                tensorboard=self.tensorboard,
                progress=self.progress,
            )
            histories[i] = self._run(fit)
            self._members.append(network.to(device))
            self._phenotypes.append(phenotypes)
        self.history_ = pd.concat(histories, names=["member"])

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

    def _prepare(self, network: nn.Module) -> None:
        """Give the network pretrained weights and freeze some, as asked."""
        if self.pretrained is not None:
            self._take_weights(network)
        for prefix in self.freeze:
            frozen = [w for name, w in network.named_parameters() if name.startswith(prefix)]
            if not frozen:
                names = sorted({name.split(".")[0] for name, _ in network.named_parameters()})
                raise ValueError(f"freeze names {prefix!r}; the network has {names}.")
            for weights in frozen:
                weights.requires_grad_(False)

    def _take_weights(self, network: nn.Module) -> None:
        """Copy the weights of a saved model that have the name and shape of ours."""
        saved = read_model(self.pretrained)  # type: ignore[arg-type]
        check_regions(saved.facts["regions"], self.region_names_)
        own = network.state_dict()
        given = _weights_of(saved, 0).items()
        fitting = {n: w for n, w in given if n in own and w.shape == own[n].shape}
        if not fitting:
            raise ValueError(
                f"{self.pretrained} holds a {saved.facts['params']['network']}, none of whose "
                f"weights fit a {type(network).__name__} with these parameters."
            )
        network.load_state_dict({**own, **fitting})

    def _data(self, cohort: Cohort, network: nn.Module) -> SubjectData:
        reads: Any = network.reads
        needed: Any = getattr(network, "min_volumes", 1)
        return SubjectData(cohort, reads, standardize=self.standardize, min_volumes=needed)

    def _weights(self, strata: np.ndarray) -> np.ndarray:
        """Return the weight of each row in the loss (S,)."""
        if self.training.class_weight is None:
            return np.ones(len(strata))
        if hasattr(self._network_class(), "loss"):
            raise ValueError(
                f"{self._network_class().__name__} has a loss of its own, which takes no class "
                "weights. Write Training(balanced=True) for batches with as many of each class."
            )
        counts = np.bincount(strata)
        return len(strata) / (len(counts) * counts)[strata]

    def _checkpoint(self, cohort: Cohort, target: np.ndarray, member: int) -> Checkpoint | None:
        """Return where a member's training is kept; folds of a cross-validation do not collide."""
        if self.checkpoint is None:
            return None
        made_of = {
            "network": self._network_class().__name__,
            "params": dict(self.params or {}),
            "training": self.training.get_params(),
            "phenotypes": list(self.phenotypes),
            "standardize": self.standardize,
            "pretrained": None if self.pretrained is None else str(self.pretrained),
            "freeze": list(self.freeze),
            "random_state": self.random_state,
        }
        of = hashlib.sha256(cohort.fingerprint().encode() + target.tobytes()).hexdigest()[:16]
        return Checkpoint(Path(self.checkpoint) / f"{of}_member{member}.pt", made_of)

    @torch.no_grad()
    def _outputs(self, cohort: Cohort) -> list[np.ndarray]:
        """Return what each member says of the participants (S, K), before any softmax."""
        check_is_fitted(self, "_members")
        check_regions(self.region_names_, cohort.regions.index.to_numpy())
        device = next(self._members[0].parameters()).device
        data = self._data(cohort, self._members[0])
        if len(cohort):
            data.keep_on(device)
        outputs = []
        for network, phenotypes in zip(self._members, self._phenotypes, strict=True):
            mine = data.with_phenotypes(_matrix(phenotypes, cohort))
            size, network = self.training.batch_size, network.eval()
            rows = [np.arange(i, min(i + size, len(data))) for i in range(0, len(data), size)]
            logits = [network(mine.batch(part)).double().cpu().numpy() for part in rows]
            outputs.append(np.concatenate([np.zeros((0, self._n_outputs)), *logits]))
        return outputs

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
        network = self._network_class().__name__
        facts = {
            "estimator": type(self).__name__,
            "params": {**params, "network": network, "training": self.training.get_params()},
            "regions": self.region_names_,
            "participants": self.participant_ids_,
            "n_outputs": self._n_outputs,
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
        saved = read_model(folder)
        facts = saved.facts
        if facts["estimator"] != cls.__name__:
            raise ValueError(f"{folder} holds a {facts['estimator']}, not a {cls.__name__}.")
        if network is not None and network.__name__ != facts["params"]["network"]:
            raise ValueError(
                f"{folder} holds a {facts['params']['network']}, not a {network.__name__}."
            )
        params = {**facts["params"], "training": Training(**facts["params"]["training"])}
        model = cls(**{**params, "network": network or params["network"], "device": device})
        model.region_names_ = facts["regions"]
        model.participant_ids_ = facts["participants"]
        model._n_outputs = facts["n_outputs"]
        model.history_ = saved.tables["history"].set_index(["member", "epoch"])
        model._restore(facts["fitted"])
        model._members, model._phenotypes = [], []
        for i in range(model.n_members):
            phenotypes = saved.objects.get(f"{i}.phenotypes")
            member = model._new_network(phenotypes, seed=0)
            member.load_state_dict(_weights_of(saved, i))
            model._members.append(member.to(resolve_device(device)).eval())
            model._phenotypes.append(phenotypes)
        return model


class SubjectGraphClassifier(ClassifierMixin, _SubjectGraph):
    """Classify participants, each from their own scan, with any network of ``brainograph.nn``.

    ``fit(cohort, y)`` learns from the participants with a label (``y != -1``) and looks at no
    other. The network says what it reads (series, matrices, measures, phenotypes, images) and
    gets it from the cohort by name. Participants are sorted by id, so that nothing depends on
    their order.

    Parameters
    ----------
    network : class or str
        Of :mod:`brainograph.nn`, such as ``MeanMLP`` or ``"MeanMLP"``; or any module that is
        built by ``network(n_regions, n_classes, **params)``, names what it reads in ``reads`` and
        maps a :class:`~brainograph.nn.BrainBatch` to logits (B, K).
    params : mapping, optional
        Hyper-parameters of the network.
    phenotypes : sequence of str
        Columns that the network reads beside the scan, encoded by
        :class:`~brainograph.preprocessing.Phenotypes` as learnt from training rows.
    allow_diagnostic : bool
        Whether phenotypes that follow from the diagnosis may be among them.
    standardize : bool
        Whether each region's series is brought to mean 0 and deviation 1 over time, and each
        image over its voxels.
    training : Training
        Optimiser, schedule, batches, early stopping, devices and precision.
    augmentation : callable, optional
        From a training batch and its target to others: ``augmentation(batch, y)``.
    pretrained : path, optional
        Folder of a saved model whose weights are taken where name and shape fit.
    freeze : sequence of str
        Beginnings of the names of parameters that are not trained: ``("encoder",)``.
    n_members : int
        Networks with other initial weights and validation splits, whose probabilities are
        averaged.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
    random_state : int
        Seed of weights, dropout, batches and validation splits.
    checkpoint : path, optional
        Folder that keeps each epoch; a fit that was killed goes on from there.
    log : path, optional
        Folder for ``member0/history.csv`` and so on.
    tensorboard : bool
        Whether ``log`` is written for TensorBoard too.
    progress : bool
        Whether to show a progress bar.

    Attributes
    ----------
    classes_ : array (K,)
        The labels.
    participant_ids_ : list of str
        Who was learnt from.
    region_names_ : list of str
        The regions, in their order.
    history_ : DataFrame
        Training loss, validation loss and learning rate by member and epoch.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(n_subjects=40, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> model = SubjectGraphClassifier("MeanMLP", training=Training(max_epochs=5), device="cpu")
    >>> model.fit(cohort[:30], y[:30]).predict_proba(cohort[30:]).shape
    (10, 2)
    """

    def fit(self, cohort: Cohort, y: ArrayLike) -> Self:
        """Learn from the labelled participants.

        Parameters
        ----------
        cohort : Cohort (S)
            Participants with what the network reads.
        y : array (S,)
            Integer labels, -1 for a participant without one.

        Returns
        -------
        SubjectGraphClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            For labels of one class, data that the network reads and the cohort lacks, and
            settings outside their range.
        MemoryError
            If a batch does not fit; it says which size to try.
        """
        labels = check_labels(y, cohort)
        self._check_settings()
        order = np.argsort(cohort.participant_ids)
        order = order[labels[order] != -1]
        self.classes_, target = np.unique(labels[order], return_inverse=True)
        self._fit(cohort[order], target, target, len(self.classes_))
        return self

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Return the probability of each class (S, K), the mean over the members."""
        logits = [torch.from_numpy(output) for output in self._outputs(cohort)]
        return torch.stack(logits).softmax(dim=2).mean(dim=0).numpy()

    def decision_function(self, cohort: Cohort) -> np.ndarray:
        """Return log-odds of the second class (S,), or log-probabilities (S, K) of several."""
        log = np.log(np.clip(self.predict_proba(cohort), 1e-300, None))
        return log[:, 1] - log[:, 0] if len(self.classes_) == 2 else log

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Return the most probable class (S,)."""
        return self.classes_[self.predict_proba(cohort).argmax(axis=1)]

    def _facts(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist()}

    def _restore(self, facts: Mapping[str, Any]) -> None:
        self.classes_ = np.array(facts["classes"])


class SubjectGraphRegressor(RegressorMixin, _SubjectGraph):
    """Predict a number, such as age, from each participant's own scan.

    The twin of :class:`SubjectGraphClassifier`, with its parameters: the target is standardised
    by the training rows and the loss is the squared error, unless the network has its own.
    ``y`` is NaN for a participant without a target.

    Attributes
    ----------
    mean_, scale_ : float
        Of the target.
    participant_ids_, region_names_, history_
        As the classifier's.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(n_subjects=40, missing=0.0, random_state=0)
    >>> model = SubjectGraphRegressor("MeanMLP", training=Training(max_epochs=5), device="cpu")
    >>> model.fit(cohort[:30], cohort.phenotype["age"][:30]).predict(cohort[30:]).shape
    (10,)
    """

    def fit(self, cohort: Cohort, y: ArrayLike) -> Self:
        """Learn from the participants whose target is known.

        Parameters
        ----------
        cohort : Cohort (S)
            Participants with what the network reads.
        y : array (S,)
            Numbers, NaN for a participant without one.

        Returns
        -------
        SubjectGraphRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If fewer than two participants have a target or it is constant; otherwise as
            :meth:`SubjectGraphClassifier.fit`.
        """
        values = np.asarray(y, dtype=float)
        if values.shape != (len(cohort),):
            raise ValueError(f"y has shape {values.shape}, needed is ({len(cohort)},).")
        self._check_settings()
        if self.training.balanced or self.training.class_weight is not None:
            raise ValueError("a regressor has no classes: leave balanced and class_weight alone.")
        order = np.argsort(cohort.participant_ids)
        order = order[np.isfinite(values[order])]
        known = values[order]
        if len(known) < 2 or known.std() == 0:
            raise ValueError(
                f"y has {len(known)} numbers and a deviation of {known.std() if len(known) else 0};"
                " at least two different ones are needed. NaN stands for unknown."
            )
        self.mean_, self.scale_ = float(known.mean()), float(known.std())
        n_strata = int(np.clip(len(known) // 10, 1, 5))
        edges = np.quantile(known, np.linspace(0, 1, n_strata + 1)[1:-1])
        self._fit(cohort[order], (known - self.mean_) / self.scale_, np.digitize(known, edges), 1)
        return self

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Return the predicted numbers (S,), the mean over the members."""
        return self.mean_ + self.scale_ * np.mean(self._outputs(cohort), axis=0)[:, 0]

    def _facts(self) -> dict[str, Any]:
        return {"mean": self.mean_, "scale": self.scale_}

    def _restore(self, facts: Mapping[str, Any]) -> None:
        self.mean_, self.scale_ = facts["mean"], facts["scale"]
