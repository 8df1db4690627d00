"""Kernels over resamples against scikit-learn on repeated rows."""

import numpy as np
import pytest
from sklearn import metrics as reference

from brainograph.metrics.binary import area, average_precision, confusion, rates


@pytest.fixture
def sample(rng):
    """Forty labels, tied scores and five resamples of them."""
    y, s = rng.integers(0, 2, 40), rng.uniform(size=40).round(1)
    return y, s, rng.poisson(1, (40, 5)).astype(np.float32)


def test_every_resample_equals_scikit_learn_on_its_rows(sample):
    y, s, drawn = sample
    counts = rates(*confusion(y == 1, s >= 0.5, drawn))
    auc, precision = area(y == 1, s, drawn), average_precision(y == 1, s, drawn)
    for b in range(5):
        rows = np.repeat(np.arange(40), drawn[:, b].astype(int))
        true, score, called = y[rows], s[rows], s[rows] >= 0.5
        assert auc[b] == pytest.approx(reference.roc_auc_score(true, score))
        assert precision[b] == pytest.approx(
            reference.average_precision_score(true, score), abs=1e-7
        )
        for name, function in {
            "accuracy": reference.accuracy_score,
            "balanced_accuracy": reference.balanced_accuracy_score,
            "sensitivity": reference.recall_score,
            "precision": reference.precision_score,
            "f1": reference.f1_score,
            "mcc": reference.matthews_corrcoef,
        }.items():
            assert counts[name][b] == pytest.approx(function(true, called)), name


def test_average_precision_by_hand():
    # From high to low: patient, control, then patient and control tied.
    y, s = np.array([True, False, True, False]), np.array([0.9, 0.8, 0.5, 0.5])
    assert average_precision(y, s, np.ones((4, 1))) == pytest.approx((1 + 2 / 4) / 2)


def test_counts_by_hand():
    # 3 true and 1 false positive, 2 false and 4 true negatives.
    counts = {k: v[0] for k, v in rates(*np.array([[3.0], [1.0], [2.0], [4.0]])).items()}
    assert counts["precision"] == 3 / 4
    assert counts["sensitivity"] == 3 / 5
    assert counts["specificity"] == 4 / 5
    assert counts["f1"] == pytest.approx(6 / 9)
    assert counts["mcc"] == pytest.approx((12 - 2) / np.sqrt(4 * 5 * 5 * 6))


def test_what_cannot_be_measured_is_missing():
    nobody_called = {k: v[0] for k, v in rates(*np.array([[0.0], [0.0], [3.0], [4.0]])).items()}
    assert np.isnan(nobody_called["precision"])
    assert nobody_called["f1"] == 0
    assert nobody_called["mcc"] == 0
    no_patient = {k: v[0] for k, v in rates(*np.array([[0.0], [1.0], [0.0], [4.0]])).items()}
    for name in ("sensitivity", "balanced_accuracy", "f1", "mcc"):
        assert np.isnan(no_patient[name]), name
    assert no_patient["precision"] == 0
    one = np.array([True, True])
    assert np.isnan(area(one, np.array([0.1, 0.2]), np.ones((2, 1))))
    assert np.isnan(average_precision(one, np.array([0.1, 0.2]), np.ones((2, 1))))
    assert np.isnan(average_precision(~one, np.array([0.1, 0.2]), np.ones((2, 1))))
