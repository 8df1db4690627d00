from typing import Any

import numpy as np
import pandas as pd
import pytest

from brainograph.cohort import Cohort
from brainograph.cohort_merge import merge
from brainograph.config import ConfigError, Experiment
from brainograph.config.build import check_cohort, make_labels, make_splits
from brainograph.config.models import make_features, make_model, make_models
from brainograph.datasets import simulate_cohort
from brainograph.model_selection import SearchCV
from brainograph.preprocessing import Edges


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=40, n_regions=8, random_state=0)


def make(**sections: Any) -> Experiment:
    return Experiment.model_validate({"title": "t", "cohort": "c", **sections})


def with_column(cohort, values, name="group"):
    column = pd.Series(np.resize(np.array(values, dtype=object), len(cohort))).infer_objects()
    table = cohort.phenotype.assign(**{name: column.to_numpy()})
    return cohort.assign(phenotype=table)


@pytest.mark.parametrize(
    ("values", "positive", "negative", "expected"),
    [
        ([1, 2, 3, 1], 1, 2, [1, 0, -1, 1]),
        ([1.0, 0.0, np.nan, 2.0], 1, 0, [1, 0, -1, -1]),
        (["AD", "CN", "MCI", None], "AD", "CN", [1, 0, -1, -1]),
        (["AD", "CN", "MCI", None], "MCI", "AD", [0, -1, 1, -1]),
        ([True, False, True, False], 1, 0, [1, 0, 1, 0]),
        (["1", "2", "1", "2"], 1, 2, [1, 0, 1, 0]),
    ],
)
def test_labels_of_numbers_and_of_words(cohort, values, positive, negative, expected):
    target = {"column": "group", "positive": positive, "negative": negative}
    y = make_labels(make(target=target), with_column(cohort, values))
    assert y[:4].tolist() == expected
    assert y.dtype.kind == "i"


@pytest.mark.parametrize(
    ("values", "target", "message"),
    [
        (
            ["AD", "CN", "AD"],
            {},
            "needs participants of 1 and of 0, it has 'AD' \\(27\\), 'CN' \\(13\\). Write for "
            "example --set target.positive=AD.",
        ),
        (["yes", "no", "yes"], {"positive": True}, "--set 'target.positive='.*yes"),
        ([1, 1], {}, r"it has 1 \(40\). Write for example --set target.negative=VALUE"),
        ([np.nan], {}, "it has no value. Write for example"),
    ],
)
def test_labels_that_are_not_there_say_what_is(cohort, values, target, message):
    with pytest.raises(ConfigError, match=message):
        make_labels(make(target={"column": "group", **target}), with_column(cohort, values))


def test_a_target_that_is_no_column(cohort):
    with pytest.raises(ConfigError, match=r"no phenotype 'dx'; it has .*--set target.column=NAME"):
        make_labels(make(target={"column": "dx"}), cohort)


@pytest.mark.parametrize(
    ("features", "width"),
    [
        ({}, 28),
        ({"select": "anova", "n_features": 5}, 5),
        ({"select": "ridge_rfe", "n_features": 6, "scale": "none"}, 6),
        ({"blocks": [{"kind": "tangent"}]}, 36),
        ({"blocks": [{"kind": "edges"}, {"kind": "measures", "names": ["thickness"]}]}, 36),
        ({"blocks": [{"kind": "measures"}, {"kind": "phenotypes", "columns": ["mean_fd"]}]}, 10),
    ],
)
def test_features_side_by_side(cohort, features, width):
    y = cohort.phenotype["diagnosis"].to_numpy()
    values = make_features(make(features=features).features).fit(cohort, y).transform(cohort)
    assert values.shape == (40, width)
    assert np.isfinite(values).all()


def test_scale_and_weight(cohort):
    blocks = [{"kind": "edges", "weight": 2.0}]
    scaled = make_features(make(features={"blocks": blocks}).features).fit_transform(cohort)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=0), 2, rtol=1e-4)
    raw = make_features(make(features={"blocks": blocks, "scale": "none"}).features)
    np.testing.assert_allclose(raw.fit_transform(cohort), 2 * Edges().fit_transform(cohort))


