import pytest
import torch
from sklearn.base import clone
from torch import nn

from brainograph.estimators import SubjectGraphClassifier, Training
from brainograph.estimators.training.settings import deterministic


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"optimizer": "rmsprop"}, "optimizer must be one of"),
        ({"lr_schedule": "linear"}, "lr_schedule must be one of"),
        ({"precision": "bf16"}, "precision must be one of"),
        ({"class_weight": {0: 1}}, "class_weight must be one of"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"devices": 0}, "devices must be at least 1"),
        ({"validation_fraction": 15}, r"write validation_fraction=0\.15"),
        ({"lr": 0.0}, "lr must be positive"),
        ({"lr_schedule": "plateau", "validation_fraction": 0.0}, "watches the validation loss"),
    ],
)
def test_settings_outside_their_range(setting, message):
    with pytest.raises(ValueError, match=message):
        Training(**setting).check()


def test_settings_are_searched_and_copied_with_their_estimator():
    model = SubjectGraphClassifier("MeanMLP", training=Training(lr=0.5))
    copy = clone(model).set_params(training__lr=0.1)
    assert (model.training.lr, copy.training.lr) == (0.5, 0.1)
    first, second = SubjectGraphClassifier(), SubjectGraphClassifier()
    first.set_params(training__lr=0.2)
    assert second.training.lr == Training().lr


def test_biases_are_not_decayed_and_frozen_weights_are_left_out():
    network = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 1))
    network[2].requires_grad_(False)
    decayed, free = Training(weight_decay=0.3).new_optimizer(network).param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.3, 0.0)
    assert [tuple(w.shape) for w in decayed["params"]] == [(3, 2)]
    assert [tuple(w.shape) for w in free["params"]] == [(3,), (3,), (3,)]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [1, 1, 1, 1]), ("cosine", [1, 0.853553, 0.5, 0.146447])],
)
def test_learning_rate_schedules(schedule, expected):
    """By hand: (1 + cos(pi t / 4)) / 2."""
    settings = Training(lr=1.0, lr_schedule=schedule, max_epochs=4, optimizer="sgd")
    optimizer = settings.new_optimizer(nn.Linear(1, 1))
    scheduler, seen = settings.new_scheduler(optimizer), []
    for _ in range(4):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    assert seen == pytest.approx(expected, abs=1e-5)


def test_too_many_gpus():
    with pytest.raises(ValueError, match="devices must be at most the"):
        Training(devices=1 + torch.cuda.device_count()).new_fabric(torch.device("cuda"))


def test_deterministic_lasts_as_long_as_the_block():
    with pytest.raises(KeyError), deterministic(True):
        assert torch.are_deterministic_algorithms_enabled()
        raise KeyError
    assert not torch.are_deterministic_algorithms_enabled()
