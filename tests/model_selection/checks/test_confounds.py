import numpy as np
import pandas as pd
import pytest
from scipy import stats

from brainograph.cohort import Cohort
from brainograph.model_selection.checks.confounds import (
    _beyond,
    confounds,
    normal_scores,
    out_of_fold,
)
from brainograph.model_selection.checks.study import Study
from brainograph.model_selection.splits import repeated_stratified

N = 300
Y = np.arange(N) % 2


@pytest.fixture
def cohort(rng):
    table = pd.DataFrame(
        {
            "site": np.arange(N) // 2 % 3,
            "age": rng.normal(20, 3, N),
            "sex": rng.choice(["male", "female"], N),
            "mean_fd": np.exp(rng.normal(0.8 * Y, 1)),
        },
        index=[f"{i:04d}" for i in range(N)],
    )
    return Cohort(table, pd.DataFrame(index=["r1"]))


def study(cohort, score, **options):
    """Predictions of two repeats."""
    splits = repeated_stratified(cohort, Y, n_splits=5, n_repeats=2, by=())
    rows = [
        (name, split.repeat, split.fold, row)
        for split in splits
        for name, row in zip(split.test, cohort.locate(split.test), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["participant_id", "repeat", "fold", "row"])
    table = table.assign(y_true=Y[table["row"]], y_score=score[table["row"]])
    return Study(cohort, Y, splits, predictions=table, progress=False, **options)


def by_check(study):
    return {finding.check: finding for finding in confounds(study)}


def test_a_score_that_is_motion_says_nothing_beyond_it(cohort):
    found = by_check(study(cohort, np.log(cohort.phenotype["mean_fd"].to_numpy())))
    assert found["confounds_label"].status == "warn"
    assert 0.65 < found["confounds_label"].value < 0.8
    assert found["confounds_score"].status == "warn"
    assert found["confounds_beyond"].status == "warn"
    assert "mean_fd 0.7" in found["confounds_label"].message


def test_a_score_of_its_own_is_left_when_the_confounds_are_taken_away(cohort, rng):
    found = by_check(study(cohort, Y + rng.normal(0, 1.5, N)))
    assert found["confounds_beyond"].status == "pass"
    assert found["confounds_beyond"].value < 1e-3
    assert found["confounds_score"].status == "pass"
    worse = by_check(study(cohort, -(Y + rng.normal(0, 1.0, N))))
    assert worse["confounds_beyond"].status == "warn"


def test_the_p_value_is_uniform_for_noise(cohort, rng):
    design = rng.normal(size=(N, 3))
    p = [_beyond(Y, rng.normal(size=N), design, cohort.phenotype).value for _ in range(40)]
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_scores_are_normal_within_folds_and_averaged_over_repeats(cohort, rng):
    table = out_of_fold(study(cohort, 100 * rng.random(N)))
    assert len(table) == N
    assert set(table["y_true"]) == {0.0, 1.0}
    assert abs(table["score"].mean()) < 0.01
    assert normal_scores(pd.Series([3.0, 1.0, 2.0])) == pytest.approx(
        stats.norm.ppf([0.75, 0.25, 0.5])
    )


def test_without_predictions_the_model_is_run(cohort):
    def run(cohort, y, splits):
        return [cohort.phenotype["age"].to_numpy()[s.rows(cohort)[1]] for s in splits]

    splits = repeated_stratified(cohort, Y, n_splits=5, by=())
    found = by_check(Study(cohort, Y, splits, run, progress=False))
    assert "(180 participants)" in found["confounds_beyond"].message
    assert found["confounds_score"].value > 0.9


def test_without_confounds_it_is_skipped(cohort):
    bare = cohort.assign(phenotype=cohort.phenotype[[]])
    (finding,) = confounds(Study(bare, Y, repeated_stratified(bare, Y, by=())))
    assert finding.status == "skipped"
