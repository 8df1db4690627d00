"""Brain graphs, images and phenotypes of a participant, fused."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor, nn

from brainograph.nn.brain_batch import BrainBatch
from brainograph.nn.branch import Branch, graph_branch, image_branch, phenotype_branch
from brainograph.nn.fusion.late import Late, LateFusion
from brainograph.nn.fusion.make import FusionName, make_fusion
from brainograph.nn.fusion.missing import drop_modalities, has_all
from brainograph.nn.losses import (
    Loss,
    classification_loss,
    discriminative,
    loss_weights,
    similarity,
    supervised_contrastive,
)

__all__ = ["GraphImagingNet"]


class _Encoded(NamedTuple):
    """What the branches say."""

    features: list[Tensor]  # of each modality (B, stages * C)
    present: Tensor  # (B, M)
    own: Tensor  # the sum of the encoders' own losses


class GraphImagingNet(nn.Module):
    r"""One encoder for each modality, and their fusion: of features, of decisions, or of both.

    .. math:: v_m = \mathrm{LN}(W_m f_m(x_m) + b_m),\quad p = \mathrm{softmax}(\mathrm{head}(
              \mathrm{fuse}(v_1, \dots, v_M)))

    A modality is a graph network of :mod:`brainograph.nn` without its last layer, an image
    encoder, or the phenotypes. Whoever has any of them is predicted; an encoder sees only
    participants who have what it reads.

    Parameters
    ----------
    n_regions, n_classes : int
        R and K.
    graphs : sequence of str, or mapping of name to parameters
        Subject-level networks, by name. In a mapping, ``{"morph": {"network": "BrainGCN", "edges":
        "morph"}}`` gives a modality a name of its own.
    images : sequence of str, or mapping of modality to encoder
        Images by name, ``SFCN`` for each; or ``{"T1w": "SFCN"}``, or with parameters ``{"T1w":
        {"encoder": "SFCN", ...}}``. ``"T1w+pet"`` are two images as channels of one encoder.
    n_phenotypes : int
        P, columns of ``batch.phenotypes``; 0 leaves them out.
    phenotype_interactions : bool
        Whether the product of any two phenotypes stands beside them.
    channels : int
        Features of each modality, and of their fusion.
    fusion : str, optional
        Of features, by name: :func:`~brainograph.nn.fusion.make_fusion`. ``None`` for ``late``
        alone.
    fusion_params : mapping, optional
        Of the fusion.
    stages : mapping of modality to sequence of str, optional
        For ``fusion="hierarchical"``: parts of an encoder that are fused before its end, by their
        names in ``named_modules()``.
    late : str, optional
        Fuse decisions of each modality: a rule of :class:`~brainograph.nn.fusion.LateFusion`,
        whose weights are trained with the rest, or set by :meth:`fit_late`. With ``fusion`` too,
        learned weights mix both stages (hybrid fusion).
    dropout : float
        Before the classifier.
    modality_dropout : float
        Probability that a modality is taken from a participant in training.
    loss : {"cross_entropy", "focal", "generalized_cross_entropy"}
        Of the prediction.
    sharpness : float, optional
        Of the loss: :func:`~brainograph.nn.losses.classification_loss`.
    class_weights : sequence of float (K,), optional
        In the loss.
    auxiliary_weight : float
        Of the mean loss of each modality's own classifier.
    adaptive_temperature : float, optional
        Weigh the modalities in that mean by softmax(-loss / temperature).
    similarity_weight, contrastive_weight, discriminative_weight : float
        Of :func:`~brainograph.nn.losses.similarity` between the modalities, and of
        :func:`~brainograph.nn.losses.supervised_contrastive` and
        :func:`~brainograph.nn.losses.discriminative` of each modality.
    encoder_weight : float
        Of the own losses of encoders that have one: with it, MSTGC keeps its contrastive terms.

    Attributes
    ----------
    modalities : tuple of str
        M names: graphs, images, "phenotypes".

    Raises
    ------
    ValueError
        For a name that does not exist, no modality, or terms that do not go together.
    MemoryError
        If the tensor fusion would be too large.

    Notes
    -----
    Shapes: what each branch reads to logits (B, K).

    What the papers state: nothing joint; the review asks for graph and image features in one
    representation (EH-GCN [1]_), addition, tensor product, attention and late fusion. What we
    chose: layer norm, so that no modality is louder than another at the start; masks in place of
    imputation.

    References
    ----------
    .. [1] Tian et al., EH-GCN, Computer Methods and Programs in Biomedicine 238:107597, 2023.

    Examples
    --------
    >>> batch = BrainBatch(connectivity={"fc": torch.rand(3, 9, 9)}, phenotypes=torch.randn(3, 2))
    >>> network = GraphImagingNet(9, 2, graphs=["BrainGCN"], n_phenotypes=2)
    >>> network(batch).shape, network.contributions(batch).shape, network.modalities
    (torch.Size([3, 2]), torch.Size([3, 2]), ('BrainGCN', 'phenotypes'))
    """

    missing_ok = True

    def __init__(
        self,
        n_regions: int,
        n_classes: int,
        *,
        graphs: Sequence[str] | Mapping[str, Mapping[str, Any]] = ("BrainGCN",),
        images: Sequence[str] | Mapping[str, str | Mapping[str, Any]] = (),
        n_phenotypes: int = 0,
        phenotype_interactions: bool = False,
        channels: int = 64,
        fusion: FusionName | None = "gated",
        fusion_params: Mapping[str, Any] | None = None,
        stages: Mapping[str, Sequence[str]] | None = None,
        late: Late | None = None,
        dropout: float = 0.3,
        modality_dropout: float = 0.0,
        loss: Loss = "cross_entropy",
        sharpness: float | None = None,
        class_weights: Sequence[float] | None = None,
        auxiliary_weight: float = 0.0,
        adaptive_temperature: float | None = None,
        similarity_weight: float = 0.0,
        contrastive_weight: float = 0.0,
        discriminative_weight: float = 0.0,
        encoder_weight: float = 1.0,
    ) -> None:
        super().__init__()
        _check(n_classes, fusion, late, loss, class_weights, modality_dropout)
        self.channels, self.modality_dropout = channels, modality_dropout
        self.kind, self.sharpness = loss, sharpness
        self.auxiliary_weight, self.adaptive_temperature = auxiliary_weight, adaptive_temperature
        self.similarity_weight, self.contrastive_weight = similarity_weight, contrastive_weight
        self.discriminative_weight = discriminative_weight
        self.encoder_weight = encoder_weight
        branches = _branches(n_regions, n_classes, graphs, images, channels, stages)
        if n_phenotypes:
            branches["phenotypes"] = phenotype_branch(
                n_phenotypes, channels, interactions=phenotype_interactions
            )
        if not branches:
            raise ValueError("there is no modality: name graphs, images or phenotypes.")
        if fusion != "hierarchical" and stages:
            raise ValueError('stages are for one fusion: write fusion="hierarchical".')
        self.modalities = tuple(branches)
        self.branches = nn.ModuleDict({n.replace(".", "_"): b for n, b in branches.items()})
        everything = [name for branch in branches.values() for name in branch.reads]
        self.reads = tuple(dict.fromkeys(everything))
        self.min_volumes = max(branch.min_volumes for branch in branches.values())
        weights = None if class_weights is None else torch.tensor(class_weights)
        self.register_buffer("class_weights", weights)
        self.heads = self.late = self.fusion = self.mix = self.head = None
        if late is not None or auxiliary_weight:
            self.heads = nn.ModuleList(nn.Linear(channels, n_classes) for _ in branches)
        if late is not None:
            self.late = LateFusion(len(branches), n_classes, late)
        if fusion is not None:
            widths = [[channels] * branch.n_stages for branch in branches.values()]
            self.fusion = make_fusion(fusion, widths, channels, fusion_params)
            self.head = nn.Linear(channels, n_classes)
        if late is not None and fusion is not None:
            self.mix = LateFusion(2, n_classes, "weighted")
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch: BrainBatch) -> Tensor:
        """Return logits (B, K)."""
        encoded = self._encode(batch)
        return self._classify(encoded.features, self._dropped(encoded.present))

    def loss(self, batch: BrainBatch, y: Tensor) -> Tensor:
        """Return the loss of the prediction and the terms that have a weight."""
        features, present, own = self._encode(batch, y)
        total = self._misfit(self._classify(features, self._dropped(present)), y) + own
        last = [x[:, -self.channels :] for x in features]
        if self.auxiliary_weight and self.heads is not None:
            total = total + self.auxiliary_weight * self._auxiliary(last, present, y)
        if self.similarity_weight:
            total = total + self.similarity_weight * similarity(last, present)
        for weight, term in (
            (self.contrastive_weight, supervised_contrastive),
            (self.discriminative_weight, discriminative),
        ):
            if weight:
                _check_classes(y)
                there = [m for m in range(len(last)) if bool(present[:, m].any())]
                each = [term(last[m][present[:, m]], y[present[:, m]]) for m in there]
                total = total + weight * torch.stack(each).mean()
        return total

    @torch.no_grad()
    def contributions(self, batch: BrainBatch) -> Tensor:
        """Return how much each of ``modalities`` counts (B, M): 0 where absent, of sum 1.

        In evaluation mode; with dropout on it would be a draw.
        """
        features, present, _ = self._encode(batch)
        parts = []
        if self.fusion is not None:
            parts.append(self.fusion.contributions(features, present))
        if self.late is not None:
            parts.append(self.late.contributions(self._decisions(features), present))
        if self.mix is None:
            return parts[0]
        share = self.mix.scores.softmax(dim=0)
        return share[0] * parts[0] + share[1] * parts[1]

    @torch.no_grad()
    def fit_late(self, held_out: Iterable[tuple[BrainBatch, Tensor]]) -> None:
        """Set the weights of ``late`` from participants that were not learnt from.

        Parameters
        ----------
        held_out : iterable of (BrainBatch, Tensor (B,) of int64)
            Batches and their classes.

        Raises
        ------
        ValueError
            Without ``late``.
        """
        if self.late is None:
            raise ValueError('there are no decisions to weigh. Write late="weighted".')
        logits, present, labels = [], [], []
        for batch, y in held_out:
            encoded = self._encode(batch)
            logits.append(torch.stack(self._decisions(encoded.features)))  # (M, B, K)
            present.append(encoded.present)
            labels.append(y)
        self.late.fit(list(torch.cat(logits, dim=1)), torch.cat(labels), torch.cat(present))

    def _encode(self, batch: BrainBatch, y: Tensor | None = None) -> _Encoded:
        """Run each encoder on those who have what it reads; with labels, ask for its own loss."""
        features, present, own = [], [], torch.zeros((), device=batch.device)
        branches: Any = self.branches.values()
        for branch in branches:
            there = has_all(batch, branch.reads)
            present.append(there)
            if not bool(there.any()):
                features.append(torch.zeros(len(batch), branch.width, device=batch.device))
                continue
            rows = None if bool(there.all()) else there.nonzero().flatten()
            part = batch if rows is None else _without_other_images(batch, branch.reads)[rows]
            if y is not None and branch.has_loss and self.encoder_weight:
                x, loss = branch.loss(part, y if rows is None else y[rows])
                own = own + self.encoder_weight * loss
            else:
                x = branch(part)
            if rows is not None:
                x = x.new_zeros(len(batch), x.shape[1]).index_copy(0, rows, x)
            features.append(x)
        return _Encoded(features, torch.stack(present, dim=1), own)

    def _dropped(self, present: Tensor) -> Tensor:
        if self.training and self.modality_dropout:
            return drop_modalities(present, self.modality_dropout)
        return present

    def _classify(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Return the logits of each way of fusing, mixed."""
        logits = []
        if self.fusion is not None and self.head is not None:
            logits.append(self.head(self.dropout(self.fusion(features, present))))
        if self.late is not None:
            logits.append(self.late(self._decisions(features), present))
        return logits[0] if self.mix is None else self.mix(logits)

    def _decisions(self, features: list[Tensor]) -> list[Tensor]:
        """Return the logits of each modality."""
        heads = self.heads or ()
        last = [self.dropout(x[:, -self.channels :]) for x in features]
        return [head(x) for head, x in zip(heads, last, strict=True)]

    def _auxiliary(self, last: list[Tensor], present: Tensor, y: Tensor) -> Tensor:
        """Return the mean loss of the modalities' own classifiers."""
        each = []
        for m, logits in enumerate(self._decisions(last)):
            rows = present[:, m]
            if bool(rows.any()):
                each.append(self._misfit(logits[rows], y[rows]))
        losses = torch.stack(each)
        if self.adaptive_temperature is None:
            return losses.mean()
        return (loss_weights(losses, temperature=self.adaptive_temperature) * losses).sum()

    def _misfit(self, logits: Tensor, y: Tensor) -> Tensor:
        weight: Any = self.class_weights
        return classification_loss(
            logits, y, kind=self.kind, sharpness=self.sharpness, weight=weight
        )


