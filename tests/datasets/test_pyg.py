import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCNConv, global_mean_pool
from torch_geometric.transforms import AddSelfLoops

from brainograph.cohort import Cohort
from brainograph.datasets import BrainGraphDataset, simulate_cohort

FC = np.array([[1, 0.5, -0.4], [0.5, 1, 0.25], [-0.4, 0.25, 1]])
SC = np.array([[0, 0, 2], [0, 0, 1], [2, 1, 0]])


@pytest.fixture
def cohort():
    return Cohort(
        pd.DataFrame({"diagnosis": [1, np.nan], "age": [20.5, 30]}, index=["b", "a"]),
        pd.DataFrame(index=["r1", "r2", "r3"]),
        connectivity={"fc": np.stack([FC, FC.T / 2]), "sc": np.stack([SC, SC])},
        measures={"thickness": np.array([[1, 2, 3], [4, 5, 6]])},
    )


def test_graphs_by_hand(cohort):
    dataset = BrainGraphDataset(cohort, "diagnosis", density=1 / 3, channels=["sc"])
    first, second = dataset
    assert first.edge_index.tolist() == [[0, 1], [1, 0]]
    assert first.edge_weight.tolist() == [0.5, 0.5]
    assert first.edge_index_sc.tolist() == [[0, 2], [2, 0]]
    torch.testing.assert_close(first.x, torch.tensor(FC - np.eye(3), dtype=torch.float32))
    assert (first.y.tolist(), second.y.tolist()) == ([1], [-1])
    assert first.y.dtype == torch.int64
    assert (first.participant_id, second.participant_id) == ("b", "a")


def test_targets_and_features(cohort):
    dataset = BrainGraphDataset(cohort, "age", features=["measures", "strength"], density=None)
    assert dataset[0].y.tolist() == [20.5]
    assert dataset[0].x.tolist() == [[1, 0.5], [2, 0.75], [3, 0.25]]
    assert dataset.num_node_features == 2
    assert BrainGraphDataset(cohort, np.array([3, 4]))[1].y.tolist() == [4]
    assert "y" not in BrainGraphDataset(cohort)[0]
    signed = BrainGraphDataset(cohort, density=None, sign="signed")[0]
    assert signed.edge_weight.min() == pytest.approx(-0.4)


def test_is_a_dataset_of_pyg():
    dataset = BrainGraphDataset(
        simulate_cohort(12, n_regions=8), "diagnosis", transform=AddSelfLoops()
    )
    assert len(dataset[:8]) == 8
    assert dataset[[3, 1]][0].participant_id == dataset[3].participant_id
    mask = torch.arange(12) % 2 == 0
    assert len(dataset[mask]) == 6
    assert dataset.num_classes == 2
    assert dataset[0].has_self_loops()
    assert len(dataset.shuffle()) == 12
    sent = pickle.loads(pickle.dumps(dataset))  # as to the workers of a loader
    assert sent[3].participant_id == dataset[3].participant_id
    batch = next(iter(DataLoader(dataset, batch_size=4, num_workers=0)))
    hidden = GCNConv(8, 3)(batch.x, batch.edge_index)
    assert global_mean_pool(hidden, batch.batch).shape == (4, 3)
    assert batch.y.shape == (4,)


def test_reads_a_cohort_on_disk(tmp_path, cohort):
    opened = BrainGraphDataset(Cohort.load(cohort.save(tmp_path / "c")), "diagnosis", density=None)
    for ours, theirs in zip(
        opened, BrainGraphDataset(cohort, "diagnosis", density=None), strict=True
    ):
        torch.testing.assert_close(ours.x, theirs.x)


def test_mistakes(cohort):
    with pytest.raises(ValueError, match=r"no connectivity 'partial'; it has \['fc', 'sc'\]"):
        BrainGraphDataset(cohort, matrix="partial")
    with pytest.raises(ValueError, match=r"no column 'dx'; it has \['diagnosis', 'age'\]"):
        BrainGraphDataset(cohort, "dx")
    with pytest.raises(ValueError, match=r"y must be 2 numbers, got the shape \(3,\)"):
        BrainGraphDataset(cohort, [1, 2, 3])
    text = cohort.assign(phenotype=cohort.phenotype.assign(dx=["patient", "control"]))
    with pytest.raises(ValueError, match=r"'dx' is not of numbers: \['patient', 'control'\]"):
        BrainGraphDataset(text, "dx")
    broken = cohort.assign(connectivity={"fc": np.full((2, 3, 3), np.nan)})
    with pytest.raises(ValueError, match=r"^b: "):
        BrainGraphDataset(broken)[0]
