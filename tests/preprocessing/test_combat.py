import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline

from brainograph.preprocessing import ComBat


def planted(n_subjects=240, n_features=60, n_sites=4, *, seed=0, diagnosis=0.0):
    """Return features with site shifts and scales, an age effect and a diagnosis effect."""
    rng = np.random.default_rng(seed)
    code = rng.permutation(np.arange(n_subjects) % n_sites)
    y = rng.integers(2, size=n_subjects)
    table = pd.DataFrame(
        {"age": rng.uniform(6, 40, n_subjects), "sex": rng.choice(["female", "male"], n_subjects)}
    )
    x = rng.standard_normal((n_subjects, n_features))
    x[:, :10] += diagnosis * (y[:, None] - 0.5)
    x += 0.05 * table["age"].to_numpy()[:, None]
    x *= rng.uniform(0.6, 1.6, (n_sites, n_features))[code]
    x += rng.normal(0, 1.0, (n_sites, n_features))[code]
    return x, np.array([f"site{c}" for c in code]), table, y


def neurocombat(x, sites, table, **settings):
    neuro = pytest.importorskip("neuroCombat")
    known = pd.DataFrame(table).assign(site=sites)
    words = [c for c in table if not pd.api.types.is_numeric_dtype(table[c])]
    numbers = [c for c in table if c not in words]
    result = neuro.neuroCombat(
        x.T.copy(), known, "site", categorical_cols=words, continuous_cols=numbers, **settings
    )
    return result["data"].T


class TestEqualToNeuroCombat:
    @pytest.mark.parametrize("columns", [[], ["age"], ["sex"], ["age", "sex"]])
    @pytest.mark.parametrize(
        "settings", [{}, {"mean_only": True}, {"parametric": False}], ids=["eb", "mean", "np"]
    )
    def test_covariates_and_variants(self, columns, settings, capsys):
        x, sites, table, _ = planted()
        covariates = table[columns] if columns else None
        ours = ComBat(**settings).fit_transform(x, sites=sites, covariates=covariates)
        assert np.abs(ours - neurocombat(x, sites, table[columns], **settings)).max() < 1e-6

    def test_sites_of_unlike_size(self, capsys):
        x, _, table, _ = planted()
        sites = np.repeat(["a", "b", "c", "d"], [150, 80, 8, 2])
        ours = ComBat().fit_transform(x, sites=sites, covariates=table)
        assert np.abs(ours - neurocombat(x, sites, table)).max() < 1e-6

    def test_a_feature_without_variance_at_one_site(self, capsys):
        """There the reference depends on rounding; everywhere else it is met."""
        x, sites, table, _ = planted()
        x[sites == "site1", 5] = 0.0
        combat = ComBat().fit(x, sites=sites)
        ours = combat.transform(x, sites=sites)
        others = sites != "site1"
        assert np.abs(ours - neurocombat(x, sites, table[[]]))[others].max() < 1e-6
        assert np.ptp(ours[~others, 5]) == 0
        assert abs(ours[~others, 5].mean() - combat.grand_mean_[5]) < 0.2

    def test_a_site_of_a_single_participant_which_it_answers_with_nothing(self, capsys):
        x, sites, table, _ = planted()
        sites[7] = "alone"
        ours = ComBat().fit_transform(x, sites=sites, covariates=table)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert np.isnan(neurocombat(x, sites, table)).all()
        assert np.isfinite(ours).all()
        rest = np.arange(len(x)) != 7
        without = ComBat().fit_transform(x[rest], sites=sites[rest], covariates=table[rest])
        assert np.abs(ours[rest] - without).max() < 0.05


