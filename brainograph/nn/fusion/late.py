"""Fusion of decisions."""

from collections.abc import Sequence
from typing import Literal, Self, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from brainograph.nn.fusion.base import Fusion, mean_of_present
from brainograph.nn.losses import loss_weights

__all__ = ["Late", "LateFusion"]

Late = Literal["max", "mean", "product", "weighted", "stacking"]


class LateFusion(Fusion):
    r"""Fuse the decisions of M classifiers; logits in, logarithms of probabilities out.

    ==============  ===============================================================================
    ``max``         :math:`p_k \propto \max_m p_{mk}`
    ``mean``        :math:`p_k = \tfrac{1}{|P|} \sum_m p_{mk}`
    ``product``     :math:`p_k \propto \pi_k^{1 - |P|} \prod_m p_{mk}`: Bayes' rule for modalities
                    that are independent given the class, with prior :math:`\pi`
    ``weighted``    :math:`p_k = \sum_m w_m p_{mk}`, w on the simplex
    ``stacking``    :math:`p = \mathrm{softmax}(\tfrac{1}{|P|} \sum_m S_m \log p_m + b)`
    ==============  ===============================================================================

    over the modalities P that are there. For numbers (one output), the mean of the numbers, by
    weight or as stacked.

    Parameters
    ----------
    n_modalities, n_classes : int
        M and K.
    how : {"max", "mean", "product", "weighted", "stacking"}
        The rule. The weights of the last two are trained with the rest of a network, or by
        :meth:`fit` on rows that the classifiers have not seen.

    Raises
    ------
    ValueError
        For a rule that does not exist, or one of probabilities where numbers are predicted.

    References
    ----------
    .. [1] Kittler et al., On combining classifiers, IEEE Transactions on Pattern Analysis and
           Machine Intelligence 20:226-239, 1998.
    .. [2] Wolpert, Stacked generalization, Neural Networks 5:241-259, 1992.

    Examples
    --------
    >>> logits = [torch.tensor([[0.2, 0.8]]).log(), torch.tensor([[0.6, 0.4]]).log()]
    >>> LateFusion(2, 2, "mean")(logits).exp()
    tensor([[0.4000, 0.6000]])
    >>> LateFusion(2, 2, "product")(logits).exp()  # .2 * .6 to .8 * .4
    tensor([[0.2727, 0.7273]])
    """

    def __init__(self, n_modalities: int, n_classes: int, how: Late = "mean") -> None:
        super().__init__([n_classes] * n_modalities, n_classes)
        if how not in get_args(Late):
            raise ValueError(f"late must be one of {get_args(Late)}, got {how!r}.")
        if n_classes == 1 and how in ("max", "product"):
            raise ValueError(
                f"late={how!r} is a rule of probabilities, and numbers are predicted. Write "
                "late='mean'."
            )
        self.how = how
        if how == "product":
            self.register_buffer("log_prior", torch.full((n_classes,), 1 / n_classes).log())
        elif how == "weighted":
            self.scores = nn.Parameter(torch.zeros(n_modalities))
        elif how == "stacking":
            self.maps = nn.Parameter(torch.eye(n_classes).repeat(n_modalities, 1, 1))  # (M, K, K)
            self.bias = nn.Parameter(torch.zeros(n_classes))

    def fuse(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Fuse logits that are 0 where absent."""
        stacked = torch.stack(features, dim=1)  # (B, M, K)
        numbers = self.out_channels == 1
        log_p = stacked if numbers else stacked.log_softmax(dim=-1)
        there = present[..., None]
        if self.how == "max":
            best = log_p.masked_fill(~there, -torch.inf).amax(dim=1)
            return torch.where(present.any(dim=1, keepdim=True), best, 0.0).log_softmax(dim=-1)
        if self.how == "product":
            odds = (log_p - self.log_prior) * there
            return (odds.sum(dim=1) + self.log_prior).log_softmax(dim=-1)
        if self.how == "stacking":
            mapped = torch.einsum("bmk,mjk->bmj", log_p, self.maps)
            fused = mean_of_present(mapped, present) + self.bias
            return fused if numbers else fused.log_softmax(dim=-1)
        share = self._share(present)[..., None]  # (B, M, 1)
        if numbers:
            return (share * log_p).sum(dim=1)
        return (log_p + share.clamp(min=1e-30).log()).logsumexp(dim=1)

    def weigh(self, features: list[Tensor], present: Tensor) -> Tensor:
        """Return the weights (B, M); of rules without, how far each modality moves the result."""
        if self.how in ("mean", "weighted"):
            return self._share(present)
        return super().weigh(features, present)

    def _share(self, present: Tensor) -> Tensor:
        scores = self.scores if self.how == "weighted" else torch.zeros_like(present[0]).float()
        return scores.expand(present.shape).masked_fill(~present, -torch.inf).softmax(dim=1)

    def fit(
        self,
        logits: Sequence[Tensor],
        y: Tensor,
        present: Tensor | None = None,
        *,
        temperature: float = 0.1,
        penalty: float = 0.1,
    ) -> Self:
        r"""Set the weights from rows that the classifiers have not seen.

        Parameters
        ----------
        logits : sequence of Tensor (B, K)
            Of each modality.
        y : Tensor (B,) of int64
            Classes.
        present : Tensor (B, M) of bool, optional
            Who has which modality.
        temperature : float
            :math:`\tau` of ``weighted``: the weights are softmax(-cross-entropy / :math:`\tau`).
        penalty : float
            Of ``stacking``: how much its maps are held to the geometric mean they start from.

        Returns
        -------
        LateFusion
            Itself. ``product`` learns the classes' shares; ``max`` and ``mean`` nothing.

        Raises
        ------
        ValueError
            If nobody has one of the modalities, so that no weight can be learnt for it.
        """
        features, present = self._prepared([one.detach().float() for one in logits], present)
        without = (~present.any(dim=0)).nonzero().flatten().tolist()
        if without:
            raise ValueError(f"nobody of these rows has modality {without}; give rows that do.")
        if self.how == "weighted":
            losses = [
                functional.cross_entropy(x[present[:, m]], y[present[:, m]])
                for m, x in enumerate(features)
            ]
            weights = loss_weights(torch.stack(losses), temperature=temperature)
            self.scores.data = weights.clamp(min=1e-30).log()
        elif self.how == "product":
            share = torch.bincount(y, minlength=self.out_channels) + 1.0
            self.log_prior = (share / share.sum()).log()
        elif self.how == "stacking":
            self._fit_stack(features, present, y, penalty)
        return self

    @torch.enable_grad()
    def _fit_stack(
        self, features: list[Tensor], present: Tensor, y: Tensor, penalty: float
    ) -> None:
        """Minimise the cross-entropy and the distance to where the maps start."""
        start = torch.eye(self.out_channels, device=self.maps.device)
        optimizer = torch.optim.LBFGS([self.maps, self.bias], line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            far = (self.maps - start).square().sum() + self.bias.square().sum()
            loss = functional.cross_entropy(self.fuse(features, present), y)
            loss = loss + penalty * far / len(y)
            loss.backward()
            return loss

        for _ in range(5):
            optimizer.step(closure)
        optimizer.zero_grad()
