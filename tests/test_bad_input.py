"""What goes wrong in practice, as the person at the keyboard sees it."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from brainograph import cli
from brainograph.cohort import Cohort
from brainograph.connectivity import sliding_window
from brainograph.datasets import simulate_cohort, simulate_fmriprep
from brainograph.files import write_tsv
from brainograph.model_selection import Results

CONFIG = """
title: A tiny study
cohort: {cohort}
model: {{max_epochs: 3, patience: 2, device: cpu}}
cross_validation: {{n_splits: 2}}
controls: [majority]
"""


def call(capsys, *arguments):
    """Run a command in this process; return its exit status and its messages."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr(sys, "argv", ["brainograph", *map(str, arguments)])
        cli.main()
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert (stop.value.code or 0) == 0 or err.count("Error: ") == 1
    return stop.value.code or 0, err


@pytest.fixture(scope="module")
def simulated():
    return simulate_cohort(n_subjects=24, n_regions=8, n_sites=2, random_state=0)


@pytest.fixture
def tables(tmp_path, simulated):
    """Return a folder of series with its participants table."""
    folder = tmp_path / "tables"
    folder.mkdir()
    for name, series in zip(simulated.participant_ids, simulated.timeseries, strict=True):
        np.save(folder / f"{name}.npy", series)
    write_tsv(simulated.phenotype, folder / "participants.tsv", index=True)
    return folder


@pytest.fixture
def build(tables, tmp_path, capsys):
    """Return a function that builds ``tmp_path / "cohort"``; it returns status and messages."""
    given = ["build", tables, tmp_path / "cohort", "--layout", "tables"]
    return lambda *more: call(capsys, *given, *more)


@pytest.fixture
def crossval(tmp_path, simulated, capsys):
    """Return a function that cross-validates a cohort with a changed phenotype."""

    def crossval(*overrides, **columns):
        cohort = simulated.assign(phenotype=simulated.phenotype.assign(**columns))
        cohort.save(tmp_path / "cohort", overwrite=True)
        (tmp_path / "config.yaml").write_text(CONFIG.format(cohort=tmp_path / "cohort"))
        options = [word for override in overrides for word in ("--set", override)]
        given = ["crossval", tmp_path / "config.yaml", tmp_path / "results", *options]
        return call(capsys, *given)

    return crossval


def change(path, function):
    table = pd.read_csv(path, sep="\t", dtype={"participant_id": str})
    function(table).to_csv(path, sep="\t", index=False, na_rep="n/a")


class TestParticipants:
    def test_without_scan_and_without_row(self, tables, build, simulated, tmp_path):
        lost, nameless, *rest = simulated.participant_ids
        (tables / f"{lost}.npy").unlink()
        change(tables / "participants.tsv", lambda t: t[t["participant_id"] != nameless])
        status, err = build()
        assert status == 0
        assert f"not read: {lost}: no scan found: looked for tables/*" in err
        assert f"not read: {nameless}: no row in the participants table" in err
        assert f"all of them: {tmp_path / 'cohort' / 'failures.tsv'}" in err
        cohort = Cohort.load(tmp_path / "cohort")
        assert sorted(cohort.participant_ids) == sorted(rest)
        assert set(cohort.failures["participant_id"]) == {lost, nameless}

    def test_twice_in_the_table(self, tables, build, simulated, tmp_path):
        twice = simulated.participant_ids[0]
        change(tables / "participants.tsv", lambda t: pd.concat([t, t.head(1)]))
        status, err = build()
        assert status == 1
        assert f"has more than one row for {twice.removeprefix('sub-')}. Keep one row for" in err
        assert not (tmp_path / "cohort").exists()

    def test_two_files_of_one(self, tables, build, simulated):
        twice = simulated.participant_ids[0]
        shutil.copy(tables / f"{twice}.npy", tables / f"{twice}_again.npy")
        status, err = build()
        assert status == 1
        assert f"{twice} has two files: {twice}.npy and {twice}_again.npy. Say which with" in err

    def test_a_table_of_other_people(self, tables, build):
        change(tables / "participants.tsv", lambda t: t.assign(participant_id=t.index))
        status, err = build()
        assert status == 1
        assert "No participant of the table was found. The table has 0, 1, 2; found were" in err
        assert "Give the column that holds these ids" in err


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad") / "scans"
    return simulate_fmriprep(folder, n_subjects=5, n_regions=6, progress=False)


