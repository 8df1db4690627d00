"""The estimator of population networks that learn what they know of each participant."""

import operator
import os
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from brainograph.cohort import Cohort
from brainograph.estimators.labels import check_labels
from brainograph.estimators.population.edges import Joined, PopulationEdges
from brainograph.estimators.population.known_participants import PopulationMembers
from brainograph.estimators.population.network_agreement import Agreement
from brainograph.estimators.population.network_member import PopulationNetworkMember
from brainograph.estimators.population.network_training import PopulationFit, Stages, embed
from brainograph.estimators.saving.network_model import open_network_model
from brainograph.estimators.saving.persistence import SavedModel, write_model
from brainograph.estimators.subject.data import SubjectData
from brainograph.estimators.subject.network import new_network, take_weights, weights_of
from brainograph.estimators.subject.presence import check_learnt
from brainograph.estimators.training.loop import resolve_device
from brainograph.estimators.training.settings import Training
from brainograph.estimators.training.validation_split import validation_split
from brainograph.graphs.population import CATEGORICAL, CONTINUOUS, Metric
from brainograph.io.volumes import Volumes
from brainograph.nn.adjacency import from_tensor
from brainograph.nn.population import PopulationNetwork
from brainograph.nn.population.choice import network_class
from brainograph.preprocessing.inputs import check_regions
from brainograph.preprocessing.parcellation import parcellation_of
from brainograph.preprocessing.phenotypes import Phenotypes, check_phenotypes

__all__ = ["PopulationNetworkClassifier"]


