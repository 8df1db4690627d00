import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy

from brainograph.metrics.uncertainty import (
    area_under_risk_coverage,
    mutual_information,
    predictive_entropy,
    risk_coverage,
    selective_risk,
    set_coverage,
)


class TestEntropy:
    def test_by_hand_and_by_scipy(self):
        probability = np.array([[1.0, 0.0], [0.5, 0.5], [0.9, 0.1]])
        expected = [0.0, np.log(2), -0.9 * np.log(0.9) - 0.1 * np.log(0.1)]
        np.testing.assert_allclose(predictive_entropy(probability), expected)
        np.testing.assert_allclose(predictive_entropy(probability), entropy(probability, axis=1))

    def test_of_samples_it_is_that_of_their_mean(self):
        samples = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
        np.testing.assert_allclose(predictive_entropy(samples), [np.log(2)])

    def test_information_splits_what_is_unknown_from_what_is_random(self):
        samples = np.array(
            [[[0.5, 0.5], [1.0, 0.0], [0.9, 0.1]], [[0.5, 0.5], [0.0, 1.0], [0.3, 0.7]]]
        )
        h = lambda p: -p * np.log(p) - (1 - p) * np.log(1 - p)  # noqa: E731
        expected = [0.0, np.log(2), h(0.6) - (h(0.9) + h(0.3)) / 2]
        np.testing.assert_allclose(mutual_information(samples), expected, atol=1e-12)

    def test_one_sample_is_no_sample(self):
        with pytest.raises(ValueError, match=r"N of at least 2, got shape \(1, 3, 2\)"):
            mutual_information(np.zeros((1, 3, 2)))


class TestRiskCoverage:
    def test_by_hand(self):
        loss, confidence = np.array([0, 1, 0, 1]), np.array([0.9, 0.7, 0.8, 0.6])
        table = risk_coverage(loss, confidence)
        np.testing.assert_allclose(table["coverage"], [0.25, 0.5, 0.75, 1.0])
        np.testing.assert_allclose(table["risk"], [0, 0, 1 / 3, 1 / 2])
        assert area_under_risk_coverage(loss, confidence) == pytest.approx((1 / 3 + 1 / 2) / 4)

    def test_ties_are_the_mean_over_their_orders(self, rng):
        loss, confidence = np.array([1, 0, 0, 1, 0]), np.array([0.9, 0.9, 0.7, 0.7, 0.7])
        orders = [
            area_under_risk_coverage(loss, confidence + 1e-6 * rng.random(5)) for _ in range(4000)
        ]
        expected = pytest.approx(np.mean(orders), abs=0.01)
        assert area_under_risk_coverage(loss, confidence) == expected

    def test_a_constant_confidence_gives_the_mean_loss(self, rng):
        loss = rng.random(50)
        assert area_under_risk_coverage(loss, np.ones(50)) == pytest.approx(loss.mean())

    def test_shapes_must_agree(self):
        with pytest.raises(ValueError, match=r"got \(2,\) and \(3,\)"):
            risk_coverage(np.zeros(2), np.zeros(3))

    def test_of_a_table_of_predictions_by_site(self):
        table = pd.DataFrame(
            {
                "model": "m", "regime": "inductive", "site": ["a", "a", "b", "b"],
                "y_true": [1, 0, 1, 0], "y_score": [0.9, 0.6, 0.8, 0.3],
            }
        )  # fmt: skip
        by_site = selective_risk(table, by="site").set_index("site")
        assert by_site.loc["a", "error"] == 0.5
        assert by_site.loc["a", "aurc"] == pytest.approx((0 + 1 / 2) / 2)
        assert by_site.loc["b", "aurc"] == 0
        overall = selective_risk(table).iloc[0]
        assert (overall["n"], overall["error"], overall["error_at_80"]) == (4, 0.25, 0.25)

    def test_of_several_classes(self):
        table = pd.DataFrame({"y_true": [2, 0], "p_0": [0.1, 0.2], "p_1": [0.2, 0.7]})
        table = table.assign(p_2=[0.7, 0.1], model="m", regime="inductive")
        assert selective_risk(table)["error"].item() == 0.5


class TestSetCoverage:
    def test_by_hand(self):
        sets = np.array([[True, False], [True, True], [False, True], [False, False]])
        table = set_coverage(sets, np.array([0, 1, 0, 1]), group=np.array(["x", "x", "y", None]))
        assert table["group"].tolist() == ["all", "n/a", "x", "y"]
        np.testing.assert_allclose(table["coverage"], [0.5, 0, 1, 0])
        np.testing.assert_allclose(table["size"], [1.0, 0, 1.5, 1])
        np.testing.assert_allclose(table["single"], [0.5, 0, 0.5, 1])
        assert (table["low"] <= table["coverage"]).all()
        assert (table["coverage"] <= table["high"]).all()
