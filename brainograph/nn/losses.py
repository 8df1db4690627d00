"""Losses beside the cross-entropy: hard and noisy labels, and features that should agree."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from brainograph.nn.misfit import misfit

__all__ = [
    "Loss",
    "classification_loss",
    "discriminative",
    "focal",
    "generalized_cross_entropy",
    "loss_weights",
    "similarity",
    "supervised_contrastive",
]

Loss = Literal["cross_entropy", "focal", "generalized_cross_entropy"]


def classification_loss(
    logits: Tensor,
    y: Tensor,
    *,
    kind: Loss = "cross_entropy",
    sharpness: float | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    r"""Return one of the losses of classes by name; of numbers, the squared error.

    Parameters
    ----------
    logits : Tensor (B, K)
        K = 1 for numbers.
    y : Tensor (B,) of int64, (B, K) of float, or (B,) of float
        Classes, shares of classes, or numbers.
    kind : {"cross_entropy", "focal", "generalized_cross_entropy"}
        Which.
    sharpness : float, optional
        :math:`\gamma` of the focal loss (2 by default), q of the generalised one (0.7).
    weight : Tensor (K,), optional
        Of each class.

    Raises
    ------
    ValueError
        If there is no such loss.

    Examples
    --------
    >>> classification_loss(torch.zeros(1, 2), torch.tensor([0]), kind="focal")  # .5^2 * log 2
    tensor(0.1733)
    """
    if kind not in get_args(Loss):
        raise ValueError(f"loss must be one of {get_args(Loss)}, got {kind!r}.")
    if y.ndim == 1 and y.is_floating_point():
        return misfit(logits, y)
    if kind == "focal":
        gamma = 2.0 if sharpness is None else sharpness
        return focal(logits, y, gamma=gamma, weight=weight)
    if kind == "generalized_cross_entropy":
        q = 0.7 if sharpness is None else sharpness
        return generalized_cross_entropy(logits, y, q=q, weight=weight)
    return _mean(-logits.log_softmax(dim=-1), y, weight)


def focal(logits: Tensor, y: Tensor, *, gamma: float = 2.0, weight: Tensor | None = None) -> Tensor:
    r"""Cross-entropy that looks away from what is known already.

    .. math:: -(1 - p_y)^\gamma \log p_y

    Lin et al., Focal loss for dense object detection, ICCV 2017. :math:`\gamma = 0` is the
    cross-entropy.

    Parameters
    ----------
    logits : Tensor (B, K)
    y : Tensor (B,) of int64 or (B, K) of float
        Classes, or shares of classes.
    gamma : float
        At least 0.
    weight : Tensor (K,), optional
        Of each class.

    Raises
    ------
    ValueError
        If gamma is negative.
    """
    if gamma < 0:
        raise ValueError(f"gamma must be at least 0, got {gamma}.")
    log_p = logits.log_softmax(dim=-1)
    return _mean(-((1 - log_p.exp()) ** gamma) * log_p, y, weight)


def generalized_cross_entropy(
    logits: Tensor, y: Tensor, *, q: float = 0.7, weight: Tensor | None = None
) -> Tensor:
    r"""Cross-entropy that lets go of labels it cannot believe.

    .. math:: (1 - p_y^q) / q

    Zhang and Sabuncu, Generalized cross entropy loss for training deep neural networks with noisy
    labels, NeurIPS 2018. q towards 0 is the cross-entropy, q = 1 the mean absolute error.

    Parameters
    ----------
    logits : Tensor (B, K)
    y : Tensor (B,) of int64 or (B, K) of float
        Classes, or shares of classes.
    q : float in (0, 1]
    weight : Tensor (K,), optional
        Of each class.

    Raises
    ------
    ValueError
        If q is outside its range.
    """
    if not 0 < q <= 1:
        raise ValueError(f"q must be in (0, 1], got {q}. For the cross-entropy: kind.")
    return _mean((1 - (q * logits.log_softmax(dim=-1)).exp()) / q, y, weight)


def _mean(losses: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
    """Average the losses of each class (B, K) over true classes and participants."""
    n_classes = losses.shape[1]
    shares = functional.one_hot(y, n_classes).to(losses) if y.ndim == 1 else y.to(losses)
    if weight is not None:
        shares = shares * weight.to(losses)
    return (shares * losses).sum() / shares.sum()


def similarity(features: Sequence[Tensor], present: Tensor | None = None) -> Tensor:
    r"""How far the modalities of a participant are from saying the same.

    .. math:: \operatorname{mean}_{i, l < m} \lVert \hat v_{il} - \hat v_{im} \rVert^2

    with features of unit length, over pairs of modalities that a participant has. 0 for one
    modality. Le et al., Automated diagnosis of prostate cancer in multi-parametric MRI based on
    multimodal convolutional neural networks, Physics in Medicine and Biology 62:6497, 2017.

    Parameters
    ----------
    features : sequence of Tensor (B, C)
        Of each modality.
    present : Tensor (B, M) of bool, optional
        Who has which.

    Examples
    --------
    >>> similarity([torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 5.0]])])
    tensor(2.)
    """
    z = functional.normalize(torch.stack(list(features), dim=1), dim=-1)  # (B, M, C)
    if present is None:
        present = torch.ones(z.shape[:2], dtype=torch.bool, device=z.device)
    both = (present[:, :, None] & present[:, None]).triu(1).to(z)  # (B, M, M)
    apart = (z[:, :, None] - z[:, None]).square().sum(dim=-1)
    return (apart * both).sum() / both.sum().clamp(min=1)


def supervised_contrastive(features: Tensor, y: Tensor, *, temperature: float = 0.1) -> Tensor:
    r"""How badly participants find those of their own class among the others of a batch.

    .. math:: -\operatorname{mean}_i \tfrac{1}{|P_i|} \sum_{j \in P_i} \log
              \frac{\exp(\hat v_i^\top \hat v_j / \tau)}
              {\sum_{k \ne i} \exp(\hat v_i^\top \hat v_k / \tau)}

    over participants with another one of their class, :math:`P_i`; 0 where nobody has. Khosla et
    al., Supervised contrastive learning, NeurIPS 2020, eq. 2.

    Parameters
    ----------
    features : Tensor (B, C)
    y : Tensor (B,) of int64
        Classes.
    temperature : float
        :math:`\tau`.

    Examples
    --------
    >>> z, y = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, 1])
    >>> supervised_contrastive(z, y, temperature=1.0)  # log(1 + 1 / e)
    tensor(0.3133)
    """
    z = functional.normalize(features, dim=-1)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    scores = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
    log_share = (scores - scores.logsumexp(dim=1, keepdim=True)).masked_fill(itself, 0.0)
    same = ((y[:, None] == y) & ~itself).to(z)
    count = same.sum(dim=1)
    if not bool(count.any()):
        return features.sum() * 0
    each = -(log_share * same).sum(dim=1) / count.clamp(min=1)
    return each[count > 0].mean()


def discriminative(features: Tensor, y: Tensor, *, margin: float = 1.0) -> Tensor:
    r"""How wide the classes are, and how close.

    .. math:: \operatorname{mean}_i \lVert \hat v_i - c_{y_i} \rVert^2 + \operatorname{mean}_{k < l}
              \max(0, m - \lVert c_k - c_l \rVert)^2

    with features of unit length and the centre c of each class in the batch. Wen et al., A
    discriminative feature learning approach for deep face recognition, ECCV 2016, for the first
    term; the second pushes classes apart, as AGDAF does in each modality (Attention guided
    discriminative feature learning and adaptive fusion for grading hepatocellular carcinoma, 2022).

    Parameters
    ----------
    features : Tensor (B, C)
    y : Tensor (B,) of int64
        Classes.
    margin : float
        m, up to 2.

    Examples
    --------
    >>> z, y = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]), torch.tensor([0, 0, 1])
    >>> discriminative(z, y)
    tensor(0.)
    >>> discriminative(torch.ones(3, 2), y)
    tensor(1.0000)
    """
    z = functional.normalize(features, dim=-1)
    member = functional.one_hot(y.unique(return_inverse=True)[1]).to(z)  # (B, classes there)
    centers = member.T @ z / member.sum(dim=0)[:, None]
    wide = (z - member @ centers).square().sum(dim=1).mean()
    if len(centers) < 2:
        return wide
    k, other = torch.triu_indices(len(centers), len(centers), 1, device=z.device)
    apart = ((centers[k] - centers[other]).square().sum(dim=-1) + 1e-12).sqrt()
    return wide + (margin - apart).relu().square().mean()


def loss_weights(losses: Tensor, *, temperature: float = 1.0) -> Tensor:
    r"""Weigh modalities by how well they do: :math:`\mathrm{softmax}(-\ell / \tau)`, detached.

    Parameters
    ----------
    losses : Tensor (M,)
        Of each modality; infinite for one that nobody has.
    temperature : float
        :math:`\tau`: towards 0 the best takes all.

    Raises
    ------
    ValueError
        If the temperature is not positive.

    Examples
    --------
    >>> loss_weights(torch.tensor([0.5, 0.5, torch.inf]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, got {temperature}.")
    return (-losses.detach() / temperature).softmax(dim=0)
