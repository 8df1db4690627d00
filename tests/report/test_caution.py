"""What a careful reader would ask about."""

import pandas as pd

from brainograph.metrics.binary import BINARY
from brainograph.report.target import Target
from brainograph.report.verdict import Verdict

TWO = Target(BINARY, "diagnosis", ("controls", "patients"))
VERDICT = Verdict("", "", "", True, "inductive", ())


def scores(rows):
    """Tidy scores from (model, auc, low, high)."""
    made = [
        {"model": m, "regime": "inductive", "metric": metric, "value": v, "low": lo, "high": hi}
        | {"group": "all", "skipped": 0}
        for m, v, lo, hi in rows
        for metric in ("auc", "auc_folds")
    ]
    return pd.DataFrame(made)