def _without_other_images(batch: BrainBatch, reads: Sequence[str]) -> BrainBatch:
    """Leave images away that are not read, which are the most there is to copy."""
    images = {name: x for name, x in batch.images.items() if f"images/{name}" in reads}
    return replace(batch, images=images)


def _branches(
    n_regions: int,
    n_classes: int,
    graphs: Sequence[str] | Mapping[str, Mapping[str, Any]],
    images: Sequence[str] | Mapping[str, str | Mapping[str, Any]],
    channels: int,
    stages: Mapping[str, Sequence[str]] | None,
) -> dict[str, Branch]:
    """Return the branch of each graph and each image by name."""
    taps = dict(stages or {})
    graphs = graphs if isinstance(graphs, Mapping) else {name: {} for name in graphs}
    images = images if isinstance(images, Mapping) else dict.fromkeys(images, "SFCN")
    names = [*graphs, *images]
    if len({*names, "phenotypes"}) <= len(names):
        raise ValueError(
            f"graphs and images must have names of their own, other than 'phenotypes'; got {names}."
        )
    if not set(taps) <= set(names):
        raise ValueError(f"stages must name some of {names}, got {sorted(taps)}.")
    branches = {
        name: graph_branch(name, params, n_regions, n_classes, channels, taps.get(name, ()))
        for name, params in graphs.items()
    }
    for name, encoder in images.items():
        branches[name] = image_branch(name, encoder, channels, taps.get(name, ()))
    return branches


def _check(
    n_classes: int,
    fusion: str | None,
    late: str | None,
    loss: str,
    class_weights: Sequence[float] | None,
    modality_dropout: float,
) -> None:
    """Refuse what does not go together."""
    if fusion is None and late is None:
        raise ValueError('nothing is fused. Write fusion="gated", late="mean", or both.')
    if loss not in get_args(Loss):
        raise ValueError(f"loss must be one of {get_args(Loss)}, got {loss!r}.")
    if n_classes == 1 and (loss != "cross_entropy" or class_weights is not None):
        raise ValueError("numbers are predicted: leave loss and class_weights out.")
    if class_weights is not None and len(class_weights) != n_classes:
        raise ValueError(
            f"class_weights must be {n_classes} numbers, one for each class, got "
            f"{list(class_weights)}."
        )
    if not 0 <= modality_dropout < 1:
        raise ValueError(f"modality_dropout must be in [0, 1), got {modality_dropout}.")


def _check_classes(y: Tensor) -> None:
    if y.ndim != 1 or y.is_floating_point():
        raise ValueError(
            "contrastive_weight and discriminative_weight need one class for each participant; "
            "numbers and mixtures (MixUp) have none. Leave them out."
        )
