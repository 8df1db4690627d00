import shutil

import numpy as np
import pandas as pd
import pytest

from brainograph.io import read_cpac


def write_layout(root, *, strategy="filt_noglobal", atlas="ho"):
    """Write three participants and a table of four, as fetch_abide_pcp leaves them."""
    base = root / "ABIDE_pcp"
    folder = base / "cpac" / strategy
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for file_id in ("NYU_0050952", "Leuven_1_0050682", "KKI_0050772"):
        series = rng.standard_normal((20, 3))
        np.savetxt(
            folder / f"{file_id}_rois_{atlas}.1D", series, delimiter="\t", comments="",
            header="#17\t#53\t#2001",
        )  # fmt: skip
    pd.DataFrame(
        {
            "Unnamed: 0": range(4),
            "SUB_ID": [50952, 50682, 50772, 50003],
            "subject": [50952, 50682, 50772, 50003],
            "SITE_ID": ["NYU", "LEUVEN_1", "KKI", "PITT"],
            "FILE_ID": ["NYU_0050952", "Leuven_1_0050682", "KKI_0050772", "no_filename"],
            "DX_GROUP": [1, 2, 2, 1],
            "AGE_AT_SCAN": [10.5, 20, 30, 40],
            "SEX": [1, 2, 1, 1],
            "FIQ": [100, -9999, 120, 110],
            "func_mean_fd": [0.1, 0.2, None, 0.3],
            "ADOS_TOTAL": [12, -9999, None, 9],
        }
    ).to_csv(base / "Phenotypic_V1_0b_preprocessed1.csv", index=False)
    return root


def test_the_words_of_bids(tmp_path):
    cohort = read_cpac(write_layout(tmp_path))
    assert cohort.participant_ids == ["0050772", "0050682", "0050952"]
    phenotype = cohort.phenotype
    assert phenotype["diagnosis"].to_dict() == {"0050772": 0, "0050682": 0, "0050952": 1}
    assert phenotype["sex"].to_dict() == {
        "0050772": "male",
        "0050682": "female",
        "0050952": "male",
    }
    assert phenotype["site"]["0050682"] == "LEUVEN_1"
    assert phenotype["age"]["0050952"] == 10.5
    assert np.isnan(phenotype["fiq"]["0050682"])
    assert phenotype["mean_fd"]["0050952"] == 0.1
    assert phenotype["ados_total"]["0050952"] == 12
    assert phenotype["file_id"]["0050952"] == "NYU_0050952"
    assert not {"repetition_time", "subject", "unnamed: 0"} & set(phenotype)
    assert cohort.regions.index.tolist() == ["ROI_17", "ROI_53", "ROI_2001"]
    assert cohort.regions["label"].tolist() == [17, 53, 2001]
    assert cohort.failures["participant_id"].tolist() == ["0050003"]
    assert cohort.failures["reason"][0] == "no scan found: looked for filt_noglobal/*_rois_ho.1D"


def test_bad_files_are_failures(tmp_path):
    folder = write_layout(tmp_path) / "ABIDE_pcp" / "cpac" / "filt_noglobal"
    (folder / "KKI_0050772_rois_ho.1D").write_text("#17\t#53\t#2001\n1\t2\t3\n4\tx\t6\n")
    (folder / "Leuven_1_0050682_rois_ho.1D").write_text("")
    shutil.copy(folder / "NYU_0050952_rois_ho.1D", folder / "NYU_0059999_rois_ho.1D")
    cohort = read_cpac(tmp_path / "ABIDE_pcp")
    assert cohort.participant_ids == ["0050952"]
    reasons = cohort.failures.set_index("participant_id")["reason"]
    assert "holds 'x', which is not a number" in reasons["0050772"]
    assert reasons["0050682"].endswith("is empty")
    assert reasons["0059999"] == "no row in the participants table"


