"""What the numbers say, in words that claim no more than they do."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

__all__ = ["Verdict", "judge", "warn"]

Outcome = Literal["better", "perhaps better", "no better", "worse", "not comparable"]

CONTROLS = {
    "majority": "always answers the larger class",
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
_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Verdict:
    """The main model in one regime, judged against chance and against each control.

    Parameters
    ----------
    headline : str
        One or two sentences.
    regime : str
    comparisons : tuple of dict
        For each control ``model``, ``outcome``, ``difference``, ``low``, ``high``, ``p_value``
        and ``q_value``.
    """

    headline: str
    regime: str
    comparisons: tuple[dict[str, object], ...]


def _names(models: list[str]) -> str:
    """Join names as a sentence does."""
    return models[0] if len(models) == 1 else f"{', '.join(models[:-1])} and {models[-1]}"


def _outcome(row: pd.Series) -> Outcome:
    """Judge one difference by its interval, then by the test over folds."""
    if not np.isfinite(row["low"]):
        return "not comparable"
    if row["high"] < 0:
        return "worse"
    if row["low"] <= 0:
        return "no better"
    return "better" if row["q_value"] < _SIGNIFICANT else "perhaps better"


def _against_chance(model: str, auc: pd.Series) -> str:
    """Say whether the model knows anything."""
    number = f"AUC {auc['value']:.2f}, 95 % interval {auc['low']:.2f} to {auc['high']:.2f}"
    if not np.isfinite(auc["value"]):
        return f"{model} has no AUC."
    if not np.isfinite(auc["low"]):
        return (
            f"{model} reaches an AUC of {auc['value']:.2f}; there are too few participants for an "
            f"interval, so that this says little."
        )
    if auc["high"] < 0.5:
        return f"{model} does worse than chance ({number}): check the labels and the folds."
    if auc["low"] <= 0.5:
        return f"{model} does not tell patients from controls better than chance ({number})."
    return f"{model} tells patients from controls better than chance ({number})."


def _against_controls(comparisons: list[dict[str, object]]) -> str:
    """Say which controls the model beats, and which it does not."""
    if not comparisons:
        return "No other model was run on these folds, so that the number cannot be judged."
    phrases = {
        "better": "better than {}",
        "no better": "no better than {}",
        "worse": "worse than {}",
        "perhaps better": "perhaps better than {}, where the bootstrap and the test over folds "
        "disagree",
        "not comparable": "not comparable with {}, with too few participants for an interval",
    }
    said = []
    for outcome, phrase in phrases.items():
        models = [str(row["model"]) for row in comparisons if row["outcome"] == outcome]
        if models:
            said.append(phrase.format(_names(models)))
    return f"It is {'; '.join(said)}."


def judge(scores: pd.DataFrame, compared: pd.DataFrame, *, main: str) -> list[Verdict]:
    """Judge the main model in each of its regimes.

    Parameters
    ----------
    scores : DataFrame
        From :func:`brainograph.metrics.score`.
    compared : DataFrame
        From :func:`brainograph.metrics.compare`.
    main : str
        Name of the main model.

    Returns
    -------
    list of Verdict
        "No better" wherever the interval of the difference holds 0; "better" only where the
        corrected test over folds agrees at a false discovery rate of .05 over the controls.
    """
    areas = scores[(scores["model"] == main) & (scores["metric"] == "auc")]
    verdicts = []
    for _, auc in areas.iterrows():
        rows = compared[compared["regime"] == auc["regime"]]
        names = ["model", "difference", "low", "high", "p_value", "q_value"]
        comparisons = [
            {name: row[name] for name in names}
            | {"outcome": _outcome(row), "what": CONTROLS.get(str(row["model"]), "")}
            for _, row in rows.iterrows()
        ]
        headline = f"{_against_chance(main, auc)} {_against_controls(comparisons)}"
        verdicts.append(Verdict(headline, str(auc["regime"]), tuple(comparisons)))
    return verdicts


def warn(scores: pd.DataFrame, sites: pd.DataFrame | None, verdicts: list[Verdict]) -> list[str]:
    """Return what a careful reader would ask about.

    Parameters
    ----------
    scores, sites : DataFrame
        From :func:`brainograph.metrics.score`, over all and by site.
    verdicts : list of Verdict
        From :func:`judge`.

    Returns
    -------
    list of str
    """
    said = []
    first = verdicts[0]
    pooled, folds = (
        scores[scores["metric"] == name].set_index(["model", "regime"])
        for name in ("auc", "auc_folds")
    )
    mean = folds["value"].reindex(pooled.index)
    apart = pooled[(mean < pooled["low"]) | (mean > pooled["high"])]
    if len(apart):
        models = _names(list(dict.fromkeys(apart.index.get_level_values("model"))))
        said.append(
            f"The AUC of {models} pooled over folds differs from its mean over folds: scores of "
            f"different folds are not on one scale. Read the mean of folds."
        )
    areas = scores[scores["metric"] == "auc"].drop_duplicates("model").set_index("model")
    for model, what in (
        ("motion", "Head motion alone predicts the diagnosis"),
        ("phenotype", "Age, sex and site alone predict the diagnosis"),
    ):
        if model in areas.index and areas.loc[model, "low"] > 0.5:
            number = f"AUC {areas.loc[model, 'value']:.2f}"
            said.append(f"{what} ({number}): part of what the model has learned may be this.")
    for other in verdicts[1:]:
        if [r["outcome"] for r in other.comparisons] != [r["outcome"] for r in first.comparisons]:
            said.append(f"The {other.regime} regime gives another verdict. {other.headline}")
    skipped = int(scores.loc[scores["metric"] == "auc_folds", "skipped"].max())
    if skipped:
        said.append(f"{skipped} folds hold one class only and are left out of the mean over folds.")
    if sites is not None:
        main = sites[(sites["model"] == areas.index[0]) & (sites["metric"] == "auc")]
        main = main[main["regime"] == first.regime]
        below = main[main["high"] < 0.5]["group"].tolist()
        if below:
            said.append(f"The model does worse than chance at {_names(below)}.")
        single = main[main["value"].isna()]["group"].tolist()
        if single:
            said.append(f"No AUC is given for {_names(single)}: one class only.")
    return said
