"""Numbers and names as a paper writes them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["METRICS", "duration", "flat", "interval", "listed", "number", "p_value"]

_NAMES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "f1": "F1",
    "mcc": "MCC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
    "pearson": "Pearson's r",
    "spearman": "Spearman's ρ",
}
METRICS = _NAMES | {f"{name}_folds": f"{said}, mean of folds" for name, said in _NAMES.items()}


def number(value: object, digits: int = 2) -> str:
    """Format a number, or ``n/a`` where there is none.

    Examples
    --------
    >>> number(0.7213), number(float("nan"))
    ('0.72', 'n/a')
    """
    if not isinstance(value, float) or not np.isfinite(value):
        return "n/a"
    return f"{value:.{digits}f}".replace("-", "−")


def interval(low: float, high: float, digits: int = 2) -> str:
    """Format an interval, or nothing where there is none.

    Examples
    --------
    >>> interval(-0.011, 0.034)
    '−0.01 to 0.03'
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return f"{low:.{digits}f} to {high:.{digits}f}".replace("-", "−")


def p_value(value: float, *, sign: bool = False) -> str:
    """Format a p value, with a sign of equality where a sentence needs one.

    Examples
    --------
    >>> p_value(0.00002), p_value(0.217), p_value(0.217, sign=True)
    ('< 0.001', '0.217', '= 0.217')
    """
    if not np.isfinite(value):
        return "n/a"
    if value < 0.001:
        return "< 0.001"
    return f"{'= ' if sign else ''}{value:.3f}"


def listed(names: Sequence[str]) -> str:
    """Join names as a sentence does.

    Examples
    --------
    >>> listed(["motion", "site", "mlp"])
    'motion, site and mlp'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def duration(seconds: object) -> str:
    """Format seconds as a person says them.

    Examples
    --------
    >>> duration(3725), duration(59.7), duration(None)
    ('1 h 2 min', '1 min 0 s', '')
    """
    if not isinstance(seconds, (int, float)):
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def flat(content: Mapping[str, Any], *, prefix: str = "") -> dict[str, str]:
    """Flatten nested provenance into names with dots.

    Examples
    --------
    >>> flat({"seed": 0, "data": {"atlas": "HO"}, "models": ["gcn", "motion"]})
    {'seed': '0', 'data.atlas': 'HO', 'models': 'gcn, motion'}
    """
    rows: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            rows |= flat(value, prefix=f"{prefix}{name}.")
        elif isinstance(value, list):
            rows[f"{prefix}{name}"] = ", ".join(map(str, value))
        elif value is not None:
            rows[f"{prefix}{name}"] = str(value)
    return rows
