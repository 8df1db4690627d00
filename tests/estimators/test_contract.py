"""What every estimator owes its users, over everything ``brainograph.estimators`` exports."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import brainograph.estimators as estimators
from brainograph.datasets import simulate_cohort
from brainograph.model_selection import cross_validate, leave_one_site_out, repeated_stratified
from brainograph.preprocessing import MIDA, BlockScaler, Edges, Harmonized, Phenotypes

FAST = {"max_epochs": 40, "patience": 10, "lr": 0.02, "n_members": 1, "device": "cpu"}
QUICK = estimators.Training(lr=0.02, max_epochs=20, patience=8)
SMALL = {"params": {"hidden_channels": 32, "dropout": 0.2}, "training": QUICK, "device": "cpu"}
REGRESSORS = {"SubjectGraphRegressor": estimators.SubjectGraphRegressor("MeanMLP", **SMALL)}
TABLE = {
    "SubjectGraphClassifier": estimators.SubjectGraphClassifier("MeanMLP", **SMALL),
    "LateFusionClassifier": estimators.LateFusionClassifier(
        [
            ("edges", make_pipeline(Edges(), StandardScaler(), LogisticRegression(C=0.01))),
            ("age", make_pipeline(Phenotypes(["age"]), LogisticRegression())),
        ],
        n_splits=3,
    ),
    "MultipleKernelClassifier": estimators.MultipleKernelClassifier(
        [("edges", Edges()), ("age", Phenotypes(["age"]))], weights="alignment"
    ),
    "PopulationGraphClassifier": estimators.PopulationGraphClassifier(**FAST),
    "PopulationNetworkClassifier": estimators.PopulationNetworkClassifier(
        "MMGNN",
        params={"modalities": ("connectivity/fc", "measures/thickness"), "channels": 16},
        training=estimators.Training(lr=0.02, max_epochs=20, patience=8),
        device="cpu",
    ),
    "TransductiveClassifier": estimators.TransductiveClassifier(
        make_pipeline(Harmonized(Edges(), MIDA(30)), BlockScaler()), LogisticRegression()
    ),
}


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=90, n_regions=12, random_state=1)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


@pytest.fixture(params=sorted(TABLE))
def estimator(request):
    return clone(TABLE[request.param])


def test_the_table_is_complete():
    exported = {name for name in estimators.__all__ if name.endswith(("Classifier", "Regressor"))}
    assert exported == {*TABLE, *REGRESSORS}


def test_clone_keeps_every_parameter(estimator):
    copy = clone(estimator)
    assert repr(copy.get_params()) == repr(estimator.get_params())
    assert copy is not estimator


def test_fit_leaves_the_cohort_untouched(estimator, cohort, y):
    before, labels = cohort.fingerprint(), y.copy()
    estimator.fit(cohort, y)
    assert cohort.fingerprint() == before
    assert np.array_equal(y, labels)


def test_hidden_labels_change_no_prediction_bit_for_bit(estimator, cohort, y):
    """Whatever the true labels of hidden rows are, the same bits come out."""
    hidden = np.arange(len(y)) % 4 == 0
    predictions = []
    for truth in (y, 1 - y, np.roll(y, 3)):
        everything = np.where(hidden, truth, y)
        visible = np.where(hidden, -1, everything)
        table = cohort.phenotype.assign(diagnosis=everything)
        model = clone(estimator).fit(cohort.assign(phenotype=table), visible)
        predictions.append(model.predict_proba(cohort))
    assert np.array_equal(predictions[0], predictions[1])
    assert np.array_equal(predictions[0], predictions[2])


def test_the_same_seed_gives_the_same_numbers(estimator, cohort, y):
    first = clone(estimator).fit(cohort, y).predict_proba(cohort)
    torch.rand(5)
    second = clone(estimator).fit(cohort, y).predict_proba(cohort)
    assert np.array_equal(first, second)
    if "random_state" in estimator.get_params():
        other = clone(estimator).set_params(random_state=7).fit(cohort, y).predict_proba(cohort)
        assert not np.array_equal(first, other)


def test_row_order_changes_no_prediction(estimator, cohort, y, rng):
    visible = np.where(np.arange(len(y)) % 3 == 0, -1, y)
    order = rng.permutation(len(y))
    straight = clone(estimator).fit(cohort, visible).predict_proba(cohort)
    shuffled = clone(estimator).fit(cohort[order], visible[order]).predict_proba(cohort)
    assert np.array_equal(straight, shuffled)


def test_identifiers_carry_nothing(estimator, y):
    """Ids numbered by diagnosis within site, as ABIDE's are, give chance on noise."""
    noise = simulate_cohort(n_subjects=90, n_regions=8, effect=0.0, random_state=5)
    order = np.lexsort((noise.phenotype["diagnosis"], noise.phenotype["site"]))
    noise = noise[order]
    ids = pd.Index([f"{i:04d}" for i in range(len(noise))], name="participant_id")
    noise = noise.assign(phenotype=noise.phenotype.set_axis(ids))
    labels = noise.phenotype["diagnosis"].to_numpy().astype(int)
    results = cross_validate(
        estimator, noise, labels, splits=repeated_stratified(noise, labels, n_splits=5, by=()),
        progress=False,
    )  # fmt: skip
    assert abs(pooled_auc(results) - 0.5) < 0.17


def test_an_inductive_prediction_does_not_depend_on_other_new_participants(estimator, cohort, y):
    model = estimator.fit(cohort[:60], y[:60])
    together = model.predict_proba(cohort[60:])
    alone = np.concatenate([model.predict_proba(cohort[i]) for i in range(60, len(cohort))])
    assert np.allclose(together, alone, atol=1e-6)
    assert set(model.regime(cohort[60:])) == {"inductive"}


