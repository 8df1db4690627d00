"""Numbers with intervals from a table of out-of-fold predictions."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

__all__ = ["compare", "score"]

METRICS = (
    "auc",
    "auc_folds",
    "accuracy",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "brier",
)
_COLUMNS = ["participant_id", "model", "regime", "repeat", "fold", "y_true", "y_score"]
_THRESHOLD = 0.5
_FEWEST = 5


def _check(predictions: pd.DataFrame, *, also: list[str]) -> pd.DataFrame:
    """Return the rows in the order of their keys, or say what is wrong with the table."""
    missing = [name for name in [*_COLUMNS, *also] if name not in predictions.columns]
    if missing:
        raise ValueError(
            f"predictions lack the columns {missing}; they have {list(predictions.columns)}. "
            f"Give one row for each participant, model, regime and repeat."
        )
    classes = sorted(predictions["y_true"].unique().tolist(), key=str)
    if classes != [0, 1]:
        raise ValueError(
            f"y_true must hold the two classes 0 and 1, got {classes}. Keep labelled rows of two "
            f"groups: predictions[predictions['y_true'].isin([0, 1])]."
        )
    y_score = predictions["y_score"].to_numpy(float)
    wrong = int((~((y_score >= 0) & (y_score <= 1))).sum())
    if wrong:
        raise ValueError(
            f"y_score must be a probability in [0, 1], got {wrong} values that are missing or "
            f"outside. For decision values d write y_score=1 / (1 + np.exp(-d))."
        )
    keys = ["model", "regime", "repeat", "participant_id"]
    twice = predictions.loc[predictions.duplicated(keys), "participant_id"].unique().tolist()
    if twice:
        raise ValueError(
            f"participants {twice[:5]} have more than one prediction of one model in one repeat. "
            f"Keep one: predictions.drop_duplicates({keys})."
        )
    if (predictions.groupby("participant_id")["y_true"].nunique() > 1).any():
        raise ValueError("y_true differs between rows of one participant. Give each one label.")
    predictions = predictions.assign(_order=comparable_scores(predictions))
    return predictions.sort_values(["participant_id", "repeat"], kind="stable")


def comparable_scores(predictions: pd.DataFrame) -> pd.Series:
    """Return the scores by which participants of different folds can be put in one order.

    They are ``y_score``, but 0.5 for a model that gives all participants of each fold one score,
    as the share of the larger class does: such a model knows nothing of them, and its folds differ
    only because a fold with many patients leaves few to train on, which pooled would look like an
    AUC far below chance.
    """
    y_score = predictions["y_score"].astype(float)
    folds = predictions.assign(y_score=y_score).groupby(["model", "regime", "repeat", "fold"])
    varied = folds["y_score"].agg(lambda fold: fold.nunique() > 1)
    by_model = pd.DataFrame({"varied": varied, "several": folds.size() > 1})
    by_model = by_model.groupby(["model", "regime"]).any()
    constant = by_model.index[by_model["several"] & ~by_model["varied"]]
    rows = pd.MultiIndex.from_frame(predictions[["model", "regime"]]).isin(constant)
    return y_score.mask(rows, 0.5)


def _resamples(y_true: np.ndarray, n_bootstrap: int, random_state: int) -> np.ndarray:
    """Count how often each participant is drawn: all once, then resampled within each class.

    Parameters
    ----------
    y_true : array (S,)
    n_bootstrap : int
    random_state : int

    Returns
    -------
    array (n_bootstrap + 1, S)
        float32. Row 0 is ones, so that the first of all scores is that of the data themselves.
    """
    rng = np.random.default_rng(random_state)
    weights = np.ones((n_bootstrap + 1, len(y_true)), dtype=np.float32)
    for label in (0, 1):
        members = np.flatnonzero(y_true == label)
        drawn = rng.integers(0, max(len(members), 1), (n_bootstrap, len(members)))
        drawn += np.arange(n_bootstrap)[:, None] * len(members)
        counts = np.bincount(drawn.ravel(), minlength=drawn.size)
        weights[1:, members] = counts.reshape(drawn.shape)
    return weights


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide, with NaN where there is nothing to divide by."""
    empty = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=empty, where=denominator > 0)


