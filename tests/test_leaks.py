"""The published leaks, one test each: planted in a toy pipeline, refused or flagged; the clean
twin passes.

The toys are functions ``run(cohort, y, splits)``, as a stranger's script would be wrapped. The
data hold no effect unless a test says so: whatever a leaky twin scores is the leak.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.model_selection import audit, audit_predictions, cross_validate, default_controls
from brainograph.model_selection.splits import Split, Splits, repeated_stratified
from brainograph.preprocessing import Edges, Phenotypes

RUN_CHECKS = ["hidden_labels", "isolation", "row_order", "identifiers", "permuted_labels"]


@pytest.fixture(scope="module")
def noise():
    """90 participants of 3 sites whose connectivity says nothing of the diagnosis."""
    return simulate_cohort(n_subjects=90, n_regions=16, effect=0.0, random_state=0)


@pytest.fixture(scope="module")
def y(noise):
    return labels_of(noise)


def labels_of(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


def edges(cohort):
    return Edges().fit_transform(cohort).astype(float)


def ridge(x, y, train, test, alpha=10.0):
    """Scores of a ridge regression with the features scaled by the training rows."""
    deviation = x[train].std(axis=0)
    x = (x - x[train].mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    return Ridge(alpha).fit(x[train], y[train]).predict(x[test])


def each_fold(score):
    """Make a pipeline of a function of one fold."""

    def run(cohort, y, splits):
        return [score(cohort, y, *split.rows(cohort)) for split in splits]

    run.__qualname__ = score.__qualname__
    return run


def audited(run, cohort, y, checks=RUN_CHECKS, **options):
    """Return the status by check; of several findings of a check, the worst."""
    options = {"n_permutations": 12, "progress": False} | options
    findings = audit(run, cohort, y, checks=checks, **options).findings
    rank = findings["status"].map({"skipped": 0, "pass": 1, "warn": 2, "fail": 3})
    worst = findings.assign(rank=rank).sort_values("rank").groupby("check").last()
    return worst["status"].to_dict()


def clean(cohort, y, train, test):
    return ridge(edges(cohort), y, train, test)


def assert_clean(statuses):
    assert {name: status for name, status in statuses.items() if not name.endswith("_p")} == (
        dict.fromkeys((n for n in statuses if not n.endswith("_p")), "pass")
    )


def test_a_clean_pipeline_passes_every_run_of_it(noise, y):
    assert_clean(audited(each_fold(clean), noise, y))


# 1. The best epoch on the test fold (EV-GCN, LG-GNN, FC-HGNN).


def descent(cohort, y, train, judge):
    """Yield the weights of gradient descent, noisy as a network's; ``judge`` picks the epoch."""
    x = edges(cohort)
    x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
    generator = np.random.default_rng(0)
    weights, epochs = np.zeros(x.shape[1]), []
    for _ in range(60):
        batch = generator.choice(np.sort(train), 16)
        error = x[batch] @ weights - (y[batch] - 0.5)
        weights = weights - 0.02 * x[batch].T @ error
        epochs.append(x @ weights)
    values = [np.corrcoef(score[judge], y[judge])[0, 1] for score in epochs]
    return epochs, values


def best_epoch_on_test(cohort, y, train, test):
    epochs, values = descent(cohort, y, train, test)
    return epochs[int(np.argmax(values))][test]


def best_epoch_on_validation(cohort, y, train, test):
    rows = np.sort(train)
    epochs, values = descent(cohort, y, rows[::2], rows[1::2])
    return epochs[int(np.argmax(values))][test]


def test_the_best_epoch_on_the_test_fold_is_flagged(noise, y):
    leaky = audited(each_fold(best_epoch_on_test), noise, y, ["hidden_labels", "permuted_labels"])
    assert leaky["hidden_labels"] == "fail"
    assert leaky["permuted_labels"] == "fail"
    assert_clean(
        audited(each_fold(best_epoch_on_validation), noise, y, ["hidden_labels", "permuted_labels"])
    )


def test_the_best_epoch_shows_in_a_history_of_test_scores(noise, y):
    """Results that were made elsewhere: the reported score is the best of all epochs."""
    splits = repeated_stratified(noise, y, n_splits=10)
    rows, history = {"best": [], "last": []}, []
    for split in splits:
        train, test = split.rows(noise)
        epochs, _ = descent(noise, y, train, test)
        values = [auc(y[test], score[test]) for score in epochs]
        fold = {"repeat": 0, "fold": split.fold}
        history += [fold | {"epoch": i, "auc": value} for i, value in enumerate(values)]
        for which, epoch in (("best", int(np.argmax(values))), ("last", -1)):
            people = {"participant_id": list(split.test), "y_true": y[test]}
            rows[which].append(pd.DataFrame(people | fold | {"y_score": epochs[epoch][test]}))
    for which, passed in (("best", False), ("last", True)):
        found = audit_predictions(
            pd.concat(rows[which]), noise, y, splits=splits, history=pd.DataFrame(history),
            checks=["best_epoch"],
        )  # fmt: skip
        assert found.passed is passed


