import numpy as np
import pandas as pd
import pytest

from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationGraphClassifier
from brainograph.model_selection import (
    Audit,
    audit,
    audit_predictions,
    cross_validate,
    repeated_stratified,
)

FAST = {"max_epochs": 10, "patience": 5, "n_members": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=90, n_regions=12, random_state=1)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


@pytest.fixture(scope="module")
def found(cohort, y):
    return audit(
        PopulationGraphClassifier(**FAST), cohort, y, n_permutations=3, n_folds=2, progress=False
    )


def status(audited):
    return dict(zip(audited.findings["check"], audited.findings["status"], strict=True))


def test_ours_passes_every_check(found):
    few = {"permuted_labels_p", "permuted_within_site_p"}  # 3 permutations say nothing
    assert {check for check, value in status(found).items() if value != "pass"} <= few
    assert found.passed
    assert "bit for bit" in found.findings.set_index("check").loc["hidden_labels", "message"]
    rows = found.findings.set_index("check").loc["row_order"]
    assert rows["value"] == 0


def test_every_finding_has_its_columns_and_a_sentence(found):
    assert found.findings.columns.tolist() == ["check", "status", "value", "expected", "message"]
    assert found.findings["status"].isin(["pass", "warn", "fail", "skipped"]).all()
    assert found.findings["message"].str.endswith(".").all()


def test_saved_and_loaded_it_is_the_same(found, tmp_path):
    assert found.save(tmp_path) == tmp_path / "audit.tsv"
    pd.testing.assert_frame_equal(Audit.load(tmp_path).findings, found.findings)
    with pytest.raises(FileNotFoundError, match="brainograph audit CONFIG"):
        Audit.load(tmp_path / "elsewhere")


def test_one_failure_fails_the_audit(found):
    assert not Audit(found.findings.assign(status="fail")).passed
    assert Audit(found.findings.assign(status="warn")).passed


def test_predictions_of_a_model_are_used_for_the_confounds(cohort, y):
    model = PopulationGraphClassifier(**FAST)
    splits = repeated_stratified(cohort, y, n_splits=3)
    results = cross_validate(model, cohort, y, splits=splits, progress=False)
    options = {"splits": splits, "checks": ["confounds"], "progress": False}
    run = audit(model, cohort, y, n_folds=3, **options)
    given = audit(model, cohort, y, predictions=results.predictions, **options)
    pd.testing.assert_frame_equal(run.findings, given.findings)
    alone = audit_predictions(results.predictions, cohort, y, splits=splits)
    assert alone.passed
    assert {"predictions", "duplicates", "confounds_beyond"} <= set(status(alone))


def test_a_run_that_was_interrupted_goes_on(cohort, y, tmp_path):
    calls = []

    def run(cohort, y, splits):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return [cohort.measures["thickness"][s.rows(cohort)[1]].mean(axis=1) for s in splits]

    options = {
        "checks": ["permuted_labels"],
        "n_permutations": 6,
        "folder": tmp_path,
        "progress": False,
    }
    with pytest.raises(KeyboardInterrupt):
        audit(run, cohort, y, **options)
    first = audit(run, cohort, y, **options)
    assert len(calls) == 4 + 3 + 1  # three were kept; three more and the labels as they are
    again = audit(run, cohort, y, **options)
    assert len(calls) == 8
    pd.testing.assert_frame_equal(first.findings, again.findings)


def test_what_cannot_be_audited_is_refused(cohort, y):
    model = PopulationGraphClassifier(**FAST)
    with pytest.raises(ValueError, match="checks must be a list of some of"):
        audit(model, cohort, y, checks=["leaks"])
    with pytest.raises(ValueError, match="checks must be a list of some of"):
        audit(model, cohort, y, checks="row_order")
    with pytest.raises(ValueError, match="n_folds must be at least 1, got 0"):
        audit(model, cohort, y, n_folds=0)
    with pytest.raises(ValueError, match="an estimator or a function"):
        audit("model", cohort, y)
    with pytest.raises(ValueError, match=r"needs the labels 0 and 1 .* got \[0, 1, 2\]"):
        audit(model, cohort, np.arange(90) % 3)
    with pytest.raises(ValueError, match="y has shape"):
        audit(model, cohort, y[:5])
    splits = repeated_stratified(cohort, y, n_splits=3)
    with pytest.raises(ValueError, match=r"4 participants of the folds have no label"):
        audit(model, cohort, np.where(np.arange(90) < 4, -1, y), splits=splits)
    with pytest.raises(ValueError, match="are not in the cohort"):
        audit(model, cohort[:50], y[:50], splits=splits)
    with pytest.raises(ValueError, match=r"predictions lack the columns \['fold', 'y_score'\]"):
        table = pd.DataFrame(columns=["participant_id", "repeat", "y_true"])
        audit_predictions(table, cohort, y, splits=splits)
