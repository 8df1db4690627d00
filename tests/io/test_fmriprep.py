import json
import shutil
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds
from nilearn.maskers import NiftiLabelsMasker

from brainograph.cohort import Cohort
from brainograph.io import read_fmriprep
from brainograph.io.fmriprep import repetition_time

SPACE = "MNI152NLin2009cAsym"


def scan(root, subject, run=""):
    name = f"sub-{subject}_task-rest{run}_space-{SPACE}_desc-preproc_bold.nii.gz"
    return root / f"sub-{subject}" / "func" / name


def test_one_row_for_each_participant(fmriprep, atlas_path, tmp_path):
    cohort = read_fmriprep(fmriprep, atlas=atlas_path)
    assert cohort.participant_ids == ["sub-01", "sub-02", "sub-03"]
    assert [series.shape for series in cohort.timeseries] == [(40, 8), (80, 8), (40, 8)]
    phenotype = cohort.phenotype
    assert phenotype["n_runs"].tolist() == [1, 2, 1]
    assert phenotype["repetition_time"].tolist() == [2, 2, 2]
    np.testing.assert_allclose(phenotype["mean_fd"], [0.1, 0.25, 0.4])
    assert phenotype["sex"].tolist()[:2] == ["male", "female"]
    assert np.isnan(phenotype["age"]["sub-03"])
    assert cohort.regions["label"].tolist() == [3, 5, 7, 9, 11, 13, 15, 17]
    assert cohort.images["T1w"]["sub-01"].endswith("sub-01_desc-preproc_T1w.nii.gz")
    assert pd.isna(cohort.images["T1w"]["sub-02"])
    assert cohort.failures.empty
    assert cohort.provenance["confounds"] == "simple"
    loaded = Cohort.load(cohort.save(tmp_path / "cohort"))
    assert loaded.fingerprint() == cohort.fingerprint()


def test_equal_to_nilearn_with_the_same_cleaning(fmriprep, atlas_path):
    how = {"strategy": ["motion", "wm_csf"], "motion": "basic"}
    ours = read_fmriprep(fmriprep, atlas=atlas_path, confounds=how).timeseries[0]
    path = scan(fmriprep, "01")
    confounds, mask = load_confounds(str(path), **how)
    masker = NiftiLabelsMasker(
        atlas_path, standardize="zscore_sample", detrend=True, low_pass=0.1, high_pass=0.01, t_r=2
    )
    theirs = masker.fit_transform(path, confounds=confounds, sample_mask=mask)
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_scrubbed_volumes_are_left_out_and_runs_cleaned_before_they_are_joined(
    fmriprep, atlas_path
):
    table = scan(fmriprep, "02", "_run-1").with_name(
        "sub-02_task-rest_run-1_desc-confounds_timeseries.tsv"
    )
    confounds = pd.read_csv(table, sep="\t")
    confounds.loc[[5, 6], "framewise_displacement"] = 3.0
    confounds.to_csv(table, sep="\t", index=False, na_rep="n/a")
    how = {"strategy": ["motion", "scrub"], "motion": "basic", "scrub": 0, "fd_threshold": 0.5}
    cohort = read_fmriprep(fmriprep, atlas=atlas_path, confounds=how, low_pass=None, high_pass=None)
    series = cohort.timeseries[1]
    assert len(series) == 78
    np.testing.assert_allclose(series[:38].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(series[38:].std(axis=0, ddof=1), 1, atol=1e-5)


def test_one_row_for_each_run(fmriprep, atlas_path):
    cohort = read_fmriprep(fmriprep, atlas=atlas_path, runs="separate", confounds=None)
    assert cohort.participant_ids == ["sub-01", "sub-02_run-1", "sub-02_run-2", "sub-03"]
    assert cohort.phenotype["group"].tolist() == ["sub-01", "sub-02", "sub-02", "sub-03"]
    assert cohort.phenotype["participants_group"].tolist()[0] == "patient"
    assert cohort.phenotype["age"].tolist()[1:3] == [30, 30]


def test_everything_that_fails_is_in_failures(fmriprep, atlas_path):
    path = scan(fmriprep, "02", "_run-2")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    shutil.rmtree(fmriprep / "sub-03")
    shutil.copytree(fmriprep / "sub-01", fmriprep / "sub-09")
    for old in (fmriprep / "sub-09").rglob("sub-01*"):
        old.rename(old.with_name(old.name.replace("sub-01", "sub-09")))
    cohort = read_fmriprep(fmriprep, atlas=atlas_path)
    assert cohort.participant_ids == ["sub-01", "sub-02"]
    assert cohort.phenotype["n_runs"].tolist() == [1, 1]
    reasons = cohort.failures.set_index("participant_id")["reason"]
    assert reasons["sub-03"].startswith("no scan found: looked for sub-*_desc-preproc_bold")
    assert reasons["sub-09"] == "no row in the participants table"
    assert "truncated" in reasons["sub-02"]
    assert "of 40 volumes" in reasons["sub-02"]
    assert cohort.failures.set_index("participant_id")["source"]["sub-02"] == str(path)


def test_no_repetition_time(fmriprep, atlas_path):
    path = scan(fmriprep, "01")
    image = nib.load(path)
    data = np.asarray(image.dataobj)
    header = image.header.copy()
    header.set_zooms((4, 4, 4, 0))
    nib.save(nib.Nifti1Image(data, image.affine, header), path)
    cohort = read_fmriprep(fmriprep, atlas=atlas_path)
    assert "write t_r=SECONDS" in cohort.failures["reason"][0]
    sidecar = fmriprep / f"task-rest_space-{SPACE}_desc-preproc_bold.json"
    sidecar.write_text(json.dumps({"RepetitionTime": 1.5}))

    cohort = read_fmriprep(fmriprep, atlas=atlas_path)
    assert cohort.phenotype["repetition_time"].tolist() == [1.5, 1.5, 1.5]
    assert (
        read_fmriprep(fmriprep, atlas=atlas_path, t_r=3).phenotype["repetition_time"].iloc[0] == 3
    )


def test_milliseconds_in_the_header(tmp_path):
    header = nib.Nifti1Header()
    header.set_xyzt_units("mm", "msec")
    image = nib.Nifti1Image(np.ones((2, 2, 2, 3), np.int16), np.eye(4), header)
    image.header.set_zooms((1, 1, 1, 2500))
    nib.save(image, tmp_path / "sub-01_bold.nii.gz")
    assert repetition_time(tmp_path / "sub-01_bold.nii.gz") == 2.5


def test_several_spaces_or_tasks_have_to_be_chosen(fmriprep, atlas_path):
    path = scan(fmriprep, "01")
    shutil.copy(path, path.with_name(path.name.replace(SPACE, "T1w")))
    with pytest.raises(ValueError, match=rf"several values of 'space': {SPACE}, T1w.*space='MNI"):
        read_fmriprep(fmriprep, atlas=atlas_path)
    with pytest.raises(ValueError, match="No scan has space='MNI'"):
        read_fmriprep(fmriprep, atlas=atlas_path, space="MNI")
    assert len(read_fmriprep(fmriprep, atlas=atlas_path, space=SPACE, confounds=None)) == 3
    shutil.copy(path, path.with_name(path.name.replace("task-rest", "task-nback")))
    with pytest.raises(ValueError, match=r"several values of 'task': nback, rest"):
        read_fmriprep(fmriprep, atlas=atlas_path, space=SPACE)


def test_in_parallel(fmriprep, atlas_path, tmp_path):
    alone = read_fmriprep(fmriprep, atlas=atlas_path)
    both = read_fmriprep(fmriprep, atlas=atlas_path, n_jobs=2, work_dir=tmp_path / "work")
    assert both.fingerprint() == alone.fingerprint()


def test_a_file_cut_in_its_header(fmriprep, atlas_path):
    path = scan(fmriprep, "01")
    path.write_bytes(path.read_bytes()[:100])
    scan(fmriprep, "03").write_bytes(b"")
    cohort = read_fmriprep(fmriprep, atlas=atlas_path)
    assert cohort.failures["participant_id"].tolist() == ["sub-01", "sub-03"]
    assert cohort.failures["reason"].str.len().gt(10).all()


def test_missing_confounds_are_that_scans_failure(fmriprep, atlas_path):
    next((fmriprep / "sub-01" / "func").glob("*timeseries.tsv")).unlink()
    cohort = read_fmriprep(fmriprep, atlas=atlas_path)
    assert cohort.failures["participant_id"].tolist() == ["sub-01"]
    assert "confound" in cohort.failures["reason"][0]
    assert len(read_fmriprep(fmriprep, atlas=atlas_path, confounds=None)) == 3


def test_bad_arguments(fmriprep, atlas_path, tmp_path):
    with pytest.raises(ValueError, match=r"runs must be one of .*got 'all'"):
        read_fmriprep(fmriprep, atlas=atlas_path, runs="all")
    with pytest.raises(ValueError, match=r"confounds must be one of .*got '24P'"):
        read_fmriprep(fmriprep, atlas=atlas_path, confounds="24P")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="has no sub-\\*_desc-preproc_bold"):
        read_fmriprep(tmp_path / "empty", atlas=atlas_path)


