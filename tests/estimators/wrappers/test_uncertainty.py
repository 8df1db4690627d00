import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from brainograph.datasets import simulate_cohort
from brainograph.estimators import (
    MonteCarloDropout,
    PopulationGraphClassifier,
    SubjectGraphClassifier,
    Training,
    load_model,
)
from brainograph.metrics.uncertainty import mutual_information

QUICK = Training(lr=0.02, max_epochs=12, validation_fraction=0.0)


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=40, n_regions=8, n_volumes=(30, 40), random_state=2)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


def subject_model(**given):
    params = given.pop("params", {"hidden_channels": 16})
    return SubjectGraphClassifier(params=params, training=QUICK, device="cpu", **given)


@pytest.fixture(scope="module")
def ensemble(cohort, y):
    return subject_model(n_members=3).fit(cohort, y)


class TestSamples:
    def test_members_average_to_the_prediction(self, ensemble, cohort):
        samples = ensemble.sample_proba(cohort)
        assert samples.shape == (3, 40, 2)
        np.testing.assert_allclose(samples.mean(axis=0), ensemble.predict_proba(cohort))
        assert (samples[0] != samples[1]).any()

    def test_passes_draw_and_leave_no_trace(self, ensemble, cohort):
        before, state = ensemble.predict_proba(cohort), torch.random.get_rng_state()
        drawn = ensemble.sample_proba(cohort, n_passes=4, random_state=1)
        assert drawn.shape == (12, 40, 2)
        assert not np.array_equal(drawn[0], drawn[1])
        assert np.array_equal(drawn, ensemble.sample_proba(cohort, n_passes=4, random_state=1))
        assert not np.array_equal(drawn, ensemble.sample_proba(cohort, n_passes=4))
        assert np.array_equal(before, ensemble.predict_proba(cohort))
        assert torch.equal(torch.random.get_rng_state(), state)

    def test_a_population_graph_draws_for_fitted_and_new(self, cohort, y):
        model = PopulationGraphClassifier(max_epochs=10, n_members=2, device="cpu")
        model.fit(cohort[:30], y[:30])
        np.testing.assert_allclose(
            model.sample_proba(cohort).mean(axis=0), model.predict_proba(cohort)
        )
        drawn = model.sample_proba(cohort, n_passes=3)
        assert drawn.shape == (6, 40, 2)
        spread = drawn[:3].std(axis=0)[:, 0]
        assert (spread[:30] > 0).all()
        assert (spread[30:] > 0).all()
        np.testing.assert_allclose(drawn.sum(axis=2), 1)


class TestCompany:
    """Draws are the same whoever else is predicted, and in whichever order."""

    @pytest.mark.parametrize("network", ["MeanMLP", "LSTM", "STAGIN", "BrainNetCNN"])
    def test_of_networks_on_participants(self, cohort, y, network):
        params = {"window": 20} if network == "STAGIN" else {}
        quick = Training(max_epochs=1, validation_fraction=0.0, batch_size=3)
        model = SubjectGraphClassifier(network, params=params, training=quick, device="cpu")
        model.fit(cohort[:30], y[:30])
        draws = {"n_passes": 4, "random_state": 2}
        together = model.sample_proba(cohort[30:], **draws)
        for row in (0, 7):
            alone = model.sample_proba(cohort[[30 + row]], **draws)
            assert np.array_equal(alone[:, 0], together[:, row])
        backwards = model.sample_proba(cohort[30:][np.arange(9, -1, -1)], **draws)
        assert np.array_equal(backwards[:, ::-1], together)
        assert len(np.unique(together[:, 0, 0])) == 4

    def test_of_a_bayesian_head(self, cohort, y):
        model = subject_model(params={"dropout": 0.0}, head="bayesian").fit(cohort, y)
        together = model.sample_proba(cohort, n_passes=3)
        assert np.array_equal(model.sample_proba(cohort[[5]], n_passes=3)[:, 0], together[:, 5])

    def test_of_a_population_graph(self, cohort, y):
        model = MonteCarloDropout(PopulationGraphClassifier(max_epochs=5, device="cpu"), n_passes=3)
        model.fit(cohort[:30], y[:30])
        together = model.predict_proba(cohort)
        for row in (3, 31, 39):  # of the fit, and new
            alone = model.predict_proba(cohort[[row]])
            np.testing.assert_allclose(alone[0], together[row], atol=1e-6)


class TestBayesianHead:
    def test_it_is_trained_saved_and_drawn(self, cohort, y, tmp_path):
        still = {"hidden_channels": 16, "dropout": 0.0}
        model = subject_model(params=still, head="bayesian").fit(cohort, y)
        assert np.array_equal(model.predict_proba(cohort), model.predict_proba(cohort))
        loaded = load_model(model.save(tmp_path / "model"))
        np.testing.assert_allclose(loaded.predict_proba(cohort), model.predict_proba(cohort))
        drawn = loaded.sample_proba(cohort, n_passes=10)
        assert (mutual_information(drawn) > 0).all()

    def test_an_unknown_head(self, cohort, y):
        with pytest.raises(ValueError, match=r"head must be one of .*got 'laplace'"):
            subject_model(head="laplace").fit(cohort, y)


class TestMonteCarloDropout:
    def test_it_is_the_mean_over_passes(self, cohort, y):
        model = MonteCarloDropout(subject_model(), n_passes=5, random_state=3).fit(cohort, y)
        drawn = model.estimator_.sample_proba(cohort, n_passes=5, random_state=3)
        np.testing.assert_allclose(model.predict_proba(cohort), drawn.mean(axis=0))
        assert model.predict(cohort).shape == (40,)

    def test_a_network_that_drops_nothing_is_refused(self, cohort, y):
        model = MonteCarloDropout(subject_model(params={"dropout": 0.0})).fit(cohort, y)
        with pytest.raises(ValueError, match="all passes say the same"):
            model.predict_proba(cohort)

    def test_the_linear_path_of_a_population_graph_drops_nothing(self, cohort, y):
        linear = PopulationGraphClassifier(
            num_layers=0, optimizer="lbfgs", validation_fraction=0.0, max_epochs=2, device="cpu"
        )
        with pytest.raises(ValueError, match="all passes say the same"):
            MonteCarloDropout(linear).fit(cohort, y).predict_proba(cohort)

    def test_what_has_no_dropout_is_refused(self, cohort, y):
        with pytest.raises(ValueError, match="a LogisticRegression has no dropout"):
            MonteCarloDropout(LogisticRegression()).fit(cohort, y)
        with pytest.raises(ValueError, match="n_passes must be at least 2, got 1"):
            MonteCarloDropout(subject_model(), n_passes=1).fit(cohort, y)
