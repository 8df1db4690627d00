import numpy as np
import pandas as pd
import pytest

from brainograph.cohort import Cohort
from brainograph.model_selection.checks.phenotypes import phenotypes, predictability, told_by
from brainograph.model_selection.checks.study import Study
from brainograph.model_selection.splits import repeated_stratified

IDS = [f"{i:04d}" for i in range(200)]
Y = np.arange(200) % 2


def value(column, y=Y):
    return told_by(pd.Series(column), y, IDS)


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        (Y + np.random.default_rng(0).normal(0, 0.5, 200), 0.88, 0.97),  # sd 0.5: Phi(1.41) = .92
        (np.abs(np.random.default_rng(0).normal(3 * Y, 1, 200) - 1.5) * (1 - 2 * Y), 0.9, 1.0),
        (np.random.default_rng(1).choice([-1, 1], 200) * (0.5 + 2.5 * Y), 0.99, 1.0),  # both tails
        (np.where(Y, np.random.default_rng(0).random(200), np.nan), 0.99, 1.0),  # who lacks it
        (np.where(Y == 1, "x", None), 0.99, 1.0),
        (np.random.default_rng(0).normal(size=200), 0.35, 0.6),
        (IDS, 0.3, 0.6),  # a name for each
        (np.full(200, np.nan), 0.4, 0.6),
    ],
)
def test_predictability_of_numbers_values_and_gaps(column, low, high):
    found, tells = value(column)
    assert low <= found <= high
    assert tells is bool(found > 0.7)


def test_predictability_does_not_depend_on_row_order_and_skips_the_unlabelled(rng):
    column = pd.Series(Y + rng.normal(0, 1, 200))
    y = np.where(np.arange(200) < 20, -1, Y)
    score = predictability(column, y, IDS)
    assert np.isnan(score[:20]).all()
    assert np.isfinite(score[20:]).all()
    order = rng.permutation(200)
    moved = predictability(column.iloc[order], y[order], [IDS[i] for i in order])
    assert np.allclose(moved, score[order], equal_nan=True)


def test_a_column_of_noise_is_not_above_chance(rng):
    found = [value(rng.integers(15, size=200).astype(float))[1] for _ in range(15)]
    assert not any(found)


@pytest.fixture
def cohort(rng):
    table = pd.DataFrame(
        {
            "score_a": Y + rng.normal(0, 0.3, 200),
            "score_b": np.where(Y, rng.random(200), np.nan),
            "iq": rng.normal(100 - 10 * Y, 15),
            "age": rng.normal(20, 3, 200),
            "dx": np.where(Y, "asd", "td"),
        },
        index=IDS,
    )
    return Cohort(table, pd.DataFrame(index=["r1", "r2"]))


def study(cohort, *columns):
    def run(cohort, y, splits):
        x = sum((cohort.phenotype[c].rank().fillna(0).to_numpy() for c in columns), np.zeros(200))
        return [x[split.rows(cohort)[1]] for split in splits]

    return Study(cohort, Y, repeated_stratified(cohort, Y, by=()), run, progress=False)


def test_use_is_found_by_dealing_the_values_to_others(cohort):
    (finding,) = phenotypes(study(cohort, "age"))
    assert finding.status == "pass"
    assert "4 of 5 phenotypes tell the label" in finding.message
    found = phenotypes(study(cohort, "score_a", "iq", "age"))
    assert [(f.status, f.message.split("'")[1]) for f in found] == [
        ("fail", "score_a"), ("warn", "iq")
    ]  # fmt: skip
    (finding,) = phenotypes(study(cohort, "dx"))
    assert (finding.status, finding.value) == ("fail", 1.0)
    (finding,) = phenotypes(study(cohort, "score_b"))
    assert "who lacks it: 1.00" in finding.message


def test_without_a_model_the_columns_are_named(cohort):
    (finding,) = phenotypes(Study(cohort, Y, repeated_stratified(cohort, Y, by=())))
    assert finding.status == "warn"
    assert "make sure that no model saw them: dx 1.00" in finding.message
    assert "by who lacks them: score_b" in finding.message
    plain = cohort.assign(phenotype=cohort.phenotype[["age"]])
    (finding,) = phenotypes(Study(plain, Y, repeated_stratified(plain, Y, by=())))
    assert finding.status == "pass"
