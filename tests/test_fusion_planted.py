"""Where each modality holds half of the signal, each finds its half, and both find all."""

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from brainograph.nn import BrainBatch, GraphImagingNet

R, N = 10, 160
GCN = {"BrainGCN": {"hidden_channels": 16, "concat_channels": 2, "dropout": 0.1}}
SFCN = {"T1w": {"encoder": "SFCN", "channels": [8, 8], "out_channels": 16}}


def halves(seed):
    """Half of the patients lack tissue, the other half has a tight subnetwork."""
    generator = torch.Generator().manual_seed(seed)
    kind = torch.arange(N) % 4  # 0 and 1 are controls
    images = 1 + 0.5 * torch.randn(N, 1, 12, 12, 12, generator=generator)
    images[kind == 2, :, 3:8, 3:8, 3:8] -= 1
    matrices = 0.3 * torch.randn(N, R, R, generator=generator)
    matrices = (matrices + matrices.mT) / 2
    tight = torch.zeros(R, R)
    tight[:4, :4] = 0.5
    matrices[kind == 3] += tight
    batch = BrainBatch(connectivity={"fc": matrices}, images={"T1w": images})
    return batch, (kind >= 2).long(), kind


def fitted(**params):
    torch.manual_seed(0)
    network = GraphImagingNet(R, 2, channels=16, dropout=0.1, **params)
    batch, y, _ = halves(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.003, weight_decay=0.05)
    for _ in range(12):
        for rows in torch.randperm(N).split(16):
            optimizer.zero_grad()
            network.loss(batch[rows], y[rows]).backward()
            optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def held_out():
    return halves(1)


@torch.no_grad()
def auc(network, batch, y):
    return roc_auc_score(y, network(batch).softmax(1)[:, 1])


@pytest.fixture(scope="module")
def alone(held_out):
    """AUC of each branch by itself: all and, against controls, patients of each kind."""
    batch, y, kind = held_out
    scores = {}
    for name, params in {
        "graph": {"graphs": GCN},
        "image": {"graphs": (), "images": SFCN},
    }.items():
        network = fitted(**params)
        scores[name] = [
            auc(network, batch[rows], y[rows]) for rows in (kind >= 0, kind != 3, kind != 2)
        ]
    return scores


def test_each_branch_finds_what_is_planted_in_its_modality(alone):
    _, lacking, tight = alone["image"]
    assert lacking > 0.85
    assert abs(tight - 0.5) < 0.12
    _, lacking, tight = alone["graph"]
    assert tight > 0.85
    assert abs(lacking - 0.5) < 0.12


@pytest.mark.parametrize(
    "params",
    [
        {"fusion": "concat"},
        {"fusion": "cross_attention", "auxiliary_weight": 0.3},
        {"fusion": None, "late": "mean"},
    ],
    ids=str,
)
def test_the_fused_network_beats_both(alone, held_out, params):
    batch, y, _ = held_out
    network = fitted(graphs=GCN, images=SFCN, **params)
    assert auc(network, batch, y) > max(alone["graph"][0], alone["image"][0]) + 0.08


def test_gates_say_which_modality_a_patient_is_seen_in(alone, held_out):
    batch, y, kind = held_out
    network = fitted(graphs=GCN, images=SFCN, fusion="gated")
    assert auc(network, batch, y) > max(alone["graph"][0], alone["image"][0]) + 0.15
    image = network.contributions(batch)[:, network.modalities.index("T1w")]
    assert image[kind == 2].mean() > 0.6
    assert image[kind == 3].mean() < 0.4


def test_who_lacks_a_modality_is_predicted_as_well_as_by_the_other(alone, held_out):
    batch, y, kind = held_out
    network = fitted(graphs=GCN, images=SFCN, modality_dropout=0.3, auxiliary_weight=0.3)
    without = batch[kind != 2]
    without.images = {"T1w": torch.full_like(without.images["T1w"], torch.nan)}
    without.present = {"images/T1w": torch.zeros(len(without), dtype=torch.bool)}
    assert auc(network, without, y[kind != 2]) > alone["graph"][2] - 0.08
    assert nn.functional.one_hot(torch.tensor([0]), 2).equal(
        network.contributions(without[[0]]).long()
    )
