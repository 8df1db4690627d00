import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.estimators import (
    Calibrated,
    LateFusionClassifier,
    PopulationGraphClassifier,
    PopulationNetworkClassifier,
    SubjectGraphClassifier,
    Training,
    TransductiveClassifier,
    load_model,
)
from brainograph.estimators.prediction.neighborhood import Neighborhood
from brainograph.estimators.prediction.table import prediction_table
from brainograph.estimators.saving.privacy import (
    drop_training_data,
    hash_ids,
    hash_training_ids,
    kept_of_participants,
)
from brainograph.preprocessing import MIDA, Edges, Harmonized

FAST = {"max_epochs": 8, "patience": 4, "n_members": 2, "device": "cpu"}
SALT = "a secret of the study"


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=40, n_regions=6, random_state=4)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


class TestDropping:
    @pytest.mark.parametrize("layout", ["dense", "sparse"])
    @pytest.mark.parametrize("num_layers", [0, 1])
    def test_a_population_graph_predicts_as_if_nobody_were_joined(
        self, cohort, y, tmp_path, layout, num_layers
    ):
        settings = FAST | {"layout": layout, "num_layers": num_layers, "skip_smoothing": 1.0}
        model = PopulationGraphClassifier(**settings).fit(cohort[:30], y[:30])
        stranger = cohort.phenotype.assign(site="x", sex="x", age=np.nan)[30:]
        alone = cohort[30:].assign(phenotype=stranger)
        with pytest.warns(UserWarning, match="10 new participants share no phenotype"):
            expected = model.predict_proba(alone)
        lean = drop_training_data(model)
        np.testing.assert_allclose(lean.predict_proba(cohort[30:]), expected, atol=1e-6)
        loaded = load_model(lean.save(tmp_path / "m"))
        np.testing.assert_allclose(loaded.predict_proba(cohort[30:]), expected, atol=1e-6)
        assert set(model.regime(cohort[:30])) == {"training"}  # the first one is left as it was
        assert Neighborhood.of(lean) is None

    def test_what_is_inside_a_wrapper_is_dropped_too(self, cohort, y, tmp_path):
        model = Calibrated(PopulationGraphClassifier(**FAST)).fit(cohort, y)
        lean = load_model(drop_training_data(model).save(tmp_path / "m"))
        assert set(lean.regime(cohort)) == {"inductive"}
        assert lean.temperature_ == model.temperature_
        assert kept_of_participants(lean) == "Nothing: the training participants were dropped."

    def test_transductive_features_that_need_nobody(self, cohort, y, tmp_path):
        model = TransductiveClassifier(Edges(), LogisticRegression()).fit(cohort[:30], y[:30])
        lean = load_model(drop_training_data(model).save(tmp_path / "m"))
        np.testing.assert_allclose(
            lean.predict_proba(cohort[30:]), model.predict_proba(cohort[30:])
        )
        assert set(lean.regime(cohort)) == {"inductive"}

    def test_a_model_that_compares_with_them_is_refused(self, cohort, y):
        kernel = TransductiveClassifier(Harmonized(Edges(), MIDA(5)), LogisticRegression())
        learnt = SubjectGraphClassifier("IGLCN", training=Training(max_epochs=1), device="cpu")
        for model in (kernel, learnt):
            with pytest.raises(ValueError, match="cannot do without them"):
                drop_training_data(model.fit(cohort, y))
        assert "what it reads of those whom it compares" in kept_of_participants(learnt)


class TestHashing:
    def test_the_same_salt_gives_the_same_names(self, cohort):
        one, other = hash_ids(cohort, SALT), hash_ids(cohort[::-1], SALT)
        assert set(one.participant_ids) == set(other.participant_ids)
        assert not set(one.participant_ids) & set(hash_ids(cohort, SALT[::-1]).participant_ids)
        assert not set(one.participant_ids) & set(cohort.participant_ids)
        assert np.array_equal(one.connectivity["fc"], cohort.connectivity["fc"])

    def test_columns_and_parcellations_that_repeat_an_id_are_hashed_too(self, cohort):
        people = cohort[:3]
        ids = people.participant_ids
        table = people.phenotype.assign(file=[f"{name}.nii" for name in ids], hand="left")
        table["group"] = [f"one scan: {ids[0]} {ids[1]}"] * 2 + [None]
        made = hash_ids(Cohort.assign(people, phenotype=table, parcellations={"b": people}), SALT)
        text = made.phenotype.to_csv() + made.parcellations["b"].phenotype.to_csv()
        assert not [name for name in ids if name in text]
        assert made.phenotype["hand"].tolist() == ["left"] * 3
        assert made.phenotype["group"].nunique() == 1
        assert made.phenotype["group"].isna().tolist() == [False, False, True]

    def test_numbers_that_are_the_ids(self, cohort):
        table = cohort.phenotype[:3].assign(number=[50001, 50002, 50003], age=[1, 2, 3])
        table.index = [f"00{n}" for n in table["number"]]
        made = hash_ids(Cohort(table, cohort.regions), SALT).phenotype
        assert made["number"].str.startswith("p").all()
        assert made["age"].tolist() == [1, 2, 3]

    def test_a_short_salt(self, cohort):
        with pytest.raises(ValueError, match="at least 16 characters, got 4"):
            hash_ids(cohort, "salt")


