import numpy as np
import pytest

from brainograph.preprocessing.empirical_bayes import (
    Moments,
    Prior,
    inverse_gamma,
    nonparametric,
    parametric,
    variances,
)

SITE = Moments(4, np.array([1.0, -2.0, 0.5]), np.array([3.0, 6.0, 12.0]))


def test_variances_by_hand():
    assert variances(SITE).tolist() == [1.0, 2.0, 4.0]
    assert variances(Moments(1, SITE.mean, np.zeros(3))).tolist() == [1.0, 1.0, 1.0]


def test_the_inverse_gamma_has_the_moments_of_the_values():
    shape, rate = inverse_gamma(np.array([0.5, 1.0, 1.5]))  # mean 1, variance .25
    assert rate / (shape - 1) == pytest.approx(1.0)
    assert rate**2 / ((shape - 1) ** 2 * (shape - 2)) == pytest.approx(0.25)


def test_the_posterior_is_a_fixed_point():
    prior = Prior(0.1, 0.5, 3.0, 2.0)
    gamma, delta = parametric(SITE, variances(SITE), prior)
    expected = (4 * 0.5 * SITE.mean + delta * 0.1) / (4 * 0.5 + delta)
    squares = SITE.squares + 4 * (SITE.mean - gamma) ** 2
    assert np.allclose(gamma, expected, rtol=1e-3)
    assert np.allclose(delta, (squares / 2 + 2.0) / (4 / 2 + 3.0 - 1), rtol=1e-3)


@pytest.mark.parametrize(("variance", "expected"), [(0.0, [0, 0, 0]), (1e9, SITE.mean)])
def test_a_prior_without_variance_shrinks_to_nothing_and_a_wide_one_not_at_all(variance, expected):
    gamma, _ = parametric(SITE, variances(SITE), Prior(0.0, variance, 3.0, 2.0))
    assert np.allclose(gamma, expected)


def test_fixed_scale_by_hand():
    gamma, delta = parametric(SITE, np.ones(3), Prior(0.0, 0.25, 3.0, 2.0), fixed_scale=True)
    assert gamma.tolist() == [0.5, -1.0, 0.25]  # 4 x .25 of 1 + 4 x .25
    assert delta.tolist() == [1.0, 1.0, 1.0]


def test_nonparametric_by_hand_for_three_features():
    scale = variances(SITE)
    gamma, delta = nonparametric(SITE, scale)
    for i in range(3):
        others = [j for j in range(3) if j != i]
        distance = SITE.squares[i] + 4 * (SITE.mean[i] - SITE.mean[others]) ** 2
        likelihood = np.exp(-distance / (2 * scale[others])) / (2 * np.pi * scale[others]) ** 2
        assert gamma[i] == pytest.approx(np.average(SITE.mean[others], weights=likelihood))
        assert delta[i] == pytest.approx(np.average(scale[others], weights=likelihood))


def test_nonparametric_of_a_large_site_does_not_vanish():
    rng = np.random.default_rng(0)
    site = Moments(3000, rng.normal(size=300), rng.uniform(2500, 3500, 300))
    gamma, delta = nonparametric(site, variances(site))
    assert np.isfinite(gamma).all()
    assert np.isfinite(delta).all()
