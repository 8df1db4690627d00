from functools import partial

import numpy as np
import pandas as pd
import pytest

from brainograph.datasets import simulate_cohort
from brainograph.model_selection.checks.changes import (
    Setting,
    columns_shuffled,
    flipped,
    label_columns,
    others,
    permuted,
    permuted_y,
    renamed,
    replaced,
    shuffled,
)
from brainograph.model_selection.splits import repeated_stratified


@pytest.fixture(scope="module")
def setting():
    cohort = simulate_cohort(n_subjects=30, n_regions=5, random_state=0)
    y = cohort.phenotype["diagnosis"].to_numpy().astype(int)
    table = cohort.phenotype.assign(dx=np.where(y, "asd", "td"))
    images = pd.DataFrame({"t1": [f"{name}.nii" for name in table.index]}, index=table.index)
    cohort = cohort.assign(phenotype=table, images=images)
    y[:2] = -1
    return Setting(cohort, y, repeated_stratified(cohort, y, n_splits=3))


def test_label_columns_are_one_value_for_each_class(setting):
    assert label_columns(setting.cohort.phenotype, setting.y) == ["diagnosis", "dx"]


def test_permuted_labels_take_their_other_names_along(setting):
    changed = permuted(setting, seed=[0])
    assert (changed.y != setting.y).any()
    assert np.array_equal(np.sort(changed.y), np.sort(setting.y))
    assert np.array_equal(changed.y == -1, setting.y == -1)
    known = changed.y != -1
    table = changed.cohort.phenotype[known]
    assert np.array_equal(table["dx"] == "asd", changed.y[known] == 1)
    assert np.array_equal(table["diagnosis"], changed.y[known])
    assert setting.cohort.phenotype["dx"].isin(["asd", "td"]).all()


def test_permutations_do_not_depend_on_row_order(setting, rng):
    order = rng.permutation(30)
    other = Setting(setting.cohort[order], setting.y[order], setting.splits)
    for within in (None, "site"):
        one, two = (permuted_y(s, seed=[3], within=within) for s in (setting, other))
        assert np.array_equal(one[order], two)


def test_flipped_turns_the_test_labels_of_one_fold_round(setting):
    changed = flipped(setting, fold=1)
    train, test = setting.splits.splits[1].rows(setting.cohort)
    assert np.array_equal(changed.y[test], 1 - setting.y[test])
    assert np.array_equal(changed.y[train], setting.y[train])
    dx = changed.cohort.phenotype["dx"].to_numpy()
    assert np.array_equal(dx[test] == "asd", changed.y[test] == 1)


def test_shuffled_keeps_everybody_s_data_and_side(setting):
    changed = shuffled(setting, seed=[0])
    assert changed.cohort.participant_ids != setting.cohort.participant_ids
    assert changed.cohort.fingerprint() == setting.cohort.fingerprint()
    rows = changed.cohort.locate(setting.cohort.participant_ids)
    assert np.array_equal(changed.y[rows], setting.y)
    assert changed.splits.hash == setting.splits.hash
    assert changed.splits.splits[0].test != setting.splits.splits[0].test


def test_renamed_keeps_everything_but_the_names(setting):
    changed = renamed(setting, seed=[0])
    assert [changed.names[n] for n in setting.cohort.participant_ids] == (
        changed.cohort.participant_ids
    )
    assert np.array_equal(changed.cohort.connectivity["fc"], setting.cohort.connectivity["fc"])
    assert changed.cohort.images["t1"].tolist() == setting.cohort.images["t1"].tolist()
    for old, new in zip(setting.splits, changed.splits, strict=True):
        assert new.test == tuple(sorted(changed.names[name] for name in old.test))


def test_replaced_copies_one_test_participant_over_half_of_them(setting):
    changed = replaced(setting, fold=0)
    split = setting.splits.splits[0]
    half = setting.cohort.locate(others(split))
    rest = np.setdiff1d(np.arange(30), half)
    assert len(half) == 5
    old, new = setting.cohort, changed.cohort
    assert (new.connectivity["fc"][half] == old.connectivity["fc"][half[0]]).all()
    assert all(np.array_equal(new.timeseries[i], old.timeseries[half[0]]) for i in half)
    assert np.array_equal(new.measures["thickness"][rest], old.measures["thickness"][rest])
    assert new.phenotype["age"].iloc[half].nunique(dropna=False) == 1
    assert new.phenotype["diagnosis"].equals(old.phenotype["diagnosis"])
    assert np.array_equal(changed.y, setting.y)


def test_columns_shuffled_touches_these_columns_only(setting):
    changed = columns_shuffled(setting, columns=("age",), seed=[0])
    old, new = setting.cohort.phenotype, changed.cohort.phenotype
    assert not new["age"].equals(old["age"])
    assert sorted(new["age"].dropna()) == sorted(old["age"].dropna())
    assert new.drop(columns="age").equals(old.drop(columns="age"))


@pytest.mark.parametrize(
    "change",
    [
        partial(permuted, seed=[1]),
        partial(flipped, fold=0),
        partial(shuffled, seed=[1]),
        partial(renamed, seed=[1]),
        partial(replaced, fold=0),
        partial(columns_shuffled, columns=("age", "sex"), seed=[1]),
    ],
)
def test_a_change_leaves_the_setting_as_it_was(setting, change):
    before, labels = setting.cohort.fingerprint(), setting.y.copy()
    change(setting)
    assert setting.cohort.fingerprint() == before
    assert np.array_equal(setting.y, labels)
