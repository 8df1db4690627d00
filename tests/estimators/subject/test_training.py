"""Training hygiene of subject-level networks."""

import numpy as np
import pandas as pd
import pytest
import torch
from rich.progress import Progress
from torch import nn

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.estimators import SubjectGraphClassifier, Training
from brainograph.estimators.subject.training import epoch_batches
from brainograph.nn.augment import WindowCrop

SHORT = {"max_epochs": 4, "patience": 4, "lr": 0.01, "batch_size": 8}


class Watched(nn.Module):
    """Notes which rows it sees in which mode; a row's number stands in its matrix."""

    seen: list = []  # noqa: RUF012 - the test reads what any instance has seen
    reads = ("connectivity/fc",)

    def __init__(self, n_regions: int, n_classes: int, *, dropout: float = 0.5) -> None:
        super().__init__()
        self.head = nn.Linear(n_regions, n_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch):
        x = batch.connectivity["fc"]
        dropped = self.dropout(torch.ones(1000))
        self.seen.append((self.training, x[:, 0, 0].int().tolist(), (dropped == 0).any().item()))
        return self.head(x[:, 1])


@pytest.fixture
def numbered(rng):
    matrices = rng.normal(size=(40, 3, 3))
    matrices[:, 0, 0] = np.arange(40)
    Watched.seen.clear()
    return Cohort(
        pd.DataFrame(index=[f"{i:02d}" for i in range(40)]),
        pd.DataFrame(index=["r1", "r2", "r3"]),
        connectivity={"fc": matrices},
    )


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=41, n_regions=6, n_volumes=(20, 30), random_state=2)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


def new_model(training=None, **settings):
    settings = {"params": {"hidden_channels": 8}, "device": "cpu", **settings}
    return SubjectGraphClassifier(
        "MeanMLP", training=Training(**{**SHORT, **(training or {})}), **settings
    )


