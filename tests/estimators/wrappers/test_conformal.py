import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta
from sklearn.base import BaseEstimator, ClassifierMixin

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.estimators import Calibrated, Conformal, PopulationGraphClassifier
from brainograph.estimators.wrappers.conformal import conformal_quantile
from brainograph.model_selection import cross_validate, repeated_stratified


class Says(ClassifierMixin, BaseEstimator):
    """Say what the phenotype says, whatever was learnt."""

    def fit(self, cohort, y):
        self.classes_, self.fitted_on_ = np.unique(y), cohort.participant_ids
        return self

    def predict_proba(self, cohort):
        return cohort.phenotype.filter(like="p_").to_numpy(float)


def people(probability, *, seed=0, site=None, truth=None):
    """Return participants whose label is drawn from ``truth`` and whose model says otherwise."""
    rng = np.random.default_rng(seed)
    probability = np.asarray(probability, dtype=float)
    truth = probability if truth is None else truth
    y = (rng.random((len(truth), 1)) > truth.cumsum(axis=1)).sum(axis=1)
    table = pd.DataFrame(probability, columns=[f"p_{k}" for k in range(probability.shape[1])])
    table["site"] = "a" if site is None else site
    table.index = pd.Index([f"s{i:05d}" for i in range(len(table))], name="participant_id")
    return Cohort(table, pd.DataFrame(index=["r1"])), y


def dirichlet(n, n_classes, seed):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.6), n)


class TestQuantile:
    def test_the_rank_by_hand(self):
        scores = np.array([0.4, 0.1, 0.3, 0.2])
        assert conformal_quantile(scores, 0.4) == 0.3  # ceil(5 * 0.6) = 3
        assert conformal_quantile(scores, 0.2) == 0.4  # ceil(5 * 0.8) = 4
        assert conformal_quantile(scores, 0.1) == float("inf")

    def test_rounding_does_not_raise_the_rank(self):
        assert conformal_quantile(np.arange(9.0), 0.1) == 8.0  # 10 * (1 - 0.1) is 9, not 10


class TestCoverage:
    @pytest.mark.parametrize("score", ["lac", "aps"])
    @pytest.mark.parametrize("n_classes", [2, 4])
    def test_it_is_what_was_asked_for(self, score, n_classes):
        """The mean over draws lies in the band of what split conformal prediction promises."""
        covered = []
        for seed in range(25):
            said = dirichlet(900, n_classes, seed)
            truth = said**0.5 / (said**0.5).sum(axis=1, keepdims=True)  # the model is too sure
            cohort, y = people(said, seed=seed, truth=truth)
            model = Conformal(Says(), alpha=0.2, score=score, random_state=seed)
            model.fit(cohort[:500], y[:500])
            covered.append(model.coverage(cohort[500:], y[500:])["coverage"].item())
        n = model.n_calibration_
        rank = np.ceil((n + 1) * 0.8)
        spread = np.sqrt(beta(rank, n + 1 - rank).var() + 0.16 / 400)
        slack = 0.03 if score == "aps" and n_classes == 2 else 0.0  # sets are never empty
        assert abs(np.mean(covered) - rank / (n + 1)) < 3 * spread / 5 + slack

    def test_by_site_each_site_is_covered(self):
        low = {"pooled": [], "site": []}
        for seed in range(10):
            said = np.repeat([[0.9, 0.1]], 1500, axis=0)
            site = np.where(np.arange(1500) % 2, "good", "bad")
            right = np.where(site == "good", 0.98, 0.6)
            right = np.stack([right, 1 - right], axis=1)
            said = said + np.random.default_rng(seed).uniform(-0.05, 0.05, (1500, 1)) * [1, -1]
            cohort, y = people(said, seed=seed, site=site, truth=right)
            for name, by in (("pooled", None), ("site", "site")):
                model = Conformal(Says(), alpha=0.1, by=by).fit(cohort[:1000], y[:1000])
                table = model.coverage(cohort[1000:], y[1000:], by="site").set_index("group")
                low[name].append(table.loc["bad", "coverage"])
        assert np.mean(low["pooled"]) < 0.85
        assert np.mean(low["site"]) > 0.88
        assert set(model.quantiles_) == {"good", "bad"}

    def test_a_site_of_few_has_the_quantile_of_all(self):
        site = np.where(np.arange(300) < 6, "few", "many")
        cohort, y = people(dirichlet(300, 2, 0), site=site)
        model = Conformal(Says(), by="site").fit(cohort, y)
        assert list(model.quantiles_) == ["many"]
        assert model.predict_set(cohort).shape == (300, 2)


