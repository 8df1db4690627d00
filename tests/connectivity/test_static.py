import time
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.connectome import ConnectivityMeasure
from scipy.stats import spearmanr
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf, ShrunkCovariance
from threadpoolctl import threadpool_limits

from brainograph.connectivity import constant_regions, sliding_window, static

ESTIMATORS = {
    None: EmpiricalCovariance(),
    "ledoit_wolf": LedoitWolf(),
    "oas": OAS(),
    0.2: ShrunkCovariance(shrinkage=0.2),
}


@pytest.fixture
def scans(rng):
    mixing = rng.standard_normal((12, 12))
    return [rng.standard_normal((n, 12)) @ mixing + 3 for n in (60, 60, 45, 80)]


@pytest.mark.parametrize("kind", ["correlation", "covariance", "precision", "partial correlation"])
@pytest.mark.parametrize("shrinkage", ESTIMATORS)
def test_equals_nilearn(scans, kind, shrinkage):
    reference = ConnectivityMeasure(
        cov_estimator=ESTIMATORS[shrinkage], kind=kind, standardize=True
    ).fit_transform(scans)
    ours = static(scans, kind=kind, shrinkage=shrinkage)
    np.testing.assert_allclose(ours, reference, atol=1e-9, rtol=1e-7)


def test_shrinkage_equals_scikit_learn_with_fewer_volumes_than_regions(rng):
    series = rng.standard_normal((30, 50)) * np.linspace(1, 9, 50)
    for shrinkage, estimator in list(ESTIMATORS.items())[1:]:
        expected = estimator.fit(series).covariance_
        np.testing.assert_allclose(
            static(series, kind="covariance", shrinkage=shrinkage), expected, atol=1e-11
        )
        assert np.isfinite(static(series, kind="partial correlation", shrinkage=shrinkage)).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-7), (np.float64, 1e-12)])
def test_correlation_equals_corrcoef(rng, dtype, tolerance):
    series = (rng.standard_normal((50, 30)) + 1e4).astype(dtype)
    ours = static(series)
    assert ours.dtype == dtype
    assert np.abs(ours - np.corrcoef(series.T.astype(np.float64))).max() < tolerance


def test_spearman_equals_scipy_with_ties(rng):
    series = rng.integers(0, 6, (40, 5)).astype(float)
    np.testing.assert_allclose(static(series, kind="spearman"), spearmanr(series)[0], atol=1e-12)


def test_fisher_z_has_a_zero_diagonal_and_is_finite(scans):
    series = scans[0].copy()
    series[:, 1] = series[:, 0]
    z = static(series, kind="fisher z")
    assert (np.diag(z) == 0).all()
    assert z[0, 1] == pytest.approx(np.arctanh(1 - 1e-6))
    assert z[2, 3] == pytest.approx(np.arctanh(np.corrcoef(series.T)[2, 3]))


def test_static_is_the_one_window_of_the_whole_scan(scans):
    np.testing.assert_allclose(sliding_window(scans[0], 60)[0], static(scans[0]), atol=1e-12)


@pytest.mark.parametrize(
    "kind",
    ["correlation", "fisher z", "spearman", "covariance", "precision", "partial correlation"],
)
@pytest.mark.parametrize("shrinkage", [None, "ledoit_wolf"])
def test_constant_regions_are_zero_and_the_rest_is_as_without_them(scans, kind, shrinkage):
    series = scans[0].copy()
    series[:, [2, 7]] = [0, 31.7]
    with pytest.warns(UserWarning, match=r"2 of 12 regions are constant: \[2, 7\]"):
        ours = static(series, kind=kind, shrinkage=shrinkage)
    kept = np.delete(np.arange(12), [2, 7])
    assert (ours[[2, 7]] == 0).all()
    assert (ours[:, [2, 7]] == 0).all()
    expected = static(series[:, kept], kind=kind, shrinkage=shrinkage)
    np.testing.assert_allclose(ours[np.ix_(kept, kept)], expected, rtol=1e-14)


