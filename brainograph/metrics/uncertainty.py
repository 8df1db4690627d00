"""How uncertain predictions are, what it costs to be sure, and how often sets hold the truth."""

import numpy as np
import pandas as pd
from scipy.special import entr
from scipy.stats import binomtest

__all__ = [
    "area_under_risk_coverage",
    "mutual_information",
    "predictive_entropy",
    "risk_coverage",
    "selective_risk",
    "set_coverage",
]


def predictive_entropy(probability: np.ndarray) -> np.ndarray:
    r"""Return how undecided each prediction is, in nats.

    .. math:: H_i = -\sum_k p_{ik} \log p_{ik}

    Parameters
    ----------
    probability : array (S, K), or (N, S, K)
        Of each class; N samples, by networks or by passes with dropout, are averaged.

    Returns
    -------
    array (S,)
        0 for a certain prediction, log K for no idea.

    Examples
    --------
    >>> predictive_entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).round(4)
    array([0.6931, 0.    ])
    """
    if probability.ndim == 3:
        probability = probability.mean(axis=0)
    return entr(probability).sum(axis=1)


def mutual_information(samples: np.ndarray) -> np.ndarray:
    r"""Return how far samples contradict each other, in nats: what more data could settle (BALD).

    .. math:: I_i = H\Bigl(\frac1N \sum_n p_{ni}\Bigr) - \frac1N \sum_n H(p_{ni})

    Samples that all say one half are undecided and of one mind: their entropy is log 2 and this
    is 0.

    Parameters
    ----------
    samples : array (N, S, K)
        Probabilities by networks of an ensemble, or by passes with dropout.

    Returns
    -------
    array (S,)

    Raises
    ------
    ValueError
        For fewer than two samples.

    References
    ----------
    Houlsby et al., Bayesian active learning for classification and preference learning,
    arXiv:1112.5745, 2011.

    Examples
    --------
    >>> agree, differ = [[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]
    >>> mutual_information(np.stack([agree, differ], axis=1)).round(4)
    array([0.    , 0.6931])
    """
    if samples.ndim != 3 or len(samples) < 2:
        raise ValueError(
            f"samples must be (N, S, K) with N of at least 2, got shape {samples.shape}. Write "
            "n_members=5, or draw with dropout: model.sample_proba(cohort, n_passes=20)."
        )
    within = entr(samples).sum(axis=2).mean(axis=0)
    return np.maximum(predictive_entropy(samples) - within, 0.0)


def risk_coverage(loss: np.ndarray, confidence: np.ndarray) -> pd.DataFrame:
    r"""Return the mean loss of the most confident predictions, however many are kept.

    .. math:: risk(c) = \frac{\sum_{i \in kept} loss_i}{|kept|}, \quad
              kept = \{i : confidence_i \ge c\}

    Parameters
    ----------
    loss : array (S,)
        Of each prediction, such as 1 where it is wrong and 0 where it is right.
    confidence : array (S,)
        The higher, the surer: the largest probability, or minus an uncertainty.

    Returns
    -------
    DataFrame
        ``coverage`` (share that is kept), ``risk`` and ``confidence`` (of the least sure that is
        kept), one row for each different confidence, the surest first.

    References
    ----------
    Geifman & El-Yaniv, Selective classification for deep neural networks, NeurIPS 2017.

    Examples
    --------
    >>> risk_coverage(np.array([1, 0, 0, 1]), np.array([0.6, 0.9, 0.9, 0.6]))
       coverage  risk  confidence
    0       0.5   0.0         0.9
    1       1.0   0.5         0.6
    """
    expected, kept, last = _sorted(loss, confidence)
    risk = np.cumsum(expected) / np.arange(1, len(expected) + 1)
    table = {"coverage": np.arange(1, len(risk) + 1) / len(risk), "risk": risk, "confidence": kept}
    return pd.DataFrame(table)[last].reset_index(drop=True)


def area_under_risk_coverage(loss: np.ndarray, confidence: np.ndarray) -> float:
    r"""Return the mean risk over all numbers of predictions that can be kept.

    .. math:: AURC = \frac1S \sum_{n=1}^{S} \frac1n \sum_{i \in surest\ n} loss_i

    Ties are in random order, in expectation. Of a confidence that knows nothing it is the mean
    loss; the lower, the better.

    Parameters
    ----------
    loss, confidence
        As for :func:`risk_coverage`.

    Examples
    --------
    >>> area_under_risk_coverage(np.array([0, 1]), np.array([0.9, 0.6]))
    0.25
    """
    expected, _, _ = _sorted(loss, confidence)
    return float((np.cumsum(expected) / np.arange(1, len(expected) + 1)).mean())


