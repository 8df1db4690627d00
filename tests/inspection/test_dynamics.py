"""Pictures of states share one scale, and rows, boxes and points are where the data are."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from brainograph.graphs import state_visits
from brainograph.inspection import plot_dwell_times, plot_state_sequences, plot_states
from brainograph.inspection.style import MAIN, OTHERS


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_states_share_a_scale(rng):
    centroids = rng.normal(0, [[[0.1]], [[2.0]]], (2, 6, 6))
    centroids = (centroids + centroids.transpose(0, 2, 1)) / 2
    regions = pd.DataFrame({"network": ["b", "a", "b", "a", "a", "a"]}, index=list("uvwxyz"))
    drawn = plot_states(centroids, regions=regions, fractions=[0.9, 0.1])
    limits = {axes.images[0].get_clim() for axes in drawn}
    assert len(limits) == 1
    assert -limits.pop()[0] == pytest.approx(
        np.quantile(np.abs(centroids[:, ~np.eye(6, dtype=bool)]), 0.99)
    )
    order = [1, 3, 4, 5, 0, 2]
    np.testing.assert_array_equal(
        drawn[1].images[0].get_array(), centroids[1][np.ix_(order, order)]
    )
    assert [axes.get_title() for axes in drawn] == ["state 0 (90 %)", "state 1 (10 %)"]
    assert len(drawn[0].get_yticks()) == 2
    assert len(drawn[1].get_yticks()) == 0
    assert len(drawn[0].figure.axes) == 3  # two states and one scale
    drawn[0].figure.canvas.draw()


def test_states_without_negative_values_and_on_given_axes():
    _, places = plt.subplots(3, 2)
    drawn = plot_states(np.full((6, 3, 3), 0.4), axes=places)
    assert drawn == list(places.flat)
    assert drawn[0].images[0].get_cmap().name == "Reds"
    assert drawn[0].images[0].get_clim() == (0, 0.4)


def test_sequences_are_rows_with_a_colour_for_each_state():
    axes = plot_state_sequences([[0, 0, 1], [2]], 3, participant_ids=["$a$", "b"], step_seconds=4.0)
    raster = axes.images[0].get_array()
    np.testing.assert_array_equal(raster.mask, [[False] * 3, [False, True, True]])
    assert raster[0].tolist() == [0, 0, 1]
    assert axes.images[0].get_extent() == [0, 12.0, 1.5, -0.5]
    colors = axes.images[0].to_rgba([0, 1, 2])
    np.testing.assert_allclose(colors, [to_rgba(c) for c in (MAIN, *OTHERS[:2])])
    assert [t.get_text() for t in axes.get_yticklabels()] == [r"\$a\$", "b"]
    axes.figure.canvas.draw()


def test_many_participants_are_not_named():
    names = [f"sub-{i}" for i in range(50)]
    axes = plot_state_sequences([[0, 1]] * 50, 2, participant_ids=names)
    assert axes.get_yticklabels() == []
    assert axes.get_xlabel() == "window"


def test_dwell_times_by_group():
    sequences = [[0, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 0]]
    visits = state_visits(sequences, 2, participant_ids=list("abcd"), step_seconds=2.0)
    groups = pd.Series({"a": "control", "b": "patient", "c": "patient", "d": None})
    axes = plot_dwell_times(visits, groups)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["control (n = 1)", "patient (n = 2)"]
    control, patient = (np.asarray(points.get_offsets()) for points in axes.collections)
    assert control[:, 1].tolist() == [4.0, 2.0]
    assert patient[:, 1].tolist() == [2.0, 4.0, 6.0]  # c never was in state 0
    assert (np.round(patient[:, 0]) == [0, 1, 1]).all()
    assert axes.get_ylabel() == "mean dwell time (s)"
    axes.figure.canvas.draw()


def test_errors():
    with pytest.raises(ValueError, match=r"centroids must be \(K, R, R\), got \(3, 3\)"):
        plot_states(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="for each of 2 states"):
        plot_states(np.zeros((2, 3, 3)), fractions=[1.0])
    with pytest.raises(ValueError, match="n_states must be above every state and at most 8"):
        plot_state_sequences([[0, 2]], 2)
    with pytest.raises(ValueError, match="1 participant_ids for 2 sequences"):
        plot_state_sequences([[0], [1]], 2, participant_ids=["a"])
    visits = state_visits([[0, 1]], 2, participant_ids=["a"])
    with pytest.raises(ValueError, match='write quantity="dwell_windows"'):
        plot_dwell_times(visits, pd.Series({"a": 1}))
    with pytest.raises(ValueError, match="quantity must be one of"):
        plot_dwell_times(visits, pd.Series({"a": 1}), quantity="count")
