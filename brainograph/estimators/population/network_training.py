"""One training of a population network: on everybody at once, or on neighbours that are drawn."""

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from brainograph.estimators.population.edges import PopulationEdges
from brainograph.estimators.population.network_agreement import Agreement
from brainograph.estimators.subject.data import SubjectData
from brainograph.estimators.subject.training import epoch_batches
from brainograph.estimators.training.loop import train
from brainograph.estimators.training.settings import Training
from brainograph.nn.adjacency import from_tensor
from brainograph.nn.population import Join, PopulationNetwork

__all__ = ["PopulationFit", "Stages", "draw_neighbors", "embed", "new_join"]

Stages = Literal["joint", "staged"]


def new_join(
    edges: PopulationEdges, agreement: Agreement | Tensor, like: Join | None = None
) -> Join:
    """Return how features join participants who agree."""
    return Join(
        agreement,
        similarity=edges.combine in ("product", "similarity"),
        metric=edges.metric,
        n_neighbors=edges.n_neighbors,
        like=like,
    )


@torch.no_grad()
def embed(network: PopulationNetwork, data: SubjectData, batch_size: int) -> Tensor:
    """Return what the network keeps of each participant (S, ...), encoded some at a time."""
    network.eval()
    starts = range(0, len(data), batch_size)
    rows = [np.arange(i, min(i + batch_size, len(data))) for i in starts]
    data.expect(rows)
    return torch.cat([network.encode(data.batch(part)) for part in rows])


def draw_neighbors(
    graph: sparse.csr_array, targets: np.ndarray, n_sampled: Sequence[int], seed: Sequence[int]
) -> np.ndarray:
    """Return the targets, then those they listen to, then those these listen to, and so on.

    Parameters
    ----------
    graph : csr_array (N, N)
        Row i holds what i listens to.
    targets : array of int
        Who is learnt from.
    n_sampled : sequence of int
        How many of everybody's neighbours are drawn, at each remove.
    seed : sequence of int
        Seed.

    Examples
    --------
    >>> ring = sparse.csr_array(np.roll(np.eye(5), 1, axis=1))
    >>> draw_neighbors(ring, np.array([3]), (2, 2), [0]).tolist()
    [3, 4, 0]
    """
    rng = np.random.default_rng(list(seed))
    nodes, frontier = np.asarray(targets), np.asarray(targets)
    for size in n_sampled:
        heard = [graph.indices[graph.indptr[i] : graph.indptr[i + 1]] for i in frontier]
        drawn = [one if len(one) <= size else rng.choice(one, size, replace=False) for one in heard]
        frontier = np.setdiff1d(np.concatenate([nodes[:0], *drawn]), nodes)
        nodes = np.concatenate([nodes, frontier])
    return nodes


