"""Tables of predictions, written out or simulated."""

import numpy as np
import pandas as pd
import pytest


def _table(y_true, y_score=None, *, model="gcn", regime="inductive", repeat=0, fold=0, **columns):
    ids = [f"sub-{i:04d}" for i in range(len(y_true))]
    given = {} if y_score is None else {"y_score": y_score}
    keys = {"site": "X", "model": model, "regime": regime, "repeat": repeat, "fold": fold}
    return pd.DataFrame({"participant_id": ids, "y_true": y_true} | given | keys | columns)


def _simulated(rng, n=120, *, effect=1.0, n_folds=5, **columns):
    y = rng.integers(0, 2, n)
    logit = effect * (y - 0.5) + rng.normal(size=n)
    return _table(y, 1 / (1 + np.exp(-logit)), fold=np.arange(n) % n_folds, **columns)


@pytest.fixture
def table():
    """Return the function that writes out a table."""
    return _table


@pytest.fixture
def simulated():
    """Return the function that simulates a table."""
    return _simulated
