"""Augmented batches are other batches of the same kind, and only training sees them."""

import numpy as np
import pytest
import torch

from brainograph.datasets import simulate_cohort
from brainograph.estimators import SubjectGraphClassifier
from brainograph.estimators.training.settings import Training
from brainograph.nn import (
    BrainBatch,
    Compose,
    EdgeDropout,
    MixUp,
    Noise,
    WindowCrop,
    WindowJitter,
)

Y = torch.tensor([0, 1, 1, 0])


@pytest.fixture
def matrices():
    values = torch.rand(4, 20, 20) + 0.1
    return BrainBatch(connectivity={"fc": values + values.mT, "sc": values + values.mT})


@pytest.fixture
def scans():
    lengths = torch.tensor([50, 40, 30, 20])
    series = (torch.arange(50.0) + 1)[None, :, None].repeat(4, 1, 3)
    series = series * (torch.arange(50) < lengths[:, None])[..., None]
    return BrainBatch(series=series, lengths=lengths)


def test_edge_dropout_drops_the_share_it_says_in_both_directions(matrices):
    dropped, y = EdgeDropout(0.3)(matrices, Y)
    assert y is Y
    upper = torch.ones(20, 20).triu(1).bool()
    for name, fc in dropped.connectivity.items():
        given = matrices.connectivity[name]
        assert torch.equal(fc, fc.mT)
        assert torch.equal(fc.diagonal(dim1=1, dim2=2), given.diagonal(dim1=1, dim2=2))
        assert torch.equal(fc[fc != 0], given[fc != 0])
        share = (fc[:, upper] == 0).float().mean()
        assert 0.25 < share < 0.35  # 760 edges: standard error 0.017
    first, second = dropped.connectivity["fc"][:2]
    assert not torch.equal(first == 0, second == 0)
    assert not torch.equal(dropped.connectivity["fc"] == 0, dropped.connectivity["sc"] == 0)
    assert torch.equal(EdgeDropout(0)(matrices, Y)[0].connectivity["fc"], given)


def test_a_crop_is_contiguous_and_reaches_all_lengths_and_places(scans):
    seen = set()
    for _ in range(300):
        cropped, _ = WindowCrop(0.5, min_volumes=15)(scans, Y)
        assert cropped.series.shape[1] == cropped.lengths.max()
        for series, length, given in zip(
            cropped.series, cropped.lengths, scans.lengths, strict=True
        ):
            assert max(given / 2, 15) <= length <= given
            first = int(series[0, 0])
            expected = torch.arange(first, first + length)
            assert torch.equal(series[:length, 0].long(), expected)
            assert expected[-1] <= given
            assert (series[length:] == 0).all()
        seen.add((int(cropped.lengths[3]), int(cropped.series[3, 0, 0])))
    assert seen == {(n, start) for n in range(15, 21) for start in range(1, 22 - n)}


def test_a_scan_that_is_short_already_is_not_cut(scans):
    cropped, _ = WindowCrop(0.1, min_volumes=30)(scans, Y)
    assert cropped.lengths[2:].tolist() == [30, 20]
    assert WindowJitter(5, min_volumes=30)(scans, Y)[0].lengths[2:].tolist() == [30, 20]


def test_jitter_moves_the_start_only(scans):
    starts = set()
    for _ in range(100):
        moved, _ = WindowJitter(3)(scans, Y)
        first = moved.series[:, 0, 0].long()
        assert torch.equal(first - 1 + moved.lengths, scans.lengths)
        assert torch.equal(moved.series.amax((1, 2)).long(), scans.lengths)
        starts.update((first - 1).tolist())
    assert starts == {0, 1, 2, 3}


