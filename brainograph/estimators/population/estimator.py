"""The population graph classifier: participants are nodes, unlabelled ones are predicted."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch_geometric.data import Data

from brainograph.cohort import Cohort
from brainograph.estimators.labels import check_labels
from brainograph.estimators.population.edges import Joined, PopulationEdges, Shuffle
from brainograph.estimators.population.known_participants import PopulationMembers
from brainograph.estimators.population.member import Member, somebody_else, transform
from brainograph.estimators.population.row_space import expand, is_wide, rotate
from brainograph.estimators.saving.persistence import SavedModel, read_model, write_model
from brainograph.estimators.training.loop import l2_penalty, resolve_device, train
from brainograph.estimators.training.validation_split import validation_split
from brainograph.graphs.population import CATEGORICAL, CONTINUOUS, Metric
from brainograph.nn.adjacency import Layout, from_tensor, to_tensor
from brainograph.nn.population_gcn import PopulationGCN
from brainograph.preprocessing.edges import Edges
from brainograph.preprocessing.inputs import check_regions
from brainograph.preprocessing.phenotypes import check_phenotypes

__all__ = ["PopulationGraphClassifier"]

Optimizer = Literal["adam", "lbfgs"]


class PopulationGraphClassifier(PopulationMembers, ClassifierMixin, BaseEstimator):
    r"""Classify the participants of a cohort with a graph network over the population.

    ``fit(cohort, y)`` joins all participants it is given by an edge
    :math:`A_{ij} = \exp(-d_{ij}^2 / 2\sigma^2) \sum_h \gamma_h(i, j)` and learns from those with a
    label; ``y == -1`` marks the others, whose features are seen and whose labels are not. The
    feature pipeline and :math:`\sigma` are fitted on labelled training rows. Participants are
    told apart by ``participant_id`` and nothing depends on their order.

    ``predict_proba(cohort)`` takes fitted and new participants. For fitted ones it returns what
    the network says of their node (*transductive*). Each new one is joined to the fitted graph
    alone, listening to it without being heard (*inductive*): no other prediction changes.

    Parameters
    ----------
    features : transformer, optional
        From a :class:`~brainograph.cohort.Cohort` to (S, F), such as a scikit-learn pipeline; by
        default the standardised Fisher-z edges of ``connectivity["fc"]``.
    conv : str
        ``"gcn"``, ``"cheb"``, ``"sage"``, ``"gat"`` or a convolution of ``torch_geometric.nn``.
    hidden_channels, num_layers : int
        Width and number of the graph convolutions; 0 layers leave the linear path alone.
    dropout : float
        Share of the inputs of each convolution that is dropped in training.
    linear_skip : bool
        Whether a linear path from features to logits runs beside the graph convolutions.
    skip_smoothing : float
        How much of their neighbours' mean the linear path adds to a participant's own features;
        with ``num_layers=0`` a simplified graph convolution.
    categorical : sequence of str
        Phenotypes that join participants who have the same value.
    continuous : mapping of str to float, optional
        Phenotypes that join participants who differ by less than this; ``{"age": 2.0}`` by
        default.
    combine : {"product", "similarity", "phenotype", "none"}
        Which terms make an edge; ``"none"`` leaves every participant alone (a control).
    metric : {"correlation", "cosine", "euclidean"}
        Distance of the features.
    n_neighbors : int, optional
        Keep each participant's strongest edges; all edges by default.
    shuffle : {"none", "edges", "features"}
        Two controls: ``"edges"`` rewires who is joined to whom and keeps everybody's number of
        edges (:func:`~brainograph.graphs.rewire.rewire`); ``"features"`` keeps the edges and
        gives everybody the features of somebody else.
    allow_diagnostic : bool
        Whether phenotypes that follow from the diagnosis may make edges.
    optimizer : {"adam", "lbfgs"}
        L-BFGS finds the optimum of ``num_layers=0``, which is convex.
    lr : float
        Learning rate of Adam; L-BFGS searches along its line.
    weight_decay, skip_weight_decay : float
        L2 penalty :math:`\lambda` of the graph path and of the linear path: the loss is the mean
        cross-entropy plus :math:`\lambda / 2` times the sum of squared weights.
    max_epochs, patience : int
        Epochs at the most, and without a better validation loss. An epoch of L-BFGS is up to 20
        iterations.
    validation_fraction : float
        Share of the labelled participants on whom training is stopped early; 0 trains for
        ``max_epochs`` on all.
    refit : bool
        Whether to train anew on all labelled participants, for the median of the members' best
        numbers of epochs.
    n_members : int
        Networks with other initial weights and validation splits, whose probabilities are
        averaged.
    layout : {"auto", "dense", "sparse"}
        How the graph is stored; both give the same predictions to 1e-5.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ...
    random_state : int
        Seed of weights, dropout and validation splits.
    progress : bool
        Whether to show a progress bar.

    Attributes
    ----------
    classes_ : array (K,)
        The labels.
    participant_ids_ : list of str
        The participants of the fitted graph.
    graph_ : array (S, S) or sparse matrix
        The (first member's) population graph, rows as ``participant_ids_``.
    history_ : DataFrame
        Training and validation loss by member and epoch.
    n_isolated_ : int
        Participants without an edge, predicted from their own features alone.

    References
    ----------
    Parisot et al., Disease prediction using graph convolutional networks: application to autism
    spectrum disorder and Alzheimer's disease, Medical Image Analysis 48, 2018.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> cohort = simulate_cohort(n_subjects=60, random_state=0)
    >>> y = cohort.phenotype["diagnosis"].to_numpy().copy()
    >>> y[:20] = -1
    >>> model = PopulationGraphClassifier(max_epochs=20).fit(cohort, y)
    >>> model.predict_proba(cohort[:20]).shape
    (20, 2)
    >>> print(model.regime(cohort[:1]))
    ['transductive']
    """

    def __init__(
        self,
        features: TransformerMixin | None = None,
        *,
        conv: str = "cheb",
        hidden_channels: int = 16,
        num_layers: int = 1,
        dropout: float = 0.3,
        linear_skip: bool = True,
        skip_smoothing: float = 0.0,
        categorical: Sequence[str] = CATEGORICAL,
        continuous: Mapping[str, float] | None = None,
        combine: Joined = "product",
        metric: Metric = "correlation",
        n_neighbors: int | None = None,
        shuffle: Shuffle = "none",
        allow_diagnostic: bool = False,
        optimizer: Optimizer = "adam",
        lr: float = 0.005,
        weight_decay: float = 5e-4,
        skip_weight_decay: float = 5e-4,
        max_epochs: int = 150,
        patience: int = 20,
        validation_fraction: float = 0.15,
        refit: bool = True,
        n_members: int = 3,
        layout: Layout = "auto",
        device: str = "auto",
        random_state: int = 0,
        progress: bool = False,
    ) -> None:
        self.features = features
        self.conv = conv
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.dropout = dropout
        self.linear_skip = linear_skip
        self.skip_smoothing = skip_smoothing
        self.categorical = categorical
        self.continuous = continuous
        self.combine = combine
        self.metric = metric
        self.n_neighbors = n_neighbors
        self.shuffle = shuffle
        self.allow_diagnostic = allow_diagnostic
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.skip_weight_decay = skip_weight_decay
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.n_members = n_members
        self.layout = layout
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def fit(self, cohort: Cohort, y: ArrayLike) -> "PopulationGraphClassifier":
        """Build the population graph over everyone and learn from the labelled.

        Parameters
        ----------
        cohort : Cohort (S)
            All participants of the graph.
        y : array (S,)
            Integer labels, -1 for a participant without one.

        Returns
        -------
        PopulationGraphClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            For labels of one class, phenotypes that are missing, follow from the diagnosis or
            identify the participant, and settings outside their range.
        """
        labels = check_labels(y, cohort)
        self._check_settings()
        phenotype = self._edges().of(cohort.phenotype)
        order = np.argsort(cohort.participant_ids)
        cohort, labels = cohort[order], labels[order]
        self.classes_ = np.unique(labels[labels != -1])
        self.participant_ids_ = cohort.participant_ids
        self.region_names_ = cohort.regions.index.tolist()
        self._phenotype = phenotype.iloc[order]
        self._labelled = labels != -1
        target = np.where(labels == -1, -1, np.searchsorted(self.classes_, labels))
        self._members = self._fit_members(cohort, target)
        self.n_isolated_ = self._edges().count_isolated(
            self.graph_, self._phenotype, self._labelled
        )
        return self

    def _check_settings(self) -> None:
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(
                f"validation_fraction must be in [0, 1), got {self.validation_fraction}. "
                "For 15 % of the labelled participants write validation_fraction=0.15."
            )
        if self.optimizer not in get_args(Optimizer):
            raise ValueError(
                f"optimizer must be one of {get_args(Optimizer)}, got {self.optimizer!r}."
            )
        if self.n_members < 1:
            raise ValueError(f"n_members must be at least 1, got {self.n_members}.")

    def _edges(self) -> PopulationEdges:
        """Return how participants are joined, or say what is wrong with the settings."""
        edges = PopulationEdges(
            tuple(self.categorical),
            dict(CONTINUOUS if self.continuous is None else self.continuous),
            self.combine,
            self.metric,
            self.n_neighbors,
            self.shuffle,
            self.random_state,
        )
        check_phenotypes(edges.columns, allow_diagnostic=self.allow_diagnostic)
        return edges

    def _fit_members(self, cohort: Cohort, target: np.ndarray) -> list[Member]:
        """Train every member; with ``refit``, again on all for the epochs that served them."""
        seeds = np.random.SeedSequence(self.random_state).generate_state(self.n_members).tolist()
        labelled = np.flatnonzero(target != -1)
        if not self.validation_fraction:
            epochs = self.max_epochs
            return [self._train_member(cohort, target, labelled, None, s, epochs) for s in seeds]
        members = []
        for seed in seeds:
            rows, held_out = validation_split(
                cohort, target, fraction=self.validation_fraction, seed=seed % 2**31
            )
            members.append(
                self._train_member(cohort, target, rows, held_out, seed, self.max_epochs)
            )
        if not self.refit:
            return members
        epochs = int(np.median([member.history["validation"].idxmin() for member in members]))
        refitted = [
            self._train_member(cohort, target, labelled, None, seed, epochs) for seed in seeds
        ]
        for member, judged in zip(refitted, members, strict=True):
            member.history = judged.history
        return refitted

    def _train_member(
        self,
        cohort: Cohort,
        target: np.ndarray,
        rows: np.ndarray,
        held_out: np.ndarray | None,
        seed: int,
        epochs: int,
    ) -> Member:
        """Fit features, graph and network on ``rows``; stop early on ``held_out`` if given."""
        device = resolve_device(self.device)
        features = self._new_features().fit(cohort[np.sort(rows)], target[np.sort(rows)])
        x = transform(features, cohort)
        edges = self._edges()
        sigma = edges.fit_sigma(x[rows])
        graph = edges.join(x, cohort.phenotype, sigma)
        adj = to_tensor(graph, layout=self.layout).to(device)
        carries = np.arange(len(x))
        if self.shuffle == "features":
            carries = somebody_else(len(x), random_state=self.random_state)
        shown = torch.from_numpy(x[carries]).to(device)
        linear = self.num_layers == 0 and self.optimizer == "lbfgs"
        rotated, basis = rotate(shown) if linear and is_wide(x) else (shown, None)
        batch = Data(x=rotated, adj=adj)
        labels = torch.from_numpy(target).to(device)
        learn = torch.from_numpy(np.sort(rows)).to(device)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = self._new_network(rotated.shape[1]).to(device)

            def loss(batch: Data) -> Tensor:
                misfit = torch.nn.functional.cross_entropy(network(batch)[learn], labels[learn])
                return misfit + l2_penalty(
                    network, self.weight_decay, {"skip.weight": self.skip_weight_decay}
                )

            def validate() -> float:
                logits = network(batch)[held_out]
                return torch.nn.functional.cross_entropy(logits, labels[held_out]).item()

            history = train(
                network,
                [batch],
                loss=loss,
                optimizer=self._new_optimizer(network),
                max_epochs=epochs,
                validate=None if held_out is None else validate,
                patience=self.patience,
                progress=self.progress,
            )
        if basis is not None:
            network = self._expanded(network, basis)
        own, carried = (torch.from_numpy(array).to(device) for array in (x, carries))
        return Member(features, sigma, own, adj, network, history, carried)

    def _new_features(self) -> TransformerMixin:
        if self.features is None:
            return make_pipeline(Edges(), StandardScaler())
        return clone(self.features)

    def _new_network(self, in_channels: int) -> PopulationGCN:
        return PopulationGCN(
            in_channels,
            len(self.classes_),
            hidden_channels=self.hidden_channels,
            num_layers=self.num_layers,
            conv=self.conv,
            dropout=self.dropout,
            linear_skip=self.linear_skip,
            skip_smoothing=self.skip_smoothing,
        )

    def _expanded(self, network: PopulationGCN, basis: Tensor) -> PopulationGCN:
        """Return the network of all features from that of the rotated ones."""
        state = network.state_dict()
        state["skip.weight"] = expand(state["skip.weight"], basis)
        with torch.random.fork_rng():
            whole = self._new_network(len(basis)).to(basis.device)
        whole.load_state_dict(state)
        return whole.eval()

    def _new_optimizer(self, network: PopulationGCN) -> torch.optim.Optimizer:
        if self.optimizer == "lbfgs":
            return torch.optim.LBFGS(
                network.parameters(), max_iter=20, history_size=20, line_search_fn="strong_wolfe"
            )
        return torch.optim.Adam(network.parameters(), lr=self.lr)

    @property
    def graph_(self) -> sparse.csr_array:
        """The population graph (S, S) of the first member."""
        check_is_fitted(self, "_members")
        return from_tensor(self._members[0].adj)

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Return the probability of each class (S, K), the mean over the members.

        Raises
        ------
        ValueError
            If the regions are not those of the model, or somebody has the id of a fitted
            participant and other data.
        """
        return self.sample_proba(cohort).mean(axis=0)

    def sample_proba(
        self, cohort: Cohort, *, n_passes: int = 0, random_state: int = 0
    ) -> np.ndarray:
        """Return the probabilities of each of M members (M, S, K).

        With ``n_passes`` dropout stays on and each member speaks so often (M * n_passes, S, K),
        as in :meth:`SubjectGraphClassifier.sample_proba`: a pass drops the same channels of all.
        """
        check_is_fitted(self, "_members")
        check_regions(self.region_names_, cohort.regions.index.tolist())
        rows = self._rows(cohort)
        known, new, samples = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0), []
        if len(known):
            self._members[0].check_identity(cohort[known], rows[known])
        for i, member in enumerate(self._members):
            draws: Any = {"n_passes": n_passes, "random_state": random_state + i}
            proba = np.zeros((max(1, n_passes), len(cohort), len(self.classes_)))
            if len(known):
                proba[:, known] = member.predict_fitted(**draws)[:, rows[known]]
            if len(new):
                among = (self._phenotype, self._edges())
                proba[:, new] = member.predict_new(cohort[new], *among, **draws)
            samples.append(proba)
        return np.concatenate(samples)

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Return the most probable class (S,)."""
        return self.classes_[self.predict_proba(cohort).argmax(axis=1)]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the fitted model as a folder that :meth:`load` opens without running code.

        The folder holds the features, edge phenotypes and ids of the fitted participants, which
        later predictions need, and no label.
        """
        check_is_fitted(self, "_members")
        members = dict(enumerate(self._members))
        tensors = {f"{i}.{k}": t for i, m in members.items() for k, t in m.tensors().items()}
        objects = {f"{i}.features": member.features for i, member in members.items()}
        params = self.get_params(deep=False)
        del params["features"]
        facts = {
            "estimator": type(self).__name__,
            "params": params | {"continuous": self._edges().continuous},
            "classes": self.classes_.tolist(),
            "regions": self.region_names_,
            "labelled": self._labelled.tolist(),
            "n_isolated": self.n_isolated_,
            "members": [member.facts() for member in self._members],
        }
        tables = {
            "phenotype": self._phenotype.reset_index(),
            "history": self.history_.reset_index(),
        }
        saved = SavedModel(facts, tensors, {"features": self.features, **objects}, tables)
        return write_model(saved, folder)

    @classmethod
    def load(
        cls, folder: str | os.PathLike[str], *, device: str = "auto"
    ) -> "PopulationGraphClassifier":
        """Open a model folder.

        Parameters
        ----------
        folder : path
            What :meth:`save` wrote.
        device : str
            Where to predict.

        Raises
        ------
        ValueError
            If a file was changed, or the folder holds another estimator.
        """
        saved = read_model(folder)
        if saved.facts["estimator"] != cls.__name__:
            raise ValueError(f"{folder} holds a {saved.facts['estimator']}, not a {cls.__name__}.")
        model = cls(saved.objects["features"], **{**saved.facts["params"], "device": device})
        model.classes_ = np.array(saved.facts["classes"])
        model.region_names_ = saved.facts["regions"]
        model._labelled = np.array(saved.facts["labelled"])
        model.n_isolated_ = saved.facts["n_isolated"]
        model._phenotype = saved.tables["phenotype"].set_index("participant_id")
        model.participant_ids_ = model._phenotype.index.tolist()
        model._members = []
        for i in range(len(saved.facts["members"])):
            network = model._new_network(saved.tensors[f"{i}.x"].shape[1])
            model._members.append(Member.restore(saved, i, network, resolve_device(device)))
        return model