def _sorted(loss: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return losses and confidences, the surest first, and where each confidence ends.

    Those of one confidence have their mean loss: what a random order among them would give.
    """
    loss, confidence = np.asarray(loss, dtype=float), np.asarray(confidence, dtype=float)
    if loss.shape != confidence.shape or loss.ndim != 1 or not len(loss):
        raise ValueError(
            f"loss and confidence must be (S,) with S of at least 1, got {loss.shape} and "
            f"{confidence.shape}."
        )
    levels, level, size = np.unique(-confidence, return_inverse=True, return_counts=True)
    mean = np.bincount(level, weights=loss) / size
    last = np.zeros(len(loss), dtype=bool)
    last[np.cumsum(size) - 1] = True
    return np.repeat(mean, size), np.repeat(-levels, size), last


def selective_risk(predictions: pd.DataFrame, *, by: str | None = None) -> pd.DataFrame:
    """Return how well out-of-fold probabilities know where they are wrong.

    Parameters
    ----------
    predictions : DataFrame
        Of :class:`~brainograph.model_selection.Results`: ``y_true`` and ``y_score`` (or ``p_0``,
        ``p_1``, ``p_2`` ...) by ``model`` and ``regime``.
    by : str, optional
        A column, such as ``"site"``.

    Returns
    -------
    DataFrame
        By model, regime (and ``by``): ``n``, ``error`` (share of wrong predictions),
        ``error_at_80`` (among the surest 80 %) and ``aurc``
        (:func:`area_under_risk_coverage`).

    Examples
    --------
    >>> table = pd.DataFrame({"y_true": [1, 0, 1], "y_score": [0.9, 0.2, 0.4]})
    >>> selective_risk(table.assign(model="m", regime="inductive"))[["n", "error"]].round(3)
       n  error
    0  3  0.333
    """
    keys = ["model", "regime", *([by] if by else [])]
    rows = []
    for values, table in predictions.groupby(keys, sort=False):
        probability = _probabilities(table)
        wrong = probability.argmax(axis=1) != table["y_true"].to_numpy()
        curve = risk_coverage(wrong, probability.max(axis=1))
        measured = {
            "n": len(table),
            "error": float(wrong.mean()),
            "error_at_80": float(curve["risk"][curve["coverage"].searchsorted(0.8 - 1e-9)]),
            "aurc": area_under_risk_coverage(wrong, probability.max(axis=1)),
        }
        rows.append(dict(zip(keys, values, strict=True)) | measured)
    return pd.DataFrame(rows)


def _probabilities(predictions: pd.DataFrame) -> np.ndarray:
    if "y_score" in predictions:
        positive = predictions["y_score"].to_numpy(float)
        return np.column_stack([1 - positive, positive])
    names = sorted((c for c in predictions if c.startswith("p_")), key=lambda c: int(c[2:]))
    return predictions[names].to_numpy(float)


def set_coverage(
    sets: np.ndarray, target: np.ndarray, *, group: np.ndarray | None = None
) -> pd.DataFrame:
    """Return how often prediction sets hold the truth, over all and in each group.

    Parameters
    ----------
    sets : array of bool (S, K)
        Which classes are in each set.
    target : array of int (S,)
        The column of the true class.
    group : array (S,), optional
        Such as the site.

    Returns
    -------
    DataFrame
        ``group`` ("all" in the first row), ``n``, ``coverage`` with its exact 95 % binomial
        interval ``low`` and ``high``, ``size`` (classes in a set), ``single`` (share of sets of
        one class, on which no abstention is needed).

    Examples
    --------
    >>> sets = np.array([[True, False], [True, True]])
    >>> set_coverage(sets, np.array([1, 1])).round(2)
      group  n  coverage   low  high  size  single
    0   all  2       0.5  0.01  0.99   1.5     0.5
    """
    holds = sets[np.arange(len(sets)), target]
    groups = {"all": np.ones(len(sets), dtype=bool)}
    if group is not None:
        named = pd.Series(group).astype(object).where(pd.notna(group), "n/a").astype(str)
        groups |= {name: (named == name).to_numpy() for name in sorted(named.unique())}
    rows = []
    for name, rows_of in groups.items():
        n, size = int(rows_of.sum()), sets[rows_of].sum(axis=1)
        band = binomtest(int(holds[rows_of].sum()), n).proportion_ci(0.95, method="exact")
        rows.append(
            {
                "group": name,
                "n": n,
                "coverage": holds[rows_of].mean(),
                "low": band.low,
                "high": band.high,
                "size": size.mean(),
                "single": (size == 1).mean(),
            }
        )
    return pd.DataFrame(rows)
