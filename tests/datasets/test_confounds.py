import numpy as np
import pytest

from brainograph.datasets.confounds import draw_confounds


@pytest.fixture
def drawn(rng):
    return draw_confounds(120, t_r=2.0, mean_fd=0.3, rng=rng)


def test_displacement_follows_power_2012_and_has_the_mean_asked_for(drawn):
    confounds, _ = drawn
    steps = confounds[["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]].diff().abs()
    by_hand = steps.iloc[:, :3].sum(axis=1) + 50 * steps.iloc[:, 3:].sum(axis=1)
    np.testing.assert_allclose(
        confounds["framewise_displacement"][1:], by_hand[1:], atol=50 * 6 * 1e-6
    )
    assert confounds["framewise_displacement"].mean() == pytest.approx(0.3, abs=1e-3)


def test_the_first_row_has_no_derivative_and_no_other_cell_is_missing(drawn):
    confounds, _ = drawn
    missing = confounds.columns[confounds.iloc[0].isna()]
    derivatives = [name for name in confounds if "derivative1" in name]
    assert set(missing) == {*derivatives, "framewise_displacement", "dvars", "std_dvars"}
    assert confounds[1:].notna().all(axis=None)


def test_cosines_are_orthonormal_and_as_many_as_128_seconds_ask_for(drawn):
    confounds, _ = drawn
    cosines = confounds.filter(like="cosine").to_numpy()
    assert cosines.shape[1] == 3  # 2 * 120 * 2 / 128 = 3.75
    np.testing.assert_allclose(cosines.T @ cosines, np.eye(3), atol=1e-4)


def test_the_confounds_span_the_artefacts(drawn):
    confounds, artefacts = drawn
    basis = np.column_stack([np.ones(len(confounds)), confounds.fillna(0)])
    # steps at the first volume are 0 and its derivative is missing: the fit is exact throughout
    fitted = basis @ np.linalg.lstsq(basis, artefacts, rcond=None)[0]
    np.testing.assert_allclose(fitted, artefacts, atol=1e-3)
