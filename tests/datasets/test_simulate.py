import time

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort


def edges(cohort):
    rows, columns = np.triu_indices(cohort.n_regions, 1)
    return np.arctanh(cohort.connectivity["fc"][:, rows, columns])


def auc(cohort, features=None, *, by_site=False):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-2, max_iter=1000))
    groups = cohort.phenotype["site"] if by_site else None
    cv = LeaveOneGroupOut() if by_site else StratifiedKFold(5, shuffle=True, random_state=0)
    features = edges(cohort) if features is None else features
    y = cohort.phenotype["diagnosis"]
    return cross_val_score(model, features, y, groups=groups, cv=cv, scoring="roc_auc").mean()


def mean_auc(n_draws=3, n_subjects=100, by_site=False, **options):
    draws = [simulate_cohort(n_subjects, random_state=s, **options) for s in range(n_draws)]
    return np.mean([auc(cohort, by_site=by_site) for cohort in draws])


def test_the_planted_effect_is_found_and_its_absence_too():
    assert 0.85 < mean_auc() < 0.97
    assert 0.35 < mean_auc(effect=0.0) < 0.62
    assert mean_auc(effect=-2.5) > 0.8


@pytest.mark.parametrize("effect", [2.5, -2.5])
def test_the_difference_is_among_the_affected_regions_only(effect):
    cohort = simulate_cohort(400, effect=effect, missing=0.0)
    patient = (cohort.phenotype["diagnosis"] == 1).to_numpy()
    fc = cohort.connectivity["fc"]
    difference = fc[patient].mean(0) - fc[~patient].mean(0)
    planted = np.zeros_like(difference, dtype=bool)
    for a, b in cohort.provenance["truth"]["edges"]:
        i, j = cohort.regions.index.get_indexer([a, b])
        planted[i, j] = planted[j, i] = True
    elsewhere = ~planted & ~np.eye(len(planted), dtype=bool)
    np.testing.assert_allclose(difference[planted], 0.1 * effect, atol=0.06)
    np.testing.assert_allclose(difference[elsewhere], 0, atol=0.06)


def test_affected_regions_can_be_chosen():
    names = ["Visual_Calcarine_L", "Visual_Calcarine_R"]
    cohort = simulate_cohort(10, affected_regions=names)
    assert cohort.regions.index[cohort.regions["affected"]].tolist() == names
    assert cohort.provenance["truth"]["edges"] == [names]


def test_a_pure_site_effect_predicts_over_sites_but_not_within():
    options = {"effect": 0.0, "site_effect": 2.0, "n_subjects": 150}
    assert mean_auc(**options) > 0.64
    assert 0.35 < mean_auc(**options, by_site=True) < 0.6


def test_motion_alone_predicts_when_patients_move():
    cohort = simulate_cohort(200, effect=0.0, motion_effect=2.0, missing=0.0)
    phenotype = cohort.phenotype
    assert roc_auc_score(phenotype["diagnosis"], phenotype["mean_fd"]) > 0.85
    assert auc(cohort) > 0.7


def test_windows_see_a_dynamic_effect_and_the_static_matrix_does_not():
    cohort = simulate_cohort(effect=0.0, dynamic_effect=4.0)
    rows, columns = np.triu_indices(cohort.n_regions, 1)
    spread = [
        np.std(
            [np.corrcoef(x[i : i + 20].T)[rows, columns] for i in range(0, len(x) - 19, 5)], axis=0
        )
        for x in cohort.timeseries
    ]
    assert auc(cohort) < 0.62
    assert auc(cohort, np.array(spread)) > 0.75


def test_thickness_carries_its_own_effect():
    cohort = simulate_cohort(200, effect=0.0, thickness_effect=1.0)
    assert auc(cohort, cohort.measures["thickness"]) > 0.8
    cohort = simulate_cohort(200)
    assert auc(cohort, cohort.measures["thickness"]) < 0.62


def test_neither_identifier_nor_row_gives_the_label_away():
    cohort = simulate_cohort(400, effect=0.0)
    y = cohort.phenotype["diagnosis"]
    number = cohort.phenotype.index.str.removeprefix("sub-").astype(int)
    row = np.arange(len(cohort))
    assert abs(roc_auc_score(y, number) - 0.5) < 0.08
    assert abs(roc_auc_score(y, row) - 0.5) < 0.08
    for order in (np.argsort(number), row):  # neighbours by number or row of the same group
        agreement = np.mean(y.to_numpy()[order][1:] == y.to_numpy()[order][:-1])
        assert abs(agreement - 0.5) < 0.08


def test_members_have_the_promised_shapes_and_values():
    cohort = simulate_cohort(60, n_regions=7, n_volumes=(30, 33), n_sites=4, missing=0.2, t_r=1.5)
    lengths = {len(x) for x in cohort.timeseries}
    assert lengths == {30, 31, 32, 33}
    assert cohort.timeseries[0].dtype == np.float32
    np.testing.assert_allclose(
        cohort.connectivity["fc"][5], np.corrcoef(cohort.timeseries[5].T), atol=1e-6
    )
    phenotype = cohort.phenotype
    assert phenotype["diagnosis"].value_counts().to_dict() == {0: 28, 1: 32}
    assert set(phenotype["sex"].dropna()) == {"female", "male"}
    assert phenotype["site"].value_counts().tolist() == [15] * 4
    assert phenotype["repetition_time"].eq(1.5).all()
    assert 0.1 < phenotype[["age", "sex", "mean_fd"]].isna().mean().mean() < 0.3
    assert phenotype[["site", "diagnosis"]].notna().all(axis=None)


def test_the_seed_decides(tmp_path):
    one, again, other = (simulate_cohort(12, random_state=s) for s in (3, 3, 4))
    assert one.fingerprint() == again.fingerprint() != other.fingerprint()
    one.save(tmp_path / "cohort")
    loaded = Cohort.load(tmp_path / "cohort")
    assert loaded.provenance["truth"] == one.provenance["truth"]
    assert loaded.regions["affected"].tolist() == one.regions["affected"].tolist()


def test_two_hundred_subjects_take_half_a_second():
    times = []
    for _ in range(3):
        start = time.process_time()
        simulate_cohort(200)
        times.append(time.process_time() - start)
    assert min(times) < 0.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_regions": 2}, "n_regions at least 4, got 100 and 2"),
        ({"n_volumes": (50, 40)}, r"n_volumes must be .* got \(50, 40\)"),
        ({"missing": 5}, r"missing must be in \[0, 1\), got 5"),
        ({"prevalence": 50}, r"prevalence must be in \[0, 1\], got 50"),
        ({"prevalence": (0.2, 0.8)}, "one share or one for each of 3 sites, got 2"),
        ({"site_effect": -1}, "site_effect must be in"),
        ({"affected_regions": ["Precuneus"]}, r"two or more of the 20 regions, got \['Precuneus"),
    ],
)
def test_wrong_numbers_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        simulate_cohort(**options)
