"""Brain graphs are drawn in order, in place and in colours that tell groups apart."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from brainograph.inspection import (
    plot_connectome,
    plot_matrix,
    plot_population_graph,
    plot_windows,
)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def symmetric(rng, n):
    matrix = rng.uniform(-1, 1, (n, n))
    return (matrix + matrix.T) / 2


def test_matrix_is_ordered_by_network(rng):
    matrix = symmetric(rng, 4)
    regions = pd.DataFrame(
        {"network": ["visual", "default", "visual", "default"]}, index=list("abcd")
    )
    axes = plot_matrix(matrix, regions=regions)
    order = [1, 3, 0, 2]
    np.testing.assert_array_equal(axes.images[0].get_array(), matrix[np.ix_(order, order)])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["default", "visual"]
    assert axes.get_yticks().tolist() == [0.5, 2.5]


def test_matrix_without_networks_carries_region_names(rng):
    axes = plot_matrix(symmetric(rng, 3), regions=pd.DataFrame(index=["L $a$", "b", "c"]))
    assert [t.get_text() for t in axes.get_yticklabels()] == [r"L \$a\$", "b", "c"]
    axes.figure.canvas.draw()


def test_matrix_without_negative_values_uses_the_whole_scale():
    signed = plot_matrix(np.array([[1, -0.2], [-0.2, 1]])).images[0]
    assert signed.get_cmap().name == "RdBu_r"
    assert signed.get_clim() == (-0.2, 0.2)
    similar = plot_matrix(np.array([[1, 0.4], [0.4, 1]])).images[0]
    assert similar.get_cmap().name == "Reds"
    assert similar.get_clim() == (0, 0.4)


def test_matrix_of_many_subjects_or_other_regions_is_refused(rng):
    with pytest.raises(ValueError, match=r"matrix must be \(R, R\), got \(2, 3, 3\)"):
        plot_matrix(np.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match="regions must have 3 rows like the matrix, got 2"):
        plot_matrix(np.zeros((3, 3)), regions=pd.DataFrame(index=["a", "b"]))


def test_connectome_leaves_out_regions_without_a_place(rng):
    regions = pd.DataFrame({"x": [-40.0, 40, np.nan], "y": [0.0, 0, 0], "z": [10.0, 10, 10]})
    display = plot_connectome(symmetric(rng, 3), regions, edge_threshold=0)
    display.savefig("/dev/null", format="png")
    nodes = display.axes["x"].ax.collections[0].get_offsets()
    assert len(nodes) == 2


def test_connectome_without_coordinates_is_explained():
    with pytest.raises(ValueError, match=r"x, y, z in MNI mm, \['x', 'y', 'z'\] are missing"):
        plot_connectome(np.eye(2), pd.DataFrame(index=["a", "b"]))


@pytest.mark.parametrize("color_by", ["site", "diagnosis"])
def test_population_graph_names_its_groups(color_by):
    adjacency = np.ones((4, 4)) - np.eye(4)
    phenotype = pd.DataFrame({"site": ["A", "A", "B", None], "diagnosis": [0, 0, 1, -1]})
    axes = plot_population_graph(adjacency, phenotype, color_by=color_by)
    names = {text.get_text() for text in axes.get_legend().get_texts()}
    wanted = {"site": {"A", "B", "unknown"}, "diagnosis": {"control", "patient", "unknown"}}
    assert names == wanted[color_by]
    assert len(axes.collections[0].get_segments()) == 6


def test_population_graph_gathers_small_sites():
    sites = [f"S{i}" for i in range(12)] + [f"S{i}" for i in range(9)]
    axes = plot_population_graph(np.zeros((21, 21)), pd.DataFrame({"site": sites}))
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(names) == 10
    assert names[-1] == "other"


def test_population_graph_refuses_what_does_not_fit():
    phenotype = pd.DataFrame({"site": ["A", "B"]})
    with pytest.raises(ValueError, match=r"color_by must be one of \('site', 'diagnosis'\)"):
        plot_population_graph(np.eye(2), phenotype, color_by="age")
    with pytest.raises(ValueError, match=r"got \(3, 3\) and \(2, 1\)"):
        plot_population_graph(np.eye(3), phenotype)


def test_windows_show_the_edges_that_change_most():
    windows = np.zeros((5, 3, 3))
    windows[:, 0, 2] = windows[:, 2, 0] = np.arange(5)
    axes = plot_windows(windows, regions=pd.DataFrame(index=["a", "b", "c"]), n_edges=1)
    assert axes.lines[0].get_label() == "a - c"
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), np.arange(5))
    np.testing.assert_allclose(axes.lines[1].get_ydata(), np.arange(5) / 3)
    with pytest.raises(ValueError, match=r"windows must be \(W, R, R\), got \(3, 3\)"):
        plot_windows(np.zeros((3, 3)))