def test_what_has_to_be_chosen(tmp_path):
    write_layout(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no \*_rois_aal.1D; its atlases are ho. Write"):
        read_cpac(tmp_path, atlas="aal")
    cpac = tmp_path / "ABIDE_pcp" / "cpac"
    shutil.copytree(cpac / "filt_noglobal", cpac / "filt_global")
    with pytest.raises(ValueError, match=r"one of filt_global, filt_noglobal, got None. Write"):
        read_cpac(tmp_path)
    assert len(read_cpac(tmp_path, strategy="filt_global")) == 3
    with pytest.raises(FileNotFoundError, match="no folder cpac/"):
        read_cpac(tmp_path / "nothing")
    next((tmp_path / "ABIDE_pcp").glob("*.csv")).unlink()
    with pytest.raises(FileNotFoundError, match="phenotype=PATH"):
        read_cpac(tmp_path, strategy="filt_global")


@pytest.mark.parametrize(("atlas", "n_regions"), [("ho", 111), ("cc200", 200)])
def test_the_six_original_files(real_data, tmp_path, atlas, n_regions):
    folder = tmp_path / "cpac" / "filt_noglobal"
    folder.mkdir(parents=True)
    for path in (real_data / "abide1" / "sample_1D").glob(f"*_{atlas}.1D"):
        shutil.copy(path, folder)
    image = {"ho": "ho_mask_pad", "cc200": "CC200"}[atlas]
    cohort = read_cpac(
        tmp_path,
        atlas=atlas,
        phenotype=real_data / "abide1" / "Phenotypic_V1_0b_preprocessed1.csv",
        atlas_image=real_data / "atlases" / f"{image}.nii.gz",
    )
    assert cohort.shape == (6, n_regions)
    series = dict(zip(cohort.participant_ids, cohort.timeseries, strict=True))
    assert len(series["0050952"]) == 176
    path = folder / f"NYU_0050952_rois_{atlas}.1D"
    np.testing.assert_allclose(series["0050952"], np.loadtxt(path), rtol=1e-5)
    table = pd.read_csv(real_data / "abide1" / "Phenotypic_V1_0b_preprocessed1.csv")
    group = table.set_index("SUB_ID")["DX_GROUP"]
    expected = {key: 2 - group[int(key)] for key in cohort.participant_ids}
    assert cohort.phenotype["diagnosis"].to_dict() == expected
    assert cohort.regions[["x", "y", "z"]].notna().all(axis=None)


def test_patients_have_the_clinical_scores(real_data, tmp_path):
    """ADOS was given to patients: whoever scores above the cut-off of 7 is labelled 1."""
    from brainograph.io.cpac import read_phenotype

    table = read_phenotype(real_data / "abide1" / "Phenotypic_V1_0b_preprocessed1.csv")
    assert table["diagnosis"].value_counts().to_dict() == {0: 573, 1: 539}
    assert table.loc[table["ados_total"] >= 7, "diagnosis"].mean() > 0.98
    assert (table["sex"] == "male").mean() > 0.8
    assert table["fiq"].min() > 0
    assert table.index.str.fullmatch(r"\d{7}").all()


def test_participants_of_one_scan_are_kept_together(tmp_path):
    root = write_layout(tmp_path)
    assert "group" not in read_cpac(root).phenotype
    folder = root / "ABIDE_pcp" / "cpac" / "filt_noglobal"
    shutil.copy(folder / "NYU_0050952_rois_ho.1D", folder / "Yale_0050578_rois_ho.1D")
    shutil.copy(folder / "NYU_0050952_rois_ho.1D", folder / "Yale_0050602_rois_ho.1D")
    path = root / "ABIDE_pcp" / "Phenotypic_V1_0b_preprocessed1.csv"
    table = pd.read_csv(path)
    pair = pd.DataFrame(
        {"SUB_ID": [50578, 50602], "FILE_ID": ["Yale_0050578", "Yale_0050602"], "DX_GROUP": [2, 1]}
    )
    pd.concat([table, pair]).to_csv(path, index=False)
    group = read_cpac(root).phenotype["group"]
    assert group["0050578"] == group["0050602"]
    assert group.drop(["0050578", "0050602"]).isna().all()
