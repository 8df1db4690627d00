"""What a careful reader would ask about."""

import numpy as np
import pandas as pd
import pytest

from brainograph.metrics.binary import BINARY
from brainograph.report.caution import limits, notes_of_fits, warn
from brainograph.report.target import Target
from brainograph.report.verdict import Verdict

TWO = Target(BINARY, "diagnosis", ("controls", "patients"))
VERDICT = Verdict("", "", "", True, "inductive", ())


def scores(rows):
    """Tidy scores from (model, auc, low, high)."""
    made = [
        {"model": m, "regime": "inductive", "metric": metric, "value": v, "low": lo, "high": hi}
        | {"group": "all", "skipped": 0}
        for m, v, lo, hi in rows
        for metric in ("auc", "auc_folds")
    ]
    return pd.DataFrame(made)


@pytest.mark.parametrize(
    ("models", "lacking"),
    [
        (["edges_ridge", "motion"], None),
        (["no_edges", "motion"], "a linear model on the same brain data."),
        (["no_edges"], "a linear model on the same brain data and a model without brain data."),
        (["gat.tangent_ridge", "gat.site"], None),
        ([], None),
    ],
)
def test_kinds_of_controls_that_were_not_run_are_named(models, lacking):
    rows = tuple({"model": model, "is_control": True, "outcome": "better"} for model in models)
    verdict = Verdict("", "", "", True, "inductive", rows)
    said = warn(scores([("gcn", 0.7, 0.6, 0.8)]), None, [verdict], TWO)
    kind = "There is no control of this kind: "
    assert said == ([] if lacking is None else [f"{kind}{lacking} Beating the others says less."])


def test_warnings_name_motion_and_unlike_folds():
    table = scores([("gcn", 0.7, 0.6, 0.8), ("motion", 0.6, 0.55, 0.65)])
    table.loc[(table["model"] == "gcn") & (table["metric"] == "auc_folds"), "value"] = 0.85
    table.loc[table["metric"] == "auc_folds", "skipped"] = 2
    said = " ".join(warn(table, None, [VERDICT], TWO))
    assert "Head motion alone predicts the diagnosis (AUC 0.60)" in said
    assert "The AUC of gcn pooled over folds differs" in said
    assert "2 folds lack a class" in said


def test_nothing_to_warn_of():
    table = scores([("gcn", 0.7, 0.6, 0.8), ("motion", 0.5, 0.45, 0.55)])
    assert warn(table, None, [VERDICT], TWO) == []


def test_sites_below_chance_or_of_one_class_are_named():
    table = scores([("gcn", 0.7, 0.6, 0.8)])
    sites = pd.concat([table.assign(group=name) for name in ("A", "B", "C")])
    sites.loc[sites["group"] == "A", ["value", "low", "high"]] = [0.3, 0.2, 0.4]
    sites.loc[sites["group"] == "B", ["value", "low", "high"]] = np.nan
    said = warn(table, sites, [VERDICT], TWO)
    assert "The model does worse than chance at A." in said
    assert "No AUC is given for B: a class is missing." in said


def people(sites, folds):
    rows = {"participant_id": list("abcd"), "site": sites, "fold": folds, "repeat": 0}
    return pd.DataFrame(rows | {"y_true": [0, 0, 0, 1]})


def test_limits_follow_the_design():
    mixed = " ".join(limits(people(list("XYXY"), [0, 0, 1, 1]), "transductive", TWO))
    assert "say nothing about a new site" in mixed
    assert "1 of 4 participants are patients" in mixed
    assert "The regime is transductive" in mixed
    apart = " ".join(limits(people(list("XXYY"), [0, 0, 1, 1]), "inductive", TWO))
    assert "new site" not in apart
    assert "transductive" not in apart
    assert "of one site" in " ".join(limits(people(["X"] * 4, [0, 0, 1, 1]), "inductive", TWO))


def test_another_verdict_in_another_regime_is_told():
    table = scores([("gcn", 0.7, 0.6, 0.8)])
    row = {"model": "gat", "is_control": False}
    other = Verdict("", "It is worse.", "", False, "inductive", (row | {"outcome": "worse"},))
    first = Verdict("", "", "", True, "transductive", (row | {"outcome": "better"},))
    said = warn(table, None, [first, other], TWO)
    assert said == ["The inductive regime gives another verdict. It is worse."]


def test_notes_that_are_no_object_are_left_out():
    assert notes_of_fits(["x"]) == []
