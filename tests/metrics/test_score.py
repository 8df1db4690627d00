"""Scores by hand, against scikit-learn, and the behaviour of their intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as reference

from brainograph.metrics import compare, score


def table(y_true, y_score, *, model="gcn", regime="inductive", repeat=0, fold=0, site="X"):
    columns = {"site": site, "model": model, "regime": regime, "repeat": repeat, "fold": fold}
    ids = [f"sub-{i:04d}" for i in range(len(y_true))]
    return pd.DataFrame({"participant_id": ids, "y_true": y_true, "y_score": y_score} | columns)


def simulated(rng, n=120, *, effect=1.0, n_folds=5, **columns):
    y = rng.integers(0, 2, n)
    logit = effect * (y - 0.5) + rng.normal(size=n)
    return table(y, 1 / (1 + np.exp(-logit)), fold=np.arange(n) % n_folds, **columns)


def values(result):
    return result.set_index("metric")["value"]


def test_six_rows_by_hand():
    # Patients .9 .6 .3, controls .6 .2 .1: of 9 pairs 7 are right and one is tied.
    result = values(score(table([1, 1, 1, 0, 0, 0], [0.9, 0.6, 0.3, 0.6, 0.2, 0.1])))
    assert result["auc"] == pytest.approx(7.5 / 9)
    assert result["auc_folds"] == pytest.approx(7.5 / 9)
    assert result["sensitivity"] == pytest.approx(2 / 3)
    assert result["specificity"] == pytest.approx(2 / 3)
    assert result["accuracy"] == pytest.approx(4 / 6)
    assert result["balanced_accuracy"] == pytest.approx(2 / 3)
    assert result["brier"] == pytest.approx((0.01 + 0.16 + 0.49 + 0.36 + 0.04 + 0.01) / 6)


def test_a_score_of_exactly_half_is_a_patient():
    result = values(score(table([1, 0, 0], [0.5, 0.5, 0.4])))
    assert result["sensitivity"] == 1
    assert result["specificity"] == 0.5


def test_folds_are_averaged_and_one_class_folds_are_counted():
    # Fold 0 is right (1), fold 1 is wrong (0), fold 2 has no control.
    predictions = table([1, 0, 1, 0, 1], [0.9, 0.8, 0.2, 0.3, 0.5], fold=[0, 0, 1, 1, 2])
    result = score(predictions).set_index("metric")
    assert result.loc["auc_folds", "value"] == pytest.approx(0.5)
    assert result.loc["auc_folds", "skipped"] == 1
    assert result.loc["auc", "skipped"] == 0
    assert result.loc["auc", "value"] == pytest.approx(3 / 6)


def test_repeats_are_pooled_apart_and_then_averaged():
    y = [1, 0, 1, 0]
    first, second = [0.9, 0.1, 0.8, 0.2], [0.1, 0.9, 0.8, 0.2]
    both = pd.concat([table(y, first, repeat=0), table(y, second, repeat=1)])
    # The second repeat has 1 of its 4 pairs right.
    assert values(score(both))["auc"] == pytest.approx((1 + 0.25) / 2)


def test_equals_scikit_learn_with_ties(rng):
    predictions = simulated(rng, 300)
    predictions["y_score"] = predictions["y_score"].round(1)
    y, s = predictions["y_true"], predictions["y_score"]
    called = s >= 0.5
    result = values(score(predictions, n_bootstrap=10))
    assert result["auc"] == pytest.approx(reference.roc_auc_score(y, s), abs=1e-12)
    assert result["accuracy"] == pytest.approx(reference.accuracy_score(y, called))
    assert result["balanced_accuracy"] == pytest.approx(
        reference.balanced_accuracy_score(y, called)
    )
    assert result["sensitivity"] == pytest.approx(reference.recall_score(y, called))
    assert result["specificity"] == pytest.approx(reference.recall_score(1 - y, ~called))
    assert result["brier"] == pytest.approx(reference.brier_score_loss(y, s), abs=1e-7)
    folds = [
        reference.roc_auc_score(f["y_true"], f["y_score"]) for _, f in predictions.groupby("fold")
    ]
    assert result["auc_folds"] == pytest.approx(np.mean(folds), abs=1e-12)


def test_interval_equals_a_plain_bootstrap_with_scikit_learn(rng):
    predictions = simulated(rng, 80)
    y, s = predictions["y_true"].to_numpy(), predictions["y_score"].to_numpy()
    patients, controls = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    plain = []
    for _ in range(800):
        rows = np.r_[rng.choice(patients, len(patients)), rng.choice(controls, len(controls))]
        plain.append(reference.roc_auc_score(y[rows], s[rows]))
    result = score(predictions, n_bootstrap=2000).set_index("metric").loc["auc"]
    assert [result["low"], result["high"]] == pytest.approx(
        np.quantile(plain, [0.025, 0.975]), abs=0.025
    )


def test_interval_covers_the_truth_about_as_often_as_it_says(rng):
    effect = 1.0
    truth = stats.norm.cdf(effect / np.sqrt(2))
    covered = []
    for seed in range(80):
        row = score(simulated(rng, 100, effect=effect), n_bootstrap=200, random_state=seed)
        auc = row.set_index("metric").loc["auc"]
        covered.append(auc["low"] <= truth <= auc["high"])
    assert 0.86 <= np.mean(covered) <= 0.995


def test_interval_grows_with_confidence_and_shrinks_with_participants(rng):
    def width(n, confidence):
        row = score(simulated(rng, n), confidence=confidence).set_index("metric").loc["auc"]
        return row["high"] - row["low"]

    assert width(100, 0.8) < width(100, 0.99)
    assert width(800, 0.95) < 0.6 * width(100, 0.95)


def test_rows_in_another_order_give_the_same_numbers(rng):
    predictions = simulated(rng)
    shuffled = predictions.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(score(predictions), score(shuffled))


def test_site_with_one_class_has_no_auc_but_the_rest(rng):
    predictions = simulated(rng, 60)
    predictions["site"] = np.where(predictions["y_true"] == 1, "patients only", "mixed")
    predictions.loc[predictions.index[predictions["y_true"] == 1][:8], "site"] = "mixed"
    result = score(predictions, by="site").set_index(["group", "metric"])["value"]
    assert np.isnan(result["patients only", "auc"])
    assert np.isnan(result["patients only", "specificity"])
    assert np.isnan(result["patients only", "balanced_accuracy"])
    assert result["patients only", "accuracy"] == result["patients only", "sensitivity"]
    assert np.isfinite(result["mixed", "auc"])
    assert "auc_folds" not in result.index.get_level_values("metric")


def test_sites_equal_their_own_rows(rng):
    predictions = simulated(rng, 90, site=np.repeat(["A", "B", "C"], 30))
    by_site = score(predictions, by="site").set_index(["group", "metric"])
    alone = score(predictions[predictions["site"] == "B"]).set_index("metric")
    assert by_site.loc[("B", "auc"), "low"] == alone.loc["auc", "low"]
    assert by_site.loc[("B", "auc"), "n"] == 30


def test_few_members_of_a_class_have_no_interval():
    result = score(table([1] * 4 + [0] * 8, np.linspace(0.9, 0.1, 12))).set_index("metric")
    assert result.loc["auc", "value"] == 1
    assert np.isnan(result.loc["auc", "low"])
    assert np.isnan(result.loc["sensitivity", "low"])
    assert np.isfinite(result.loc["specificity", "low"])
    assert np.isfinite(result.loc["accuracy", "low"])


def test_share_of_the_training_rows_does_not_look_worse_than_chance(rng):
    predictions = simulated(rng, 100)
    held_out = predictions.groupby("fold")["y_true"].transform("sum")
    size = predictions.groupby("fold")["y_true"].transform("size")
    predictions["y_score"] = (predictions["y_true"].sum() - held_out) / (100 - size)
    assert reference.roc_auc_score(predictions["y_true"], predictions["y_score"]) < 0.45
    assert values(score(predictions))["auc"] == 0.5


def test_leave_one_out_scores_are_not_taken_for_constant():
    predictions = table([1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2], fold=[0, 1, 2, 3])
    result = score(predictions).set_index("metric")
    assert result.loc["auc", "value"] == 1
    assert np.isnan(result.loc["auc_folds", "value"])
    assert result.loc["auc_folds", "skipped"] == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true": [0, 1, 2, 1]}, r"two classes 0 and 1, got \[0, 1, 2\]"),
        ({"y_true": [1, 1, 1, 1]}, r"two classes 0 and 1, got \[1\]"),
        ({"y_true": [0, 1, -1, 1]}, r"isin\(\[0, 1\]\)"),
        ({"y_score": [0.1, np.nan, 0.2, 0.3]}, r"probability in \[0, 1\], got 1 values"),
        ({"y_score": [0.1, 1.2, -2, 0.3]}, r"np\.exp\(-d\)"),
        ({"participant_id": list("aabc")}, r"\['a'\] have more than one prediction"),
    ],
)
def test_bad_predictions_are_explained(change, message):
    good = table([0, 1, 0, 1], [0.1, 0.8, 0.6, 0.4])
    with pytest.raises(ValueError, match=message):
        score(good.assign(**change))


def test_bad_arguments_are_explained():
    good = table([0, 1, 0, 1], [0.1, 0.8, 0.6, 0.4])
    with pytest.raises(ValueError, match=r"lack the columns \['fold'\]"):
        score(good.drop(columns="fold"))
    with pytest.raises(ValueError, match=r"lack the columns \['scanner'\]"):
        score(good, by="scanner")
    with pytest.raises(ValueError, match=r"confidence must be in \(0, 1\), got 95"):
        score(good, confidence=95)
    with pytest.raises(ValueError, match="n_bootstrap must be at least 1, got 0"):
        score(good, n_bootstrap=0)
    with pytest.raises(ValueError, match=r"main must be one of \['gcn'\], got 'gnc'"):
        compare(good, "gnc")
    other = good.assign(repeat=1, y_true=[1, 1, 0, 0])
    with pytest.raises(ValueError, match="y_true differs between rows of one participant"):
        score(pd.concat([good, other]))


def test_corrected_t_test_by_hand():
    # Four folds of four: the main model has AUC 1, 1, .5, 1, the other .5, 0, .5, .5.
    y = np.tile([1, 1, 0, 0], 4)
    fold = np.repeat([0, 1, 2, 3], 4)
    right, half, wrong = [0.9, 0.8, 0.2, 0.1], [0.9, 0.1, 0.8, 0.2], [0.1, 0.2, 0.8, 0.9]
    main = table(y, right + right + half + right, fold=fold)
    other = table(y, half + wrong + half + half, fold=fold, model="other")
    row = compare(pd.concat([main, other]), "gcn").iloc[0]
    difference = np.array([0.5, 1, 0, 0.5])
    t = difference.mean() / np.sqrt((1 / 4 + 4 / 12) * difference.var(ddof=1))
    assert row["n_folds"] == 4
    assert row["t"] == pytest.approx(t)
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(t, 3))
    assert row["difference"] == pytest.approx(
        reference.roc_auc_score(y, main["y_score"]) - reference.roc_auc_score(y, other["y_score"])
    )


def test_identical_models_differ_by_nothing(rng):
    predictions = simulated(rng)
    row = compare(pd.concat([predictions, predictions.assign(model="twin")]), "gcn").iloc[0]
    assert (row["difference"], row["low"], row["high"]) == (0, 0, 0)
    assert (row["t"], row["p_value"]) == (0, 1)


def test_paired_interval_is_narrower_than_an_unpaired_one(rng):
    predictions = simulated(rng, 200)
    noisy = np.clip(predictions["y_score"] + rng.normal(0, 0.02, 200), 0, 1)
    both = pd.concat([predictions, predictions.assign(model="other", y_score=noisy)])
    row = compare(both, "gcn").iloc[0]
    auc = score(predictions).set_index("metric").loc["auc"]
    assert row["high"] - row["low"] < 0.3 * (auc["high"] - auc["low"])


def test_a_far_better_model_is_found_better(rng):
    good, poor = simulated(rng, 200, effect=3.0), simulated(rng, 200, effect=0.0)
    poor = poor.assign(model="poor", y_true=good["y_true"])
    row = compare(pd.concat([good, poor]), "gcn").iloc[0]
    assert row["low"] > 0.2
    assert row["p_value"] < 0.01
    back = compare(pd.concat([good, poor]), "poor").iloc[0]
    assert back["difference"] == -row["difference"]
    assert back["p_value"] == pytest.approx(row["p_value"])


def test_a_transductive_model_meets_the_only_regime_of_its_control(rng):
    main = simulated(rng)
    both = pd.concat([main, main.assign(regime="transductive"), main.assign(model="control")])
    result = compare(both, "gcn")
    assert result["regime"].tolist() == ["inductive", "transductive"]
    assert result["model"].tolist() == ["control", "control"]


def test_other_folds_cannot_be_paired(rng):
    main = simulated(rng)
    other = main.assign(model="other", fold=(main["fold"] + 1) % 5)
    with pytest.raises(ValueError, match="not evaluated on the same folds"):
        compare(pd.concat([main, other]), "gcn")
    nobody = main.assign(model="other", participant_id="x" + main["participant_id"])
    with pytest.raises(ValueError, match="share no participants"):
        compare(pd.concat([main, nobody]), "gcn")
