"""Groups and the gaps between them."""

import numpy as np
import pandas as pd
import pytest

from brainograph.metrics import gaps, score


def people(predictions, **columns):
    ids = pd.Index(predictions["participant_id"].unique(), name="participant_id")
    return pd.DataFrame(columns, index=ids)


def gap(result, metric="auc"):
    return result[(result["group"] == "gap") & (result["metric"] == metric)].iloc[0]


def test_groups_equal_their_own_scores_and_the_gap_their_range(rng, simulated):
    predictions = simulated(rng, 300)
    site = np.array(["A", "B", "C"])[np.arange(300) % 3]
    result = gaps(predictions, people(predictions, site=site), n_bootstrap=100)
    alone = score(predictions.assign(site=site), by="site", n_bootstrap=100)
    for metric in ("auc", "balanced_accuracy", "sensitivity", "specificity"):
        ours = result[(result["metric"] == metric) & (result["group"] != "gap")]
        theirs = alone[alone["metric"] == metric]
        for column in ("group", "value", "n", "n_positive"):
            assert ours[column].tolist() == theirs[column].tolist()
        assert gap(result, metric)["value"] == pytest.approx(np.ptp(ours["value"]))
        assert ours["compared"].all()
        assert (ours["low"] < ours["value"]).all()


def test_by_default_site_sex_and_age_in_bands(rng, simulated):
    predictions = simulated(rng, 200)
    who = people(predictions, age=rng.uniform(6, 60, 200), sex=np.tile(["female", "male"], 100))
    result = gaps(predictions, who, bands={"age": (18, 40)}, n_bootstrap=20)
    groups = result.drop_duplicates(["by", "group"]).groupby("by", sort=False)["group"].agg(list)
    assert groups.to_dict() == {
        "sex": ["female", "male", "gap"],
        "age": ["under 18", "18 to 40", "40 and over", "gap"],
    }


def test_small_groups_and_the_unknown_are_shown_outside_the_gap(rng, simulated):
    predictions = simulated(rng, 200)
    site = np.array(["A"] * 90 + ["B"] * 90 + ["small"] * 12 + [None] * 8, dtype=object)
    result = gaps(predictions, people(predictions, site=site), n_bootstrap=20)
    auc = result[result["metric"] == "auc"].set_index("group")
    assert auc.index.tolist() == ["A", "B", "small", "n/a", "gap"]
    assert auc["compared"].tolist() == [True, True, False, False, True]
    assert auc.loc["gap", "value"] == abs(auc.loc["A", "value"] - auc.loc["B", "value"])
    assert auc.loc["gap", "n"] == 180
    alone = gaps(predictions, people(predictions, site=site), fewest=200, n_bootstrap=20)
    assert np.isnan(gap(alone)["value"])
    assert not gap(alone)["compared"]


def test_a_planted_gap_is_found(rng, simulated):
    good, poor = simulated(rng, 150, effect=3.0), simulated(rng, 150, effect=0.0)
    poor["participant_id"] = "x" + poor["participant_id"]
    predictions = pd.concat([good, poor])
    sex = np.repeat(["female", "male"], 150)
    row = gap(gaps(predictions, people(predictions, sex=sex), n_bootstrap=300))
    assert row["low"] > 0.2
    assert row["p_value"] < 0.01
    assert row["by_chance"] < 0.1


def test_chance_makes_gaps_that_are_not_found(rng, simulated):
    reached, p_values = [], []
    for seed in range(20):
        predictions = simulated(rng, 240)
        site = np.arange(240) % 6
        who = people(predictions, site=site.astype(str))
        row = gap(gaps(predictions, who, fewest=5, n_bootstrap=100, random_state=seed))
        assert row["low"] <= row["value"] <= row["high"]
        reached.append(row["low"] == 0)
        p_values.append(row["p_value"])
    assert np.mean(reached) > 0.9
    assert 0.3 < np.mean(p_values) < 0.7


def test_sensitivity_gap_by_hand(table):
    # Of twelve patients a group, ten are called in A and five in B.
    y = np.tile([1] * 12 + [0] * 12, 2)
    called = np.r_[[1] * 10 + [0] * 14, [1] * 5 + [0] * 19]
    predictions = table(y, 0.2 + 0.6 * called)
    who = people(predictions, site=np.repeat(["A", "B"], 24))
    row = gap(gaps(predictions, who, n_bootstrap=50), "sensitivity")
    assert row["value"] == pytest.approx(5 / 12)


def test_repeats_and_models_are_kept_apart(rng, simulated):
    first, second = simulated(rng, 100), simulated(rng, 100, repeat=1)
    second["y_true"] = first["y_true"]
    both = pd.concat([first, second])
    both = pd.concat([both.assign(model="z"), both.assign(model="a", y_score=0.5)])
    who = people(both, sex=np.tile(["female", "male"], 50))
    result = gaps(both, who, n_bootstrap=20)
    assert result["model"].unique().tolist() == ["z", "a"]
    assert gap(result[result["model"] == "a"])["value"] == 0
    expected = score(both.assign(sex=np.tile(["female", "male"], 200)), by="sex", n_bootstrap=1)
    female = result.query("model == 'z' and group == 'female' and metric == 'auc'")["value"]
    same = expected.query("model == 'z' and group == 'female' and metric == 'auc'")["value"]
    assert female.tolist() == same.tolist()


def test_error_of_an_age_by_sex(rng, table):
    y = rng.uniform(8, 60, 80)
    predictions = table(y, y_pred=y + np.repeat([1.0, 4.0], 40))
    who = people(predictions, sex=np.repeat(["female", "male"], 40))
    row = gap(gaps(predictions, who, n_bootstrap=50), "mae")
    assert row["value"] == pytest.approx(3)
    assert row["p_value"] == pytest.approx(1 / 51)


def test_macro_auc_by_sex(rng, table):
    y = np.arange(120) % 3
    p = np.where(np.arange(120)[:, None] < 60, np.eye(3)[y], 1 / 3)
    predictions = table(y, **{f"p_{k}": p[:, k] for k in range(3)})
    who = people(predictions, sex=np.repeat(["female", "male"], 60))
    assert gap(gaps(predictions, who, n_bootstrap=50))["value"] == 0.5


def test_families_have_no_p_value(rng, simulated):
    predictions = simulated(rng, 120)
    predictions["group"] = np.arange(120) // 2
    who = people(predictions, sex=np.tile(["female", "male"], 60))
    row = gap(gaps(predictions, who, n_bootstrap=20))
    assert np.isnan(row["p_value"])
    assert row["low"] <= row["value"] <= row["high"]


def test_mistakes_are_explained(rng, simulated):
    predictions = simulated(rng, 60)
    who = people(predictions, sex="male")
    with pytest.raises(ValueError, match=r"lack the columns \['handedness'\]; they have \['sex'\]"):
        gaps(predictions, who, by=["handedness"])
    with pytest.raises(ValueError, match=r"lack the columns \['site', 'sex', 'age'\]"):
        gaps(predictions, who.rename(columns={"sex": "gender"}))
    with pytest.raises(ValueError, match=r"set_index\('participant_id'\)"):
        gaps(predictions, who.reset_index())
    with pytest.raises(ValueError, match="once each"):
        gaps(predictions, pd.concat([who, who]))
    with pytest.raises(ValueError, match="fewest must be at least 1, got 0"):
        gaps(predictions, who, fewest=0)
    with pytest.raises(ValueError, match="n_bootstrap must be at least 1"):
        gaps(predictions, who, n_bootstrap=0)