class TestSets:
    @pytest.fixture
    def fitted(self):
        cohort, y = people(dirichlet(400, 2, 1), seed=1)
        return Conformal(Says(), alpha=0.2).fit(cohort, y)

    def test_the_held_out_are_not_learnt_from(self, fitted):
        assert fitted.n_calibration_ == 120
        assert len(fitted.estimator_.fitted_on_) == 280

    def test_abstention(self, fitted):
        fitted.quantile_ = 0.6
        cohort, _ = people([[0.95, 0.05], [0.55, 0.45], [0.3, 0.7]])
        assert fitted.predict_set(cohort).tolist() == [[True, False], [True, True], [False, True]]
        assert fitted.predict(cohort).tolist() == [0, -1, 1]
        fitted.set_params(min_confidence=0.8)
        assert fitted.predict(cohort).tolist() == [0, -1, -1]
        fitted.quantile_ = 0.01
        assert fitted.predict_set(cohort).sum() == 0
        assert fitted.predict(cohort).tolist() == [-1, -1, -1]

    def test_adaptive_sets_by_hand(self):
        cohort, y = people(dirichlet(300, 3, 2), seed=2)
        model = Conformal(Says(), alpha=0.2, score="aps").fit(cohort, y)
        one, _ = people([[0.5, 0.3, 0.2]])
        drawn = model._scores(one)[0]
        u = drawn[0] / 0.5
        np.testing.assert_allclose(drawn, [u * 0.5, 0.5 + u * 0.3, 0.8 + u * 0.2])
        model.quantile_ = -1.0
        assert model.predict_set(one).tolist() == [[True, False, False]]

    def test_nothing_depends_on_the_order(self, fitted):
        cohort, _ = people(dirichlet(50, 2, 3))
        order = np.random.default_rng(0).permutation(50)
        assert np.array_equal(fitted.predict_set(cohort)[order], fitted.predict_set(cohort[order]))

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"alpha": 10}, r"alpha must be in \(0, 1\), got 10"),
            ({"score": "raps"}, "score must be one of"),
            ({"by": "scanner"}, "by names 'scanner'; the cohort has"),
            ({"min_confidence": 80}, r"min_confidence must be in \[0, 1\], got 80"),
            ({"alpha": 0.001}, "are too few for sets that miss 0%: 999 are needed"),
            ({"validation_fraction": 0}, r"validation_fraction must be in \(0, 1\), got 0"),
        ],
    )
    def test_settings_out_of_range(self, given, message):
        cohort, y = people(dirichlet(100, 2, 0))
        with pytest.raises(ValueError, match=message):
            Conformal(Says(), **given).fit(cohort, y)

    def test_a_label_that_was_not_learnt(self, fitted):
        cohort, _ = people(dirichlet(2, 2, 3))
        with pytest.raises(ValueError, match=r"labels \[5\] were not learnt from"):
            fitted.coverage(cohort, np.array([5, 1]))


def test_it_goes_through_cross_validation_around_a_calibrated_model():
    cohort, y = people(dirichlet(200, 2, 4), seed=4)
    model = Conformal(Calibrated(Says()), alpha=0.2)
    splits = repeated_stratified(cohort, y, n_splits=3, by=())
    table = cross_validate(model, cohort, y, splits=splits, progress=False).predictions
    assert len(table) == 200
    assert table["y_score"].between(0, 1).all()


@pytest.fixture(scope="module")
def simulated():
    return simulate_cohort(n_subjects=60, n_regions=8, random_state=1)


class TestAroundAPopulationGraph:
    @staticmethod
    def model():
        inner = PopulationGraphClassifier(max_epochs=8, patience=4, n_members=1, device="cpu")
        return Conformal(inner, alpha=0.3, by="site")

    def test_hidden_labels_change_no_bit(self, simulated):
        y = simulated.phenotype["diagnosis"].to_numpy().astype(int)
        hidden = np.arange(60) % 4 == 0
        found = []
        for truth in (y, 1 - y):
            everything = np.where(hidden, truth, y)
            table = simulated.phenotype.assign(diagnosis=everything)
            cohort = simulated.assign(phenotype=table)
            fitted = self.model().fit(cohort, np.where(hidden, -1, everything))
            found.append((fitted.quantile_, fitted.quantiles_, fitted.predict_proba(cohort)))
        assert found[0][:2] == found[1][:2]
        assert np.array_equal(found[0][2], found[1][2])

    def test_row_order_changes_nothing(self, simulated):
        y = simulated.phenotype["diagnosis"].to_numpy().astype(int)
        y[:15] = -1
        order = np.random.default_rng(0).permutation(60)
        straight = self.model().fit(simulated, y)
        shuffled = self.model().fit(simulated[order], y[order])
        assert straight.quantiles_ == shuffled.quantiles_
        assert np.array_equal(straight.predict_set(simulated), shuffled.predict_set(simulated))
        assert set(straight.regime(simulated[:15])) == {"transductive"}
