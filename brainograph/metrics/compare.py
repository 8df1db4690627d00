"""Differences between models, and between regimes of one model, on the same participants."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from brainograph.metrics.bootstrap import check_bootstrap, mean
from brainograph.metrics.score import interval
from brainograph.metrics.table import Task, people
from brainograph.metrics.task import read

__all__ = ["compare", "compare_regimes"]

_NUMBERS = ["metric", "difference", "low", "high", "t", "p_value", "n", "n_folds"]
Difference = Callable[[pd.DataFrame, pd.DataFrame, str], dict[str, object]]


def compare(
    predictions: pd.DataFrame,
    main: str,
    *,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    random_state: int = 0,
) -> pd.DataFrame:
    r"""Compare one model with every other one, on the same participants.

    They are compared by AUC (two classes), macro AUC of each class against the rest (more
    classes) or mean absolute error (a number). Each regime of the main model is compared with the
    same regime of the other, or with the only one that the other has.

    The interval of the difference comes from a paired bootstrap of participants, or of groups
    where there is a column ``group``. ``p_value`` comes from the t test over folds whose variance
    is corrected for the training rows that folds share:

    .. math:: t = \bar d \Big/ \sqrt{\left(\tfrac1J + \overline{n_{test} / n_{train}}\right) s^2}

    where :math:`n_{train}` is everybody of the table who is not in the fold, and the mean is over
    the :math:`J` folds that have a value in both models. Folds count alike whatever their size:
    under leave-one-site-out the test speaks of other sites, small ones (and noisy ones) as much
    as large ones, sites of one class are left out, and the interval speaks of other participants
    of these sites. ``q_value`` is the p value of Benjamini and Hochberg, over the rows of a regime.

    Parameters
    ----------
    predictions : DataFrame
        As for :func:`score`.
    main : str
        Name of the model that the others are compared with.
    n_bootstrap, confidence, random_state
        As for :func:`score`.

    Returns
    -------
    DataFrame
        ``main``, ``model``, ``regime``, ``metric``, ``difference`` (positive where the main model
        is better: main minus model, but model minus main for an error), ``low``, ``high``, ``t``,
        ``p_value``, ``n`` (participants), ``n_folds``, ``q_value``.

    Raises
    ------
    ValueError
        If there is no such model, or two models were not evaluated on the same folds.

    References
    ----------
    Nadeau & Bengio (2003), Inference for the generalization error, Machine Learning 52.
    Benjamini & Hochberg (1995), Controlling the false discovery rate, JRSS B 57.

    Examples
    --------
    >>> rows = dict(participant_id=list("abcd"), regime="inductive", repeat=0, fold=[0, 0, 1, 1],
    ...             y_true=[0, 1, 0, 1])
    >>> predictions = pd.concat([
    ...     pd.DataFrame(rows | {"model": "gcn", "y_score": [0.1, 0.8, 0.6, 0.4]}),
    ...     pd.DataFrame(rows | {"model": "majority", "y_score": 0.5}),
    ... ])
    >>> compare(predictions, "gcn")[["model", "difference"]].to_dict("records")
    [{'model': 'majority', 'difference': 0.25}]
    """
    table, differ = _prepared(predictions, main, n_bootstrap, confidence, random_state)
    by_model = dict(list(table.groupby("model", sort=False)))
    rows: list[dict[str, object]] = []
    for regime, chosen in by_model[main].groupby("regime", sort=True):
        for model in (name for name in predictions["model"].unique() if name != main):
            other = by_model[model]
            same = other[other["regime"] == regime]
            if same.empty and other["regime"].nunique() > 1:
                continue
            numbers = differ(
                chosen, other if same.empty else same, f"models {main!r} and {model!r}"
            )
            rows.append({"main": main, "model": model, "regime": regime} | numbers)
    result = pd.DataFrame(rows, columns=["main", "model", "regime", *_NUMBERS])
    q_value = result.groupby("regime")["p_value"].transform(_discoveries)
    return result.assign(q_value=q_value.astype(float))


def compare_regimes(
    predictions: pd.DataFrame,
    main: str,
    *,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    random_state: int = 0,
) -> pd.DataFrame:
    """Compare each pair of regimes of one model, on the same participants and folds.

    Parameters
    ----------
    predictions : DataFrame
        As for :func:`score`.
    main : str
        Name of the model.
    n_bootstrap, confidence, random_state
        As for :func:`score`.

    Returns
    -------
    DataFrame
        ``main``, ``regime``, ``other`` (regime; both in the order of the table), then as for
        :func:`compare` but ``q_value``; ``difference`` is positive where ``regime`` is better than
        ``other``. No rows where there is one regime.

    Raises
    ------
    ValueError
        As for :func:`compare`.

    Examples
    --------
    >>> rows = dict(participant_id=list("abcd"), model="gcn", repeat=0, fold=[0, 0, 1, 1],
    ...             y_true=[0, 1, 0, 1])
    >>> predictions = pd.concat([
    ...     pd.DataFrame(rows | {"regime": "transductive", "y_score": [0.1, 0.8, 0.3, 0.4]}),
    ...     pd.DataFrame(rows | {"regime": "inductive", "y_score": [0.1, 0.8, 0.6, 0.4]}),
    ... ])
    >>> compare_regimes(predictions, "gcn")[["regime", "other", "difference"]].to_dict("records")
    [{'regime': 'transductive', 'other': 'inductive', 'difference': 0.25}]
    """
    table, differ = _prepared(predictions, main, n_bootstrap, confidence, random_state)
    names = predictions.loc[predictions["model"] == main, "regime"].unique().tolist()
    by_regime = dict(list(table[table["model"] == main].groupby("regime")))
    rows = [
        {"main": main, "regime": regime, "other": other}
        | differ(
            by_regime[regime], by_regime[other], f"regimes {regime!r} and {other!r} of {main!r}"
        )
        for place, regime in enumerate(names)
        for other in names[place + 1 :]
    ]
    return pd.DataFrame(rows, columns=["main", "regime", "other", *_NUMBERS])


def _prepared(
    predictions: pd.DataFrame, main: str, n_bootstrap: int, confidence: float, random_state: int
) -> tuple[pd.DataFrame, Difference]:
    """Return the checked table, and what compares two parts of it."""
    check_bootstrap(n_bootstrap, confidence)
    models = list(predictions["model"].unique()) if "model" in predictions else []
    task, table, values = read(predictions)
    if main not in models:
        raise ValueError(f"main must be one of {models}, got {main!r}.")

    def differ(first: pd.DataFrame, second: pd.DataFrame, names: str) -> dict[str, object]:
        both = _paired(first, second, names, task)
        pair = values[both["_row"]], values[both["_row_other"]]
        return _difference(
            task, both, pair, n_bootstrap=n_bootstrap, confidence=confidence, seed=random_state
        )

    return table.assign(_row=np.arange(len(table))), differ


def _paired(main: pd.DataFrame, other: pd.DataFrame, names: str, task: Task) -> pd.DataFrame:
    """Keep the predictions that both made, and refuse other folds."""
    keys = ["participant_id", "repeat"]
    both = main.merge(other[[*keys, "fold", "_row"]], on=keys, suffixes=("", "_other"))
    if both.empty or (task.name != "regression" and both["y_true"].nunique() < 2):
        raise ValueError(
            f"the {names} share no participants of both classes. Predict the same participants "
            f"with both."
        )
    if (both["fold"] != both["fold_other"]).any():
        raise ValueError(
            f"the {names} were not evaluated on the same folds, so that they cannot be paired. "
            f"Run both with the same splits.json."
        )
    return both


def _difference(
    task: Task,
    both: pd.DataFrame,
    pair: tuple[np.ndarray, np.ndarray],
    *,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> dict[str, object]:
    """Compare the working values of two models, row by row of the same table."""
    those = people(both, task)
    weights = those.draw(n_bootstrap, seed)
    first, second = pair if task.higher_is_better else pair[::-1]

    def differences(by: list[str], drawn: np.ndarray) -> list[np.ndarray]:
        blocks = both.groupby(by, sort=True).indices.values()
        each = [(rows, drawn[those.place[rows]]) for rows in blocks]
        return [task.headline(first[r], w) - task.headline(second[r], w) for r, w in each]

    pooled = mean(differences(["repeat"], weights))
    folds = np.concatenate(differences(["repeat", "fold"], weights[:, :1]))
    n_test = both.groupby(["repeat", "fold"], sort=True).size().to_numpy()[np.isfinite(folds)]
    per_fold = folds[np.isfinite(folds)]
    t, p_value = _corrected_t(per_fold, n_test, len(those.ids))
    low, high = interval(task, task.headline_name, {task.headline_name: pooled}, those, confidence)
    return {
        "metric": task.headline_name,
        "difference": float(pooled[0]),
        "low": low,
        "high": high,
        "t": t,
        "p_value": p_value,
        "n": len(those.ids),
        "n_folds": len(per_fold),
    }


def _corrected_t(difference: np.ndarray, n_test: np.ndarray, n: int) -> tuple[float, float]:
    """Return Nadeau and Bengio's statistic and its two-sided p value."""
    n_folds = len(difference)
    if np.allclose(difference, 0):
        return (0.0, 1.0) if n_folds else (np.nan, np.nan)
    if n_folds < 2 or np.ptp(difference) < 1e-12 or n_test.max() >= n:
        return np.nan, np.nan
    correction = 1 / n_folds + float(np.mean(n_test / (n - n_test)))
    t = float(difference.mean() / np.sqrt(correction * difference.var(ddof=1)))
    return t, float(2 * stats.t.sf(abs(t), n_folds - 1))


def _discoveries(p_values: pd.Series) -> pd.Series:
    """Adjust the p values that there are by Benjamini and Hochberg's procedure."""
    known = p_values.notna()
    adjusted = p_values.astype(float).copy()
    if known.any():
        adjusted[known] = stats.false_discovery_control(p_values[known].astype(float))
    return adjusted