def auc(y, score):
    return (np.sign(score[y == 1][:, None] - score[y == 0]) / 2 + 0.5).mean()


# 2. Validation rows that are the test rows (Parisot's script, MMGL).


def penalty_chosen_on(which):
    def score(cohort, y, train, test):
        x, rows = edges(cohort), np.sort(train)
        learn, judge = (train, test) if which == "test" else (rows[::2], rows[1::2])
        penalties = 10.0 ** np.arange(-2, 5)
        values = [auc(y[judge], ridge(x, y, learn, judge, a)) for a in penalties]
        return ridge(x, y, learn, test, penalties[int(np.argmax(values))])

    score.__qualname__ = f"penalty_chosen_on_{which}"
    return each_fold(score)


def test_validation_on_the_test_rows_is_flagged(noise, y):
    checks = ["hidden_labels", "permuted_labels"]
    leaky = audited(penalty_chosen_on("test"), noise, y, checks)
    assert leaky["hidden_labels"] == "fail"
    assert_clean(audited(penalty_chosen_on("validation"), noise, y, checks))


def test_validation_on_the_test_rows_shows_in_saved_folds(noise, y):
    rows = []
    for split in repeated_stratified(noise, y, n_splits=3):
        for part, names in (
            ("train", split.train),
            ("validation", split.test),
            ("test", split.test),
        ):
            rows += [(0, split.fold, name, part) for name in names]
    folds = pd.DataFrame(rows, columns=["repeat", "fold", "participant_id", "part"])
    tested = folds[folds["part"] == "test"].drop(columns="part")
    made = tested.assign(y_true=y[noise.locate(tested["participant_id"])], y_score=0.5)
    found = audit_predictions(made, noise, y, splits=folds, checks=["split_overlap"])
    failed = found.findings.query("status == 'fail'")
    assert failed["check"].tolist() == ["split_overlap"]
    assert "in validation and test" in failed["message"].iloc[0]
    honest = folds[folds["part"] != "validation"]
    assert audit_predictions(made, noise, y, splits=honest, checks=["split_overlap"]).passed


def test_ours_refuses_a_split_that_trains_on_the_test_rows():
    with pytest.raises(ValueError, match="trains and tests on"):
        Splits("by hand", (Split(0, 0, ("a", "b"), ("b",)),))


# 3. and 4. Features selected before the split (MMGL), or kept from another fold (MM-GTUNets).


def best_features(x, y, rows, k=10):
    return np.argsort(-f_classif(x[rows], y[rows])[0])[:k]


def selected_before_the_split(cohort, y, splits):
    x = edges(cohort)
    everybody = np.arange(len(y))
    x = x[:, best_features(x, y, everybody)]
    return [ridge(x, y, *split.rows(cohort)) for split in splits]


def selected_in_the_first_fold(cohort, y, splits):
    x = edges(cohort)
    x = x[:, best_features(x, y, splits.splits[0].rows(cohort)[0])]
    return [ridge(x, y, *split.rows(cohort)) for split in splits]


def selected_in_each_fold(cohort, y, train, test):
    x = edges(cohort)
    return ridge(x[:, best_features(x, y, train)], y, train, test)


def test_feature_selection_before_the_split_is_flagged(noise, y):
    checks = ["hidden_labels", "permuted_labels"]
    leaky = audited(selected_before_the_split, noise, y, checks)
    assert leaky == {"hidden_labels": "fail", "permuted_labels": "fail", **p_of(leaky)}
    assert_clean(audited(each_fold(selected_in_each_fold), noise, y, checks))


def test_feature_selection_carried_between_folds_is_flagged(noise, y):
    leaky = audited(selected_in_the_first_fold, noise, y, ["hidden_labels", "permuted_labels"])
    assert leaky == {"hidden_labels": "fail", "permuted_labels": "fail", **p_of(leaky)}


def test_ours_selects_inside_every_fold(noise, y):
    """cross_validate and audit clone the whole pipeline for each fold."""
    model = make_pipeline(Edges(), SelectKBest(k=10), LogisticRegression())
    assert_clean(audited(model, noise, y, ["hidden_labels", "permuted_labels"]))
    results = cross_validate(CountsFits(), noise, y, progress=False)
    assert set(results.predictions["y_score"]) == {0.1}


class CountsFits(ClassifierMixin, BaseEstimator):
    """Says how often it was fitted, in tenths."""

    def fit(self, cohort, y):
        self.fits_ = getattr(self, "fits_", 0) + 1
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, cohort):
        return np.tile([1 - self.fits_ / 10, self.fits_ / 10], (len(cohort), 1))