@dataclass
class PopulationFit:
    """A population network and all that its training needs.

    Parameters
    ----------
    network : PopulationNetwork
        With its first weights; trained in place.
    data : SubjectData (S)
        What it reads, of everybody.
    agreement : Agreement (S, S)
        Who may listen to whom.
    edges : PopulationEdges
        How features join them.
    target : array (S,)
        Classes, -1 for unlabelled.
    class_weight : array (K,), optional
        Of the classes in the loss.
    rows, held_out : arrays of int
        Who is learnt from, and who says when to stop (if any).
    training : Training
        Settings.
    stages : {"joint", "staged"}
        Everything together, or encoders first and the graph after.
    n_sampled : sequence of int, optional
        Neighbours drawn at each remove; everybody takes part in every step by default.
    device : device
        Where.
    seed : int
        Of the batches and of torch.
    progress : bool
        Whether to show a bar.
    """

    network: PopulationNetwork
    data: SubjectData
    agreement: Agreement
    edges: PopulationEdges
    target: np.ndarray
    class_weight: np.ndarray | None
    rows: np.ndarray
    held_out: np.ndarray
    training: Training
    stages: Stages
    n_sampled: Sequence[int] | None
    device: torch.device
    seed: int
    progress: bool = False

    def run(self) -> pd.DataFrame:
        """Train the network; return the history of the last stage.

        Raises
        ------
        MemoryError
            If a step does not fit; it says what to write.
        """
        try:
            return self._run()
        except Exception as error:
            text = str(error).lower()
            if "out of memory" not in text and "can't allocate memory" not in text:
                raise
            raise MemoryError(
                f"the {self.device.type} ran out of memory. Write n_sampled=(10, 5) for steps on "
                'some participants, stages="staged" to encode some at a time, or a smaller '
                "Training(batch_size=...)."
            ) from error

    def _run(self) -> pd.DataFrame:
        self._graph: sparse.csr_array | None = None
        self._join: Join | None = None
        self._weight = None
        if self.class_weight is not None:
            self._weight = torch.from_numpy(self.class_weight.astype(np.float32)).to(self.device)
        self._observe()
        if self.stages == "joint":
            return self._train_jointly()
        self._train_encoder()
        return self._train_graph(embed(self.network, self.data, self.training.batch_size))

    def _observe(self) -> None:
        """Show the network those who are learnt from."""
        rows, size = np.sort(self.rows), self.training.batch_size
        for start in range(0, len(rows), size):
            self.network.observe(self.data.batch(rows[start : start + size]))

    def _train_jointly(self) -> pd.DataFrame:
        def everybody(rows: np.ndarray) -> Tensor:
            h = self.network.encode(self.data.batch(np.arange(len(self.data))))
            logits = self.network.propagate(h, new_join(self.edges, self.agreement))
            return self._misfit(logits[rows], rows) + self.network.penalty()

        def some(rows: np.ndarray) -> Tensor:
            nodes, agreement = self._around(rows)
            h = self.network.encode(self.data.batch(nodes))
            logits = self.network.propagate(h, new_join(self.edges, agreement, self._join))
            return self._misfit(logits[: len(rows)], rows) + self.network.penalty()

        def validate() -> float:
            return self._misfit(self._look()[self.held_out], self.held_out).item()

        if self.n_sampled is None:
            rows = np.sort(self.rows)
            return self._train(self.network, lambda epoch: [rows], everybody, validate)
        return self._train(self.network, self._sampled_batches, some, validate)

    def _train_encoder(self) -> None:
        """Let each participant be recognised alone, by a linear layer that may be taken over."""
        network = self.network
        network.eval()
        with torch.no_grad():
            width = network.encode(self.data.batch(self.rows[:1])).flatten(1).shape[1]
        n_classes = int(self.target.max()) + 1
        torch.manual_seed(self.seed)
        classifier = nn.Linear(width, n_classes).to(self.device)
        both = nn.ModuleList([network, classifier])

        def misfit(rows: np.ndarray) -> Tensor:
            h = network.encode(self.data.batch(rows)).flatten(1)
            return self._misfit(classifier(h), rows)

        def validate() -> float:
            size = self.training.batch_size
            parts = [self.held_out[i : i + size] for i in range(0, len(self.held_out), size)]
            total = sum(misfit(part).item() * len(part) for part in parts)
            return total / len(self.held_out)

        self._train(both, self._batches, lambda rows: misfit(rows) + network.penalty(), validate)
        network.take_over(classifier)

    def _train_graph(self, h: Tensor) -> pd.DataFrame:
        """Train what comes after fixed codes."""

        def logits() -> Tensor:
            return self.network.propagate(h, new_join(self.edges, self.agreement))

        def validate() -> float:
            return self._misfit(logits()[self.held_out], self.held_out).item()

        rows = np.sort(self.rows)
        return self._train(
            self.network,
            lambda epoch: [rows],
            lambda batch: self._misfit(logits()[batch], batch),
            validate,
        )

    def _train(
        self,
        module: nn.Module,
        batches: Callable[[int], Iterable[np.ndarray]],
        loss: Callable[[np.ndarray], Tensor],
        validate: Callable[[], float],
    ) -> pd.DataFrame:
        settings = self.training
        optimizer = settings.new_optimizer(module)
        return train(
            module,
            batches,
            loss=loss,
            optimizer=optimizer,
            max_epochs=settings.max_epochs,
            validate=validate if len(self.held_out) else None,
            patience=settings.patience,
            progress=self.progress,
            scheduler=settings.new_scheduler(optimizer),
            clip=settings.clip,
            seed=self.seed,
        )

    def _misfit(self, logits: Tensor, rows: np.ndarray) -> Tensor:
        target = torch.from_numpy(self.target[rows]).to(logits.device)
        return cross_entropy(logits, target, self._weight)

    def _batches(self, epoch: int) -> Iterable[np.ndarray]:
        return epoch_batches(
            self.rows,
            self.target,
            batch_size=self.training.batch_size,
            balanced=self.training.balanced,
            seed=self.seed,
            epoch=epoch,
        )

    def _sampled_batches(self, epoch: int) -> Iterable[np.ndarray]:
        """Yield batches; neighbours are drawn from the graph as it was when the epoch began."""
        if self._graph is None or not len(self.held_out):
            self._look()
            self.network.train()
        self._draws = [self.seed, epoch]
        yield from self._batches(epoch)

    @torch.no_grad()
    def _look(self) -> Tensor:
        """Return everybody's logits (S, K), and remember who listens to whom."""
        h = embed(self.network, self.data, self.training.batch_size)
        join = new_join(self.edges, self.agreement)
        logits = self.network.propagate(h, join)
        if self.n_sampled is not None:
            self._join = join
            self._graph = reduce(operator.add, map(from_tensor, join.graphs))
        return logits

    def _around(self, batch: np.ndarray) -> tuple[np.ndarray, Tensor]:
        """Return a batch with neighbours that are drawn, and their agreement along the graph."""
        graph, sizes = self._graph, self.n_sampled
        if graph is None or sizes is None:
            raise RuntimeError("neighbours are drawn from a graph that was not made yet.")
        nodes = draw_neighbors(graph, batch, sizes, [*self._draws, int(batch[0])])
        heard = torch.from_numpy((graph[nodes][:, nodes] > 0).toarray())
        return nodes, self.agreement.among(nodes) * heard
