"""Words follow numbers."""

import numpy as np
import pandas as pd
import pytest

from brainograph.metrics.binary import BINARY
from brainograph.metrics.multiclass import MULTICLASS
from brainograph.metrics.regression import REGRESSION
from brainograph.report.target import Target
from brainograph.report.verdict import judge

TWO = Target(BINARY, "diagnosis", ("controls", "patients"))


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
    verdict = judge(table, compared([("motion", low, high, q_value)]), main="gcn", target=TWO)[0]
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
    verdict = judge(scores([("gcn", 0.7, low, high)]), compared([]), main="gcn", target=TWO)[0]
    assert words in verdict.headline
    assert "No other model was run" in verdict.headline


def test_names_are_joined_as_a_sentence_does():
    rows = [("a", -0.1, 0.1, 0.5), ("b", -0.1, 0.1, 0.5), ("c", -0.1, 0.1, 0.5)]
    verdict = judge(scores([("gcn", 0.7, 0.6, 0.8)]), compared(rows), main="gcn", target=TWO)[0]
    assert verdict.headline.endswith("Of the other models, it is no better than a, b and c.")


@pytest.mark.parametrize(
    ("rows", "short", "words"),
    [
        ([("motion", 0.05, 0.15, 0.001)], "Beats its control", "would hardly take away"),
        ([("motion", 0.05, 0.15, 0.2)], "Beats none of 1 controls", "not sure from fold to fold"),
        ([("motion", -0.05, 0.15, 0.2)], "Beats none of 1 controls", "the control does as well"),
        ([("motion", -0.2, -0.1, 0.2)], "Beats none of 1 controls", "no reason to prefer"),
        ([], "Better than chance; no controls were run", ""),
    ],
)
def test_the_strongest_control_decides(rows, short, words):
    table = scores([("gcn", 0.7, 0.6, 0.8), ("motion", 0.6, 0.5, 0.7)])
    verdict = judge(table, compared(rows), main="gcn", target=TWO)[0]
    assert verdict.short == short
    assert words in verdict.certainty
    assert verdict.good == (short == "Beats its control")


def test_the_strongest_control_is_that_of_the_highest_score():
    table = scores([("gcn", 0.7, 0.6, 0.8), ("motion", 0.6, 0.5, 0.7), ("mlp", 0.65, 0.6, 0.7)])
    rows = [("motion", 0.01, 0.2, 0.01), ("mlp", -0.1, 0.2, 0.2)]
    verdict = judge(table, compared(rows), main="gcn", target=TWO)[0]
    assert verdict.certainty.startswith("The strongest control is mlp (AUC 0.65).")
    assert "0.100 (95 % interval −0.100 to 0.200; q = 0.200)" in verdict.certainty
    assert verdict.short == "Beats 1 of 2 controls, and not the strongest (mlp)"


def test_another_model_is_no_control():
    table = scores([("gcn", 0.7, 0.6, 0.8), ("gat", 0.8, 0.7, 0.9)])
    verdict = judge(table, compared([("gat", -0.2, -0.1, 0.01)]), main="gcn", target=TWO)[0]
    assert verdict.short == "Better than chance; no controls were run"
    assert "Of the other models, it is worse than gat." in verdict.headline
    assert not verdict.good


def test_several_classes_are_told_apart():
    target = Target(MULTICLASS, "group", ("group A", "group B", "group C"))
    verdict = judge(scores([("gcn", 0.7, 0.6, 0.8)]), compared([]), main="gcn", target=target)[0]
    assert verdict.headline.startswith(
        "gcn tells group A, group B and group C apart better than chance (AUC 0.70"
    )


@pytest.mark.parametrize(
    ("low", "words"), [(0.1, "ridge predicts age"), (-0.1, "does not predict")]
)
def test_a_number_is_judged_by_what_it_explains(low, words):
    rows = [("r2", 0.3, low, 0.5), ("mae", 3.0, 2.5, 3.5)]
    table = pd.DataFrame(rows, columns=["metric", "value", "low", "high"])
    table = pd.concat([table, pd.DataFrame([("mae", 4.0)], columns=["metric", "value"])])
    table = table.assign(model=["ridge", "ridge", "mean"], regime="inductive")
    target = Target(REGRESSION, "age", ())
    differences = compared([("mean", 0.5, 1.5, 0.001)])
    verdict = judge(table, differences, main="ridge", target=target)[0]
    assert words in verdict.headline
    assert "better than always answering the mean (R² 0.30" in verdict.headline
    assert "The strongest control is mean (mean absolute error 4.00)" in verdict.certainty


def test_many_that_are_beaten_are_counted_and_the_rest_named():
    controls = ["motion", "site", "majority", "phenotype", "mlp"]
    table = scores([("gcn", 0.7, 0.6, 0.8)])
    rows = [(name, 0.05, 0.15, 0.001) for name in controls] + [("no_edges", -0.1, 0.1, 0.9)]
    verdict = judge(table, compared(rows), main="gcn", target=TWO)[0]
    assert verdict.headline.endswith(
        "Of the controls, it is better than 5 of 6; no better than no_edges."
    )


def test_a_graph_that_adds_nothing_is_said_to_add_nothing():
    table = scores([("gcn", 0.7, 0.6, 0.8), ("mlp", 0.65, 0.5, 0.7), ("no_edges", 0.6, 0.5, 0.7)])
    rows = [("mlp", 0.01, 0.2, 0.01), ("no_edges", -0.1, 0.2, 0.2)]
    verdict = judge(table, compared(rows), main="gcn", target=TWO)[0]
    assert verdict.short == "Beats 1 of 2 controls"
    assert "hardly take away. The network does as well with every" in verdict.certainty