def same_weights(one, other, atol=0.0):
    pairs = zip(one._members, other._members, strict=True)
    return all(
        torch.allclose(a, b, rtol=0, atol=atol)
        for first, second in pairs
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def test_no_validation_row_in_a_training_batch_and_every_row_once(numbered):
    y = np.arange(40) % 2
    y[:4] = -1
    model = SubjectGraphClassifier(Watched, training=Training(**SHORT), device="cpu").fit(
        numbered, y
    )
    learnt = [row for training, rows, _ in Watched.seen if training for row in rows]
    judged = {row for training, rows, _ in Watched.seen if not training for row in rows}
    assert not set(learnt) & judged
    assert set(learnt) | judged == set(range(4, 40))
    n_epochs = len(model.history_)
    assert sorted(learnt) == sorted(sorted(set(learnt)) * n_epochs)


def test_dropout_is_on_in_training_and_off_in_validation_of_every_epoch(numbered):
    SubjectGraphClassifier(Watched, training=Training(**SHORT), device="cpu").fit(
        numbered, np.arange(40) % 2
    )
    assert all(dropped == training for training, _, dropped in Watched.seen)
    modes = [training for training, _, _ in Watched.seen]
    assert modes.index(False) < len(modes) - 1 - modes[::-1].index(True)  # back to training


def test_groups_are_not_torn_apart_by_validation(numbered):
    table = numbered.phenotype.assign(group=[f"g{i // 2}" for i in range(40)])
    y = np.arange(40) // 2 % 2
    SubjectGraphClassifier(Watched, training=Training(**SHORT), device="cpu").fit(
        numbered.assign(phenotype=table), y
    )
    learnt = {row // 2 for training, rows, _ in Watched.seen if training for row in rows}
    judged = {row // 2 for training, rows, _ in Watched.seen if not training for row in rows}
    assert not learnt & judged


def test_batches_are_of_equal_size_and_their_order_depends_on_seed_and_epoch():
    rows, classes = np.arange(5, 22), np.zeros(22, int)
    batches = {
        (seed, epoch): epoch_batches(
            rows, classes, batch_size=8, balanced=False, seed=seed, epoch=epoch
        )
        for seed in (0, 1)
        for epoch in (1, 2)
    }
    for parts in batches.values():
        assert [len(part) for part in parts] == [6, 6, 5]
        assert sorted(np.concatenate(parts)) == rows.tolist()
    orders = {tuple(np.concatenate(parts)) for parts in batches.values()}
    assert len(orders) == 4


def test_balanced_batches_have_as_many_of_each_class():
    classes = np.array([0] * 20 + [1] * 5 + [2] * 3)
    batches = epoch_batches(np.arange(28), classes, batch_size=7, balanced=True, seed=0, epoch=1)
    for batch in batches:
        counts = np.bincount(classes[batch])
        assert counts.max() - counts.min() <= 1
    assert set(np.concatenate(batches)) == set(range(28))


def test_class_weights_by_hand(numbered):
    y = np.array([0] * 30 + [1] * 10)
    model = SubjectGraphClassifier(Watched, training=Training(class_weight="balanced"))
    assert model._weights(y)[[0, 39]] == pytest.approx([40 / 60, 40 / 20])


@pytest.mark.parametrize("accumulate", [2, 3, 50])
def test_a_batch_in_parts_is_the_same_step(cohort, y, accumulate):
    calm = {"params": {"hidden_channels": 8, "dropout": 0.0}}
    whole = new_model({"clip": 0.1}, **calm).fit(cohort, y)
    parts = new_model({"clip": 0.1, "accumulate": accumulate}, **calm).fit(cohort, y)
    assert same_weights(whole, parts, atol=1e-5)
    assert np.allclose(whole.history_, parts.history_, atol=1e-5)


def test_two_processes_train_the_same_as_one(cohort, y):
    calm = {"params": {"hidden_channels": 8, "dropout": 0.0}}
    settings = {"max_epochs": 3, "class_weight": "balanced", "optimizer": "sgd", "clip": 1.0}
    one = new_model(settings, **calm).fit(cohort, y)
    two = new_model({**settings, "devices": 2}, **calm).fit(cohort, y)
    assert same_weights(one, two, atol=1e-4)
    assert np.allclose(one.history_, two.history_, atol=1e-4)
    assert np.allclose(one.predict_proba(cohort), two.predict_proba(cohort), atol=1e-4)


class PowerError(Exception):
    """The power went out."""


class PowerCut:
    """Lets a number of batches pass."""

    def __init__(self, batches):
        self.left = batches

    def __call__(self, batch, target):
        self.left -= 1
        if self.left < 0:
            raise PowerError
        return batch, target


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle", "plateau"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_killed_and_resumed_is_never_killed_bit_for_bit(cohort, y, tmp_path, optimizer, schedule):
    settings = {"optimizer": optimizer, "lr_schedule": schedule, "max_epochs": 6, "patience": 3}
    never = new_model(settings, n_members=2).fit(cohort, y)
    killed = new_model(settings, n_members=2, checkpoint=tmp_path, augmentation=PowerCut(17))
    with pytest.raises(PowerError):
        killed.fit(cohort, y)
    torch.rand(3)
    resumed = killed.set_params(augmentation=PowerCut(1000)).fit(cohort, y)
    assert same_weights(never, resumed)
    pd.testing.assert_frame_equal(never.history_, resumed.history_, check_exact=True)
    assert np.array_equal(never.predict_proba(cohort), resumed.predict_proba(cohort))


def test_a_finished_training_is_not_repeated(cohort, y, tmp_path):
    first = new_model(checkpoint=tmp_path, augmentation=PowerCut(1000)).fit(cohort, y)
    again = new_model(checkpoint=tmp_path, augmentation=PowerCut(0)).fit(cohort, y)
    assert same_weights(first, again)


def test_a_checkpoint_of_other_settings_is_refused_and_of_other_people_is_left_alone(
    cohort, y, tmp_path
):
    new_model(checkpoint=tmp_path).fit(cohort, y)
    with pytest.raises(ValueError, match=r"of another training: params .*hidden_channels"):
        new_model(checkpoint=tmp_path, params={"hidden_channels": 9}).fit(cohort, y)
    with pytest.raises(ValueError, match=r"augmentation 'None' and not 'WindowCrop\(.*0\.7"):
        new_model(checkpoint=tmp_path, augmentation=WindowCrop(0.7)).fit(cohort, y)
    new_model(checkpoint=tmp_path).fit(cohort[:30], y[:30])
    assert len(list(tmp_path.iterdir())) == 2


def test_the_log_has_every_epoch_also_after_a_cut(cohort, y, tmp_path):
    model = new_model(checkpoint=tmp_path / "c", log=tmp_path / "log", augmentation=PowerCut(9))
    with pytest.raises(PowerError):
        model.fit(cohort, y)
    model.set_params(augmentation=PowerCut(1000)).fit(cohort, y)
    table = pd.read_csv(tmp_path / "log" / "member0" / "history.csv", index_col="epoch")
    assert table.columns.tolist() == ["loss", "validation", "lr", "seconds"]
    assert np.allclose(table["loss"], model.history_.loc[0]["loss"])


def test_an_augmentation_sees_training_batches_and_may_mix_labels(cohort, y):
    def mixup(batch, target):
        soft = nn.functional.one_hot(target, 2).float()
        return batch, 0.5 * (soft + soft.flip(0))

    model = new_model(augmentation=mixup).fit(cohort, y)
    assert np.isfinite(model.history_["loss"]).all()
    assert not same_weights(model, new_model().fit(cohort, y))


def test_a_progress_bar_shows_loss_and_validation(cohort, y, monkeypatch):
    shown = []
    update = Progress.update

    def watch(self, task, **fields):
        shown.append(fields["description"])
        update(self, task, **fields)

    monkeypatch.setattr(Progress, "update", watch)
    model = new_model(progress=True).fit(cohort, y)
    first = model.history_.iloc[0]
    assert shown[0] == f"loss {first['loss']:.3f} validation {first['validation']:.3f}"
    assert len(shown) == len(model.history_)


def test_half_precision_trains(cohort, y):
    model = new_model({"precision": "bf16-mixed", "max_epochs": 2}).fit(cohort, y)
    exact = new_model({"max_epochs": 2}).fit(cohort, y)
    assert next(model._members[0].parameters()).dtype == torch.float32
    assert np.allclose(model.predict_proba(cohort), exact.predict_proba(cohort), atol=0.05)
    assert not same_weights(model, exact)


def test_training_leaves_the_global_seed_alone(cohort, y):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    new_model().fit(cohort, y)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    "message", ["CUDA out of memory. Tried", "DefaultCPUAllocator: can't allocate memory"]
)
def test_out_of_memory_says_the_batch_size_to_try(cohort, y, message):
    def greedy(batch, target):
        raise torch.OutOfMemoryError(message)

    with pytest.raises(MemoryError, match=r"Training\(batch_size=4\), or accumulate=2"):
        new_model(augmentation=greedy).fit(cohort, y)


def test_a_loss_that_is_not_finite_is_explained(cohort, y):
    with pytest.raises(FloatingPointError, match="Lower the learning rate"):
        new_model({"lr": 1e30, "optimizer": "sgd", "max_epochs": 30}).fit(cohort, y)
