import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from brainograph.datasets import simulate_cohort
from brainograph.estimators import Calibrated, PopulationGraphClassifier
from brainograph.model_selection import (
    Results,
    cross_validate,
    default_controls,
    repeated_stratified,
)
from brainograph.preprocessing import Edges, TangentSpace


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=60, n_regions=8, random_state=2)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


@pytest.fixture(scope="module")
def splits(cohort, y):
    return repeated_stratified(cohort, y, n_splits=3, n_repeats=2)


def linear():
    return make_pipeline(Edges(), LogisticRegression())


class Spy(ClassifierMixin, BaseEstimator):
    """Notes what it is shown."""

    seen: list = []  # noqa: RUF012 - shared by the clones on purpose
    regimes = ("transductive", "inductive")

    def fit(self, cohort, y):
        self.classes_ = np.array([0, 1])
        Spy.seen.append((cohort.participant_ids, y.copy()))
        return self

    def predict_proba(self, cohort):
        return np.full((len(cohort), 2), 0.5)

    def regime(self, cohort):
        return np.full(len(cohort), "transductive")


def test_a_model_never_sees_a_test_label(cohort, y, splits):
    Spy.seen = []
    cross_validate(Spy(), cohort, y, splits=splits, progress=False)
    for split, (ids, labels) in zip(splits, Spy.seen, strict=True):
        assert ids == cohort.participant_ids
        shown = pd.Series(labels, ids)
        assert (shown[list(split.test)] == -1).all()
        assert (shown[list(split.train)] == pd.Series(y, ids)[list(split.train)]).all()


def test_in_the_inductive_regime_it_never_sees_the_participant(cohort, y, splits):
    Spy.seen = []
    cross_validate(Spy(), cohort, y, splits=splits, regimes=("inductive",), progress=False)
    for split, (ids, labels) in zip(splits, Spy.seen, strict=True):
        assert sorted(ids) == sorted(split.train)
        assert -1 not in labels


def test_the_table_has_each_participant_once_a_repeat(cohort, y, splits):
    hidden = y.copy()
    results = cross_validate({"a": linear()}, cohort, hidden, splits=splits, progress=False)
    table = results.predictions
    assert list(table.columns) == [
        "participant_id", "site", "model", "regime", "repeat", "fold", "y_true", "y_score",
    ]  # fmt: skip
    assert len(table) == 120
    assert (table.groupby("repeat")["participant_id"].nunique() == 60).all()
    truth = pd.Series(y, cohort.participant_ids)
    assert (table["y_true"].to_numpy() == truth[table["participant_id"]].to_numpy()).all()
    assert table["y_score"].between(0, 1).all()


def test_unlabelled_participants_are_learnt_from_but_never_tested(cohort, y):
    partly = y.copy()
    partly[:12] = -1
    splits = repeated_stratified(cohort, partly, n_splits=3)
    Spy.seen = []
    results = cross_validate(Spy(), cohort, partly, splits=splits, progress=False)
    assert len(results.predictions) == 48
    assert all(len(ids) == 60 for ids, _ in Spy.seen)


@pytest.mark.parametrize("order", ["shuffled", "reversed"])
def test_row_order_changes_no_prediction(cohort, y, splits, order, rng):
    rows = rng.permutation(60) if order == "shuffled" else np.arange(60)[::-1]
    models = {"gcn": PopulationGraphClassifier(max_epochs=5, n_members=1, device="cpu")}
    straight = cross_validate(models, cohort, y, splits=splits, progress=False)
    shuffled = cross_validate(models, cohort[rows], y[rows], splits=splits, progress=False)
    pd.testing.assert_frame_equal(straight.predictions, shuffled.predictions)


def test_the_numbers_do_not_depend_on_the_number_of_jobs(cohort, y, splits):
    models = {
        "gcn": PopulationGraphClassifier(max_epochs=5, n_members=1, device="cpu"),
        "lr": linear(),
    }
    one = cross_validate(models, cohort, y, splits=splits, progress=False)
    two = cross_validate(models, cohort, y, splits=splits, n_jobs=2, progress=False)
    pd.testing.assert_frame_equal(one.predictions, two.predictions)


class Mortal(ClassifierMixin, BaseEstimator):
    """Fits until its lives are spent."""

    lives = 2
    fits = 0

    def fit(self, cohort, y):
        Mortal.fits += 1
        if Mortal.fits > Mortal.lives:
            raise RuntimeError("killed")
        self.share_ = y.mean()
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, cohort):
        return np.tile([1 - self.share_, self.share_], (len(cohort), 1))