class PopulationNetworkClassifier(PopulationMembers, ClassifierMixin, BaseEstimator):
    """Train encoders of participants together with a network over the population.

    ``fit(cohort, y)`` encodes everybody it is given, joins them by phenotypes and by the
    similarity of what it has learnt of them, and learns from those with a label; ``y == -1`` marks
    the others, who are seen and whose labels are not. ``predict_proba`` answers for fitted
    participants from their node (*transductive*), and for new ones by joining each to the fitted
    ones, listening without being heard (*inductive*): no other prediction changes.

    Parameters
    ----------
    network : class or str
        Of :mod:`brainograph.nn.population`: ``"EHGCN"``, ``"MMGNN"`` or ``"VMMDGCN"``; or a
        subclass of :class:`~brainograph.nn.population.PopulationNetwork`.
    params : mapping, optional
        Hyper-parameters of the network.
    parcellation : str, optional
        One of ``cohort.parcellations`` to read instead of the cohort's own regions.
    phenotypes : sequence of str
        Columns that the network reads beside the scan, encoded by
        :class:`~brainograph.preprocessing.Phenotypes` as learnt from training rows.
    categorical : sequence of str
        Phenotypes that join participants who have the same value.
    continuous : mapping of str to float, optional
        Phenotypes that join participants who differ by less than this; ``{"age": 2.0}`` by
        default.
    combine : {"product", "similarity", "phenotype", "none"}
        Which terms make an edge; ``"none"`` leaves every participant alone (a control).
    metric : {"correlation", "cosine", "euclidean"}
        Distance of the features that the network joins by.
    n_neighbors : int, optional
        How many participants everybody listens to, the strongest edges; None is all.
    allow_diagnostic : bool
        Whether phenotypes that follow from the diagnosis may be used.
    standardize : bool
        Whether each region's series is brought to mean 0 and deviation 1 over time, and, without
        ``volumes``, each image over its voxels.
    volumes : Volumes, optional
        How images are brought to one grid; by default they are on one, and read as they are.
    training : Training, optional
        Optimiser, schedule, early stopping; by default ``Training(lr=0.005, max_epochs=150,
        patience=30)``. Without ``n_sampled`` an epoch is one step on everybody, and
        ``batch_size`` is how many are encoded at a time where no gradient is needed. On 871
        connectomes thirty or forty steps on all labelled rows, ``lr_schedule="one_cycle"`` and
        ``validation_fraction=0``, did better than stopping early.
    stages : {"joint", "staged"}
        Train everything together; or the encoders first, each participant alone, and then what
        comes after on fixed codes.
    n_sampled : sequence of int, optional
        Neighbours that are drawn for each labelled participant of a batch, for each of these, and
        so on: ``(10, 5)``. Only they are encoded in a step, so that memory does not grow with the
        cohort. Graphs are those of a look at everybody, once an epoch. For joint training.
    pretrained : path, optional
        Folder of a saved model whose weights are taken where name and shape fit: that of the same
        network without one of its modalities, for example.
    n_members : int
        Networks with other initial weights and validation splits, whose probabilities are
        averaged.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ...
    random_state : int
        Seed of weights, dropout, batches, neighbours and validation splits.
    progress : bool
        Whether to show a bar.

    Attributes
    ----------
    classes_ : array (K,)
        The labels.
    participant_ids_, region_names_ : list of str
        The participants of the fitted graph, and the regions.
    graphs_ : list of csr_array (S, S)
        The (first member's) population graphs, one for each time that the network joins
        participants: by scale or modality. Row i is what participant i listens to.
    networks_ : list of PopulationNetwork
        Trained, one for each member: ``networks_[0].region_scores()`` and the like.
    history_ : DataFrame
        Training and validation loss by member and epoch.
    n_isolated_ : int
        Participants without an edge in any of these.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.estimators.training.settings import Training
    >>> cohort = simulate_cohort(n_subjects=40, n_regions=8, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy().copy()
    >>> y[:10] = -1
    >>> training = Training(lr=0.01, max_epochs=3)
    >>> model = PopulationNetworkClassifier("EHGCN", training=training, device="cpu")
    >>> model.fit(cohort[:35], y[:35]).predict_proba(cohort).shape
    (40, 2)
    >>> model.regime(cohort[[0, 20, 39]]).tolist()
    ['transductive', 'training', 'inductive']
    """

    def __init__(
        self,
        network: type[PopulationNetwork] | str = "EHGCN",
        *,
        params: Mapping[str, Any] | None = None,
        parcellation: str | None = None,
        phenotypes: Sequence[str] = (),
        categorical: Sequence[str] = CATEGORICAL,
        continuous: Mapping[str, float] | None = None,
        combine: Joined = "product",
        metric: Metric = "correlation",
        n_neighbors: int | None = 20,
        allow_diagnostic: bool = False,
        standardize: bool = True,
        volumes: Volumes | None = None,
        training: Training | None = None,
        stages: Stages = "joint",
        n_sampled: Sequence[int] | None = None,
        pretrained: str | os.PathLike[str] | None = None,
        n_members: int = 1,
        device: str = "auto",
        random_state: int = 0,
        progress: bool = False,
    ) -> None:
        self.network = network
        self.params = params
        self.parcellation = parcellation
        self.phenotypes = phenotypes
        self.categorical = categorical
        self.continuous = continuous
        self.combine = combine
        self.metric = metric
        self.n_neighbors = n_neighbors
        self.allow_diagnostic = allow_diagnostic
        self.standardize = standardize
        self.volumes = volumes
        self.training = (
            Training(lr=0.005, max_epochs=150, patience=30) if training is None else training
        )
        self.stages = stages
        self.n_sampled = n_sampled
        self.pretrained = pretrained
        self.n_members = n_members
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def fit(self, cohort: Cohort, y: ArrayLike) -> Self:
        """Encode and join everyone, and learn from the labelled.

        Parameters
        ----------
        cohort : Cohort (S)
            All participants of the graph, with what the network reads.
        y : array (S,)
            Integer labels, -1 for a participant without one.

        Returns
        -------
        PopulationNetworkClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            For labels of one class, phenotypes that are missing, follow from the diagnosis or
            identify the participant, data that the network reads and the cohort lacks, and
            settings outside their range.
        """
        labels, edges = check_labels(y, cohort), self._edges()
        self._check_settings()
        edges.of(cohort.phenotype)
        order = np.argsort(cohort.participant_ids)
        cohort, labels = cohort[order], labels[order]
        cohort = parcellation_of(cohort, self.parcellation)
        self.classes_ = np.unique(labels[labels != -1])
        self.participant_ids_ = cohort.participant_ids
        self.region_names_ = cohort.regions.index.tolist()
        self._labelled = labels != -1
        self._image_shapes: dict[str, list[int]] = {}
        self._other_regions: dict[str, list[str]] = {}
        target = np.where(labels == -1, -1, np.searchsorted(self.classes_, labels))
        seeds = np.random.SeedSequence(self.random_state).generate_state(self.n_members).tolist()
        self._members = [self._train_member(cohort, target, edges, seed) for seed in seeds]
        table, graphs = self._members[0].table, self.graphs_
        self.n_isolated_ = 0
        if graphs:
            everything = reduce(operator.add, graphs)
            self.n_isolated_ = edges.count_isolated(everything, table, self._labelled)
        return self

    def _check_settings(self) -> None:
        self.training.check()
        single = {"accumulate": 1, "devices": 1, "precision": "32-true"}
        for name, value in single.items():
            if getattr(self.training, name) != value:
                raise ValueError(
                    f"a population network is trained with {name}={value!r}, got "
                    f"{getattr(self.training, name)!r}. To save memory write n_sampled=(10, 5)."
                )
        if self.n_members < 1:
            raise ValueError(f"n_members must be at least 1, got {self.n_members}.")
        if self.stages not in get_args(Stages):
            raise ValueError(f"stages must be one of {get_args(Stages)}, got {self.stages!r}.")
        if self.n_sampled is not None and (
            isinstance(self.n_sampled, int) or not self.n_sampled or min(self.n_sampled) < 1
        ):
            raise ValueError(
                f"n_sampled must name how many neighbours are drawn at each remove, got "
                f"{self.n_sampled!r}. Write n_sampled=(10, 5)."
            )
        check_phenotypes(self.phenotypes, allow_diagnostic=self.allow_diagnostic)

    def _edges(self) -> PopulationEdges:
        """Return how participants are joined, or say what is wrong with the settings."""
        edges = PopulationEdges(
            tuple(self.categorical),
            dict(CONTINUOUS if self.continuous is None else self.continuous),
            self.combine,
            self.metric,
            self.n_neighbors,
        )
        check_phenotypes(edges.columns, allow_diagnostic=self.allow_diagnostic)
        return edges

    def _train_member(
        self, cohort: Cohort, target: np.ndarray, edges: PopulationEdges, seed: int
    ) -> PopulationNetworkMember:
        device = resolve_device(self.device)
        rows, held_out = np.flatnonzero(target != -1), np.arange(0)
        if self.training.validation_fraction:
            fraction = self.training.validation_fraction
            rows, held_out = validation_split(cohort, target, fraction=fraction, seed=seed % 2**31)
        phenotypes = None
        if len(self.phenotypes):
            phenotypes = Phenotypes(
                list(self.phenotypes), allow_diagnostic=self.allow_diagnostic
            ).fit(cohort[rows])
        network = self._new_network(phenotypes, seed).to(device)
        if self.pretrained is not None:
            take_weights(network, self.pretrained, self.region_names_)
        data = self._data(cohort, network, phenotypes).keep_on(device)
        self._image_shapes = {name: list(shape) for name, shape in data.shapes.items()}
        self._other_regions = data.regions
        check_learnt(data.present, rows)
        table = edges.of(cohort.phenotype)
        with torch.random.fork_rng():
            history = PopulationFit(
                network=network,
                data=data,
                agreement=Agreement.of(edges, table),
                edges=edges,
                target=target,
                class_weight=self._class_weight(target[rows]),
                rows=rows,
                held_out=held_out,
                training=self.training,
                stages=self.stages,
                n_sampled=self.n_sampled,
                device=device,
                seed=seed,
                progress=self.progress,
            ).run()
        codes = embed(network, data, self.training.batch_size)
        return PopulationNetworkMember(network, phenotypes, codes, edges, table, history)

    def _new_network(self, phenotypes: Phenotypes | None, seed: int) -> PopulationNetwork:
        network: Any = new_network(
            network_class(self.network),
            len(self.region_names_),
            len(self.classes_),
            params=dict(self.params or {}),
            n_phenotypes=0 if phenotypes is None else len(phenotypes.get_feature_names_out()),
            seed=seed,
        )
        return network

    def _data(
        self, cohort: Cohort, network: PopulationNetwork, phenotypes: Phenotypes | None
    ) -> SubjectData:
        modalities: Any = getattr(network, "modalities", ())
        data = SubjectData(
            cohort,
            network.reads,
            standardize=self.standardize,
            min_volumes=network.min_volumes,
            volumes=self.volumes,
            missing_ok=network.missing_ok,
            shapes=self._image_shapes,
            regions=self._other_regions,
            phenotypes=self.phenotypes if "phenotypes" in modalities else (),
        )
        return data.with_phenotypes(None if phenotypes is None else phenotypes.transform(cohort))

    def _class_weight(self, classes: np.ndarray) -> np.ndarray | None:
        if self.training.class_weight is None:
            return None
        counts = np.bincount(classes)
        return len(classes) / (len(counts) * counts)

    @property
    def graphs_(self) -> list[sparse.csr_array]:
        """The population graphs (S, S) of the first member."""
        check_is_fitted(self, "_members")
        return [from_tensor(graph) for graph in self._members[0].join.graphs]

    @property
    def networks_(self) -> list[PopulationNetwork]:
        """The trained networks, one for each member."""
        check_is_fitted(self, "_members")
        return [member.network for member in self._members]

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Return the probability of each class (S, K).

        Raises
        ------
        ValueError
            If the regions are not those of the model, or somebody has the id of a fitted
            participant and other data.
        """
        check_is_fitted(self, "_members")
        cohort = parcellation_of(cohort, self.parcellation)
        check_regions(self.region_names_, cohort.regions.index.tolist())
        rows = self._rows(cohort)
        known, new = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
        proba = np.zeros((len(cohort), len(self.classes_)))
        if not len(cohort):
            return proba
        for i, member in enumerate(self._members):
            codes = self._encode(cohort, member)
            if i == 0 and len(known):
                names = np.array(cohort.participant_ids)[known]
                member.check_identity(codes[known], rows[known], names)
            proba[known] += member.fitted[rows[known]]
            if len(new):
                proba[new] += member.predict_new(codes[new], cohort.phenotype.iloc[new])
        return proba / len(self._members)

    def _encode(self, cohort: Cohort, member: PopulationNetworkMember) -> Tensor:
        data = self._data(cohort, member.network, member.phenotypes)
        data.keep_on(member.codes.device)
        return embed(member.network, data, self.training.batch_size)

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Return the most probable class (S,)."""
        return self.classes_[self.predict_proba(cohort).argmax(axis=1)]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the fitted model as a folder that :meth:`load` opens without running code.

        The folder holds weights, settings, and of the fitted participants ids, codes and the
        phenotypes that make edges, which later predictions need; no scan and no label.
        """
        check_is_fitted(self, "_members")
        params = self.get_params(deep=False)
        del params["pretrained"]  # only ``fit`` reads it
        edges, members = self._edges(), dict(enumerate(self._members))
        facts = {
            "estimator": type(self).__name__,
            "params": {
                **params,
                "network": network_class(self.network).__name__,
                "training": self.training.get_params(),
                "volumes": None if self.volumes is None else self.volumes.settings(),
                "categorical": list(edges.categorical),
                "continuous": dict(edges.continuous),
            },
            "classes": self.classes_.tolist(),
            "regions": self.region_names_,
            "labelled": self._labelled.tolist(),
            "n_isolated": self.n_isolated_,
            "image_shapes": self._image_shapes,
            "other_regions": self._other_regions,
        }
        tensors = {f"codes.{i}": member.codes for i, member in members.items()}
        for i, member in members.items():
            weights = member.network.state_dict().items()
            tensors |= {f"{i}.{name}": w.detach().clone() for name, w in weights}
        objects = {f"{i}.phenotypes": m.phenotypes for i, m in members.items() if m.phenotypes}
        tables = {
            "phenotype": self._members[0].table.reset_index(),
            "history": self.history_.reset_index(),
        }
        return write_model(SavedModel(facts, tensors, objects, tables), folder)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        *,
        device: str = "auto",
        network: type[PopulationNetwork] | None = None,
    ) -> Self:
        """Open a model folder.

        Parameters
        ----------
        folder : path
            What :meth:`save` wrote.
        device : str
            Where to predict.
        network : class, optional
            The network, where it is not one of :mod:`brainograph.nn.population`.

        Raises
        ------
        ValueError
            If a file was changed, or the folder holds another estimator or network.
        """
        model, saved = open_network_model(cls, folder, network=network, device=device)
        facts = saved.facts
        model.classes_ = np.array(facts["classes"])
        model.region_names_ = facts["regions"]
        model._labelled = np.array(facts["labelled"])
        model.n_isolated_ = facts["n_isolated"]
        model._image_shapes = facts["image_shapes"]
        model._other_regions = facts.get("other_regions", {})
        table = saved.tables["phenotype"].set_index("participant_id")
        model.participant_ids_ = table.index.tolist()
        history = saved.tables["history"].set_index(["member", "epoch"])
        where = resolve_device(device)
        model._members = []
        for i in range(model.n_members):
            phenotypes = saved.objects.get(f"{i}.phenotypes")
            member = model._new_network(phenotypes, seed=0)
            member.load_state_dict(weights_of(saved, i))
            codes = saved.tensors[f"codes.{i}"].to(where)
            model._members.append(
                PopulationNetworkMember(
                    member.to(where), phenotypes, codes, model._edges(), table, history.loc[i]
                )
            )
        return model
