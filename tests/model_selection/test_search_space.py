import math
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from brainograph.model_selection.search_space import Interval, check_space, propose
from brainograph.preprocessing import Edges

MODEL = make_pipeline(Edges(), LogisticRegression())
MIXED = {
    "logisticregression.C": {"low": 1e-3, "high": 10, "log": True},
    "logisticregression.max_iter": {"low": 50, "high": 60, "int": True},
    "edges__fisher_z": [True, False],
}


def candidates(space, method, scores=None, **options):
    """Drive the proposals with scores that follow from the parameters."""
    proposed = propose(space, method, **{"n_trials": 12, "random_state": 0, **options})
    found, score = [], None
    while True:
        try:
            found.append(proposed.send(score))
        except StopIteration:
            return found
        score = -abs(math.log(found[-1]["logisticregression__C"]))


def test_dots_and_underscores_name_the_same_parameter():
    dotted = check_space(MODEL, {"logisticregression.C": [1]})
    assert dotted == check_space(MODEL, {"logisticregression__C": [1]})
    assert dotted == {"logisticregression__C": [1]}


def test_a_grid_has_every_combination_in_order():
    space = check_space(MODEL, {"logisticregression.C": [1, 2], "edges.fisher_z": [True, False]})
    assert [tuple(c.values()) for c in propose(space, "grid", n_trials=0, random_state=0)] == [
        (1, True), (1, False), (2, True), (2, False),
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["random", "optuna"])
def test_draws_stay_in_their_intervals(method):
    if method == "optuna":
        pytest.importorskip("optuna")
    found = candidates(check_space(MODEL, MIXED), method, n_trials=40)
    assert len(found) == 40
    assert all(1e-3 <= c["logisticregression__C"] <= 10 for c in found)
    whole = [c["logisticregression__max_iter"] for c in found]
    assert all(type(n) is int and 50 <= n <= 60 for n in whole)
    assert {c["edges__fisher_z"] for c in found} == {True, False}


@pytest.mark.parametrize("method", ["random", "optuna"])
def test_the_same_seed_and_scores_give_the_same_candidates(method):
    if method == "optuna":
        pytest.importorskip("optuna")
    space = check_space(MODEL, MIXED)
    assert candidates(space, method) == candidates(space, method)
    assert candidates(space, method) != candidates(space, method, random_state=1)
    assert candidates(space, method, n_trials=5) == candidates(space, method)[:5]


def test_optuna_learns_from_the_scores():
    pytest.importorskip("optuna")
    space = check_space(MODEL, {"logisticregression.C": {"low": 1e-6, "high": 1e6, "log": True}})
    misfit = {
        method: np.median(
            [
                abs(math.log(c["logisticregression__C"]))
                for seed in range(3)
                for c in candidates(space, method, n_trials=40, random_state=seed)[20:]
            ]
        )
        for method in ("random", "optuna")
    }
    assert misfit["optuna"] < 0.4 * misfit["random"]


def test_logarithms_are_spread_evenly(rng):
    drawn = [Interval(1e-4, 1.0, log=True).draw(rng) for _ in range(2000)]
    assert np.mean(np.array(drawn) < 1e-2) == pytest.approx(0.5, abs=0.04)
    ends = [Interval(1, 3, int=True).draw(rng) for _ in range(3000)]
    assert np.bincount(ends)[1:] == pytest.approx([1000] * 3, abs=120)


def test_every_mistake_is_named_at_once():
    wrong = {
        "logisticregression.CC": [1],
        "C": [1],
        "logisticregression.tol": ["1e-3"],
        "logisticregression.C": {"low": 1, "high": 0.1},
        "logisticregression.l1_ratio": {"low": 0, "high": 1, "log": True},
        "logisticregression.max_iter": {"low": 1.5, "high": 3, "int": True},
        "logisticregression.verbose": {"from": 1, "to": 3},
        "logisticregression.solver": "saga",
        "logisticregression.penalty": [],
    }
    with pytest.raises(ValueError, match="unknown parameter") as caught:
        check_space(MODEL, wrong)
    lines = str(caught.value).splitlines()
    for line, said in zip(
        lines,
        [
            "did you mean logisticregression__C?",
            "did you mean logisticregression__C?",
            "YAML reads 1e-3 as text: write 1.0e-3",
            "low must be less than high, got 1 and 0.1",
            "log needs low > 0, got 0.0",
            "int needs whole numbers, got 1.5 and 3.0",
            "an interval has low, high and may have log, int; got ['from', 'to']",
            "must be a list of values or {low: ., high: .}, got 'saga'",
            "has no values",
        ],
        strict=True,
    ):
        assert said in line


def test_a_grid_takes_no_interval():
    with pytest.raises(ValueError, match="a grid takes a list of values"):
        check_space(MODEL, {"edges.fisher_z": [True], **MIXED}, method="grid")
    with pytest.raises(ValueError, match=r"must be one of .*got 'bayes'"):
        check_space(MODEL, MIXED, method="bayes")
    with pytest.raises(ValueError, match="space must name parameters"):
        check_space(MODEL, {})


def test_without_optuna_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install brainograph\[hpo\]"):
        candidates(check_space(MODEL, MIXED), "optuna")
