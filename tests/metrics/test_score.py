"""Scores by hand, against scikit-learn, and the behaviour of their intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as reference

from brainograph.metrics import METRICS, compare, score


def values(result):
    return result.set_index("metric")["value"]


def test_six_rows_by_hand(table):
    # Patients .9 .6 .3, controls .6 .2 .1: of 9 pairs 7 are right and one is tied.
    result = values(score(table([1, 1, 1, 0, 0, 0], [0.9, 0.6, 0.3, 0.6, 0.2, 0.1])))
    assert result["auc"] == pytest.approx(7.5 / 9)
    assert result["auc_folds"] == pytest.approx(7.5 / 9)
    assert result["sensitivity"] == pytest.approx(2 / 3)
    assert result["specificity"] == pytest.approx(2 / 3)
    assert result["accuracy"] == pytest.approx(4 / 6)
    assert result["balanced_accuracy"] == pytest.approx(2 / 3)
    assert result["brier"] == pytest.approx((0.01 + 0.16 + 0.49 + 0.36 + 0.04 + 0.01) / 6)


def test_a_score_of_exactly_half_is_a_patient(table):
    result = values(score(table([1, 0, 0], [0.5, 0.5, 0.4])))
    assert result["sensitivity"] == 1
    assert result["specificity"] == 0.5


def test_folds_are_averaged_and_one_class_folds_are_counted(table):
    # Fold 0 is right (1), fold 1 is wrong (0), fold 2 has no control.
    predictions = table([1, 0, 1, 0, 1], [0.9, 0.8, 0.2, 0.3, 0.5], fold=[0, 0, 1, 1, 2])
    result = score(predictions).set_index("metric")
    assert result.loc["auc_folds", "value"] == pytest.approx(0.5)
    assert result.loc["auc_folds", "skipped"] == 1
    assert result.loc["auc", "skipped"] == 0
    assert result.loc["auc", "value"] == pytest.approx(3 / 6)


def test_repeats_are_pooled_apart_and_then_averaged(table):
    y = [1, 0, 1, 0]
    first, second = [0.9, 0.1, 0.8, 0.2], [0.1, 0.9, 0.8, 0.2]
    both = pd.concat([table(y, first, repeat=0), table(y, second, repeat=1)])
    # The second repeat has 1 of its 4 pairs right.
    assert values(score(both))["auc"] == pytest.approx((1 + 0.25) / 2)


def test_equals_scikit_learn_with_ties(rng, simulated):
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


def test_interval_equals_a_plain_bootstrap_with_scikit_learn(rng, simulated):
    predictions = simulated(rng, 80)
    y, s = predictions["y_true"].to_numpy(), predictions["y_score"].to_numpy()
    patients, controls = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    plain = []
    for _ in range(300):
        rows = np.r_[rng.choice(patients, len(patients)), rng.choice(controls, len(controls))]
        plain.append(reference.roc_auc_score(y[rows], s[rows]))
    result = score(predictions, n_bootstrap=2000).set_index("metric").loc["auc"]
    assert [result["low"], result["high"]] == pytest.approx(
        np.quantile(plain, [0.025, 0.975]), abs=0.025
    )


def test_interval_covers_the_truth_about_as_often_as_it_says(rng, simulated):
    effect = 1.0
    truth = stats.norm.cdf(effect / np.sqrt(2))
    covered = []
    for seed in range(60):
        row = score(simulated(rng, 100, effect=effect), n_bootstrap=200, random_state=seed)
        auc = row.set_index("metric").loc["auc"]
        covered.append(auc["low"] <= truth <= auc["high"])
    assert 0.86 <= np.mean(covered) <= 0.995


def test_interval_grows_with_confidence_and_shrinks_with_participants(rng, simulated):
    def width(n, confidence):
        row = score(simulated(rng, n), confidence=confidence).set_index("metric").loc["auc"]
        return row["high"] - row["low"]

    assert width(100, 0.8) < width(100, 0.99)
    assert width(800, 0.95) < 0.6 * width(100, 0.95)


def test_rows_in_another_order_give_the_same_numbers(rng, simulated):
    predictions = simulated(rng)
    shuffled = predictions.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(score(predictions), score(shuffled))


def test_site_with_one_class_has_no_auc_but_the_rest(rng, simulated):
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


def test_sites_equal_their_own_rows(rng, simulated):
    predictions = simulated(rng, 90, site=np.repeat(["A", "B", "C"], 30))
    by_site = score(predictions, by="site").set_index(["group", "metric"])
    alone = score(predictions[predictions["site"] == "B"]).set_index("metric")
    assert by_site.loc[("B", "auc"), "low"] == alone.loc["auc", "low"]
    assert by_site.loc[("B", "auc"), "n"] == 30


def test_few_members_of_a_class_have_no_interval(table):
    result = score(table([1] * 4 + [0] * 8, np.linspace(0.9, 0.1, 12))).set_index("metric")
    assert result.loc["auc", "value"] == 1
    assert np.isnan(result.loc["auc", "low"])
    assert np.isnan(result.loc["sensitivity", "low"])
    assert np.isfinite(result.loc["specificity", "low"])
    assert np.isfinite(result.loc["accuracy", "low"])


def test_share_of_the_training_rows_does_not_look_worse_than_chance(rng, simulated):
    predictions = simulated(rng, 100)
    held_out = predictions.groupby("fold")["y_true"].transform("sum")
    size = predictions.groupby("fold")["y_true"].transform("size")
    predictions["y_score"] = (predictions["y_true"].sum() - held_out) / (100 - size)
    assert reference.roc_auc_score(predictions["y_true"], predictions["y_score"]) < 0.45
    assert values(score(predictions))["auc"] == 0.5


def test_leave_one_out_scores_are_not_taken_for_constant(table):
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
def test_bad_predictions_are_explained(change, message, table):
    good = table([0, 1, 0, 1], [0.1, 0.8, 0.6, 0.4])
    with pytest.raises(ValueError, match=message):
        score(good.assign(**change))


def test_bad_arguments_are_explained(table):
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


def test_pooled_metrics_equal_scikit_learn_in_every_fold_too(rng, simulated):
    predictions = simulated(rng, 200)
    result = values(score(predictions, n_bootstrap=10))
    assert tuple(result.index) == METRICS
    for name, function in {
        "average_precision": lambda f: reference.average_precision_score(f.y_true, f.y_score),
        "balanced_accuracy": lambda f: reference.balanced_accuracy_score(
            f.y_true, f.y_score >= 0.5
        ),
        "f1": lambda f: reference.f1_score(f.y_true, f.y_score >= 0.5),
        "brier": lambda f: reference.brier_score_loss(f.y_true, f.y_score),
    }.items():
        assert result[name] == pytest.approx(function(predictions), abs=1e-7)
        folds = [function(fold) for _, fold in predictions.groupby("fold")]
        assert result[f"{name}_folds"] == pytest.approx(np.mean(folds), abs=1e-7)


def test_every_metric_has_an_interval_that_holds_it(rng, simulated):
    result = score(simulated(rng, 200), n_bootstrap=300)
    assert (result["low"] <= result["value"]).all()
    assert (result["value"] <= result["high"]).all()
    assert (result["low"] < result["high"]).all()


def test_each_row_has_the_threshold_of_its_fold(table):
    # Fold 0 calls from .3, fold 1 has none and calls from .5: right are .4 and .2, .6 and .4.
    predictions = table([1, 0, 1, 0], [0.4, 0.2, 0.6, 0.4], fold=[0, 0, 1, 1])
    assert values(score(predictions))["sensitivity"] == 0.5
    chosen = predictions.assign(threshold=[0.3, 0.3, np.nan, np.nan])
    assert values(score(chosen))["sensitivity"] == 1
    assert values(score(chosen))["specificity"] == 1
    assert values(score(chosen))["auc"] == values(score(predictions))["auc"]
    with pytest.raises(ValueError, match=r"threshold must be a number, or missing for 0\.5"):
        score(predictions.assign(threshold=np.inf))


def test_precision_of_a_model_that_calls_nobody_is_not_defined(table):
    result = score(table([1, 0, 1, 0], [0.4, 0.2, 0.6, 0.4], fold=[0, 0, 1, 1]))
    result = result.set_index("metric")
    assert result.loc["precision_folds", "value"] == 1
    assert result.loc["precision_folds", "skipped"] == 1
    assert result.loc["mcc_folds", ["value", "skipped"]].tolist() == [0.5, 0]


def test_groups_are_drawn_together(rng, simulated):
    # Four copies of each participant say no more than one: the interval must not shrink.
    one = simulated(rng, 60)
    four = pd.concat([one.assign(participant_id=one["participant_id"] + f"_{i}") for i in range(4)])
    alone = score(one).set_index("metric").loc["auc"]
    apart = score(four).set_index("metric").loc["auc"]
    families = four.assign(group=four["participant_id"].str[:8])
    together = score(families).set_index("metric").loc["auc"]
    assert together["high"] - together["low"] == pytest.approx(
        alone["high"] - alone["low"], rel=0.1
    )
    assert apart["high"] - apart["low"] < 0.65 * (alone["high"] - alone["low"])
    assert together["n"] == 240


def test_interval_of_families_covers_the_truth_where_that_of_members_does_not(rng, table):
    # Five members share most of what decides the score: P(patient > control) is .5 by symmetry.
    covered = {"families": [], "members": []}
    for seed in range(30):
        family = np.repeat(np.arange(30), 5)
        y = (family % 2).astype(int)
        logit = rng.normal(size=30)[family] + 0.3 * rng.normal(size=150)
        predictions = table(y, 1 / (1 + np.exp(-logit)))
        given = {"members": predictions, "families": predictions.assign(group=family)}
        for name, rows in given.items():
            auc = score(rows, n_bootstrap=150, random_state=seed).set_index("metric").loc["auc"]
            covered[name].append(auc["low"] <= 0.5 <= auc["high"])
    assert np.mean(covered["families"]) > 0.82
    assert np.mean(covered["members"]) < 0.75


def test_few_families_have_no_interval(rng, simulated):
    predictions = simulated(rng, 40)
    label = predictions["y_true"].astype(str)
    few = predictions.assign(group=label + (predictions.index % 3).astype(str))
    assert score(few).set_index("metric")["low"].loc[["auc", "sensitivity"]].isna().all()


def test_participants_without_a_group_are_groups_of_their_own(rng, simulated):
    predictions = simulated(rng, 80)
    pd.testing.assert_frame_equal(score(predictions), score(predictions.assign(group=np.nan)))
    moved = pd.concat([predictions.assign(group="a"), predictions.assign(group="b", repeat=1)])
    with pytest.raises(ValueError, match="group differs between rows of one participant"):
        score(moved)


def test_calibration_error_of_honest_probabilities_may_be_nothing(rng, table):
    reached = []
    for seed in range(30):
        probability = rng.uniform(size=150)
        y = (rng.uniform(size=150) < probability).astype(int)
        ece = score(table(y, probability), n_bootstrap=200, random_state=seed)
        ece = ece.set_index("metric").loc["ece"]
        assert ece["low"] <= ece["value"] <= ece["high"]
        reached.append(ece["low"] == 0)
    assert np.mean(reached) > 0.84
    overconfident = table(rng.integers(0, 2, 200), np.tile([0.02, 0.98], 100))
    assert score(overconfident).set_index("metric").loc["ece", "low"] > 0.2
