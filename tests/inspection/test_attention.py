"""Attention is what the networks compute, named by region, channel and window."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from brainograph.datasets import simulate_cohort
from brainograph.estimators import SubjectGraphClassifier, Training
from brainograph.inspection import attention, sanity_check, summarize
from brainograph.preprocessing import Edges

TOPK = {"pooling": "topk", "readout": "mean"}
QUICK = Training(max_epochs=1, validation_fraction=0.0)


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(20, n_regions=8, n_volumes=(50, 70), missing=0.0)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy()


def fitted(network, params, cohort, y, **more):
    model = SubjectGraphClassifier(network, params=params, training=QUICK, device="cpu", **more)
    return model.fit(cohort, y)


def test_survival_of_regions(cohort, y):
    model = fitted(
        "BrainGCN", {"pooling": "topk", "readout": "mean", "ratio": 0.5}, cohort, y, n_members=2
    )
    table = attention(model, cohort)
    assert table["region"].astype(str)[:8].tolist() == cohort.regions.index.tolist()
    batch = model._data(cohort, model._members[0]).batch(np.arange(20))
    with torch.no_grad():
        expected = sum(one.eval().region_scores(batch) for one in model._members) / 2
    got = table["importance"].to_numpy().reshape(20, 8)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert (got == 0).any()


def test_channels_of_mstgc(cohort, y):
    params = {"channels": ("dynamic", "fc"), "window": 30, "step": 10}
    model = fitted("MSTGC", params, cohort, y)
    regions = attention(model, cohort)
    assert regions["channel"].unique().tolist() == ["dynamic", "fc", "common"]
    sums = regions.groupby(["participant_id", "region"], observed=True)["importance"].sum()
    np.testing.assert_allclose(sums, 1, rtol=1e-5)
    windows = attention(model, cohort, level="window")
    sums = windows.groupby(["participant_id", "start"], observed=True)["importance"].sum()
    np.testing.assert_allclose(sums, 1, rtol=1e-5)
    lengths = {p: len(s) for p, s in zip(cohort.participant_ids, cohort.timeseries, strict=True)}
    last = windows.groupby("participant_id")["stop"].max()
    assert all(lengths[p] - 10 < stop <= lengths[p] for p, stop in last.items())
    means = summarize(regions)
    assert len(means) == 8 * 3
    dynamic = means[means["channel"] == "dynamic"].set_index("region")["importance"]
    each = regions[regions["channel"] == "dynamic"].groupby("region", observed=True)["importance"]
    np.testing.assert_allclose(dynamic[each.mean().index], each.mean(), rtol=1e-6)
    checked = sanity_check(attention, model, cohort[:4], n_draws=1)
    assert checked["rank_correlation"].between(-1, 1).all()
    one = attention(model, cohort[3:4])
    mine = regions[regions["participant_id"] == cohort.participant_ids[3]]["importance"]
    np.testing.assert_allclose(one["importance"], mine, rtol=1e-4)


def test_stagin_in_space_and_time(cohort, y):
    params = {"window": 30, "step": 10, "hidden_channels": 8}
    for readout in ("sero", "garo"):
        model = fitted("STAGIN", {**params, "readout": readout}, cohort, y)
        regions = attention(model, cohort)
        assert regions["importance"].between(0, 1).all()
        assert regions.groupby("participant_id")["importance"].std().min() > 0
    windows = attention(model, cohort, level="window")
    sums = windows.groupby("participant_id")["importance"].sum()
    np.testing.assert_allclose(sums, 1, rtol=1e-4)  # of what every window gives away
    one = attention(model, cohort[3:4], level="window")
    mine = windows[windows["participant_id"] == cohort.participant_ids[3]]["importance"]
    np.testing.assert_allclose(one["importance"], mine, rtol=1e-4)


def test_models_without_attention_are_refused(cohort, y):
    with pytest.raises(ValueError, match="MeanMLP has no attention or pooling by region"):
        attention(fitted("MeanMLP", {}, cohort, y), cohort)
    with pytest.raises(ValueError, match="BrainGCN has no attention or pooling by window"):
        attention(
            fitted("BrainGCN", TOPK, cohort, y),
            cohort,
            level="window",
        )
    linear = make_pipeline(Edges(), LogisticRegression()).fit(cohort, y)
    with pytest.raises(ValueError, match="a Pipeline has no attention"):
        attention(linear, cohort)
    with pytest.raises(ValueError, match="level must be one of"):
        attention(linear, cohort, level="voxel")
