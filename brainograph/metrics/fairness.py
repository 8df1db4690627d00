"""Whether a model serves everybody alike: per site, sex and age, with the gaps between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brainograph.metrics.bands import bands as cut_bands
from brainograph.metrics.bootstrap import above_noise, check_bootstrap, resamples
from brainograph.metrics.score import interval, measured
from brainograph.metrics.table import People, Task, people
from brainograph.metrics.task import read

__all__ = ["gaps"]

_BY = ("site", "sex", "age")
_METRICS = {
    "binary": ("auc", "balanced_accuracy", "sensitivity", "specificity"),
    "multiclass": ("auc", "balanced_accuracy"),
    "regression": ("mae",),
}
_UNKNOWN = "n/a"


def gaps(
    predictions: pd.DataFrame,
    participants: pd.DataFrame,
    *,
    by: Sequence[str] | None = None,
    bands: Mapping[str, Sequence[float]] | None = None,
    fewest: int = 10,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    random_state: int = 0,
) -> pd.DataFrame:
    """Score groups of participants, and the gap between the best and the worst served.

    Measured are AUC, balanced accuracy, sensitivity and specificity (two classes), macro AUC and
    balanced accuracy (more), or the mean absolute error (a number), pooled and averaged over
    repeats. The gap is the largest value less the smallest, among the groups that have at least
    ``fewest`` participants of each class; the others, and those who are in no group
    (``"n/a"``), are shown only.

    Noise alone makes a gap, the larger the more and the smaller the groups are. Two numbers say
    how much: the interval of the gap reaches 0 where the gap may be noise, and ``by_chance`` is
    the mean gap of groups of the same sizes and classes dealt at random, of which ``p_value`` is
    the share with at least such a gap.

    Parameters
    ----------
    predictions : DataFrame
        As for :func:`score`.
    participants : DataFrame
        Indexed by ``participant_id``, with the columns of ``by``.
    by : sequence of str, optional
        By default those of ``site``, ``sex`` and ``age`` that there are. A column of more than 10
        different numbers is cut into bands at its quartiles.
    bands : mapping of column to sequence of float, optional
        Where to cut a column of numbers instead: ``{"age": (12, 18)}`` makes three bands, of
        which each begins with its lower limit.
    fewest : int
        Participants of each class (in a regression, of all) that a group needs to be compared.
    n_bootstrap, confidence, random_state
        As for :func:`score`; there are as many random groups as resamples.

    Returns
    -------
    DataFrame
        ``model``, ``regime``, ``by``, ``group`` (the last is ``"gap"``), ``metric``, ``value``,
        ``low``, ``high``, ``n``, ``n_positive`` (two classes), ``compared`` (is in the gap),
        ``by_chance`` and ``p_value`` (of the gap; not where participants share a ``group``).

    Raises
    ------
    ValueError
        If no participant is found by identifier, there is no such column, or bands do not rise.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, section 15.2.

    Examples
    --------
    >>> n = np.arange(80)
    >>> predictions = pd.DataFrame({
    ...     "participant_id": [f"{i:02d}" for i in n], "model": "gcn", "regime": "inductive",
    ...     "repeat": 0, "fold": n % 4, "y_true": n % 2, "y_score": np.where(n < 40, n % 2, 0.5),
    ... })
    >>> participants = predictions[["participant_id"]].assign(sex=["female"] * 40 + ["male"] * 40)
    >>> table = gaps(predictions, participants.set_index("participant_id"))
    >>> table[table["metric"] == "auc"].set_index("group")["value"].to_dict()
    {'female': 1.0, 'male': 0.5, 'gap': 0.5}
    """
    check_bootstrap(n_bootstrap, confidence)
    if fewest < 1:
        raise ValueError(f"fewest must be at least 1, got {fewest}. Write 10.")
    task, table, values = read(predictions)
    by = _columns(table, participants, by)
    known = participants.reindex(table["participant_id"].unique())
    groups = {name: cut_bands(known[name], (bands or {}).get(name)) for name in by}
    parts = table.groupby(["model", "regime"]).indices
    rows: list[dict[str, object]] = []
    for key in (
        predictions[["model", "regime"]].drop_duplicates().itertuples(index=False, name=None)
    ):
        part = table.iloc[parts[key]]
        sample = _Sample(task, part, values[parts[key]], people(part, task))
        for name in by:
            found = _by_group(
                sample,
                groups[name].reindex(sample.those.ids).array,
                fewest=fewest,
                n_bootstrap=n_bootstrap,
                confidence=confidence,
                seed=random_state,
            )
            rows += [{"model": key[0], "regime": key[1], "by": name} | row for row in found]
    return pd.DataFrame(rows)


def _columns(
    table: pd.DataFrame, participants: pd.DataFrame, by: Sequence[str] | None
) -> list[str]:
    """Return what to group by, or say why it cannot be."""
    chosen = [name for name in _BY if name in participants] if by is None else list(by)
    missing = [name for name in chosen if name not in participants]
    if missing or not chosen:
        raise ValueError(
            f"participants lack the columns {missing or list(_BY)}; they have "
            f"{list(participants.columns)}. Write by=(...) with one of them."
        )
    if (
        not participants.index.is_unique
        or not table["participant_id"].isin(participants.index).any()
    ):
        raise ValueError(
            "participants must be indexed by participant_id, once each, with the identifiers of "
            "the predictions. Write participants.set_index('participant_id')."
        )
    return chosen


@dataclass(frozen=True)
class _Sample:
    """The rows of one model in one regime, and whom they are about."""

    task: Task
    table: pd.DataFrame
    values: np.ndarray
    those: People

    def within(self, inside: np.ndarray) -> "_Sample":
        """Return the rows of some participants."""
        rows = inside[self.those.place]
        table = self.table[rows]
        return _Sample(self.task, table, self.values[rows], people(table, self.task))

    def measure(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return the metrics that are compared, in every resample."""
        means, _ = measured(self.task, self.table, self.values, self.those, weights, by=["repeat"])
        return {name: means[name] for name in _METRICS[self.task.name]}

    def row(
        self, group: str, metric: str, value: float, limits: tuple[float, float]
    ) -> dict[str, object]:
        """Return what the table says of one metric."""
        row: dict[str, object] = {"group": group, "metric": metric, "value": value}
        row |= {"low": limits[0], "high": limits[1], "n": len(self.those.ids)}
        if self.task.name == "binary":
            row["n_positive"] = int((self.those.strata == 1).sum())
        return row | {"compared": False, "by_chance": np.nan, "p_value": np.nan}


