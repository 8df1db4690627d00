import hashlib
import json
import os
import subprocess
import sys

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from brainograph.datasets import simulate_cohort
from brainograph.model_selection import cross_validate, repeated_stratified
from brainograph.model_selection.environment import environment
from brainograph.preprocessing import Edges

CONFIG = """
title: A tiny study
cohort: {cohort}
model: {{max_epochs: 4, patience: 2, n_members: 2, device: cpu}}
cross_validation: {{n_splits: 2, random_state: 3}}
regimes: [transductive, inductive]
controls: [majority, edges_logistic, no_edges]
"""


def crossval(config, results, *options, seed):
    """Cross-validate in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from brainograph.cli import main; main()",
         "crossval", config, results, *options],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return results of one config made by two processes, and by a third with published splits."""
    folder = tmp_path_factory.mktemp("study")
    simulate_cohort(n_subjects=32, n_regions=8, random_state=0).save(folder / "cohort")
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(cohort=folder / "cohort"))
    crossval(config, folder / "first", seed="1")
    crossval(config, folder / "second", seed="2")
    crossval(
        config, folder / "imported", "--set", "cross_validation.random_state=4",
        "--set", f"cross_validation.splits={folder / 'first' / 'splits.json'}", seed="3",
    )  # fmt: skip
    return folder


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["predictions.tsv", "splits.json", "metrics.tsv"])
def test_two_processes_write_the_same_bytes(study, name):
    assert sha256(study / "first" / name) == sha256(study / "second" / name)


def test_published_splits_give_the_same_numbers(study):
    for name in ("predictions.tsv", "splits.json"):
        assert sha256(study / "first" / name) == sha256(study / "imported" / name)


def test_the_provenance_says_what_was_run_where(study):
    first, second, imported = (
        json.loads((study / name / "provenance.json").read_text())
        for name in ("first", "second", "imported")
    )
    assert len(first["data"]["sha256"]) == len(first["config_sha256"]) == 64
    for key in ("config_sha256", "splits_sha256", "versions", "hardware", "models", "scheme"):
        assert first[key] == second[key] == imported[key]
    assert first["wall_time_s"] > 0
    assert {"numpy", "scipy", "scikit-learn", "torch", "torch-geometric"} <= set(first["versions"])
    hardware = first["hardware"]
    assert hardware["cpu"]
    assert hardware["n_cpus"] == os.cpu_count()
    assert hardware["memory_gib"] > 0.5
    assert isinstance(hardware["gpus"], list)


def test_another_configuration_has_another_hash():
    cohort = simulate_cohort(n_subjects=20, n_regions=4, random_state=0)
    y = cohort.phenotype["diagnosis"].to_numpy()

    def config_hash(C=1.0, n_splits=2, **options):
        model = make_pipeline(Edges(), LogisticRegression(C=C))
        splits = repeated_stratified(cohort, y, n_splits=n_splits)
        run = {"splits": splits, "progress": False, **options}
        return cross_validate(model, cohort, y, **run).provenance["config_sha256"]

    assert config_hash() == config_hash(title="elsewhere")
    others = {config_hash(C=2.0), config_hash(n_splits=3), config_hash(regimes=("inductive",))}
    assert len(others | {config_hash()}) == 4


def test_graphics_cards_are_named(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda i: "NVIDIA H100")
    found = environment()
    assert found["device"] == "GPU"
    assert found["hardware"]["gpus"] == ["NVIDIA H100"]
