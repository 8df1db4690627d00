import numpy as np
import pandas as pd
import pytest
import torch
from nilearn.connectome import ConnectivityMeasure, sym_matrix_to_vec
from sklearn.base import clone
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from brainograph.cohort import Cohort
from brainograph.preprocessing import TangentSpace, geometric_mean


def make_series(rng, n_subjects=20, n_regions=12, lengths=(60, 90)):
    mixing = rng.standard_normal((n_regions, n_regions)) * 0.3 + np.eye(n_regions)
    return [
        rng.standard_normal((length, n_regions)) @ mixing * rng.uniform(0.5, 2, n_regions)
        for length in rng.integers(*lengths, size=n_subjects)
    ]


def make_cohort(series, **members):
    ids = [f"sub-{row:02d}" for row in range(len(series))]
    regions = pd.DataFrame(index=[f"region {i}" for i in range(series[0].shape[1])])
    return Cohort(pd.DataFrame(index=ids), regions, timeseries=series, **members)


@pytest.mark.parametrize("discard_diagonal", [False, True])
@pytest.mark.parametrize(
    ("shrinkage", "estimator"), [("ledoit_wolf", LedoitWolf()), (None, EmpiricalCovariance())]
)
def test_equals_nilearn_on_raw_series(rng, shrinkage, estimator, discard_diagonal):
    series = make_series(rng)
    reference = ConnectivityMeasure(
        estimator, kind="tangent", vectorize=True, discard_diagonal=discard_diagonal
    ).fit(series[:15])
    ours = TangentSpace(
        shrinkage=shrinkage, standardize=False, discard_diagonal=discard_diagonal
    ).fit(series[:15])
    np.testing.assert_allclose(ours.reference_, reference.mean_, atol=1e-8)
    np.testing.assert_allclose(ours.whitening_, reference.whitening_, atol=1e-8)
    np.testing.assert_allclose(ours.transform(series), reference.transform(series), atol=1e-6)


def test_standardize_is_nilearn_on_z_scores(rng):
    series = make_series(rng)
    scores = [(one - one.mean(0)) / one.std(0, ddof=1) for one in series]
    expected = ConnectivityMeasure(kind="tangent", vectorize=True).fit_transform(scores)
    np.testing.assert_allclose(TangentSpace().fit_transform(series), expected, atol=1e-6)


def test_an_atlas_of_200_regions_in_two_threads(rng):
    series = make_series(rng, n_subjects=8, n_regions=200, lengths=(120, 150))
    expected = ConnectivityMeasure(kind="tangent", vectorize=True).fit_transform(series)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        two = TangentSpace(standardize=False, n_jobs=2).fit_transform(series)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(two, expected, atol=1e-6)
    one = TangentSpace(standardize=False).fit_transform(series)
    np.testing.assert_array_equal(one, two)


def test_geometric_mean_of_matrices_that_commute():
    stack = np.stack([np.diag([1.0, 4, 9]), np.diag([16.0, 1, 9]), np.diag([4.0, 2, 9])])
    np.testing.assert_allclose(geometric_mean(stack), np.diag([4, 2, 9]), atol=1e-9)


def test_geometric_mean_is_affine_invariant(rng):
    factors = rng.standard_normal((40, 5, 9))
    stack, change = factors @ factors.transpose(0, 2, 1), rng.standard_normal((5, 5))
    moved = geometric_mean(change @ stack @ change.T, tol=1e-12)
    np.testing.assert_allclose(moved, change @ geometric_mean(stack, tol=1e-12) @ change.T)


def test_too_few_iterations_are_said(rng):
    with pytest.warns(ConvergenceWarning, match="in 1 steps; write max_iter=2"):
        TangentSpace(max_iter=1).fit(make_series(rng))


def test_vectors_keep_the_norm_and_the_column_names(rng):
    covariances = np.stack([np.cov(one.T) for one in make_series(rng, n_regions=3)])
    tangent = TangentSpace().fit(covariances)
    values = np.log(np.linalg.eigvalsh(tangent.whitening_ @ covariances @ tangent.whitening_))
    norms = np.linalg.norm(tangent.transform(covariances), axis=1)
    np.testing.assert_allclose(norms * np.sqrt(2), np.linalg.norm(values, axis=1))
    expected = ["0 -- 0", "0 -- 1", "1 -- 1", "0 -- 2", "1 -- 2", "2 -- 2"]
    assert tangent.get_feature_names_out().tolist() == expected
    discarded = TangentSpace(discard_diagonal=True).fit(covariances)
    assert discarded.get_feature_names_out().tolist() == ["0 -- 1", "0 -- 2", "1 -- 2"]