class TestScans:
    def test_an_atlas_that_does_not_overlap(self, scans, tmp_path, capsys):
        image = nib.load(scans / "atlas.nii.gz")
        affine = image.affine.copy()
        affine[:3, 3] += 1000
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), tmp_path / "far.nii.gz")
        given = ["build", scans, tmp_path / "c", "--layout", "fmriprep", "--atlas"]
        status, err = call(capsys, *given, tmp_path / "far.nii.gz")
        assert status == 1
        assert "Nothing could be read: 4 of 4 failed." in err
        assert "atlas far does not overlap the scan: it spans x " in err
        assert "Both have to be in the same space" in err
        assert not (tmp_path / "c").exists()

    def test_a_truncated_scan_is_told_and_the_rest_is_built(self, scans, tmp_path, capsys):
        truth = json.loads((scans / "truth.json").read_text())
        given = ["build", scans, tmp_path / "c", "--layout", "fmriprep"]
        status, err = call(capsys, *given, "--atlas", scans / "atlas.nii.gz")
        assert status == 0
        assert f"not read: {truth['broken']}: truncated: " in err
        assert " volumes can be read" in err
        assert len(Cohort.load(tmp_path / "c")) == 3

    def test_a_text_file_with_the_name_of_a_scan(self, scans, tmp_path, capsys):
        shutil.copytree(scans, tmp_path / "scans")
        path = next((tmp_path / "scans").glob("sub-*/func/*_bold.nii.gz"))
        path.write_text("404: not found")
        given = ["build", tmp_path / "scans", tmp_path / "c", "--layout", "fmriprep"]
        status, err = call(capsys, *given, "--atlas", scans / "atlas.nii.gz")
        assert status == 0
        assert f"not read: {path.name.split('_')[0]}: " in err


class TestSeries:
    def test_gaps_are_a_failure_and_dead_regions_are_zeros(self, tables, build, tmp_path):
        gap, dead, constant, *_ = sorted(tables.glob("*.npy"))
        series = np.load(gap)
        series[3, 2] = np.nan
        np.save(gap, series)
        series = np.load(dead)
        series[:, 1] = np.nan
        np.save(dead, series)
        series = np.load(constant)
        series[:, 1] = 7.1
        np.save(constant, series)
        status, err = build()
        assert status == 0
        assert f"not read: {gap.stem}: 1 of {series.shape[1] * len(np.load(gap))} values are" in err
        assert "Warning: 1 of 8 regions are constant in some participants" in err
        assert "Region (number of participants): ROI_2 (2)." in err
        cohort = Cohort.load(tmp_path / "cohort")
        rows = cohort.locate([dead.stem, constant.stem])
        assert np.isfinite(cohort.connectivity["fc"]).all()
        assert not cohort.connectivity["fc"][rows, 1].any()
        assert cohort.connectivity["fc"][rows, 0].any()

    def test_too_few_volumes_are_that_participants_failure(self, tables, build, tmp_path):
        short = sorted(tables.glob("*.npy"))[0]
        np.save(short, np.load(short)[:2])
        status, err = build()
        assert status == 0
        assert f"not read: {short.stem}: series has 2 volumes; at least 3 are needed" in err
        assert len(Cohort.load(tmp_path / "cohort")) == 23

    def test_too_few_volumes_for_an_inverse(self, tables, build, tmp_path):
        short, *others = sorted(tables.glob("*.npy"))
        np.save(short, np.load(short)[:6])
        status, err = build("--connectivity", "p=partial correlation")
        assert status == 0
        assert f"not read: {short.stem}: kind='partial correlation' without shrinkage" in err
        for path in others:
            np.save(path, np.load(path)[:6])
        shutil.rmtree(tmp_path / "cohort")
        status, err = build("--connectivity", "p=partial correlation")
        assert status == 1
        assert "No participant can have these matrices. " in err
        assert "has 6 volumes and 8 regions with signal. Write shrinkage=" in err
        assert "What was read is kept: the same command goes on from there." in err
        assert not (tmp_path / "cohort").exists()

    def test_a_window_longer_than_the_scan(self, simulated):
        with pytest.raises(ValueError, match=r"500 .*volumes"):
            sliding_window(list(simulated.timeseries), 500)

    def test_other_regions_than_most(self, tables, build, tmp_path):
        odd = sorted(tables.glob("*.npy"))[0]
        np.save(odd, np.load(odd)[:, :5])
        status, err = build()
        assert status == 0
        assert f"not read: {odd.stem}: has 5 regions, needed 8" in err


