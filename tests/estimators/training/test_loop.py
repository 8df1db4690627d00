import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from brainograph.estimators.training.checkpoint import Checkpoint
from brainograph.estimators.training.loop import resolve_device, train


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


def test_batches_may_depend_on_the_epoch():
    network, seen = Recorder(), []

    def batches(epoch):
        seen.append(epoch)
        return [BATCH] * epoch

    train(
        network,
        batches,
        loss=lambda b: (network(b) - b.y).square().sum(),
        optimizer=torch.optim.SGD(network.parameters(), 0.1),
        max_epochs=3,
    )
    assert seen == [1, 2, 3]
    assert len(network.modes) == 6


def test_gradients_of_accumulated_batches_are_added():
    """By hand: two batches of gradient 2 (w - 1) each, so w <- w + 0.4 (1 - w)."""
    network = Recorder()
    history = train(
        network,
        [BATCH, BATCH],
        loss=lambda b: (network(b) - b.y).square().sum(),
        optimizer=torch.optim.SGD(network.parameters(), 0.1),
        max_epochs=2,
        accumulate=2,
    )
    assert network.weight.item() == pytest.approx(1 - 0.6**2)
    assert history["loss"].tolist() == pytest.approx([2.0, 2 * 0.36])


def test_gradients_are_clipped():
    """By hand: the gradient is -2, clipped to -0.5, at a rate of 0.1."""
    network = Recorder()
    run(network, max_epochs=1, clip=0.5)
    assert network.weight.item() == pytest.approx(0.05)


def test_learning_rate_is_reported_as_it_was_used():
    network = Recorder()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    history = run(network, max_epochs=3, optimizer=optimizer, scheduler=scheduler)
    assert history["lr"].tolist() == pytest.approx([0.1, 0.05, 0.025])


def test_a_validation_loss_that_is_not_a_number_is_explained():
    with pytest.raises(FloatingPointError, match="the validation loss is nan at epoch 1"):
        run(Recorder(), validate=lambda: float("nan"))


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.LBFGS])
def test_a_stopped_training_goes_on(kind, tmp_path):
    def new(epochs, checkpoint=None):
        torch.manual_seed(0)
        network = torch.nn.Linear(3, 1)
        x, y = torch.randn(8, 3), torch.randn(8, 1)
        history = train(
            network,
            [x],
            loss=lambda x: (torch.dropout(network(x), 0.3, network.training) - y).square().mean(),
            optimizer=kind(network.parameters(), lr=0.1),
            max_epochs=epochs,
            seed=1,
            checkpoint=checkpoint,
        )
        return network.weight.detach(), history

    expected, history = new(5)
    checkpoint = Checkpoint(tmp_path / "state.pt", {})
    new(2, checkpoint)
    actual, again = new(5, checkpoint)
    assert torch.equal(actual, expected)
    assert again.equals(history)
