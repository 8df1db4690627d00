import networkx as nx
import numpy as np
import pandas as pd
import pytest

from brainograph.graphs.brain import brain_graph
from brainograph.graphs.export import (
    write_brainnet_edges,
    write_brainnet_nodes,
    write_graphml,
    write_matrix,
)
from brainograph.io.text import read_text

NAMES = ['<b>"Insula" & co</b>', "Insula, right", "Précuneus 'R' ]]>"]
MATRIX = np.array([[1, 0.5, 0], [0.5, 1, -0.25], [0, -0.25, 1]])
REGIONS = pd.DataFrame(
    {
        "x": [-40.0, 40.0, 8.5],
        "y": [4, 4, -60],
        "z": [2, 2, 40],
        "network": ["Salience", "Salience", "Default"],
        "affected": [True, False, True],
        "note": [np.nan, "a < b", None],
    },
    index=NAMES,
)


def test_graphml_comes_back_from_networkx_as_it_was(tmp_path):
    write_graphml(MATRIX, tmp_path / "one.graphml", regions=REGIONS)
    graph = nx.read_graphml(tmp_path / "one.graphml")
    assert list(graph) == NAMES
    assert graph.edges[NAMES[0], NAMES[1]] == {"weight": 0.5}
    assert graph.edges[NAMES[1], NAMES[2]] == {"weight": -0.25}
    assert graph.number_of_edges() == 2
    assert graph.nodes[NAMES[0]] == {
        "x": -40.0, "y": 4, "z": 2, "network": "Salience", "affected": True,
    }  # fmt: skip
    assert graph.nodes[NAMES[1]]["note"] == "a < b"


def test_graphml_of_data_takes_one_channel_and_float32_weights(tmp_path):
    data = brain_graph(np.abs(MATRIX), channels={"sc": [[0, 0, 3], [0, 0, 0], [3, 0, 0]]})
    write_graphml(data, tmp_path / "one.graphml", regions=NAMES, channel="sc")
    graph = nx.read_graphml(tmp_path / "one.graphml")
    assert list(graph.edges(data="weight")) == [(NAMES[0], NAMES[2], 3.0)]


def test_graphml_refuses_what_xml_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match=r"'bell\\x07' holds a control character"):
        write_graphml(MATRIX, tmp_path / "one.graphml", regions=["a", "b", "bell\x07"])
    assert list(tmp_path.iterdir()) == []


def test_brainnet_nodes_have_six_columns(tmp_path):
    write_brainnet_nodes(REGIONS, tmp_path / "a.node", size=[1, 2, 0.5])
    lines = (tmp_path / "a.node").read_text(encoding="utf-8").splitlines()
    assert lines == [
        '-40\t4\t2\t2\t1\t<b>"Insula"_&_co</b>',
        "40\t4\t2\t2\t2\tInsula,_right",
        "8.5\t-60\t40\t1\t0.5\tPrécuneus_'R'_]]>",
    ]
    assert {len(line.split()) for line in lines} == {6}  # whatever parts the columns


def test_brainnet_edges_are_the_matrix_without_its_diagonal(tmp_path):
    write_brainnet_edges(MATRIX, tmp_path / "a.edge")
    text = (tmp_path / "a.edge").read_text()
    assert text == "0\t0.5\t0\n0.5\t0\t-0.25\n0\t-0.25\t0\n"
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "a.edge"), MATRIX - np.eye(3))


def test_brainnet_needs_coordinates_and_numbers(tmp_path):
    with pytest.raises(ValueError, match=r"regions has no \['z'\]"):
        write_brainnet_nodes(REGIONS.drop(columns="z"), tmp_path / "a.node")
    lost = REGIONS.assign(x=[1, np.nan, 2])
    with pytest.raises(ValueError, match=r"regions has no \['Insula, right'\]"):
        write_brainnet_nodes(lost, tmp_path / "a.node")
    with pytest.raises(ValueError, match="color must be 3 finite numbers"):
        write_brainnet_nodes(REGIONS, tmp_path / "a.node", color=[1, 2])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@pytest.mark.parametrize("names", [NAMES, ["101", "102", "103"], ["a b", "#c", "1.5"]])
def test_matrices_come_back_with_their_names(tmp_path, ending, names, rng):
    matrix = rng.standard_normal((3, 3)).astype(np.float32)
    write_matrix(matrix, tmp_path / f"one.{ending}", regions=names)
    array, header = read_text(tmp_path / f"one.{ending}")
    np.testing.assert_array_equal(array.astype(np.float32), matrix)
    assert header == [name.lstrip("#") for name in names]
    write_matrix(matrix.astype(float), tmp_path / f"bare.{ending}")
    array, header = read_text(tmp_path / f"bare.{ending}")
    assert header is None
    np.testing.assert_array_equal(array, matrix.astype(float))


def test_matrix_refuses_other_shapes(tmp_path):
    with pytest.raises(ValueError, match=r"shape \(R, R\), got \(2, 3, 3\)"):
        write_matrix(np.zeros((2, 3, 3)), tmp_path / "one.tsv")
    with pytest.raises(ValueError, match="regions must be 3 names, got 2"):
        write_matrix(MATRIX, tmp_path / "one.tsv", regions=["a", "b"])
