"""What the numbers say, in words that claim no more than they do."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from brainograph.metrics import compare, score
from brainograph.metrics.task import read
from brainograph.report.target import Target, name_target
from brainograph.report.words import METRICS, interval, listed, number, p_value

__all__ = ["Verdict", "describe_model", "judge", "verdicts"]

Outcome = Literal["better", "perhaps better", "no better", "worse", "not comparable"]

_CONTROLS = {
    "majority": "always answers the shares of the classes",
    "mean": "always answers the mean",
    "phenotype": "age, sex and site only, no brain data",
    "motion": "head motion only, no brain data",
    "site": "site only, no brain data",
    "edges_logistic": "logistic regression on the connectivity edges",
    "edges_ridge": "ridge regression on the connectivity edges",
    "tangent_logistic": "logistic regression in tangent space",
    "tangent_ridge": "ridge regression in tangent space",
    "edges_phenotype": "logistic regression on edges and phenotypes",
    "no_edges": "the same network without edges between participants",
    "rewired_edges": "the same network, edges shuffled with every degree kept",
    "permuted_features": "the same network, everybody with the features of somebody else",
    "mlp": "a small multilayer perceptron on the connectivity edges",
    "mean_mlp": "meanMLP on the regional series",
}
_PHRASES: dict[Outcome, str] = {
    "better": "better than {}",
    "no better": "no better than {}",
    "worse": "worse than {}",
    "perhaps better": "perhaps better than {}, where the bootstrap and the test over folds "
    "disagree",
    "not comparable": "not comparable with {}, with too few participants for an interval",
}
_GRAPHS = {
    "no_edges": "The network does as well with every participant alone: that they are joined adds "
    "nothing that can be seen here.",
    "rewired_edges": "It does as well with others joined: who is joined to whom adds nothing that "
    "can be seen here.",
}
_SIGNIFICANT = 0.05
_MOST_NAMES = 4


@dataclass(frozen=True)
class Verdict:
    """The main model in one regime, judged against chance and against each control.

    Parameters
    ----------
    short : str
        Half a dozen words.
    headline : str
        One or two sentences: better than chance, better than which controls.
    certainty : str
        By how much it beats the strongest control, and how sure that is; may be empty.
    good : bool
        Whether it beats chance and every control.
    regime : str
    comparisons : tuple of dict
        For each other model ``model``, ``outcome``, ``difference``, ``low``, ``high``,
        ``p_value``, ``q_value``, ``what`` it is and whether it ``is_control``.
    """

    short: str
    headline: str
    certainty: str
    good: bool
    regime: str
    comparisons: tuple[dict[str, Any], ...]


def describe_model(name: str) -> str:
    """Say what a control is; nothing of a model that is none.

    Examples
    --------
    >>> describe_model("motion"), describe_model("gcn_iq.motion"), describe_model("gcn")
    ('head motion only, no brain data', 'head motion only, no brain data (of gcn_iq)', '')
    """
    of, _, control = name.rpartition(".")
    said = _CONTROLS.get(control, "")
    return f"{said} (of {of})" if said and of else said


def _outcome(row: pd.Series) -> Outcome:
    """Judge one difference by its interval, then by the test over folds."""
    if not np.isfinite(row["low"]):
        return "not comparable"
    if row["high"] < 0:
        return "worse"
    if row["low"] <= 0:
        return "no better"
    return "better" if row["q_value"] < _SIGNIFICANT else "perhaps better"


def _task_words(target: Target) -> tuple[str, str, str]:
    """Return the verb, what the model is asked for, and what chance is."""
    if target.kind == "regression":
        return "predict", target.column, "than always answering the mean"
    if target.kind == "binary":
        return "tell", f"{target.classes[1]} from {target.classes[0]}", "than chance"
    return "tell", f"{listed(target.classes)} apart", "than chance"


def _against_chance(model: str, row: pd.Series, target: Target) -> tuple[str, bool | None]:
    """Say whether the model knows anything, and return it; None where nobody can tell."""
    name, chance = ("R²", 0.0) if target.kind == "regression" else (METRICS[row["metric"]], 0.5)
    verb, what, than = _task_words(target)
    if not np.isfinite(row["value"]):
        return f"{model} has no {name}.", None
    if not np.isfinite(row["low"]):
        return (
            f"{model} reaches {name} {number(row['value'])}; there are too few participants for "
            f"an interval, so that this says little."
        ), None
    said = f"{name} {number(row['value'])}, 95 % interval {interval(row['low'], row['high'])}"
    if row["high"] < chance:
        return f"{model} does worse {than} ({said}): check the labels and the folds.", False
    if row["low"] <= chance:
        return f"{model} does not {verb} {what} better {than} ({said}).", False
    return f"{model} {verb}s {what} better {than} ({said}).", True


def _against(comparisons: list[dict[str, Any]]) -> str:
    """Say which models it beats, or how many if they are many, and which it does not."""
    said = []
    for outcome, phrase in _PHRASES.items():
        models = [str(row["model"]) for row in comparisons if row["outcome"] == outcome]
        if len(models) > _MOST_NAMES and outcome == "better":
            said.append(phrase.format(f"{len(models)} of {len(comparisons)}"))
        elif models:
            said.append(phrase.format(listed(models)))
    return "; ".join(said)


def _against_all(comparisons: list[dict[str, Any]]) -> str:
    """Say how the model does beside its controls, then beside other models."""
    if not comparisons:
        return "No other model was run on these folds, so that the number cannot be judged."
    controls = [row for row in comparisons if row["is_control"]]
    others = [row for row in comparisons if not row["is_control"]]
    said = f"Of the controls, it is {_against(controls)}." if controls else "No control was run."
    return f"{said} Of the other models, it is {_against(others)}." if others else said


def _strongest(controls: list[dict[str, Any]], values: pd.Series, target: Target) -> str | None:
    """Return the control with the best score, of those that can be compared."""
    known = [str(row["model"]) for row in controls if row["outcome"] != "not comparable"]
    ranked = values[values.index.isin(known)].dropna()
    if ranked.empty:
        return None
    return str(ranked.idxmax() if target.task.higher_is_better else ranked.idxmin())


def _certainty(
    controls: list[dict[str, Any]], strongest: str | None, values: pd.Series, target: Target
) -> str:
    """Say by how much the strongest control is beaten, and how sure that is."""
    if strongest is None:
        return ""
    row = next(row for row in controls if row["model"] == strongest)
    metric = METRICS[target.headline]
    q_value = float(row["q_value"])
    low, high, difference = (float(row[name]) for name in ("low", "high", "difference"))
    said = (
        f"The strongest control is {strongest} ({metric} {number(float(values[strongest]))}). The "
        f"model's advantage over it is {number(difference, 3)} (95 % interval "
        f"{interval(low, high, 3)}; q {p_value(q_value, sign=True)})"
    )
    means = {
        "better": "an advantage that other participants and other folds would hardly take away.",
        "perhaps better": "above 0 for these participants, but not sure from fold to fold.",
        "no better": "as far as these participants can tell, the control does as well.",
        "worse": "there is no reason to prefer the model to the control.",
    }
    return f"{said}: {means[str(row['outcome'])]}{_of_graph(controls)}"


def _of_graph(controls: list[dict[str, Any]]) -> str:
    """Say what follows where a network without its graph, or with another one, does as well."""
    said = ""
    for row in controls:
        what = _GRAPHS.get(str(row["model"]))
        if what and row["outcome"] in ("no better", "worse"):
            said += f" {what}"
    return said


def _short(controls: list[dict[str, Any]], strongest: str | None, beats_chance: bool | None) -> str:
    """Return the verdict in half a dozen words."""
    if beats_chance is None:
        return "Too few participants to judge"
    if not beats_chance:
        return "Not better than chance"
    if not controls:
        return "Better than chance; no controls were run"
    beaten = [row["model"] for row in controls if row["outcome"] == "better"]
    if len(beaten) == len(controls):
        return f"Beats {'its control' if len(beaten) == 1 else f'all {len(beaten)} controls'}"
    said = f"Beats {len(beaten) or 'none'} of {len(controls)} controls"
    strong = f", and not the strongest ({strongest})"
    return f"{said}{strong}" if beaten and strongest and strongest not in beaten else said


def verdicts(predictions: pd.DataFrame, main: str) -> list[Verdict]:
    """Say what a predictions table shows of its main model, in each of its regimes.

    Parameters
    ----------
    predictions : DataFrame
        Of :class:`brainograph.model_selection.Results`.
    main : str
        Name of the main model.

    Returns
    -------
    list of Verdict
        As :func:`judge`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = {"participant_id": [f"s{i}" for i in range(40)], "site": "a", "regime": "inductive"}
    >>> rows |= {"repeat": 0, "fold": np.arange(40) % 4, "y_true": np.arange(40) // 20}
    >>> good = pd.DataFrame(rows).assign(model="gcn", y_score=np.linspace(0.1, 0.9, 40))
    >>> poor = pd.DataFrame(rows).assign(model="motion", y_score=rng.uniform(size=40))
    >>> verdicts(pd.concat([good, poor]), "gcn")[0].regime
    'inductive'
    """
    scores = score(predictions)
    whole = scores[scores["class"] == "all"] if "class" in scores else scores
    target = name_target(read(predictions)[0], predictions, {})
    return judge(whole, compare(predictions, main), main=main, target=target)


def judge(
    scores: pd.DataFrame, compared: pd.DataFrame, *, main: str, target: Target
) -> list[Verdict]:
    """Judge the main model in each of its regimes.

    Parameters
    ----------
    scores : DataFrame
        From :func:`brainograph.metrics.score`, of all participants and classes.
    compared : DataFrame
        From :func:`brainograph.metrics.compare`.
    main : str
        Name of the main model.
    target : Target
        What was predicted.

    Returns
    -------
    list of Verdict
        "No better" wherever the interval of the difference holds 0; "better" only where the
        corrected test over folds agrees at a false discovery rate of .05 over the other models.
    """
    of_chance = "r2" if target.kind == "regression" else target.headline
    areas = scores[(scores["model"] == main) & (scores["metric"] == of_chance)]
    judged = []
    for _, area in areas.iterrows():
        rows = compared[compared["regime"] == area["regime"]]
        names = ["model", "difference", "low", "high", "p_value", "q_value"]
        comparisons: list[dict[str, Any]] = []
        for _, row in rows.iterrows():
            what = describe_model(str(row["model"]))
            comparisons.append(
                {name: row[name] for name in names}
                | {"outcome": _outcome(row), "what": what, "is_control": bool(what)}
            )
        controls = [row for row in comparisons if row["is_control"]]
        chance, beats_chance = _against_chance(main, area, target)
        headlines = scores[scores["metric"] == target.headline]
        same = headlines[headlines["regime"] == area["regime"]]
        values = pd.concat([same, headlines]).drop_duplicates("model").set_index("model")["value"]
        strongest = _strongest(controls, values, target)
        beats_all = all(row["outcome"] == "better" for row in controls)
        judged.append(
            Verdict(
                _short(controls, strongest, beats_chance),
                f"{chance} {_against_all(comparisons)}",
                _certainty(controls, strongest, values, target),
                bool(beats_chance and controls and beats_all),
                str(area["regime"]),
                tuple(comparisons),
            )
        )
    return judged
