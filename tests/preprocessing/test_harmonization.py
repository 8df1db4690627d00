import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.model_selection import cross_validate, leave_one_site_out, repeated_stratified
from brainograph.preprocessing import (
    MIDA,
    BlockScaler,
    ComBat,
    Edges,
    Harmonized,
    Measures,
    RidgeRFE,
    SiteCentering,
)
from brainograph.preprocessing.harmonization import check_against_labels

HARMONIZERS = {"centering": SiteCentering(), "combat": ComBat(), "mida": MIDA(20)}


@pytest.fixture
def small():
    phenotype = pd.DataFrame({"site": ["A", "A", "B", "B", None]}, index=list("abcde"))
    values = np.array([[1.0], [3.0], [10.0], [20.0], [6.0]])
    return Cohort(phenotype, pd.DataFrame(index=["r1"]), measures={"thickness": values})


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=150, n_regions=12, site_effect=2.0, random_state=1)


@pytest.fixture(scope="module")
def y(cohort):
    return cohort.phenotype["diagnosis"].to_numpy().astype(int)


def centred(**settings):
    return Harmonized(Measures(), SiteCentering(), covariates=(), **settings)


class TestSiteCentering:
    def test_by_hand(self, small):
        # site means 2 and 15; the one without a site loses the mean over all, 8
        assert centred().fit_transform(small).ravel().tolist() == [-1.0, 1.0, -5.0, 5.0, -2.0]

    def test_an_unknown_site_gets_the_overall_mean(self, small):
        fitted = centred().fit(small[[0, 1]])
        assert fitted.transform(small).ravel().tolist() == [-1.0, 1.0, 8.0, 18.0, 4.0]

    def test_a_missing_column_is_explained(self, small):
        message = r"no phenotype 'scanner' to harmonise with; it has \['site'\]. Write site= with"
        with pytest.raises(ValueError, match=message):
            clone(centred(site="scanner")).fit(small)

    def test_names_pass_through(self, small):
        assert centred().fit(small).get_feature_names_out().tolist() == ["r1: thickness"]

    def test_covariates_are_not_asked_for(self, small):
        Harmonized(Measures(), SiteCentering()).fit(small)

    @pytest.mark.parametrize("column", ["diagnosis", "DX_GROUP", "study_group", "src_subject_id"])
    def test_what_gives_the_diagnosis_away_is_refused(self, small, column):
        known = small.assign(phenotype=small.phenotype.assign(**{column: [1, 0, 1, 0, 1]}))
        with pytest.raises(ValueError, match=f"'{column}' looks like .*Leave it out") as caught:
            centred(site=column).fit(known)
        assert "allow_diagnostic" not in str(caught.value)

    @pytest.mark.parametrize("column", ["scanner", "sex", "manufacturer"])
    def test_innocent_groups_pass(self, small, column):
        known = small.assign(phenotype=small.phenotype.assign(**{column: list("aabba")}))
        assert centred(site=column).fit_transform(known).shape == (5, 1)


