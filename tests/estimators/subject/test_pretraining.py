import inspect

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

import brainograph.nn as networks
from brainograph.connectivity import static
from brainograph.datasets import simulate_cohort
from brainograph.estimators import SubjectGraphClassifier, SubjectGraphRegressor, Training
from brainograph.estimators.subject.pretraining import Contrast
from brainograph.nn import BrainBatch, MeanMLP
from brainograph.nn.augment import EdgeDropout, MixUp, WindowCrop
from brainograph.nn.embedding import embedding

SUBJECT_LEVEL = [
    name
    for name in networks.__all__
    if "n_regions" in inspect.signature(getattr(networks, name)).parameters
]


CROP = WindowCrop(0.6)
LABELLED = Training(lr=0.01, max_epochs=10, validation_fraction=0.0)


def mlp(**settings):
    training = Training(lr=0.01, max_epochs=40, batch_size=32)
    params = {"hidden_channels": 16, "dropout": 0.1}
    settings = {"params": params, "training": training, **settings}
    return SubjectGraphClassifier("MeanMLP", device="cpu", **settings)


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=120, n_regions=8, n_volumes=(40, 50), random_state=2)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


@pytest.fixture(scope="module")
def pretrained(cohort):
    return mlp(augmentation=CROP).fit(cohort, np.full(len(cohort), -1))


@pytest.fixture(scope="module")
def folder(pretrained, tmp_path_factory):
    return pretrained.save(tmp_path_factory.mktemp("models") / "pretrained")


@pytest.mark.parametrize("name", SUBJECT_LEVEL)
def test_every_network_has_an_embedding_of_each_participant(name):
    torch.manual_seed(0)
    network = getattr(networks, name)(8, 2)
    batch = BrainBatch(
        series=torch.randn(3, 60, 8),
        lengths=torch.tensor([60, 60, 60]),
        connectivity={"fc": torch.rand(3, 8, 8)},
        images={"T1w": torch.randn(3, 1, 16, 16, 16)},
    )
    rows = embedding(network.eval(), batch)
    assert rows.ndim == 2
    assert len(rows) == 3
    assert not torch.allclose(rows[0], rows[1])
    loss = Contrast(network.train(), lambda batch, y: (batch, y)).loss(batch, torch.zeros(3))
    loss.backward()
    reached = [n for n, w in network.named_parameters() if w.grad is not None and w.grad.any()]
    assert reached


def test_the_embedding_is_what_the_last_layer_is_given():
    network = MeanMLP(8, 2).eval()
    batch = BrainBatch(series=torch.randn(3, 9, 8), lengths=torch.tensor([9, 9, 9]))
    assert torch.equal(network.head(embedding(network, batch)), network(batch))
    assert not network.head._forward_pre_hooks


def test_participants_are_told_apart_afterwards(cohort, pretrained):
    """Each finds their own other view more often than in a network with random weights."""
    network = pretrained._members[0]
    batch = pretrained._data(cohort, network).batch(np.arange(len(cohort)))

    @torch.no_grad()
    def found(network):
        torch.manual_seed(0)
        shares = []
        for _ in range(5):
            views = [embedding(network, CROP(batch, None)[0]) for _ in range(2)]
            first, second = (nn.functional.normalize(z - z.mean(0), dim=1) for z in views)
            own = (first @ second.T).argmax(1) == torch.arange(len(batch))
            shares.append(own.float().mean().item())
        return np.mean(shares)

    fresh = [found(pretrained._new_network(None, seed=seed).eval()) for seed in range(3)]
    assert found(network) > max(fresh) + 0.03
    assert pretrained.history_["loss"].iloc[-1] < 0.8 * pretrained.history_["loss"].iloc[0]


