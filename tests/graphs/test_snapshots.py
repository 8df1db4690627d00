"""Dynamic graphs come apart into what they were made of."""

import gzip

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from brainograph.files import read_tsv
from brainograph.graphs import (
    brain_graph,
    dynamic_brain_graph,
    dynamic_to_networkx,
    edge_table,
    snapshots,
    sparsify,
    to_networkx,
    write_edge_table,
)


@pytest.fixture
def windows(rng):
    upper = np.triu(rng.uniform(0, 1, (3, 5, 5)), 1)
    return sparsify(upper + upper.transpose(0, 2, 1), density=0.5)


def test_a_snapshot_is_the_graph_of_its_window(windows):
    structural = np.ones((5, 5)) - np.eye(5)
    whole = dynamic_brain_graph(windows, y=1, channels={"sc": structural}, participant_id="sub-1")
    cuts = snapshots(whole)
    assert len(cuts) == 3
    for cut, matrix in zip(cuts, windows, strict=True):
        alone = brain_graph(matrix, y=1, channels={"sc": structural}, participant_id="sub-1")
        assert set(cut.keys()) == set(alone.keys())
        for key, value in alone:
            np.testing.assert_array_equal(cut[key], value, err_msg=key)


def test_networkx_gets_a_graph_for_each_window(windows):
    names = list("abcde")
    graphs = dynamic_to_networkx(dynamic_brain_graph(windows), regions=names)
    for graph, matrix in zip(graphs, windows, strict=True):
        np.testing.assert_allclose(nx.to_numpy_array(graph, nodelist=names), matrix, atol=1e-7)
    from_matrices = dynamic_to_networkx(windows, regions=names)
    assert [set(g.edges) for g in from_matrices] == [set(g.edges) for g in graphs]
    assert set(to_networkx(windows[0], regions=names).edges) == set(graphs[0].edges)


def test_table_has_each_edge_once(windows):
    graphs = [dynamic_brain_graph(windows, participant_id=name) for name in ("sub-1", "sub-2")]
    table = edge_table(graphs, regions=pd.DataFrame(index=list("abcde")))
    assert list(table) == ["participant_id", "window", "region_a", "region_b", "weight"]
    assert len(table) == 2 * np.count_nonzero(windows) / 2
    row = table[(table["participant_id"] == "sub-2") & (table["window"] == 2)].iloc[0]
    a, b = "abcde".index(row["region_a"]), "abcde".index(row["region_b"])
    assert row["weight"] == pytest.approx(windows[2, a, b])
    assert a < b


@pytest.mark.parametrize("name", ["edges.tsv", "edges.tsv.gz"])
def test_a_written_table_is_the_table(windows, tmp_path, name):
    graphs = [dynamic_brain_graph(windows, participant_id=one) for one in ("001", "002")]
    path = tmp_path / name
    write_edge_table(iter(graphs), path, regions=list("abcde"))
    pd.testing.assert_frame_equal(
        read_tsv(path).astype({"weight": "float32"}), edge_table(graphs, regions=list("abcde"))
    )
    if name.endswith(".gz"):
        assert gzip.decompress(path.read_bytes()).startswith(b"participant_id\t")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_errors(windows):
    with pytest.raises(ValueError, match="graph has no windows: it is static"):
        snapshots(brain_graph(windows[0]))
    with pytest.raises(ValueError, match="regions must be 5 names, got 2"):
        edge_table(dynamic_brain_graph(windows), regions=["a", "b"])
