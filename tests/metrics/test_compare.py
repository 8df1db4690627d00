"""Differences between models and regimes: by hand, and the behaviour of their intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as reference

from brainograph.metrics import compare, compare_regimes, score


def test_corrected_t_test_by_hand(table):
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


def test_identical_models_differ_by_nothing(rng, simulated):
    predictions = simulated(rng)
    row = compare(pd.concat([predictions, predictions.assign(model="twin")]), "gcn").iloc[0]
    assert (row["difference"], row["low"], row["high"]) == (0, 0, 0)
    assert (row["t"], row["p_value"]) == (0, 1)


def test_paired_interval_is_narrower_than_an_unpaired_one(rng, simulated):
    predictions = simulated(rng, 200)
    noisy = np.clip(predictions["y_score"] + rng.normal(0, 0.02, 200), 0, 1)
    both = pd.concat([predictions, predictions.assign(model="other", y_score=noisy)])
    row = compare(both, "gcn").iloc[0]
    auc = score(predictions).set_index("metric").loc["auc"]
    assert row["high"] - row["low"] < 0.3 * (auc["high"] - auc["low"])


def test_a_far_better_model_is_found_better(rng, simulated):
    good, poor = simulated(rng, 200, effect=3.0), simulated(rng, 200, effect=0.0)
    poor = poor.assign(model="poor", y_true=good["y_true"])
    row = compare(pd.concat([good, poor]), "gcn").iloc[0]
    assert row["low"] > 0.2
    assert row["p_value"] < 0.01
    back = compare(pd.concat([good, poor]), "poor").iloc[0]
    assert back["difference"] == -row["difference"]
    assert back["p_value"] == pytest.approx(row["p_value"])


def test_a_transductive_model_meets_the_only_regime_of_its_control(rng, simulated):
    main = simulated(rng)
    both = pd.concat([main, main.assign(regime="transductive"), main.assign(model="control")])
    result = compare(both, "gcn")
    assert result["regime"].tolist() == ["inductive", "transductive"]
    assert result["model"].tolist() == ["control", "control"]


def test_other_folds_cannot_be_paired(rng, simulated):
    main = simulated(rng)
    other = main.assign(model="other", fold=(main["fold"] + 1) % 5)
    with pytest.raises(ValueError, match="not evaluated on the same folds"):
        compare(pd.concat([main, other]), "gcn")
    nobody = main.assign(model="other", participant_id="x" + main["participant_id"])
    with pytest.raises(ValueError, match="share no participants"):
        compare(pd.concat([main, nobody]), "gcn")


def test_discoveries_by_hand(rng, simulated):
    main = simulated(rng, 200, effect=2.0)
    others = [
        main.assign(model=f"m{i}", y_score=np.clip(main["y_score"] + rng.normal(0, s, 200), 0, 1))
        for i, s in enumerate([0.05, 0.3, 0.6, 1.0])
    ]
    result = compare(pd.concat([main, *others]), "gcn", n_bootstrap=10).sort_values("p_value")
    p = result["p_value"].to_numpy()
    by_hand = np.minimum.accumulate((p * 4 / np.arange(1, 5))[::-1])[::-1]
    assert result["q_value"].to_numpy() == pytest.approx(np.minimum(by_hand, 1))
    assert (result["q_value"] >= result["p_value"]).all()


def test_discoveries_are_counted_within_a_regime_and_without_empty_rows(rng, simulated):
    main = simulated(rng, 100)
    noisy = main.assign(model="noisy", y_score=rng.uniform(size=100))
    one = pd.concat([main, noisy])
    two = pd.concat([one, one.assign(regime="transductive")])
    alone = compare(one, "gcn", n_bootstrap=10)
    assert alone["q_value"].tolist() == alone["p_value"].tolist()
    assert compare(two, "gcn", n_bootstrap=10)["q_value"].tolist() == alone["p_value"].tolist() * 2
    single = compare(one.assign(fold=0), "gcn", n_bootstrap=10)
    assert single[["p_value", "q_value"]].isna().all(axis=None)


def test_leave_one_site_out_weighs_folds_alike_and_leaves_out_sites_of_one_class(rng, simulated):
    # Sites of 60, 30, 20 and 10; the last has patients only.
    fold = np.repeat([0, 1, 2, 3], [60, 30, 20, 10])
    main = simulated(rng, 120).assign(fold=fold)
    main.loc[fold == 3, "y_true"] = 1
    other = main.assign(model="other", y_score=rng.uniform(size=120))
    row = compare(pd.concat([main, other]), "gcn", n_bootstrap=10).iloc[0]
    d = np.array(
        [
            reference.roc_auc_score(main["y_true"][fold == k], main["y_score"][fold == k])
            - reference.roc_auc_score(main["y_true"][fold == k], other["y_score"][fold == k])
            for k in range(3)
        ]
    )
    ratio = np.mean([60 / 60, 30 / 90, 20 / 100])
    t = d.mean() / np.sqrt((1 / 3 + ratio) * d.var(ddof=1))
    assert row["n_folds"] == 3
    assert row["t"] == pytest.approx(t, rel=1e-6)
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(t), 2), rel=1e-6)


def test_repeated_hold_out_counts_the_rest_of_the_table_as_training_rows(rng, simulated):
    # Each repeat tests 30 of 120, so that 90 are left to train on.
    everybody = simulated(rng, 120)
    repeats = [everybody.iloc[np.arange(120) % 4 == r].assign(repeat=r, fold=0) for r in range(4)]
    main = pd.concat(repeats)
    other = main.assign(model="other", y_score=rng.uniform(size=120))
    row = compare(pd.concat([main, other]), "gcn", n_bootstrap=10).iloc[0]
    d = np.array(
        [
            reference.roc_auc_score(m["y_true"], m["y_score"])
            - reference.roc_auc_score(o["y_true"], o["y_score"])
            for (_, m), (_, o) in zip(main.groupby("repeat"), other.groupby("repeat"), strict=True)
        ]
    )
    assert row["t"] == pytest.approx(d.mean() / np.sqrt((1 / 4 + 30 / 90) * d.var(ddof=1)))


def test_nobody_left_to_train_on_gives_no_test(rng, simulated):
    main = simulated(rng, 40).assign(fold=0)
    main = pd.concat([main, main.assign(repeat=1, y_score=rng.uniform(size=40))])
    other = main.assign(model="other", y_score=rng.uniform(size=80))
    assert np.isnan(compare(pd.concat([main, other]), "gcn", n_bootstrap=10)["t"].iloc[0])


def test_main_is_better_where_its_error_is_smaller(rng, table):
    y = rng.normal(size=60)
    fold = np.arange(60) % 5
    good = table(y, fold=fold, y_pred=y + 0.1 * rng.normal(size=60))
    poor = table(y, fold=fold, y_pred=y + rng.normal(size=60), model="poor")
    row = compare(pd.concat([good, poor]), "gcn").iloc[0]
    expected = np.abs(poor["y_pred"] - y).mean() - np.abs(good["y_pred"] - y).mean()
    assert row["metric"] == "mae"
    assert row["difference"] == pytest.approx(expected)
    assert row["low"] > 0
    assert row["p_value"] < 0.01


def test_classes_are_compared_by_macro_auc(rng, table):
    y = rng.integers(0, 3, 90)
    fold = np.arange(90) % 3

    def predicted(noise, model):
        p = np.eye(3)[y] + noise * rng.uniform(size=(90, 3))
        p /= p.sum(1, keepdims=True)
        return table(y, fold=fold, model=model, **{f"p_{k}": p[:, k] for k in range(3)}), p

    (main, p), (other, q) = predicted(2, "gcn"), predicted(20, "other")
    row = compare(pd.concat([main, other]), "gcn").iloc[0]
    areas = [reference.roc_auc_score(y, s, multi_class="ovr", average="macro") for s in (p, q)]
    assert row["difference"] == pytest.approx(areas[0] - areas[1])
    assert row["low"] > 0


def test_regimes_of_one_model(rng, simulated):
    inductive = simulated(rng, 150, effect=0.5)
    better = inductive.assign(
        regime="transductive", y_score=0.8 * inductive["y_score"] + 0.2 * inductive["y_true"]
    )
    control = inductive.assign(model="control")
    result = compare_regimes(pd.concat([better, inductive, control]), "gcn")
    assert result[["main", "regime", "other"]].to_numpy().tolist() == [
        ["gcn", "transductive", "inductive"]
    ]
    areas = score(pd.concat([better, inductive])).query("metric == 'auc'").set_index("regime")
    gap = areas.loc["transductive", "value"] - areas.loc["inductive", "value"]
    assert result["difference"].iloc[0] == pytest.approx(gap)
    assert result["low"].iloc[0] > 0
    other_way = compare_regimes(pd.concat([inductive, better]), "gcn")
    assert other_way["difference"].iloc[0] == -result["difference"].iloc[0]


def test_one_regime_has_no_gap_and_three_have_three(rng, simulated):
    predictions = simulated(rng)
    assert compare_regimes(predictions, "gcn").empty
    three = pd.concat([predictions.assign(regime=r) for r in ("c", "a", "b")])
    result = compare_regimes(three, "gcn", n_bootstrap=10)
    assert [*zip(result["regime"], result["other"], strict=True)] == [
        ("c", "a"),
        ("c", "b"),
        ("a", "b"),
    ]
    with pytest.raises(ValueError, match=r"main must be one of \['gcn'\], got 'gnc'"):
        compare_regimes(three, "gnc")
    elsewhere = predictions.assign(regime="b", fold=predictions["fold"] + 1)
    with pytest.raises(ValueError, match="regimes 'inductive' and 'b' of 'gcn' were not evaluated"):
        compare_regimes(pd.concat([predictions, elsewhere]), "gcn")


def test_difference_is_drawn_by_families(rng, simulated):
    one = simulated(rng, 60)
    other = one.assign(model="other", y_score=rng.uniform(size=60))
    both = pd.concat([one, other])
    four = pd.concat(
        [both.assign(participant_id=both["participant_id"] + f"_{i}") for i in range(4)]
    )
    width = {}
    for name, given in {
        "one": both,
        "apart": four,
        "together": four.assign(group=four["participant_id"].str[:8]),
    }.items():
        row = compare(given, "gcn").iloc[0]
        width[name] = row["high"] - row["low"]
    assert width["together"] == pytest.approx(width["one"], rel=0.1)
    assert width["apart"] < 0.65 * width["one"]


def test_corrected_test_does_not_cry_wolf(rng, table):
    # Two equal models on the same participants: few p values below .05.
    found = []
    for _ in range(40):
        y = rng.integers(0, 2, 100)
        tables = [
            table(
                y,
                1 / (1 + np.exp(-(y - 0.5) - rng.normal(size=100))),
                model=name,
                fold=np.arange(100) % 10,
            )
            for name in ("gcn", "other")
        ]
        found.append(compare(pd.concat(tables), "gcn", n_bootstrap=1)["p_value"].iloc[0] < 0.05)
    assert np.mean(found) <= 0.1
