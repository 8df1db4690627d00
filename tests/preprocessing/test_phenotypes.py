import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from brainograph.cohort import Cohort
from brainograph.preprocessing import Phenotypes, check_phenotypes

INNOCENT = """
age sex gender site SITE_ID fiq viq PIQ handedness HANDEDNESS_CATEGORY mean_fd
func_mean_fd education years_of_education eTIV EstimatedTotalIntraCranialVol BMI scanner
repetition_time scan_duration age_group AGE_AT_SCAN AGE_AT_MPRAGE EYE_STATUS_AT_SCAN medical_center
func_quality anat_snr WISC_IV_VCI FIQ_TEST_TYPE adiposity media_use race marital_status height
manufacturer income systolic headcoil max_fd sampling_site APOE4 family_id
ethnicity patient_age PatientWeight subject_age social_class HC_volume control_accuracy num_scans
site_code scanner_id session_duration SUB_IN_SMP smoking_status eye_condition region_label eidetic
"""
DIAGNOSTIC = """
DX_GROUP dx DXCURREN DX.bl DSM_IV_TR diagnosis Diagnosis_2 ADOS_TOTAL ados2 ADOSTotal
ADI_R_SOCIAL_TOTAL_A adi-r SRS_RAW_TOTAL srs2 SCQ_TOTAL AQ_TOTAL aq10 VINELAND_ABC_STANDARD MMSE
MMSCORE mmse_total MoCA CDR CDRSB CDGLOBAL ADAS13 NPI_Q faq PANSS_positive SAPS sans BPRS YMRS HAMD
HAM_D17 HDRS MADRS BDI_II PHQ9 GAD7 UPDRS_III mds_updrs HoehnYahr hoehn_and_yahr ADHD_RS
ADHD_Index Conners3 CURRENT_MED_STATUS MEDICATION_NAME OFF_STIMULANTS_AT_SCAN COMORBIDITY
age_of_onset AgeAtOnset duration_of_illness illness_duration disease_duration group label
symptom_severity Patient
is_patient isPatient IsControl patient_status clinical_status study_group StudyGroup diag Diag_Group
class condition hc HC control controls case case_status group_label group1 class_label is_hc
subject_group healthy_control
"""
IDENTIFIERS = """
participant_id SUB_ID subject X FILE_ID row index Unnamed:_0 RID PTID ID
subject_number
subjectkey src_subject_id eid EID f.eid record_id bids_id BIDS_ID participant_number scan_number
session_id SessionID ses_id guid ndar_guid file_id case_id SubjectID patient_no
"""


@pytest.mark.parametrize("name", INNOCENT.split())
def test_innocent_columns_pass(name):
    check_phenotypes([name])


@pytest.mark.parametrize("name", DIAGNOSTIC.split())
def test_diagnostic_columns_are_refused_unless_insisted(name):
    with pytest.raises(ValueError, match=rf"'{name}' looks like .*write allow_diagnostic=True"):
        check_phenotypes(["age", name])
    check_phenotypes([name], allow_diagnostic=True)


@pytest.mark.parametrize("name", IDENTIFIERS.split())
def test_identifiers_are_always_refused(name):
    with pytest.raises(ValueError, match=rf"'{name}' looks like an identifier.*AUC \.99"):
        check_phenotypes([name], allow_diagnostic=True)


def test_the_target_is_refused_and_all_are_named():
    with pytest.raises(ValueError, match=r"'sex' is what is predicted(.|\n)*'ADOS_TOTAL'"):
        check_phenotypes(["sex", "age", "ADOS_TOTAL"], target="sex")


def test_one_name_is_not_a_list():
    with pytest.raises(ValueError, match=r"Write \['age'\]"):
        check_phenotypes("age")


def test_real_columns_of_abide(real_data):
    (table,) = (real_data / "abide1").glob("*.csv")
    columns = pd.read_csv(table, nrows=0).columns
    refused = set()
    for name in columns:
        try:
            check_phenotypes([name])
        except ValueError:
            refused.add(name)
    instruments = ("ADOS", "ADI_R", "ADI_RRB", "SRS", "SCQ", "AQ", "VINELAND")
    others = ["SUB_ID", "X", "subject", "FILE_ID", "DX_GROUP", "DSM_IV_TR", "COMORBIDITY"]
    others += ["CURRENT_MED_STATUS", "MEDICATION_NAME", "OFF_STIMULANTS_AT_SCAN"]
    numbered = [name for name in columns if name.startswith("Unnamed")]
    assert refused == {name for name in columns if name.startswith(instruments)} | {
        *others,
        *numbered,
    }


