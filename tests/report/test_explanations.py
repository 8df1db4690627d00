"""Explanations become tables and a connectome."""

import pandas as pd

from brainograph.report.explanations import believed, connectome, explained


def test_summaries_keep_their_columns_and_regions_come_first():
    edges = pd.DataFrame({"region_a": ["a"], "region_b": ["b"], "importance": [1.0]})
    regions = {"region": ["a", "b"], "importance": [0.1, 0.3], "effect": [0.1, -0.3]}
    regions |= {"p_fdr": [0.2, 0.0001], "share_in_top": [0.5, 1.0]}
    first, second = explained({"edges": edges, "of_folds": pd.DataFrame(regions)})
    assert (first["kind"], second["kind"]) == ("regions", "connections")
    assert first["name"] == "of folds"
    assert first["beside"] == ["effect", "in the top of fits", "p, false discovery rate"]
    assert [row["name"] for row in first["rows"]] == ["b", "a"]
    assert first["rows"][0]["beside"] == ["−0.3", "1.00", "< 0.001"]
    assert second["rows"][0]["name"] == "a – b"


def test_of_two_classes_the_last_is_shown():
    rows = {"participant_id": 1, "class": [0, 1], "region": "a", "importance": [5.0, -2.0]}
    row = explained({"ig": pd.DataFrame(rows)})[0]["rows"][0]
    assert (row["importance"], row["beside"][0]) == (2.0, "−2")


def test_other_tables_are_left_out():
    assert explained({"places": pd.DataFrame({"region": ["a"], "x": [1.0]})}) == []
    assert believed({"places": pd.DataFrame({"region": ["a"], "x": [1.0]})}) == []
    assert connectome({}) is None


def test_regions_without_a_place_are_on_a_circle():
    regions = pd.DataFrame({"region": ["a", "b"], "importance": [0.5, 1.0]})
    where = pd.DataFrame({"region": ["a"], "x": [10.0], "y": [20.0], "z": [30.0]})
    drawn = connectome({"ig": regions, "regions": where})
    assert not drawn["placed"]
    assert drawn["nodes"][0] == ["b", 70.0, -18.0, 0.0, 1.0]
    both = pd.concat([where, where.assign(region="b", x=-10.0)])
    drawn = connectome({"ig": regions, "regions": both})
    assert drawn["placed"]
    assert drawn["nodes"] == [["b", -10.0, 20.0, 30.0, 1.0], ["a", 10.0, 20.0, 30.0, 0.5]]


def test_stability_is_said_beside_chance():
    table = pd.DataFrame({"rank_correlation": [0.5], "jaccard": [0.3], "jaccard_by_chance": [0.05]})
    assert "overlap by 0.30 (0.05 by chance)" in believed({"folds": table})[0]
