"""Several classes against scikit-learn, each against the rest and together."""

import numpy as np
import pytest
from sklearn import metrics as reference

from brainograph.metrics import score
from brainograph.metrics.multiclass import MULTICLASS


@pytest.fixture
def classes(rng, table):
    """A table of 120 participants of three classes, its labels and probabilities."""
    y = rng.integers(0, 3, 120)
    p = np.eye(3)[y] + 2 * rng.uniform(size=(120, 3))
    p /= p.sum(axis=1, keepdims=True)
    columns = {f"p_{k}": p[:, k] for k in range(3)}
    return table(y, fold=np.arange(120) % 4, **columns), y, p


def test_all_classes_equal_scikit_learn(classes):
    predictions, y, p = classes
    result = score(predictions, n_bootstrap=50).set_index(["class", "metric"])["value"]["all"]
    called = p.argmax(axis=1)
    for name, expected in {
        "auc": reference.roc_auc_score(y, p, multi_class="ovr", average="macro"),
        "average_precision": reference.average_precision_score(np.eye(3)[y], p, average="macro"),
        "accuracy": reference.accuracy_score(y, called),
        "balanced_accuracy": reference.balanced_accuracy_score(y, called),
        "precision": reference.precision_score(y, called, average="macro"),
        "f1": reference.f1_score(y, called, average="macro"),
        "mcc": reference.matthews_corrcoef(y, called),
        "log_loss": reference.log_loss(y, p),
        "brier": ((p - np.eye(3)[y]) ** 2).sum(axis=1).mean(),
    }.items():
        assert result[name] == pytest.approx(expected, abs=1e-7), name


def test_each_class_against_the_rest(classes):
    predictions, y, p = classes
    result = score(predictions, n_bootstrap=50).set_index(["class", "metric"])
    for k in range(3):
        called = p.argmax(axis=1) == k
        expected = {
            "auc": reference.roc_auc_score(y == k, p[:, k]),
            "average_precision": reference.average_precision_score(y == k, p[:, k]),
            "sensitivity": reference.recall_score(y == k, called),
            "specificity": reference.recall_score(y != k, ~called),
            "precision": reference.precision_score(y == k, called),
            "f1": reference.f1_score(y == k, called),
        }
        for name, value in expected.items():
            row = result.loc[(str(k), name)]
            assert row["value"] == pytest.approx(value, abs=1e-7), name
            assert row["low"] < row["value"] < row["high"]
            assert row["n_positive"] == (y == k).sum()
    assert result.loc[("all", "auc"), "n_positive"] == 120


def test_folds_are_averaged(classes):
    predictions, _, _ = classes
    result = score(predictions, n_bootstrap=10).set_index(["class", "metric"])["value"]["all"]
    folds = [
        reference.roc_auc_score(
            fold["y_true"], fold[["p_0", "p_1", "p_2"]], multi_class="ovr", average="macro"
        )
        for _, fold in predictions.groupby("fold")
    ]
    assert result["auc_folds"] == pytest.approx(np.mean(folds))


def test_correlation_of_every_resample_equals_scikit_learn(classes, rng):
    predictions, y, p = classes
    drawn = rng.poisson(1, (120, 4)).astype(np.float32)
    found = MULTICLASS.measure(MULTICLASS.values(predictions), drawn)
    for b in range(4):
        rows = np.repeat(np.arange(120), drawn[:, b].astype(int))
        expected = reference.matthews_corrcoef(y[rows], p[rows].argmax(axis=1))
        assert found["mcc"][b] == pytest.approx(expected)
        assert found["log_loss"][b] == pytest.approx(reference.log_loss(y[rows], p[rows]))


def test_a_site_that_lacks_a_class_has_no_macro_average(classes):
    predictions, y, _ = classes
    two = predictions.assign(site=np.where(y == 2, "other", np.where(y == 0, "all", "two")))
    two.loc[predictions.index[y == 1][:20], "site"] = "all"
    two.loc[predictions.index[y == 2][:20], "site"] = "all"
    result = score(two, by="site", n_bootstrap=10).set_index(["group", "class", "metric"])["value"]
    assert np.isfinite(result["all", "all", "auc"])
    for name in ("auc", "balanced_accuracy", "mcc"):
        assert np.isnan(result["two", "all", name])
    assert np.isfinite(result["two", "all", "accuracy"])


def test_leave_one_out_is_pooled(classes):
    predictions, _, _ = classes
    alone = predictions.iloc[:30].assign(fold=np.arange(30))
    result = score(alone, n_bootstrap=50).query("`class` == 'all'").set_index("metric")
    assert np.isfinite(result.loc["auc", "value"])
    assert result.loc["auc_folds", "skipped"] == 30
    assert result.loc["log_loss_folds", "value"] == pytest.approx(result.loc["log_loss", "value"])


def test_few_members_of_a_class_have_no_interval(table):
    y = np.array([0] * 20 + [1] * 20 + [2] * 4)
    p = np.full((44, 3), 0.2) + 0.4 * np.eye(3)[np.arange(44) % 3]
    predictions = table(y, **{f"p_{k}": p[:, k] for k in range(3)})
    low = score(predictions, n_bootstrap=50).set_index(["class", "metric"])["low"]
    assert np.isnan(low["2", "auc"])
    assert np.isnan(low["all", "auc"])
    assert np.isnan(low["2", "sensitivity"])
    assert np.isfinite(low["2", "specificity"])
    assert np.isfinite(low["0", "auc"])
    assert np.isfinite(low["all", "accuracy"])


def test_wrong_classes_are_explained(classes):
    predictions, _, _ = classes
    with pytest.raises(
        ValueError, match=r"numbered from p_0 to p_2 or further, got \['p_0', 'p_2'\]"
    ):
        score(predictions.drop(columns="p_1"))
    with pytest.raises(ValueError, match="For two classes give y_score"):
        score(predictions.drop(columns="p_2"))
    with pytest.raises(ValueError, match=r"classes 0 to 2, got \[-1, 1, 2\]"):
        score(predictions.assign(y_true=predictions["y_true"].replace(0, -1)))
    with pytest.raises(ValueError, match="add up to 1, got 120 rows"):
        score(predictions.assign(p_0=predictions["p_0"] + 0.1))
