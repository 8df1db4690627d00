"""Thresholds by hand, and against every candidate."""

import numpy as np
import pytest
from sklearn import metrics as reference

from brainograph.metrics import choose_threshold


def test_halfway_between_the_classes():
    assert choose_threshold([0, 1, 0, 1], [0.1, 0.5, 0.2, 0.8]) == pytest.approx(0.35)


def test_unbalanced_classes_by_hand():
    # Accuracy calls only the surest patient, balanced accuracy both.
    y = [1, 0, 0, 1, 0, 0, 0, 0]
    s = [0.9, 0.4, 0.35, 0.3, 0.2, 0.15, 0.1, 0.05]
    assert choose_threshold(y, s, criterion="accuracy") == pytest.approx(0.65)
    assert choose_threshold(y, s) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("criterion", "function"),
    [
        ("balanced_accuracy", reference.balanced_accuracy_score),
        ("accuracy", reference.accuracy_score),
        ("f1", reference.f1_score),
        ("mcc", reference.matthews_corrcoef),
    ],
)
def test_no_other_threshold_is_better(rng, criterion, function):
    y = rng.integers(0, 2, 80)
    s = np.clip(0.4 + 0.2 * y + 0.2 * rng.normal(size=80), 0, 1).round(2)
    chosen = choose_threshold(y, s, criterion=criterion)
    best = max(function(y, s >= cut) for cut in np.unique(s)[1:])
    assert function(y, s >= chosen) == pytest.approx(best)
    assert chosen not in s


def test_of_equally_good_thresholds_the_nearest_to_half():
    # Both .25 and .65 have a balanced accuracy of .75.
    assert choose_threshold([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.9]) == pytest.approx(0.65)


def test_scores_without_difference_leave_half():
    assert choose_threshold([0, 1, 1], [0.2, 0.2, 0.2]) == 0.5


def test_neighbouring_numbers_are_kept_apart():
    low = 0.3
    high = np.nextafter(low, 1)
    cut = choose_threshold([0, 1], [low, high])
    assert low < cut <= high


@pytest.mark.parametrize(
    ("y", "s", "criterion", "message"),
    [
        ([0, 1], [0.1, 0.2], "youden", r"one of \('balanced_accuracy', .*got 'youden'"),
        ([1, 1], [0.1, 0.2], "f1", r"two classes 0 and 1, got \[1\]"),
        ([-1, 0, 1], [0.1, 0.2, 0.3], "f1", r"got \[-1, 0, 1\]"),
        ([0, 1], [0.1, 1.2], "f1", r"probability in \[0, 1\]"),
        ([0, 1], [0.1, np.nan], "f1", r"probability in \[0, 1\]"),
        ([0, 1], [0.1], "f1", r"shape \(2,\) and y_score \(1,\)"),
    ],
)
def test_mistakes_are_explained(y, s, criterion, message):
    with pytest.raises(ValueError, match=message):
        choose_threshold(y, s, criterion=criterion)
