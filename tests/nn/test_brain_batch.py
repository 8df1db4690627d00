import pytest
import torch

from brainograph.nn import BrainBatch


@pytest.fixture
def batch():
    return BrainBatch(
        series=torch.arange(24.0).reshape(2, 4, 3),
        lengths=torch.tensor([4, 2]),
        connectivity={"fc": torch.eye(3).repeat(2, 1, 1)},
        measures={"thickness": torch.tensor([[1.0, 2, 3], [4, 5, 6]])},
        phenotypes=torch.tensor([[1.0], [2.0]]),
        images={"t1": torch.zeros(2, 1, 2, 2, 2)},
        t_r=torch.tensor([2.0, 0.8]),
    )


def test_mask_and_length(batch):
    assert len(batch) == 2
    assert batch.mask.tolist() == [[True] * 4, [True, True, False, False]]
    assert len(BrainBatch()) == 0


@pytest.mark.parametrize("rows", [[1], torch.tensor([1]), slice(1, 2), 1])
def test_rows_slice_every_member(batch, rows):
    part = batch[rows]
    assert len(part) == 1
    assert part.series.shape == (1, 4, 3)
    assert part.lengths.tolist() == [2]
    assert part.connectivity["fc"].shape == (1, 3, 3)
    assert part.measures["thickness"].tolist() == [[4, 5, 6]]
    assert part.phenotypes.tolist() == [[2]]
    assert part.images["t1"].shape == (1, 1, 2, 2, 2)
    assert part.t_r.tolist() == [pytest.approx(0.8)]


def test_trim_drops_volumes_that_are_padding_for_all(batch):
    assert batch[[1]].trim().series.shape == (1, 2, 3)
    assert batch.trim().series.shape == (2, 4, 3)
    assert batch.trim(3).series.shape == (2, 3, 3)
    assert BrainBatch(phenotypes=torch.zeros(2, 1)).trim().series is None


def test_a_batch_may_lack_members():
    batch = BrainBatch(connectivity={"fc": torch.zeros(3, 2, 2)})
    assert len(batch[[0, 2]]) == 2
    assert batch.to("cpu").series is None
    with pytest.raises(ValueError, match='Put "series" in the network\'s reads'):
        _ = batch.mask
