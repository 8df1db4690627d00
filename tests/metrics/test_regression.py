"""Predicted numbers against scikit-learn and SciPy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as reference

from brainograph.metrics import score
from brainograph.metrics.regression import REGRESSION


def ages(rng, table, n=150, *, noise=5.0, **columns):
    age = rng.uniform(8, 60, n).round(1)
    predicted = (age + noise * rng.normal(size=n)).round()
    return table(age, y_pred=predicted, fold=np.arange(n) % 5, **columns)


def numbers(part):
    y, p = part["y_true"], part["y_pred"]
    return {
        "mae": reference.mean_absolute_error(y, p),
        "rmse": reference.root_mean_squared_error(y, p),
        "r2": reference.r2_score(y, p),
        "pearson": stats.pearsonr(y, p).statistic,
        "spearman": stats.spearmanr(y, p).statistic,
    }


def test_pooled_and_folds_equal_the_references(rng, table):
    predictions = ages(rng, table)
    result = score(predictions).set_index("metric")
    folds = pd.DataFrame([numbers(fold) for _, fold in predictions.groupby("fold")]).mean()
    for name, expected in numbers(predictions).items():
        assert result.loc[name, "value"] == pytest.approx(expected), name
        assert result.loc[f"{name}_folds", "value"] == pytest.approx(folds[name]), name
    assert (result["low"] < result["value"]).all()
    assert (result["value"] < result["high"]).all()
    assert "n_positive" not in result


def test_every_resample_equals_the_references_on_its_rows(rng, table):
    predictions = ages(rng, table, 60)
    drawn = rng.poisson(1, (60, 4)).astype(np.float32)
    found = REGRESSION.measure(REGRESSION.values(predictions), drawn)
    for b in range(4):
        rows = np.repeat(np.arange(60), drawn[:, b].astype(int))
        for name, expected in numbers(predictions.iloc[rows]).items():
            assert found[name][b] == pytest.approx(expected), name


def test_three_rows_by_hand(table):
    result = score(table([1.0, 2.0, 6.0], y_pred=[2.0, 2.0, 4.0])).set_index("metric")["value"]
    assert result["mae"] == 1
    assert result["rmse"] == pytest.approx(np.sqrt(5 / 3))
    assert result["r2"] == pytest.approx(1 - 5 / 14)


def test_mean_of_the_training_rows_correlates_with_nothing(rng, table):
    predictions = ages(rng, table)
    held_out = predictions.groupby("fold")["y_true"].transform("mean")
    predictions["y_pred"] = (predictions["y_true"].mean() * 5 - held_out) / 4
    assert stats.pearsonr(predictions["y_true"], predictions["y_pred"]).statistic < -0.1
    result = score(predictions).set_index("metric")["value"]
    assert result[["pearson", "spearman", "pearson_folds"]].isna().all()
    assert -0.1 < result["r2"] < 0


def test_interval_covers_the_truth_about_as_often_as_it_says(rng, table):
    truth, covered = np.sqrt(2 / np.pi), []
    for seed in range(40):
        y = rng.normal(size=80)
        predictions = table(y, y_pred=y + rng.normal(size=80))
        row = score(predictions, n_bootstrap=200, random_state=seed).set_index("metric").loc["mae"]
        covered.append(row["low"] <= truth <= row["high"])
    assert 0.84 <= np.mean(covered) <= 0.995


def test_leave_one_out_has_errors_but_no_correlation_in_its_folds(rng, table):
    predictions = ages(rng, table, 12).assign(fold=np.arange(12))
    result = score(predictions, n_bootstrap=50).set_index("metric")
    assert result.loc["mae_folds", "value"] == pytest.approx(result.loc["mae", "value"])
    assert np.isnan(result.loc["pearson_folds", "value"])
    assert result.loc["r2_folds", "skipped"] == 12
    assert np.isfinite(result.loc["pearson", "value"])


def test_missing_numbers_are_explained(rng, table):
    predictions = ages(rng, table)
    predictions.loc[[0, 3], "y_pred"] = np.nan
    with pytest.raises(ValueError, match=r"got 2 rows where one is missing.*dropna"):
        score(predictions)
