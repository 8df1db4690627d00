import numpy as np
import pytest
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from brainograph.datasets import simulate_cohort
from brainograph.estimators import (
    DeepFeatures,
    PopulationGraphClassifier,
    SubjectGraphClassifier,
    Training,
    TransductiveClassifier,
)
from brainograph.model_selection import cross_validate, leave_one_site_out
from brainograph.nn.augment import WindowCrop
from brainograph.preprocessing import (
    MIDA,
    BlockScaler,
    ComBat,
    Edges,
    Harmonized,
    Phenotypes,
    RidgeRFE,
    SiteCentering,
    TangentSpace,
)

HARMONIZERS = {
    "centering": SiteCentering(),
    "combat": ComBat(),
    "unlabelled": ComBat("unlabelled"),
    "mida": MIDA(20),
    "rbf": MIDA(20, kernel="rbf"),
}


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=90, n_regions=10, site_effect=1.0, random_state=1)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


def model_of(harmonizer, classifier=None):
    features = make_pipeline(Harmonized(Edges(), harmonizer), BlockScaler())
    return TransductiveClassifier(features, classifier or LogisticRegression(C=10, max_iter=1000))


def test_features_see_everyone_and_the_classifier_the_labelled(cohort, y):
    visible = np.where(np.arange(90) < 30, -1, y)
    model = TransductiveClassifier(make_pipeline(Edges(), StandardScaler()), LogisticRegression())
    model.fit(cohort, visible)
    x = Edges().fit_transform(cohort)
    scaler = StandardScaler().fit(x)
    assert np.allclose(model.features_[-1].mean_, scaler.mean_)
    expected = LogisticRegression().fit(scaler.transform(x[30:]), y[30:])
    got = model.predict_proba(cohort)
    assert np.allclose(got, expected.predict_proba(scaler.transform(x)), atol=1e-3)
    assert np.array_equal(model.predict(cohort), got.argmax(axis=1))


def test_regimes(cohort, y):
    visible = np.where(np.arange(90) < 10, -1, y)
    model = model_of(MIDA(5)).fit(cohort[:60], visible[:60])
    assert model.regimes == ("transductive", "inductive")
    assert model.regime(cohort[[70, 3, 40]]).tolist() == ["inductive", "transductive", "training"]


@pytest.mark.parametrize("harmonizer", HARMONIZERS.values(), ids=HARMONIZERS)
def test_hidden_labels_change_no_bit(cohort, y, harmonizer):
    hidden = np.arange(90) % 3 == 0
    predictions = []
    for truth in (y, 1 - y):
        table = cohort.phenotype.assign(diagnosis=np.where(hidden, truth, y))
        known = cohort.assign(phenotype=table)
        model = model_of(harmonizer).fit(known, np.where(hidden, -1, y))
        predictions.append(model.predict_proba(known))
    assert np.array_equal(predictions[0], predictions[1])


@pytest.mark.parametrize("harmonizer", HARMONIZERS.values(), ids=HARMONIZERS)
def test_a_new_participant_is_predicted_alone_at_a_new_site_too(cohort, y, harmonizer):
    last = (cohort.phenotype["site"] == cohort.phenotype["site"].max()).to_numpy()
    model = model_of(harmonizer).fit(cohort[~last], y[~last])
    together = model.predict_proba(cohort[last])
    rows = np.flatnonzero(last)
    alone = np.concatenate([model.predict_proba(cohort[[row]]) for row in rows])
    assert np.array_equal(together, alone)


def test_left_out_sites_are_seen_without_labels(cohort, y):
    models = {name: model_of(HARMONIZERS[name]) for name in ("combat", "mida")}
    splits = leave_one_site_out(cohort, y)
    results = cross_validate(
        models, cohort, y, splits=splits, regimes=("transductive", "inductive"), progress=False
    )
    for _, table in results.predictions.groupby(["model", "regime"]):
        assert roc_auc_score(table["y_true"], table["y_score"]) > 0.7
    assert set(results.predictions["regime"]) == {"transductive", "inductive"}


def test_the_published_method_with_phenotypes(cohort, y):
    """Tangent space, MIDA, phenotypes beside it, ridge (Kunda et al. 2022)."""
    imaging = make_pipeline(Harmonized(TangentSpace(), MIDA(30), covariates=()), BlockScaler())
    phenotypes = make_pipeline(Phenotypes(["age", "sex"]), BlockScaler())
    model = TransductiveClassifier(
        FeatureUnion([("imaging", imaging), ("phenotypes", phenotypes)]), RidgeClassifier()
    )
    visible = np.where(np.arange(90) % 3 == 0, -1, y)
    proba = model.fit(cohort, visible).predict_proba(cohort)
    assert np.allclose(proba.sum(axis=1), 1)
    decision = model.classifier_.decision_function(model.features_.transform(cohort))
    assert np.allclose(proba[:, 1], 1 / (1 + np.exp(-decision)))
    assert roc_auc_score(y[::3], proba[::3, 1]) > 0.75


