import numpy as np
import pytest

from brainograph.model_selection.checks.auc import null_deviation
from brainograph.model_selection.checks.permuted import at_chance


@pytest.mark.parametrize("n", [3, 20])
def test_at_chance_holds_its_level_and_sees_a_leak(rng, n):
    """Ten folds that share one deviation: the worst case that the bound has to cover."""
    deviation = 0.06
    clean = [
        at_chance(0.5 + rng.normal(0, deviation, n), np.full(n, deviation)) for _ in range(500)
    ]
    assert np.mean([status == "fail" for status, _ in clean]) <= 0.008
    leaky = [
        at_chance(0.62 + rng.normal(0, deviation, n), np.full(n, deviation)) for _ in range(50)
    ]
    assert np.mean([status != "pass" for status, _ in leaky]) > 0.5


def test_at_chance_by_hand():
    status, p = at_chance(np.array([0.6, 0.6, 0.6]), np.full(3, 0.1))
    assert (status, round(p, 4)) == ("pass", 0.0833)  # z = 0.1 / (0.1 / sqrt(3))
    assert at_chance(np.full(12, 0.5), np.full(12, 0.1)) == ("pass", 1.0)
    assert at_chance(np.full(12, 0.7), np.full(12, 0.1)) == ("fail", 0.0)
    assert at_chance(np.array([0.3, 0.35, 0.32]), np.full(3, 0.05))[0] == "fail"


def test_the_mean_over_folds_spreads_less_than_one_fold(rng):
    """The bound: whatever the folds share, their mean has at most the deviation of one."""
    y = np.array([0, 1] * 20)
    assert null_deviation(y) == pytest.approx(np.sqrt(41 / (12 * 400)))
