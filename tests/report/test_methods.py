"""The methods section says what the configuration says, and nothing else."""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from brainograph.metrics.binary import BINARY
from brainograph.report.citations import cite_network
from brainograph.report.methods import write_methods
from brainograph.report.target import Target

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("**/*.yaml"))
DATA = {"source": "ROOT/ABIDE_pcp", "layout": "cpac", "strategy": "filt_noglobal", "atlas": "ho"}
DATA |= {"n_regions": 111, "connectivity": {"fc": "correlation"}}


def methods(settings, **changes):
    people = pd.DataFrame({"participant_id": list("abc"), "site": list("XXY"), "y_true": [1, 0, 0]})
    target = Target(BINARY, "diagnosis", ("controls", "patients"))
    arguments = {
        "counts": {"found": 5, "n_excluded": 2, "excluded": {"no scan": 2}},
        "provenance": {"data": DATA, "python": "3.11", "versions": {"torch": "2.6"}},
        "models": ["gcn", "motion", "gat", "gat.motion"],
        "regimes": ["inductive", "single_query"],
        "scheme": "10-fold",
        "version": "0.1.0",
    }
    return write_methods(people, target, settings=settings, **(arguments | changes))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_work_is_cited_and_every_number_has_a_work(path):
    made = methods(yaml.safe_load(path.read_text(encoding="utf-8")))
    found = re.findall(r"\[([\d, ]+)\]", " ".join(made.paragraphs.values()))
    numbers = [int(number) for group in found for number in group.split(", ")]
    assert list(dict.fromkeys(numbers)) == sorted(set(numbers))
    assert set(numbers) == set(range(1, len(made.references) + 1))
    assert len(set(made.references)) == len(made.references)
    assert not re.search(r"None|nan|\{|\}|  ", " ".join(made.paragraphs.values()))


def test_other_parcellations_are_named():
    text = (CONFIGS[0].parents[0] / "abide_multi_population_gcn.yaml").read_text(encoding="utf-8")
    said = methods(yaml.safe_load(text)).paragraphs["Features"]
    assert "covariances with 0.8 shrinkage" in said
    assert said.count("in the parcellation cc200") == 1


def test_a_population_graph_by_hand():
    text = (CONFIGS[0].parents[0] / "abide_ho_population_gcn.yaml").read_text(encoding="utf-8")
    said = methods(yaml.safe_load(text)).paragraphs
    assert said["Participants"] == (
        "We analysed 3 participants of the Autism Brain Imaging Data Exchange (ABIDE) [1] from 2 "
        "sites (1 patients, 2 controls). Of 5 participants found, 2 were excluded: no scan (2)."
    )
    assert "C-PAC (strategy filt_noglobal) [2]" in said["Data"]
    assert "111 regions of the atlas Harvard-Oxford [3]" in said["Data"]
    assert (
        "after Fisher's z transformation, where each site's mean was subtracted" in said["Features"]
    )
    assert "with a simplified graph convolution" in said["Model"]
    assert "joined who had the same sex or differed in age by less than 2.0." in said["Model"]
    assert "trained by L-BFGS for at most 10 epochs." in said["Model"]
    assert "these controls [8]: motion (head motion only, no brain data)." in said["Model"]
    assert "Also run on the same folds: gat, with controls of their own." in said["Model"]
    assert "In the single-query regime" in said["Evaluation"]
    assert said["Software"].startswith("Analyses were run with brainograph 0.1.0 on Python 3.11")


def test_a_network_is_cited_as_its_documentation_does():
    model = {"kind": "subject_graph", "network": "BrainNetCNN", "params": {"dropout": 0.5}}
    training = {"optimizer": "adamw", "lr": 0.001, "max_epochs": 9, "validation_fraction": 0.15}
    made = methods({"model": model | {"training": training, "n_members": 3}})
    assert "The model is BrainNetCNN [4] (dropout 0.5), which sees" in made.paragraphs["Model"]
    assert "by AdamW with a learning rate of 0.001 for at most 9 epochs" in made.paragraphs["Model"]
    assert "early on 15% of the training participants; 3 networks" in made.paragraphs["Model"]
    assert made.references[3] == cite_network("BrainNetCNN")
    assert "Kawahara" in made.references[3]


def test_nothing_is_guessed_where_nothing_is_known():
    said = methods({}, provenance={}, models=["gcn"]).paragraphs
    assert "Data" not in said
    assert "Features" not in said
    assert "[its settings are not in the results folder]" in said["Model"]
    assert "compared with no control" in said["Model"]
    assert "ABIDE" not in said["Participants"]


def test_a_search_and_odd_settings():
    search = {"space": {"model.lr": [0.1, 0.2]}, "method": "grid", "inner_splits": 3}
    said = methods({"model": {"kind": "linear", "classifier": "svm", "C": 2}, "search": search})
    assert "linear (svm, C = 2)" in said.paragraphs["Model"]
    assert (
        "Hyper-parameters (model.lr) were chosen in each fold by a grid"
        in (said.paragraphs["Model"])
    )
    odd = {"features": {"blocks": "x", "scale": [1]}, "model": {"categorical": 3, "continuous": 4}}
    assert "graph of participants" in methods(odd).paragraphs["Model"]


def test_two_stages_and_fused_decisions():
    network = {"kind": "subject_graph", "network": "BrainNetCNN"}
    deep = {"kind": "deep", "target": "age", "network": network}
    blocks = [deep, {"kind": "measures", "names": ["area"], "denoise": {"sizes": [20, 10]}}]
    features = {"blocks": blocks}
    trees = {"kind": "trees", "method": "boosting", "n_trees": 50}
    said = methods({"model": trees, "features": features}).paragraphs
    assert (
        "the last features of BrainNetCNN [4], trained on age; and measures (names area)"
        in (said["Features"])
    )
    assert "encoded by a denoising autoencoder of 20, 10 units" in said["Features"]
    assert "The model is gradient boosting of 50 trees." in said["Model"]
    members = {"deep": {"model": trees, "features": features}, "scan": {"model": network}}
    fused = {"kind": "late_fusion", "how": "mean", "members": members}
    said = methods({"model": fused, "features": {"blocks": [{"kind": "edges"}]}}).paragraphs
    assert "Features" not in said  # of its own: there are none
    assert "fused (rule: mean). Of deep: The model is gradient boosting" in said["Model"]
    assert "Of scan: The model is BrainNetCNN [4], which sees" in said["Model"]
