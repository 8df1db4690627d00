import json
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_regressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the next import work
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationGraphClassifier
from brainograph.model_selection import Results, SearchCV, cross_validate, repeated_stratified
from brainograph.preprocessing import Edges

SPACE = {"logisticregression.C": [1e-6, 1e-2, 1.0]}


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=60, n_regions=8, random_state=2)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


@pytest.fixture(scope="module")
def splits(cohort, y):
    return repeated_stratified(cohort, y, n_splits=3)


def linear():
    return make_pipeline(Edges(), LogisticRegression(max_iter=1000))


def network(**settings):
    tiny = {"num_layers": 0, "optimizer": "lbfgs", "max_epochs": 2, "n_members": 1}
    return PopulationGraphClassifier(
        **{**tiny, "validation_fraction": 0, "device": "cpu"}, **settings
    )


class Spy(ClassifierMixin, BaseEstimator):
    """Says of each participant what its parameter tells it to, and notes what it is shown."""

    fits: list = []  # noqa: RUF012 - shared by the clones on purpose

    def __init__(self, regimes=("transductive", "inductive"), quality=0.0):
        self.regimes = regimes
        self.quality = quality

    def fit(self, cohort, y):
        Spy.fits.append((self.quality, pd.Series(y.copy(), cohort.participant_ids)))
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, cohort):
        truth = cohort.phenotype["diagnosis"].to_numpy()
        noise = np.array([hash_of(name) for name in cohort.participant_ids])
        score = self.quality * truth + (1 - self.quality) * noise
        return np.column_stack([1 - score, score])

    def predict(self, cohort):
        return (self.predict_proba(cohort)[:, 1] > 0.5).astype(int)

    def regime(self, cohort):
        return np.full(len(cohort), "transductive")


def hash_of(name):
    return np.random.default_rng(list(name.encode())).random()


