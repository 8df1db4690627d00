import numpy as np
import pandas as pd
import pytest

from brainograph.config import ConfigError, Experiment, load_config
from brainograph.datasets import simulate_cohort
from brainograph.leaderboard import boards, leaderboard, tabulate, write_leaderboard
from brainograph.model_selection import Results
from brainograph.report import write_report


@pytest.fixture(scope="module")
def cohort_folder(tmp_path_factory):
    cohort = simulate_cohort(n_subjects=60, n_regions=8, n_sites=3, random_state=2)
    return cohort.save(tmp_path_factory.mktemp("data") / "ho")


def make(folder, **sections):
    content = {
        "title": "t",
        "cohort": folder,
        "model": {"n_members": 1, "max_epochs": 3, "device": "cpu"},
        "cross_validation": {"n_splits": 3},
        "controls": ["majority", "edges_logistic", "no_edges"],
    }
    return Experiment.model_validate(content | sections)


def test_experiments_are_grouped_by_their_folds():
    pair = {"a": make("cohorts/ho"), "b": make("cohorts/cc")}
    grouped = boards(pair, schemes=["stratified", "leave_one_site_out"], n_repeats=5)
    assert {name: list(board) for name, board in grouped.items()} == {
        "ho__stratified": ["a"],
        "ho__leave_one_site_out": ["a"],
        "cc__stratified": ["b"],
        "cc__leave_one_site_out": ["b"],
    }
    assert grouped["ho__stratified"]["a"].cross_validation.n_repeats == 5
    other = make("cohorts/ho", cross_validation={"n_splits": 4})
    with pytest.raises(ConfigError, match="cannot stand in one table"):
        boards({"a": pair["a"], "b": other})


def test_controls_that_are_shared_run_once(cohort_folder, tmp_path):
    plain = make(cohort_folder)
    by_sex = make(cohort_folder, model=plain.model.model_dump() | {"categorical": ["sex"]})
    made = leaderboard({"plain": plain, "by_sex": by_sex}, tmp_path, progress=False)
    (results,) = made.values()
    models = results.predictions["model"].unique().tolist()
    assert models[:2] == ["plain", "by_sex"]
    assert sorted(models[2:]) == ["edges_logistic", "majority", "no_edges"]
    assert Results.load(tmp_path / "ho__stratified").provenance["main"] == "plain"

    table = tabulate(made, n_bootstrap=50)
    assert table["model"].tolist() == models
    row = table.set_index("model").loc["edges_logistic"]
    main = table.set_index("model").loc["plain"]
    assert row["gain"] == pytest.approx(main["auc"] - row["auc"], abs=1e-9)
    assert np.isnan(main["gain"])

    published = tmp_path / "published.tsv"
    published.write_text("method\tauc\tstatus\nEV-GCN\t\tleaked\n")
    path = write_leaderboard(made, tmp_path, published=published)
    text = path.read_text()
    assert "**plain**" in text
    assert "| EV-GCN |  | leaked |" in text
    assert len(pd.read_csv(tmp_path / "leaderboard.tsv", sep="\t")) == 5
    assert (tmp_path / "leaderboard.svg").stat().st_size > 1000


def test_a_board_keeps_its_settings_for_the_report(cohort_folder, tmp_path):
    one = make(cohort_folder, controls=["majority"])
    leaderboard({"a": one, "b": make(cohort_folder, controls=[])}, tmp_path, progress=False)
    board = tmp_path / "ho__stratified"
    assert load_config(board / "config.yaml") == one  # that of the first, which the report is about
    assert load_config(board / "b.yaml").controls == []
    page = write_report(board).read_text()
    assert "The settings of the model are not in this results folder" not in page
