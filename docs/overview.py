"""Draw docs/overview.png from the demo: ``brainograph demo && python docs/overview.py``."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from brainograph.cohort import Cohort
from brainograph.graphs import population_graph
from brainograph.inspection import plot_connectome, plot_matrix, plot_models, plot_population_graph
from brainograph.model_selection import Results

demo = Path(sys.argv[1] if len(sys.argv) > 1 else "brainograph_demo")
cohort, results = Cohort.load(demo / "cohort"), Results.load(demo / "results")

figure = plt.figure(figsize=(13, 7))
grid = figure.add_gridspec(2, 3, width_ratios=(1, 0.45, 1.8), hspace=0.3, wspace=0.3)

patients = (cohort.phenotype["diagnosis"] == "patient").to_numpy()
matrices = np.asarray(cohort.connectivity["fc"])
axes = figure.add_subplot(grid[0, 0])
plot_matrix(matrices.mean(axis=0), axes=axes)
axes.set_title("Connectivity, mean of all")

axes = figure.add_subplot(grid[0, 1:])
difference = matrices[patients].mean(axis=0) - matrices[~patients].mean(axis=0)
axes.axis("off")
axes.set_title("Patients minus controls, strongest edges")
plot_connectome(difference, cohort.regions, edge_threshold="95%", axes=axes)

axes = figure.add_subplot(grid[1, 0])
people = cohort.phenotype
graph = population_graph(
    None, people, categorical=["site"], continuous={"age": 5.0}, combine="phenotype"
)
plot_population_graph(graph, people, color_by="site", axes=axes)
axes.set_title("Population graph")

axes = figure.add_subplot(grid[1, 2])
plot_models(results.scores(), axes=axes)
axes.set_title("The model beside its controls, same folds")

figure.savefig(Path(__file__).with_name("overview.png"), dpi=110, bbox_inches="tight")