def test_the_model_has_the_settings_of_the_file():
    model = make_model(make(model={"conv": "gcn", "n_neighbors": 7, "continuous": {"age": 3}}))
    assert (model.conv, model.n_neighbors, model.continuous) == ("gcn", 7, {"age": 3})


def test_controls_by_name_in_the_order_given(cohort):
    everything = make_models(make(), cohort)
    assert next(iter(everything)) == "population_graph"
    assert {"majority", "motion", "phenotype", "no_edges"} < set(everything)
    chosen = make_models(make(controls=["motion", "majority"]), cohort)
    assert list(chosen) == ["population_graph", "motion", "majority"]
    with pytest.raises(ConfigError, match=r"\['svm'\] cannot be made .*'edges_logistic'"):
        make_models(make(controls=["svm", "majority"]), cohort)
    without = cohort.assign(phenotype=cohort.phenotype.drop(columns="mean_fd"))
    with pytest.raises(ConfigError, match=r"controls: \['motion'\] cannot be made"):
        make_models(make(controls=["motion"]), without)


def test_only_a_missing_control_that_is_wanted_is_said(cohort, recwarn):
    without = cohort.assign(phenotype=cohort.phenotype.drop(columns="mean_fd"))
    assert list(make_models(make(controls=["majority"]), without)) == [
        "population_graph",
        "majority",
    ]
    assert not recwarn.list
    with pytest.warns(UserWarning, match="No control motion: the cohort has no mean_fd"):
        make_models(make(), without)


def test_the_phenotype_control_knows_what_joins_participants(cohort):
    model = {"categorical": ["sex"], "continuous": {"mean_fd": 0.1}}
    control = make_models(make(model=model), cohort)["phenotype"]
    assert control[0].columns == ["site", "age", "sex", "mean_fd"]


def test_the_linear_control_sees_the_matrices_of_the_model(cohort):
    named = cohort.assign(connectivity={"partial": cohort.connectivity["fc"] / 2})
    blocks = [{"kind": "edges", "connectivity": "partial"}]
    control = make_models(make(features={"blocks": blocks}), named)["edges_logistic"]
    assert control[0].connectivity == "partial"


def test_splits_of_both_schemes_and_from_a_file(cohort, tmp_path):
    y = cohort.phenotype["diagnosis"].to_numpy()
    folds = make_splits(make(cross_validation={"n_splits": 4, "n_repeats": 2}), cohort, y)
    assert len(folds) == 8
    sites = make_splits(make(cross_validation={"scheme": "leave_one_site_out"}), cohort, y)
    assert len(sites) == cohort.phenotype["site"].nunique()
    folds.save(tmp_path / "splits.json")
    again = make_splits(make(cross_validation={"splits": tmp_path / "splits.json"}), cohort, y)
    assert again == folds


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"cross_validation.by: the cohort has no phenotype site; it has age, d"),
        ({"scheme": "leave_one_site_out"}, "cross_validation.scheme: the cohort has no phenotype"),
        ({"by": [], "group": "family"}, "cross_validation.group: .* no phenotype family"),
    ],
)
def test_folds_by_columns_that_are_not_there(cohort, settings, message):
    bare = cohort.assign(phenotype=cohort.phenotype[["age", "diagnosis"]])
    y = cohort.phenotype["diagnosis"].to_numpy()
    with pytest.raises(ConfigError, match=message):
        make_splits(make(cross_validation=settings), bare, y)