class TestNeighborhood:
    def test_distances_are_numpys(self, cohort, y):
        model = PopulationGraphClassifier(**FAST).fit(cohort[:30], y[:30])
        found = Neighborhood.of(model).nearest(cohort[30:], 2)
        x = model._members[0].x.numpy()
        new = model._members[0].features.transform(cohort[30:])
        distance = 1 - np.corrcoef(np.vstack([new, x]))[:10, 10:]
        order = distance.argsort(axis=1)[:, :2]
        expected = [", ".join(np.array(model.participant_ids_)[row]) for row in order]
        assert found["nearest"].tolist() == expected
        np.testing.assert_allclose(found["nearest_distance"], distance.min(1), atol=1e-4)
        among = 1 - np.corrcoef(x) + 9 * np.eye(30)
        assert Neighborhood.of(model).usual() == pytest.approx(
            np.quantile(among.min(1), 0.99), abs=1e-5
        )

    def test_of_a_network_over_the_population(self, cohort, y):
        model = PopulationNetworkClassifier("EHGCN", training=Training(max_epochs=1), device="cpu")
        known = Neighborhood.of(model.fit(cohort[:30], y[:30]))
        found = known.nearest(cohort, 1)
        assert set(found["nearest"]) <= set(model.participant_ids_)
        assert (found["nearest"] != found.index).all()
        assert np.isfinite(known.usual())
        with pytest.raises(ValueError, match="cannot do without them"):
            drop_training_data(model)

    def test_of_other_estimators(self, cohort, y):
        joint = TransductiveClassifier(Edges(), LogisticRegression()).fit(cohort[:30], y[:30])
        assert len(Neighborhood.of(Calibrated(joint).fit(cohort, y)).x) == 40
        assert Neighborhood.of(joint).nearest(cohort[30:]).shape == (10, 2)
        assert Neighborhood.of(LogisticRegression()) is None

    def test_far_from_everybody(self, cohort, y):
        model = PopulationGraphClassifier(**FAST, metric="euclidean").fit(cohort[:30], y[:30])
        known = Neighborhood.of(model)
        assert (known.nearest(cohort[30:])["nearest_distance"] > known.usual()).mean() < 0.3
        signs = np.random.default_rng(0).choice([-0.9, 0.9], (10, 6, 6))
        odd = cohort[30:].assign(connectivity={"fc": signs})
        said = prediction_table(model, odd, n_passes=0)["warnings"]
        assert said.str.startswith("nobody in training is near: the nearest is at ").all()


class TestHashedTrainingIds:
    def models(self, cohort, y):
        quick = Training(max_epochs=1, validation_fraction=0.0)
        one = TransductiveClassifier(Edges(), LogisticRegression())
        yield Calibrated(PopulationGraphClassifier(**FAST)).fit(cohort[:30], y[:30])
        yield PopulationNetworkClassifier("VMMDGCN", training=quick, device="cpu").fit(
            cohort[:30], y[:30]
        )
        yield SubjectGraphClassifier("MeanMLP", training=quick, device="cpu").fit(
            cohort[:30], y[:30]
        )
        yield LateFusionClassifier([("one", one)], how="mean").fit(cohort[:30], y[:30])

    def test_participants_are_known_by_their_new_names(self, cohort, y):
        hidden = hash_ids(cohort, SALT)
        for model in self.models(cohort, y):
            other = hash_training_ids(model, SALT)
            assert np.array_equal(other.predict_proba(hidden), model.predict_proba(cohort))
            assert np.array_equal(other.regime(hidden), model.regime(cohort))
            assert set(hash_training_ids(other, SALT).regime(hidden)) == set(other.regime(hidden))
            assert set(model.regime(cohort[:5])) == {"training"}  # the first is left as it was

    def test_nearest_participants_are_not_named(self, cohort, y):
        model = PopulationGraphClassifier(**FAST).fit(cohort[:30], y[:30])
        table = prediction_table(
            hash_training_ids(model, SALT), hash_ids(cohort[30:], SALT), n_passes=0
        )
        assert not any(name in table.to_csv() for name in cohort.participant_ids)
        assert "nearest" in table
