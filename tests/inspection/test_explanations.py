"""The folder of explanations holds what the model has, under harmless names."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from brainograph.datasets import simulate_cohort
from brainograph.estimators import (
    PopulationGraphClassifier,
    SubjectGraphClassifier,
    Training,
    TransductiveClassifier,
)
from brainograph.inspection.explanations import write_explanations
from brainograph.preprocessing import Edges

QUICK = Training(max_epochs=1, validation_fraction=0.0)
NAMES = ["<b>$a_1$</b>", "a & b", 'say "c"', *[f"r{i}" for i in range(5)]]


@pytest.fixture(scope="module")
def cohort():
    known = simulate_cohort(24, n_regions=8, n_volumes=(50, 60), missing=0.0)
    people = known.phenotype.set_axis([f"<i>{name}</i>" for name in known.participant_ids])
    regions = known.regions.set_axis(pd.Index(NAMES))
    return replace(known, phenotype=people, regions=regions)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy()


def tables(folder):
    names = sorted(path.stem for path in folder.glob("*.tsv"))
    names.remove("regions")  # where the regions are, always there
    return names


def test_population_graph(cohort, y, tmp_path):
    model = PopulationGraphClassifier(
        num_layers=0, skip_smoothing=1.0, optimizer="lbfgs", max_epochs=2, n_members=1,
        validation_fraction=0,
    ).fit(cohort, y)  # fmt: skip
    folder = write_explanations(model, cohort, tmp_path / "out")
    assert tables(folder) == ["haufe_edge", "haufe_region", "neighbors", "phenotypes"]
    facts = json.loads((folder / "explanations.json").read_text())
    assert facts["methods"] == ["haufe", "phenotypes", "neighbors"]
    regions = pd.read_csv(folder / "haufe_region.tsv", sep="\t")
    assert {*regions["region"]} == {*NAMES}
    edges = pd.read_csv(folder / "haufe_edge.tsv", sep="\t")
    assert len(edges) == 28
    people = pd.read_csv(folder / "participants" / "neighbors.tsv", sep="\t")
    assert {*people["participant_id"]} == {*cohort.participant_ids}
    pictures = {path.name for path in folder.glob("*.png")}
    assert {"haufe_edge_chord.png", "haufe_region_brain.png", "phenotypes.png"} <= pictures


def test_subject_network_by_what_it_reads(cohort, y, tmp_path):
    model = SubjectGraphClassifier("MeanMLP", training=QUICK, device="cpu").fit(cohort, y)
    bare = cohort.assign(regions=cohort.regions[["network"]])  # no brains to draw
    folder = write_explanations(model, bare[:4], tmp_path / "out")
    assert tables(folder) == ["occlusion_network", "occlusion_region", "occlusion_window"]
    both = ("integrated_gradients", "saliency")
    folder = write_explanations(model, bare[:4], tmp_path / "ig", methods=both, levels=["region"])
    assert tables(folder) == ["integrated_gradients_region", "saliency_region"]


def test_what_a_model_lacks_is_said_and_nothing_is_left_behind(cohort, y, tmp_path):
    model = TransductiveClassifier(Edges(), LogisticRegression()).fit(cohort, y)
    for method, message in (
        ("gradcam", "no image"),
        ("attention", "no attention to read out"),
        ("neighbors", "joins no participants"),
        ("lime", "methods must be among"),
    ):
        with pytest.raises(ValueError, match=message):
            write_explanations(model, cohort, tmp_path / "out", methods=[method])
    with pytest.raises(ValueError, match="none of the levels"):
        write_explanations(model, cohort, tmp_path / "out", levels=["window"])
    assert not (tmp_path / "out").exists()
    how = {"methods": ["occlusion"], "levels": ["network"]}
    folder = write_explanations(model, cohort, tmp_path / "out", **how)
    assert tables(folder) == ["occlusion_network"]
    assert np.isfinite(pd.read_csv(folder / "occlusion_network.tsv", sep="\t")["importance"]).all()
