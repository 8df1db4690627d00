"""Windows of a cohort, one participant at a time."""

import numpy as np
import pandas as pd
import pytest

from brainograph.cohort import Cohort
from brainograph.connectivity import sliding_window
from brainograph.datasets import simulate_cohort
from brainograph.graphs import cohort_windows, dynamic_brain_graphs, edge_variability, sparsify
from brainograph.graphs.dynamics import repetition_times


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(4, n_regions=6, n_volumes=(60, 80))


def test_windows_are_those_of_sliding_window(cohort):
    ours = list(cohort_windows(cohort, 60.0, step=10.0, kind="fisher z", window="hamming"))
    for matrices, series in zip(ours, cohort.timeseries, strict=True):
        expected = sliding_window(series, 30, step=5, kind="fisher z", window="hamming")
        assert matrices.dtype == np.float32
        np.testing.assert_allclose(matrices, expected, atol=1e-5)


def test_each_participant_has_their_own_repetition_time(cohort):
    slow = cohort.assign(phenotype=cohort.phenotype.assign(repetition_time=[1.0, 2.0, 3.0, 2.0]))
    counts = [len(windows) for windows in cohort_windows(slow, 30.0, step=6.0)]
    lengths = [len(series) for series in slow.timeseries]
    expected = [
        1 + (n - w) // s for n, w, s in zip(lengths, [30, 15, 10, 15], [6, 3, 2, 3], strict=True)
    ]
    assert counts == expected
    volumes = [len(windows) for windows in cohort_windows(slow, 30, step=6, t_r=None)]
    assert volumes == [1 + (n - 30) // 6 for n in lengths]


def test_graphs_carry_windows_targets_and_names(cohort):
    y = cohort.phenotype["diagnosis"]
    graphs = list(dynamic_brain_graphs(cohort, 60.0, step=20.0, density=0.4, y=y))
    assert [graph.participant_id for graph in graphs] == cohort.participant_ids
    assert [graph.y.item() for graph in graphs] == y.tolist()
    windows = sliding_window(cohort.timeseries[1], 30, step=10)
    np.testing.assert_allclose(
        graphs[1].x.reshape(-1, 6, 6), windows * ~np.eye(6, dtype=bool) + np.eye(6), atol=1e-5
    )
    assert graphs[1].num_windows == len(windows)
    kept = sparsify(windows, density=0.4)
    np.testing.assert_allclose(graphs[1].edge_weight, kept[np.nonzero(kept)], atol=1e-5)


def test_variability_by_hand():
    # z of the edge: arctanh(0), arctanh(0.5); half their distance is the deviation
    windows = np.zeros((2, 3, 3)) + np.eye(3)
    windows[1, 0, 1] = windows[1, 1, 0] = 0.5
    variability = edge_variability(windows)
    expected = np.zeros((3, 3))
    expected[0, 1] = expected[1, 0] = np.arctanh(0.5) / 2
    np.testing.assert_allclose(variability, expected, atol=1e-12)
    np.testing.assert_allclose(edge_variability(windows, fisher_z=False)[0, 1], 0.25)


def test_variability_equals_numpy(cohort):
    windows = sliding_window(cohort.timeseries[0], 30)
    z = np.arctanh(np.where(np.eye(6, dtype=bool), 0, windows))
    np.testing.assert_allclose(edge_variability(windows), z.std(axis=0), atol=1e-6)


def test_repetition_times(cohort):
    assert repetition_times(cohort, None) == [None] * 4
    assert repetition_times(cohort, 0.8) == [0.8] * 4
    unknown = cohort.phenotype.assign(repetition_time=[2.0, np.nan, 2.0, 0.0])
    names = f"{cohort.participant_ids[1]}, {cohort.participant_ids[3]}"
    with pytest.raises(ValueError, match=rf"2 of 4 participants have no .*\[{names}\]\. Write t_r"):
        repetition_times(cohort.assign(phenotype=unknown), "repetition_time")
    with pytest.raises(ValueError, match="no column 'tr' of repetition times"):
        repetition_times(cohort, "tr")


def test_errors_come_before_the_first_window(cohort):
    short = cohort.assign(timeseries=[cohort.timeseries[0][:20], *cohort.timeseries[1:]])
    name = cohort.participant_ids[0]
    with pytest.raises(ValueError, match=rf"60 s is longer than 1 of 4 scans .*\[{name}: 20\]"):
        cohort_windows(short, 60.0)
    with pytest.raises(ValueError, match="has no series"):
        cohort_windows(Cohort(pd.DataFrame(index=["a"]), pd.DataFrame(index=["r"])), 60.0)
    with pytest.raises(ValueError, match="one target for each of 4 participants, got 2"):
        dynamic_brain_graphs(cohort, 60.0, y=[0, 1])
    broken = cohort.assign(timeseries=[*cohort.timeseries[:3], cohort.timeseries[3] * np.nan])
    with pytest.raises(ValueError, match=rf"{cohort.participant_ids[3]}: series has NaN"):
        list(cohort_windows(broken, 60.0))
    with pytest.raises(ValueError, match=r"reach 2. If they are z already write fisher_z=False"):
        edge_variability([[[0, 2], [2, 0]]])
    with pytest.raises(ValueError, match=r"windows must have the shape \(W, R, R\), got \(2, 2\)"):
        edge_variability(np.zeros((2, 2)))