def test_labels_play_no_part(cohort, pretrained):
    hidden = cohort.phenotype.assign(diagnosis=1 - cohort.phenotype["diagnosis"])
    again = mlp(augmentation=CROP).fit(cohort.assign(phenotype=hidden), np.full(len(cohort), -1))
    before, after = (model._members[0].state_dict() for model in (pretrained, again))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_weights_are_loaded_and_frozen_ones_stay(cohort, y, pretrained, folder):
    few = np.where(np.arange(len(y)) < 40, y, -1)
    frozen = mlp(pretrained=folder, freeze=("layers",), training=LABELLED).fit(cohort, few)
    free = mlp(pretrained=folder, training=LABELLED).fit(cohort, few)
    before, kept, moved = (m._members[0].state_dict() for m in (pretrained, frozen, free))
    assert torch.equal(kept["layers.0.0.weight"], before["layers.0.0.weight"])
    assert not torch.equal(moved["layers.0.0.weight"], before["layers.0.0.weight"])
    assert kept["head.weight"].shape == (2, 16)


def test_with_few_labels_it_is_not_worse_than_from_scratch(cohort, y, folder):
    """It gets there in a quarter of the epochs, and not further: scratch is given 40."""
    few = np.where(np.arange(len(y)) < 30, y, -1)
    long = Training(lr=0.01, max_epochs=40, validation_fraction=0.0)
    settings = {
        "scratch": {"training": LABELLED},
        "longer": {"training": long},
        "tuned": {"training": LABELLED, "pretrained": folder},
    }
    scores = {name: [] for name in settings}
    for seed in range(3):
        for name, given in settings.items():
            model = mlp(**given, random_state=seed).fit(cohort, few)
            scores[name].append(roc_auc_score(y[30:], model.predict_proba(cohort[30:])[:, 1]))
    scratch, longer, tuned = (np.mean(scores[name]) for name in ("scratch", "longer", "tuned"))
    assert tuned > scratch
    assert tuned > longer - 0.04
    assert tuned > 0.8


def test_a_regressor_takes_the_weights_too(cohort, pretrained, folder):
    age = cohort.phenotype["age"].fillna(30).to_numpy()
    params, settings = {"hidden_channels": 16}, {"training": LABELLED, "device": "cpu"}
    model = SubjectGraphRegressor(
        "MeanMLP", params=params, pretrained=folder, freeze=("layers",), **settings
    ).fit(cohort, age)
    before, after = (m._members[0].state_dict() for m in (pretrained, model))
    assert torch.equal(before["layers.0.0.weight"], after["layers.0.0.weight"])
    assert model.predict(cohort).shape == (120,)


def test_a_pretrained_model_predicts_nothing(cohort, pretrained, folder):
    loaded = SubjectGraphClassifier.load(folder, device="cpu")
    for model in (pretrained, loaded):
        for ask in (model.predict, model.predict_proba, model.decision_function):
            with pytest.raises(ValueError, match=r"pretrained without labels.*pretrained=folder"):
                ask(cohort)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"nobody has a label, and pretraining .*Write augmentation=WindowCrop\(\)"),
        (
            {"augmentation": CROP, "training": Training(batch_size=1)},
            r"pretraining compares participants: write Training\(batch_size=32\)",
        ),
    ],
)
def test_what_cannot_be_contrasted_is_refused(cohort, settings, message):
    with pytest.raises(ValueError, match=message):
        mlp(**settings).fit(cohort, np.full(len(cohort), -1))


def test_a_network_without_a_linear_layer_is_refused():
    with pytest.raises(ValueError, match="Conv1d has no linear layer"):
        Contrast(nn.Conv1d(2, 2, 1), CROP)


def test_matrices_without_some_edges_pretrain_a_graph_network(cohort):
    connected = cohort.assign(connectivity={"fc": static(cohort.timeseries)})
    quick = {"training": Training(max_epochs=4, lr=0.01), "device": "cpu"}
    model = SubjectGraphClassifier("BrainGCN", augmentation=EdgeDropout(0.2), **quick)
    nobody = np.full(120, -1)
    model.fit(connected, nobody)
    assert model.history_["loss"].iloc[-1] < model.history_["loss"].iloc[0]
    with pytest.raises(ValueError, match="the augmentation mixes participants"):
        model.set_params(augmentation=MixUp()).fit(connected, nobody)
