import errno
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainograph.io.collect import assemble, collect

TASKS = {f"sub-{i}": [Path(f"{i}.txt")] for i in range(1, 6)}


def number(path):
    return {"series": np.full((2, 2), int(path.stem)), "n": int(path.stem)}


def number_but_three(path):
    if path.stem == "3":
        raise IndexError("three")
    return number(path)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_failures_are_recorded_and_the_rest_is_kept_in_order(n_jobs):
    def read(path):  # a closure is sent to the workers whole, who cannot import this file
        if path.stem == "3":
            raise IndexError("three")
        return {"series": np.full((2, 2), int(path.stem)), "n": int(path.stem)}

    results, failures = collect(read, TASKS, settings={}, n_jobs=n_jobs)
    assert list(results) == ["sub-1", "sub-2", "sub-4", "sub-5"]
    assert [int(r["n"]) for r in results.values()] == [1, 2, 4, 5]
    assert failures.to_numpy().tolist() == [["sub-3", "3.txt", "IndexError: three"]]


def test_nothing_read_is_an_error_with_the_first_reasons():
    def broken(path):
        raise ValueError(f"bad {path.stem}")

    with pytest.raises(ValueError, match=r"5 of 5 failed.\n  1.txt: bad 1\n  2.txt: bad 2"):
        collect(broken, TASKS, settings={})


def test_no_tasks_is_an_error_too():
    with pytest.raises(ValueError, match="Nothing could be read"):
        collect(number, {}, settings={})


def test_a_second_run_reads_only_the_rest(tmp_path):
    calls = []

    def stopped(path):
        calls.append(path.stem)
        if path.stem == "3":
            raise KeyboardInterrupt
        return number(path)

    with pytest.raises(KeyboardInterrupt, match=r"2 of 5 are done and kept in .*same command"):
        collect(stopped, TASKS, settings={"a": 1}, work_dir=tmp_path)
    assert calls == ["1", "2", "3"]

    calls.clear()

    def counted(path):
        calls.append(path.stem)
        return number(path)

    results, failures = collect(counted, TASKS, settings={"a": 1}, work_dir=tmp_path)
    assert calls == ["3", "4", "5"]
    assert list(results) == list(TASKS)
    assert failures.empty
    np.testing.assert_array_equal(results["sub-1"]["series"], np.ones((2, 2)))


def test_a_failed_one_is_tried_again(tmp_path):
    collect(number_but_three, TASKS, settings={}, work_dir=tmp_path)
    results, failures = collect(number, TASKS, settings={}, work_dir=tmp_path)
    assert len(results) == 5
    assert failures.empty


def test_without_work_dir_a_stop_says_that_nothing_was_kept():
    def stopped(path):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="work_dir=FOLDER"):
        collect(stopped, TASKS, settings={})


def test_other_settings_are_refused_by_name(tmp_path):
    collect(number, TASKS, settings={"low_pass": 0.1, "atlas": "ho"}, work_dir=tmp_path)
    with pytest.raises(ValueError, match=r"low_pass was 0.1, now 0.08.*Choose another work_dir"):
        collect(number, TASKS, settings={"low_pass": 0.08, "atlas": "ho"}, work_dir=tmp_path)
    assert json.loads((tmp_path / "settings.json").read_text())["low_pass"] == 0.1


def test_settings_without_any_result_are_replaced(tmp_path):
    def broken(path):
        raise ValueError("no such variable")

    with pytest.raises(ValueError, match="5 of 5 failed"):
        collect(broken, TASKS, settings={"variable": "tc"}, work_dir=tmp_path)
    results, _ = collect(number, TASKS, settings={"variable": "ts"}, work_dir=tmp_path)
    assert len(results) == 5
    assert json.loads((tmp_path / "settings.json").read_text()) == {"variable": "ts"}


def test_numbers_of_numpy_are_the_same_settings(tmp_path):
    collect(number, TASKS, settings={"t_r": np.int64(2), "pad": (1,)}, work_dir=tmp_path)
    results, _ = collect(number, TASKS, settings={"t_r": 2, "pad": [1]}, work_dir=tmp_path)
    assert len(results) == 5


def test_a_full_disk_stops_the_run_and_keeps_what_is_done(tmp_path, monkeypatch):
    saved = []
    savez = np.savez

    def full(file, **arrays):
        if len(saved) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(1)
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match=r"2 of 5 are done and kept in .* Make room") as caught:
        collect(number, TASKS, settings={}, work_dir=tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert sorted(p.name for p in tmp_path.glob("*.npz")) == ["sub-1.npz", "sub-2.npz"]
    assert not list(tmp_path.glob(".*.part"))
    monkeypatch.undo()
    results, failures = collect(number, TASKS, settings={}, work_dir=tmp_path)
    assert len(results) == 5
    assert failures.empty


def test_other_system_errors_are_only_that_participants():
    def missing(path):
        if path.stem == "2":
            raise PermissionError(errno.EACCES, "Permission denied", "2.txt")
        return number(path)

    results, failures = collect(missing, TASKS, settings={})
    assert len(results) == 4
    assert "Permission denied" in failures["reason"][0]


def test_assemble_puts_those_with_other_regions_into_failures():
    names = np.array(["a", "b"])
    results = {
        "s1": {"timeseries": np.ones((3, 2)), "regions": names, "mean_fd": np.asarray(0.5)},
        "s2": {"timeseries": np.ones((4, 2)), "regions": names},
        "s3": {"timeseries": np.ones((4, 2)), "regions": np.array(["a", "c"])},
        "s4": {"timeseries": np.ones((4, 1)), "regions": np.array(["a"])},
    }
    cohort = assemble(
        results,
        pd.DataFrame(columns=["participant_id", "source", "reason"]),
        member="timeseries",
        phenotype=pd.DataFrame({"age": [1, 2, 3, 4]}, index=list(results)),
        sources={key: [Path(f"{key}.tsv")] for key in results},
        provenance={},
    )
    assert cohort.participant_ids == ["s1", "s2"]
    assert cohort.phenotype["mean_fd"].tolist()[0] == 0.5
    assert np.isnan(cohort.phenotype["mean_fd"]["s2"])
    assert cohort.failures["participant_id"].tolist() == ["s3", "s4"]
    assert cohort.failures["source"].tolist() == ["s3.tsv", "s4.tsv"]
    assert cohort.failures["reason"][0] == "has 2 regions, needed 2; not in both: b, c"