class TestPhenotypes:
    def test_gaps_in_sex_age_and_site_do_no_harm(self, crossval, simulated, tmp_path):
        gaps = np.arange(24) % 3 == 0
        columns = {c: simulated.phenotype[c].mask(gaps) for c in ("sex", "age", "site")}
        status, err = crossval(**columns)
        assert status == 0, err
        scores = Results.load(tmp_path / "results").predictions["y_score"]
        assert np.isfinite(scores).all()

    @pytest.mark.parametrize("column", ["sex", "age", "site"])
    def test_a_column_without_any_value(self, crossval, column, tmp_path):
        status, err = crossval(**{column: np.nan})
        assert status == 0, err
        assert np.isfinite(Results.load(tmp_path / "results").predictions["y_score"]).all()

    def test_no_such_columns(self, simulated, tmp_path, capsys):
        bare = simulated.assign(phenotype=simulated.phenotype[["diagnosis", "mean_fd"]])
        bare.save(tmp_path / "cohort")
        (tmp_path / "config.yaml").write_text(CONFIG.format(cohort=tmp_path / "cohort"))
        given = [tmp_path / "config.yaml", tmp_path / "out"]
        status, err = call(capsys, "crossval", *given)
        assert status == 1
        assert "model.categorical: the cohort has no phenotype sex, site; it has diagnosis" in err
        assert "model.continuous: the cohort has no phenotype age" in err
        joined = ["--set", "model.categorical=[]", "--set", "model.continuous={mean_fd: 0.1}"]
        status, err = call(capsys, "crossval", *given, *joined)
        assert status == 1
        assert "cross_validation.by: the cohort has no phenotype site" in err
        assert call(capsys, "fit", *given, *joined)[0] == 0
        shutil.rmtree(tmp_path / "out")
        joined += ["--set", "cross_validation.by=[]"]
        assert call(capsys, "crossval", *given, *joined)[0] == 0

    def test_a_label_of_one_class(self, crossval, tmp_path):
        status, err = crossval(diagnosis=1)
        assert status == 1
        assert "'diagnosis' needs participants of 1 and of 0, it has 1 (24)" in err
        assert "--set target.negative=VALUE" in err
        assert not (tmp_path / "results").exists()

    def test_a_label_of_three_classes(self, crossval, tmp_path):
        words = np.resize(["AD", "MCI", "CN"], 24)
        status, err = crossval(diagnosis=words)
        assert status == 1
        assert "it has 'AD' (8), 'MCI' (8), 'CN' (8). Write for example --set target.posi" in err
        status, err = crossval("target.positive=AD", "target.negative=CN", diagnosis=words)
        assert status == 0
        assert "8 positive, 8 negative, 8 unlabelled" in err
        assert Results.load(tmp_path / "results").predictions["participant_id"].nunique() == 16

    def test_fewer_members_of_a_class_than_folds(self, crossval):
        few = np.repeat([0, 1], [21, 3])
        status, err = crossval("cross_validation.n_splits=5", diagnosis=few)
        assert status == 1
        assert "class 1 has 3 participants, fewer than n_splits=5. Write n_splits=3 or f" in err

    def test_a_site_with_one_participant(self, crossval, simulated, tmp_path):
        sites = simulated.phenotype["site"].to_numpy(dtype=object, copy=True)
        sites[5] = "alone"
        assert crossval(site=sites)[0] == 0
        shutil.rmtree(tmp_path / "results")
        left_out = ["cross_validation.scheme=leave_one_site_out", "regimes=[inductive]"]
        status, err = crossval(*left_out, site=sites)
        assert status == 0, err
        table = Results.load(tmp_path / "results").predictions
        assert set(table[table["site"] == "alone"]["participant_id"]) == {
            simulated.participant_ids[5]
        }
        shutil.rmtree(tmp_path / "results")
        left_out.append("cross_validation.min_site_size=2")
        assert crossval(*left_out, site=sites)[0] == 0
        assert "alone" not in set(Results.load(tmp_path / "results").predictions["site"])

    def test_one_site_cannot_be_left_out(self, crossval):
        status, err = crossval("cross_validation.scheme=leave_one_site_out", site="A")
        assert status == 1
        assert "at least two sites with 1 participants, got {'A': 24}" in err

    @pytest.mark.parametrize("column", ["ADOS_TOTAL", "adi_r_social", "SRS_RAW", "mmse", "CDR"])
    def test_the_diagnosis_in_disguise(self, crossval, column, tmp_path):
        values = {column: np.arange(24) % 5}
        status, err = crossval(f"model.categorical=[sex, {column}]", **values)
        assert status == 1
        assert f"model: '{column}' looks like a score of" in err
        assert "Leave it out, or write allow_diagnostic=True if that is meant." in err
        assert not (tmp_path / "results").exists()
        insist = ["model.allow_diagnostic=true", f"model.categorical=[sex, {column}]"]
        assert crossval(*insist, **values)[0] == 0

    def test_the_number_of_the_participant(self, crossval):
        overrides = ["model.continuous={SUB_ID: 5}", "model.allow_diagnostic=true"]
        status, err = crossval(*overrides, SUB_ID=np.arange(24))
        assert status == 1
        assert "'SUB_ID' looks like an identifier" in err


