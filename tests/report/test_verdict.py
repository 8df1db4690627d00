"""Words follow numbers."""

import numpy as np
import pandas as pd
import pytest

from brainograph.report.verdict import judge, warn


def scores(rows):
    """Tidy scores from (model, auc, low, high)."""
    made = [
        {"model": m, "regime": "inductive", "metric": metric, "value": v, "low": lo, "high": hi}
        | {"group": "all", "skipped": 0}
        for m, v, lo, hi in rows
        for metric in ("auc", "auc_folds")
    ]
    return pd.DataFrame(made)


def compared(rows):
    """Differences from (model, low, high, q)."""
    names = ["model", "low", "high", "q_value"]
    return pd.DataFrame(rows, columns=names).assign(
        regime="inductive", difference=0.1, p_value=1e-4
    )


@pytest.mark.parametrize(
    ("low", "high", "q_value", "outcome"),
    [
        (0.01, 0.2, 0.001, "better"),
        (0.01, 0.2, 0.3, "perhaps better"),
        (0.01, 0.2, np.nan, "perhaps better"),
        (-0.01, 0.2, 0.001, "no better"),
        (0.0, 0.2, 0.001, "no better"),
        (-0.2, -0.01, 0.001, "worse"),
        (np.nan, np.nan, 0.5, "not comparable"),
    ],
)
def test_outcomes(low, high, q_value, outcome):
    table = scores([("gcn", 0.7, 0.6, 0.8)])
    verdict = judge(table, compared([("motion", low, high, q_value)]), main="gcn")[0]
    assert verdict.comparisons[0]["outcome"] == outcome
    assert f"{outcome} " in verdict.headline
    assert verdict.comparisons[0]["what"] == "head motion only, no brain data"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.6, 0.8, "tells patients from controls better than chance"),
        (0.5, 0.8, "does not tell patients from controls better than chance"),
        (0.3, 0.45, "does worse than chance"),
        (np.nan, np.nan, "too few participants"),
    ],
)
def test_chance(low, high, words):
    verdict = judge(scores([("gcn", 0.7, low, high)]), compared([]), main="gcn")[0]
    assert words in verdict.headline
    assert "No other model was run" in verdict.headline


def test_names_are_joined_as_a_sentence_does():
    rows = [("a", -0.1, 0.1, 0.5), ("b", -0.1, 0.1, 0.5), ("c", -0.1, 0.1, 0.5)]
    verdict = judge(scores([("gcn", 0.7, 0.6, 0.8)]), compared(rows), main="gcn")[0]
    assert verdict.headline.endswith("It is no better than a, b and c.")


def test_warnings_name_motion_and_unlike_folds():
    table = scores([("gcn", 0.7, 0.6, 0.8), ("motion", 0.6, 0.55, 0.65)])
    table.loc[(table["model"] == "gcn") & (table["metric"] == "auc_folds"), "value"] = 0.85
    table.loc[table["metric"] == "auc_folds", "skipped"] = 2
    verdicts = judge(table, compared([]), main="gcn")
    said = " ".join(warn(table, None, verdicts))
    assert "Head motion alone predicts the diagnosis (AUC 0.60)" in said
    assert "The AUC of gcn pooled over folds differs" in said
    assert "2 folds hold one class only" in said


def test_nothing_to_warn_of():
    table = scores([("gcn", 0.7, 0.6, 0.8), ("motion", 0.5, 0.45, 0.55)])
    assert warn(table, None, judge(table, compared([]), main="gcn")) == []


def test_sites_below_chance_or_of_one_class_are_named():
    table = scores([("gcn", 0.7, 0.6, 0.8)])
    sites = pd.concat([table.assign(group=name) for name in ("A", "B", "C")])
    sites.loc[sites["group"] == "A", ["value", "low", "high"]] = [0.3, 0.2, 0.4]
    sites.loc[sites["group"] == "B", ["value", "low", "high"]] = np.nan
    said = warn(table, sites, judge(table, compared([]), main="gcn"))
    assert "The model does worse than chance at A." in said
    assert "No AUC is given for B: one class only." in said