def test_nothing_but_constant_regions():
    with pytest.warns(UserWarning, match="3 of 3 regions"):
        assert (static(np.ones((9, 3))) == 0).all()


@pytest.mark.parametrize("kind", ["correlation", "precision"])
def test_several_equal_one_by_one_in_parallel(scans, kind):
    ours = static(scans, kind=kind, n_jobs=2)
    assert ours.shape == (4, 12, 12)
    np.testing.assert_array_equal(ours, np.stack([static(scan, kind=kind) for scan in scans]))


def test_float32_only_if_all_are(scans):
    singles = [scan.astype(np.float32) for scan in scans]
    assert static(singles).dtype == np.float32
    assert static([*singles, scans[0]]).dtype == np.float64


def test_read_only_input_is_left_as_it_was(scans):
    series = scans[0].copy()
    series.flags.writeable = False
    before = series.copy()
    for kind in ("correlation", "fisher z", "partial correlation"):
        static(series, kind=kind)
    np.testing.assert_array_equal(series, before)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(1e-6, 1e6),
    kind=st.sampled_from(["correlation", "spearman", "partial correlation"]),
    shrinkage=st.sampled_from([None, "ledoit_wolf", "oas", 0.5]),
)
def test_symmetric_bounded_and_free_of_units(seed, scale, kind, shrinkage):
    series = np.random.default_rng(seed).standard_normal((20, 6))
    ours = static(series, kind=kind, shrinkage=shrinkage)
    np.testing.assert_array_equal(ours, ours.T)
    assert np.abs(ours).max() <= 1
    assert (np.diag(ours) == 1).all()
    np.testing.assert_allclose(
        static(series * scale, kind=kind, shrinkage=shrinkage), ours, atol=1e-8
    )


def test_inverse_of_200_regions_on_two_threads(rng):
    scans = [rng.standard_normal((400, 200)) for _ in range(8)]
    with threadpool_limits(2, user_api="blas"):
        ours = static(scans, kind="precision")
    covariances = static(scans, kind="covariance")
    np.testing.assert_allclose(ours @ covariances, np.tile(np.eye(200), (8, 1, 1)), atol=1e-9)


@pytest.mark.parametrize("kind", ["precision", "partial correlation"])
def test_too_few_volumes_say_what_to_type(rng, kind):
    scans = [rng.standard_normal((n, 10)) for n in (20, 10)]
    message = r"subject 1 has 10 volumes and 10 regions.*shrinkage='ledoit_wolf'"
    with pytest.raises(ValueError, match=message):
        static(scans, kind=kind)
    with pytest.raises(ValueError, match=message):
        static(scans, kind=kind, shrinkage=0)


def test_singular_covariance_says_what_to_type(rng):
    series = rng.standard_normal((50, 4))
    series[:, 3] = series[:, 0] + series[:, 1]
    with pytest.raises(ValueError, match=r"covariance of series is singular.*shrinkage="):
        static(series, kind="precision")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "pearson"}, "kind must be one of 'correlation', 'fisher z'.*got 'pearson'"),
        ({"shrinkage": "lw"}, "shrinkage must be one of 'ledoit_wolf', 'oas', got 'lw'"),
        ({"shrinkage": 1.5}, r"a number in \[0, 1\], got 1.5"),
    ],
)
def test_choices_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        static(np.ones((5, 2)), **arguments)


def test_abide_sample(real_data):
    path = real_data / "abide1" / "timeseries_rois_ho_filt_noglobal_871.npz"
    with np.load(path) as packed:
        data, offsets = packed["data"], packed["offsets"]
    scans = [data[a:b].astype(np.float32) for a, b in pairwise(offsets[:61])]
    silent = [np.flatnonzero(~scan.any(0)).tolist() for scan in scans]
    assert [found.tolist() for found in constant_regions(scans)] == silent
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        started = time.perf_counter()
        matrices = static(scans)
    assert time.perf_counter() - started < 10
    assert np.isfinite(matrices).all()
    assert matrices.shape == (60, 111, 111)
