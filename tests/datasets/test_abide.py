import shutil

import nilearn.datasets
import numpy as np
import pandas as pd
import pytest

from brainograph.datasets import fetch_abide

CSV = "Phenotypic_V1_0b_preprocessed1.csv"
TABLE = pd.DataFrame(
    {
        "SUB_ID": [50003, 50642, 50952],
        "FILE_ID": ["Pitt_0050003", "CMU_a_0050642", "NYU_0050952"],
        "SITE_ID": ["PITT", "CMU", "NYU"],
        "DX_GROUP": [1, 2, 1],
        "AGE_AT_SCAN": [24.4, 21.0, 7.7],
        "SEX": [1, 2, 1],
        "func_mean_fd": [0.11, 0.2, 0.3],
    }
)


@pytest.fixture
def asked(monkeypatch):
    """Take the place of nilearn's fetcher: three participants, the last with a broken file."""
    asked = {}

    def fetch_abide_pcp(*, data_dir, n_subjects, derivatives, **options):
        asked.update(options, derivatives=derivatives)
        band = "filt" if options["band_pass_filtering"] else "nofilt"
        signal = "global" if options["global_signal_regression"] else "noglobal"
        folder = data_dir / "ABIDE_pcp" / "cpac" / f"{band}_{signal}"
        folder.mkdir(parents=True)
        TABLE.to_csv(data_dir / "ABIDE_pcp" / CSV)
        series = np.random.default_rng(0).normal(size=(9, 2))
        for name in TABLE["FILE_ID"][:2]:
            path = folder / f"{name}_{derivatives[0]}.1D"
            np.savetxt(path, series, header="#2001\t#2002", comments="", delimiter="\t")
        (folder / f"NYU_0050952_{derivatives[0]}.1D").write_text("")
        return {"phenotypic": TABLE[:n_subjects]}

    monkeypatch.setattr(nilearn.datasets, "fetch_abide_pcp", fetch_abide_pcp)
    return asked


def test_what_is_fetched_is_read_with_the_label_the_right_way_round(asked, tmp_path):
    cohort = fetch_abide(tmp_path, atlas="cc200", global_signal_regression=True, progress=False)
    assert asked["derivatives"] == ["rois_cc200"]
    assert asked["quality_checked"] is True
    assert cohort.phenotype["diagnosis"].to_dict() == {"0050003": 1, "0050642": 0}
    assert cohort.n_regions == 2
    assert cohort.failures["participant_id"].tolist() == ["0050952"]


def test_the_default_is_band_passed_without_the_global_signal(asked, tmp_path):
    fetch_abide(tmp_path, progress=False)
    assert asked["derivatives"] == ["rois_ho"]
    assert asked["band_pass_filtering"] is True
    assert asked["global_signal_regression"] is False


def test_participants_that_were_not_asked_for_stay_out(asked, tmp_path):
    cohort = fetch_abide(tmp_path, n_subjects=1, progress=False)
    assert cohort.participant_ids == ["0050003"]
    assert cohort.failures.empty


def test_an_unknown_atlas_is_refused_before_anything_is_fetched(asked, tmp_path):
    with pytest.raises(ValueError, match=r"atlas must be one of ho, cc200, .* got 'schaefer'"):
        fetch_abide(tmp_path, atlas="schaefer")
    assert not asked


def test_the_real_files_are_read_through_nilearn_without_a_network(real_data, tmp_path):
    folder = tmp_path / "ABIDE_pcp" / "cpac" / "filt_noglobal"
    folder.mkdir(parents=True)
    shutil.copy(real_data / "abide1" / CSV, tmp_path / "ABIDE_pcp")
    table = pd.read_csv(tmp_path / "ABIDE_pcp" / CSV)
    files = sorted((real_data / "abide1" / "sample_1D").glob("*_rois_ho.1D"))
    for path in files:
        shutil.copy(path, folder)
    ids = {path.name.removesuffix("_rois_ho.1D") for path in files}
    table[table["FILE_ID"].isin(ids)].to_csv(tmp_path / "ABIDE_pcp" / CSV, index=False)
    cohort = fetch_abide(tmp_path, quality_checked=False, progress=False)
    assert len(cohort) == 6
    assert cohort.n_regions == 111
    assert set(cohort.phenotype["diagnosis"]) <= {0, 1}
    assert cohort.failures.empty