class TestWhatTheHarmonizerGets:
    def test_combat_is_given_site_and_covariates(self, cohort):
        got = Harmonized(Edges(), ComBat()).fit_transform(cohort)
        x = Edges().fit_transform(cohort)
        table = cohort.phenotype
        expected = ComBat().fit_transform(x, sites=table["site"], covariates=table[["age", "sex"]])
        assert np.array_equal(got, expected)
        assert cohort.phenotype[["age", "sex"]].isna().any().all()  # gaps were filled

    def test_mida_is_given_site_and_covariates(self, cohort):
        got = Harmonized(Edges(), MIDA(5)).fit(cohort)
        x = Edges().fit_transform(cohort)
        table = cohort.phenotype
        expected = MIDA(5).fit(x, sites=table["site"], covariates=table[["age", "sex"]])
        assert np.array_equal(got.transform(cohort), expected.transform(x))
        assert got.get_feature_names_out().tolist() == [f"mida{i}" for i in range(5)]

    def test_no_covariates(self, cohort):
        fitted = Harmonized(Edges(), ComBat(), covariates=()).fit(cohort)
        assert fitted.harmonizer_.coef_.shape == (0, 66)

    @pytest.mark.parametrize("unseen", ["pooled", "unlabelled", "controls"])
    def test_transductive_is_passed_on(self, unseen):
        assert Harmonized(Edges(), ComBat(unseen)).transductive is (unseen != "pooled")
        assert Harmonized(Edges(), SiteCentering()).transductive is False

    def test_features_that_learn_from_labels_are_given_them(self, cohort, y):
        inner = make_pipeline(Edges(), RidgeRFE(10))
        assert Harmonized(inner, ComBat()).fit(cohort, y).transform(cohort).shape == (150, 10)

    def test_the_harmonizer_is_given_no_label(self, cohort, y):
        fitted = Harmonized(Edges(), Spy()).fit(cohort, y)
        assert fitted.harmonizer_.labels_ is None

    def test_calibration_by_controls(self, cohort, y):
        name = cohort.phenotype["site"].max()
        site = (cohort.phenotype["site"] == name).to_numpy()
        chosen = np.flatnonzero(site & (y == 0))[:8]
        marked = pd.Series(np.isin(np.arange(150), chosen), index=cohort.phenotype.index)
        known = cohort.assign(phenotype=cohort.phenotype.assign(calibration=marked))
        harmonized = Harmonized(Edges(), ComBat("controls"), controls="calibration")
        harmonized.fit(known[~site], y[~site])
        with pytest.warns(UserWarning, match=f"8 participants calibrate site '{name}'"):
            after = harmonized.transform(known[site])
        before = Edges().fit_transform(cohort)
        reference = before[~site].mean(axis=0)
        rows = marked.to_numpy()[site]
        assert (
            np.abs(after[rows].mean(axis=0) - reference).mean()
            < np.abs(before[chosen].mean(axis=0) - reference).mean()
        )

    @pytest.mark.parametrize("values", [["yes", "no"], [2, 3]])
    def test_controls_are_true_or_false(self, cohort, values):
        table = cohort.phenotype.assign(calibration=np.resize(values, len(cohort)))
        harmonized = Harmonized(Edges(), ComBat("controls"), controls="calibration")
        harmonized.fit(cohort.assign(phenotype=table))
        with pytest.raises(ValueError, match="controls must name a phenotype of true and false"):
            harmonized.transform(cohort.assign(phenotype=table))


class Spy(TransformerMixin, BaseEstimator):
    """Note the labels it is given."""

    def fit(self, X, y=None, *, sites):
        self.labels_ = y
        return self

    def transform(self, X, *, sites):
        return X


class TestLabelsStayOut:
    @pytest.mark.parametrize("harmonizer", HARMONIZERS.values(), ids=HARMONIZERS)
    def test_labels_change_no_bit(self, cohort, y, harmonizer):
        results = []
        for labels in (y, np.roll(y, 7), None):
            table = cohort.phenotype.assign(diagnosis=y if labels is None else labels)
            known = cohort.assign(phenotype=table)
            results.append(Harmonized(Edges(), harmonizer).fit(known, labels).transform(known))
        assert np.array_equal(results[0], results[1])
        assert np.array_equal(results[0], results[2])

    @pytest.mark.parametrize("column", ["diagnosis", "ADOS_TOTAL", "group"])
    def test_the_diagnosis_by_name(self, cohort, column):
        known = cohort.assign(phenotype=cohort.phenotype.assign(**{column: np.arange(150) % 2}))
        for settings in ({"covariates": ["age", column]}, {"controls": column}):
            with pytest.raises(ValueError, match=f"'{column}' looks like"):
                Harmonized(Edges(), ComBat("controls"), **settings).fit(known)

    @pytest.mark.parametrize(
        "disguise", ["copy", "text", "score", "missing", "subtypes", "inverse"]
    )
    def test_the_diagnosis_under_another_name(self, cohort, y, disguise):
        rng = np.random.default_rng(0)
        values = {
            "copy": y.astype(float),
            "text": np.where(y == 1, "x", "z"),
            "score": y + rng.uniform(0, 0.9, len(y)),
            "missing": np.where(y == 1, rng.uniform(size=len(y)), np.nan),
            "subtypes": 3 * y + rng.integers(3, size=len(y)),
            "inverse": -y - rng.uniform(0, 0.9, len(y)),
        }[disguise]
        known = cohort.assign(phenotype=cohort.phenotype.assign(q17=values))
        harmonized = Harmonized(Edges(), ComBat(), covariates=["age", "q17"])
        with pytest.raises(ValueError, match="'q17' tells the label of all 100 labelled"):
            harmonized.fit(known[:100], y[:100])

    def test_labels_that_are_hidden_are_not_looked_at(self, cohort, y):
        """A covariate that tells nothing of the labelled passes, whatever it tells of others."""
        rng = np.random.default_rng(0)
        q17 = np.where(np.arange(150) < 75, rng.integers(2, size=150), y)
        visible = np.where(np.arange(150) < 75, y, -1)
        check_against_labels(pd.DataFrame({"q17": q17}), ["q17"], visible)
        with pytest.raises(ValueError, match="'q17' tells"):
            check_against_labels(
                pd.DataFrame({"q17": q17}), ["q17"], np.where(visible == -1, y, -1)
            )

    def test_what_does_not_tell_passes(self, cohort, y):
        phenotype = cohort.phenotype
        check_against_labels(phenotype, ["age", "sex", "mean_fd", "repetition_time"], y)
        nearly = np.where(np.arange(150) == 3, 1 - y, y)
        check_against_labels(pd.DataFrame({"q": nearly}), ["q"], y)
        check_against_labels(pd.DataFrame({"q": y[:9]}), ["q"], y[:9])  # too few to judge


