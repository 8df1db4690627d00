import numpy as np
import pandas as pd
import pytest

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.model_selection.checks.duplicates import (
    duplicates,
    equal_scans,
    same_names,
    similar_scans,
)
from brainograph.model_selection.checks.study import Study
from brainograph.model_selection.splits import repeated_stratified


@pytest.mark.parametrize("n_regions", [5, 8, 20])
def test_people_are_not_similar(n_regions):
    assert similar_scans(simulate_cohort(n_subjects=90, n_regions=n_regions)) == []


def test_a_cut_scan_is_similar():
    cohort = simulate_cohort(n_subjects=60, n_volumes=(150, 160), random_state=0)
    series = [*cohort.timeseries[:-1], cohort.timeseries[3][2:]]
    fc = np.stack([np.corrcoef(x, rowvar=False) for x in series]).astype(np.float32)
    again = cohort.assign(timeseries=series, connectivity={"fc": fc})
    assert similar_scans(again) == [(3, 59)]
    assert equal_scans(again) == []
    by_series = Cohort(again.phenotype, again.regions, timeseries=series)
    assert similar_scans(by_series) == [(3, 59)]


def test_equal_series_are_found_without_matrices():
    series = [np.arange(8.0).reshape(4, 2), np.ones((3, 2)), np.arange(8.0).reshape(4, 2)]
    people, regions = pd.DataFrame(index=list("abc")), pd.DataFrame(index=["r1", "r2"])
    assert equal_scans(Cohort(people, regions, timeseries=series)) == [(0, 2)]
    assert equal_scans(Cohort(people, regions)) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sub-01", "sub-1", True),
        ("sub-01_ses-1", "sub-01_ses-2", True),
        ("S12_run-1", "s12", True),
        ("sub-01", "sub-10", False),
        ("50002", "0050002", True),
        ("sub-100", "sub-1", False),
        ("passes1", "passes2", False),
    ],
)
def test_same_names(one, other, same):
    assert same_names([one, other]) == ([(0, 1)] if same else [])


def test_only_pairs_on_both_sides_of_a_fold_count(rng):
    ids = [f"sub-{i}_ses-{s}" for i in range(10, 22) for s in (1, 2)]
    y = np.repeat(np.arange(12) % 2, 2)
    fc = rng.uniform(-0.5, 0.5, (24, 6, 6))
    table = pd.DataFrame({"group": np.repeat(np.arange(12), 2)}, index=ids)
    regions = pd.DataFrame(index=[f"r{i}" for i in range(6)])
    known = Cohort(table, regions, connectivity={"fc": fc})
    unknown = Cohort(table.drop(columns="group"), regions, connectivity={"fc": fc})
    together = repeated_stratified(known, y, n_splits=3, by=())
    apart = repeated_stratified(unknown, y, n_splits=3, by=())
    for cohort, splits, status, words in (
        (known, together, "pass", "Of one person or scan, and kept together: 12"),
        (known, apart, "fail", "one group"),
        (unknown, apart, "warn", "names that differ in case"),
    ):
        (finding,) = duplicates(Study(cohort, y, splits))
        assert finding.status == status
        assert words in finding.message


def test_the_real_cohort_holds_one_scan_under_two_names(real_data):
    """ABIDE I, CC200: 0050279 and 0050286 are one file, 0050578 and 0050602 one scan."""
    file = real_data / "abide1" / "timeseries_rois_cc200_filt_global_1035.npz"
    if not file.is_file():
        pytest.skip("skipped: no real data")
    with np.load(file) as archive:
        ids = [str(name)[-7:].zfill(7) for name in archive["sub_id"]]
        rows = [i for i, name in enumerate(ids) if "0050270" <= name <= "0050300"]
        rows += [i for i, name in enumerate(ids) if "0050570" <= name <= "0050610"]
        data, offsets = archive["data"], archive["offsets"]
    series = [data[offsets[i] : offsets[i + 1]] for i in rows]
    people = pd.DataFrame(index=[ids[i] for i in rows])
    cohort = Cohort(people, pd.DataFrame(index=range(200)), timeseries=series)
    names = np.array(cohort.participant_ids)
    assert [names[list(pair)].tolist() for pair in equal_scans(cohort)] == [["0050279", "0050286"]]
    similar = [names[list(pair)].tolist() for pair in similar_scans(cohort)]
    assert similar == [["0050279", "0050286"], ["0050578", "0050602"]]
