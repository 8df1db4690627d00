"""One trained network with the features and the graph it was trained on."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.base import TransformerMixin
from torch import Tensor
from torch_geometric.data import Data

from brainograph.cohort import Cohort
from brainograph.estimators.population.edges import PopulationEdges
from brainograph.estimators.saving.persistence import SavedModel
from brainograph.nn.adjacency import from_tensor, to_tensor
from brainograph.nn.bayesian import sampling
from brainograph.nn.population_gcn import PopulationGCN

__all__ = ["Member", "somebody_else", "transform"]


def transform(features: TransformerMixin, cohort: Cohort) -> np.ndarray:
    """Return the features (S, F) as float32, or say whose are not finite."""
    x = np.ascontiguousarray(features.transform(cohort), dtype=np.float32)
    bad = ~np.isfinite(x).all(axis=1)
    if bad.any():
        who = np.array(cohort.participant_ids)[bad].tolist()
        raise ValueError(
            f"the features of {len(who)} participants are not finite: {who[:5]}. Drop them, "
            "or put an imputer at the end of the feature pipeline."
        )
    return x


def somebody_else(n: int, *, random_state: int) -> np.ndarray:
    """Draw for each of n participants another one: a permutation of one cycle.

    Examples
    --------
    >>> sorted(somebody_else(3, random_state=0).tolist())
    [0, 1, 2]
    """
    order = np.random.default_rng(random_state).permutation(n)
    others = np.empty(n, dtype=np.int64)
    others[order] = np.roll(order, 1)
    return others


def _anybody(participant_ids: Sequence[str], n: int, random_state: int) -> np.ndarray:
    """Draw for each new participant one of n, by the identifier and the seed."""
    seeds = [[random_state, crc32(name.encode())] for name in participant_ids]
    return np.array([np.random.default_rng(seed).integers(n) for seed in seeds])


@dataclass
class Member:
    """A network and all that its predictions need.

    Parameters
    ----------
    features : transformer
        Fitted.
    sigma : float or None
        Width of the similarity.
    x : Tensor (S, F)
        Features of the fitted participants.
    adj : Tensor (S, S)
        Their graph, dense or sparse.
    network : PopulationGCN
        Trained.
    history : DataFrame
        Losses by epoch.
    carries : Tensor (S,)
        Whose features each fitted participant carries in the network: their own, unless they
        were permuted.
    """

    features: TransformerMixin
    sigma: float | None
    x: Tensor
    adj: Tensor
    network: PopulationGCN
    history: pd.DataFrame
    carries: Tensor

    @torch.no_grad()
    def _probabilities(
        self, x: Tensor, adj: Tensor, *, n_passes: int, random_state: int
    ) -> np.ndarray:
        network, batch = self.network.eval(), Data(x=x, adj=adj)
        with (
            sampling(network, random_state=random_state, shared=True) if n_passes else nullcontext()
        ):
            logits = torch.stack([network(batch) for _ in range(max(1, n_passes))])
        return torch.softmax(logits.double(), dim=2).cpu().numpy()

    def predict_fitted(self, *, n_passes: int = 0, random_state: int = 0) -> np.ndarray:
        """Return the probabilities (1, S, K) of the fitted participants.

        With ``n_passes`` they are (n_passes, S, K), with dropout on.
        """
        shown = (self.x[self.carries], self.adj)
        return self._probabilities(*shown, n_passes=n_passes, random_state=random_state)

    def predict_new(
        self,
        cohort: Cohort,
        phenotype: pd.DataFrame,
        edges: PopulationEdges,
        *,
        n_passes: int = 0,
        random_state: int = 0,
    ) -> np.ndarray:
        """Let each new participant listen to the fitted graph; return probabilities (1, Q, K).

        Nobody listens to a new participant, so no other prediction changes. With ``n_passes`` they
        are (n_passes, Q, K), with dropout on.
        """
        shown = self.extended(cohort, phenotype, edges)
        proba = self._probabilities(*shown, n_passes=n_passes, random_state=random_state)
        return proba[:, len(self.x) :]

    def extended(
        self, cohort: Cohort, phenotype: pd.DataFrame, edges: PopulationEdges
    ) -> tuple[Tensor, Tensor]:
        """Return what the network reads: the fitted participants, then new ones who listen.

        Returns
        -------
        x : Tensor (S + Q, F)
        adj : Tensor (S + Q, S + Q)
        """
        x = transform(self.features, cohort)
        n_fitted, n_new = len(self.x), len(x)
        fitted_x = self.x.cpu().numpy()
        heard = edges.attach(fitted_x, phenotype, x, edges.of(cohort.phenotype), self.sigma)
        edges.warn_of_unheard(heard, edges.of(cohort.phenotype), phenotype)
        if edges.shuffle == "features":
            x = fitted_x[_anybody(cohort.participant_ids, n_fitted, edges.random_state)]
        nobody = sparse.csr_array((n_fitted + n_new, n_new), dtype=np.float32)
        graph = sparse.hstack([sparse.vstack([from_tensor(self.adj), heard]), nobody], format="csr")
        adj = to_tensor(graph, layout="sparse" if self.adj.is_sparse else "dense")
        both = torch.cat([self.x[self.carries], torch.from_numpy(x).to(self.x.device)])
        return both, adj.to(self.x.device)

    def check_identity(self, cohort: Cohort, rows: np.ndarray) -> None:
        """Refuse participants who have the id of a fitted one, by row, and other data."""
        known = self.x[torch.from_numpy(rows).to(self.x.device)].cpu().numpy()
        same = np.isclose(transform(self.features, cohort), known, rtol=1e-3, atol=1e-4)
        others = np.array(cohort.participant_ids)[~same.all(axis=1)].tolist()
        if others:
            raise ValueError(
                f"{len(others)} participants have the id of a fitted participant and other data: "
                f"{others[:5]}. Give new participants ids of their own, for example "
                "'study2-' + participant_id."
            )

    def tensors(self) -> dict[str, Tensor]:
        """Return everything numeric, by name, for a model folder."""
        adj = (self.adj if self.adj.is_sparse else self.adj.to_sparse_coo()).coalesce()
        weights = {f"network.{name}": w for name, w in self.network.state_dict().items()}
        graph = {"adj.indices": adj.indices(), "adj.values": adj.values()}
        return {"x": self.x, "carries": self.carries, **graph, **weights}

    def facts(self) -> dict[str, Any]:
        """Return the rest, as JSON."""
        return {"sigma": self.sigma, "layout": "sparse" if self.adj.is_sparse else "dense"}

    @classmethod
    def restore(
        cls, saved: SavedModel, i: int, network: PopulationGCN, device: torch.device
    ) -> "Member":
        """Return the i-th member of a model folder; ``network`` takes its weights."""
        start = f"{i}."
        tensors = {k[len(start) :]: v for k, v in saved.tensors.items() if k.startswith(start)}
        weights = {
            k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")
        }
        network.load_state_dict(weights)
        x, facts = tensors["x"], saved.facts["members"][i]
        graph = sparse.csr_array(
            (tensors["adj.values"].numpy(), tensors["adj.indices"].numpy()), shape=(len(x), len(x))
        )
        return cls(
            features=saved.objects[f"{i}.features"],
            sigma=facts["sigma"],
            x=x.to(device),
            adj=to_tensor(graph, layout=facts["layout"]).to(device),
            network=network.to(device).eval(),
            history=saved.tables["history"].set_index(["member", "epoch"]).loc[i],
            carries=tensors.get("carries", torch.arange(len(x))).to(device),
        )
