import numpy as np
import pytest
from scipy import stats

from brainograph.graphs import measures
from brainograph.graphs.node_features import alff, node_features, series_moments
from brainograph.graphs.sparsify import sparsify


def test_all_kinds_side_by_side(rng):
    series = rng.standard_normal((120, 5))
    C = np.corrcoef(series.T)
    A = sparsify(C, density=0.5)
    coordinates = rng.standard_normal((5, 3))
    thickness = rng.random(5)
    x, names = node_features(
        C,
        kinds=[
            "coordinates", "profile", "degree", "strength", "clustering", "local_efficiency",
            "moments", "alff", "falff", "measures",
        ],
        adjacency=A,
        series=series,
        t_r=2.0,
        coordinates=coordinates,
        measures={"thickness": thickness},
        regions=list("ABCDE"),
    )  # fmt: skip
    assert names == [
        "x", "y", "z", "profile_A", "profile_B", "profile_C", "profile_D", "profile_E", "degree",
        "strength", "clustering", "local_efficiency", "mean", "std", "skewness", "kurtosis",
        "alff", "falff", "thickness",
    ]  # fmt: skip
    assert x.dtype == np.float32
    column = dict(zip(names, x.T, strict=True))
    np.testing.assert_allclose(x[:, :3], coordinates, rtol=1e-6)
    np.testing.assert_allclose(x[:, 3:8], C - np.eye(5), atol=1e-7)
    np.testing.assert_array_equal(column["degree"], (A > 0).sum(axis=1))
    np.testing.assert_allclose(column["strength"], A.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(column["clustering"], measures.clustering(A), rtol=1e-6)
    np.testing.assert_allclose(column["local_efficiency"], measures.local_efficiency(A), rtol=1e-6)
    np.testing.assert_allclose(column["skewness"], stats.skew(series), rtol=1e-5)
    np.testing.assert_allclose(column["alff"], alff(series, t_r=2.0)[0], rtol=1e-6)
    np.testing.assert_allclose(column["falff"], alff(series, t_r=2.0)[1], rtol=1e-6)
    np.testing.assert_allclose(column["thickness"], thickness, rtol=1e-6)


def test_strength_is_of_the_positive_part_by_default():
    C = np.array([[1, 0.5, -0.4], [0.5, 1, 0.2], [-0.4, 0.2, 1]])
    x, names = node_features(C, kinds=["strength"])
    assert names == ["strength"]
    np.testing.assert_allclose(x[:, 0], [0.5, 0.7, 0.2], rtol=1e-6)


def test_moments_equal_scipy(rng):
    series = rng.gamma(2, size=(80, 4)) + 1e3
    expected = [series.mean(0), series.std(0), stats.skew(series), stats.kurtosis(series)]
    np.testing.assert_allclose(series_moments(series), np.stack(expected, axis=1), rtol=1e-8)
    np.testing.assert_array_equal(series_moments(np.full((9, 1), 0.1))[0, 1:], 0)


def test_alff_of_a_sinusoid_by_hand():
    t = 2.0 * np.arange(200)  # bins every 1/400 Hz: .01 to .08 Hz are 29 of them
    series = 3 * np.sin(2 * np.pi * 0.05 * t) + 1 * np.cos(2 * np.pi * 0.15 * t) + 50
    low, fraction = alff(np.stack([series, np.full(200, 7.3)], axis=1), t_r=2.0)
    np.testing.assert_allclose(low, [3 / 29, 0], atol=1e-12)
    np.testing.assert_allclose(fraction, [0.75, 0], atol=1e-12)


def test_alff_matches_the_periodogram(rng):
    from scipy.signal import periodogram

    series = rng.standard_normal((151, 3))
    frequencies, power = periodogram(series, fs=1 / 1.5, axis=0, scaling="spectrum")
    amplitude = np.sqrt(2 * power)
    inside = (frequencies >= 0.01) & (frequencies <= 0.08)
    low, fraction = alff(series, t_r=1.5)
    np.testing.assert_allclose(low, amplitude[inside].mean(axis=0))
    np.testing.assert_allclose(fraction, amplitude[inside].sum(axis=0) / amplitude.sum(axis=0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ["alff"]}, r"kind 'alff' needs series: write node_features\(\.\.\., series="),
        ({"kinds": ["alff"], "series": np.eye(3)}, "kind 'alff' needs t_r"),
        ({"kinds": ["moments"]}, "kind 'moments' needs series"),
        ({"kinds": ["coordinates"]}, "kind 'coordinates' needs coordinates"),
        ({"kinds": ["measures"]}, "kind 'measures' needs measures"),
        ({"kinds": ["rows"]}, r"kinds must be a list of .*got \['rows'\]"),
        ({"kinds": "profile"}, "kinds must be a list of"),
        ({"kinds": ["coordinates"], "coordinates": np.zeros((4, 3))}, r"needs the shape \(3, 3\)"),
        ({"kinds": ["moments"], "series": np.eye(2)}, r"needs the shape \(3, 4\) for 3 regions"),
        (
            {"kinds": ["measures"], "measures": {"thickness": [1, 2, np.nan]}},
            r"node features \['thickness'\] hold NaN",
        ),
        ({"kinds": ["alff"], "series": np.eye(3), "t_r": 0}, "t_r must be > 0 seconds, got 0"),
        ({"kinds": ["falff"], "series": np.eye(3), "t_r": 2}, "3 volumes at t_r=2 s resolve"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        node_features(np.eye(3), **options)