class TestConfig:
    def test_every_mistake_before_any_data_is_read(self, tmp_path, capsys):
        (tmp_path / "config.yaml").write_text(
            "title: x\nmodelx: {conv: gcn}\nmodel: {dropout: lots, hiden_channels: 3}\n"
        )
        status, err = call(capsys, "crossval", tmp_path / "config.yaml", tmp_path / "r")
        assert status == 1
        assert "modelx: unknown key; did you mean model?" in err
        assert "model.hiden_channels: unknown key; did you mean hidden_channels?" in err
        assert "model.dropout: Input should be a valid number" in err
        assert "got 'lots'" in err
        assert "cohort: is missing. Write `cohort: ...` or --set cohort=..." in err

    def test_a_cohort_that_is_not_there(self, tmp_path, capsys):
        (tmp_path / "config.yaml").write_text("title: x\ncohort: nowhere/cohort\n")
        for command in ("crossval", "fit"):
            status, err = call(capsys, command, tmp_path / "config.yaml", tmp_path / "r")
            assert status == 1
            assert "nowhere/cohort is not a cohort: it has no cohort.json. Make one with" in err
            assert "Or name another: --set cohort=PATH" in err
        assert not (tmp_path / "r").exists()

    @pytest.mark.parametrize("content", ["", '{"format"', "[]", "{}"])
    def test_a_damaged_cohort(self, simulated, tmp_path, capsys, content):
        simulated.save(tmp_path / "cohort")
        (tmp_path / "cohort" / "cohort.json").write_text(content)
        (tmp_path / "config.yaml").write_text(CONFIG.format(cohort=tmp_path / "cohort"))
        status, err = call(capsys, "crossval", tmp_path / "config.yaml", tmp_path / "r")
        assert (status, err) == (
            1, f"Error: {tmp_path / 'cohort' / 'cohort.json'} is damaged. Build it again.\n",
        )  # fmt: skip

    def test_a_file_does_not_take_the_place_of_a_folder(self, tmp_path, simulated):
        simulated.save(tmp_path / "cohort")
        with pytest.raises(IsADirectoryError, match="cohort is a folder; a file cannot take"):
            write_tsv(simulated.phenotype, tmp_path / "cohort")
        assert len(Cohort.load(tmp_path / "cohort")) == 24
        assert [path.name for path in tmp_path.iterdir()] == ["cohort"]


