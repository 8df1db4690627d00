"""Pictures of importances show the numbers they are given, and need no network."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from brainograph.datasets.regions import mni_regions
from brainograph.inspection import (
    consensus,
    plot_attention,
    plot_chord,
    plot_history,
    plot_precision_recall,
    plot_ranking,
    plot_regions,
    plot_risk_coverage,
)
from brainograph.inspection.brains import _filled
from brainograph.io.atlas import Atlas


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def regions():
    return mni_regions(12)


@pytest.fixture(scope="module")
def atlas(regions):
    """Cubes at the centres of the regions, 4 mm wide."""
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = [-90, -126, -72]
    labels = np.zeros((46, 55, 46), dtype=np.int32)
    for label, *centre in regions[["label", "x", "y", "z"]].itertuples(index=False):
        i, j, k = np.rint((np.array(centre) - affine[:3, 3]) / 4).astype(int)
        labels[i - 2 : i + 3, j - 2 : j + 3, k - 2 : k + 3] = label
    return Atlas("cubes", labels, affine, regions)


@pytest.fixture(scope="module")
def table(regions):
    return pd.DataFrame({"region": regions.index, "importance": np.arange(12.0)})


def texts(labels):
    return [label.get_text() for label in labels]


def test_regions_are_drawn_everywhere_on_the_figure_given(table, regions, atlas):
    figure = plt.figure()
    assert plot_regions(table, regions, figure=figure, title="$x$") is figure
    slices = plot_regions(table, regions, where="slices", atlas=atlas)
    assert len(slices.axes) >= 7
    surface = plot_regions(table, regions, where="surface", atlas=atlas)
    assert len([one for one in surface.axes if one.name == "3d"]) == 4


def test_atlas_is_filled_by_region_and_not_by_order(table, regions, atlas):
    shuffled = regions.sample(frac=1, random_state=0)
    image = _filled(table.set_index("region")["importance"][shuffled.index], shuffled, atlas)
    data = image.get_fdata()
    for region, value in zip(table["region"], table["importance"], strict=True):
        inside = atlas.labels == regions.loc[region, "label"]
        assert data[inside].tolist() == [value] * inside.sum()
    assert (data[atlas.labels == 0] == 0).all()


def test_regions_need_a_place(table, regions):
    with pytest.raises(ValueError, match="x, y, z in MNI mm"):
        plot_regions(table, regions[["label"]])
    with pytest.raises(ValueError, match="needs their image: atlas=PATH"):
        plot_regions(table, regions, where="slices")
    with pytest.raises(ValueError, match="where must be one of"):
        plot_regions(table, regions, where="moon")


def test_chord_draws_the_strongest_edges_by_sign(regions):
    names = regions.index
    edges = pd.DataFrame(
        {
            "region_a": names[[0, 1, 2, 3]],
            "region_b": names[[5, 6, 7, 3]],
            "importance": [1.0, -2.0, 0.1, 9.0],
        }
    )
    axes = plt.subplots()[1]
    assert plot_chord(edges, regions, n_edges=2, axes=axes) is axes
    thin, thick = axes.patches  # the strongest on top; a region's own value is no edge
    assert thin.get_linewidth() < thick.get_linewidth()
    assert (thin.get_linestyle(), thick.get_linestyle()) == ("-", (0, (4.0, 2.0))) or (
        thin.get_linestyle() != thick.get_linestyle()
    )
    drawn = texts(axes.texts)
    assert {*regions["network"]} <= {*drawn}
    assert {names[0], names[5], names[1], names[6]} <= {*drawn}
    assert names[2] not in drawn
    with pytest.raises(ValueError, match="regions lacks"):
        plot_chord(edges.assign(region_a="elsewhere"), regions)
    with pytest.raises(ValueError, match="shows edges"):
        plot_chord(edges.rename(columns={"region_a": "region"}), regions)


def test_ranking_is_in_order_with_shares_of_fits():
    one = pd.DataFrame({"region": ["a", "<b>$x$</b>"], "importance": [1.0, 3.0]})
    axes = plot_ranking(consensus({"0": one, "1": one}, k=1))
    assert texts(axes.get_yticklabels()) == ["<b>\\$x\\$</b> (100 %)", "a (0 %)"]


@pytest.fixture
def predictions(rng):
    n = 60
    y = np.arange(n) % 2
    rows = {"participant_id": [f"sub-{i}" for i in range(n)], "repeat": 0, "y_true": y}
    rows |= {"fold": np.arange(n) // 12, "regime": "inductive"}
    models = {"gcn": np.clip(0.4 * y + 0.6 * rng.random(n), 0, 1), "perfect": 0.1 + 0.8 * y}
    tables = [pd.DataFrame(rows | {"model": m, "y_score": s}) for m, s in models.items()]
    return pd.concat(tables)


def test_precision_and_risk_of_a_perfect_model(predictions):
    axes = plot_precision_recall(predictions, main="perfect")
    assert axes.lines[1].get_ydata().tolist() == [1.0] * 101
    assert axes.lines[0].get_ydata().tolist() == [0.5, 0.5]
    assert texts(axes.get_legend().get_texts()) == ["chance", "perfect", "gcn"]
    axes = plot_risk_coverage(predictions, main="perfect")
    assert axes.lines[0].get_ydata().tolist() == [0.0] * 101
    scores = predictions[predictions["model"] == "gcn"]
    errors = ((scores["y_score"] >= 0.5) != (scores["y_true"] == 1)).mean()
    assert axes.lines[1].get_ydata()[-1] == pytest.approx(errors)


def test_precision_by_hand():
    rows = {"participant_id": list("abcd"), "model": "m", "regime": "r", "repeat": 0, "fold": 0}
    table = pd.DataFrame(rows | {"y_true": [1, 0, 1, 0], "y_score": [0.9, 0.8, 0.7, 0.1]})
    precision = plot_precision_recall(table).lines[1].get_ydata()
    assert precision[50] == pytest.approx(1)  # half of the patients: the first
    assert precision[100] == pytest.approx(2 / 3)


def test_history_and_attention():
    index = pd.MultiIndex.from_product([[0, 1], [0, 1, 2]], names=["member", "epoch"])
    history = pd.DataFrame({"loss": range(6), "validation": [3, 1, 2, 3, 2, 1]}, index=index)
    axes = plot_history(history)
    marks = [line.get_data() for line in axes.lines if line.get_marker() == "o"]
    assert [(int(x[0]), int(y[0])) for x, y in marks] == [(1, 1), (2, 1)]
    windows = pd.DataFrame(
        {
            "participant_id": list("aabb"),
            "channel": "fc",
            "start": [0, 10, 0, 10],
            "stop": [20, 30, 20, 30],
            "importance": [1.0, 2.0, 3.0, 4.0],
        }
    )
    axes = plot_attention(windows)
    assert axes.lines[0].get_ydata().tolist() == [2.0, 3.0]
    assert texts(axes.get_legend().get_texts()) == ["fc", "all alike"]
    near = windows.assign(channel=["a", "b"] * 2, importance=[0.5, 0.501, 0.499, 0.5])
    low, high = plot_attention(near).get_ylim()  # what is nearly alike looks so
    assert (low, high) == (pytest.approx(0.45), pytest.approx(0.55))
    with pytest.raises(ValueError, match="level='window'"):
        plot_attention(windows.drop(columns="start"))


def test_channels_are_drawn_side_by_side():
    rows = {
        "region": ["a", "a", "b", "b", "c", "c"],
        "channel": ["dynamic", "lag:1"] * 3,
        "importance": [0.5, 0.5, 0.8, 0.2, 0.4, 0.6],
    }
    axes = plot_ranking(pd.DataFrame(rows), n=2)
    assert texts(axes.get_yticklabels()) == ["b", "c"]  # where they differ most
    assert texts(axes.get_legend().get_texts()) == ["dynamic", "lag:1", "all alike"]
    assert axes.lines[0].get_xdata().tolist() == [0.8, 0.4]
    assert axes.lines[2].get_xdata() == [0.5, 0.5]
