import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from brainograph.connectivity.kernel import fisher_z, window_mask, windowed_correlation


def corrcoef_windows(series, length, step=1):
    starts = range(0, len(series) - length + 1, step)
    return np.stack([np.corrcoef(series[s : s + length].T.astype(np.float64)) for s in starts])


def weighted_pearson(x, y, w):
    mean_x, mean_y = np.average(x, weights=w), np.average(y, weights=w)
    covariance = np.average((x - mean_x) * (y - mean_y), weights=w)
    variances = np.average((x - mean_x) ** 2, weights=w), np.average((y - mean_y) ** 2, weights=w)
    return covariance / np.sqrt(variances[0] * variances[1])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 2e-6)])
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize(("length", "step"), [(30, 1), (30, 7), (100, 1), (3, 2)])
def test_equals_corrcoef(rng, dtype, tolerance, offset, length, step):
    series = torch.from_numpy(rng.standard_normal((100, 20)) + offset).to(dtype)
    ours = windowed_correlation(series, length, step=step)
    assert ours.dtype == dtype
    expected = corrcoef_windows(series.numpy(), length, step)
    assert ours.shape == expected.shape
    assert np.abs(ours.numpy() - expected).max() < tolerance


def test_float64_is_centered_before_it_becomes_float32(rng):
    series = rng.standard_normal((60, 10)) + 1e4
    ours = windowed_correlation(torch.from_numpy(series), 30, dtype=torch.float32)
    assert ours.dtype == torch.float32
    assert np.abs(ours.numpy() - corrcoef_windows(series, 30)).max() < 2e-6


def test_weights_give_the_weighted_pearson(rng):
    series, weights = rng.standard_normal((12, 3)) + 50, np.hanning(8)
    ours = windowed_correlation(torch.from_numpy(series), 8, weights=torch.from_numpy(weights))
    for window in range(5):
        x = series[window : window + 8]
        for i, j in [(0, 1), (0, 2), (1, 2)]:
            expected = weighted_pearson(x[:, i], x[:, j], weights)
            assert ours[window, i, j].item() == pytest.approx(expected, abs=1e-12)


def test_equal_weights_change_nothing(rng):
    series = torch.from_numpy(rng.standard_normal((40, 6)))
    weighted = windowed_correlation(series, 10, weights=torch.full((10,), 3.0))
    torch.testing.assert_close(weighted, windowed_correlation(series, 10), atol=1e-12, rtol=0)