def test_a_missed_atlas_is_every_scans_failure(fmriprep):
    far = np.eye(4)
    far[:3, 3] = 900
    atlas = nib.Nifti1Image(np.ones((3, 3, 3), np.int16), far)
    with pytest.raises(ValueError, match=r"4 of 4 failed(.|\n)*does not overlap the scan"):
        read_fmriprep(fmriprep, atlas=atlas)


def test_regions_outside_the_scan_warn_and_are_zeros(fmriprep, atlas_path):
    image = nib.load(atlas_path)
    labels = np.zeros((40, 16, 16), np.int16)
    labels[:16], labels[36:] = np.asarray(image.dataobj), 99
    with pytest.warns(UserWarning, match=r"1 of 9 regions are outside.*ROI_99 \(3\)"):
        cohort = read_fmriprep(fmriprep, atlas=nib.Nifti1Image(labels, image.affine))
    assert not cohort.timeseries[0][:, -1].any()
    assert cohort.provenance["empty_regions"] == ["ROI_99 (3)"]


def test_a_stopped_build_goes_on(fmriprep, atlas_path, tmp_path, monkeypatch):
    module = sys.modules["brainograph.io.fmriprep"]
    extract, calls = module.extract_series, []

    def stopping(path, atlas):
        calls.append(path.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return extract(path, atlas)

    monkeypatch.setattr(module, "extract_series", stopping)
    work = tmp_path / "work"
    with pytest.raises(KeyboardInterrupt, match="2 of 4 are done"):
        read_fmriprep(fmriprep, atlas=atlas_path, work_dir=work)
    cohort = read_fmriprep(fmriprep, atlas=atlas_path, work_dir=work)
    assert len(calls) == 5
    monkeypatch.undo()
    assert cohort.fingerprint() == read_fmriprep(fmriprep, atlas=atlas_path).fingerprint()
    with pytest.raises(ValueError, match=r"low_pass was 0.1, now 0.08"):
        read_fmriprep(fmriprep, atlas=atlas_path, work_dir=work, low_pass=0.08)