def test_three_classes(cohort, y):
    labels = np.where(cohort.phenotype["sex"].isna(), 2, y)
    for classifier in (RidgeClassifier(), SVC(), LogisticRegression()):
        proba = model_of(SiteCentering(), classifier).fit(cohort, labels).predict_proba(cohort)
        assert proba.shape == (90, 3)
        assert np.allclose(proba.sum(axis=1), 1)


@pytest.mark.parametrize("harmonizer", HARMONIZERS.values(), ids=HARMONIZERS)
def test_saved_and_loaded(cohort, y, harmonizer, tmp_path):
    visible = np.where(np.arange(90) < 10, -1, y)
    model = model_of(harmonizer).fit(cohort[:60], visible[:60])
    loaded = TransductiveClassifier.load(model.save(tmp_path / "model"))
    assert np.allclose(loaded.predict_proba(cohort), model.predict_proba(cohort), atol=1e-9)
    assert loaded.regime(cohort).tolist() == model.regime(cohort).tolist()
    assert repr(loaded.get_params()) == repr(model.get_params())
    assert "diagnosis" not in (tmp_path / "model" / "participants.tsv").read_text()
    with pytest.raises(ValueError, match="holds a TransductiveClassifier, not a Population"):
        PopulationGraphClassifier.load(tmp_path / "model")


@pytest.mark.parametrize("step", [RidgeRFE(5), SelectKBest(k=5)], ids=["rfe", "anova"])
def test_a_step_that_needs_labels_is_refused(cohort, y, step):
    for features in (
        make_pipeline(Edges(), step),
        make_pipeline(Harmonized(make_pipeline(Edges(), step), MIDA(3)), BlockScaler()),
        FeatureUnion([("all", Edges()), ("some", make_pipeline(Edges(), step))]),
    ):
        model = TransductiveClassifier(features, LogisticRegression())
        with pytest.raises(ValueError, match="get no label, but a step needs them"):
            model.fit(cohort, y)


def test_a_covariate_that_is_the_label_is_refused(cohort, y):
    known = cohort.assign(phenotype=cohort.phenotype.assign(q17=y))
    features = make_pipeline(Harmonized(Edges(), ComBat(), covariates=["age", "q17"]))
    visible = np.where(np.arange(90) < 20, -1, y)
    with pytest.raises(ValueError, match="'q17' tells the label of all 70 labelled participants"):
        TransductiveClassifier(features, LogisticRegression()).fit(known, visible)


def deep(target):
    training = Training(max_epochs=1, validation_fraction=0.0)
    settings = {"training": training, "augmentation": WindowCrop(), "device": "cpu"}
    return DeepFeatures(SubjectGraphClassifier("MeanMLP", **settings), target=target)


@pytest.mark.parametrize("target", ["nothing", "sex"])
def test_a_network_may_learn_from_everyone_what_is_no_label(cohort, y, target, tmp_path):
    visible = np.where(np.arange(90) < 30, -1, y)
    model = TransductiveClassifier(deep(target), LogisticRegression()).fit(
        cohort[:60], visible[:60]
    )
    seen = model.features_.estimator_.participant_ids_
    assert set(cohort[:30].participant_ids) & set(seen)
    assert model.predict_proba(cohort).shape == (90, 2)
    with pytest.raises(ValueError, match=r"a network inside of features .* cannot be saved"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [("y", 'target="y" needs labels and there are none'), ("diagnosis", "'diagnosis' tells the")],
)
def test_a_network_that_learns_the_label_is_refused(cohort, y, target, message):
    model = TransductiveClassifier(deep(target), LogisticRegression())
    with pytest.raises(ValueError, match=message):
        model.fit(cohort, y)


def test_somebody_else_under_a_fitted_id_is_refused(cohort, y):
    model = model_of(MIDA(10)).fit(cohort, y)
    other = cohort.assign(connectivity={"fc": np.asarray(cohort.connectivity["fc"])[::-1]})
    with pytest.raises(
        ValueError, match="participants have the id of a fitted participant and oth"
    ):
        model.predict_proba(other)


def test_other_regions_are_refused(cohort, y):
    model = model_of(MIDA(10)).fit(cohort, y)
    other = simulate_cohort(n_subjects=5, n_regions=8)
    with pytest.raises(
        ValueError, match="the regions are not those of the fit: 8 given, 10 needed"
    ):
        model.predict_proba(other)


def test_labels_of_one_class(cohort, y):
    with pytest.raises(ValueError, match="have one class or none"):
        model_of(MIDA(10)).fit(cohort, np.zeros(90, dtype=int))