class TestWhatItDoes:
    def test_the_site_goes_and_covariates_and_diagnosis_stay(self):
        x, sites, table, y = planted(n_subjects=800, diagnosis=1.0)
        after = ComBat().fit_transform(x, sites=sites, covariates=table)
        residual = [v - np.outer(table["age"], np.full(60, 0.05)) for v in (x, after)]
        gaps, ratios = [], []
        for values in residual:
            by_site = pd.DataFrame(values).groupby(sites)
            gaps.append(np.ptp(by_site.mean().to_numpy(), axis=0).mean())
            ratios.append((by_site.std().max() / by_site.std().min()).mean())
        assert gaps[0] > 1.5
        assert gaps[1] < 0.15
        assert ratios[0] > 1.5
        assert ratios[1] < 1.15
        effect = after[y == 1].mean(axis=0) - after[y == 0].mean(axis=0)
        assert effect[:10].min() > 0.6
        assert np.abs(effect[10:]).mean() < 0.15
        slope = np.polyfit(table["age"], after, 1)[0]
        assert np.abs(slope - 0.05).max() < 0.03

    def test_covariates_are_kept_where_sites_differ_in_them(self):
        """Without the covariate the age effect goes with the site."""
        x, sites, table, _ = planted(n_subjects=600, n_sites=2)
        table["age"] += 15.0 * (sites == "site1")
        x = np.random.default_rng(1).standard_normal(x.shape) + 0.1 * table[["age"]].to_numpy()
        kept = ComBat().fit_transform(x, sites=sites, covariates=table[["age"]])
        lost = ComBat().fit_transform(x, sites=sites)
        gap = [v[sites == "site1"].mean() - v[sites == "site0"].mean() for v in (kept, lost)]
        assert gap[0] == pytest.approx(1.5, abs=0.2)
        assert gap[1] == pytest.approx(0.0, abs=0.05)

    def test_new_rows_of_known_sites_are_treated_as_those_of_the_fit(self):
        x, sites, table, _ = planted()
        combat = ComBat().fit(x, sites=sites, covariates=table)
        together = combat.transform(x, sites=sites, covariates=table)
        alone = combat.transform(x[3:4], sites=sites[3:4], covariates=table[3:4])
        assert np.allclose(alone, together[3])

    def test_labels_change_no_bit(self):
        x, sites, table, y = planted(diagnosis=1.0)
        results = [
            ComBat().fit_transform(x, labels, sites=sites, covariates=table)
            for labels in (y, 1 - y, None)
        ]
        assert np.array_equal(results[0], results[1])
        assert np.array_equal(results[0], results[2])

    def test_permuted_sites_are_left_nearly_as_they_are(self):
        """Where sites mean nothing, little is taken away."""
        x = np.random.default_rng(0).standard_normal((400, 50))
        sites = np.repeat(list("abcd"), 100)
        after = ComBat().fit_transform(x, sites=np.random.default_rng(1).permutation(sites))
        assert np.abs(after - x).mean() < 0.08

    def test_precision_names_and_clone(self):
        x, sites, _, _ = planted()
        frame = pd.DataFrame(x.astype(np.float32)).add_prefix("edge")
        combat = clone(ComBat("unlabelled", mean_only=True)).fit(frame, sites=sites)
        assert combat.transform(frame, sites=sites).dtype == np.float32
        assert combat.get_feature_names_out()[:2].tolist() == ["edge0", "edge1"]

    def test_a_missing_site_takes_no_part_and_is_left_as_it_is(self):
        x, sites, table, _ = planted()
        some = sites.astype(object)
        some[:5] = None
        x[:5] += 100.0
        after = ComBat().fit_transform(x, sites=some, covariates=table)
        without = ComBat().fit_transform(x[5:], sites=sites[5:], covariates=table[5:])
        assert np.allclose(after[:5], x[:5])
        assert np.allclose(after[5:], without, atol=1e-3)  # the mean age is of all rows

    def test_features_that_do_not_vary(self):
        """A constant stays; what tells the site alone tells nothing afterwards."""
        x, sites, _, _ = planted()
        x[:, 0], x[:, 1] = 7.0, (sites == "site1").astype(float)
        after = ComBat().fit_transform(x, sites=sites)
        assert np.allclose(after[:, 0], 7.0)
        assert np.ptp(after[:, 1]) < 1e-12
        rest = ComBat().fit_transform(x[:, 2:], sites=sites)
        assert np.allclose(after[:, 2:], rest)


