"""Numbers with intervals from a table of out-of-fold predictions."""

import numpy as np
import pandas as pd

from brainograph.metrics.binary import BINARY
from brainograph.metrics.bootstrap import above_noise, check_bootstrap, mean, percentile
from brainograph.metrics.table import NOISE, People, Task, people, too_few
from brainograph.metrics.task import read

__all__ = ["METRICS", "interval", "measured", "score"]

METRICS = tuple(f"{name}{suffix}" for name in BINARY.metrics for suffix in ("", "_folds"))


def score(
    predictions: pd.DataFrame,
    *,
    by: str | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    random_state: int = 0,
) -> pd.DataFrame:
    """Score every model of a predictions table, with bootstrap intervals.

    What is measured depends on what was predicted:

    - two classes (``y_score``): ``auc``, ``average_precision``, ``accuracy``,
      ``balanced_accuracy``, ``sensitivity``, ``specificity``, ``precision``, ``f1``, ``mcc``,
      ``brier`` and ``ece``. A participant is called a patient whose score is not below the
      column ``threshold``, which each fold may choose on its validation rows
      (:func:`choose_threshold`), or 0.5 where there is none;
    - more classes (``p_0``, ``p_1``, ``p_2`` ...): the same, macro averages of each class against
      the rest where they are of one class, with ``log_loss``, ``brier`` summed over classes and
      ``ece`` of the likeliest class, which is the one that is called;
    - a number (``y_pred``): ``mae``, ``rmse``, ``r2``, ``pearson``, ``spearman``.

    Each metric pools the participants of a repeat and is averaged over repeats; its namesake with
    ``_folds`` is the mean over folds that the field usually prints, without the folds where it is
    not defined, such as those of one class (counted in ``skipped``). Where the rank of a pooled
    score matters, a model that gives each fold one constant score is taken to give all the same
    (AUC 0.5).

    Participants are resampled within each class, all their repeats together, and with the column
    ``group`` (a person with several rows, a family) whole groups are. The interval therefore
    speaks of other participants, not of other trainings of the model. No interval is given where
    a metric rests on fewer than 5 participants (or groups) of a class: it would be too narrow.
    Noise alone raises ``ece``, whose interval reaches 0 where it may be nothing else.

    Parameters
    ----------
    predictions : DataFrame
        One row for each participant, model, regime and repeat: ``participant_id``, ``model``,
        ``regime``, ``repeat``, ``fold``, ``y_true`` (1 patient, 0 control; a class from 0; a
        number), and ``y_score`` (probability in [0, 1]), or ``p_0``, ``p_1`` ..., or ``y_pred``.
        Optional: ``threshold``, ``group``.
    by : str, optional
        Column whose groups are scored each for itself, such as ``"site"``; means over folds are
        left out then, because a fold holds few members of a group.
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
        ``low``, ``high``, ``n``, ``n_positive``, ``skipped``. NaN where a metric is not defined,
        as where a group lacks the class that it needs. With more classes there is ``class``
        (``"all"``, or the one that is held against the rest, whose members are ``n_positive``);
        a regression has no ``n_positive``.

    Raises
    ------
    ValueError
        If a column is missing or there are those of several kinds, the classes are not those
        announced, a score is no probability or a participant is predicted twice.

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
    check_bootstrap(n_bootstrap, confidence)
    task, table, values = read(predictions, also=[by] if by else [])
    group = table[by].astype(object).where(table[by].notna(), "n/a").astype(str) if by else "all"
    parts = table.assign(_group=group).groupby(["model", "regime", "_group"], sort=True)
    rows: list[dict[str, object]] = []
    for (model, regime, name), chosen in parts.indices.items():
        part, those = table.iloc[chosen], people(table.iloc[chosen], task)
        weights = those.draw(n_bootstrap, random_state)
        poolings = {"": ["repeat"]} if by else {"": ["repeat"], "_folds": ["repeat", "fold"]}
        for suffix, blocks in poolings.items():
            means, skipped = measured(task, part, values[chosen], those, weights, by=blocks)
            rows += [
                {"model": model, "regime": regime, "group": name}
                | _row(task, metric, suffix, means, those, confidence)
                | {"skipped": skipped[metric] if suffix else 0}
                for metric in means
                if metric != NOISE
            ]
    return _ordered(pd.DataFrame(rows), task, list(predictions["model"].unique()))


def measured(
    task: Task,
    table: pd.DataFrame,
    values: np.ndarray,
    those: People,
    weights: np.ndarray,
    *,
    by: list[str],
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Return the mean of each metric over repeats or folds, and how many of them have none.

    Parameters
    ----------
    task : Task
    table : DataFrame (rows)
    values : array (rows, columns)
    those : People (S)
    weights : array (S, B)
        How often each participant is in each resample.
    by : list of str
        ``["repeat"]`` or ``["repeat", "fold"]``.

    Returns
    -------
    means : dict of array (B,)
    skipped : dict of int
    """
    blocks = table.groupby(by, sort=True).indices.values()
    each = [task.measure(values[rows], weights[those.place[rows]]) for rows in blocks]
    names = list(each[0])
    means = {name: mean([block[name] for block in each]) for name in names}
    return means, {name: sum(bool(np.isnan(b[name][0])) for b in each) for name in names}


def interval(
    task: Task, metric: str, means: dict[str, np.ndarray], those: People, confidence: float
) -> tuple[float, float]:
    """Return the interval of a metric from its resamples, of which the first is the data."""
    if too_few(task, metric, those):
        return np.nan, np.nan
    if metric == "ece":
        return above_noise(means[metric], means[NOISE], confidence)
    return percentile(means[metric][1:], confidence)


def _row(
    task: Task,
    metric: str,
    suffix: str,
    means: dict[str, np.ndarray],
    those: People,
    confidence: float,
) -> dict[str, object]:
    """Return what the table says of one metric."""
    low, high = interval(task, metric, means, those, confidence)
    name, _, label = metric.partition("/")
    n = len(those.ids)
    row: dict[str, object] = {"metric": name + suffix, "value": float(means[metric][0])}
    row |= {"low": low, "high": high, "n": n}
    if task.name == "binary":
        row["n_positive"] = int((those.strata == 1).sum())
    if task.name == "multiclass":
        row["class"] = label or "all"
        row["n_positive"] = int((those.strata == int(label)).sum()) if label else n
    return row


def _ordered(result: pd.DataFrame, task: Task, models: list[str]) -> pd.DataFrame:
    """Sort by model as they came, and each metric before its mean over folds."""
    known = [f"{name}{suffix}" for name in task.metrics for suffix in ("", "_folds")]
    extra = ["class"] if "class" in result else []
    rank = {
        "model": {name: place for place, name in enumerate(models)},
        "metric": {name: place for place, name in enumerate(known)},
    }
    columns = ["model", "regime", "group", *extra, "metric", "value", "low", "high", "n"]
    columns += [name for name in ("n_positive", "skipped") if name in result]
    return result[columns].sort_values(
        ["model", "regime", "group", *extra, "metric"],
        key=lambda column: column.map(rank[column.name]) if column.name in rank else column,
        kind="stable",
        ignore_index=True,
    )