class TestCheckCohort:
    def test_what_fits_passes(self, cohort):
        check_cohort(make(), cohort)

    def test_everything_that_the_cohort_lacks_is_listed(self, cohort):
        experiment = make(
            model={"categorical": ["sex", "scanner"], "continuous": {"FIQ": 5}},
            features={
                "blocks": [
                    {"kind": "edges", "connectivity": "sc"},
                    {"kind": "phenotypes", "columns": ["handedness"]},
                ]
            },
        )
        with pytest.raises(ConfigError) as caught:
            check_cohort(experiment, cohort)
        text = str(caught.value)
        assert "model.categorical: the cohort has no phenotype scanner; it has site, age" in text
        assert "model.continuous: the cohort has no phenotype FIQ" in text
        assert "features.blocks.0.connectivity: no 'sc', the cohort has fc. Build it with" in text
        assert "features.blocks.1.columns: the cohort has no phenotype handedness" in text

    @pytest.mark.parametrize(
        ("block", "message"),
        [
            ({"kind": "tangent"}, ".1.kind: tangent is computed from series, .*`kind: edges`"),
            ({"kind": "measures"}, r".1.names: no measures.* has no measures.* cohort\.assign\("),
            ({"kind": "measures", "names": ["volume"]}, ".1.names: no 'volume', the cohort has no"),
        ],
    )
    def test_blocks_without_their_data(self, cohort, block, message):
        experiment = make(features={"blocks": [{"kind": "edges"}, block]})
        bare = Cohort(cohort.phenotype, cohort.regions, connectivity=cohort.connectivity)
        with pytest.raises(ConfigError, match=f"features.blocks{message}"):
            check_cohort(experiment, bare)

    def test_one_measure_of_two(self, cohort):
        blocks = [{"kind": "measures", "names": ["thickness", "volume"]}]
        message = r"blocks\.0\.names: no 'volume', the cohort has thickness\. Add them"
        with pytest.raises(ConfigError, match=message):
            check_cohort(make(features={"blocks": blocks}), cohort)
        check_cohort(make(features={"blocks": [{"kind": "tangent"}, {"kind": "measures"}]}), cohort)

    @pytest.mark.parametrize(
        ("column", "message"),
        [
            ("scanner", "features.blocks.0.harmonize.site: the cohort has no phenotype scanner"),
            ("diagnosis", "features.blocks.0.harmonize.site: 'diagnosis' is what is predicted"),
        ],
    )
    def test_what_features_are_centred_by(self, cohort, column, message):
        experiment = make(
            features={
                "blocks": [{"kind": "edges", "harmonize": {"method": "center", "site": column}}]
            }
        )
        with pytest.raises(ConfigError, match=message):
            check_cohort(experiment, cohort)

    def test_phenotypes_that_make_no_edge_are_not_needed(self, cohort):
        check_cohort(make(model={"combine": "none", "categorical": ["scanner"]}), cohort)

    @pytest.mark.parametrize("column", ["ados_total", "ADI_R_SOCIAL", "SRS", "MMSE", "CDR", "dx"])
    def test_the_diagnosis_in_disguise_makes_no_edge_and_no_feature(self, cohort, column):
        known = with_column(cohort, [1.0, 2.0], name=column)
        for sections in (
            {"model": {"categorical": ["sex", column]}},
            {"model": {"continuous": {column: 1.0}}},
            {"features": {"blocks": [{"kind": "phenotypes", "columns": [column]}]}},
        ):
            with pytest.raises(ConfigError, match=f"{column}.*looks like.*tells the diagnosis"):
                check_cohort(make(**sections), known)
        check_cohort(make(model={"categorical": [column], "allow_diagnostic": True}), known)

    def test_the_target_makes_no_edge_even_under_an_innocent_name(self, cohort):
        target = {"column": "sex", "positive": "female", "negative": "male"}
        with pytest.raises(ConfigError, match=r"model: 'sex' is what is predicted\. Leave"):
            check_cohort(make(target=target), cohort)
        check_cohort(make(target=target, model={"categorical": ["site"]}), cohort)

    def test_the_target_is_in_no_control(self, cohort):
        target = {"column": "sex", "positive": "female", "negative": "male"}
        models = make_models(make(target=target, model={"categorical": ["site"]}), cohort)
        assert models["phenotype"][0].columns == ["site", "age"]


