import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import yaml

import brainograph
from brainograph import cli
from brainograph.cli.app import _show_warning
from brainograph.cohort import Cohort
from brainograph.connectivity import profile_similarity, static
from brainograph.datasets import simulate_cohort, simulate_fmriprep
from brainograph.estimators import PopulationGraphClassifier

CONFIG = """
title: A tiny study
cohort: {cohort}
model: {{max_epochs: 4, patience: 2, device: cpu}}
cross_validation: {{n_splits: 2}}
controls: [majority, edges_logistic]
"""
COMMANDS = [
    "build", "merge", "export", "crossval", "audit", "leaderboard", "report", "fit",
    "predict", "explain", "demo",
]  # fmt: skip


def call(capsys, *arguments):
    """Run a command in this process; return its exit status, its output and its messages."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr(sys, "argv", ["brainograph", *map(str, arguments)])
        cli.main()
    return stop.value.code or 0, *capsys.readouterr()


def spawn(*arguments, **options):
    """Run a command in a process of its own."""
    command = [sys.executable, "-c", "from brainograph.cli import main; main()"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *map(str, arguments)],
        env=environment, capture_output=True, text=True, timeout=120, check=False, **options,
    )  # fmt: skip


def write_tables(folder, cohort):
    """Write series and a participants table as another laboratory would leave them."""
    folder.mkdir()
    for name, series in zip(cohort.participant_ids, cohort.timeseries, strict=True):
        np.save(folder / f"{name}.npy", series)
    cohort.phenotype.to_csv(folder / "participants.tsv", sep="\t", na_rep="n/a")
    return folder


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """Return a folder with tables of series, the cohort built of them, and a config."""
    folder = tmp_path_factory.mktemp("study")
    simulated = simulate_cohort(n_subjects=32, n_regions=8, random_state=0)
    write_tables(folder / "tables", simulated)
    (folder / "config.yaml").write_text(CONFIG.format(cohort=folder / "cohort"))
    cli.app(
        ["build", str(folder / "tables"), str(folder / "cohort"), "--layout", "tables"],
        standalone_mode=False,
    )
    return folder


@pytest.fixture(scope="session")
def results(study):
    arguments = ["crossval", str(study / "config.yaml"), str(study / "results")]
    cli.app(arguments, standalone_mode=False)
    return study / "results"


@pytest.fixture(scope="session")
def model(study):
    cli.app(["fit", str(study / "config.yaml"), str(study / "model")], standalone_mode=False)
    return study / "model"


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_shows_an_example_that_it_understands(self, capsys, command):
        status, out, _ = call(capsys, command, "--help")
        assert status == 0
        assert f"Example: brainograph {command}" in " ".join(out.split())

    def test_the_commands_are_all_listed(self, capsys):
        status, out, _ = call(capsys, "--help")
        assert status == 0
        assert all(re.search(rf"\b{command}\b", out) for command in COMMANDS)
        assert "For research use only" in out

    def test_version(self, capsys):
        expected = f"brainograph {brainograph.__version__}\n"
        assert call(capsys, "--version")[:2] == (0, expected)

    def test_nothing_heavy_is_imported(self):
        heavy = "{'torch', 'torch_geometric', 'nilearn', 'pandas', 'sklearn', 'numpy', 'scipy'}"
        code = f"import sys, brainograph.cli; print(*({heavy} & set(sys.modules)), end='')"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (found.returncode, found.stdout) == (0, "")

    def test_help_answers_at_once(self):
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        assert spawn("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
        assert time.perf_counter() - started < 20  # on a busy machine


class TestBuild:
    def test_tables(self, study):
        cohort = Cohort.load(study / "cohort")
        assert cohort.shape == (32, 8)
        assert cohort.provenance["connectivity"] == {"fc": "correlation"}
        expected = np.corrcoef(cohort.timeseries[3], rowvar=False)
        np.testing.assert_allclose(cohort.connectivity["fc"][3], expected, atol=1e-5)
        assert not list(study.glob(".*"))

    def test_several_matrices(self, study, tmp_path, capsys):
        kinds = ["--connectivity", "z=fisher z", "--connectivity", "p=partial correlation"]
        source = study / "tables"
        assert call(capsys, "build", source, tmp_path / "c", "--layout", "tables", *kinds)[0] == 0
        cohort = Cohort.load(tmp_path / "c")
        assert sorted(cohort.connectivity) == ["p", "z"]
        assert not np.diagonal(cohort.connectivity["z"][0]).any()

    def test_shrinkage_by_matrix(self, study, tmp_path, capsys):
        kinds = ["--connectivity", "p=partial correlation", "--connectivity", "fc=correlation"]
        given = ["build", study / "tables", tmp_path / "c", "--layout", "tables", *kinds]
        assert call(capsys, *given, "--shrinkage", "p=0.5")[0] == 0
        cohort = Cohort.load(tmp_path / "c")
        series, made = cohort.timeseries[3], cohort.connectivity
        expected = static(series, kind="partial correlation", shrinkage=0.5)
        np.testing.assert_allclose(made["p"][3], expected, atol=1e-5)
        np.testing.assert_allclose(made["fc"][3], static(series), atol=1e-5)
        assert cohort.provenance["shrinkage"] == {"p": 0.5}

    def test_matrices_as_they_are(self, study, tmp_path, capsys):
        cohort = Cohort.load(study / "cohort")
        source = tmp_path / "matrices"
        source.mkdir()
        for name, matrix in zip(cohort.participant_ids, cohort.connectivity["fc"], strict=True):
            np.save(source / f"{name}.npy", matrix)
        given = ["build", source, tmp_path / "c", "--layout", "tables", "--contents"]
        given += ["connectivity", "--participants", study / "tables" / "participants.tsv"]
        status, _, err = call(capsys, *given, "--connectivity", "fc=correlation")
        assert (status, err) == (
            1, "Error: --connectivity is computed from series, and SOURCE holds matrices.\n",
        )  # fmt: skip
        assert call(capsys, *given)[0] == 0
        made = Cohort.load(tmp_path / "c").connectivity["fc"]
        assert sorted(made.sum((1, 2)).round(3)) == sorted(
            cohort.connectivity["fc"].sum((1, 2)).round(3)
        )

    def test_freesurfer_beside_fmri(self, study, tmp_path, capsys, rng):
        ids, tables = Cohort.load(study / "cohort").participant_ids, tmp_path / "tables"
        tables.mkdir()
        for measure in ("thickness", "area", "volume"):
            for side in ("lh", "rh"):
                names = [f"{side}_{region}_{measure}" for region in ("cuneus", "insula")]
                table = pd.DataFrame(rng.uniform(2, 4, (len(ids), 2)), ids, names)
                path = tables / f"{side}.{measure}.tsv"
                table.to_csv(path, sep="\t", index_label=f"{side}.aparc.{measure}")
        given = ["build", tables, tmp_path / "fs", "--layout", "freesurfer", "--no-aseg"]
        given += ["--participants", study / "tables" / "participants.tsv"]
        assert call(capsys, *given, "--connectivity", "fc=correlation")[2].endswith(
            "SOURCE holds measures: write --connectivity morph=profile\n"
        )
        status, out, _ = call(capsys, *given, "--connectivity", "morph=profile")
        assert status == 0, out
        both = [f"ho={study / 'cohort'}", f"aparc={tmp_path / 'fs'}"]
        assert call(capsys, "merge", tmp_path / "both", *both)[0] == 0
        aparc = Cohort.load(tmp_path / "both").parcellations["aparc"]
        profiles = np.stack([aparc.measures[m][3] for m in ("thickness", "area", "volume")], axis=1)
        expected = profile_similarity(profiles)
        np.testing.assert_allclose(aparc.connectivity["morph"][3], expected, atol=1e-5)

    def test_cpac_says_by_reason_who_was_not_read(self, tmp_path, capsys, rng):
        folder = tmp_path / "ABIDE_pcp" / "cpac" / "filt_noglobal"
        folder.mkdir(parents=True)
        for i in range(50003, 50007):
            header = "\t".join(["#17", "#53", "#2001"])
            path = folder / f"NYU_00{i}_rois_ho.1D"
            np.savetxt(path, rng.normal(size=(20, 3)), header=header, comments="", delimiter="\t")
        (folder / "NYU_0050006_rois_ho.1D").write_text("#17\t#53\t#2001\n1\tx\t3\n")
        (folder / "NYU_0050005_rois_ho.1D").write_text("#17\t#53\t#2001\n1\t2\t3\n2\t4\t5\n")
        table = pd.DataFrame({"SUB_ID": range(50003, 50100), "DX_GROUP": 1, "SEX": 1})
        table.loc[1, "DX_GROUP"] = 2
        table.to_csv(tmp_path / "ABIDE_pcp" / "Phenotypic_V1_0b_preprocessed1.csv", index=False)

        status, _, err = call(capsys, "build", tmp_path, tmp_path / "c", "--layout", "cpac")
        lines = err.splitlines()
        assert status == 0
        assert lines[0].startswith("Cohort of 2 participants, 3 regions: timeseries of 20 to 20")
        assert lines[1] == (
            "  not read: 93 participants (0050007, 0050008, 0050009, ...): "
            "no scan found: looked for filt_noglobal/*_rois_ho.1D"
        )
        assert any("not read: 0050006: " in line and "not a number" in line for line in lines)
        assert any("not read: 0050005: series has 2 volumes; at least 3" in line for line in lines)
        cohort = Cohort.load(tmp_path / "c")
        assert cohort.phenotype["diagnosis"].to_dict() == {"0050003": 1, "0050004": 0}
        assert len(cohort.failures) == 95

    def test_fmriprep(self, tmp_path, capsys):
        scans = simulate_fmriprep(tmp_path / "scans", n_subjects=6, n_regions=8, progress=False)
        truth = json.loads((scans / "truth.json").read_text())
        atlas = ["--atlas", scans / "atlas.nii.gz", "--atlas-names", scans / "atlas.tsv"]
        given = ["build", scans, tmp_path / "c", "--layout", "fmriprep", *atlas]
        status, _, err = call(capsys, *given)
        assert status == 0
        cohort = Cohort.load(tmp_path / "c")
        assert len(cohort) == 4
        assert cohort.regions.index.tolist() == pd.read_csv(atlas[3], sep="\t")["name"].tolist()
        assert set(cohort.failures["participant_id"]) == {truth["broken"], truth["without_scan"]}
        assert f"not read: {truth['broken']}: truncated" in err
        assert f"not read: {truth['without_scan']}: no scan found" in err
        status, _, err = call(capsys, *given)
        assert status == 1
        assert err.startswith(f"Error: {tmp_path / 'c'} is there. Add --overwrite, or choose")
        assert call(capsys, *given, "--overwrite", "--connectivity", "sp=spearman")[0] == 0
        assert list(Cohort.load(tmp_path / "c").connectivity) == ["sp"]


class TestCrossval:
    def test_the_results_folder(self, study, results):
        config = yaml.safe_load((results / "config.yaml").read_text())
        assert config["model"]["conv"] == "cheb"
        assert config["cross_validation"]["n_splits"] == 2
        table = pd.read_csv(results / "predictions.tsv", sep="\t")
        assert set(table["model"]) == {"population_graph", "majority", "edges_logistic"}
        assert len(table) == 3 * 32
        provenance = json.loads((results / "provenance.json").read_text())
        assert provenance["title"] == "A tiny study"
        assert provenance["data"]["sha256"] == Cohort.load(study / "cohort").fingerprint()
        assert (results / "splits.json").is_file()
        assert (results / "metrics.tsv").is_file()

    def test_scores_are_printed_without_cuts(self, study, results, capsys):
        status, out, err = call(capsys, "crossval", study / "config.yaml", results)
        assert status == 0
        assert "…" not in out
        assert re.search(r"population_graph +transductive +0\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", out)
        n_patients = int((Cohort.load(study / "cohort").phenotype["diagnosis"] == 1).sum())
        assert f"{n_patients} positive, {32 - n_patients} negative, 0 unlabelled" in err
        assert f"Next: brainograph report {results}" in err

    def test_the_resolved_config_gives_the_same_bytes_in_another_process(self, results, tmp_path):
        again = spawn("crossval", results / "config.yaml", tmp_path / "again")
        assert again.returncode == 0, again.stderr
        for name in ("predictions.tsv", "splits.json", "metrics.tsv", "config.yaml"):
            assert (tmp_path / "again" / name).read_bytes() == (results / name).read_bytes(), name

    def test_an_interrupted_run_goes_on(self, study, results, tmp_path, capsys, monkeypatch):
        fit, fits = PopulationGraphClassifier.fit, []

        def stopping(self, cohort, y):
            fits.append(len(y))
            if len(fits) == 2:
                raise KeyboardInterrupt
            return fit(self, cohort, y)

        monkeypatch.setattr(PopulationGraphClassifier, "fit", stopping)
        given = ["crossval", study / "config.yaml", tmp_path / "r"]
        status, _, err = call(capsys, *given)
        assert status == 130
        assert "Stopped. What is finished is kept; the same command goes on." in err
        assert len(list((tmp_path / "r" / "folds").glob("population_graph__*.tsv"))) == 1
        status, _, err = call(capsys, "report", tmp_path / "r")
        assert status == 1
        assert f"`brainograph crossval CONFIG {tmp_path / 'r'}`" in err
        assert call(capsys, *given)[0] == 0
        assert len(fits) == 3
        made = (tmp_path / "r" / "predictions.tsv").read_bytes()
        assert made == (results / "predictions.tsv").read_bytes()

    def test_other_settings_in_the_same_folder_are_refused(self, study, results, capsys):
        before = {path: path.read_bytes() for path in results.glob("*.*")}
        given = ["crossval", study / "config.yaml", results, "--set", "model.hidden_channels=3"]
        status, _, err = call(capsys, *given)
        assert status == 1
        assert "made with other model population_graph. Choose another folder" in err
        assert {path: path.read_bytes() for path in results.glob("*.*")} == before

    def test_a_folder_of_something_else_is_left_alone(self, study, capsys):
        table = (study / "tables" / "participants.tsv").read_bytes()
        status, _, err = call(capsys, "crossval", study / "config.yaml", study / "tables")
        assert status == 1
        assert "holds other files. Choose another folder" in err
        assert (study / "tables" / "participants.tsv").read_bytes() == table

    def test_the_report_is_one_page(self, results, capsys):
        status, _, err = call(capsys, "report", results)
        assert status == 0
        assert err == f"The report is at {results / 'report.html'}\n"
        assert "A tiny study" in (results / "report.html").read_text()


class TestFitAndPredict:
    def test_fitted_and_new_participants(self, study, model, tmp_path, capsys):
        known = Cohort.load(study / "cohort")
        new = simulate_cohort(n_subjects=5, n_regions=8, random_state=1)
        new.assign(regions=known.regions).save(tmp_path / "new")
        assert call(capsys, "predict", model, study / "cohort", tmp_path / "known.tsv")[0] == 0
        assert call(capsys, "predict", model, tmp_path / "new", tmp_path / "new.tsv")[0] == 0
        table = pd.read_csv(tmp_path / "known.tsv", sep="\t")
        assert table["participant_id"].tolist() == known.participant_ids
        assert set(table["regime"]) == {"training"}
        assert ((table["probability"] > 0.5) == (table["prediction"] == 1)).all()
        assert set(pd.read_csv(tmp_path / "new.tsv", sep="\t")["regime"]) == {"inductive"}

    def test_the_model_keeps_its_config(self, model):
        config = yaml.safe_load((model / "config.yaml").read_text())
        assert config["title"] == "A tiny study"

    def test_a_model_is_replaced_on_request_only(self, study, model, capsys):
        before = (model / "model.json").read_bytes()
        given = ["fit", study / "config.yaml", model, "--set", "model.hidden_channels=3"]
        status, _, err = call(capsys, *given)
        assert (status, err) == (
            1, f"Error: {model} is there. Add --overwrite, or choose another folder.\n",
        )  # fmt: skip
        assert (model / "model.json").read_bytes() == before

    def test_a_folder_of_something_else_is_left_alone(self, study, model, capsys):
        given = ["fit", study / "config.yaml", study / "tables", "--overwrite"]
        status, _, err = call(capsys, *given)
        assert status == 1
        assert "tables holds something else. Choose another folder." in err
        status, _, err = call(capsys, "predict", model, study / "cohort", study / "cohort")
        assert status == 1
        assert f"{study / 'cohort'} is a folder. Name a file, such as" in err
        assert len(Cohort.load(study / "cohort")) == 32


class TestMessages:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["crossval", "no.yaml", "r"], "no.yaml does not exist. Name one of configs/*.yaml."),
            (["build", "nowhere", "c", "--layout", "tables"], "nowhere is not a folder. Give the"),
            (["build", ".", "c", "--layout", "fmriprep"], "--layout fmriprep needs --atlas NAME"),
            (
                ["build", ".", "c", "--layout", "tables", "--atlas", "x", "--atlas-image", "y"],
                "--atlas, --atlas-image has no meaning with --layout tables.",
            ),
            (
                ["build", ".", "c", "--layout", "tables", "--connectivity", "fc=pearson"],
                "--connectivity takes NAME=KIND with KIND one of ('correlation', ",
            ),
            (
                ["build", ".", "c", "--layout", "tables", "--shrinkage", "fc=lw"],
                "shrinkage must be one of 'ledoit_wolf', 'oas', got 'lw'",
            ),
            (["predict", "m", "c", "out.tsv"], "m is not a model: it has no model.json. Make one"),
            (["report", "r"], "r has no predictions.tsv"),
        ],
    )
    def test_a_mistake_ends_in_a_message(self, capsys, tmp_path, monkeypatch, arguments, message):
        monkeypatch.chdir(tmp_path)
        status, _, err = call(capsys, *arguments)
        assert status == 1
        assert err.startswith(f"Error: {message}")
        assert "Traceback" not in err
        assert not list(tmp_path.iterdir())

    def test_numbers_that_overflow_end_in_a_message(self, study, tmp_path, capsys):
        given = ["fit", study / "config.yaml", tmp_path / "m", "--set", "model.lr=1e30"]
        status, _, err = call(capsys, *given)
        assert status == 1
        assert "Error: " in err
        assert "model.lr" in err or "lr=" in err
        assert "Traceback" not in err

    def test_a_control_that_cannot_be_made_is_said(self, study, tmp_path, capsys):
        made = Cohort.load(study / "cohort")
        made.assign(phenotype=made.phenotype.drop(columns="mean_fd")).save(tmp_path / "c")
        given = ["crossval", study / "config.yaml", tmp_path / "r"]
        given += ["--set", f"cohort={tmp_path / 'c'}"]
        status, _, err = call(capsys, *given, "--set", "controls=default")
        assert status == 0
        assert err.count("Warning: No control motion: the cohort has no mean_fd.") == 1
        given[2] = tmp_path / "majority"
        status, _, err = call(capsys, *given, "--set", "controls=[majority]")
        assert status == 0
        assert "Warning" not in err

    def test_a_wrong_option_shows_the_usage(self, capsys):
        status, _, err = call(capsys, "build", "a", "b", "--layout", "dicom")
        assert status == 2
        assert "'fmriprep', 'cpac', 'xcpd', 'tables'" in " ".join(err.replace("│", "").split())

    def test_a_missing_file_is_named_without_a_number(self, study, tmp_path, capsys):
        given = ["build", study / "tables", tmp_path / "c", "--layout", "tables"]
        status, _, err = call(capsys, *given, "--participants", tmp_path / "who.tsv")
        assert (status, err) == (1, f"Error: {tmp_path / 'who.tsv'}: No such file or directory.\n")

    def test_the_traceback_is_there_for_who_asks(self, monkeypatch, capsys):
        monkeypatch.setenv("BRAINOGRAPH_TRACEBACK", "1")
        monkeypatch.setattr(sys, "argv", ["brainograph", "crossval", "no.yaml", "r"])
        with pytest.raises(ValueError, match=r"no.yaml does not exist"):
            cli.main()

    def test_in_a_process_of_its_own_too(self, tmp_path):
        plain = spawn("crossval", "no.yaml", "r", cwd=tmp_path)
        assert (plain.returncode, plain.stdout) == (1, "")
        assert plain.stderr.startswith("Error: no.yaml does not exist.")

    def test_a_warning_is_one_line_without_its_place_in_the_code(self, tmp_path, capsys, rng):
        source = tmp_path / "tables"
        source.mkdir()
        for i in range(4):
            series = rng.normal(size=(30, 3))
            series[:, 1] = 0 if i < 2 else series[:, 1]
            np.save(source / f"sub-{i}.npy", series)
        status, _, err = call(capsys, "build", source, tmp_path / "c", "--layout", "tables")
        assert status == 0
        warned = [line for line in err.splitlines() if line.startswith("Warning")]
        assert warned[0].startswith("Warning: No participants table: the phenotype is empty.")
        assert warned[1].startswith("Warning: 1 of 3 regions are constant in some participants")
        assert "Region (number of participants): ROI_2 (2)." in warned[1]
        assert len(warned) == 2
        assert ".py" not in err
        assert Cohort.load(tmp_path / "c").provenance["empty_regions"] == ["ROI_2 (2)"]

    def test_warnings_for_developers_stay_out(self, capsys):
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            warnings.simplefilter("always")
            warnings.warn("old name", DeprecationWarning, stacklevel=1)
            warnings.warn("new default", FutureWarning, stacklevel=1)
            warnings.warn("two\nlines", RuntimeWarning, stacklevel=1)
        assert capsys.readouterr().err == "Warning: two lines\n"

    def test_brackets_of_a_path_are_no_markup(self, capsys, tmp_path):
        status, _, err = call(capsys, "report", tmp_path / "a[bold]b")
        assert status == 1
        assert "a[bold]b has no predictions.tsv" in err

    def test_ctrl_c_in_a_process_of_its_own(self, study, tmp_path):
        code = "from brainograph.cli import main; main()"
        arguments = ["crossval", str(study / "config.yaml"), str(tmp_path / "r")]
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments, "--set", "model.max_epochs=1000000",
             "--set", "model.patience=1000000"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not (tmp_path / "r" / "folds").is_dir() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Stopped. What is finished is kept; the same command goes on." in err
        assert "Traceback" not in err


class TestMerge:
    def test_two_atlases_become_one_cohort(self, study, tmp_path, capsys):
        other = Cohort.load(study / "cohort")[:30]
        other.save(tmp_path / "small")
        parts = [f"main={study / 'cohort'}", f"small={tmp_path / 'small'}"]
        status, _, err = call(capsys, "merge", tmp_path / "both", *parts)
        assert status == 0
        assert "30 are kept" in " ".join(err.split())
        assert list(Cohort.load(tmp_path / "both").parcellations) == ["small"]

    def test_one_cohort_is_not_merged(self, study, tmp_path, capsys):
        status, _, err = call(capsys, "merge", tmp_path / "both", study / "cohort")
        assert status == 1
        assert "takes two or more cohorts" in " ".join(err.split())


class TestAudit:
    def test_findings_are_printed_and_kept(self, study, results, capsys):
        checks = ["--check", "split_overlap", "--check", "hidden_labels"]
        config = study / "config.yaml"
        status, out, err = call(capsys, "audit", config, results, "--folds", "1", *checks)
        assert status == 0
        assert "hidden labels" in out
        table = pd.read_csv(results / "audit.tsv", sep="\t")
        assert set(table["status"]) == {"pass"}
        assert "Next: brainograph report" in err

    def test_a_study_that_fails_ends_with_status_1(self, study, tmp_path, capsys):
        cohort = Cohort.load(study / "cohort")
        cohort.assign(
            timeseries=[*cohort.timeseries[:-1], cohort.timeseries[0]],
            connectivity={"fc": cohort.connectivity["fc"][[*range(31), 0]]},
        ).save(tmp_path / "twins")
        status, out, _ = call(
            capsys, "audit", study / "config.yaml", tmp_path / "r", "--check", "duplicates",
            "--set", f"cohort={tmp_path / 'twins'}",
        )  # fmt: skip
        assert "byte for byte" in " ".join(out.split())
        assert status == 1


class TestLeaderboard:
    def test_the_table_is_written(self, study, tmp_path, capsys):
        status, out, err = call(
            capsys, "leaderboard", study / "config.yaml", tmp_path / "board", "--set",
            "controls=[majority]",
        )  # fmt: skip
        assert status == 0
        assert "majority" in out
        assert "leaderboard.md" in err
        assert "**config**" in (tmp_path / "board" / "leaderboard.md").read_text()

    def test_the_folder_comes_last(self, study, capsys):
        status, _, err = call(capsys, "leaderboard", study / "config.yaml")
        assert status == 1
        assert "and, last, the folder" in " ".join(err.split())


class TestCluster:
    def test_an_address_of_another_form(self, study, tmp_path, capsys):
        command = ["crossval", study / "config.yaml", tmp_path / "r", "--cluster", "slurm"]
        status, _, err = call(capsys, *command)
        assert status == 1
        assert "a cluster is 'local', 'dask://HOST:PORT'" in " ".join(err.split())
