"""``brainograph explain`` writes what the model has, and says what it lacks."""

import sys

import numpy as np
import pandas as pd
import pytest

from brainograph import cli
from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationGraphClassifier
from brainograph.estimators.saving.privacy import hash_ids


def call(capsys, *arguments):
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr(sys, "argv", ["brainograph", *map(str, arguments)])
        cli.main()
    return stop.value.code or 0, capsys.readouterr().err


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    cohort = simulate_cohort(30, n_regions=6, n_volumes=(50, 60), missing=0.0)
    y = cohort.phenotype["diagnosis"].to_numpy()
    model = PopulationGraphClassifier(
        num_layers=0, skip_smoothing=1.0, optimizer="lbfgs", max_epochs=2, n_members=1,
        validation_fraction=0,
    )  # fmt: skip
    model.fit(cohort, np.where(np.arange(30) < 10, -1, y)).save(folder / "model")
    cohort.save(folder / "cohort")
    return folder / "model", folder / "cohort"


def test_tables_of_some_participants(capsys, paths, tmp_path):
    model, cohort = paths
    who = pd.read_csv(cohort / "participants.tsv", sep="\t")["participant_id"].iloc[0]
    out = tmp_path / "out"
    options = ("--method", "phenotypes", "--method", "neighbors", "--participant", who)
    status, said = call(capsys, "explain", model, cohort, out, *options, "--target", "0")
    assert (status, said.split("\n")[-2]) == (0, f"Explained 1 participants. Written to {out}")
    table = pd.read_csv(out / "participants" / "phenotypes.tsv", sep="\t")
    assert table["participant_id"].unique().tolist() == [who]
    assert table["class"].unique().tolist() == [0]
    status, said = call(capsys, "explain", model, cohort, out)
    assert status == 1
    assert "Add --overwrite" in said


def test_hashed_ids_are_all_that_is_written(capsys, paths, tmp_path):
    model, cohort = paths
    ids = pd.read_csv(cohort / "participants.tsv", sep="\t")["participant_id"].tolist()
    salt = ("--hash-ids", "--salt", "a secret of the study")
    plain, hashed = tmp_path / "plain", tmp_path / "hashed"
    assert call(capsys, "explain", model, cohort, plain)[0] == 0
    some = ("--participant", ids[0], "--participant", ids[1])
    assert call(capsys, "explain", model, cohort, hashed, *salt, *some)[0] == 0
    written = [path for path in hashed.rglob("*") if path.suffix in (".tsv", ".json")]
    assert len(written) >= 8
    assert not [name for name in ids for path in written if name in path.read_text()]
    known = hash_ids(Cohort.load(cohort), salt[-1]).participant_ids
    names = dict(zip(ids, known, strict=True))
    for kind in ("neighbors", "phenotypes"):
        before, after = (
            pd.read_csv(folder / "participants" / f"{kind}.tsv", sep="\t")
            for folder in (plain, hashed)
        )
        before = before[before["participant_id"].isin(ids[:2])]
        before = before.replace({"participant_id": names, "neighbor": names})
        assert len(before) == len(after) > 0
        keys = [name for name in ("participant_id", "neighbor", "phenotype") if name in after]
        pair = before.merge(after, on=keys, suffixes=("", "_hashed"))
        assert len(pair) == len(after)
        np.testing.assert_allclose(pair["importance"], pair["importance_hashed"], atol=1e-6)
    status, said = call(capsys, "explain", model, cohort, tmp_path / "no", "--hash-ids")
    assert (status, "needs a salt" in said) == (1, True)


def test_what_is_not_there_is_said(capsys, paths, tmp_path):
    model, cohort = paths
    for options, message in (
        (("--method", "gradcam"), "and no image"),
        (("--method", "attention"), "has no attention"),
        (("--participant", "nobody"), "has no participants ['nobody']"),
        (("--target", "7"), "target must be one of the classes"),
    ):
        status, said = call(capsys, "explain", model, cohort, tmp_path / "out", *options)
        assert status == 1
        assert message in " ".join(said.split())
    assert not (tmp_path / "out").exists()
