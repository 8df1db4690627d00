import json

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import InMemoryDataset
from torch_geometric.loader import DataLoader

from brainograph import cli
from brainograph.datasets import export_cohort, simulate_cohort
from brainograph.graphs import sparsify
from brainograph.io import read_tables


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(6, n_regions=8, n_volumes=(20, 30))


def call(*arguments):
    cli.app([str(one) for one in arguments], standalone_mode=False)


@pytest.mark.parametrize("ending", ["tsv", "csv"])
def test_tables_are_read_back(tmp_path, cohort, ending):
    folder = export_cohort(cohort, tmp_path / "out", format=ending)
    again = read_tables(folder, contents="connectivity", progress=False)
    rows = again.locate(cohort.participant_ids)
    np.testing.assert_allclose(again.connectivity["fc"][rows], cohort.connectivity["fc"], atol=1e-7)
    assert again.regions.index.tolist() == cohort.regions.index.tolist()
    assert again.phenotype["site"].iloc[rows].tolist() == cohort.phenotype["site"].tolist()
    assert len(again.failures) == 0


def test_graphml_holds_the_densest_edges(tmp_path, cohort):
    folder = export_cohort(cohort, tmp_path / "out", format="graphml", density=0.25)
    name = cohort.participant_ids[2]
    graph = nx.read_graphml(folder / f"{name}.graphml")
    kept = sparsify(cohort.connectivity["fc"][2], density=0.25, sign="signed")
    np.testing.assert_allclose(nx.to_numpy_array(graph), kept, atol=1e-6)
    assert graph.graph["participant_id"] == name
    assert graph.nodes["Default_PCC_L"]["network"] == "Default"
    facts = json.loads((folder / "export.json").read_text())
    assert (facts["format"], facts["density"], facts["sign"]) == ("graphml", 0.25, "signed")


def test_brainnet_has_one_node_file_and_an_edge_file_each(tmp_path, cohort):
    folder = export_cohort(cohort, tmp_path / "out", format="brainnet")
    edges = np.loadtxt(folder / f"{cohort.participant_ids[0]}.edge")
    nodes = pd.read_csv(folder / "regions.node", sep="\t", header=None)
    assert edges.shape == (8, 8)
    assert nodes.shape == (8, 6)
    assert (
        nodes[[0, 1, 2]].to_numpy().tolist() == cohort.regions[["x", "y", "z"]].to_numpy().tolist()
    )
    assert len(list(folder.glob("*.edge"))) == 6


def test_pyg_opens_without_brainograph_and_without_pickled_code(tmp_path, cohort):
    folder = export_cohort(cohort, tmp_path / "out", format="pyg", density=0.5, sign="positive")
    torch.load(folder / "graphs.pt", weights_only=True)
    dataset = InMemoryDataset()
    dataset.load(str(folder / "graphs.pt"))
    assert [one.participant_id for one in dataset] == sorted(cohort.participant_ids)
    assert dataset[0].edge_weight.min() > 0
    assert next(iter(DataLoader(dataset, batch_size=6))).x.shape == (48, 8)


def test_command_line_hashes_ids(tmp_path, cohort, capsys, monkeypatch):
    table = cohort.phenotype.assign(file=[f"{name}_bold" for name in cohort.participant_ids])
    cohort.assign(phenotype=table).save(tmp_path / "cohort")
    monkeypatch.setenv("BRAINOGRAPH_SALT", "0123456789abcdef")
    call("export", tmp_path / "cohort", tmp_path / "out", "--format", "tsv", "--hash-ids")
    texts = [path.name + path.read_text() for path in (tmp_path / "out").iterdir()]
    assert not any(name in text for name in cohort.participant_ids for text in texts)
    participants = pd.read_csv(tmp_path / "out" / "participants.tsv", sep="\t")
    assert participants["participant_id"].is_monotonic_increasing
    assert sorted(participants["site"]) == sorted(cohort.phenotype["site"])
    with pytest.raises(SystemExit):
        call("export", tmp_path / "cohort", tmp_path / "out", "--format", "tsv")
    assert "Add --overwrite" in capsys.readouterr().err
    call("export", tmp_path / "cohort", tmp_path / "out", "--format", "csv", "--overwrite")
    left = {path.name for path in (tmp_path / "out").iterdir()}
    others = {"export.json", "participants.tsv", "regions.tsv"}
    assert left == {f"{name}.csv" for name in cohort.participant_ids} | others


def test_mistakes_leave_nothing_behind(tmp_path, cohort):
    with pytest.raises(ValueError, match="format must be one of"):
        export_cohort(cohort, tmp_path / "out", format="gexf")
    with pytest.raises(ValueError, match=r"no connectivity 'sc'; it has \['fc'\]"):
        export_cohort(cohort, tmp_path / "out", matrix="sc")
    names = ["../up", "a/b", "..", "c", "d", "e"]
    escaping = cohort.assign(phenotype=cohort.phenotype.set_axis(names))
    with pytest.raises(ValueError, match=r"3 participants have ids that cannot be names of files"):
        export_cohort(escaping, tmp_path / "out")
    flat = cohort.assign(regions=cohort.regions.drop(columns="x"))
    with pytest.raises(ValueError, match="BrainNet Viewer needs MNI coordinates"):
        export_cohort(flat, tmp_path / "out", format="brainnet")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(FileExistsError, match="It is not an export"):
        export_cohort(cohort, tmp_path, overwrite=True)


def test_special_characters_in_ids_are_escaped(tmp_path, cohort):
    names = ['<b>&"', "sub 1", "é", "x'y", "p%20", "a;b"]
    odd = cohort.assign(phenotype=cohort.phenotype.set_axis(names))
    folder = export_cohort(odd, tmp_path / "out", format="graphml")
    graph = nx.read_graphml(folder / '<b>&".graphml')
    assert graph.graph["participant_id"] == '<b>&"'