def test_covariances_from_the_cohort_equal_those_from_series(rng):
    series = make_series(rng)
    covariances = np.stack([LedoitWolf().fit(one).covariance_ for one in series])
    cohort = make_cohort(series, connectivity={"cov": covariances})
    named = TangentSpace(connectivity="cov").fit_transform(cohort)
    computed = TangentSpace(standardize=False).fit_transform(cohort)
    np.testing.assert_allclose(named, computed, atol=1e-10)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("standardize", [True, False])
def test_constant_regions_do_not_break_it(rng, standardize, offset):
    series = make_series(rng)
    for one in series:
        one[:, 3] = offset
    series[0][:, :8] = offset
    cohort = make_cohort(series)
    assert np.isfinite(TangentSpace(standardize=standardize).fit_transform(cohort)).all()


@pytest.mark.parametrize("n_fitted", [20, 3])
def test_singular_covariances_name_the_participant(rng, n_fitted):
    series = make_series(rng)
    series[18][:, 3] = 0.0
    cohort = make_cohort(series)
    with pytest.raises(ValueError, match=r"covariance of sub-18 is singular.*'ledoit_wolf'"):
        TangentSpace(shrinkage=None).fit(cohort[:n_fitted]).transform(cohort)


def test_a_region_that_nobody_has_without_shrinkage(rng):
    series = make_series(rng)
    for one in series:
        one[:, 3] = 0.0
    with pytest.raises(ValueError, match=r"covariance of sub-00 is singular"):
        TangentSpace(shrinkage=None).fit(make_cohort(series))


def test_a_participant_without_any_signal(rng):
    series = make_series(rng)
    series[2][:] = 7.0
    with pytest.raises(ValueError, match=r"covariance of sub-02 is singular.*no signal"):
        TangentSpace().fit(make_cohort(series))


def test_a_row_does_not_depend_on_the_others_nor_on_later_rows(rng):
    cohort = make_cohort(make_series(rng))
    tangent = TangentSpace().fit(cohort[:10])
    whole = tangent.transform(cohort)
    np.testing.assert_allclose(tangent.transform(cohort[[17]])[0], whole[17], atol=1e-12)
    changed = [
        series * 3 + 1 if row >= 10 else series for row, series in enumerate(cohort.timeseries)
    ]
    again = TangentSpace().fit(make_cohort(changed)[:10])
    np.testing.assert_array_equal(again.reference_, tangent.reference_)


def test_other_regions_are_refused(rng):
    series = make_series(rng)
    tangent = TangentSpace().fit(make_cohort(series))
    with pytest.raises(ValueError, match=r"11 given, 12 needed; missing \['region 11'\]"):
        tangent.transform(make_cohort([one[:, :11] for one in series]))


def test_errors_of_input(rng):
    series = make_series(rng)
    bare = make_cohort(series).assign()
    object.__setattr__(bare, "timeseries", None)
    with pytest.raises(ValueError, match=r"no time series.*connectivity='cov'"):
        TangentSpace().fit(bare)
    with pytest.raises(ValueError, match="no connectivity 'cov'; it has: none"):
        TangentSpace(connectivity="cov").fit(bare)
    with pytest.raises(ValueError, match="must be one of 'ledoit_wolf', 'oas', got 'lasso'"):
        TangentSpace(shrinkage="lasso").fit(series)


def test_cohort_through_cross_validation(rng):
    y = np.arange(30) % 2
    series = make_series(rng, n_subjects=30)
    for label, one in zip(y, series, strict=True):
        one[:, 0] += 2 * label * one[:, 1]
    pipeline = make_pipeline(TangentSpace(), RidgeClassifier())
    assert cross_val_score(pipeline, make_cohort(series), y, cv=3).mean() > 0.9


def test_the_vector_is_that_of_nilearn(rng):
    covariances = np.stack([np.cov(one.T) for one in make_series(rng, n_regions=4)])
    tangent = TangentSpace().fit(covariances)
    values, vectors = np.linalg.eigh(tangent.whitening_ @ covariances[0] @ tangent.whitening_)
    log = (vectors * np.log(values)) @ vectors.T
    np.testing.assert_allclose(tangent.transform(covariances)[0], sym_matrix_to_vec(log))


def test_clone_keeps_parameters():
    parameters = TangentSpace(shrinkage=None, tol=1e-9, connectivity="cov").get_params()
    assert clone(TangentSpace(**parameters)).get_params() == parameters
