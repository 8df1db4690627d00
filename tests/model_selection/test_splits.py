import json

import numpy as np
import pandas as pd
import pytest

from brainograph.cohort import Cohort
from brainograph.model_selection.splits import (
    Split,
    Splits,
    leave_one_site_out,
    repeated_stratified,
)


def make(sites, **columns):
    ids = [f"p{i:03d}" for i in range(len(sites))]
    return Cohort(
        pd.DataFrame({"site": sites, **columns}, index=ids), pd.DataFrame(index=["r1", "r2"])
    )


@pytest.fixture
def cohort():
    return make(["A"] * 40 + ["B"] * 20 + ["C"] * 1 + ["D"] * 9)


@pytest.fixture
def y(rng):
    return rng.permutation(np.array([0] * 42 + [1] * 28))


def test_everybody_is_tested_once_a_repeat_and_never_trained_on(cohort, y):
    splits = repeated_stratified(cohort, y, n_splits=5, n_repeats=3)
    assert len(splits) == 15
    for repeat in range(3):
        tested = [name for s in splits if s.repeat == repeat for name in s.test]
        assert sorted(tested) == cohort.participant_ids
    for split in splits:
        assert not set(split.train) & set(split.test)
        assert sorted([*split.train, *split.test]) == cohort.participant_ids
    assert splits.splits[0].test != splits.splits[5].test


def test_label_and_site_are_spread_evenly(cohort, y):
    splits = repeated_stratified(cohort, y, n_splits=5)
    label = pd.Series(y, cohort.phenotype.index)
    for split in splits:
        test = list(split.test)
        assert len(test) == 14
        assert label[test].sum() in (5, 6)
        assert 7 <= (cohort.phenotype.site[test] == "A").sum() <= 9


def test_folds_do_not_depend_on_row_order(cohort, y, rng):
    order = rng.permutation(len(cohort))
    shuffled = repeated_stratified(cohort[order], y[order], n_splits=5, n_repeats=2)
    assert shuffled.hash == repeated_stratified(cohort, y, n_splits=5, n_repeats=2).hash
    assert shuffled.hash != repeated_stratified(cohort, y, n_splits=5, random_state=1).hash


def test_site_sorted_rows_give_mixed_folds():
    cohort = make(np.repeat(list("ABCDEFGHIJ"), 10))
    splits = repeated_stratified(cohort, np.tile([0, 1], 50), n_splits=10)
    for split in splits:
        assert cohort.phenotype.site[list(split.test)].nunique() >= 9


def test_unlabelled_participants_are_in_no_fold(cohort, y):
    y = y.copy()
    y[:10] = -1
    hidden = set(cohort.participant_ids[:10])
    for split in repeated_stratified(cohort, y, n_splits=5):
        assert not hidden & {*split.train, *split.test}


def test_groups_stay_together():
    family = np.repeat(np.arange(20), 2).astype(float)
    family[-1] = np.nan
    cohort = make(["A"] * 40, family=family)
    y = np.repeat([0, 1], 20)
    for split in repeated_stratified(cohort, y, n_splits=4, group="family"):
        train, test = (cohort.phenotype.family[list(part)] for part in (split.train, split.test))
        assert not set(train.dropna()) & set(test.dropna())


def test_a_column_called_group_keeps_its_members_together_unasked():
    cohort = make(["A"] * 40, group=np.repeat(np.arange(20), 2))
    for split in repeated_stratified(cohort, np.repeat([0, 1], 20), n_splits=4):
        train, test = (cohort.phenotype.group[list(part)] for part in (split.train, split.test))
        assert not set(train) & set(test)


def test_a_file_of_something_else_is_named(tmp_path):
    (tmp_path / "splits.json").write_text("{}")
    with pytest.raises(ValueError, match="does not hold splits"):
        Splits.load(tmp_path / "splits.json")


def test_leave_one_site_out(cohort, y):
    splits = leave_one_site_out(cohort, y)
    assert [len(s.test) for s in splits] == [40, 20, 1, 9]
    assert [len(s.test) for s in leave_one_site_out(cohort, y, min_size=5)] == [40, 20, 9]
    with pytest.raises(ValueError, match="at least two sites"):
        leave_one_site_out(cohort, y, min_size=30)


def test_saved_splits_come_back_and_tampering_is_seen(cohort, y, tmp_path):
    splits = repeated_stratified(cohort, y, n_splits=5)
    splits.save(tmp_path / "splits.json")
    assert Splits.load(tmp_path / "splits.json") == splits
    content = json.loads((tmp_path / "splits.json").read_text())
    moved = content["splits"][0]["test"].pop()
    content["splits"][0]["train"].append(moved)
    (tmp_path / "splits.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="changed after it was saved"):
        Splits.load(tmp_path / "splits.json")


def test_rows_are_found_by_id(cohort):
    split = Split(0, 0, ("p003", "p001"), ("p002",))
    train, test = split.rows(cohort[::-1])
    assert train.tolist() == [66, 68]
    assert test.tolist() == [67]
    with pytest.raises(ValueError, match=r"1 participants of the splits.*'p002'"):
        split.rows(cohort[[1, 3]])


def test_mistakes_are_explained(cohort, y):
    with pytest.raises(ValueError, match=r"one class \(\[0\]\)"):
        repeated_stratified(cohort, np.zeros(len(cohort), int))
    few = np.array([0] * 67 + [1] * 3)
    with pytest.raises(ValueError, match=r"class 1 has 3 participants.*Write n_splits=3"):
        repeated_stratified(cohort, few)
    with pytest.raises(ValueError, match="no column 'family'"):
        repeated_stratified(cohort, y, group="family")
    with pytest.raises(ValueError, match="trains and tests on"):
        Splits("x", (Split(0, 0, ("a",), ("a",)),))
    with pytest.raises(ValueError, match=r"y has shape \(3,\), needed is \(70,\)"):
        repeated_stratified(cohort, y[:3])
