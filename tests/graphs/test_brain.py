import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCNConv, global_mean_pool

from brainograph.graphs.brain import brain_graph, dynamic_brain_graph, to_networkx
from brainograph.graphs.sparsify import sparsify

FC = np.array([[1, 0.5, 0], [0.5, 1, 0.25], [0, 0.25, 1]])
SC = np.array([[0, 0, 2], [0, 0, 0], [2, 0, 0]])


def test_brain_graph_by_hand():
    graph = brain_graph(
        FC, y=1, channels={"sc": SC}, image=np.zeros((4, 5, 6)), participant_id="sub-01"
    )
    assert graph.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert graph.edge_weight.tolist() == [0.5, 0.5, 0.25, 0.25]
    assert graph.edge_index_sc.tolist() == [[0, 2], [2, 0]]
    assert graph.edge_weight_sc.tolist() == [2, 2]
    assert graph.x.tolist() == [[0, 0.5, 0], [0.5, 0, 0.25], [0, 0.25, 0]]
    assert graph.image.shape == (1, 1, 4, 5, 6)
    assert graph.y.tolist() == [1]
    assert graph.y.dtype == torch.int64
    assert graph.participant_id == "sub-01"
    graph.validate()


def test_batching_offsets_every_channel():
    members = {"channels": {"sc": SC}, "image": np.zeros((2, 4, 4, 4))}
    graphs = [brain_graph(FC, y=i, participant_id=str(i), **members) for i in range(2)]
    batch = next(iter(DataLoader(graphs, batch_size=2)))
    assert batch.edge_index.tolist() == [[0, 1, 1, 2, 3, 4, 4, 5], [1, 0, 2, 1, 4, 3, 5, 4]]
    assert batch.edge_index_sc.tolist() == [[0, 2, 3, 5], [2, 0, 5, 3]]
    assert batch.edge_weight_sc.shape == (4,)
    assert batch.image.shape == (2, 2, 4, 4, 4)
    assert batch.y.tolist() == [0, 1]
    assert batch.participant_id == ["0", "1"]


def test_dynamic_graph_is_the_batch_of_its_windows(rng):
    windows = np.stack([np.corrcoef(rng.standard_normal((6, 20))) for _ in range(4)])
    windows = sparsify(windows, density=0.4)
    sc = sparsify(np.corrcoef(rng.standard_normal((6, 20))), density=0.4)
    dynamic = dynamic_brain_graph(windows, y=0.5, channels={"sc": sc}, participant_id="a")
    batch = Batch.from_data_list([brain_graph(window, channels={"sc": sc}) for window in windows])
    for name in ("x", "edge_index", "edge_weight", "edge_index_sc", "edge_weight_sc"):
        torch.testing.assert_close(dynamic[name], batch[name])
    assert dynamic.num_windows == 4
    layer = GCNConv(6, 3)
    out = layer(dynamic.x, dynamic.edge_index, dynamic.edge_weight).view(4, 6, 3)
    for window, ours in zip(windows, out, strict=True):
        one = brain_graph(window)
        torch.testing.assert_close(ours, layer(one.x, one.edge_index, one.edge_weight))


def test_dynamic_graphs_of_different_lengths_batch(rng):
    one, two = (dynamic_brain_graph(np.stack([FC] * n), y=0) for n in (2, 3))
    batch = Batch.from_data_list([one, two])
    assert batch.num_windows.tolist() == [2, 3]
    assert batch.num_nodes == 15
    assert global_mean_pool(batch.x, batch.batch).shape == (2, 3)


def test_node_features_of_windows(rng):
    windows = np.stack([FC, FC])
    static, changing = rng.random((3, 2)), rng.random((2, 3, 4))
    np.testing.assert_allclose(
        dynamic_brain_graph(windows, x=static).x, np.concatenate([static, static]), rtol=1e-6
    )
    np.testing.assert_allclose(
        dynamic_brain_graph(windows, x=changing).x, changing.reshape(6, 4), rtol=1e-6
    )


def test_negative_weights_are_refused_unless_asked_for():
    signed = np.array([[1, -0.5], [-0.5, 1]])
    message = (
        r"1 negative edges \(the lowest is -0.5\).*ChebConv.*sign=\"absolute\".*allow_negative=True"
    )
    with pytest.raises(ValueError, match=message):
        brain_graph(signed)
    with pytest.raises(ValueError, match=r"channels\['sc'\] has 1 negative edges"):
        brain_graph(np.eye(2), channels={"sc": signed})
    with pytest.raises(ValueError, match="1 negative edges"):
        dynamic_brain_graph(signed[None])
    assert brain_graph(signed, allow_negative=True).edge_weight.tolist() == [-0.5, -0.5]


@pytest.mark.parametrize(
    ("matrix", "options", "message"),
    [
        (FC[:2], {}, "connectivity must have the shape"),
        (np.triu(FC), {}, "connectivity must be symmetric"),
        (np.where(FC == 0.5, np.nan, FC), {}, "connectivity holds 2 NaN"),
        (np.stack([FC, FC]), {}, r"got \(2, 3, 3\).*dynamic_brain_graph\(windows\)"),
        (FC, {"x": np.zeros((2, 4))}, r"x must have the shape \(R, C\) with R=3, got \(2, 4\)"),
        (FC, {"x": np.full((3, 1), np.nan)}, "x holds NaN or infinity"),
        (FC, {"channels": {"sc": np.eye(4)}}, r"channels\['sc'\] must have 3 regions"),
        (FC, {"image": np.zeros((4, 4))}, r"image must have the shape .* got \(4, 4\)"),
    ],
)
def test_errors(matrix, options, message):
    with pytest.raises(ValueError, match=message):
        brain_graph(matrix, **options)


def test_to_networkx_names_the_regions():
    regions = pd.DataFrame({"x": [1.0, 2, 3], "network": ["A", "B", "A"]}, index=["r1", "r2", "r3"])
    for graph in (FC, brain_graph(FC)):
        network = to_networkx(graph, regions=regions)
        assert list(network) == ["r1", "r2", "r3"]
        assert network.nodes["r2"] == {"x": 2.0, "network": "B"}
        assert sorted(network.edges(data="weight")) == [("r1", "r2", 0.5), ("r2", "r3", 0.25)]
    np.testing.assert_array_equal(nx.to_numpy_array(to_networkx(FC)), FC - np.eye(3))
    structural = to_networkx(brain_graph(FC, channels={"sc": SC}), channel="sc")
    assert list(structural.edges(data="weight")) == [(0, 2, 2.0)]


def test_to_networkx_errors():
    with pytest.raises(ValueError, match=r"one window of a dynamic graph: .*windows\[0\]"):
        to_networkx(dynamic_brain_graph(FC[None]))
    with pytest.raises(ValueError, match="no channel 'sc'"):
        to_networkx(brain_graph(FC), channel="sc")
    with pytest.raises(ValueError, match="regions must be 3 different names, got 2 different of 3"):
        to_networkx(FC, regions=["a", "a", "b"])