class TestChoice:
    @pytest.mark.parametrize("scoring", ["roc_auc", "neg_log_loss", "balanced_accuracy"])
    def test_the_score_is_that_of_all_inner_predictions_together(self, cohort, y, scoring):
        search = SearchCV(linear(), SPACE, scoring=scoring, cv=3).fit(cohort, y)
        expected = {}
        order = np.argsort(cohort.participant_ids)
        people, labels = cohort[order], y[order]
        for C in SPACE["logisticregression.C"]:
            scores = np.full(60, np.nan)
            for split in repeated_stratified(people, labels, n_splits=3):
                train, test = split.rows(people)
                model = linear().set_params(logisticregression__C=C)
                model.fit(people[train], labels[train])
                scores[test] = model.predict_proba(people[test])[:, 1]
            expected[C] = {
                "roc_auc": roc_auc_score(labels, scores),
                "neg_log_loss": -log_loss(labels, scores),
                "balanced_accuracy": balanced_accuracy_score(labels, scores > 0.5),
            }[scoring]
        found = search.cv_results_
        assert found["score"].tolist() == pytest.approx(list(expected.values()), abs=1e-12)
        best = max(expected, key=expected.get)
        assert search.best_params_ == {"logisticregression__C": best}
        assert search.best_score_ == pytest.approx(expected[best], abs=1e-12)

    def test_the_best_is_fitted_on_all_who_have_a_label(self, cohort, y):
        search = SearchCV(linear(), SPACE, cv=3).fit(cohort, y)
        order = np.argsort(cohort.participant_ids)
        whole = linear().set_params(**search.best_params_).fit(cohort[order], y[order])
        np.testing.assert_array_equal(search.predict_proba(cohort), whole.predict_proba(cohort))
        np.testing.assert_array_equal(search.predict(cohort), whole.predict(cohort))
        assert search.classes_.tolist() == [0, 1]

    def test_among_equals_the_earlier_is_chosen(self, cohort, y):
        for values in ([0.7, 0.9, 1.0], [1.0, 0.9, 0.7]):
            search = SearchCV(Spy(), {"quality": values}, cv=3).fit(cohort, y)
            assert search.cv_results_["score"].tolist() == [1.0] * 3
            assert search.best_params_ == {"quality": values[0]}

    def test_row_order_changes_nothing(self, cohort, y, rng):
        rows = rng.permutation(60)
        straight = SearchCV(linear(), SPACE, cv=3).fit(cohort, y)
        shuffled = SearchCV(linear(), SPACE, cv=3).fit(cohort[rows], y[rows])
        pd.testing.assert_frame_equal(straight.cv_results_, shuffled.cv_results_)
        np.testing.assert_array_equal(
            straight.predict_proba(cohort), shuffled.predict_proba(cohort)
        )

    def test_the_number_of_jobs_changes_nothing(self, cohort, y):
        one, two = (SearchCV(linear(), SPACE, cv=3, n_jobs=n).fit(cohort, y) for n in (1, 2))
        pd.testing.assert_frame_equal(one.cv_results_, two.cv_results_)

    def test_groups_stay_together(self, cohort, y):
        family = pd.Series([f"f{i // 2}" for i in range(60)], cohort.phenotype.index)
        paired = np.repeat(np.arange(30) % 2, 2)
        people = cohort.assign(phenotype=cohort.phenotype.assign(family=family))
        Spy.fits = []
        SearchCV(Spy(("inductive",)), {"quality": [0.5]}, cv=3, group="family").fit(people, paired)
        assert len(Spy.fits) == 4
        for _, shown in Spy.fits:
            counts = family[shown.index].value_counts()
            assert (counts == 2).all()

    def test_several_classes_and_numbers(self, cohort, y):
        three = np.where(np.arange(60) % 3 == 2, 2, y)
        search = SearchCV(linear(), SPACE, cv=3).fit(cohort, three)
        assert 0 < search.best_score_ < 1
        assert search.predict_proba(cohort).shape == (60, 3)
        age = cohort.connectivity["fc"][:, 0, 1].astype(float)
        ridge = SearchCV(
            make_pipeline(Edges(), Ridge()), {"ridge.alpha": [1e-3, 1e5]}, cv=3, scoring="r2"
        )
        assert is_regressor(ridge)
        assert ridge.fit(cohort, age).best_params_ == {"ridge__alpha": 1e-3}
        ridge.set_params(scoring="neg_mean_absolute_error").fit(cohort, age)
        assert -0.2 < ridge.best_score_ < 0

    def test_without_refit_there_is_no_model(self, cohort, y):
        search = SearchCV(linear(), SPACE, cv=3, refit=False).fit(cohort, y)
        assert search.best_params_
        with pytest.raises(AttributeError, match="not fitted yet"):
            search.predict(cohort)


class TestHiddenLabels:
    def test_inner_participants_are_hidden_nodes_where_outer_ones_are(self, cohort, y):
        visible = np.where(np.arange(60) < 20, -1, y)
        Spy.fits = []
        search = SearchCV(Spy(), {"quality": [0.2, 0.8]}, cv=4).fit(cohort, visible)
        assert search.regimes == ("transductive", "inductive")
        assert search.regime(cohort[:1]).tolist() == ["transductive"]
        *inner, (_, last) = Spy.fits
        truth = pd.Series(visible, cohort.participant_ids)
        assert len(inner) == 8
        for _, shown in inner:
            assert len(shown) == 60
            assert (shown[truth == -1] == -1).all()
            assert (shown != -1).sum() == 30
            learnt = shown[shown != -1]
            assert (learnt == truth[learnt.index]).all()
        assert last.equals(truth[last.index])

    def test_without_unlabelled_ones_they_are_strangers(self, cohort, y):
        Spy.fits = []
        SearchCV(Spy(), {"quality": [0.5]}, cv=4).fit(cohort, y)
        assert [len(shown) for _, shown in Spy.fits] == [45, 45, 45, 45, 60]

    def test_models_that_take_no_unlabelled_ones_get_none(self, cohort, y):
        visible = np.where(np.arange(60) < 20, -1, y)
        Spy.fits = []
        SearchCV(Spy(("inductive",)), {"quality": [0.5]}, cv=4).fit(cohort, visible)
        assert [len(shown) for _, shown in Spy.fits] == [30, 30, 30, 30, 40]
        assert all(-1 not in shown.to_numpy() for _, shown in Spy.fits)

    @pytest.mark.parametrize("regimes", [("transductive",), ("inductive",)])
    def test_poisoned_test_labels_change_no_choice_and_no_prediction(
        self, cohort, y, splits, regimes
    ):
        search = SearchCV(network(), {"skip_weight_decay": [1e-4, 10.0]}, cv=3)
        _, test = splits.splits[0].rows(cohort)
        fold = type(splits)("one fold", splits.splits[:1])
        poisoned = y.copy()
        poisoned[test] = 1 - y[test]
        clean, other = (
            cross_validate(search, cohort, labels, splits=fold, regimes=regimes, progress=False)
            for labels in (y, poisoned)
        )
        assert len(clean.chosen) == 1
        pd.testing.assert_frame_equal(clean.chosen, other.chosen)
        pd.testing.assert_series_equal(clean.predictions["y_score"], other.predictions["y_score"])


