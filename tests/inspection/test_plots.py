"""Pictures show the numbers they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from brainograph.inspection import (
    plot_calibration,
    plot_confusion,
    plot_models,
    plot_roc,
    plot_sites,
)
from brainograph.metrics import score


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def predictions(rng):
    n = 80
    y = np.arange(n) % 2
    rows = {"participant_id": [f"sub-{i}" for i in range(n)], "repeat": 0, "y_true": y}
    rows |= {"fold": np.arange(n) // 16, "site": np.where(np.arange(n) < 50, "A & B", "$x_1$")}
    models = {"gcn": np.clip(0.3 * y + 0.7 * rng.random(n), 0, 1), "majority": np.full(n, 0.5)}
    tables = [pd.DataFrame(rows | {"model": m, "y_score": s}) for m, s in models.items()]
    return pd.concat(tables).assign(regime="inductive")


def texts(labels):
    return [label.get_text() for label in labels]


def test_roc_draws_every_model_on_the_axes_given(predictions):
    axes = plt.subplots()[1]
    assert plot_roc(predictions, axes=axes) is axes
    assert texts(axes.get_legend().get_texts()) == ["gcn", "majority"]
    x, y = axes.lines[1].get_data()
    area = np.trapezoid(y, x)
    auc = score(predictions, n_bootstrap=1).set_index(["model", "metric"]).loc[("gcn", "auc")]
    assert area == pytest.approx(auc["value"], abs=0.02)


def test_roc_of_a_perfect_model_hugs_the_corner(predictions):
    axes = plot_roc(predictions.assign(y_score=predictions["y_true"].astype(float)))
    assert axes.lines[1].get_ydata()[1:].tolist() == [1.0] * 100


def test_roc_of_a_constant_model_is_the_diagonal(predictions):
    x, y = plot_roc(predictions, main="majority").lines[1].get_data()
    np.testing.assert_allclose(x, y)


def test_confusion_counts_by_hand():
    rows = {"participant_id": list("abcde"), "repeat": 0, "fold": 0, "model": "m", "regime": "r"}
    rows |= {"y_true": [0, 0, 0, 1, 1], "y_score": [0.1, 0.2, 0.9, 0.9, 0.4]}
    axes = plot_confusion(pd.DataFrame(rows))
    assert texts(axes.texts) == ["67%\n2", "33%\n1", "50%\n1", "50%\n1"]


def test_calibration_bins_by_hand():
    n = 40
    rows = {"participant_id": [f"s{i}" for i in range(n)], "repeat": 0, "fold": 0}
    rows |= {"model": "m", "regime": "r", "y_score": np.repeat([0.25, 0.75], 20)}
    rows |= {"y_true": [1] * 5 + [0] * 15 + [1] * 15 + [0] * 5}
    axes = plot_calibration(pd.DataFrame(rows), n_bins=2)
    points = axes.containers[0].lines[0]
    assert points.get_xdata().tolist() == [0.25, 0.75]
    assert points.get_ydata().tolist() == [0.25, 0.75]
    low, high = axes.containers[0].lines[2][0].get_segments()[0][:, 1]
    assert [low, high] == pytest.approx([0.1119, 0.4687], abs=1e-3)  # Wilson, 5 of 20


def test_sites_are_named_with_their_size_and_not_read_as_mathematics(predictions):
    axes = plot_sites(score(predictions, by="site", n_bootstrap=20))
    assert texts(axes.get_yticklabels()) == ["A & B (50)", r"\$x_1\$ (30)"]
    axes.figure.canvas.draw()


def test_models_are_drawn_at_their_value_with_their_interval(predictions):
    scores = score(predictions, n_bootstrap=50)
    axes = plot_models(scores)
    auc = scores[scores["metric"] == "auc"]
    np.testing.assert_allclose(axes.collections[1].get_offsets()[:, 0], auc["value"])
    segments = np.array(axes.collections[0].get_segments())
    np.testing.assert_allclose(segments[:, :, 0], auc[["low", "high"]])
    assert texts(axes.get_yticklabels()) == ["gcn", "majority"]


def test_unknown_names_are_refused(predictions):
    with pytest.raises(ValueError, match=r"model must be one of \['gcn', 'majority'\], got 'gnc'"):
        plot_confusion(predictions, model="gnc")
    with pytest.raises(ValueError, match=r"regime must be one of \['inductive'\], got 'both'"):
        plot_roc(predictions, regime="both")