class TestUnseenSites:
    @pytest.fixture
    def left_out(self):
        """Return a fit without the last site, and that site."""
        x, sites, table, y = planted(n_subjects=800, n_sites=8, diagnosis=1.0)
        new = sites == "site7"
        return x, sites, table, y, new

    @staticmethod
    def distance(x, sites, new):
        gap = x[new].mean(axis=0) - x[~new].mean(axis=0)
        return np.abs(gap).mean()

    def test_pooled_leaves_it_as_it_is(self, left_out):
        x, sites, table, _, new = left_out
        combat = ComBat().fit(x[~new], sites=sites[~new], covariates=table[~new])
        assert not combat.transductive
        after = combat.transform(x[new], sites=sites[new], covariates=table[new])
        assert np.allclose(after, x[new])

    def test_unlabelled_takes_it_away_and_keeps_the_diagnosis(self, left_out):
        x, sites, table, y, new = left_out
        combat = ComBat("unlabelled").fit(x[~new], sites=sites[~new], covariates=table[~new])
        assert combat.transductive
        after = combat.transform(x, sites=sites, covariates=table)
        assert self.distance(x, sites, new) > 0.6
        assert self.distance(after, sites, new) < 0.1
        scale = after[new].std(axis=0) / after[~new].std(axis=0)
        assert np.abs(scale - 1).mean() < 0.1
        effect = after[new & (y == 1)].mean(axis=0) - after[new & (y == 0)].mean(axis=0)
        assert effect[:10].mean() > 0.7
        assert abs(effect[10:].mean()) < 0.2

    def test_few_rows_are_believed_little(self, left_out):
        """What is taken away is the shift of the rows times t / (t + 1 / n), by hand."""
        x, sites, _, _, new = left_out
        combat = ComBat("unlabelled", mean_only=True).fit(x[~new], sites=sites[~new])
        rows = np.flatnonzero(new)
        for n in (1, 4, 100):
            some = x[rows[:n]]
            taken = some - combat.transform(some, sites=sites[rows[:n]])
            t = combat.prior_.variance
            expected = (some.mean(axis=0) - combat.grand_mean_) * t / (t + 1 / n)
            assert np.allclose(taken, expected)
        assert 0.3 < t < 3  # planted: 1, in units of the residual deviation

    def test_one_row_where_sites_hardly_differ_stays_as_it_is(self):
        rng = np.random.default_rng(0)
        x, sites = rng.standard_normal((400, 50)), np.repeat(list("abcd"), 100)
        combat = ComBat("unlabelled").fit(x, sites=sites)
        new = rng.standard_normal((1, 50)) + 3.0
        assert np.allclose(combat.transform(new, sites=["e"]), new, atol=0.4)

    def test_a_site_of_one_in_the_fit_is_treated_as_an_unseen_one(self):
        x, sites, _, _ = planted()
        sites[0] = "alone"
        fitted = ComBat("unlabelled").fit(x, sites=sites)
        row = fitted.sites_.index("alone")
        as_unseen = fitted.transform(x[:1], sites=["nowhere"])
        assert np.allclose(fitted.transform(x[:1], sites=["alone"]), as_unseen)
        assert (np.abs(fitted.gamma_[row]) < np.abs(x[0] - fitted.grand_mean_)).mean() > 0.5

    def test_controls_estimate_and_patients_do_not(self, left_out):
        x, sites, table, y, new = left_out
        combat = ComBat("controls").fit(x[~new], sites=sites[~new], covariates=table[~new])
        assert combat.transductive
        healthy = (y == 0)[new]
        results = []
        for shift in (0.0, 50.0):
            moved = x[new] + shift * ~healthy[:, None]
            with pytest.warns(UserWarning, match=f"{healthy.sum()} participants calibrate site"):
                results.append(
                    combat.transform(
                        moved, sites=sites[new], covariates=table[new], controls=healthy
                    )
                )
        assert np.array_equal(results[0][healthy], results[1][healthy])
        centre = x[~new].mean(axis=0) - 0.5 * (np.arange(60) < 10)
        assert np.abs(results[0][healthy].mean(axis=0) - centre).mean() < 0.25

    def test_controls_are_needed(self, left_out):
        x, sites, _, _, new = left_out
        combat = ComBat("controls").fit(x[~new], sites=sites[~new])
        combat.transform(x[~new], sites=sites[~new])  # known sites need none
        for nobody in (None, np.zeros(new.sum(), dtype=bool)):
            with pytest.raises(ValueError, match="site 'site7' was not in the fit and none of its"):
                combat.transform(x[new], sites=sites[new], controls=nobody)
        with pytest.raises(ValueError, match="controls must be 100 booleans, got int64"):
            combat.transform(x[new], sites=sites[new], controls=np.ones(new.sum(), dtype=int))

    def test_mean_only_leaves_the_scale(self, left_out):
        x, sites, _, _, new = left_out
        combat = ComBat("unlabelled", mean_only=True).fit(x[~new], sites=sites[~new])
        after = combat.transform(x[new], sites=sites[new])
        assert np.allclose(after.std(axis=0), x[new].std(axis=0))


