from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainograph.io.bids import parse_name
from brainograph.io.collect import failure_table
from brainograph.io.runs import merge_runs

PEOPLE = pd.DataFrame({"age": [20, 30]}, index=["sub-1", "sub-2"])


def run(seconds, *, n=4):
    found = {"timeseries": np.ones((n, 2), np.float32), "mean_fd": np.asarray(0.1 * n)}
    return found if seconds is None else {**found, "repetition_time": np.asarray(seconds)}


def merge(seconds, runs="concatenate"):
    """Merge runs named as ``sub-1_run-1``, given their repetition times."""
    results = {name: run(one) for name, one in seconds.items()}
    files = {name: parse_name(Path(f"{name}_timeseries.tsv")) for name in results}
    return merge_runs(results, failure_table(), files=files, phenotype=PEOPLE, runs=runs)


def test_runs_of_one_repetition_time_are_joined():
    seconds = {"sub-1_run-1": 0.8, "sub-1_run-2": np.float32(0.8), "sub-2_run-1": None}
    merged, failures, phenotype, sources = merge(seconds)
    assert {key: len(one["timeseries"]) for key, one in merged.items()} == {"sub-1": 8, "sub-2": 4}
    assert float(merged["sub-1"]["repetition_time"]) == pytest.approx(0.8)
    assert failures.empty
    assert phenotype["n_runs"].tolist() == [2, 1]
    assert [len(paths) for paths in sources.values()] == [2, 1]


def test_runs_of_different_repetition_times_are_a_failure():
    seconds = {"sub-1_run-1": 2.0, "sub-1_run-2": np.float32(0.8), "sub-2_run-1": 2.0}
    merged, failures, phenotype, sources = merge(seconds)
    assert list(merged) == list(sources) == phenotype.index.tolist() == ["sub-2"]
    assert failures.to_numpy().tolist() == [
        [
            "sub-1",
            "sub-1_run-1_timeseries.tsv",
            "its runs have different repetition times: 2.0, 0.8 s; read them with runs='separate'",
        ]
    ]
    merged, failures, *_ = merge(seconds, runs="separate")
    assert len(merged) == 3
    assert failures.empty


def test_nobody_left_is_an_error_with_the_reason():
    with pytest.raises(ValueError, match=r"1 of 1 failed.\n.*times: 2.0, 0.8 s; read them with"):
        merge({"sub-1_run-1": 2.0, "sub-1_run-2": 0.8})