class TestPredict:
    @pytest.fixture
    def model(self, tmp_path, simulated, capsys):
        simulated.save(tmp_path / "cohort")
        (tmp_path / "config.yaml").write_text(CONFIG.format(cohort=tmp_path / "cohort"))
        assert call(capsys, "fit", tmp_path / "config.yaml", tmp_path / "model")[0] == 0
        return tmp_path / "model"

    def test_other_regions(self, model, tmp_path, capsys):
        other = simulate_cohort(n_subjects=4, n_regions=10, random_state=1)
        other.save(tmp_path / "other")
        given = ["predict", model, tmp_path / "other", tmp_path / "out.tsv"]
        status, err = call(capsys, *given)
        assert status == 1
        assert "the regions are not those of the fit: 10 given, 8 needed" in err
        assert "build the cohort with that atlas" in err
        assert not (tmp_path / "out.tsv").exists()

    def test_regions_in_another_order(self, model, tmp_path, simulated, capsys):
        new = simulate_cohort(n_subjects=4, n_regions=8, random_state=1)
        turned = new.assign(
            regions=new.regions[::-1],
            timeseries=[series[:, ::-1] for series in new.timeseries],
            connectivity={"fc": new.connectivity["fc"][:, ::-1, ::-1]},
        )
        turned.save(tmp_path / "turned")
        status, err = call(capsys, "predict", model, tmp_path / "turned", tmp_path / "out.tsv")
        assert status == 1
        assert "another order: row 0 is" in err

    @pytest.mark.parametrize("name", ["transformers.skops", "tensors.safetensors", "phenotype.tsv"])
    def test_a_tampered_file(self, model, tmp_path, capsys, name):
        content = bytearray((model / name).read_bytes())
        content[-1] ^= 1
        (model / name).write_bytes(content)
        given = ["predict", model, tmp_path / "cohort", tmp_path / "out.tsv"]
        status, err = call(capsys, *given)
        assert status == 1
        assert f"{model / name} was changed after the model was saved: its SHA-256 does" in err
        assert "Get the model anew from where it came from." in err
        (model / name).unlink()
        assert f"lacks its file {name}" in call(capsys, *given)[1]

    @pytest.mark.parametrize(
        "tamper",
        [
            lambda text: "",
            lambda text: text[:-20],
            lambda text: "[]",
            lambda text: "{}",
            lambda text: text.replace('"dropout": 0.3', '"dropout": 0.4'),
        ],
    )
    def test_tampered_settings(self, model, tmp_path, capsys, tamper):
        text = (model / "model.json").read_text()
        (model / "model.json").write_text(tamper(text))
        given = ["predict", model, tmp_path / "cohort", tmp_path / "out.tsv"]
        status, err = call(capsys, *given)
        assert status == 1
        assert f"{model / 'model.json'} was changed after the model was saved" in err

    def test_a_model_of_a_later_version(self, model, tmp_path, capsys):
        facts = json.loads((model / "model.json").read_text())
        (model / "model.json").write_text(json.dumps({**facts, "format": 99}))
        given = ["predict", model, tmp_path / "cohort", tmp_path / "out.tsv"]
        status, err = call(capsys, *given)
        assert status == 1
        assert "has format 99, this version reads up to 1. Write `pip install --upgrade" in err


