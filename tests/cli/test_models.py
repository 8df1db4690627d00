import json
import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io
import yaml
from typer.testing import CliRunner

from brainograph import cli
from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort, simulate_fmriprep
from brainograph.estimators import (
    Calibrated,
    Conformal,
    PopulationGraphClassifier,
    load_model,
)
from brainograph.estimators.prediction.training_summary import TrainingSummary
from brainograph.estimators.saving.persistence import _checksum, _sha256
from brainograph.files import read_tsv

CONFIG = """
title: A tiny study <of 32>
cohort: {cohort}
model: {{max_epochs: 4, patience: 2, device: cpu}}
cross_validation: {{n_splits: 2}}
controls: [majority]
"""
SUBJECT = """
title: Each alone
cohort: {cohort}
model:
  kind: subject_graph
  network: MeanMLP
  params: {{hidden_channels: 8}}
  training: {{max_epochs: 2}}
  device: cpu
"""
SALT = "a secret of the study"


def run(*arguments, **options):
    """Run a command in this process; return its exit status and all that it printed."""
    result = CliRunner().invoke(cli.app, [str(one) for one in arguments], **options)
    return result.exit_code, " ".join(result.output.split())


def ok(*arguments, **options):
    status, output = run(*arguments, **options)
    assert status == 0, output
    return output


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a folder with a cohort, its config, a model and participants to come."""
    folder = tmp_path_factory.mktemp("study")
    cohort = simulate_cohort(n_subjects=40, n_regions=8, random_state=0, missing=0.0)
    cohort[:32].save(folder / "cohort")
    cohort[32:].save(folder / "new")
    (folder / "config.yaml").write_text(CONFIG.format(cohort=folder / "cohort"))
    (folder / "subject.yaml").write_text(SUBJECT.format(cohort=folder / "cohort"))
    ok("fit", folder / "config.yaml", folder / "model")
    ok("fit", folder / "subject.yaml", folder / "subject")
    return folder


def table_of(study, model, cohort, *options):
    ok("predict", model, cohort, study / "out.tsv", *options)
    return read_tsv(study / "out.tsv", index="participant_id")


class TestPredict:
    def test_the_columns_of_a_population_graph(self, study):
        table = table_of(study, study / "model", study / "new")
        assert table.columns.tolist() == [
            "probability", "prediction", "abstains", "regime", "entropy", "mutual_information",
            "nearest", "nearest_distance", "silent_regions", "connectivity_distance", "warnings",
        ]  # fmt: skip
        assert table.index.tolist() == Cohort.load(study / "new").participant_ids
        known = set(Cohort.load(study / "cohort").participant_ids)
        assert all(set(ids.split(", ")) <= known for ids in table["nearest"])
        assert table["nearest"].str.count(", ").eq(2).all()
        assert (table["mutual_information"] <= table["entropy"]).all()
        assert (table["entropy"] <= np.log(2) + 1e-9).all()
        assert set(table["regime"]) == {"inductive"}

    def test_nobody_is_their_own_neighbour(self, study):
        table = table_of(study, study / "model", study / "cohort", "--neighbors", "1")
        assert (table["nearest"] != table.index).all()
        assert (table["nearest_distance"] > 0).all()
        assert set(table["regime"]) == {"training"}

    def test_a_network_of_single_participants_keeps_nobody(self, study):
        output = ok("predict", study / "subject", study / "new", study / "s.tsv", "--passes", "3")
        assert "No nearest participants: the model keeps none." in output
        table = read_tsv(study / "s.tsv")
        assert "nearest" not in table
        assert (table["mutual_information"] > 0).all()

    def test_without_passes_one_member_has_no_mutual_information(self, study):
        output = ok("predict", study / "subject", study / "new", study / "s.tsv", "--passes", "0")
        assert "No mutual information: the model has one member and no dropout." in output
        assert "entropy" in read_tsv(study / "s.tsv")

    def test_abstention(self, study):
        table = table_of(study, study / "model", study / "new", "--min-confidence", "0.55")
        sure = np.maximum(table["probability"], 1 - table["probability"]) >= 0.55
        assert (table["abstains"] == ~sure).all()
        assert (table["prediction"].isna() == ~sure).all()
        status, output = run(
            "predict", study / "model", study / "new", study / "o.tsv", "--min-confidence", "55"
        )
        assert (status, "min_confidence must be in [0, 1], got 55.0" in output) == (1, True)

    def test_a_calibrated_conformal_model(self, study):
        cohort = Cohort.load(study / "cohort")
        y = cohort.phenotype["diagnosis"].to_numpy().astype(int)
        inner = PopulationGraphClassifier(max_epochs=4, n_members=2, device="cpu")
        model = Conformal(Calibrated(inner), alpha=0.4).fit(cohort, y)
        model.save(study / "conformal")
        table = table_of(study, study / "conformal", study / "new")
        new = Cohort.load(study / "new")
        calibrated = load_model(study / "conformal").predict_proba(new)[:, 1]
        np.testing.assert_allclose(table["calibrated_probability"], calibrated, atol=1e-6)
        assert (table["prediction"].isna() == table["abstains"]).all()
        assert table["prediction_set"].isin(["0", "1", "0 1", "none"]).all()
        single = table["prediction_set"].isin(["0", "1"])
        assert (single == ~table["abstains"]).all()


class TestWarnings:
    def test_what_was_not_met_in_training_is_said_in_words(self, study, tmp_path):
        new = Cohort.load(study / "new")
        table = new.phenotype.assign(mean_fd=0.1, age=40.0)
        first, second, third, fourth = table.index[:4]
        table["site"] = table["site"].astype(object)
        table.loc[first, ["site", "age"]] = ["elsewhere", 7.0]
        table.loc[second, "mean_fd"] = 3.0
        table.loc[third, ["age", "mean_fd"]] = np.nan
        series, fc = list(new.timeseries), np.array(new.connectivity["fc"])
        series[3] = np.array(series[3][:30])
        series[3][:, :2] = 0
        fc[3, :2], fc[3, :, :2] = 0, 0
        fc[4] = 0.98 + 0.02 * np.eye(8)
        new.assign(phenotype=table, timeseries=series, connectivity={"fc": fc}).save(tmp_path / "c")
        said = table_of(study, study / "subject", tmp_path / "c")["warnings"].fillna("")
        assert "site 'elsewhere' was not in training" in said[first]
        assert "age of 7 years is outside the training range" in said[first]
        assert "head motion of 3.00 mm is above the" in said[second]
        assert "age is not known; head motion is not known" in said[third]
        silent = ", ".join(new.regions.index[:2])
        assert (
            f"no signal in 2 regions ({silent}), 99 % of training participants have" in said[fourth]
        )
        assert "scan length of 30 volumes is outside the training range" in said[fourth]
        assert "deviations from the training mean" in said.iloc[4]
        assert said.iloc[5] == ""

    def test_the_number_of_them_is_said(self, study, tmp_path):
        new = Cohort.load(study / "new")
        new.assign(phenotype=new.phenotype.assign(site="x")).save(tmp_path / "c")
        output = ok("predict", study / "subject", tmp_path / "c", tmp_path / "o.tsv")
        assert "8 of 8 are unlike the training participants: column warnings." in output

    def test_a_model_without_a_summary_says_so(self, study, tmp_path):
        load_model(study / "subject").save(tmp_path / "bare")
        output = ok("predict", tmp_path / "bare", study / "new", tmp_path / "o.tsv")
        assert "nobody could be compared with its participants" in output

    def test_a_damaged_summary(self, study, tmp_path):
        load_model(study / "subject").save(tmp_path / "bare")
        (tmp_path / "bare" / "training.json").write_text("{")
        status, output = run("predict", tmp_path / "bare", study / "new", tmp_path / "o.tsv")
        assert (status, "training.json is damaged. Delete it" in output) == (1, True)


class TestFit:
    def test_the_folder_and_its_card(self, study):
        files = {path.name for path in (study / "model").iterdir()}
        assert files == {
            "MODEL_CARD.md", "config.yaml", "history.tsv", "model.json", "phenotype.tsv",
            "tensors.safetensors", "training.json", "training_connectivity.tsv",
            "transformers.skops",
        }  # fmt: skip
        card = (study / "model" / "MODEL_CARD.md").read_text()
        for words in (
            "For research use only", "# A tiny study &lt;of 32>", "## Intended use", "## Limits",
            "| predicts | diagnosis (1: 1, 0: 0) |", "Not measured here", "site (3)",
            "| participants with a label | 32 |",
            "Of 32 participants the ids, sex, site, age and features",
        ):  # fmt: skip
            assert words in card, words

    def test_nobody_is_named_in_what_is_written_beside_a_subject_level_model(self, study):
        folder = study / "subject"
        ids = Cohort.load(study / "cohort").participant_ids
        assert json.loads((folder / "model.json").read_text())["participants"] == sorted(ids)
        for path in folder.iterdir():
            if path.name != "model.json":
                text = path.read_bytes().decode("latin-1")
                assert not [name for name in ids if name in text], path.name
        assert str(study) not in (folder / "training.json").read_text()

    def test_the_card_states_the_numbers_of_a_cross_validation(self, study, tmp_path):
        ok("crossval", study / "config.yaml", tmp_path / "r")
        given = ["fit", study / "config.yaml", tmp_path / "m", "--results", tmp_path / "r"]
        ok(*given)
        card = (tmp_path / "m" / "MODEL_CARD.md").read_text()
        scores = read_tsv(tmp_path / "r" / "metrics.tsv").query("metric == 'auc'")
        value = scores.query("model == 'population_graph'")["value"].iloc[0]
        assert f"| population_graph | transductive | auc | {value:.3f} |" in card
        assert "| majority |" in card
        status, output = run(*given, "--overwrite", "--set", "model.hidden_channels=3")
        assert (status, "measured with other settings of model" in output) == (1, True)

    def test_dropped_training_data(self, study, tmp_path):
        output = ok("fit", study / "config.yaml", tmp_path / "m", "--drop-training-data")
        assert "nobody is predicted transductively" in output
        assert "from their own features alone" in output
        ids = Cohort.load(study / "cohort").participant_ids
        for path in (tmp_path / "m").iterdir():
            assert not [name for name in ids if name in path.read_bytes().decode("latin-1")]
        table = table_of(study, tmp_path / "m", study / "cohort")
        assert "nearest" not in table
        assert set(table["regime"]) == {"inductive"}
        assert (
            "the training participants were dropped"
            in (tmp_path / "m" / "MODEL_CARD.md").read_text()
        )

    def test_dropping_changes_nothing_for_a_network_of_single_participants(self, study, tmp_path):
        ok("fit", study / "subject.yaml", tmp_path / "m", "--drop-training-data")
        whole = table_of(study, study / "subject", study / "new")
        lean = table_of(study, tmp_path / "m", study / "new")
        pd.testing.assert_frame_equal(whole, lean)

    def test_hashed_ids(self, study, tmp_path):
        hashing = ["--hash-ids", "--salt", SALT]
        ok("fit", study / "config.yaml", tmp_path / "m", *hashing)
        ids = Cohort.load(study / "cohort").participant_ids
        for path in (tmp_path / "m").iterdir():
            assert not [name for name in ids if name in path.read_bytes().decode("latin-1")]
        table = table_of(study, tmp_path / "m", study / "cohort", *hashing)
        assert not set(table.index) & set(ids)
        assert set(table["regime"]) == {"training"}
        other = table_of(study, tmp_path / "m", study / "new", "--hash-ids", "--salt", SALT[::-1])
        assert set(other["regime"]) == {"inductive"}

    def test_a_salt_is_needed_and_may_come_from_the_environment(self, study, tmp_path):
        given = ["predict", study / "model", study / "new", tmp_path / "o.tsv", "--hash-ids"]
        status, output = run(*given)
        assert (status, "--hash-ids needs a salt" in output) == (1, True)
        status, output = run(*given, "--salt", "short")
        assert (status, "at least 16 characters, got 5" in output) == (1, True)
        ok(*given, env={"BRAINOGRAPH_SALT": SALT})


class TestFromScans:
    def test_they_are_read_as_those_of_the_training(self, tmp_path):
        scans = simulate_fmriprep(tmp_path / "s", n_subjects=12, n_regions=6, progress=False)
        atlas = ["--atlas", scans / "atlas.nii.gz", "--atlas-names", scans / "atlas.tsv"]
        kinds = ["--connectivity", "fc=spearman", "--confounds", "scrubbing"]
        ok("build", scans, tmp_path / "c", "--layout", "fmriprep", *atlas, *kinds)
        (tmp_path / "config.yaml").write_text(
            yaml.safe_dump(
                {
                    "title": "scans", "cohort": str(tmp_path / "c"),
                    "model": {"max_epochs": 2, "device": "cpu", "validation_fraction": 0.0},
                    "target": {"positive": "patient", "negative": "control"},
                }
            )
        )  # fmt: skip
        ok("fit", tmp_path / "config.yaml", tmp_path / "m")
        given = ["predict", tmp_path / "m", scans, tmp_path / "o.tsv", "--layout", "fmriprep"]
        output = ok(*given, *atlas)
        assert "not read: " in output
        assert "were read with" not in output
        table = read_tsv(tmp_path / "o.tsv")
        assert set(table["regime"]) == {"training"}  # the same numbers, so the same people
        assert not list(tmp_path.glob(".*"))
        status, output = run(*given, *atlas, "--confounds", "simple")
        assert "confounds simple and not scrubbing" in output
        assert (status, "have the id of a fitted participant and other data" in output) == (1, True)

    def test_options_of_reading_need_a_layout(self, study, tmp_path):
        given = ["predict", study / "model", study / "new", tmp_path / "o.tsv"]
        status, output = run(*given, "--atlas", "ho")
        assert (status, "--atlas: a cohort is read as it is. To read scans" in output) == (1, True)


class TestBuild:
    def test_hashed_ids_are_all_that_is_left(self, tmp_path, study):
        cohort = Cohort.load(study / "new")
        source = tmp_path / "tables"
        source.mkdir()
        for name, series in zip(cohort.participant_ids, cohort.timeseries, strict=True):
            np.save(source / f"{name}.npy", series)
        (source / "broken.npy").write_bytes(b"nothing")
        table = cohort.phenotype.assign(file=[f"{n}.npy" for n in cohort.participant_ids])
        table.loc["broken"] = table.iloc[0].to_numpy()
        table.to_csv(source / "participants.tsv", sep="\t", na_rep="n/a")
        ok("build", source, tmp_path / "c", "--layout", "tables", "--hash-ids", "--salt", SALT)
        made = Cohort.load(tmp_path / "c")
        assert made.shape == (8, 8)
        assert len(made.failures) == 1
        assert made.provenance["ids"] == "hashed"
        for path in (tmp_path / "c").rglob("*"):
            if path.is_file():
                text = path.read_bytes().decode("latin-1")
                assert not [n for n in [*cohort.participant_ids, "broken"] if n in text], path
                assert str(source) not in text


class TestStrangers:
    """Model folders that somebody else made."""

    @pytest.fixture
    def folder(self, study, tmp_path):
        load_model(study / "model").save(tmp_path / "m")
        return tmp_path / "m"

    @staticmethod
    def sign(folder):
        """Make the checksums fit, as somebody with bad intent would."""
        facts = json.loads((folder / "model.json").read_text())
        facts.pop("checksum")
        facts["sha256"] = {name: _sha256(folder / name) for name in facts["sha256"]}
        (folder / "model.json").write_text(json.dumps({**facts, "checksum": _checksum(facts)}))

    @pytest.mark.parametrize("name", ["model.pkl", "weights.PT", "inner/x.joblib"])
    def test_a_pickle_beside_it_is_refused(self, folder, study, tmp_path, name):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(pickle.dumps([1]))
        status, output = run("predict", folder, study / "new", tmp_path / "o.tsv")
        assert status == 1
        assert "can run code when it is opened" in output
        (folder / "model.json").unlink()
        assert "can run code when it is opened" in run("predict", folder, study / "new", "o")[1]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("tensors.safetensors", "does not hold tensors"),
            ("transformers.skops", "does not hold transformers as skops writes them"),
        ],
    )
    def test_a_pickle_under_another_name_is_not_opened(
        self, folder, study, tmp_path, name, message
    ):
        (folder / name).write_bytes(pickle.dumps([1]))
        self.sign(folder)
        status, output = run("predict", folder, study / "new", tmp_path / "o.tsv")
        assert (status, message in output) == (1, True)

    def test_a_type_of_their_own_is_not_opened(self, folder, study, tmp_path):
        skops.io.dump({"features": SimpleStranger()}, folder / "transformers.skops")
        self.sign(folder)
        status, output = run("predict", folder, study / "new", tmp_path / "o.tsv")
        assert (status, "which could run code when it is loaded" in output) == (1, True)

    def test_other_regions_are_named(self, study, tmp_path):
        new = Cohort.load(study / "new")
        fewer = Cohort(
            new.phenotype,
            new.regions[:6],
            [series[:, :6] for series in new.timeseries],
            connectivity={"fc": new.connectivity["fc"][:, :6, :6]},
        )
        fewer.save(tmp_path / "fewer")
        for model in ("model", "subject"):
            given = ["predict", study / model, tmp_path / "fewer", tmp_path / "o.tsv"]
            status, output = run(*given)
            assert status == 1
            assert "the regions are not those of the fit: 6 given, 8 needed; missing" in output
            assert not (tmp_path / "o.tsv").exists()


class SimpleStranger:
    """A type that neither scikit-learn nor we know."""

    def __init__(self):
        self.value = 1


def test_a_regressor_has_a_deviation(tmp_path):
    cohort = simulate_cohort(n_subjects=24, n_regions=6, missing=0.0, random_state=3)
    (tmp_path / "cohort").parent.mkdir(exist_ok=True)
    cohort.save(tmp_path / "cohort")
    text = SUBJECT.format(cohort=tmp_path / "cohort") + "  n_members: 2\n"
    (tmp_path / "c.yaml").write_text(text + "target: {column: age, number: true}\n")
    ok("fit", tmp_path / "c.yaml", tmp_path / "m")
    table = table_of(tmp_path, tmp_path / "m", tmp_path / "cohort")
    assert table.columns.tolist()[:3] == ["prediction", "deviation", "regime"]
    assert (table["deviation"] > 0).all()
    assert "the number age" in (tmp_path / "m" / "MODEL_CARD.md").read_text()


def test_the_summary_is_the_same_after_saving(study):
    cohort = Cohort.load(study / "cohort")
    y = cohort.phenotype["diagnosis"].to_numpy()
    summary = TrainingSummary.of(cohort, y)
    loaded = TrainingSummary.load(study / "subject")
    assert dict(loaded.ranges) == dict(summary.ranges)
    assert loaded.counts == summary.counts
    new = Cohort.load(study / "new")
    pd.testing.assert_frame_equal(loaded.compare(new), summary.compare(new), atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("model: {kind: trees}", "model: trees, and a linear model on features that are learnt"),
        (
            "model: {kind: linear, transductive: true}\n"
            "features: {blocks: [{kind: measures, denoise: {}}]}",
            "features: what a network has learnt (`kind: deep`, `denoise`) is part of a study only",
        ),
    ],
)
def test_what_cannot_be_saved_is_refused_before_it_is_fitted(tmp_path, settings, message):
    cohort = simulate_cohort(n_subjects=12, n_regions=6).save(tmp_path / "cohort")
    config = tmp_path / "config.yaml"
    config.write_text(f"title: t\ncohort: {cohort}\n{settings}\n")
    status, said = run("fit", config, tmp_path / "model")
    assert status == 1
    assert message in said
    assert not (tmp_path / "model").exists()