def test_mixup_blends_matrices_and_labels_by_the_same_share():
    batch = BrainBatch(
        connectivity={"fc": torch.stack([torch.full((2, 2), float(i)) for i in (0, 1, 1, 0)])},
        measures={"thickness": Y.float()[:, None].repeat(1, 2)},
        t_r=torch.tensor([2.0, 2.5, 2.0, 2.5]),
    )
    mixed, y = MixUp(1.0)(batch, Y)
    assert y.shape == (4, 2)
    assert torch.allclose(y.sum(1), torch.ones(4))
    torch.testing.assert_close(mixed.connectivity["fc"][:, 0, 1], y[:, 1])
    torch.testing.assert_close(mixed.measures["thickness"][:, 0], y[:, 1])
    assert ((y > 0.001) & (y < 0.999)).any()
    assert mixed.t_r is batch.t_r
    both = sum(MixUp(1.0)(batch, Y)[1].sum(0) for _ in range(200)) / 800
    assert both.tolist() == pytest.approx([0.5, 0.5], abs=0.05)


def test_mixup_blends_those_who_have_the_same_modalities():
    has = torch.tensor([True, True, False, False, True, False, True, False]), torch.arange(8) < 7
    images = torch.arange(1.0, 9)[:, None, None, None, None].repeat(1, 1, 2, 2, 2)
    batch = BrainBatch(
        connectivity={"fc": torch.ones(8, 2, 2) * has[1][:, None, None]},
        images={"pet": images * has[0][:, None, None, None, None]},
        present={"images/pet": has[0], "connectivity/fc": has[1]},
    )
    mixed, y = MixUp(1.0)(batch, torch.arange(8.0))
    assert mixed.present is batch.present
    assert (mixed.images["pet"][~has[0]] == 0).all()
    fc = mixed.connectivity["fc"][:, 0, 0]
    torch.testing.assert_close(fc, has[1].float())  # nobody's matrix is thinned by an absent one
    with_pet = has[0]
    pet = mixed.images["pet"][with_pet][:, 0, 0, 0, 0]
    torch.testing.assert_close(pet - 1, y[with_pet])  # the target is blended by the same people
    assert y[7] == 7  # alone with what they lack
    assert not torch.equal(y, torch.arange(8.0))


def test_mixup_takes_numbers_and_shares():
    batch = BrainBatch(connectivity={"fc": torch.rand(4, 2, 2)})
    numbers = torch.tensor([10.0, 20, 30, 40])
    mixed, y = MixUp(1.0)(batch, numbers)
    assert y.shape == (4,)
    assert 10 <= y.min() < y.max() <= 40
    _, again = MixUp(1.0)(mixed, torch.eye(4))
    assert torch.allclose(again.sum(1), torch.ones(4))


def test_noise_is_symmetric_and_of_its_size(matrices, scans):
    noisy, _ = Noise(connectivity=0.2)(matrices, Y)
    added = noisy.connectivity["fc"] - matrices.connectivity["fc"]
    torch.testing.assert_close(added, added.mT)
    assert (added.diagonal(dim1=1, dim2=2) == 0).all()
    assert added[:, torch.ones(20, 20).triu(1).bool()].std() == pytest.approx(0.2, rel=0.1)
    noisy, _ = Noise(series=0.5)(scans, Y)
    added = noisy.series - scans.series
    assert (added[~scans.mask] == 0).all()
    assert added[scans.mask].std() == pytest.approx(0.5, rel=0.15)


def test_noise_leaves_what_is_absent_zeros(matrices, scans):
    has = torch.tensor([True, False, True, False])
    matrices.connectivity["fc"] *= has[:, None, None]
    matrices.present = {"connectivity/fc": has}
    noisy = Noise(connectivity=0.2).change(matrices).connectivity
    assert (noisy["fc"][~has] == 0).all()
    assert not torch.equal(noisy["fc"][has], matrices.connectivity["fc"][has])
    assert (noisy["sc"] != matrices.connectivity["sc"]).flatten(1).any(dim=1).all()
    scans.series, scans.present = scans.series * has[:, None, None], {"series": has}
    series = Noise(series=0.5).change(scans).series
    assert (series[~has] == 0).all()
    assert not torch.equal(series[has], scans.series[has])


