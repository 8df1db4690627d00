"""A batch of participants: what every subject-level network is given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

__all__ = ["BrainBatch"]


@dataclass
class BrainBatch:
    """What is known of B participants, as tensors; what a network does not read may be missing.

    Parameters
    ----------
    series : Tensor (B, T, R), optional
        Regional series, padded with zeros at the end.
    lengths : Tensor (B,) of int64, optional
        Volumes of each scan before padding.
    connectivity : dict of name to Tensor (B, R, R)
        Matrices by name: ``fc``, ``partial``, ``morph``, ...
    measures : dict of name to Tensor (B, R)
        Regional measures by name: ``thickness``, ...
    phenotypes : Tensor (B, P), optional
        Phenotypes as numbers.
    images : dict of modality to Tensor (B, 1, D, H, W)
        Volumes.
    t_r : Tensor (B,), optional
        Repetition time (s), NaN where it is not known.
    present : dict of name to Tensor (B,) of bool
        Who has what, by the name that a network reads: ``images/T1w``, ``connectivity/fc``, ... A
        name that is not here is there for everybody; what somebody lacks is zeros.

    Examples
    --------
    >>> batch = BrainBatch(series=torch.ones(2, 3, 4), lengths=torch.tensor([3, 1]))
    >>> len(batch), batch.mask.tolist()
    (2, [[True, True, True], [True, False, False]])
    >>> batch[[1]].trim().series.shape
    torch.Size([1, 1, 4])
    """

    # Typed as if they were there: a network reads only what it has asked for.
    series: Tensor = None  # type: ignore[assignment]
    lengths: Tensor = None  # type: ignore[assignment]
    connectivity: dict[str, Tensor] = field(default_factory=dict)
    measures: dict[str, Tensor] = field(default_factory=dict)
    phenotypes: Tensor = None  # type: ignore[assignment]
    images: dict[str, Tensor] = field(default_factory=dict)
    t_r: Tensor = None  # type: ignore[assignment]
    present: dict[str, Tensor] = field(default_factory=dict)

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors that are there."""
        single = (self.series, self.lengths, self.phenotypes, self.t_r)
        named = (self.connectivity, self.measures, self.images)
        return [t for t in single if t is not None] + [t for d in named for t in d.values()]

    def __len__(self) -> int:
        return len(self.tensors[0]) if self.tensors else 0

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.tensors[0].device

    @property
    def mask(self) -> Tensor:
        """Which volumes are real and not padding (B, T), bool.

        Raises
        ------
        ValueError
            If the batch has no series.
        """
        if self.series is None or self.lengths is None:
            raise ValueError(
                'the batch has no series or no lengths. Put "series" in the network\'s reads.'
            )
        volumes = torch.arange(self.series.shape[1], device=self.series.device)
        return volumes < self.lengths[:, None]

    def has(self, name: str) -> Tensor:
        """Tell who has what a network reads (B,), bool.

        Parameters
        ----------
        name : str
            ``"series"``, ``"phenotypes"``, ``"connectivity/NAME"``, ``"images/NAME"``, ...

        Examples
        --------
        >>> pet = {"images/pet": torch.tensor([True, False])}
        >>> batch = BrainBatch(phenotypes=torch.ones(2, 1), present=pet)
        >>> batch.has("images/pet").tolist(), batch.has("phenotypes").tolist()
        ([True, False], [True, True])
        """
        if name in self.present:
            return self.present[name]
        return torch.ones(len(self), dtype=torch.bool, device=self.device)

    def map(self, function: Callable[[Tensor], Tensor]) -> "BrainBatch":
        """Return the batch with the function applied to every tensor."""

        def one(tensor: Tensor) -> Tensor:
            return tensor if tensor is None else function(tensor)

        def many(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: function(tensor) for name, tensor in tensors.items()}

        return BrainBatch(
            series=one(self.series),
            lengths=one(self.lengths),
            connectivity=many(self.connectivity),
            measures=many(self.measures),
            phenotypes=one(self.phenotypes),
            images=many(self.images),
            t_r=one(self.t_r),
            present=many(self.present),
        )

    def to(self, device: torch.device | str) -> "BrainBatch":
        """Return the batch on a device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def __getitem__(self, rows: int | slice | Sequence[int] | Tensor) -> "BrainBatch":
        """Return some of the participants; the padding stays as it is."""
        if isinstance(rows, int):
            rows = [rows]
        if not isinstance(rows, (slice, Tensor)):
            rows = torch.as_tensor(rows, device=self.device)
        return self.map(lambda tensor: tensor[rows])

    def trim(self, n_volumes: int | None = None) -> "BrainBatch":
        """Return the batch without volumes that are padding for everybody.

        Parameters
        ----------
        n_volumes : int, optional
            How many to keep; those of the longest scan by default.
        """
        if self.series is None or self.lengths is None:
            return self
        longest = int(self.lengths.max()) if n_volumes is None else n_volumes
        return replace(self, series=self.series[:, :longest])
