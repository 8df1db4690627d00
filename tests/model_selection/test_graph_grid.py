import numpy as np
import pandas as pd
import pytest

from brainograph.cohort import Cohort
from brainograph.cohort_merge import merge
from brainograph.connectivity import static
from brainograph.datasets import simulate_cohort
from brainograph.estimators import SubjectGraphClassifier, Training
from brainograph.model_selection import cross_validate, repeated_stratified
from brainograph.model_selection.graph_grid import graph_grid

VOLUMES = ("measures/volume", "measures/area")


def test_three_kinds_of_nodes_three_of_edges_and_two_atlases_are_18_graphs():
    grid = graph_grid(
        nodes=("profile", VOLUMES, ("profile", *VOLUMES)),
        edges=("fc", "morph", ("fc", "morph")),
        parcellations=(None, "cc200"),
    )
    assert len(grid) == 18
    settings = [
        (m.parcellation, m.params["edges"], m.params["node_features"]) for m in grid.values()
    ]
    assert len(set(settings)) == 18
    one = grid["fc+morph_edges__volume+area_nodes__cc200"]
    assert one.params["edges"] == ("fc", "morph")
    assert one.params["node_features"] == VOLUMES
    assert one.params["pooling"] == "topk"
    assert one.parcellation == "cc200"


def test_names_may_stand_in_names_of_files():
    names = graph_grid(nodes=("profile/sc", VOLUMES), edges=("fc",))
    assert list(names) == ["fc_edges__profile-sc_nodes", "fc_edges__volume+area_nodes"]


def test_the_estimator_keeps_its_settings():
    mine = SubjectGraphClassifier(
        "BrainGCN", params={"conv": "gat", "edges": "sc"}, training=Training(lr=0.5)
    )
    grid = graph_grid(nodes=("identity",), edges=("fc",), estimator=mine)
    (model,) = grid.values()
    assert model.params == {"conv": "gat", "edges": ("fc",), "node_features": ("identity",)}
    assert model.training.lr == 0.5
    assert mine.params == {"conv": "gat", "edges": "sc"}


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="two graphs are 'fc_edges__profile_nodes'"):
        graph_grid(nodes=("profile", ("profile",)), edges=("fc",))
    with pytest.raises(ValueError, match="must each name at least one kind"):
        graph_grid(nodes=())


def test_all_graphs_are_compared_on_the_same_folds(tmp_path):
    full = simulate_cohort(n_subjects=40, n_regions=10, random_state=0)
    matrices = {
        "fc": static(full.timeseries),
        "partial": static(full.timeseries, kind="partial correlation", shrinkage="ledoit_wolf"),
    }
    regions = pd.DataFrame(index=[f"five-{i}" for i in range(5)])
    five = Cohort(
        full.phenotype[[]], regions, connectivity={k: m[:, :5, :5] for k, m in matrices.items()}
    )
    cohort = merge({"ten": full.assign(connectivity=matrices), "five": five})
    y = cohort.phenotype["diagnosis"].to_numpy().astype(int)
    small = SubjectGraphClassifier(
        "BrainGCN",
        params={"hidden_channels": 8, "pooling": "topk", "readout": "mean+max"},
        training=Training(max_epochs=2, batch_size=16),
        device="cpu",
    )
    grid = graph_grid(nodes=("profile", "strength"), parcellations=(None, "five"), estimator=small)
    splits = repeated_stratified(cohort, y, n_splits=2, n_repeats=1)
    results = cross_validate(
        grid, cohort, y, splits=splits, progress=False, folder=tmp_path / "grid"
    )
    assert set(results.predictions["model"]) == set(grid)
    tested = results.predictions.groupby("model")["participant_id"].agg(sorted)
    assert all(names == sorted(cohort.participant_ids) for names in tested)
    scores = results.predictions.pivot(index="participant_id", columns="model", values="y_score")
    assert np.unique(scores.round(6).to_numpy(), axis=1).shape[1] == len(grid) == 12