def test_new_participants_change_no_fitted_prediction(estimator, cohort, y):
    model = estimator.fit(cohort[:60], y[:60])
    before = model.predict_proba(cohort[:60])
    mixed = model.predict_proba(cohort[30:])
    assert np.allclose(mixed[:30], before[30:], rtol=0, atol=1e-7)


def test_the_planted_effect_is_recovered(estimator, cohort, y):
    regimes = getattr(estimator, "regimes", ("inductive",))
    results = cross_validate(
        estimator,
        cohort,
        y,
        splits=repeated_stratified(cohort, y, n_splits=3),
        regimes=regimes,
        progress=False,
    )
    for _, table in results.predictions.groupby("regime"):
        assert roc_auc_score(table["y_true"], table["y_score"]) > 0.8
    assert set(results.predictions["regime"]) == set(regimes)


def test_permuted_labels_give_chance_through_the_whole_cross_validation(estimator, cohort, y):
    aucs = []
    for seed in range(4):
        permuted = np.random.default_rng(seed).permutation(y)
        splits = repeated_stratified(cohort, permuted, n_splits=3)
        results = cross_validate(estimator, cohort, permuted, splits=splits, progress=False)
        aucs.append(pooled_auc(results))
    assert abs(np.mean(aucs) - 0.5) < 0.12


def test_a_pure_site_effect_gives_chance_when_sites_are_left_out(estimator):
    cohort = simulate_cohort(
        n_subjects=120, n_regions=10, effect=0.0, site_effect=3.0, n_sites=4,
        prevalence=[0.85, 0.15, 0.85, 0.15], random_state=3,
    )  # fmt: skip
    y = cohort.phenotype["diagnosis"].to_numpy().astype(int)
    if "features" in estimator.get_params():  # nothing that takes the site away
        estimator.set_params(features=make_pipeline(Edges(), StandardScaler()))
    pooled = cross_validate(
        estimator, cohort, y, splits=repeated_stratified(cohort, y, n_splits=4), progress=False
    )
    held_out = cross_validate(
        estimator, cohort, y, splits=leave_one_site_out(cohort, y), progress=False
    )
    within = [
        roc_auc_score(table["y_true"], table["y_score"])
        for _, table in held_out.predictions.groupby("site")
    ]
    assert pooled_auc(pooled) > 0.7
    assert abs(np.mean(within) - 0.5) < 0.15


def test_save_and_load_predict_the_same(estimator, cohort, y, tmp_path):
    visible = np.where(np.arange(len(y)) < 10, -1, y)
    model = estimator.fit(cohort[:70], visible[:70])
    where = {"device": "cpu"} if "device" in model.get_params() else {}
    loaded = type(model).load(model.save(tmp_path / "model"), **where)
    assert np.allclose(loaded.predict_proba(cohort), model.predict_proba(cohort), atol=1e-7)
    assert np.array_equal(loaded.predict(cohort), model.predict(cohort))
    assert loaded.classes_.tolist() == [0, 1]


def test_it_goes_through_scikit_learn(estimator, cohort, y):
    scores = cross_val_predict(
        estimator, cohort, y, cv=StratifiedKFold(3, shuffle=True, random_state=0),
        method="predict_proba",
    )  # fmt: skip
    assert roc_auc_score(y, scores[:, 1]) > 0.8


def test_cpu_and_gpu_agree(estimator, cohort, y):
    if not torch.cuda.is_available() or "device" not in estimator.get_params():
        pytest.skip("no GPU")
    still = {"dropout": 0.0}
    if hasattr(estimator, "params"):
        still = {"params": {**(estimator.params or {}), **still}}
    quiet = estimator.set_params(**still)
    on_cpu = clone(quiet).fit(cohort, y).predict_proba(cohort)
    on_gpu = clone(quiet).set_params(device="cuda").fit(cohort, y).predict_proba(cohort)
    assert np.allclose(on_cpu, on_gpu, atol=1e-3)


@pytest.fixture(params=sorted(REGRESSORS))
def regressor(request):
    return clone(REGRESSORS[request.param])


@pytest.fixture(scope="module")
def age(cohort):
    return cohort.phenotype["age"].fillna(40.0).to_numpy()


def test_hidden_targets_change_no_predicted_number_bit_for_bit(regressor, cohort, age):
    hidden = np.arange(len(age)) % 4 == 0
    predictions = []
    for truth in (age, -age):
        table = cohort.phenotype.assign(age=np.where(hidden, truth, age))
        model = clone(regressor).fit(
            cohort.assign(phenotype=table), np.where(hidden, np.nan, table["age"])
        )
        predictions.append(model.predict(cohort))
    assert np.array_equal(*predictions)


def test_row_order_and_seed_of_a_regressor(regressor, cohort, age, rng):
    order = rng.permutation(len(age))
    straight = clone(regressor).fit(cohort, age).predict(cohort)
    shuffled = clone(regressor).fit(cohort[order], age[order]).predict(cohort)
    other = clone(regressor).set_params(random_state=7).fit(cohort, age).predict(cohort)
    assert np.array_equal(straight, shuffled)
    assert not np.array_equal(straight, other)


def test_a_regressor_is_saved(regressor, cohort, age, tmp_path):
    model = regressor.fit(cohort, age)
    loaded = type(model).load(model.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict(cohort), model.predict(cohort))


def pooled_auc(results):
    table = results.predictions
    return roc_auc_score(table["y_true"], table["y_score"])
