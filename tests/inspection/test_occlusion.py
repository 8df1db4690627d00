"""Occlusion takes away what it says and nothing else."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import nn

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.estimators import SubjectGraphClassifier, Training
from brainograph.inspection import occlude, planted_auc
from brainograph.preprocessing import Edges

QUICK = Training(max_epochs=8, validation_fraction=0.0)


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(40, n_regions=12, n_volumes=(60, 70), missing=0.0)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy()


@pytest.fixture(scope="module")
def linear(cohort, y):
    return make_pipeline(Edges(), LogisticRegression()).fit(cohort, y)


def test_linear_model_by_hand(linear, cohort):
    x, w = Edges().fit_transform(cohort), linear[-1].coef_[0]
    lost = (x - x.mean(axis=0)) * w  # (S, E)
    first, second = np.triu_indices(12, k=1)
    edges = occlude(linear, cohort, "edge")["importance"].to_numpy().reshape(40, -1)
    np.testing.assert_allclose(edges, lost, atol=1e-6)
    touching = (first == 3) | (second == 3)
    name = cohort.regions.index[3]
    one = occlude(linear, cohort, "region", regions=[name])
    np.testing.assert_allclose(one["importance"], lost[:, touching].sum(axis=1), atol=1e-6)
    network = cohort.regions["network"].to_numpy()
    inside = np.isin(network[first], ["Salience"]) | np.isin(network[second], ["Salience"])
    found = occlude(linear, cohort, "network")
    found = found[found["network"] == "Salience"]["importance"]
    np.testing.assert_allclose(found, lost[:, inside].sum(axis=1), atol=1e-6)
    assert planted_auc(occlude(linear, cohort, "edge"), cohort) > 0.9


class Windows(nn.Module):
    """Says 1 if volumes 20 to 40 of the first region are large; reads a measure if it is there."""

    missing_ok = True

    def __init__(self, n_regions, n_classes):
        super().__init__()
        self.reads = ("series", "measures/thickness")
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, batch):
        s = batch.series[:, 20:40, 0].square().sum(1)
        there = batch.has("measures/thickness").float()
        return torch.stack([torch.zeros_like(s), self.weight * s + 100 * there], dim=1)


def test_window_region_and_input_of_a_known_network(cohort, y):
    model = SubjectGraphClassifier(Windows, training=Training(max_epochs=1, lr=1e-9), device="cpu")
    model.fit(cohort, y)
    series = [(one - one.mean(0)) / one.std(0) for one in cohort.timeseries]
    expected = np.array([(one[20:40, 0] ** 2).sum() for one in series])
    windows = occlude(model, cohort, "window", width=20)
    wanted = windows["start"] == 20
    np.testing.assert_allclose(windows[wanted]["importance"], expected, rtol=1e-4)
    assert (windows[~wanted]["importance"] == 0).all()
    regions = occlude(model, cohort)
    first = regions["region"] == cohort.regions.index[0]
    np.testing.assert_allclose(regions[first]["importance"], expected, rtol=1e-4)
    assert (regions[~first]["importance"] == 0).all()
    inputs = occlude(model, cohort, "input")
    measure = inputs["input"] == "measures/thickness"
    np.testing.assert_allclose(inputs[measure]["importance"], 100, rtol=1e-4)


def test_phenotypes_of_a_network(cohort, y):
    model = make_pipeline(Edges(), LogisticRegression()).fit(cohort, y)
    with pytest.raises(ValueError, match="no phenotype can be taken away"):
        occlude(model, cohort, "phenotype")


def test_mistakes_are_named(linear, cohort):
    with pytest.raises(ValueError, match="what must be one of"):
        occlude(linear, cohort, "voxel")
    with pytest.raises(ValueError, match=r"reads no regions \['Pons'\]"):
        occlude(linear, cohort, regions=["Pons"])
    plain = Cohort(cohort.phenotype, cohort.regions[["label"]], connectivity=cohort.connectivity)
    with pytest.raises(ValueError, match="no column 'network'"):
        occlude(linear, plain, "network")
    with pytest.raises(ValueError, match="no window can be taken away"):
        occlude(linear, cohort, "window")