def p_of(statuses):
    return {name: status for name, status in statuses.items() if name.endswith("_p")}


# 5. Unshuffled folds on rows that are sorted by site (Parisot, EV-GCN).


def sorted_by_site_and_group(cohort):
    """Sort as ABIDE's files are: by site, then by group, and number the participants so."""
    order = np.lexsort((-labels_of(cohort), cohort.phenotype["site"]))
    cohort = cohort[order]
    ids = pd.Index([f"{50000 + i}" for i in range(len(cohort))], name="participant_id")
    return cohort.assign(phenotype=cohort.phenotype.set_axis(ids))


def folds_of(cohort, y, *, shuffle):
    """Folds of scikit-learn, by name."""
    folds = StratifiedKFold(6, shuffle=shuffle, random_state=0 if shuffle else None)
    names = np.array(cohort.participant_ids)
    return Splits(
        "by scikit-learn",
        tuple(
            Split(0, i, tuple(names[train]), tuple(names[test]))
            for i, (train, test) in enumerate(folds.split(names, y))
        ),
    )


def test_unshuffled_folds_on_site_sorted_rows_are_flagged():
    cohort = simulate_cohort(n_subjects=200, n_regions=6, n_sites=10, effect=0.0, random_state=2)
    cohort = sorted_by_site_and_group(cohort)
    y = labels_of(cohort)
    for shuffle, status in ((False, "fail"), (True, "pass")):
        found = audited(
            each_fold(clean),
            cohort,
            y,
            ["split_overlap"],
            splits=folds_of(cohort, y, shuffle=shuffle),
        )
        assert found["split_blocks"] == status
    assert repeated_stratified(cohort, y).hash == repeated_stratified(cohort[::-1], y[::-1]).hash


def test_folds_cut_from_the_file_as_it_is_are_flagged(noise, y):
    names = np.array(noise.participant_ids)
    pieces = np.array_split(np.arange(90), 6)
    folds = [(tuple(np.delete(names, piece)), tuple(names[piece])) for piece in pieces]
    splits = Splits("cut", tuple(Split(0, i, *sides) for i, sides in enumerate(folds)))
    found = audit(
        each_fold(clean), noise, y, splits=splits, checks=["split_overlap"], progress=False
    ).findings.set_index("check")
    assert found.loc["split_blocks", "status"] == "fail"
    assert "blocks of the rows" in found.loc["split_blocks", "message"]


# 6. Phenotypes that are the diagnosis in disguise.


def on_phenotypes(*columns):
    def score(cohort, y, train, test):
        x = cohort.phenotype[list(columns)].fillna(0).to_numpy(float)
        return ridge(np.hstack([edges(cohort), 30 * x]), y, train, test, alpha=1.0)

    score.__qualname__ = f"on_{'_'.join(columns)}"
    return each_fold(score)


def test_label_derived_phenotypes_are_refused_and_flagged(noise, y):
    score = y * 8 + np.random.default_rng(0).normal(0, 1.5, len(y))
    table = noise.phenotype.assign(
        ados_total=np.where(y, score, np.nan), interview=score, tail_length=np.roll(score, 7)
    )
    cohort = noise.assign(phenotype=table)
    with pytest.raises(ValueError, match="'ados_total' looks like a score of autism"):
        Phenotypes(["ados_total"]).fit(cohort)
    for column in ("interview", "ados_total", "diagnosis"):
        assert audited(on_phenotypes(column), cohort, y, ["phenotypes"]) == {"phenotypes": "fail"}
    assert audited(on_phenotypes("tail_length"), cohort, y, ["phenotypes"]) == {
        "phenotypes": "pass"
    }
    assert audited(each_fold(clean), cohort, y, ["phenotypes"]) == {"phenotypes": "pass"}


# 7. The same subject twice.


def test_the_same_subject_twice_is_flagged_and_kept_together_by_group(noise):
    series = [
        *noise.timeseries,
        *noise.timeseries[:5],
        *(x[: len(x) - 2] for x in noise.timeseries[5:9]),
    ]
    fc = np.stack([np.corrcoef(x, rowvar=False) for x in series])
    again = noise.phenotype.iloc[:9].rename(index=lambda name: f"copy-{name}")
    table = pd.concat([noise.phenotype, again])
    cohort = Cohort(table, noise.regions, timeseries=series, connectivity={"fc": fc})
    y = labels_of(cohort)
    findings = audit(each_fold(clean), cohort, y, checks=["duplicates"], progress=False).findings
    assert findings["status"].tolist() == ["fail", "fail"]
    assert findings["message"].str.contains("byte for byte").tolist() == [True, False]
    names = [name.removeprefix("copy-") for name in cohort.participant_ids]
    grouped = cohort.assign(phenotype=table.assign(group=names))
    assert audited(each_fold(clean), grouped, y, ["duplicates"]) == {"duplicates": "pass"}
    apart = repeated_stratified(cohort, y)
    assert audited(each_fold(clean), grouped, y, ["duplicates"], splits=apart) == {
        "duplicates": "fail"
    }
    assert audited(each_fold(clean), noise, labels_of(noise), ["duplicates"]) == {
        "duplicates": "pass"
    }


