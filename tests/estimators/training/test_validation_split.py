import numpy as np
import pandas as pd
import pytest

from brainograph.cohort import Cohort
from brainograph.estimators.training.validation_split import validation_split


def make(n, **columns):
    return Cohort(
        pd.DataFrame(columns, index=[str(i) for i in range(n)]), pd.DataFrame(index=["r"])
    )


def test_unlabelled_rows_are_on_neither_side_and_the_sides_are_apart():
    target = np.array([0, 1, -1] * 20)
    rows, held_out = validation_split(make(60), target, fraction=0.25, seed=1)
    assert sorted([*rows, *held_out]) == np.flatnonzero(target != -1).tolist()
    assert len(held_out) == 10
    assert target[held_out].sum() == 5


def test_the_runs_of_a_person_stay_together():
    person = np.repeat(np.arange(20), 3)
    target = np.repeat(np.arange(20) % 2, 3)
    rows, held_out = validation_split(make(60, group=person), target, fraction=0.2, seed=0)
    assert not set(person[rows]) & set(person[held_out])
    assert len(held_out) == 12


def test_participants_without_a_group_are_apart():
    person = np.where(np.arange(40) < 20, np.repeat(np.arange(20), 2).astype(float), np.nan)
    rows, held_out = validation_split(
        make(40, group=person), np.arange(40) % 2, fraction=0.2, seed=0
    )
    alone = np.isnan(person)
    assert alone[rows].any()
    assert alone[held_out].any()


def test_a_class_of_one_says_what_to_type():
    with pytest.raises(ValueError, match=r"classes of \[9, 1\].*Write validation_fraction=0"):
        validation_split(make(10), np.array([0] * 9 + [1]), fraction=0.2, seed=0)