@pytest.fixture
def training():
    return pd.DataFrame(
        {
            "age": [10.0, 20.0, np.nan, 30.0],
            "iq": [90, 100, 110, 120],
            "sex": ["male", "female", None, "male"],
            "open_eyes": [True, False, True, True],
        }
    )


def test_design_matrix_by_hand(training):
    phenotypes = Phenotypes(["age", "sex", "open_eyes"]).fit(training)
    assert phenotypes.get_feature_names_out().tolist() == [
        "age",
        "age missing",
        "sex=female",
        "sex=male",
        "open_eyes=False",
        "open_eyes=True",
    ]
    z = 10 / np.sqrt(200 / 3)
    expected = [[-z, 0, 0, 1, 0, 1], [0, 0, 1, 0, 1, 0], [0, 1, 0, 0, 0, 1], [z, 0, 0, 1, 0, 1]]
    np.testing.assert_allclose(phenotypes.transform(training), expected)


def test_unknown_category_and_new_missing_value_are_zero(training):
    phenotypes = Phenotypes(["iq", "sex"]).fit(training)
    new = pd.DataFrame({"iq": [np.nan, np.inf], "sex": ["other", np.nan]})
    np.testing.assert_array_equal(phenotypes.transform(new), np.zeros((2, 3)))


@pytest.mark.parametrize("dtype", ["category", "string", "object"])
def test_kinds_of_text(training, dtype):
    table = training.assign(sex=training["sex"].astype(dtype))
    transformed = Phenotypes(["sex"]).fit_transform(table)
    assert transformed.tolist() == [[0, 1], [1, 0], [0, 0], [0, 1]]


@pytest.mark.parametrize("name", ["site", "sex", "scanner", "SITE_ID"])
def test_codes_of_places_and_sexes_have_no_order(name):
    table = pd.DataFrame({name: [1, 2, 3, 1]})
    phenotypes = Phenotypes([name]).fit(table)
    assert phenotypes.get_feature_names_out().tolist() == [f"{name}={i}" for i in (1, 2, 3)]
    expected = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert phenotypes.transform(table).tolist() == expected
    for values in ([2.0, np.nan, 9.0], ["2", None, "9"], pd.array([2, None, 9], dtype="Int64")):
        new = pd.DataFrame({name: values})
        assert phenotypes.transform(new).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_nullable_and_constant_numbers():
    table = pd.DataFrame({"age": pd.array([3, None, 3], dtype="Int64")})
    assert Phenotypes(["age"]).fit_transform(table).tolist() == [[0, 0], [0, 1], [0, 0]]


def test_a_column_without_any_value():
    table = pd.DataFrame({"age": [np.nan, np.nan]})
    assert Phenotypes(["age"]).fit_transform(table).tolist() == [[0, 1], [0, 1]]


def test_no_columns_give_no_features(training):
    assert Phenotypes([]).fit_transform(training).shape == (4, 0)


def test_a_missing_column_suggests_the_nearest(training):
    with pytest.raises(ValueError, match=r"no column 'Age'; it has .*Write 'age'"):
        Phenotypes(["Age"]).fit(training)


def test_text_where_there_were_numbers_is_refused(training):
    with pytest.raises(ValueError, match="'age' was numeric at fit"):
        Phenotypes(["age"]).fit(training).transform(training.assign(age=["ten"] * 4))


def test_free_text_is_refused():
    table = pd.DataFrame({"notes": [f"note {i}" for i in range(30)]})
    with pytest.raises(ValueError, match=r"30 categories in 30 rows.*Leave it out"):
        Phenotypes(["notes"]).fit(table)


def test_refusal_reaches_the_transformer(training):
    table = training.assign(MMSE=30)
    with pytest.raises(ValueError, match="'MMSE' looks like a score of dementia"):
        Phenotypes(["MMSE"]).fit(table)
    assert Phenotypes(["MMSE"], allow_diagnostic=True).fit_transform(table).shape == (4, 1)


def test_only_training_rows_are_learned_from(training):
    changed = training.copy()
    changed.loc[3, ["age", "sex"]] = [1e6, "other"]
    first, second = (Phenotypes(["age", "sex"]).fit(table[:3]) for table in (training, changed))
    np.testing.assert_array_equal(first.transform(training), second.transform(training))


def test_cohort_through_cross_validation(rng):
    y = np.arange(40) % 2
    table = pd.DataFrame({"age": 30 + 10 * y + rng.random(40)}, index=[f"s{i}" for i in range(40)])
    cohort = Cohort(table, pd.DataFrame(index=["A"]))
    pipeline = make_pipeline(Phenotypes(["age"]), LogisticRegression())
    assert cross_val_score(pipeline, cohort, y, cv=4).mean() == 1.0


def test_clone_keeps_parameters():
    assert clone(Phenotypes(["age"], allow_diagnostic=True)).columns == ["age"]
