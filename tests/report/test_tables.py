"""Tables of the report, by hand."""

import pandas as pd

from brainograph.metrics.binary import BINARY
from brainograph.metrics.multiclass import MULTICLASS
from brainograph.report.tables import audit_rows, chosen_rows, confusion
from brainograph.report.target import Target

THREE = Target(MULTICLASS, "group", ("group A", "group B", "group C"))


def test_the_confusion_of_three_classes_by_hand():
    rows = {"repeat": [0, 0, 1, 1], "y_true": [0, 2, 0, 2]}
    rows |= {"p_0": [0.8, 0.1, 0.2, 0.1], "p_1": [0.1, 0.2, 0.7, 0.3], "p_2": [0.1, 0.7, 0.1, 0.6]}
    table = confusion(pd.DataFrame(rows), THREE)
    assert [[cell["count"] for cell in row["cells"]] for row in table] == [
        [0.5, 0.5, 0],
        [0, 0, 0],
        [0, 0, 1],
    ]
    assert [row["cells"][1]["share"] for row in table] == [0.5, 0, 0]
    assert [row["name"] for row in table] == ["group A", "group B", "group C"]


def test_each_fold_may_have_its_own_threshold():
    rows = {"repeat": 0, "y_true": [1, 1], "y_score": [0.4, 0.4], "threshold": [0.3, 0.5]}
    table = confusion(pd.DataFrame(rows), Target(BINARY, "diagnosis", ("controls", "patients")))
    assert [cell["count"] for cell in table[1]["cells"]] == [1, 1]


def test_findings_come_the_worst_first_and_what_is_missing_is_empty():
    audit = pd.DataFrame({"check": ["a", "b", "c"], "status": ["pass", "fail", "warn"]})
    rows = audit_rows(audit)
    assert [row["check"] for row in rows] == ["b", "c", "a"]
    assert rows[0]["message"] == ""


def test_values_that_searches_chose_are_counted():
    chosen = pd.DataFrame({"model": "gcn", "regime": "inductive", "parameter": "C"}, index=range(9))
    rows = chosen_rows(chosen.assign(value=[1, 1, 2, 3, 4, 5, 6, 7, 8]))
    assert rows[0]["values"].startswith("1 (2), ")
    assert rows[0]["values"].endswith("and 2 other values")
    assert chosen_rows(None) == []