@pytest.mark.parametrize(
    "augmentation",
    [
        EdgeDropout(0.3),
        WindowCrop(0.5),
        WindowJitter(9),
        MixUp(1.0),
        Compose((Noise(series=0.1), WindowCrop(0.5))),
    ],
    ids=lambda a: type(a).__name__,
)
def test_the_seed_decides_and_what_was_given_stays(augmentation, matrices, scans):
    batch = matrices if isinstance(augmentation, (EdgeDropout, MixUp)) else scans
    before = [tensor.clone() for tensor in batch.tensors]
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augmentation(batch, Y)[0].tensors)
    assert all(map(torch.equal, results[0], results[1]))
    assert results[0][0].shape != results[2][0].shape or not torch.equal(
        results[0][0], results[2][0]
    )
    assert all(map(torch.equal, before, batch.tensors))


def test_errors(matrices, scans):
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\), got 10. To drop 10 % write"):
        EdgeDropout(10)
    with pytest.raises(ValueError, match=r"min_fraction must be in \(0, 1\], got 0"):
        WindowCrop(0)
    with pytest.raises(ValueError, match="max_volumes must be a whole number of volumes"):
        WindowJitter(0)
    with pytest.raises(ValueError, match="alpha must be more than 0, got 0"):
        MixUp(0)
    with pytest.raises(ValueError, match="Noise needs a place"):
        Noise()
    with pytest.raises(ValueError, match="series must be at least 0, got -1"):
        Noise(series=-1)
    with pytest.raises(ValueError, match=r"met the label 1\. Write MixUp\(n_classes=2\)"):
        MixUp(n_classes=1)(matrices, Y)
    with pytest.raises(ValueError, match="reads series, which have no common time"):
        MixUp()(scans, Y)
    with pytest.raises(ValueError, match="WindowCrop changes series, and the network reads none"):
        WindowCrop()(matrices, Y)
    with pytest.raises(ValueError, match="EdgeDropout changes connectivity"):
        EdgeDropout()(scans, Y)


class Watched(EdgeDropout):
    """Counts the batches that it changes."""

    def __call__(self, batch, y):
        CALLS.append(len(batch))
        return super().__call__(batch, y)


CALLS: list[int] = []


def classifier(augmentation, network="BrainNetCNN"):
    return SubjectGraphClassifier(
        network,
        training=Training(max_epochs=2, validation_fraction=0.25),
        augmentation=augmentation,
        device="cpu",
    )


def test_only_training_rows_are_augmented():
    cohort = simulate_cohort(24, n_regions=8)
    y = cohort.phenotype["diagnosis"].to_numpy()
    CALLS.clear()
    model = classifier(Watched(0.5)).fit(cohort, y)
    assert sum(CALLS) == 2 * 18  # two epochs of three quarters
    before = len(CALLS)
    first = model.predict_proba(cohort)
    np.testing.assert_array_equal(first, model.predict_proba(cohort))
    assert len(CALLS) == before


@pytest.mark.parametrize(
    ("augmentation", "network"),
    [
        (Compose((EdgeDropout(0.2), Noise(connectivity=0.05), MixUp(0.4))), "BrainNetCNN"),
        (Compose((WindowJitter(4, min_volumes=30), Noise(series=0.1))), "MSTGC"),
        (WindowCrop(0.6, min_volumes=30), "MSTGC"),
    ],
)
def test_training_with_augmentation_is_seeded_and_another(augmentation, network):
    cohort = simulate_cohort(24, n_regions=8)
    y = cohort.phenotype["diagnosis"].to_numpy()
    made = [
        classifier(one, network).fit(cohort, y).history_["loss"].tolist()
        for one in (augmentation, augmentation, None)
    ]
    assert made[0] == made[1]
    assert made[0] != made[2]