class TestWholeAnalyses:
    def auc(self, results):
        table = results.predictions
        return roc_auc_score(table["y_true"], table["y_score"])

    @pytest.mark.parametrize("harmonizer", HARMONIZERS.values(), ids=HARMONIZERS)
    def test_noise_at_sites_of_unlike_prevalence(self, harmonizer):
        """Raw edges tell the site and with it the diagnosis; harmonised ones do not."""
        noise = simulate_cohort(
            n_subjects=180, n_regions=10, effect=0.0, site_effect=3.0, n_sites=3,
            prevalence=[0.8, 0.2, 0.5], random_state=4,
        )  # fmt: skip
        y = noise.phenotype["diagnosis"].to_numpy().astype(int)
        splits = repeated_stratified(noise, y, n_splits=5)
        models = {
            "raw": make_pipeline(Edges(), BlockScaler(), LogisticRegression(C=10)),
            "harmonised": make_pipeline(
                Harmonized(Edges(), harmonizer), BlockScaler(), LogisticRegression(C=10)
            ),
        }
        results = cross_validate(models, noise, y, splits=splits, progress=False)
        table = results.predictions
        auc = {m: roc_auc_score(t["y_true"], t["y_score"]) for m, t in table.groupby("model")}
        assert auc["raw"] > 0.65
        assert abs(auc["harmonised"] - 0.5) < 0.12

    @pytest.mark.parametrize("harmonizer", HARMONIZERS.values(), ids=HARMONIZERS)
    def test_permuted_sites_cost_nothing_and_give_nothing(self, cohort, y, harmonizer):
        """Sites that mean nothing: the effect stays; on permuted labels all is chance."""
        rng = np.random.default_rng(0)
        table = cohort.phenotype.assign(site=rng.permutation(cohort.phenotype["site"]))
        mixed = cohort.assign(phenotype=table)
        model = make_pipeline(
            Harmonized(Edges(), harmonizer), BlockScaler(), LogisticRegression(C=10, max_iter=1000)
        )
        chance = rng.permutation(y)
        for labels, low, high in ((y, 0.75, 1.0), (chance, 0.3, 0.66)):
            splits = repeated_stratified(mixed, labels, n_splits=4)
            results = cross_validate(model, mixed, labels, splits=splits, progress=False)
            assert low < self.auc(results) < high

    @pytest.mark.parametrize("unseen", ["pooled", "unlabelled"])
    def test_left_out_sites(self, cohort, y, unseen):
        model = make_pipeline(
            Harmonized(Edges(), ComBat(unseen)), StandardScaler(), LogisticRegression(C=0.01)
        )
        splits = leave_one_site_out(cohort, y)
        results = cross_validate(model, cohort, y, splits=splits, progress=False)
        within = [
            roc_auc_score(t["y_true"], t["y_score"]) for _, t in results.predictions.groupby("site")
        ]
        assert np.mean(within) > 0.75
        declared = {"pooled": "inductive", "unlabelled": "transductive"}[unseen]
        assert set(results.predictions["regime"]) == {declared}

    def test_scikit_learn_takes_it_with_a_cohort(self, cohort, y):
        model = make_pipeline(Harmonized(Edges(), ComBat()), LogisticRegression(C=0.1))
        cv = StratifiedKFold(3, shuffle=True, random_state=0)
        assert cross_val_score(model, cohort, y, cv=cv, scoring="roc_auc").mean() > 0.75