def test_a_killed_run_goes_on_where_it_was(cohort, y, splits, tmp_path):
    Mortal.lives, Mortal.fits = 2, 0
    with pytest.raises(RuntimeError, match="killed") as caught:
        cross_validate({"m": Mortal()}, cohort, y, splits=splits, folder=tmp_path, progress=False)
    assert "while fitting m, repeat 0, fold 2" in caught.value.__notes__[0]
    Mortal.lives = 99
    results = cross_validate(
        {"m": Mortal()}, cohort, y, splits=splits, folder=tmp_path, progress=False
    )
    assert Mortal.fits == 3 + 4
    Mortal.fits = 0
    whole = cross_validate({"m": Mortal()}, cohort, y, splits=splits, progress=False)
    pd.testing.assert_frame_equal(results.predictions, whole.predictions)


def test_a_folder_keeps_the_results_of_one_thing_only(cohort, y, splits, tmp_path):
    def run(model=None, labels=y, folds=splits, data=cohort):
        return cross_validate(
            {"lr": model or linear()}, data, labels, splits=folds, folder=tmp_path, progress=False
        )

    run()
    other = make_pipeline(Edges(), LogisticRegression(C=0.1))
    with pytest.raises(ValueError, match="made with other model lr"):
        run(model=other)
    with pytest.raises(ValueError, match="made with other folds"):
        run(folds=repeated_stratified(cohort, y, n_splits=4))
    with pytest.raises(ValueError, match="made with other labels"):
        run(labels=1 - y)
    with pytest.raises(ValueError, match="made with other data"):
        run(data=cohort.assign(connectivity={"fc": 0.5 * cohort.connectivity["fc"]}))


def test_results_are_saved_and_loaded(cohort, y, splits, tmp_path):
    results = cross_validate(
        {"lr": linear()}, cohort, y, splits=splits, folder=tmp_path, progress=False
    )
    loaded = Results.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.predictions, results.predictions, check_dtype=False)
    assert loaded.splits == splits
    for name in ("metrics.tsv", "participants.tsv", "failures.tsv", "provenance.json"):
        assert (tmp_path / name).is_file()
    assert loaded.provenance["participants"]["analysed"] == 60
    assert loaded.provenance["data"]["sha256"] == cohort.fingerprint()
    with pytest.raises(FileNotFoundError, match="brainograph crossval CONFIG"):
        Results.load(tmp_path / "elsewhere")


def test_controls_cover_what_the_cohort_has(cohort, y, splits):
    model = PopulationGraphClassifier(max_epochs=5, n_members=1, device="cpu")
    controls = default_controls(cohort, model)
    controls["mean_mlp"].set_params(training__max_epochs=5)
    results = cross_validate({"gcn": model, **controls}, cohort, y, splits=splits, progress=False)
    scores = results.scores(n_bootstrap=20).set_index(["model", "regime", "metric"])["value"]
    assert scores["majority", "inductive", "auc_folds"] == 0.5
    assert scores["edges_logistic", "inductive", "auc"] > 0.75
    assert scores["no_edges", "inductive", "auc"] > 0.7
    bare = cohort.assign(phenotype=cohort.phenotype[["age"]].assign(age=np.nan))
    with pytest.warns(UserWarning, match="No control phenotype"):
        assert "phenotype" not in default_controls(bare)


def test_splits_that_name_somebody_without_a_label_are_refused(cohort, y, splits):
    partly = np.where(np.arange(60) == 7, -1, y)
    with pytest.raises(ValueError, match=f"1 participants .*{cohort.participant_ids[7]}"):
        cross_validate(linear(), cohort, partly, splits=splits, progress=False)


def test_what_was_warned_of_is_kept_for_a_resumed_run(cohort, y, splits, tmp_path):
    lonely = cohort.assign(phenotype=cohort.phenotype.assign(site=np.arange(60).astype(str)))
    model = PopulationGraphClassifier(
        max_epochs=2, n_members=1, categorical=("site",), continuous={}, device="cpu"
    )
    first, second = (
        cross_validate(model, lonely, y, splits=splits, folder=tmp_path, progress=False).provenance
        for _ in range(2)
    )
    assert first["notes"]
    assert second["notes"] == first["notes"]
    assert second["fit_time_s"] == first["fit_time_s"] > 0


