import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy, gaussian_kde

from brainograph.connectivity import (
    morphometric_similarity,
    profile_similarity,
    regional_measures,
)


@pytest.fixture
def brain(rng):
    labels = rng.integers(0, 6, (12, 12, 12))
    return rng.normal(labels, 1 + labels / 5), labels


def test_equals_scipy_pair_by_pair(brain):
    volume, labels = brain
    ours = morphometric_similarity(volume, labels)
    inside = volume[labels > 0]
    grid = np.linspace(inside.min(), inside.max(), 128)
    densities = [gaussian_kde(volume[labels == r])(grid) for r in range(1, 6)]
    for i in range(5):
        for j in range(5):
            p, q = (densities[k] / densities[k].sum() + 1e-12 for k in (i, j))
            expected = np.exp(-(entropy(p, q) + entropy(q, p)))
            assert ours[i, j] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3), outlier=st.sampled_from([0, 1e6]))
def test_symmetric_bounded_and_free_of_units(seed, scale, outlier):
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 2, 3, 4], 50)
    volume = rng.normal(labels * rng.uniform(0, 30), 1)
    volume[0] += outlier
    ours = morphometric_similarity(volume, labels)
    np.testing.assert_array_equal(ours, ours.T)
    assert (np.diag(ours) == 1).all()
    assert (ours > 0).all()
    assert (ours <= 1).all()
    np.testing.assert_allclose(morphometric_similarity(volume * scale, labels), ours, atol=1e-6)


def test_identical_samples_are_fully_similar(rng):
    sample = rng.standard_normal(500)
    ours = morphometric_similarity(np.tile(sample, 2), np.repeat([1, 2], 500))
    np.testing.assert_allclose(ours, 1, atol=1e-12)


def test_drawing_is_seeded_and_close_to_all_voxels(rng):
    labels = np.repeat([1, 2], 9000)
    volume = rng.normal(labels, 1)
    everything = morphometric_similarity(volume, labels, max_voxels=9000)
    first = morphometric_similarity(volume, labels)
    np.testing.assert_array_equal(first, morphometric_similarity(volume, labels))
    other = morphometric_similarity(volume, labels, random_state=1)
    assert first[0, 1] != other[0, 1]
    assert abs(first[0, 1] - everything[0, 1]) < 0.05


def test_regions_set_the_rows(brain):
    volume, labels = brain
    every = morphometric_similarity(volume, labels)
    reordered = morphometric_similarity(volume, labels.astype(float), regions=[4, 1, 2, 3, 5])
    np.testing.assert_allclose(reordered, every[np.ix_([3, 0, 1, 2, 4], [3, 0, 1, 2, 4])])


def test_unusable_regions_are_zero_and_reported(brain):
    volume, labels = brain
    volume[labels == 2] = 7.0
    volume[np.where(labels == 3)[0][0]] = np.nan
    labels[labels == 4] = 0
    with pytest.warns(UserWarning, match=r"Regions \[2, 4, 9\] have fewer than 10 voxels"):
        ours = morphometric_similarity(volume, labels, regions=[1, 2, 3, 4, 5, 9])
    assert np.isfinite(ours).all()
    assert (ours[[1, 3, 5]] == 0).all()
    assert (ours[:, [1, 3, 5]] == 0).all()
    assert (ours[np.ix_([0, 2, 4], [0, 2, 4])] > 0).all()
    with pytest.warns(UserWarning, match="Regions"):
        assert (morphometric_similarity(volume, labels, regions=[8, 9]) == 0).all()


def test_measures_by_hand():
    volume = np.array([[1.0, 3.0, 8.0], [10.0, 12.0, np.nan]])
    labels = np.array([[1, 1, 0], [3, 3, 3]])
    with pytest.warns(UserWarning, match=r"Regions \[2\] have no voxels"):
        ours = regional_measures(volume, labels, regions=[3, 2, 1], voxel_volume=8.0)
    assert ours["mean"].tolist() == [11, 0, 2]
    assert ours["std"].tolist() == [1, 0, 1]
    assert ours["volume"].tolist() == [16, 0, 16]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": np.ones((2, 3))}, r"one shape, got \(4,\) and \(2, 3\).*Resample"),
        ({"labels": [1, 1.5, 2, 2]}, "look interpolated"),
        ({"labels": [0, 0, 0, 0]}, "hold at least one"),
        ({"regions": [0, 1]}, "label values above 0"),
        ({"max_voxels": 5}, "max_voxels must be at least 10"),
    ],
)
def test_errors_say_what_is_needed(arguments, message):
    labels = arguments.pop("labels", [1, 1, 2, 2])
    with pytest.raises(ValueError, match=message):
        morphometric_similarity(np.arange(4.0), labels, **arguments)


def test_voxel_volume_is_positive():
    with pytest.raises(ValueError, match="above 0 mm3, got 0"):
        regional_measures([1.0], [1], voxel_volume=0)


def test_profiles_equal_corrcoef_of_z_scores(rng):
    measures = rng.gamma(2, [3, 700, 0.1, 40, 1], (20, 5))
    z = (measures - measures.mean(0)) / measures.std(0)
    np.testing.assert_allclose(profile_similarity(measures), np.corrcoef(z), atol=1e-12)
    rescaled = profile_similarity(measures * [1, 9, 1e4, 1, 2] + 5)
    np.testing.assert_allclose(rescaled, profile_similarity(measures), atol=1e-9)


def test_missing_and_uninformative_profiles(rng):
    measures = rng.standard_normal((8, 5))
    measures[2, 1] = np.nan
    measures[:, 4] = 3
    with (
        pytest.warns(UserWarning, match=r"Regions \[2\] lack a measure"),
        pytest.warns(UserWarning, match=r"Measures \[4\] are the same"),
    ):
        ours = profile_similarity(measures)
    kept = np.delete(np.arange(8), 2)
    assert (ours[2] == 0).all()
    np.testing.assert_allclose(ours[np.ix_(kept, kept)], profile_similarity(measures[kept, :4]))


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        (np.ones(5), r"must be \(R, M\)"),
        (np.eye(4)[:, :2], "at least 3 that vary across regions, got 2 of 2"),
        (np.full((4, 5), np.nan), "got 0 of 5"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_profile_errors(measures, message):
    with pytest.raises(ValueError, match=message):
        profile_similarity(measures)