# 8. The label by row or identifier order (EV-GCN joins i to j for i < j only).


def graph(cohort, position, *, directed):
    """Join participants of one site, to later ones only if ``directed``; degree and mean edges."""
    site = cohort.phenotype["site"].to_numpy()
    joined = (site[:, None] == site) & ~np.eye(len(site), dtype=bool)
    if directed:
        joined &= position[:, None] < position
    degree = joined.sum(axis=1, keepdims=True) / joined.sum(axis=1).mean()
    return np.hstack([edges(cohort), 10 * degree])


def by_row(directed):
    def score(cohort, y, train, test):
        return ridge(graph(cohort, np.arange(len(y)), directed=directed), y, train, test, alpha=1.0)

    score.__qualname__ = f"by_row_{directed}"
    return each_fold(score)


def by_name(cohort, y, train, test):
    position = np.argsort(np.argsort(cohort.participant_ids))
    return ridge(graph(cohort, position, directed=True), y, train, test, alpha=1.0)


def test_a_label_by_row_order_is_flagged(noise):
    cohort = sorted_by_site_and_group(noise)
    y = labels_of(cohort)
    checks = ["row_order", "identifiers", "label_order", "hidden_labels"]
    leaky = audited(by_row(directed=True), cohort, y, checks)
    assert leaky == {
        "row_order": "fail", "identifiers": "pass", "label_order": "warn", "hidden_labels": "pass"
    }  # fmt: skip
    symmetric = audited(by_row(directed=False), cohort, y, checks)
    assert symmetric == leaky | {"row_order": "pass"}
    assert audited(by_row(directed=False), noise, labels_of(noise), ["label_order"]) == {
        "label_order": "pass"
    }


def test_a_label_by_identifier_order_is_flagged(noise):
    cohort = sorted_by_site_and_group(noise)
    leaky = audited(each_fold(by_name), cohort, labels_of(cohort), ["row_order", "identifiers"])
    assert leaky == {"row_order": "pass", "identifiers": "fail"}


# 9. Harmonisation with the labels.


def harmonised(cohort, y, rows, *, keep_diagnosis):
    """Take the sites' means away, of a linear model that may keep the diagnosis, as ComBat does."""
    x = edges(cohort)
    site = pd.get_dummies(cohort.phenotype["site"]).to_numpy(float)
    design = np.column_stack([site, y]) if keep_diagnosis else site
    weights = np.linalg.lstsq(design[rows], x[rows], rcond=None)[0]
    return x - site @ weights[: site.shape[1]]


def harmonised_with_labels(cohort, y, train, test):
    x = harmonised(cohort, y, np.arange(len(y)), keep_diagnosis=True)
    return ridge(x, y, train, test)


def harmonised_on_training_rows(cohort, y, train, test):
    return ridge(harmonised(cohort, y, train, keep_diagnosis=True), y, train, test)


def test_harmonisation_with_labels_is_flagged(noise, y):
    checks = ["hidden_labels", "isolation"]
    leaky = audited(each_fold(harmonised_with_labels), noise, y, checks)
    assert leaky["hidden_labels"] == "fail"
    assert_clean(audited(each_fold(harmonised_on_training_rows), noise, y, checks))


# 10. Scaling on all rows: no label is seen, test participants' data are.


def scaled_on_all_rows(cohort, y, train, test):
    x = edges(cohort)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return Ridge(10.0).fit(x[train], y[train]).predict(x[test])


def test_scaling_on_all_rows_is_flagged_unless_it_is_declared(noise, y):
    checks = ["hidden_labels", "isolation", "permuted_labels"]
    found = audited(each_fold(scaled_on_all_rows), noise, y, checks)
    assert found["isolation"] == "warn"
    assert found["hidden_labels"] == found["permuted_labels"] == "pass"
    declared = audited(each_fold(scaled_on_all_rows), noise, y, checks, regime="transductive")
    assert declared["isolation"] == "pass"


def test_every_control_of_ours_passes_every_run_of_it(noise, y):
    for name, control in default_controls(noise).items():
        found = audited(control, noise, y, ["hidden_labels", "isolation", "row_order"], n_folds=1)
        order = found.pop("row_order")
        assert_clean(found)
        assert order == "pass" or "random_state" in str(control.get_params()), name
