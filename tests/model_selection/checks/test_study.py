from functools import partial

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from brainograph.datasets import simulate_cohort
from brainograph.model_selection.checks.changes import permuted, renamed, shuffled, unchanged
from brainograph.model_selection.checks.study import Study
from brainograph.model_selection.splits import repeated_stratified
from brainograph.preprocessing import Edges


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=40, n_regions=5, random_state=0)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


def study(cohort, y, model, **options):
    splits = repeated_stratified(cohort, y, n_splits=4, n_repeats=2)
    return Study(cohort, y, splits, model, **{"progress": False, "n_folds": 2} | options)


class Counting:
    """Score by mean connectivity, which says who is who, and count the calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, cohort, y, splits):
        self.calls += 1
        return [cohort.connectivity["fc"][split.rows(cohort)[1]].mean((1, 2)) for split in splits]


def test_scores_come_back_in_the_order_of_the_unchanged_folds(cohort, y):
    made = study(cohort, y, Counting())
    expected = made.run([unchanged], "t")[0]
    for change in (partial(shuffled, seed=[0]), partial(renamed, seed=[0])):
        (scores,) = made.run([change], "t")
        assert all(np.array_equal(a, b) for a, b in zip(scores, expected, strict=True))


def test_the_folds_are_the_largest_of_the_first_repeat(cohort, y):
    folds = study(cohort, y, Counting(), n_folds=3).setting.splits
    assert [(split.repeat, len(split.test)) for split in folds] == [(0, 10)] * 3
    assert [split.fold for split in study(cohort, y, None, n_folds=99).setting.splits] == [
        0, 1, 2, 3
    ]  # fmt: skip


def test_estimators_and_functions_run_alike(cohort, y):
    model = make_pipeline(Edges(), LogisticRegression())

    def run(cohort, y, splits):
        found = []
        for split in splits:
            train, test = split.rows(cohort)
            fitted = make_pipeline(Edges(), LogisticRegression()).fit(cohort[train], y[train])
            found.append(fitted.predict_proba(cohort[test])[:, 1])
        return found

    changes = [unchanged, partial(permuted, seed=[0])]
    ours, theirs = (
        study(cohort, y, m).run(changes, "t", folds=[[0, 1], [1]]) for m in (model, run)
    )
    assert [len(scores) for scores in ours] == [2, 1]
    for one, other in zip(ours, theirs, strict=True):
        assert all(np.allclose(a, b, atol=1e-9) for a, b in zip(one, other, strict=True))


def test_a_folder_keeps_what_was_run(cohort, y, tmp_path):
    model = Counting()
    changes = [partial(permuted, seed=[i]) for i in range(3)]
    first = study(cohort, y, model, folder=tmp_path).run(changes[:2], "t")
    assert model.calls == 2
    again = study(cohort, y, model, folder=tmp_path).run(changes, "t")
    assert model.calls == 3
    assert np.array_equal(np.concatenate(first[1]), np.concatenate(again[1]))
    study(cohort, 1 - y, model, folder=tmp_path).run(changes[:1], "t")
    assert model.calls == 4
    assert study(cohort, y, model, folder=tmp_path).deterministic
    assert model.calls == 6  # the baseline, and a second run that is not kept


def test_a_pipeline_without_a_seed_is_seen(cohort, y):
    def unseeded(cohort, y, splits):
        return [np.random.default_rng().random(len(split.test)) for split in splits]

    assert not study(cohort, y, unseeded).deterministic
    assert study(cohort, y, Counting()).deterministic


def test_what_a_pipeline_returns_is_checked(cohort, y):
    def short(cohort, y, splits):
        return [np.zeros(3) for _ in splits]

    def missing(cohort, y, splits):
        return [np.full(len(split.test), np.nan) for split in splits]

    with pytest.raises(ValueError, match=r"returned 2 arrays of shapes \[\(3,\), \(3,\)\]") as e:
        study(cohort, y, short).run([partial(shuffled, seed=[0])], "t")
    assert e.value.__notes__ == ["This happened in an audit, with the data shuffled."]
    with pytest.raises(ValueError, match="missing or infinite"):
        _ = study(cohort, y, missing).baseline
