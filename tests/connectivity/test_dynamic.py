import warnings

import numpy as np
import pytest
from nilearn.connectome import ConnectivityMeasure
from scipy.signal import windows as scipy_windows
from sklearn.covariance import EmpiricalCovariance

from brainograph.connectivity import sliding_window, window_starts


def weighted_corrcoef(x, w):
    centered = x - np.average(x, axis=0, weights=w)
    covariance = (centered * w[:, None]).T @ centered
    deviation = np.sqrt(np.diag(covariance))
    return covariance / deviation / deviation[:, None]


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 2e-6)])
@pytest.mark.parametrize(("n_volumes", "length", "step"), [(100, 30, 1), (101, 20, 9), (30, 30, 4)])
def test_every_full_window_equals_corrcoef(rng, dtype, tolerance, n_volumes, length, step):
    series = (rng.standard_normal((n_volumes, 15)) + 1e4).astype(dtype)
    ours = sliding_window(series, length, step=step)
    starts = range(0, n_volumes - length + 1, step)
    assert len(ours) == len(starts) == 1 + (n_volumes - length) // step
    assert window_starts(n_volumes, length, step=step).tolist() == list(starts)
    expected = [np.corrcoef(series[s : s + length].T.astype(float)) for s in starts]
    assert ours.dtype == dtype
    assert np.abs(ours - np.stack(expected)).max() < tolerance


def test_equals_nilearn_on_each_window(rng):
    series = rng.standard_normal((50, 8))
    measure = ConnectivityMeasure(
        cov_estimator=EmpiricalCovariance(), kind="correlation", standardize=True
    )
    expected = measure.fit_transform([series[s : s + 20] for s in range(0, 31, 5)])
    np.testing.assert_allclose(sliding_window(series, 20, step=5), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("window", "weights"),
    [
        ("hann", scipy_windows.hann(16)),
        ("hamming", scipy_windows.hamming(16)),
        ("gaussian", scipy_windows.gaussian(16, 16 / 6)),
        (np.linspace(0, 1, 16), np.linspace(0, 1, 16)),
    ],
)
def test_tapers_give_the_weighted_pearson(rng, window, weights):
    series = rng.standard_normal((30, 4)) + 100
    ours = sliding_window(series, 16, window=window)
    expected = [weighted_corrcoef(series[s : s + 16], weights) for s in range(15)]
    np.testing.assert_allclose(ours, expected, atol=1e-10)


def test_a_taper_makes_no_correlation_out_of_the_mean(rng):
    noise = rng.standard_normal((1000, 2)) + 5
    tapered = noise * np.hamming(1000)[:, None]
    assert np.corrcoef(tapered.T)[0, 1] > 0.5  # what multiplying the series would give
    assert abs(sliding_window(noise, 1000, window="hamming")[0, 0, 1]) < 0.1


def test_seconds_are_rounded_to_volumes_of_each_scan(rng):
    series = [rng.standard_normal((60, 3)), rng.standard_normal((90, 3))]
    ours = sliding_window(series, 60.0, step=6.0, t_r=[3.0, 2.0])
    for one, scan, length, step in zip(ours, series, (20, 30), (2, 3), strict=True):
        np.testing.assert_array_equal(one, sliding_window(scan, length, step=step))
    default = sliding_window(series[0], 31.4, t_r=3.0)  # 10.47 volumes, by single volumes
    np.testing.assert_array_equal(default, sliding_window(series[0], 10))


def test_ragged_lengths_equal_one_by_one(rng):
    scans = [rng.standard_normal((n, 5)).astype(np.float32) for n in (50, 31, 30)]
    ours = sliding_window(scans, 30, step=3, window="hamming", kind="fisher z")
    assert [len(one) for one in ours] == [7, 1, 1]
    for one, scan in zip(ours, scans, strict=True):
        alone = sliding_window(scan, 30, step=3, window="hamming", kind="fisher z")
        np.testing.assert_array_equal(one, alone)