class TestNothingIsLost:
    def test_a_full_disk_while_reading(self, build, tmp_path, monkeypatch):
        savez, saved = np.savez, []

        def full(*arguments, **options):
            if len(saved) == 10:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            saved.append(savez(*arguments, **options))

        monkeypatch.setattr(np, "savez", full)
        status, err = build()
        assert status == 1
        work = tmp_path / ".cohort.build"
        assert f"10 of 24 are done and kept in {work}. Make room if the disk is full" in err
        assert not (tmp_path / "cohort").exists()
        monkeypatch.undo()
        kept = {path: path.stat().st_mtime_ns for path in work.glob("*.npz")}
        assert len(kept) == 10
        assert build()[0] == 0
        assert len(Cohort.load(tmp_path / "cohort")) == 24
        assert not work.exists()

    def test_a_full_disk_while_saving(self, build, tmp_path, monkeypatch):
        def full(*arguments, **options):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(np, "save", full)
        status, err = build()
        assert status == 1
        assert "No space left on device" in err
        assert "What was read is kept: the same command goes on from there." in err
        assert not (tmp_path / "cohort").exists()
        assert len(list((tmp_path / ".cohort.build").glob("*.npz"))) == 24
        monkeypatch.undo()
        assert build()[0] == 0

    def test_a_full_disk_while_cross_validating(self, crossval, tmp_path, monkeypatch):
        to_csv, written = pd.DataFrame.to_csv, []

        def full(table, path, **options):
            if "__repeat" in str(path):
                written.append(path)
                if len(written) == 3:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            to_csv(table, path, **options)

        monkeypatch.setattr(pd.DataFrame, "to_csv", full)
        status, err = crossval()
        assert status == 1
        assert "No space left on device" in err
        assert "Folds that were finished are kept: the same command goes on from there." in err
        folds = tmp_path / "results" / "folds"
        kept = {path: path.stat().st_mtime_ns for path in folds.glob("*.tsv")}
        assert len(kept) == 2
        monkeypatch.undo()
        assert crossval()[0] == 0
        assert {path: path.stat().st_mtime_ns for path in kept} == kept

    def test_a_build_that_was_killed_goes_on(self, tmp_path, capsys):
        source, work = tmp_path / "tables", tmp_path / ".cohort.build"
        source.mkdir()
        rng = np.random.default_rng(0)
        for i in range(60):
            np.savetxt(source / f"sub-{i:02}.csv", rng.normal(size=(400, 40)), delimiter=",")
        given = ["build", str(source), str(tmp_path / "cohort"), "--layout", "tables"]
        code = "from brainograph.cli import main; main()"
        process = subprocess.Popen([sys.executable, "-c", code, *given], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while len(list(work.glob("*.npz"))) < 5 and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
        kept = {path: path.stat().st_mtime_ns for path in work.glob("*.npz")}
        assert 5 <= len(kept) < 60
        assert not (tmp_path / "cohort").exists()
        for path in kept:  # a finished participant is not read again: the source is not needed
            (source / f"{path.stem}.csv").write_text("not,a\nnumber,x\n")
        status, err = call(capsys, *given)
        assert status == 0, err
        cohort = Cohort.load(tmp_path / "cohort")
        assert len(cohort) == 60
        assert cohort.failures.empty
        assert not list(tmp_path.glob(".*"))

    def test_other_options_do_not_mix_with_what_was_begun(self, tables, build, tmp_path, capsys):
        short = ["--connectivity", "p=precision"]
        for path in tables.glob("*.npy"):
            np.save(path, np.load(path)[:5])
        assert build(*short)[0] == 1
        status, err = build("--contents", "connectivity")
        assert status == 1
        assert "begun with other settings: contents was 'timeseries', now 'connectivity'" in err
        assert "delete this one to read everything again" in err
        assert build()[0] == 0