def test_labels_of_several_classes_and_of_a_number(cohort):
    several = with_column(cohort, ["AD", "CN", "MCI", None])
    target = {"column": "group", "classes": ["CN", "MCI", "AD"]}
    assert make_labels(make(target=target), several)[:4].tolist() == [2, 0, 1, -1]
    with pytest.raises(ConfigError, match=r"nobody has \['FTD'\] in 'group', which holds 'AD'"):
        make_labels(make(target=target | {"classes": ["CN", "AD", "FTD"]}), several)
    ages = with_column(cohort, [20.5, np.nan, 31.0])
    target = {"column": "group", "number": True}
    np.testing.assert_array_equal(make_labels(make(target=target), ages)[:3], [20.5, np.nan, 31])
    with pytest.raises(ConfigError, match="holds no two different numbers"):
        make_labels(make(target=target), several)


def test_a_linear_model_of_each_kind(cohort):
    y = cohort.phenotype["diagnosis"].to_numpy()
    for classifier in ("logistic", "ridge", "svm"):
        model = make_model(make(model={"kind": "linear", "classifier": classifier, "C": 0.01}))
        assert model.fit(cohort, y).predict(cohort).shape == (40,)
    number = make(model={"kind": "linear"}, target={"column": "age", "number": True})
    assert make_model(number).fit(cohort, y.astype(float)).predict(cohort).dtype.kind == "f"
    with pytest.raises(ConfigError, match="a population graph predicts classes"):
        make_model(make(target={"column": "age", "number": True}))


def test_a_block_of_another_parcellation(cohort):
    block = {"kind": "edges", "parcellation": "cc200"}
    experiment = make(features={"blocks": [block]})
    with pytest.raises(ConfigError, match=r"no 'cc200', the cohort has none.*brainograph merge"):
        check_cohort(experiment, cohort)
    both = merge({"ho": cohort, "cc200": simulate_cohort(n_subjects=40, n_regions=6)})
    check_cohort(experiment, both)
    assert make_features(experiment.features).fit_transform(both).shape == (40, 15)


def test_a_search_is_nested_and_its_controls_too(cohort):
    experiment = make(
        model={"n_members": 1, "max_epochs": 2},
        search={"space": {"skip_weight_decay": [0.001, 0.1]}, "inner_splits": 2},
    )
    models = make_models(experiment, cohort, memory="kept")
    for name in ("population_graph", "no_edges"):
        assert isinstance(models[name], SearchCV)
        assert models[name].cv == 2
    journals = {models[n].journal for n in ("population_graph", "no_edges", "rewired_edges")}
    assert len(journals) == 3
    wrong = make(search={"space": {"skip_weight_decy": [0.001, 0.1]}})
    with pytest.raises(ConfigError, match=r"search\.space: .*skip_weight_decay"):
        make_model(wrong)


def test_blocks_are_harmonised(cohort):
    y = cohort.phenotype["diagnosis"].to_numpy()
    for method in ("center", "combat", "mida"):
        settings = {"method": method, "covariates": ["age"] if method == "combat" else []}
        block = {"kind": "edges", "harmonize": settings}
        features = make_features(make(features={"blocks": [block], "scale": "block"}).features)
        assert np.isfinite(features.fit(cohort, y).transform(cohort)).all()
    transductive = make(
        features={"blocks": [{"kind": "edges", "harmonize": {"method": "mida"}}], "scale": "block"},
        model={"kind": "linear", "classifier": "ridge", "transductive": True},
    )
    partly = np.where(np.arange(40) < 10, -1, y)
    assert make_model(transductive).fit(cohort, partly).predict_proba(cohort).shape == (40, 2)


def test_a_subject_network_by_its_name(cohort):
    y = cohort.phenotype["diagnosis"].to_numpy()
    model = {"kind": "subject_graph", "network": "MeanMLP", "training": {"max_epochs": 1}}
    fitted = make_model(make(model=model | {"device": "cpu"})).fit(cohort, y)
    assert fitted.predict_proba(cohort).shape == (40, 2)