class TestMistakes:
    def test_one_site(self):
        with pytest.raises(ValueError, match=r"sites holds \['a'\]: ComBat compares sites"):
            ComBat().fit(np.eye(3), sites=["a", "a", "a"])

    def test_sites_of_one_tell_nothing(self):
        with pytest.raises(ValueError, match="0 of 3 features vary within sites"):
            ComBat().fit(np.eye(3), sites=["a", "b", "c"])

    def test_one_feature(self):
        with pytest.raises(ValueError, match=r"1 of 1 features vary .* SiteCentering\(\)"):
            ComBat().fit(np.arange(4.0)[:, None], sites=list("aabb"))

    def test_missing_values(self):
        x, sites, _, _ = planted()
        x[3, :2] = np.nan
        with pytest.raises(ValueError, match="2 features of 1 participants are missing"):
            ComBat().fit(x, sites=sites)

    def test_unseen(self):
        with pytest.raises(ValueError, match=r"unseen must be one of .* got 'best'"):
            ComBat("best").fit(np.eye(4), sites=list("aabb"))

    def test_a_covariate_that_is_the_site(self):
        x, sites, table, _ = planted()
        table["manufacturer"] = np.where(sites == "site0", "S", "G")
        with pytest.raises(ValueError, match=r"\['manufacturer=S'\] have one value at each site"):
            ComBat().fit(x, sites=sites, covariates=table)

    def test_a_constant_covariate_does_nothing(self):
        x, sites, table, _ = planted()
        after = ComBat().fit_transform(x, sites=sites, covariates=table.assign(year=2020))
        assert np.allclose(after, ComBat().fit_transform(x, sites=sites, covariates=table))

    def test_covariates_at_fit_alone(self):
        x, sites, table, _ = planted()
        with pytest.raises(ValueError, match="covariates were given to fit"):
            ComBat().fit(x, sites=sites, covariates=table).transform(x, sites=sites)
        with pytest.raises(ValueError, match="covariates were not given to fit"):
            ComBat().fit(x, sites=sites).transform(x, sites=sites, covariates=table)
        with pytest.raises(ValueError, match="covariates has 239 rows for 240 participants"):
            ComBat().fit(x, sites=sites, covariates=table[:-1])

    def test_the_diagnosis_as_a_covariate(self):
        x, sites, table, y = planted()
        with pytest.raises(ValueError, match="'diagnosis' looks like the diagnosis itself"):
            ComBat().fit(x, sites=sites, covariates=table.assign(diagnosis=y))


class TestMetadataRouting:
    @pytest.fixture(autouse=True)
    def _routing(self):
        with sklearn.config_context(enable_metadata_routing=True):
            yield

    @staticmethod
    def pipeline(unseen):
        combat = ComBat(unseen).set_fit_request(sites=True, covariates=True)
        return make_pipeline(
            combat.set_transform_request(
                sites=True, covariates=True, controls=unseen == "controls"
            ),
            LogisticRegression(C=0.1),
        )

    @pytest.mark.parametrize("unseen", ["pooled", "unlabelled"])
    def test_a_pipeline_in_scikit_learns_cross_validation(self, unseen):
        """By the pipeline's own score; named scorers take no metadata for ``transform``."""
        x, sites, table, y = planted(n_subjects=400, diagnosis=1.0)
        cv = GroupKFold(4).set_split_request(groups="sites")
        scores = cross_validate(
            self.pipeline(unseen), x, y, cv=cv, error_score="raise",
            params={"sites": sites, "covariates": table},
        )["test_score"]  # fmt: skip
        assert scores.mean() > 0.65

    def test_it_does_what_the_transformer_does(self):
        x, sites, table, y = planted(diagnosis=1.0)
        pipeline = self.pipeline("pooled").fit(x, y, sites=sites, covariates=table)
        harmonised = ComBat().fit_transform(x, sites=sites, covariates=table)
        expected = LogisticRegression(C=0.1).fit(harmonised, y).predict_proba(harmonised)
        got = pipeline.predict_proba(x, sites=sites, covariates=table)
        assert np.array_equal(got, expected)

    def test_controls_are_routed(self):
        x, sites, table, y = planted(diagnosis=1.0)
        new = sites == "site3"
        pipeline = self.pipeline("controls")
        pipeline.fit(x[~new], y[~new], sites=sites[~new], covariates=table[~new])
        with pytest.warns(UserWarning, match="calibrate site 'site3'"):
            pipeline.predict(x[new], sites=sites[new], covariates=table[new], controls=y[new] == 0)


def test_labels_of_noise_stay_at_chance_when_sites_differ_in_prevalence():
    """Harmonised noise tells the diagnosis no better than chance, even with the site confounded."""
    x, sites, _, _ = planted(n_subjects=400)
    rng = np.random.default_rng(5)
    y = (rng.random(400) < np.where(np.isin(sites, ["site0", "site1"]), 0.8, 0.2)).astype(int)
    train = np.arange(400) % 2 == 0
    scores = {}
    for name, harmonised in (
        ("raw", x),
        ("combat", ComBat().fit(x[train], sites=sites[train]).transform(x, sites=sites)),
    ):
        model = LogisticRegression(C=0.01).fit(harmonised[train], y[train])
        scores[name] = roc_auc_score(y[~train], model.decision_function(harmonised[~train]))
    assert scores["raw"] > 0.7
    assert abs(scores["combat"] - 0.5) < 0.12
