import numpy as np
import pandas as pd

from brainograph.cohort import Cohort
from brainograph.model_selection.checks.order import (
    identifiers,
    label_order,
    nearest,
    row_order,
)
from brainograph.model_selection.checks.study import Study
from brainograph.model_selection.splits import repeated_stratified


def people(y, site="A", ids=None):
    ids = [f"{i:04d}" for i in range(len(y))] if ids is None else ids
    table = pd.DataFrame({"site": np.broadcast_to(site, len(y))}, index=ids)
    return Cohort(table, pd.DataFrame(index=["r1", "r2"]))


def study(y, run=None, **options):
    cohort = people(y, **options)
    return Study(cohort, y, repeated_stratified(cohort, y, n_splits=3), run, progress=False)


def test_nearest_by_hand_within_sites():
    site = np.array(["A", "B"] * 7)
    near = nearest(np.arange(14), site)
    assert near[0].tolist() == [2, 4, 6, 8, 10]
    assert near[7].tolist() == [5, 9, 3, 11, 1]
    assert all(site[row] == site[i] for i, rows in enumerate(near) for row in rows)


def test_sorted_labels_are_seen_in_rows_and_in_names(rng):
    y = np.repeat([0, 1], 40)
    by_row, by_name = label_order(study(y))
    assert (by_row.status, by_name.status) == ("warn", "warn")
    assert by_row.value > 0.95
    order = rng.permutation(80)
    ids = [f"{i:04d}" for i in range(80)]
    by_row, by_name = label_order(study(y[order], ids=[ids[i] for i in order]))
    assert (by_row.status, by_name.status) == ("pass", "warn")


def test_random_order_is_at_chance_nineteen_times_of_twenty(rng):
    """Neighbours share neighbours, which spreads chance: the threshold is of permuted labels."""
    found = [f.status for _ in range(15) for f in label_order(study(rng.permutation(60) % 2))]
    assert found.count("warn") <= 2


def test_sites_of_five_or_fewer_have_no_neighbours():
    (finding,) = label_order(study(np.arange(12) % 2, site=np.repeat(["A", "B", "C"], 4)))
    assert finding.status == "skipped"


def test_a_run_that_depends_on_order_without_reading_labels_is_warned_of():
    """A seed that is drawn by row: other numbers in another order, and no leak."""
    y = np.arange(90) % 2

    def run(cohort, y, splits):
        noise = np.random.default_rng(0).standard_normal(len(y))
        return [noise[split.rows(cohort)[1]] for split in splits]

    (finding,) = row_order(study(y, run))
    assert finding.status == "warn"
    assert "Sort participants by id" in finding.message
    (finding,) = identifiers(study(y, run))
    assert (finding.status, finding.value) == ("pass", 0.0)


def test_an_unseeded_run_is_not_blamed_for_its_order():
    y = np.arange(90) % 2

    def run(cohort, y, splits):
        return [np.random.default_rng().random(len(split.test)) for split in splits]

    (finding,) = row_order(study(y, run))
    assert finding.status == "warn"
    assert "Set a seed" in finding.message
