import numpy as np
import pandas as pd
import pytest

from brainograph.io import read_freesurfer

PEOPLE = pd.DataFrame({"participant_id": ["0001", "0002", "0003"], "age": [1, 2, 3]})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "lh.thickness.tsv").write_text(
        "lh.aparc.thickness\tlh_insula_thickness\tlh_MeanThickness_thickness\teTIV\n"
        "SITE_0001\t3.0\t2.5\t1500\nSITE_0002\t2.0\t2.4\t1400\nSITE_0003\t2.2\tbad\t1300\n"
    )
    (tmp_path / "rh.thickness.tsv").write_text(
        "rh.aparc.thickness\trh_insula_thickness\nSITE_0001\t3.1\nSITE_0002\t2.1\nSITE_0003\toops\n"
    )
    (tmp_path / "aseg.csv").write_text(
        "Measure:volume,Left-Hippocampus,Brain-Stem,BrainSegVolNotVent\n"
        "SITE_0001,4000,20000,1e6\nSITE_0003,4100,21000,1.1e6\n"
    )
    (tmp_path / "notes.txt").write_text("nothing of ours\n")
    return tmp_path


def test_measures_regions_and_covariates(folder):
    cohort = read_freesurfer(folder, participants=PEOPLE, id_pattern=r"_(\d+)$")
    assert cohort.participant_ids == ["0001"]
    regions = ["Left-Hippocampus", "Brain-Stem", "lh_insula", "rh_insula"]
    assert cohort.regions.index.tolist() == regions
    assert cohort.regions["hemisphere"].tolist()[::2] == ["L", "L"]
    assert pd.isna(cohort.regions["hemisphere"]["Brain-Stem"])
    assert cohort.regions["hemisphere"]["rh_insula"] == "R"
    np.testing.assert_array_equal(cohort.measures["thickness"], [[np.nan, np.nan, 3.0, 3.1]])
    np.testing.assert_array_equal(cohort.measures["volume"], [[4000, 20000, np.nan, np.nan]])
    row = cohort.phenotype.loc["0001"]
    assert row[["age", "lh_MeanThickness", "eTIV", "BrainSegVolNotVent"]].tolist() == [
        1, 2.5, 1500, 1e6,
    ]  # fmt: skip
    reasons = cohort.failures.set_index("participant_id")["reason"]
    assert reasons["0002"] == "no row in aseg.csv"
    assert reasons["0003"] == "a value of thickness is missing or not a number"


def test_several_parcellations_have_to_be_chosen(folder):
    (folder / "a2009s.tsv").write_text("lh.aparc.a2009s.area\tlh_S_x_area\nSITE_0001\t9\n")
    with pytest.raises(ValueError, match=r"parcellations: aparc, aparc.a2009s. Choose one"):
        read_freesurfer(folder, participants=PEOPLE)
    with pytest.raises(ValueError, match=r"one of aparc, aparc.a2009s, got 'DKT'"):
        read_freesurfer(folder, participants=PEOPLE, parcellation="DKT")
    cohort = read_freesurfer([folder / "a2009s.tsv"], participants=PEOPLE, id_pattern=r"\d+$")
    assert cohort.measures["area"].tolist() == [[9]]


def test_errors(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(FileNotFoundError, match="has no table of aparcstats2table"):
        read_freesurfer(empty)
    with pytest.raises(ValueError, match=r"'x\$' is not in the row name 'SITE_0001'"):
        read_freesurfer(folder, id_pattern="x$")
    (empty / "t.tsv").write_text("lh.aparc.area\tlh_a_area\ns1\t1\ns1\t2\n")
    with pytest.raises(ValueError, match="more than one row for s1"):
        read_freesurfer(empty)


def test_abide(real_data):
    cohort = read_freesurfer(
        real_data / "abide1" / "freesurfer6",
        participants=real_data / "abide1" / "Phenotypic_V1_0b_preprocessed1.csv",
        id_column="SUB_ID",
        id_pattern=r"\d{7}$",
        sex_coding={1: "male", 2: "female"},
    )
    assert set(cohort.measures) == {"thickness", "area", "volume"}
    cortex = cohort.regions.index.str.match("[lr]h_")
    assert cortex.sum() == 68
    assert len(cohort) == 1035
    assert np.isfinite(cohort.measures["thickness"][:, cortex]).all()
    assert 2 < np.mean(cohort.measures["thickness"][:, cortex]) < 3.2
    row = cohort.participant_ids.index("0051456")
    assert cohort.measures["thickness"][row, cohort.regions.index.get_loc("lh_bankssts")] == 2.296
    assert cohort.phenotype["lh_MeanThickness"]["0051456"] == 2.50298


def test_aomic(real_data):
    folder = real_data / "aomic_piop2" / "fs_stats"
    cohort = read_freesurfer(folder, parcellation="aparc.a2009s")
    assert cohort.shape == (226, 148)
    assert cohort.phenotype[["eTIV", "BrainSegVolNotVent"]].notna().all(axis=None)


def test_the_cortex_alone(folder):
    cohort = read_freesurfer(folder, participants=PEOPLE, id_pattern=r"_(\d+)$", aseg=False)
    assert cohort.regions.index.tolist() == ["lh_insula", "rh_insula"]
    assert cohort.participant_ids == ["0001", "0002"]  # who has no row in aseg is there