def test_fisher_z_is_the_arctanh(rng):
    series = rng.standard_normal((40, 4))
    z = sliding_window(series, 20, kind="fisher z")
    expected = np.arctanh(sliding_window(series, 20) * (1 - np.eye(4)))
    np.testing.assert_allclose(z, expected, atol=1e-12)


def test_single_precision_of_double_series(rng):
    series = rng.standard_normal((60, 10)) + 1e4
    ours = sliding_window(series, 30, dtype="float32")
    assert ours.dtype == np.float32
    assert np.abs(ours - sliding_window(series, 30)).max() < 2e-6


def test_constant_regions_are_zero_and_reported_once(rng):
    series = rng.standard_normal((50, 5)) + 3
    series[:, 0] = 8.1
    series[10:40, 3] = 2.7
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ours = sliding_window([series, series], 20, kind="fisher z")
    messages = [str(w.message) for w in caught]
    assert len(messages) == 2
    assert "subject 0: [0]; subject 1: [0]" in messages[0]
    assert "constant in some windows in 2 of 2 subjects: subject 0: [3]" in messages[1]
    assert np.isfinite(ours[0]).all()
    assert (ours[0][:, 0] == 0).all()
    assert (ours[0][10:21, 3] == 0).all()
    assert (ours[0][[0, 9, 21, 30], 3, 1] != 0).all()


def test_read_only_input_is_left_as_it_was(rng):
    series = rng.standard_normal((20, 3))
    series[:, 1] = 4
    before = series.copy()
    series.flags.writeable = False
    with pytest.warns(UserWarning, match="constant"):
        sliding_window(series, 10)
    np.testing.assert_array_equal(series, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 50}, r"longer than the scan.*\[1: 40 of 50\].*length=40 or less"),
        ({"length": 120.0, "t_r": [2.0, 2.0]}, r"\[0: 50 of 60, 1: 40 of 60\].*length=80.0 or"),
        ({"length": 2}, "is 2 volumes; a correlation needs at least 3"),
        ({"length": 4.0, "t_r": 2.0}, "length=4.0 s is 2 volumes"),
        ({"length": 30.5}, "whole number of volumes, got 30.5.*t_r=2.0"),
        ({"length": 10, "step": 0}, "step must be a whole number"),
        ({"length": 10, "step": -1, "t_r": 2.0}, "step must be more than 0 s"),
        ({"length": 10, "t_r": 0.0}, "repetition time in seconds above 0"),
        ({"length": 10, "t_r": [1.0, 2.0, 3.0]}, "one for each of the 2 subjects"),
        ({"length": 10, "window": "box"}, "window must be one of 'rectangular'.*got 'box'"),
        ({"length": 10, "window": np.ones(9)}, "10 weights .* got an array of shape"),
        ({"length": 10, "window": -np.ones(10)}, "not negative"),
        ({"length": 10, "window": np.eye(10)[0]}, "at least 3 volumes a weight above 0, got 1"),
        ({"length": 4, "window": "hann"}, "at least 3 volumes a weight above 0, got 2 of 4"),
        ({"length": 10, "kind": "covariance"}, "kind must be one of 'correlation', 'fisher z'"),
        ({"length": 10, "dtype": "int8"}, "dtype must be 'float32' or 'float64'"),
    ],
)
def test_errors_say_what_to_type(rng, arguments, message):
    series = [rng.standard_normal((n, 3)) for n in (50, 40)]
    with pytest.raises(ValueError, match=message):
        sliding_window(series, arguments.pop("length"), **arguments)


def test_abide_sample(real_data):
    path = real_data / "abide1" / "timeseries_rois_ho_filt_noglobal_871.npz"
    with np.load(path) as packed:
        data, offsets = packed["data"], packed["offsets"]
    for s in range(0, 60, 4):
        scan = data[offsets[s] : offsets[s + 1]].astype(np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            ours = sliding_window(scan, 30, step=10)
        signal = scan.any(0)
        assert np.isfinite(ours).all()
        assert (ours[:, ~signal] == 0).all()
        expected = np.corrcoef(scan[:30, signal].T)
        assert np.abs(ours[0][np.ix_(signal, signal)] - expected).max() < 2e-6
