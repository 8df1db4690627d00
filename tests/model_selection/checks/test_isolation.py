import numpy as np
import pytest

from brainograph.datasets import simulate_cohort
from brainograph.model_selection.checks.isolation import hidden_labels, isolation
from brainograph.model_selection.checks.study import Study
from brainograph.model_selection.splits import repeated_stratified


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=60, n_regions=6, random_state=0)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


def study(cohort, y, run, **options):
    splits = repeated_stratified(cohort, y, n_splits=3)
    return Study(cohort, y, splits, run, progress=False, **options)


def test_a_label_in_the_phenotype_table_is_turned_round_too(cohort, y):
    def run(cohort, y, splits):
        return [cohort.phenotype["diagnosis"].to_numpy()[s.rows(cohort)[1]] for s in splits]

    (finding,) = hidden_labels(study(cohort, y, run))
    assert (finding.status, finding.value) == ("fail", 1.0)


def test_an_unseeded_pipeline_is_judged_by_its_auc(cohort, y):
    def leaky(cohort, y, splits):
        noise = np.random.default_rng().normal(0, 0.5, len(y))
        return [(y + noise)[s.rows(cohort)[1]] for s in splits]

    def clean(cohort, y, splits):
        return [np.random.default_rng().random(len(s.test)) for s in splits]

    (finding,) = hidden_labels(study(cohort, y, leaky))
    assert finding.status == "fail"
    (finding,) = hidden_labels(study(cohort, y, clean))
    assert finding.status == "warn"
    assert "Set a seed" in finding.message


def test_isolation_sees_means_over_all_rows_and_not_over_training_rows(cohort, y):
    def centred_on(which):
        def run(cohort, y, splits):
            x, found = cohort.measures["thickness"].mean(axis=1), []
            for split in splits:
                train, test = split.rows(cohort)
                found.append(x[test] - x[train if which == "train" else slice(None)].mean())
            return found

        return run

    (finding,) = isolation(study(cohort, y, centred_on("all")))
    assert finding.status == "warn"
    assert "regime='transductive'" in finding.message
    (finding,) = isolation(study(cohort, y, centred_on("all"), regime="transductive"))
    assert finding.status == "pass"
    (finding,) = isolation(study(cohort, y, centred_on("train")))
    assert (finding.status, finding.value) == ("pass", 0.0)
