"""One trained population network with the participants it was trained among."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from brainograph.estimators.population.edges import PopulationEdges
from brainograph.estimators.population.network_agreement import Agreement
from brainograph.estimators.population.network_training import new_join
from brainograph.nn.adjacency import from_tensor
from brainograph.nn.population import Attach, Join, PopulationNetwork
from brainograph.preprocessing.phenotypes import Phenotypes

__all__ = ["PopulationNetworkMember"]


@dataclass
class PopulationNetworkMember:
    """A network and all that its predictions need.

    Parameters
    ----------
    network : PopulationNetwork
        Trained.
    phenotypes : Phenotypes, optional
        That it reads, as learnt from its training rows.
    codes : Tensor (S, ...)
        What it keeps of the fitted participants.
    edges : PopulationEdges
        How participants are joined.
    table : DataFrame (S, H)
        The fitted participants' phenotypes that make edges.
    history : DataFrame
        Losses by epoch.
    """

    network: PopulationNetwork
    phenotypes: Phenotypes | None
    codes: Tensor
    edges: PopulationEdges
    table: pd.DataFrame
    history: pd.DataFrame

    def __post_init__(self) -> None:
        """Let the fitted participants listen to each other, once."""
        self.join: Join = new_join(self.edges, Agreement.of(self.edges, self.table))
        self.fitted = self._probabilities(self.codes, self.join)

    @torch.no_grad()
    def _probabilities(self, codes: Tensor, join: Join | Attach) -> np.ndarray:
        logits = self.network.eval().propagate(codes, join)
        return torch.softmax(logits.double(), dim=1).cpu().numpy()

    def predict_new(self, codes: Tensor, phenotype: pd.DataFrame) -> np.ndarray:
        """Let new participants listen to the fitted ones; return their probabilities (Q, K).

        Nobody listens to them, so no other prediction changes.

        Parameters
        ----------
        codes : Tensor (Q, ...)
            What the network keeps of them.
        phenotype : DataFrame (Q, .)
            Their phenotypes.
        """
        new = self.edges.of(phenotype)
        attach = Attach(self.join, Agreement.of(self.edges, new, self.table))
        both = torch.cat([self.codes, codes.to(self.codes)])
        probabilities = self._probabilities(both, attach)[len(self.codes) :]
        if attach.heard:
            heard = from_tensor(torch.stack(attach.heard).sum(dim=0))
            self.edges.warn_of_unheard(heard, new, self.table)
        return probabilities

    def check_identity(self, codes: Tensor, rows: np.ndarray, names: np.ndarray) -> None:
        """Refuse participants who have the id of a fitted one, by row, and other data."""
        known = self.codes[torch.from_numpy(rows).to(self.codes.device)]
        same = torch.isclose(codes.to(known), known, rtol=1e-2, atol=1e-3).flatten(1).all(dim=1)
        others = names[~same.cpu().numpy()].tolist()
        if others:
            raise ValueError(
                f"{len(others)} participants have the id of a fitted participant and other data: "
                f"{others[:5]}. Give new participants ids of their own, for example "
                "'study2-' + participant_id."
            )
