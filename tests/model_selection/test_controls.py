import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from brainograph.cohort import Cohort
from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationGraphClassifier
from brainograph.model_selection import cross_validate, default_controls, repeated_stratified

EDGES = ["edges_logistic", "edges_ridge", "edges_phenotype", "mlp"]
SERIES = ["tangent_logistic", "tangent_ridge", "mean_mlp"]


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(n_subjects=20, n_regions=6, random_state=0)


def sentences(cohort, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        controls = default_controls(cohort, **options)
    return list(controls), [str(warning.message) for warning in caught]


def test_nothing_is_said_where_nothing_is_missing(cohort):
    made, said = sentences(cohort)
    assert made == ["majority", "phenotype", "site", "motion", *EDGES, *SERIES]
    assert said == []


@pytest.mark.parametrize(
    ("lost", "members", "options", "expected"),
    [
        (
            ["motion"], {"mean_fd": np.nan}, {},
            ["No control motion: the cohort has no mean_fd."],
        ),
        (
            ["phenotype", "edges_phenotype", "site"],
            {"site": None, "age": np.nan, "sex": None}, {},
            [
                "No control phenotype, edges_phenotype: the cohort has no site or age or sex.",
                "No control site: the cohort has no site.",
            ],
        ),
        (["site"], {"site": None}, {}, ["No control site: the cohort has no site."]),
        (
            EDGES, {}, {"connectivity": "sc"},
            [f"No control {', '.join(EDGES)}: the cohort has no connectivity 'sc'."],
        ),
    ],
)  # fmt: skip
def test_missing_controls_are_said_once(cohort, lost, members, options, expected):
    made, said = sentences(cohort.assign(phenotype=cohort.phenotype.assign(**members)), **options)
    everything = ["majority", "phenotype", "site", "motion", *EDGES, *SERIES]
    assert made == [name for name in everything if name not in lost]
    assert said == expected


def test_a_cohort_with_nothing_but_participants(cohort):
    bare = Cohort(pd.DataFrame(index=cohort.phenotype.index), cohort.regions)
    made, said = sentences(bare)
    assert made == ["majority"]
    assert said == [
        "No control phenotype, edges_phenotype: the cohort has no site or age or sex.",
        "No control site: the cohort has no site.",
        "No control motion: the cohort has no mean_fd.",
        "No control edges_logistic, edges_ridge, mlp: the cohort has no connectivity 'fc'.",
        "No control tangent_logistic, tangent_ridge, mean_mlp: the cohort has no series.",
    ]


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        ({"motion": ()}, {"motion"}),
        ({"phenotypes": ()}, {"phenotype", "edges_phenotype", "site"}),
        ({"phenotypes": ("age",)}, {"site"}),
    ],
)
def test_a_control_that_nobody_asked_for_is_not_missed(cohort, options, gone):
    made, said = sentences(cohort, **options)
    assert set(sentences(cohort)[0]) - set(made) == gone
    assert said == []


def test_the_same_network_without_what_it_is_made_of(cohort):
    model = PopulationGraphClassifier(conv="gcn", hidden_channels=7)
    controls = default_controls(cohort, model)
    names = ["no_edges", "rewired_edges", "permuted_features"]
    assert list(controls)[-3:] == names
    changed = [
        {k: v for k, v in controls[name].get_params().items() if v != model.get_params()[k]}
        for name in names
    ]
    alone = {"combine": "none", "categorical": (), "continuous": {}}  # whatever the edges were
    assert changed == [alone, {"shuffle": "edges"}, {"shuffle": "features"}]


@pytest.mark.parametrize("model", [PopulationGraphClassifier(combine="none"), default_controls])
def test_a_model_without_edges_has_no_such_controls(cohort, model):
    if model is default_controls:
        model = default_controls(cohort)["edges_logistic"]
    assert list(default_controls(cohort, model)) == list(default_controls(cohort))


def test_controls_share_no_part(cohort):
    controls = default_controls(cohort)
    steps = [id(step) for name in EDGES for step in controls[name].named_steps.values()]
    assert len(steps) == len(set(steps))


NETWORK = PopulationGraphClassifier(
    conv="gcn", combine="phenotype", categorical=("site",), continuous={},
    max_epochs=100, lr=0.02, dropout=0.0, n_members=1, device="cpu",
)  # fmt: skip
OF_NETWORK = ["no_edges", "rewired_edges", "permuted_features"]
PLANTED = {
    "connectivity": {"effect": 3.0},
    "site": {"effect": 0.0, "prevalence": [0.05, 0.5, 0.95]},
    "motion": {"effect": 0.0, "motion_effect": 2.0},
}
TOLD_BY = {  # the cohort that each control sees through, and one that it must not
    "phenotype": ("site", "connectivity"),
    "site": ("site", "motion"),
    "motion": ("motion", "site"),
    "edges_logistic": ("connectivity", "site"),
    "edges_ridge": ("connectivity", "site"),
    "mlp": ("connectivity", "site"),
    "tangent_logistic": ("connectivity", "site"),
    "tangent_ridge": ("connectivity", "site"),
    "mean_mlp": ("connectivity", "site"),
    "no_edges": ("connectivity", "site"),
    "rewired_edges": ("connectivity", "site"),
    "permuted_features": ("site", "connectivity"),
}


@pytest.fixture(scope="module")
def aucs():
    """Mean AUC over folds of each control that is asked for, by cohort, model and regime."""
    wanted = {name: [m for m, pair in TOLD_BY.items() if name in pair] for name in PLANTED}
    wanted["connectivity"] += ["majority", "edges_phenotype"]
    wanted["site"] += ["edges_phenotype"]
    tables = {}
    for name, effects in PLANTED.items():
        cohort = simulate_cohort(120, n_regions=8, missing=0.0, random_state=2, **effects)
        y = cohort.phenotype["diagnosis"].to_numpy().astype(int)
        controls = default_controls(cohort, NETWORK)
        controls["mean_mlp"].set_params(training__max_epochs=40)
        results = cross_validate(
            {control: controls[control] for control in wanted[name]}, cohort, y,
            splits=repeated_stratified(cohort, y, n_splits=2, by=()),
            regimes=("transductive", "inductive"), progress=False,
        )  # fmt: skip
        tables[name] = results.predictions.groupby(["model", "regime", "fold"])[
            ["y_true", "y_score"]
        ].apply(lambda fold: roc_auc_score(fold["y_true"], fold["y_score"]))
    return pd.concat(tables).groupby(level=[0, 1, 2]).mean()


@pytest.mark.parametrize("control", TOLD_BY)
def test_a_control_sees_what_is_planted_for_it(aucs, control):
    seen, _ = TOLD_BY[control]
    assert (aucs[seen, control] > 0.75).all()


@pytest.mark.parametrize("control", TOLD_BY)
def test_a_control_is_blind_to_what_it_is_not_shown(aucs, control):
    _, hidden = TOLD_BY[control]
    assert (abs(aucs[hidden, control] - 0.5) < 0.15).all()


def test_the_majority_is_chance_and_edges_with_phenotypes_see_either(aucs):
    assert aucs["connectivity", "majority", "inductive"] == 0.5
    assert aucs["connectivity", "edges_phenotype", "inductive"] > 0.75
    assert aucs["site", "edges_phenotype", "inductive"] > 0.75


def test_networks_are_run_in_the_regimes_they_can_be_run_in(aucs):
    regimes = {name: list(aucs["connectivity", name].index) for name in OF_NETWORK}
    both = ["inductive", "transductive"]
    assert regimes == {
        "no_edges": ["inductive"], "rewired_edges": both, "permuted_features": both,
    }  # fmt: skip