def test_a_cache_elsewhere_is_not_another_model(cohort, y, splits, tmp_path):
    for memory in ("here", "there"):
        model = make_pipeline(TangentSpace(memory=str(tmp_path / memory)), LogisticRegression())
        cross_validate(model, cohort, y, splits=splits, folder=tmp_path / "r", progress=False)


def test_isolated_participants_are_said_in_the_provenance(cohort, y, splits):
    lonely = cohort.assign(phenotype=cohort.phenotype.assign(site=np.arange(60).astype(str)))
    model = PopulationGraphClassifier(
        max_epochs=2, n_members=1, categorical=("site",), continuous={}, device="cpu"
    )
    results = cross_validate({"gcn": model}, lonely, y, splits=splits, progress=False)
    (note,) = [text for text in results.provenance["notes"] if "no phenotype" in text]
    assert "60 of 60 participants" in note
    assert results.provenance["notes"][note] == 6


def test_mistakes_are_explained(cohort, y, splits):
    with pytest.raises(ValueError, match=r"must be 0 and 1.*got \[1, 2, 3\]"):
        cross_validate(linear(), cohort, np.arange(60) % 3 + 1, splits=splits)
    with pytest.raises(ValueError, match="regimes must be one or more of"):
        cross_validate(linear(), cohort, y, splits=splits, regimes=("transduction",))
    with pytest.raises(ValueError, match=r"y has shape \(5,\)"):
        cross_validate(linear(), cohort, y[:5], splits=splits)


class AsksOthers(Edges):
    """Centres on the participants that it is asked about."""

    transductive = True

    def transform(self, cohort):
        values = super().transform(cohort)
        return values - values.mean(axis=0)


def test_each_participant_can_be_predicted_alone(cohort, y, splits):
    models = {"gcn": PopulationGraphClassifier(max_epochs=5, n_members=1, device="cpu")}
    regimes = ("inductive", "single_query")
    table = cross_validate(
        models, cohort, y, splits=splits, regimes=regimes, progress=False
    ).predictions
    among, alone = (table[table["regime"] == regime]["y_score"].to_numpy() for regime in regimes)
    np.testing.assert_allclose(among, alone, atol=1e-6)


def test_a_step_that_learns_from_others_is_transductive_unless_alone(cohort, y, splits):
    model = make_pipeline(AsksOthers(), LogisticRegression())
    regimes = ("inductive", "single_query")
    table = cross_validate(
        model, cohort, y, splits=splits, regimes=regimes, progress=False
    ).predictions
    assert table["regime"].unique().tolist() == ["single_query", "transductive"]
    alone = table[table["regime"] == "single_query"]
    assert alone.groupby(["repeat", "fold"])["y_score"].nunique().max() == 1


def test_the_threshold_is_chosen_on_training_participants(cohort, y, splits):
    def thresholds(labels):
        table = cross_validate(
            linear(), cohort, labels, splits=splits, threshold="tuned", progress=False
        ).predictions
        return table.groupby(["repeat", "fold"])["threshold"].unique()

    chosen = thresholds(y)
    assert (chosen.map(len) == 1).all()
    assert chosen.explode().nunique() > 1
    turned = y.copy()
    first = next(iter(splits))
    rows = cohort.locate(first.test)
    turned[rows] = 1 - turned[rows]
    assert thresholds(turned)[0, 0] == chosen[0, 0]  # its test labels are unknown to it


def test_networks_leave_their_training_curves(cohort, y, splits, tmp_path):
    network = PopulationGraphClassifier(max_epochs=3, n_members=2, device="cpu")
    linear = make_pipeline(Edges(), LogisticRegression(max_iter=500))
    models = {"gcn": Calibrated(network), "linear": linear}
    given = {"splits": splits, "regimes": ("inductive",), "progress": False}
    made = cross_validate(models, cohort, y, folder=tmp_path / "r", **given)
    table = Results.load(tmp_path / "r").histories
    assert set(table["model"]) == {"gcn"}
    assert len(table) == len(splits) * 2 * table["epoch"].nunique()
    assert {"loss", "validation", "member"} <= set(table)
    pd.testing.assert_frame_equal(table, made.histories, check_dtype=False)
    assert np.isfinite(table[["loss", "validation"]].to_numpy(float)).all()
