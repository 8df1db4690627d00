import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from brainograph.estimators.training import resolve_device, train


class Recorder(nn.Module):
    """A line through the origin that notes its mode at every call."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.modes = []

    def forward(self, batch):
        self.modes.append(self.training)
        return self.weight * batch.x


BATCH = Data(x=torch.ones(1), y=torch.ones(1))


def run(network, **settings):
    settings = {
        "max_epochs": 5,
        "optimizer": torch.optim.SGD(network.parameters(), 0.1),
        **settings,
    }
    return train(network, [BATCH], loss=lambda b: ((network(b) - b.y) ** 2).sum(), **settings)


def test_gradients_are_zeroed_between_steps():
    """By hand: w <- w + 0.2 (1 - w), so w = 1 - 0.8^n."""
    network = Recorder()
    run(network, max_epochs=3)
    assert network.weight.item() == pytest.approx(1 - 0.8**3)


def test_training_mode_comes_back_after_validation():
    network = Recorder()

    def validate():
        network(BATCH)
        return 1.0

    run(network, max_epochs=3, validate=validate)
    assert network.modes == [True, False] * 3
    assert not network.training


def test_the_best_weights_are_kept_and_patience_is_kept():
    network = Recorder()
    values = iter([3.0, 2.0, 2.5, 2.5, 2.5, 1.0])
    seen = []

    def validate():
        seen.append(network.weight.item())
        return next(values)

    history = run(network, max_epochs=6, validate=validate, patience=3)
    assert len(history) == 5
    assert history["validation"].idxmin() == 2
    assert network.weight.item() == seen[1]


def test_without_validation_the_last_weights_stay():
    network = Recorder()
    history = run(network, max_epochs=4)
    assert len(history) == 4
    assert history["validation"].isna().all()
    assert history["loss"].is_monotonic_decreasing


def test_a_loss_that_is_not_finite_is_explained():
    network = Recorder()
    with pytest.raises(FloatingPointError, match=r"loss is inf at epoch .*Lower the learning rate"):
        run(network, max_epochs=500, optimizer=torch.optim.SGD(network.parameters(), 100.0))


def test_devices():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(ValueError, match='Write device="auto"'):
        resolve_device("cuda:77")
