"""Dwell times and transitions, counted by hand."""

import numpy as np
import pytest

from brainograph.graphs import state_transitions, state_visits

SEQUENCES = [[0, 0, 0, 1, 1, 0, 2, 0], [1, 1]]


def test_visits_by_hand():
    table = state_visits(SEQUENCES, 3, participant_ids=["a", "b"], step_seconds=[2.0, 3.0])
    first, second = table[:3], table[3:]
    assert table["participant_id"].tolist() == ["a"] * 3 + ["b"] * 3
    assert first["fraction"].tolist() == [5 / 8, 2 / 8, 1 / 8]
    assert first["n_visits"].tolist() == [3, 1, 1]
    np.testing.assert_allclose(first["dwell_windows"], [5 / 3, 2, 1])
    np.testing.assert_allclose(first["dwell_seconds"], [10 / 3, 4, 2])
    assert first["n_transitions"].tolist() == [4] * 3
    np.testing.assert_array_equal(second["dwell_windows"], [np.nan, 2, np.nan])
    np.testing.assert_array_equal(second["dwell_seconds"], [np.nan, 6, np.nan])
    assert second["fraction"].tolist() == [0, 1, 0]
    assert second["n_transitions"].tolist() == [0] * 3
    assert state_visits(SEQUENCES, 3)["dwell_seconds"].isna().all()


def test_transitions_by_hand():
    table = state_transitions(SEQUENCES, 3, participant_ids=["a", "b"])
    counts = table["count"].to_numpy().reshape(2, 3, 3)
    assert counts[0].tolist() == [[2, 1, 1], [1, 1, 0], [1, 0, 0]]
    assert counts[1].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    probability = table["probability"].to_numpy().reshape(2, 3, 3)
    np.testing.assert_allclose(probability[0], [[0.5, 0.25, 0.25], [0.5, 0.5, 0], [1, 0, 0]])
    assert np.isnan(probability[1][[0, 2]]).all()
    pair = table.query("participant_id == 'a' and from_state == 1 and to_state == 0")
    assert pair["count"].item() == 1


def test_changes_in_both_tables_agree(rng):
    sequences = [rng.integers(0, 4, n) for n in (30, 50, 1)]
    changes = state_transitions(sequences, 4).query("from_state != to_state")
    visits = state_visits(sequences, 4).groupby("participant_id")
    assert changes.groupby("participant_id")["count"].sum().tolist() == [
        *visits["n_transitions"].first()
    ]
    assert (visits["n_visits"].sum() == visits["n_transitions"].first() + 1).all()


def test_errors():
    with pytest.raises(ValueError, match=r"whole numbers from 0 to 1, got int64 .* participant 1"):
        state_visits([[0, 1], [0, 2]], 2)
    with pytest.raises(ValueError, match="got float64 of shape"):
        state_transitions([[0.5, 1.0]], 2)
    with pytest.raises(ValueError, match="one sequence for each participant, got 1 for 2"):
        state_visits([[0, 1]], 2, participant_ids=["a", "b"])