class Lottery(ClassifierMixin, BaseEstimator):
    """Predicts by one column of noise; which one is the hyper-parameter."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, cohort, y):
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, cohort):
        score = cohort.phenotype[f"noise{self.column}"].to_numpy()
        return np.column_stack([1 - score, score])


def test_a_nested_search_of_noise_lands_at_chance_and_a_leaky_one_does_not(rng):
    nested, leaky = [], []
    for _ in range(4):
        noise = {f"noise{i}": rng.random(40) for i in range(20)}
        ids = [f"s{i:02}" for i in range(40)]
        cohort = Cohort(pd.DataFrame(noise, index=ids), pd.DataFrame(index=["r1"]))
        y = rng.permutation(np.arange(40) % 2)
        search = SearchCV(Lottery(), {"column": list(range(20))}, cv=2)
        splits = repeated_stratified(cohort, y, n_splits=3, by=())
        table = cross_validate(search, cohort, y, splits=splits, progress=False).predictions
        nested.append(roc_auc_score(table["y_true"], table["y_score"]))
        leaky.append(search.fit(cohort, y).best_score_)
    assert np.mean(nested) == pytest.approx(0.5, abs=0.1)
    assert np.mean(leaky) > 0.62


class TestCrossValidation:
    def test_the_choices_are_in_the_results(self, cohort, y, splits, tmp_path):
        models = {"search": SearchCV(linear(), SPACE, cv=3), "plain": linear()}
        run = {"splits": splits, "folder": tmp_path, "progress": False}
        results = cross_validate(models, cohort, y, **run)
        chosen = results.chosen
        assert chosen["model"].unique().tolist() == ["search"]
        assert chosen["fold"].tolist() == [0, 1, 2]
        assert set(chosen["parameter"]) == {"logisticregression__C"}
        assert set(chosen["value"]) <= {"1e-06", "0.01", "1.0"}
        assert chosen["inner_score"].between(0.5, 1).all()
        pd.testing.assert_frame_equal(Results.load(tmp_path).chosen, chosen)
        pd.testing.assert_frame_equal(cross_validate(models, cohort, y, **run).chosen, chosen)
        spread = results.spread()
        assert spread["searches"].tolist() == [3]
        assert spread["low"].item() == chosen["value"].astype(float).min()

    def test_values_that_are_text_keep_their_form(self, cohort, y, splits, tmp_path):
        space = {"categorical": [["sex"]], "metric": ["cosine"], "n_neighbors": [None]}
        results = cross_validate(
            SearchCV(network(), space, cv=2), cohort, y, splits=splits, folder=tmp_path,
            progress=False,
        )  # fmt: skip
        assert results.chosen["value"].tolist()[:3] == ['["sex"]', "cosine", "null"]
        pd.testing.assert_frame_equal(Results.load(tmp_path).chosen, results.chosen)
        assert results.spread()["median"].isna().all()
        assert results.spread()["chosen"].tolist() == ['["sex"] (3)', "cosine (3)", "null (3)"]

    def test_every_regime_has_its_own_search(self, cohort, y):
        splits = repeated_stratified(cohort, y, n_splits=2)
        search = SearchCV(network(), {"skip_weight_decay": [1e-3, 1.0]}, cv=2)
        regimes = ("transductive", "inductive", "single_query")
        results = cross_validate(search, cohort, y, splits=splits, regimes=regimes, progress=False)
        assert results.predictions["regime"].unique().tolist() == list(regimes)
        assert results.chosen.groupby("regime").size().to_dict() == dict.fromkeys(regimes, 2)

    def test_scikit_learns_searches_work_unchanged(self, cohort, y, splits, tmp_path):
        grid = {"logisticregression__C": [1e-6, 1e-2, 1.0]}
        drawn = {"logisticregression__C": loguniform(1e-3, 1)}
        models = {
            "grid": GridSearchCV(linear(), grid, cv=3, scoring="roc_auc"),
            "random": RandomizedSearchCV(linear(), drawn, n_iter=3, cv=3, random_state=0),
            "halving": HalvingGridSearchCV(linear(), grid, cv=3, random_state=0),
            "network": GridSearchCV(network(), {"skip_weight_decay": [1e-3, 10.0]}, cv=2),
        }
        results = cross_validate(models, cohort, y, splits=splits, folder=tmp_path, progress=False)
        scores = results.scores(n_bootstrap=10).query("metric == 'auc'").set_index("model")["value"]
        assert (scores > 0.7).all()
        assert set(results.predictions["regime"]) == {"inductive"}
        assert results.chosen.groupby("model").size().to_dict() == dict.fromkeys(models, 3)
        again = {"random": clone(models["random"]).set_params(
            param_distributions={"logisticregression__C": loguniform(1e-3, 1)})}  # fmt: skip
        cross_validate(again, cohort, y, splits=splits, folder=tmp_path, progress=False)
        again["random"].set_params(
            param_distributions={"logisticregression__C": loguniform(0.1, 1)}
        )
        with pytest.raises(ValueError, match="made with other model random"):
            cross_validate(again, cohort, y, splits=splits, folder=tmp_path, progress=False)

    def test_a_journal_elsewhere_is_not_another_model(self, cohort, y, splits, tmp_path):
        for journal in ("here", "there"):
            search = SearchCV(linear(), SPACE, cv=3, journal=tmp_path / journal)
            cross_validate(search, cohort, y, splits=splits, folder=tmp_path / "r", progress=False)
        assert len(list((tmp_path / "here").glob("*.json"))) == 3


class Mortal(Spy):
    """Fits until its lives are spent."""

    lives = 99

    def fit(self, cohort, y):
        super().fit(cohort, y)
        if len(Spy.fits) > Mortal.lives:
            raise RuntimeError("killed")
        return self


class TestJournal:
    @pytest.mark.parametrize("method", ["grid", "random", "optuna"])
    @pytest.mark.parametrize("trials", [1, 13])
    def test_a_killed_search_goes_on_to_the_same_end(self, cohort, y, tmp_path, method, trials):
        if method == "optuna":
            pytest.importorskip("optuna")
        values = np.linspace(0, 0.3, 16)
        space = {"quality": values if method == "grid" else {"low": 0.0, "high": 0.3}}

        def search(**options):
            return SearchCV(Mortal(), space, method=method, n_trials=16, cv=2, **options)

        whole = search().fit(cohort, y)
        Spy.fits, Mortal.lives = [], 2 * trials + 1
        with pytest.raises(RuntimeError, match="killed") as caught:
            search(journal=tmp_path).fit(cohort, y)
        assert "while trying {'quality':" in caught.value.__notes__[0]
        Spy.fits, Mortal.lives = [], 999
        resumed = search(journal=tmp_path, n_jobs=1).fit(cohort, y)
        assert len(Spy.fits) == 2 * (16 - trials) + 1
        pd.testing.assert_frame_equal(resumed.cv_results_, whole.cv_results_)
        assert (resumed.best_params_, resumed.best_score_) == (
            whole.best_params_,
            whole.best_score_,
        )

    def test_it_goes_on_through_cross_validation(self, cohort, y, splits, tmp_path):
        pytest.importorskip("optuna")
        space = {"quality": {"low": 0.0, "high": 0.3}}
        run = {"splits": splits, "regimes": ("inductive",), "progress": False}

        def search(**options):
            return SearchCV(Mortal(), space, method="optuna", n_trials=6, cv=2, **options)

        Spy.fits, Mortal.lives = [], 999
        whole = cross_validate(search(), cohort, y, **run)
        kept = {"folder": tmp_path, **run}
        journal = tmp_path / "folds" / "search"
        Spy.fits, Mortal.lives = [], 13 + 8  # in the second fold, with four trials done
        with pytest.raises(RuntimeError, match="killed"):
            cross_validate(search(journal=journal), cohort, y, **kept)
        Spy.fits, Mortal.lives = [], 999
        resumed = cross_validate(search(journal=journal), cohort, y, **kept)
        assert len(Spy.fits) == 2 * 13 - 8
        pd.testing.assert_frame_equal(resumed.chosen, whole.chosen)
        pd.testing.assert_frame_equal(resumed.predictions, whole.predictions)

    def test_another_search_is_refused(self, cohort, y, tmp_path):
        def search(model=None, data=cohort, space=SPACE, **options):
            options = {"cv": 3, "journal": tmp_path, **options}
            return SearchCV(model or linear(), space, **options).fit(data, y)

        search()
        search(n_jobs=2)
        half = cohort.assign(connectivity={"fc": 0.5 * cohort.connectivity["fc"]})
        for other in (
            {"space": {"logisticregression.C": [1.0]}},
            {"model": linear().set_params(logisticregression__tol=0.1)},
            {"data": half},
            {"random_state": 1},
            {"scoring": "neg_log_loss"},
        ):
            with pytest.raises(ValueError, match="holds the trials of another search"):
                search(**other)
        (file,) = tmp_path.glob("*.json")
        assert len(json.loads(file.read_text())["trials"]) == 3
        SearchCV(linear(), SPACE, cv=3, journal=tmp_path).fit(cohort, 1 - y)  # another fold
        assert len(list(tmp_path.glob("*.json"))) == 2

    def test_a_candidate_is_tried_once(self, cohort, y):
        Spy.fits = []
        search = SearchCV(Spy(), {"quality": [0.1, 0.2]}, method="random", n_trials=30, cv=2)
        assert len(search.fit(cohort, y).cv_results_) == 30
        assert len(Spy.fits) == 2 * 2 + 1


def test_mistakes_are_explained(cohort, y, monkeypatch):
    with pytest.raises(TypeError, match="takes a Cohort, got ndarray"):
        SearchCV(linear(), SPACE).fit(cohort.connectivity["fc"], y)
    with pytest.raises(ValueError, match=r"y has shape \(5,\)"):
        SearchCV(linear(), SPACE).fit(cohort, y[:5])
    with pytest.raises(ValueError, match=r"scoring must be one of .*'roc_auc'.*got 'r2'"):
        SearchCV(linear(), SPACE, scoring="r2").fit(cohort, y)
    with pytest.raises(ValueError, match="did you mean logisticregression__C"):
        SearchCV(linear(), {"C": [1]}).fit(cohort, y)
    with pytest.raises(ValueError, match="n_trials must be at least 1"):
        SearchCV(linear(), SPACE, method="random", n_trials=0).fit(cohort, y)
    few = np.where(np.cumsum(y == 1) > 3, 0, y)
    with pytest.raises(ValueError, match="fewer than n_splits=5") as caught:
        SearchCV(linear(), SPACE).fit(cohort, few)
    assert "n_splits is its cv" in caught.value.__notes__[0]
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install brainograph\[hpo\]"):
        SearchCV(linear(), SPACE, method="optuna").fit(cohort, y)


def test_it_is_cloned_and_searched_as_scikit_learn_expects(cohort, y):
    search = SearchCV(linear(), SPACE, cv=2)
    copy = clone(search).set_params(estimator__logisticregression__max_iter=7)
    assert search.get_params()["estimator__logisticregression__max_iter"] == 1000
    assert copy.get_params()["space"] == SPACE
    assert not hasattr(SearchCV(Ridge(), {"alpha": [1]}), "predict_proba")
    assert not hasattr(search, "regime")
