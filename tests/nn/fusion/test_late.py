import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from brainograph.nn.fusion import LateFusion

P = torch.tensor([[0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])  # three modalities, one participant
LOGITS = [row[None].log() for row in P]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("max", [0.6 / 1.4, 0.8 / 1.4]),
        ("mean", [1.3 / 3, 1.7 / 3]),
        ("product", [0.12 / 0.44, 0.32 / 0.44]),  # .2 * .6 * .5 to .8 * .4 * .5
        ("weighted", [1.3 / 3, 1.7 / 3]),
        ("stacking", [0.12 ** (1 / 3), 0.32 ** (1 / 3)]),  # the geometric mean, to be scaled
    ],
)
def test_rules(how, expected):
    expected = torch.tensor(expected) / sum(expected)
    torch.testing.assert_close(LateFusion(3, 2, how)(LOGITS).exp()[0], expected)


def test_bayes_counts_the_prior_once():
    fusion = LateFusion(2, 2, "product")
    y = torch.tensor([0] * 2 + [1] * 6)  # shares with one more of each: .3 and .7
    fusion.fit([torch.zeros(8, 2)] * 2, y)
    given = [torch.tensor([[0.3, 0.7]]).log()] * 2  # no evidence: the prior itself
    torch.testing.assert_close(fusion(given).exp(), torch.tensor([[0.3, 0.7]]))


def test_independent_modalities_are_fused_as_bayes_would():
    """Two measurements with Gaussian noise: the product is the posterior given both."""
    x = torch.tensor([0.4, -1.3])
    posterior = [torch.stack([-((one + 1) ** 2), -((one - 1) ** 2)])[None] / 2 for one in x]
    both = LateFusion(2, 2, "product")(posterior).exp()
    expected = torch.sigmoid(2 * x.sum())
    torch.testing.assert_close(both[0, 1], expected)


def numbers(seed=0, n=400):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    good = 2.0 * (2 * y - 1) + rng.normal(size=n)
    bad = rng.normal(size=n)
    logits = [torch.tensor(np.stack([-s, s], 1) / 2, dtype=torch.float32) for s in (good, bad)]
    return logits, torch.tensor(y)


def test_weights_come_from_the_losses_of_rows_given():
    logits, y = numbers()
    fusion = LateFusion(2, 2, "weighted").fit(logits, y, temperature=0.5)
    losses = torch.stack([torch.nn.functional.cross_entropy(x, y) for x in logits])
    expected = (-losses / 0.5).softmax(0)
    torch.testing.assert_close(fusion.contributions(logits)[0], expected)
    assert expected[0] > 0.7


def test_weights_look_at_those_who_have_a_modality():
    logits, y = numbers()
    present = torch.ones(400, 2, dtype=torch.bool)
    present[:200, 1] = False
    spoilt = [logits[0], torch.where(present[:, 1:], logits[1], torch.nan)]
    fusion = LateFusion(2, 2, "weighted").fit(spoilt, y, present)
    again = torch.nn.functional.cross_entropy(logits[1][200:], y[200:])
    share = fusion.contributions(logits)[0]
    first = torch.nn.functional.cross_entropy(logits[0], y)
    torch.testing.assert_close((share[0] / share[1]).log(), (again - first) / 0.1)


def test_stacking_learns_what_logistic_regression_does():
    logits, y = numbers()
    fusion = LateFusion(2, 2, "stacking").fit(logits, y, penalty=0.0)
    x = np.concatenate([one.log_softmax(1).numpy() for one in logits], axis=1)
    reference = LogisticRegression(C=np.inf, max_iter=1000).fit(x, y.numpy())
    ours = fusion(logits).exp().detach().numpy()
    assert np.abs(ours - reference.predict_proba(x)).max() < 0.01
    held = LateFusion(2, 2, "stacking").fit(logits, y, penalty=1e6)
    torch.testing.assert_close(held.maps, torch.eye(2).repeat(2, 1, 1), atol=1e-3, rtol=0)


def test_numbers_are_averaged():
    two = [torch.tensor([[2.0]]), torch.tensor([[6.0]])]
    for how in ("mean", "weighted", "stacking"):
        assert LateFusion(2, 1, how)(two).item() == 4.0
    with pytest.raises(ValueError, match="late='product' is a rule of probabilities"):
        LateFusion(2, 1, "product")


def test_names_and_rows_that_do_not_exist():
    with pytest.raises(ValueError, match=r"late must be one of \('max', .*got 'vote'"):
        LateFusion(2, 2, "vote")
    with pytest.raises(ValueError, match=r"nobody of these rows has modality \[1\]"):
        present = torch.tensor([[True, False]] * 3)
        LateFusion(2, 2, "weighted").fit([torch.zeros(3, 2)] * 2, torch.tensor([0, 1, 1]), present)