def _by_group(
    sample: _Sample,
    groups: pd.Categorical,
    *,
    fewest: int,
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> list[dict[str, object]]:
    """Return the rows of each group, and of the gap between those that are large enough."""
    those, codes = sample.those, np.asarray(groups.codes, dtype=int)
    classes = np.unique(those.strata)
    strata = codes * len(classes) + np.searchsorted(classes, those.strata)
    weights = resamples(strata, unit=those.unit, n_bootstrap=n_bootstrap, random_state=seed)
    rows: list[dict[str, object]] = []
    compared: list[dict[str, np.ndarray]] = []
    large = np.zeros(len(codes), dtype=bool)
    for code in sorted(set(codes.tolist()), key=lambda code: (code < 0, code)):
        inside = codes == code
        part = sample.within(inside)
        scores = part.measure(weights[inside])
        members = [those.count(inside & (those.strata == k)) for k in classes]
        enough = code >= 0 and min(members) >= fewest
        if enough:
            compared.append(scores)
            large |= inside
        name = str(groups.categories[code]) if code >= 0 else _UNKNOWN
        for metric, resampled in scores.items():
            limits = interval(sample.task, metric, scores, part.those, confidence)
            rows.append(part.row(name, metric, float(resampled[0]), limits) | {"compared": enough})
    return rows + _gap(sample.within(large), codes[large], compared, n_bootstrap, confidence, seed)


def _gap(
    sample: _Sample,
    codes: np.ndarray,
    compared: list[dict[str, np.ndarray]],
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> list[dict[str, object]]:
    """Return the rows of the gap, with what chance makes of groups of these sizes."""
    names = _METRICS[sample.task.name]
    if len(compared) < 2:
        return [sample.row("gap", name, np.nan, (np.nan, np.nan)) for name in names]
    alone = len(np.unique(sample.those.unit)) == len(codes)
    chance = _by_chance(sample, codes, n_bootstrap, seed) if alone else {}
    rows: list[dict[str, object]] = []
    for name in names:
        values = np.stack([scores[name] for scores in compared])
        gap = np.ptp(values, axis=0)
        limits = above_noise(gap, np.ptp(values - values[:, :1], axis=0), confidence)
        row = sample.row("gap", name, float(gap[0]), limits) | {"compared": True}
        if alone:
            reached = int((chance[name] >= gap[0] - 1e-12).sum())
            row["by_chance"] = float(chance[name].mean())
            row["p_value"] = (reached + 1) / (n_bootstrap + 1)
        rows.append(row)
    return rows


def _by_chance(
    sample: _Sample, codes: np.ndarray, n_dealt: int, seed: int
) -> dict[str, np.ndarray]:
    """Return the gaps of groups dealt at random within classes, each (n_dealt,)."""
    rng = np.random.default_rng(seed)
    dealt = np.empty((len(codes), n_dealt), dtype=int)
    for stratum in np.unique(sample.those.strata):
        members = np.flatnonzero(sample.those.strata == stratum)
        dealt[members] = rng.permuted(np.tile(codes[members, None], n_dealt), axis=0)
    scores = [sample.measure((dealt == code).astype(np.float32)) for code in np.unique(codes)]
    return {name: np.ptp([one[name] for one in scores], axis=0) for name in scores[0]}
