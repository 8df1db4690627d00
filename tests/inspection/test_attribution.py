"""Attributions are captum's, add up, and are named by region."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import IntegratedGradients
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from torch import nn

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.estimators import (
    PopulationGraphClassifier,
    SubjectGraphClassifier,
    SubjectGraphRegressor,
    Training,
    TransductiveClassifier,
)
from brainograph.inspection import attribute, occlude, planted_auc
from brainograph.preprocessing import Edges, Measures, Phenotypes

QUICK = Training(max_epochs=12, validation_fraction=0.0, lr=0.01)


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(48, n_regions=12, n_volumes=(60, 70), missing=0.0)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy()


@pytest.fixture(scope="module")
def linear(cohort, y):
    return make_pipeline(Edges(), LogisticRegression()).fit(cohort, y)


@pytest.fixture(scope="module")
def subject(cohort, y):
    model = SubjectGraphClassifier("BrainNetCNN", training=QUICK, n_members=2, device="cpu")
    return model.fit(cohort[:36], y[:36])


@pytest.fixture(scope="module")
def population(cohort, y):
    model = PopulationGraphClassifier(max_epochs=30, validation_fraction=0, n_members=2)
    return model.fit(cohort[:36], y[:36])


def wide(table, columns="region"):
    """Put importances in an array (S, .)."""
    return table["importance"].to_numpy().reshape(table["participant_id"].nunique(), -1)


def test_linear_model_by_hand(linear, cohort):
    x, w = Edges().fit_transform(cohort), linear[-1].coef_[0]
    edges = attribute(linear, cohort, level="edge", n_steps=1)
    expected = (x - x.mean(axis=0)) * w
    np.testing.assert_allclose(wide(edges), expected, atol=1e-6)
    first, second = np.triu_indices(12, k=1)
    names = cohort.regions.index.to_numpy()
    assert edges["region_a"].astype(str)[: len(w)].tolist() == names[first].tolist()
    assert edges["region_b"].astype(str)[: len(w)].tolist() == names[second].tolist()
    by_region = np.zeros((len(cohort), 12))
    for e, (a, b) in enumerate(zip(first, second, strict=True)):
        by_region[:, a] += expected[:, e] / 2
        by_region[:, b] += expected[:, e] / 2
    np.testing.assert_allclose(wide(attribute(linear, cohort, n_steps=1)), by_region, atol=1e-6)
    saliency = attribute(linear, cohort, method="saliency", level="edge")
    np.testing.assert_allclose(wide(saliency), np.tile(np.abs(w), (len(cohort), 1)), atol=1e-6)


def test_importances_add_up_to_the_margin(subject, cohort):
    table = attribute(subject, cohort[:5], background=cohort, n_steps=64)
    member_margin = []
    for network in subject._members:
        data = subject._data(cohort, network)
        batch = data.batch(np.arange(5))
        mean = torch.from_numpy(cohort.connectivity["fc"].mean(0))[None]
        with torch.no_grad():
            given = network.eval()(batch)
            batch.connectivity["fc"] = mean
            nothing = network(batch)
        member_margin.append((given - nothing) @ torch.tensor([-1.0, 1.0]))
    expected = torch.stack(member_margin).mean(0).numpy()
    np.testing.assert_allclose(wide(table).sum(axis=1), expected, atol=0.02)
    assert table["class"].unique().tolist() == [1]
    other = attribute(subject, cohort[:5], background=cohort, n_steps=64, target=0)
    np.testing.assert_allclose(wide(other), -wide(table), atol=1e-5)


def test_equals_captum_called_by_hand(subject, cohort):
    network = subject._members[0].eval()
    batch = subject._data(cohort, network).batch(np.arange(3))
    fc = batch.connectivity["fc"]
    mean = torch.from_numpy(cohort.connectivity["fc"].mean(0))[None].expand_as(fc)

    def score(x):
        again = batch[[0, 1, 2] * (len(x) // 3)]
        again.connectivity["fc"] = x
        logits = network(again)
        return logits[:, 1] - logits[:, 0]

    found = IntegratedGradients(score).attribute(fc, mean, n_steps=16)
    both = (found + found.mT).detach().numpy()
    alone = SubjectGraphClassifier("BrainNetCNN", training=QUICK, device="cpu")
    alone.__dict__ |= {**subject.__dict__, "n_members": 1, "_members": subject._members[:1]}
    table = attribute(alone, cohort[:3], level="edge", background=cohort, n_steps=16)
    first, second = np.triu_indices(12, k=1)
    np.testing.assert_allclose(wide(table), both[:, first, second], atol=1e-5)


def test_planted_regions_are_found_by_two_methods_in_three_models(
    linear, subject, population, cohort
):
    for model in (linear, subject, population):
        assert planted_auc(attribute(model, cohort, n_steps=8), cohort) >= 0.9
        assert planted_auc(occlude(model, cohort), cohort) >= 0.9


def test_population_shares_the_margin_among_all_that_the_graph_reads(population, cohort):
    # two fitted participants and two new ones
    some = cohort[[0, 1, 40, 41]]
    table = attribute(population, some, n_steps=32)
    removed = occlude(population, some, "input")
    np.testing.assert_allclose(wide(table).sum(axis=1), removed["importance"], atol=0.02)
    alone = attribute(population, some[2:3], n_steps=32)
    np.testing.assert_allclose(wide(alone)[0], wide(table)[2], atol=1e-5)


def test_blocks_measures_and_phenotypes_are_told_apart(cohort, y):
    features = FeatureUnion(
        [("fc", Edges()), ("area", Measures()), ("who", Phenotypes(["age", "sex"]))]
    )
    model = Pipeline([("features", features), ("ridge", Ridge())])
    model.fit(cohort, cohort.phenotype["age"])
    table = attribute(model, cohort, level="input", n_steps=1)
    assert "class" not in table
    assert table["input"].unique().tolist() == ["fc", "area", "who"]
    age = attribute(model, cohort, level="phenotype", n_steps=1)
    assert age["phenotype"].unique().tolist() == ["age", "sex"]
    regions = attribute(model, cohort, n_steps=1)
    assert regions.groupby("input", observed=True).size().to_dict() == {
        "area": 48 * 12,
        "fc": 48 * 12,
    }
    total = table.groupby("participant_id", sort=False)["importance"].sum()
    decision = model.predict(cohort)
    np.testing.assert_allclose(total, decision - decision.mean(), atol=1e-5)
    transductive = TransductiveClassifier(features, LogisticRegression(C=0.1)).fit(cohort, y)
    table = attribute(transductive, cohort, level="input", n_steps=1)
    x = features.fit_transform(cohort)
    decision = (x - x.mean(0)) @ transductive.classifier_.coef_[0]
    total = table.groupby("participant_id", sort=False)["importance"].sum()
    np.testing.assert_allclose(total, decision, atol=1e-5)


def test_windows_end_with_the_scan_and_regions_of_numbers(cohort):
    model = SubjectGraphRegressor("MeanMLP", training=QUICK, device="cpu")
    model.fit(cohort, cohort.phenotype["age"])
    windows = attribute(model, cohort, level="window", n_steps=4, width=25)
    lengths = np.array([len(one) for one in cohort.timeseries])
    n_windows = windows.groupby("participant_id", sort=False).size()
    assert n_windows.tolist() == np.ceil(lengths / 25).astype(int).tolist()
    assert "class" not in windows
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regions = attribute(model, cohort, n_steps=4)
    sums = regions.groupby("participant_id", sort=False)["importance"].sum()
    both = windows.groupby("participant_id", sort=False)["importance"].sum()
    np.testing.assert_allclose(sums, both, atol=1e-4)


class Blind(nn.Module):
    """Sees regions through numbers without a gradient, and who somebody is with one."""

    def __init__(self, n_regions, n_classes, *, n_phenotypes=0):
        super().__init__()
        self.reads = ("series", "phenotypes") if n_phenotypes else ("series",)
        self.head = nn.Linear(n_regions + n_phenotypes, n_classes)

    def forward(self, batch):
        x = batch.series.detach().std(dim=1)
        return self.head(torch.cat([x, batch.phenotypes], 1) if len(self.reads) > 1 else x)


def test_says_where_no_gradient_gets(cohort, y):
    model = SubjectGraphClassifier(Blind, training=QUICK, device="cpu").fit(cohort, y)
    with pytest.raises(ValueError, match=r"no gradient reaches .*Write occlude"):
        attribute(model, cohort)
    model = SubjectGraphClassifier(Blind, phenotypes=["age"], training=QUICK, device="cpu")
    model.fit(cohort, y)
    with pytest.warns(UserWarning, match=r"no gradient reaches \['series'\]"):
        table = attribute(model, cohort, level="phenotype", n_steps=2)
    assert table["phenotype"].unique().tolist() == ["age"]


def test_mistakes_are_named(linear, subject, cohort):
    with pytest.raises(ValueError, match="method must be one of"):
        attribute(linear, cohort, method="lime")
    with pytest.raises(ValueError, match="nothing of which has the level 'window'"):
        attribute(linear, cohort, level="window")
    with pytest.raises(ValueError, match="target must be one of the classes"):
        attribute(linear, cohort, target=7)
    with pytest.raises(ValueError, match="nobody to be compared with"):
        attribute(subject, cohort[:1])
    with pytest.raises(ValueError, match="cannot be explained"):
        attribute(Edges(), cohort)
    with pytest.raises(ValueError, match="no participants to explain"):
        attribute(linear, cohort[:0])
    other = simulate_cohort(4, n_regions=10)
    with pytest.raises(ValueError, match="not those of the fit"):
        attribute(subject, other)


def test_strange_names_stay_as_they_are(cohort, y):
    names = ["a -- b", "<b>x</b>", "a__b", "$x$ & y", "a: fc", *[f"r{i}" for i in range(7)]]
    regions = pd.DataFrame(index=names)
    strange = Cohort(cohort.phenotype, regions, connectivity=cohort.connectivity)
    model = Pipeline([("all", FeatureUnion([("fc", Edges())])), ("lr", LogisticRegression())])
    table = attribute(model.fit(strange, y), strange[:2], background=strange, n_steps=1)
    assert table["region"].astype(str)[:12].tolist() == names
