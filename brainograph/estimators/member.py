"""One trained network with the features and the graph it was trained on."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.base import TransformerMixin
from torch import Tensor
from torch_geometric.data import Data

from brainograph.cohort import Cohort
from brainograph.estimators.persistence import SavedModel
from brainograph.estimators.population_edges import PopulationEdges
from brainograph.graphs.population import isolated
from brainograph.nn.adjacency import from_tensor, to_tensor
from brainograph.nn.population_gcn import PopulationGCN

__all__ = ["Member", "transform"]


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
    """

    features: TransformerMixin
    sigma: float | None
    x: Tensor
    adj: Tensor
    network: PopulationGCN
    history: pd.DataFrame

    @torch.no_grad()
    def _probabilities(self, x: Tensor, adj: Tensor) -> np.ndarray:
        logits = self.network.eval()(Data(x=x, adj=adj))
        return torch.softmax(logits.double(), dim=1).cpu().numpy()

    def predict_fitted(self) -> np.ndarray:
        """Return the probabilities (S, K) of the fitted participants."""
        return self._probabilities(self.x, self.adj)

    def predict_new(
        self, cohort: Cohort, phenotype: pd.DataFrame, edges: PopulationEdges
    ) -> np.ndarray:
        """Let each new participant listen to the fitted graph; return probabilities (Q, K).

        Nobody listens to a new participant, so no other prediction changes.
        """
        x = transform(self.features, cohort)
        n_fitted, n_new = len(self.x), len(x)
        fitted_x = self.x.cpu().numpy()
        heard = edges.attach(fitted_x, phenotype, x, edges.of(cohort.phenotype), self.sigma)
        alone = 0 if edges.combine == "none" else int(isolated(heard).sum())
        if alone:
            warnings.warn(
                f"{alone} new participants share no phenotype with any fitted one and are "
                "predicted from their own features alone.",
                stacklevel=2,
            )
        nobody = sparse.csr_array((n_fitted + n_new, n_new), dtype=np.float32)
        graph = sparse.hstack([sparse.vstack([from_tensor(self.adj), heard]), nobody], format="csr")
        adj = to_tensor(graph, layout="sparse" if self.adj.is_sparse else "dense")
        both = torch.cat([self.x, torch.from_numpy(x).to(self.x.device)])
        return self._probabilities(both, adj.to(self.x.device))[n_fitted:]

    def tensors(self) -> dict[str, Tensor]:
        """Return everything numeric, by name, for a model folder."""
        adj = (self.adj if self.adj.is_sparse else self.adj.to_sparse_coo()).coalesce()
        weights = {f"network.{name}": w for name, w in self.network.state_dict().items()}
        return {"x": self.x, "adj.indices": adj.indices(), "adj.values": adj.values(), **weights}

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
        )
