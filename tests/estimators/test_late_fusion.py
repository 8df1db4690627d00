import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brainograph.datasets import simulate_cohort
from brainograph.estimators import (
    LateFusionClassifier,
    SubjectGraphClassifier,
    Training,
    load_model,
)
from brainograph.preprocessing import Edges, Measures


@pytest.fixture(scope="module")
def cohort():
    simulated = simulate_cohort(n_subjects=90, n_regions=8, effect=1.0, random_state=3)
    rng = np.random.default_rng(0)
    y = simulated.phenotype["diagnosis"].to_numpy()
    measures = {
        "thickness": rng.normal(size=(90, 8)) + 0.6 * y[:, None],
        "volume": rng.normal(size=(90, 8)),
    }
    cohort = simulated.assign(measures=measures)
    return cohort[np.argsort(cohort.participant_ids)]


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


def on(name):
    return make_pipeline(Measures([name]), StandardScaler(), LogisticRegression(C=0.1))


MEMBERS = [("thickness", on("thickness")), ("volume", on("volume"))]
TRAIN, TEST = slice(0, 60), slice(60, 90)


def test_the_mean_of_probabilities(cohort, y):
    model = LateFusionClassifier(MEMBERS, how="mean").fit(cohort[TRAIN], y[TRAIN])
    alone = [m.fit(cohort[TRAIN], y[TRAIN]).predict_proba(cohort[TEST]) for _, m in MEMBERS]
    assert np.allclose(model.predict_proba(cohort[TEST]), np.mean(alone, axis=0), atol=1e-6)
    assert (model.contributions(cohort[TEST]) == 0.5).all(axis=None)


def test_weights_are_from_predictions_out_of_fold(cohort, y):
    model = LateFusionClassifier(MEMBERS, temperature=0.2).fit(cohort[TRAIN], y[TRAIN])
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    losses = [
        log_loss(
            y[TRAIN],
            cross_val_predict(m, cohort[TRAIN], y[TRAIN], cv=folds, method="predict_proba"),
        )
        for _, m in MEMBERS
    ]
    shares = np.exp(-np.array(losses) / 0.2)
    assert np.allclose(model.contributions(cohort[TEST]), shares / shares.sum(), atol=1e-5)


def test_a_member_that_knows_its_training_rows_by_heart_is_not_trusted(cohort, y):
    heart = make_pipeline(Measures(["volume"]), KNeighborsClassifier(1))
    assert heart.fit(cohort[TRAIN], y[TRAIN]).score(cohort[TRAIN], y[TRAIN]) == 1
    model = LateFusionClassifier([MEMBERS[0], ("heart", heart)]).fit(cohort[TRAIN], y[TRAIN])
    assert model.contributions(cohort[TEST])["heart"].max() < 0.01
    for how in ("weighted", "stacking", "product"):
        fused = LateFusionClassifier(MEMBERS, how=how).fit(cohort[TRAIN], y[TRAIN])
        accuracy = (fused.predict(cohort[TEST]) == y[TEST]).mean()
        assert accuracy > 0.7, how


def test_rows_of_one_person_stay_in_one_part(cohort, y):
    """A member that remembers people is found out if their other runs are in the same part."""
    table = cohort.phenotype.assign(group=[f"person-{i // 2}" for i in range(90)])
    pairs = np.repeat(y[::2], 2)
    thickness = np.repeat(np.random.default_rng(1).normal(size=(45, 8)), 2, axis=0)
    people = cohort.assign(phenotype=table, measures={"thickness": thickness})
    heart = make_pipeline(Measures(["thickness"]), KNeighborsClassifier(1))
    members = [("heart", heart), ("volume", on("volume"))]
    model = LateFusionClassifier(members, temperature=5.0)
    shares = [
        model.fit(one, pairs).contributions(people)["heart"].iloc[0]
        for one in (people, people.assign(phenotype=cohort.phenotype))
    ]
    assert shares[0] < 0.15
    assert shares[1] > 0.3


def test_a_network_and_a_pipeline_are_saved_together(cohort, y, tmp_path):
    network = SubjectGraphClassifier(
        "MeanMLP", training=Training(max_epochs=2), params={"hidden_channels": 8}, device="cpu"
    )
    edges = make_pipeline(Edges(), StandardScaler(), LogisticRegression())
    model = LateFusionClassifier(
        [("series", network), ("edges", edges)], how="stacking", n_splits=2
    )
    model.fit(cohort[TRAIN], y[TRAIN])
    loaded = load_model(model.save(tmp_path / "model"))
    assert np.array_equal(loaded.predict_proba(cohort), model.predict_proba(cohort))
    assert loaded.contributions(cohort).equals(model.contributions(cohort))
    assert loaded.predict_proba(cohort[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"members": []}, "members must be"),
        (
            {"members": [MEMBERS[0], MEMBERS[0]]},
            r"once; got \['thickness', 'thickness'\]",
        ),
        ({"how": "vote"}, "late must be one of"),
        ({"n_splits": 1}, r"n_splits must be between 2 and the \d+ participants"),
        ({"n_splits": 80}, "Write n_splits=5, or how='mean'"),
    ],
)
def test_bad_settings(cohort, y, params, message):
    with pytest.raises(ValueError, match=message):
        LateFusionClassifier(**{"members": MEMBERS, **params}).fit(cohort, y)