def _auc(y_true: np.ndarray, y_score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    r"""Area under the ROC curve of every resample at once.

    .. math:: AUC_b = \frac{w_b^{+\top} K w_b^-}{\sum w_b^+ \sum w_b^-}, \quad
              K_{ij} = [s_i > s_j] + \tfrac12 [s_i = s_j]

    Parameters
    ----------
    y_true, y_score : array (S,)
    weights : array (B, S)

    Returns
    -------
    array (B,)
        NaN where a resample lacks a class.
    """
    patients, controls = y_true == 1, y_true == 0
    above = y_score[patients, None] > y_score[controls]
    wins = above.astype(np.float32)
    wins += np.float32(0.5) * (y_score[patients, None] == y_score[controls])
    w_patients, w_controls = weights[:, patients], weights[:, controls]
    won = np.einsum("bn,bn->b", w_patients @ wins, w_controls, dtype=np.float64)
    pairs = w_patients.sum(1, dtype=np.float64) * w_controls.sum(1, dtype=np.float64)
    return _ratio(won, pairs)


def _threshold_scores(
    y_true: np.ndarray, y_score: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Scores that are weighted means over participants, each (B,)."""
    hit = (y_score >= _THRESHOLD) == (y_true == 1)
    rows = np.stack([hit & (y_true == 1), hit & (y_true == 0), y_true == 1, y_true == 0])
    true_positive, true_negative, positive, negative = (weights @ rows.T).T.astype(np.float64)
    error = weights @ ((y_score - y_true) ** 2)
    sensitivity = _ratio(true_positive, positive)
    specificity = _ratio(true_negative, negative)
    return {
        "accuracy": _ratio(true_positive + true_negative, positive + negative),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "brier": _ratio(error, positive + negative),
    }


def _blocks(
    table: pd.DataFrame, participants: pd.Index, by: list[str], *, column: str = "_order"
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the place among the participants, the label and the score of each group's rows."""
    place = participants.get_indexer(pd.Index(table["participant_id"]))
    y_true, y_score = table["y_true"].to_numpy(int), table[column].to_numpy(float)
    for rows in table.groupby(by, sort=True).indices.values():
        yield place[rows], y_true[rows], y_score[rows]


def _mean(scores: list[np.ndarray]) -> np.ndarray:
    """Mean over repeats or folds, leaving out those that lack a class."""
    stacked = np.stack(scores)
    return _ratio(np.nansum(stacked, axis=0), np.isfinite(stacked).sum(axis=0))


def _all_scores(
    table: pd.DataFrame, participants: pd.Index, weights: np.ndarray, *, folds: bool
) -> tuple[dict[str, np.ndarray], int]:
    """Return every score of one model over all resamples, and the number of one-class folds."""
    repeats = [
        _threshold_scores(y_true, y_score, weights[:, place])
        for place, y_true, y_score in _blocks(table, participants, ["repeat"], column="y_score")
    ]
    scores = {name: _mean([repeat[name] for repeat in repeats]) for name in repeats[0]}
    pooled = _blocks(table, participants, ["repeat"])
    scores["auc"] = _mean([_auc(y, order, weights[:, place]) for place, y, order in pooled])
    if not folds:
        return scores, 0
    per_fold = [
        _auc(y_true, y_score, weights[:, place])
        for place, y_true, y_score in _blocks(table, participants, ["repeat", "fold"])
    ]
    scores["auc_folds"] = _mean(per_fold)
    return scores, int(sum(np.isnan(fold[0]) for fold in per_fold))


def _interval(resampled: np.ndarray, confidence: float) -> tuple[float, float]:
    """Percentile interval of the resamples, of those that have a value."""
    resampled = resampled[np.isfinite(resampled)]
    if not len(resampled):
        return np.nan, np.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def _members(name: str, n_positive: int, n_negative: int) -> int:
    """Count the participants in the smallest group that a metric rests on."""
    counted = {"sensitivity": n_positive, "specificity": n_negative}
    if name in ("accuracy", "brier"):
        return n_positive + n_negative
    return counted.get(name, min(n_positive, n_negative))


def _check_bootstrap(n_bootstrap: int, confidence: float) -> None:
    """Refuse numbers that make no interval."""
    if n_bootstrap < 1:
        raise ValueError(f"n_bootstrap must be at least 1, got {n_bootstrap}. Write 1000.")
    if not 0 < confidence < 1:
        raise ValueError(
            f"confidence must be in (0, 1), got {confidence}. For 95 % write confidence=0.95."
        )


def score(
    predictions: pd.DataFrame,
    *,
    by: str | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    random_state: int = 0,
) -> pd.DataFrame:
    """Score every model of a predictions table, with bootstrap intervals.

    ``auc`` pools the participants of a repeat and is averaged over repeats (a model that gives each
    fold one constant score has 0.5); ``auc_folds`` is the
    mean over folds that the field usually prints, without the folds that hold one class (counted
    in ``skipped``). ``accuracy``, ``balanced_accuracy``, ``sensitivity`` and ``specificity`` call
    a score of 0.5 or more a patient; ``brier`` is the mean squared error of the probability.

    Participants are resampled within each class, all their repeats together. The interval
    therefore speaks of other participants, not of other trainings of the model. No interval is
    given where a metric rests on fewer than 5 participants of a class: it would be too narrow.

    Parameters
    ----------
    predictions : DataFrame
        One row for each participant, model, regime and repeat: ``participant_id``, ``model``,
        ``regime``, ``repeat``, ``fold``, ``y_true`` (1 patient, 0 control), ``y_score``
        (probability in [0, 1]).
    by : str, optional
        Column whose groups are scored each for itself, such as ``"site"``; ``auc_folds`` is left
        out then, because a fold holds few members of a group.
    n_bootstrap : int
        Number of resamples.
    confidence : float
        Coverage of the interval, in (0, 1).
    random_state : int
        Seed of the resamples, which all models share.

    Returns
    -------
    DataFrame
        ``model``, ``regime``, ``group`` (a value of ``by``, or ``"all"``), ``metric``, ``value``,
        ``low``, ``high``, ``n``, ``n_positive``, ``skipped``. NaN where a group lacks the class
        that a metric needs.

    Raises
    ------
    ValueError
        If a column is missing, the classes are not 0 and 1, a score is no probability or a
        participant is predicted twice.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.

    Examples
    --------
    >>> predictions = pd.DataFrame({
    ...     "participant_id": ["a", "b", "c", "d"], "site": "X", "model": "gcn",
    ...     "regime": "inductive", "repeat": 0, "fold": [0, 0, 1, 1],
    ...     "y_true": [0, 1, 0, 1], "y_score": [0.1, 0.8, 0.6, 0.4],
    ... })
    >>> score(predictions).set_index("metric")["value"].round(2).loc[["auc", "accuracy"]].to_dict()
    {'auc': 0.75, 'accuracy': 0.5}
    """
    _check_bootstrap(n_bootstrap, confidence)
    table = _check(predictions, also=[by] if by else [])
    group = table[by].astype(object).where(table[by].notna(), "n/a").astype(str) if by else "all"
    table = table.assign(_group=group)
    order = {name: rank for rank, name in enumerate(predictions["model"].unique())}
    rows: list[dict[str, object]] = []
    for (model, regime, name), part in table.groupby(["model", "regime", "_group"], sort=True):
        labels = part.drop_duplicates("participant_id").set_index("participant_id")["y_true"]
        y_true = labels.to_numpy(int)
        weights = _resamples(y_true, n_bootstrap, random_state)
        scores, skipped = _all_scores(part, labels.index, weights, folds=by is None)
        n_positive = int(y_true.sum())
        for metric in (known for known in METRICS if known in scores):
            low, high = _interval(scores[metric][1:], confidence)
            if _members(metric, n_positive, len(y_true) - n_positive) < _FEWEST:
                low = high = np.nan
            rows.append(
                {"model": model, "regime": regime, "group": name, "metric": metric}
                | {"value": float(scores[metric][0]), "low": low, "high": high}
                | {"n": len(y_true), "n_positive": n_positive}
                | {"skipped": skipped if metric == "auc_folds" else 0}
            )
    result = pd.DataFrame(rows)
    return result.sort_values("model", key=lambda m: m.map(order), kind="stable", ignore_index=True)


def _paired(main: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the predictions that both models made, and refuse other folds."""
    keys = ["participant_id", "repeat"]
    both = main.merge(other, on=keys, suffixes=("", "_other"))
    names = f"{main['model'].iloc[0]!r} and {other['model'].iloc[0]!r}"
    if both.empty or both["y_true"].nunique() < 2:
        raise ValueError(
            f"the models {names} share no participants of both classes. Predict the same "
            f"participants with both."
        )
    if (both["fold"] != both["fold_other"]).any():
        raise ValueError(
            f"the models {names} were not evaluated on the same folds, so that they cannot be "
            f"paired. Run both with the same splits.json."
        )
    return both, both.assign(_order=both["_order_other"])


def _corrected_t(difference: np.ndarray, ratio: float) -> tuple[float, float]:
    r"""Return Nadeau and Bengio's statistic and its two-sided p value.

    .. math:: t = \bar d \Big/ \sqrt{\left(\tfrac1J + \tfrac{n_{test}}{n_{train}}\right) s^2}
    """
    n = len(difference)
    if np.allclose(difference, 0):
        return (0.0, 1.0) if n else (np.nan, np.nan)
    if n < 2 or np.ptp(difference) < 1e-12:
        return np.nan, np.nan
    spread = np.sqrt((1 / n + ratio) * difference.var(ddof=1))
    t = float(difference.mean() / spread)
    return t, float(2 * stats.t.sf(abs(t), n - 1))


def _difference(
    main: pd.DataFrame, other: pd.DataFrame, *, n_bootstrap: int, confidence: float, seed: int
) -> dict[str, object]:
    """Compare two models on the participants they share."""
    first, second = _paired(main, other)
    labels = first.drop_duplicates("participant_id").set_index("participant_id")["y_true"]
    y_true = labels.to_numpy(int)
    weights = _resamples(y_true, n_bootstrap, seed)
    ones = weights[:1]

    def areas(table: pd.DataFrame, by: list[str], drawn: np.ndarray) -> np.ndarray:
        blocks = _blocks(table, labels.index, by)
        return np.stack([_auc(y, order, drawn[:, place]) for place, y, order in blocks])

    pooled = _mean([*(areas(first, ["repeat"], weights) - areas(second, ["repeat"], weights))])
    folds = areas(first, ["repeat", "fold"], ones) - areas(second, ["repeat", "fold"], ones)
    per_fold = folds[np.isfinite(folds)]
    n_test = first.groupby(["repeat", "fold"]).size().mean()
    n_train = first.groupby("repeat").size().mean() - n_test
    t, p_value = _corrected_t(per_fold, n_test / n_train if n_train else np.inf)
    low, high = _interval(pooled[1:], confidence)
    if min(y_true.sum(), (y_true == 0).sum()) < _FEWEST:
        low = high = np.nan
    return {
        "difference": float(pooled[0]),
        "low": low,
        "high": high,
        "t": t,
        "p_value": p_value,
        "n": len(y_true),
        "n_folds": len(per_fold),
    }


def compare(
    predictions: pd.DataFrame,
    main: str,
    *,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    random_state: int = 0,
) -> pd.DataFrame:
    """Compare the AUC of one model with that of every other one, on the same participants.

    The interval of the difference comes from a paired bootstrap of participants; ``p_value`` from
    the t test over folds whose variance is corrected for the training rows that folds share. Each
    regime of the main model is compared with the same regime of the other, or with the only one
    that the other has.

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
        ``main``, ``model``, ``regime``, ``difference`` (main minus model: positive where the main
        model is better), ``low``, ``high``, ``t``, ``p_value``, ``n`` (participants), ``n_folds``.

    Raises
    ------
    ValueError
        If there is no such model, or two models were not evaluated on the same folds.

    References
    ----------
    Nadeau & Bengio (2003), Inference for the generalization error, Machine Learning 52.

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
    _check_bootstrap(n_bootstrap, confidence)
    table = _check(predictions, also=[])
    models = list(predictions["model"].unique())
    if main not in models:
        raise ValueError(f"main must be one of {models}, got {main!r}.")
    rows: list[dict[str, object]] = []
    for regime, chosen in table[table["model"] == main].groupby("regime", sort=True):
        for model in (name for name in models if name != main):
            other = table[table["model"] == model]
            same = other[other["regime"] == regime]
            if same.empty and other["regime"].nunique() > 1:
                continue
            difference = _difference(
                chosen,
                other if same.empty else same,
                n_bootstrap=n_bootstrap,
                confidence=confidence,
                seed=random_state,
            )
            rows.append({"main": main, "model": model, "regime": regime} | difference)
    names = ["main", "model", "regime", "difference", "low", "high", "t", "p_value", "n", "n_folds"]
    return pd.DataFrame(rows, columns=names)