def test_hand_computed_with_a_constant_region():
    series = torch.tensor([[0.0, 1, 7], [1, 3, 7], [2, 5, 7], [3, 4, 7]])
    expected = torch.tensor(
        [[[1, 1, 0], [1, 1, 0], [0, 0, 0]], [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 0]]]
    )
    torch.testing.assert_close(windowed_correlation(series, 3), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("level", [0.0, 0.1, -3.3, 1e4 + 0.1, 1e-20])
def test_constant_inside_one_window_only(rng, dtype, level):
    series = torch.from_numpy(rng.standard_normal((60, 4))).to(dtype)
    series[20:50, 1] = level
    ours = windowed_correlation(series, 30)
    assert torch.isfinite(ours).all()
    assert (ours[20, 1] == 0).all()
    assert (ours[20, :, 1] == 0).all()
    assert (ours[[0, 19, 21, 30], 1, 1] == 1).all()
    assert ours[20, 0, 0] == 1


def test_gaps_of_zero_weight_do_not_count_as_signal(rng):
    series = torch.from_numpy(rng.standard_normal((10, 3)))
    series[1:9, 0] = 2.5  # varies only where the Hann window is 0
    ours = windowed_correlation(series, 10, weights=torch.from_numpy(np.hanning(10)))
    assert (ours[0, 0] == 0).all()
    assert ours[0, 1, 1] == 1


@pytest.mark.parametrize("padding", [0.0, 1e6, float("nan")])
def test_padded_batch_equals_one_by_one(rng, padding):
    scans = [torch.from_numpy(rng.standard_normal((n, 5)) + 1e3).float() for n in (40, 25, 12)]
    lengths = torch.tensor([len(scan) for scan in scans])
    batch = torch.nn.utils.rnn.pad_sequence(scans, batch_first=True, padding_value=padding)
    ours = windowed_correlation(batch, 15, step=4, lengths=lengths)
    mask = window_mask(lengths, 40, 15, step=4)
    assert mask.sum(1).tolist() == [7, 3, 0]
    assert (ours[~mask] == 0).all()
    for one, scan, valid in zip(ours[:2], scans, mask, strict=False):
        torch.testing.assert_close(
            one[valid], windowed_correlation(scan, 15, step=4), atol=1e-6, rtol=0
        )


def test_gradient_is_that_of_the_formula(rng):
    series = torch.from_numpy(rng.standard_normal((2, 9, 3))).requires_grad_()
    lengths, weights = torch.tensor([9, 7]), torch.tensor([0.2, 0.6, 1, 0.6, 0.2]).double()

    def upper(x, weights=None):
        matrices = windowed_correlation(x, 5, step=2, weights=weights, lengths=lengths)
        return matrices[..., 0, 1:].sum(-1)

    assert torch.autograd.gradcheck(upper, (series,))
    assert torch.autograd.gradcheck(lambda x: upper(x, weights), (series,))


def test_gradient_is_finite_with_constant_regions_and_nan_padding(rng):
    series = torch.from_numpy(rng.standard_normal((2, 20, 4))).float()
    series[0, :, 0] = 0
    series[0, 5:15, 1] = 1e4
    series[1, 12:] = float("nan")
    series[:, :, 3] = series[:, :, 2]
    series.requires_grad_()
    ours = windowed_correlation(series, 10, lengths=torch.tensor([20, 12]))
    fisher_z(ours).square().sum().backward()
    assert torch.isfinite(ours).all()
    assert torch.isfinite(series.grad).all()
    assert (series.grad[0, :, 0] == 0).all()
    assert (series.grad[1, 12:] == 0).all()


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    exponent=st.integers(-18, 18),
    shift=st.floats(-1e3, 1e3),
    length=st.integers(3, 20),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_symmetric_bounded_and_free_of_units(seed, exponent, shift, length, dtype):
    generator = torch.Generator().manual_seed(seed)
    series = torch.randn(20, 5, generator=generator, dtype=torch.float64)
    series[:, 4] = series[:, 0]
    ours = windowed_correlation(series, length, dtype=dtype)
    assert (ours - ours.mT).abs().max() <= 4 * torch.finfo(dtype).eps
    assert ours.abs().max() <= 1
    assert (ours.diagonal(dim1=1, dim2=2) == 1).all()
    scaled = windowed_correlation((series + shift) * 10.0**exponent, length, dtype=dtype)
    assert (scaled - ours).abs().max() < (1e-9 if dtype == torch.float64 else 5e-6)


@settings(max_examples=60, deadline=None)
@given(
    level=st.floats(-1e8, 1e8),
    n_volumes=st.integers(3, 300),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_a_constant_is_found_at_any_level(level, n_volumes, dtype):
    series = torch.full((n_volumes, 2), level, dtype=dtype)
    series[:, 1] = torch.randn(n_volumes, generator=torch.Generator().manual_seed(0))
    ours = windowed_correlation(series, n_volumes)[0]
    assert ours.tolist() == [[0, 0], [0, 1]]


def test_writes_to_given_memory_and_ignores_autocast(rng):
    series = torch.from_numpy(rng.standard_normal((2, 30, 4))).float()
    out = torch.empty(2, 21, 4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = windowed_correlation(series, 10, out=out)
    assert result.data_ptr() == out.data_ptr()
    torch.testing.assert_close(out, windowed_correlation(series, 10), atol=0, rtol=0)
    half = windowed_correlation(series.half(), 10)
    assert half.dtype == torch.float32


def test_large_batch_on_two_threads_equals_one(rng):
    series = torch.from_numpy(rng.standard_normal((8, 60, 200)))
    expected = windowed_correlation(series, 30, step=10)
    torch.set_num_threads(2)
    try:
        ours = windowed_correlation(series, 30, step=10)
    finally:
        torch.set_num_threads(1)
    torch.testing.assert_close(ours, expected, atol=1e-12, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu_equals_cpu(rng):
    series = torch.from_numpy(rng.standard_normal((4, 60, 50)) + 1e4).float()
    ours = windowed_correlation(series.cuda(), 30).cpu()
    torch.testing.assert_close(ours, windowed_correlation(series, 30), atol=2e-6, rtol=0)


def test_fisher_z_by_hand():
    correlation = torch.tensor([[1.0, 0.5, 1.0], [0.5, 1.0, -1.0], [1.0, -1.0, 1.0]])
    bound = np.arctanh(1 - 1e-6)
    expected = torch.tensor([[0, 0.54930614, bound], [0.54930614, 0, -bound], [bound, -bound, 0]])
    torch.testing.assert_close(fisher_z(correlation.double()), expected.double(), atol=1e-7, rtol=0)
    assert correlation[0, 0] == 1
    assert fisher_z(correlation, out=correlation) is correlation
    assert torch.isfinite(correlation).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"series": torch.ones(5)}, r"\(T, R\) or \(B, T, R\), got shape \(5,\)"),
        ({"length": 11}, "between 2 and the 10 volumes .* got length=11"),
        ({"step": 0}, "step=0"),
        ({"weights": torch.ones(4)}, r"weights must have shape \(5,\)"),
        ({"lengths": torch.tensor([10, 10, 10])}, r"lengths must have shape \(2,\)"),
    ],
)
def test_errors_say_what_is_needed(arguments, message):
    arguments = {"series": torch.ones(2, 10, 3), "length": 5} | arguments
    with pytest.raises(ValueError, match=message):
        windowed_correlation(arguments.pop("series"), arguments.pop("length"), **arguments)
