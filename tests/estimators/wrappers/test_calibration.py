import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.estimators import (
    Calibrated,
    Conformal,
    MonteCarloDropout,
    PopulationGraphClassifier,
    load_model,
)
from brainograph.estimators.wrappers.calibration import _likeliest
from brainograph.estimators.wrappers.wrapper import unwrapped

FAST = {"max_epochs": 15, "patience": 5, "lr": 0.02, "n_members": 2, "device": "cpu"}


class Says(ClassifierMixin, BaseEstimator):
    """Say what the phenotype says; remember whose label was shown."""

    regimes = ("transductive", "inductive")

    def fit(self, cohort, y):
        self.classes_ = np.unique(y[y != -1])
        self.seen_ = dict(zip(cohort.participant_ids, y, strict=True))
        return self

    def predict_proba(self, cohort):
        positive = cohort.phenotype["p"].to_numpy(float)
        return np.column_stack([1 - positive, positive])


def people(said, truth, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(len(truth)) < truth).astype(int)
    ids = pd.Index([f"s{i:05d}" for i in range(len(y))], name="participant_id")
    return Cohort(pd.DataFrame({"p": said}, index=ids), pd.DataFrame(index=["r1"])), y


@pytest.fixture
def too_sure(rng):
    """A model whose log-odds are three times what they should be, and shifted."""
    truth = rng.beta(1.5, 1.5, 4000)
    return people(expit(3 * logit(truth) + 1.5), truth)


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=70, n_regions=8, random_state=1)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


class TestScaling:
    def test_the_planted_temperature_is_found(self, rng):
        truth = rng.beta(1.5, 1.5, 4000)
        model = Calibrated(Says(), validation_fraction=0.5).fit(
            *people(expit(3 * logit(truth)), truth)
        )
        assert model.temperature_ == pytest.approx(3, rel=0.1)
        assert not model.shift_.any()

    def test_the_planted_shift_is_found(self, too_sure):
        model = Calibrated(Says(), method="sigmoid", validation_fraction=0.5).fit(*too_sure)
        assert model.temperature_ == pytest.approx(3, rel=0.1)
        assert model.shift_[1] == pytest.approx(-0.5, abs=0.15)

    def test_sigmoid_is_a_logistic_regression_on_the_log_odds(self, too_sure):
        cohort, y = too_sure
        said = cohort.phenotype["p"].to_numpy()
        log = np.log(np.column_stack([1 - said, said]))
        temperature, shift = _likeliest(log, y, shift=True)
        platt = LogisticRegression(C=1e8).fit(logit(said)[:, None], y)
        assert 1 / temperature == pytest.approx(platt.coef_.item(), rel=5e-3)
        assert shift[1] == pytest.approx(platt.intercept_.item(), abs=5e-3)

    def test_probabilities_are_better_and_ranks_the_same(self, too_sure):
        cohort, y = too_sure
        model = Calibrated(Says(), validation_fraction=0.5).fit(cohort[:2000], y[:2000])
        before = model.estimator_.predict_proba(cohort[2000:])
        after = model.predict_proba(cohort[2000:])
        assert log_loss(y[2000:], after) < log_loss(y[2000:], before)
        assert np.array_equal(before[:, 1].argsort(), after[:, 1].argsort())
        assert np.array_equal(before.argmax(1), after.argmax(1))
        np.testing.assert_allclose(after.sum(1), 1)

    def test_one_who_is_never_wrong_is_not_made_infinitely_sure(self):
        y = np.arange(40) % 2
        cohort, _ = people(np.where(y == 1, 0.9, 0.1), y)
        model = Calibrated(Says()).fit(cohort, y)
        # 8 held out, 4 of each class: a right answer is taken for true of (4 + 1) / (4 + 2).
        assert model.predict_proba(cohort).max() == pytest.approx(5 / 6, abs=1e-4)

    def test_an_unknown_method(self, too_sure):
        with pytest.raises(ValueError, match=r"method must be one of .*got 'isotonic'"):
            Calibrated(Says(), method="isotonic").fit(*too_sure)


class TestWhoIsSeen:
    def test_hidden_labels_play_no_part_bit_for_bit(self, too_sure):
        cohort, y = too_sure[0][:200], too_sure[1][:200]
        visible = np.where(np.arange(200) % 4 == 0, -1, y)
        one = Calibrated(Says()).fit(cohort, visible)
        other = Calibrated(Says()).fit(cohort[::-1], visible[::-1])
        assert one.temperature_ == other.temperature_
        known = {n for n, label in one.estimator_.seen_.items() if label != -1}
        assert known == set(np.array(cohort.participant_ids)[visible != -1])

    def test_the_held_out_stay_without_a_label_where_others_do(self, too_sure):
        cohort, y = too_sure[0][:100], too_sure[1][:100]
        visible = np.where(np.arange(100) < 20, -1, y)
        there = Calibrated(Says(), refit=False).fit(cohort, visible).estimator_.seen_
        assert len(there) == 100
        assert sum(label == -1 for label in there.values()) == 20 + 16
        away = Calibrated(Says(), refit=False).fit(cohort[20:], y[20:]).estimator_.seen_
        assert len(away) == 64
        assert -1 not in away.values()


class TestWithNetworks:
    def test_saved_and_loaded_wrappers_say_the_same(self, cohort, y, tmp_path):
        inner = PopulationGraphClassifier(**FAST)
        visible = np.where(np.arange(70) >= 60, -1, y)
        model = Conformal(Calibrated(inner), alpha=0.3, by="site").fit(cohort, visible)
        loaded = load_model(model.save(tmp_path / "model"))
        assert [type(one).__name__ for one in unwrapped(loaded)] == [
            "Conformal", "Calibrated", "PopulationGraphClassifier",
        ]  # fmt: skip
        np.testing.assert_allclose(loaded.predict_proba(cohort), model.predict_proba(cohort))
        assert np.array_equal(loaded.predict_set(cohort), model.predict_set(cohort))
        assert loaded.quantiles_ == model.quantiles_
        assert set(loaded.regime(cohort[60:])) == {"transductive"}
        assert repr(clone(loaded).get_params(deep=False)["alpha"]) == "0.3"
        with pytest.raises(ValueError, match="holds a Conformal, not a Calibrated"):
            Calibrated.load(tmp_path / "model")

    def test_members_are_calibrated_each(self, cohort, y):
        model = Calibrated(PopulationGraphClassifier(**FAST)).fit(cohort, y)
        samples = model.sample_proba(cohort)
        inner = model.estimator_.sample_proba(cohort)
        odds = np.log(samples[..., 1] / samples[..., 0])
        expected = np.log(inner[..., 1] / inner[..., 0]) / model.temperature_
        np.testing.assert_allclose(odds, expected, rtol=1e-6, atol=1e-9)

    def test_a_pipeline_cannot_be_saved(self, too_sure, tmp_path):
        model = Calibrated(Says()).fit(*too_sure)
        with pytest.raises(ValueError, match="a Says cannot be saved"):
            model.save(tmp_path / "model")

    def test_dropout_draws_around_a_network(self, cohort, y, tmp_path):
        model = MonteCarloDropout(PopulationGraphClassifier(**FAST), n_passes=4).fit(cohort, y)
        assert np.array_equal(model.predict_proba(cohort), model.predict_proba(cohort))
        table = load_model(model.save(tmp_path / "m")).uncertainty(cohort[:5])
        assert table.index.tolist() == cohort.participant_ids[:5]
        assert (table["mutual_information"] <= table["entropy"]).all()
        assert (table["mutual_information"] > 0).all()
