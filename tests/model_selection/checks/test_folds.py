import numpy as np
import pandas as pd
import pytest

from brainograph.cohort import Cohort
from brainograph.model_selection.checks.folds import (
    best_epoch,
    check_folds,
    folds_table,
    split_overlap,
    splits_of,
)
from brainograph.model_selection.checks.study import Study
from brainograph.model_selection.splits import (
    Split,
    Splits,
    leave_one_site_out,
    repeated_stratified,
)

N = 120
Y = np.arange(N) % 2
SITE = np.repeat(list("ABCDEF"), 20)


@pytest.fixture
def cohort():
    table = pd.DataFrame({"site": SITE}, index=[f"{i:04d}" for i in range(N)])
    return Cohort(table, pd.DataFrame(index=["r1"]))


def statuses(cohort, splits, y=Y, **options):
    findings = split_overlap(Study(cohort, y, splits, **options))
    return {finding.check: finding.status for finding in findings}


def cut(cohort, pieces):
    ids = np.array(cohort.participant_ids)
    return Splits(
        "cut",
        tuple(
            Split(0, i, tuple(np.delete(ids, piece)), tuple(ids[piece]))
            for i, piece in enumerate(pieces)
        ),
    )


def test_honest_folds_pass(cohort):
    for splits in (repeated_stratified(cohort, Y, n_repeats=2), leave_one_site_out(cohort, Y)):
        assert set(statuses(cohort, splits).values()) == {"pass"}


def test_overlaps_of_every_kind_are_found(cohort):
    folds = folds_table(repeated_stratified(cohort, Y, n_splits=3))
    assert check_folds(folds)[0].status == "pass"
    one = folds.query("fold == 1 and part == 'test'").head(4)
    for part in ("train", "validation"):
        (finding,) = check_folds(pd.concat([folds, one.assign(part=part)]))
        assert (finding.status, finding.value) == ("fail", 4)
        assert finding.message.startswith(f"Fold 1 of repeat 0: 4 participants are in {part} and")
    inside = folds.query("fold == 0 and part == 'train'").head(2).assign(part="validation")
    assert "in train and validation" in check_folds(pd.concat([folds, inside]))[0].message
    with pytest.raises(ValueError, match="lacking are \\['part'\\]"):
        check_folds(folds.drop(columns="part"))


def test_a_table_of_folds_becomes_splits(cohort):
    splits = repeated_stratified(cohort, Y, n_splits=3, n_repeats=2)
    assert splits_of(folds_table(splits)).hash == splits.hash


def test_who_is_tested_twice_or_never(cohort):
    pieces = np.array_split(np.random.default_rng(0).permutation(N), 4)
    assert statuses(cohort, cut(cohort, pieces))["split_coverage"] == "pass"
    assert statuses(cohort, cut(cohort, pieces[:3]))["split_coverage"] == "warn"
    twice = [*pieces, pieces[0][:2]]
    assert statuses(cohort, cut(cohort, twice))["split_coverage"] == "fail"


def test_blocks_of_rows_of_names_and_of_sites(cohort, rng):
    pieces = np.array_split(np.arange(N), 5)
    (finding,) = [
        f for f in split_overlap(Study(cohort, Y, cut(cohort, pieces))) if f.check == "split_blocks"
    ]
    assert finding.status == "fail"
    assert "blocks of the rows" in finding.message
    mixed = cohort[rng.permutation(N)]
    y = Y[mixed.phenotype.index.astype(int)]
    assert statuses(mixed, cut(cohort, pieces), y)["split_blocks"] == "fail"  # by name
    by_site = [np.flatnonzero(np.isin(SITE, pair)) for pair in (["A", "B"], ["C", "D"], ["E", "F"])]
    assert statuses(cohort, cut(cohort, by_site))["split_blocks"] == "pass"  # sites left out
    plain = cohort.assign(phenotype=cohort.phenotype[[]])
    assert statuses(plain, cut(cohort, pieces))["split_blocks"] == "fail"
    assert statuses(plain, repeated_stratified(plain, Y, by=()))["split_blocks"] == "pass"


def test_stratified_unshuffled_folds_hold_too_few_sites(cohort):
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(5).split(np.zeros(N), Y)
    splits = cut(cohort, [test for _, test in folds])
    study = Study(cohort, Y, splits)
    (finding,) = [f for f in split_overlap(study) if f.check == "split_blocks"]
    assert finding.status == "fail"
    assert finding.value <= 2.4


def test_expected_sites_by_hand():
    """Two sites of 2 and 1, one is drawn of three: either site is there with 2/3 and 1/3."""
    from brainograph.model_selection.checks.folds import _sites_per_fold

    table = pd.DataFrame({"site": ["A", "A", "B"]}, index=list("abc"))
    people = Cohort(table, pd.DataFrame(index=["r1"]))
    study = Study(people, np.array([0, 1, 1]), cut(people, [[0]]))
    assert _sites_per_fold(study) == pytest.approx((1.0, 1.0))
    study = Study(people, np.array([0, 1, 1]), cut(people, [[0, 1]]))
    assert _sites_per_fold(study) == pytest.approx((1.0, 1 + 2 / 3))


def predictions(cohort, splits, score):
    table = folds_table(splits).query("part == 'test'").drop(columns="part")
    rows = cohort.locate(table["participant_id"])
    return table.assign(y_true=Y[rows], y_score=score[rows])


def test_predictions_have_to_be_those_of_the_folds(cohort, rng):
    splits = repeated_stratified(cohort, Y, n_splits=3)
    table = predictions(cohort, splits, rng.random(N))
    assert statuses(cohort, splits, predictions=table)["predictions"] == "pass"
    for wrong in (
        table.iloc[1:],
        table.assign(y_true=1 - table["y_true"]),
        table.assign(fold=(table["fold"] + 1) % 3),
        pd.concat([table, table.head(1)]),
    ):
        assert statuses(cohort, splits, predictions=wrong)["predictions"] == "fail"


def test_best_epoch_by_hand(cohort, rng):
    splits = repeated_stratified(cohort, Y, n_splits=5)
    table = predictions(cohort, splits, Y.astype(float))  # AUC 1 in every fold
    epochs = np.arange(20)
    best = pd.DataFrame({"epoch": epochs, "auc": np.where(epochs == 7, 1.0, 0.6)})
    history = pd.concat([best.assign(repeat=0, fold=fold) for fold in range(5)])
    (finding,) = best_epoch(Study(cohort, Y, splits, predictions=table, history=history))
    assert finding.status == "fail"
    assert finding.value == 1.0
    better = history.assign(auc=history["auc"] + 0.2 * (history["epoch"] == 3) * 3)
    (finding,) = best_epoch(Study(cohort, Y, splits, predictions=table, history=better))
    assert (finding.status, finding.value) == ("pass", 0.0)
    flat = history.assign(auc=1.0)  # the best of equals says nothing
    (finding,) = best_epoch(Study(cohort, Y, splits, predictions=table, history=flat))
    assert finding.status == "pass"
    (finding,) = best_epoch(Study(cohort, Y, splits, predictions=table))
    assert finding.status == "skipped"
