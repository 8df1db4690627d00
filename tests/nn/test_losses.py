import numpy as np
import pytest
import torch
from torch.nn import functional

from brainograph.nn.losses import (
    classification_loss,
    discriminative,
    focal,
    generalized_cross_entropy,
    loss_weights,
    similarity,
    supervised_contrastive,
)

LOGITS = torch.tensor([[0.2, 0.8], [0.6, 0.4]]).log()
Y = torch.tensor([1, 1])
SHARES = torch.tensor([[0.25, 0.75], [1.0, 0.0]])


def test_focal():
    expected = -(0.2**2 * np.log(0.8) + 0.6**2 * np.log(0.4)) / 2
    assert focal(LOGITS, Y).item() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(focal(LOGITS, Y, gamma=0), functional.cross_entropy(LOGITS, Y))
    with pytest.raises(ValueError, match="gamma must be at least 0, got -1"):
        focal(LOGITS, Y, gamma=-1)


def test_generalized_cross_entropy():
    expected = ((1 - 0.8**0.7) / 0.7 + (1 - 0.4**0.7) / 0.7) / 2
    assert generalized_cross_entropy(LOGITS, Y).item() == pytest.approx(expected, rel=1e-5)
    assert generalized_cross_entropy(LOGITS, Y, q=1).item() == pytest.approx(0.4)
    nearly = generalized_cross_entropy(LOGITS, Y, q=1e-4)
    assert nearly.item() == pytest.approx(functional.cross_entropy(LOGITS, Y).item(), abs=1e-3)
    for q in (0, 1.1):
        with pytest.raises(ValueError, match=r"q must be in \(0, 1\]"):
            generalized_cross_entropy(LOGITS, Y, q=q)


def test_a_wrong_label_pulls_less():
    sure = torch.tensor([[6.0, -6.0]], requires_grad=True)
    pulls = []
    for kind in ("cross_entropy", "generalized_cross_entropy"):
        (gradient,) = torch.autograd.grad(
            classification_loss(sure, torch.tensor([1]), kind=kind), sure
        )
        pulls.append(gradient.abs().max().item())
    assert pulls[0] > 0.99
    assert pulls[1] < 0.01


@pytest.mark.parametrize("y", [Y, SHARES])
@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 3.0])])
def test_cross_entropy_is_that_of_torch(y, weight):
    ours = classification_loss(LOGITS, y, weight=weight)
    if y.ndim == 2 and weight is not None:  # torch divides by the participants, not their weights
        each = functional.cross_entropy(LOGITS, y, weight=weight, reduction="none")
        reference = each.sum() / (y * weight).sum()
    else:
        reference = functional.cross_entropy(LOGITS, y, weight=weight)
    torch.testing.assert_close(ours, reference)


def test_numbers_are_squared_and_names_checked():
    assert classification_loss(torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0])) == 2
    with pytest.raises(ValueError, match=r"loss must be one of \('cross_entropy', .*'hinge'"):
        classification_loss(LOGITS, Y, kind="hinge")


def test_shares_are_mixtures_of_classes():
    for kind in ("focal", "generalized_cross_entropy"):
        one, other = (classification_loss(LOGITS[:1], torch.tensor([k]), kind=kind) for k in (0, 1))
        mixed = classification_loss(LOGITS[:1], SHARES[:1], kind=kind)
        torch.testing.assert_close(mixed, 0.25 * one + 0.75 * other)


def test_similarity_is_over_pairs_that_somebody_has():
    x, y, z = torch.eye(3)[None].repeat(2, 1, 1).unbind(1)
    assert similarity([x, x, 5 * x]) == 0
    torch.testing.assert_close(similarity([x, y]), torch.tensor(2.0))
    present = torch.tensor([[True, True, False], [True, False, True]])
    torch.testing.assert_close(similarity([x, x, -x], present), torch.tensor((0.0 + 4.0) / 2))
    assert similarity([x]) == 0
    assert similarity([x, y], torch.tensor([[True, False], [False, True]])) == 0
    assert z.shape == (2, 3)


def test_supervised_contrastive_by_hand():
    rng = np.random.default_rng(0)
    z, y, tau = rng.normal(size=(6, 4)), np.array([0, 0, 1, 1, 1, 2]), 0.3
    u = z / np.linalg.norm(z, axis=1, keepdims=True)
    terms = []
    for i in range(6):
        others = [k for k in range(6) if k != i]
        mates = [j for j in others if y[j] == y[i]]
        if mates:
            total = sum(np.exp(u[i] @ u[k] / tau) for k in others)
            terms.append(-np.mean([np.log(np.exp(u[i] @ u[j] / tau) / total) for j in mates]))
    ours = supervised_contrastive(torch.tensor(z), torch.tensor(y), temperature=tau)
    assert ours.item() == pytest.approx(np.mean(terms))


@pytest.mark.parametrize("y", [[0], [0, 1]])
def test_nobody_to_pull(y):
    z = torch.randn(len(y), 3, requires_grad=True)
    value = supervised_contrastive(z, torch.tensor(y))
    value.backward()
    assert value == 0
    assert z.grad.isfinite().all()


def test_discriminative_by_hand():
    z = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 1.0]])
    y = torch.tensor([4, 4, 9])  # centres (.5, .5) and (0, 1): half a unit squared each way
    wide = (0.5 + 0.5 + 0) / 3
    close = (1 - np.sqrt(0.5)) ** 2
    assert discriminative(z, y).item() == pytest.approx(wide + close, rel=1e-4)
    assert discriminative(z[:2], y[:2]).item() == pytest.approx(0.5)


def test_loss_weights():
    weights = loss_weights(torch.tensor([1.0, 2.0], requires_grad=True), temperature=0.5)
    expected = torch.tensor([0.0, -2.0]).softmax(0)
    torch.testing.assert_close(weights, expected)
    assert not weights.requires_grad
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        loss_weights(torch.ones(2), temperature=0)
