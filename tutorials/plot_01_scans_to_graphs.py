# %% [markdown]
# # From scans to brain graphs
#
# fMRIPrep has preprocessed your scans. This tutorial reads them, correlates the regions, over the
# whole scan and in sliding windows, and makes graphs that PyTorch Geometric and networkx take.
#
# Everything here sees **one participant at a time**, so nothing in it can leak from test to
# training participants. What compares participants comes in the second tutorial.

# %%
import os
import subprocess
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from torch_geometric.nn import GCNConv

from brainograph import Cohort
from brainograph.connectivity import sliding_window, static, window_starts
from brainograph.datasets import simulate_fmriprep
from brainograph.graphs import (
    brain_graph,
    dynamic_brain_graph,
    graph_measures,
    node_features,
    sparsify,
    to_networkx,
)
from brainograph.inspection import plot_connectome, plot_matrix, plot_windows
from brainograph.io import read_fmriprep, read_images

# %% [markdown]
# ## An fMRIPrep folder
#
# So that nothing has to be downloaded, we simulate one, in a temporary folder that is deleted at
# the end: ten participants from three sites. The scans are coarse (8 mm), with realistic drift,
# motion and physiological noise.

# %%
start, workplace = Path.cwd(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
os.chdir(workplace.name)
simulate_fmriprep("fmriprep", n_subjects=10, n_sites=3, random_state=1, progress=False)

for path in sorted(Path("fmriprep").iterdir())[:7]:
    print(path)

# %%
for path in sorted(Path("fmriprep").glob("sub-*"))[0].rglob("*.*"):
    print(path.name)

# %% [markdown]
# ## Reading it
#
# `read_fmriprep` needs the folder and an atlas: a label image with its table of names, or a name
# that nilearn knows, such as `atlas="schaefer_100"`.

# %%
cohort = read_fmriprep(
    "fmriprep",
    atlas="fmriprep/atlas.nii.gz",
    atlas_names="fmriprep/atlas.tsv",
    progress=False,
)
cohort

# %% [markdown]
# Ten participants are in the table and eight were read. A broken scan never stops the others; it
# is listed with its reason.

# %%
for failure in cohort.failures.itertuples():
    print(f"{failure.participant_id}: {failure.reason}")

# %% [markdown]
# The phenotypes come from `participants.tsv`; `mean_fd` (head motion, mm) and `repetition_time` (s)
# from the scans. Missing cells stay missing.

# %%
cohort.phenotype

# %% [markdown]
# ## Cleaning
#
# Each region's mean series is cleaned by nilearn's `signal.clean`: confound regression by a
# strategy of nilearn's `load_confounds` (`confounds="simple"` is motion, white matter and CSF),
# detrending and band-pass filter in one orthogonal step. The settings travel with the cohort.

# %%
for setting in ("confounds", "detrend", "high_pass", "low_pass", "standardize"):
    print(f"{setting:12} {cohort.provenance[setting]}")

# %% [markdown]
# What confound regression removes, in one participant's posterior cingulate:

# %%
raw = read_fmriprep(
    "fmriprep",
    atlas="fmriprep/atlas.nii.gz",
    atlas_names="fmriprep/atlas.tsv",
    confounds=None,
    low_pass=None,
    high_pass=None,
    detrend=False,
    progress=False,
)
region = cohort.regions.index.get_loc("Default_PCC_L")
t_r = cohort.phenotype["repetition_time"].iloc[0]
seconds = np.arange(len(cohort.timeseries[0])) * t_r

figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
axes.plot(seconds, raw.timeseries[0][:, region], color="0.7", label="as scanned")
axes.plot(seconds, cohort.timeseries[0][:, region], color="#0072B2", label="cleaned")
axes.set(xlabel="time (s)", ylabel="signal (z)", title="Left posterior cingulate")
axes.spines[["top", "right"]].set_visible(False)
legend = axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))

# %% [markdown]
# ## A cohort is sliced as one
#
# Phenotypes, series, matrices and images stay aligned, whatever you select. A cohort is frozen:
# `assign` returns a new one. Here it gives each region its network, which this atlas has in the
# region names.

# %%
regions = cohort.regions.assign(network=cohort.regions.index.str.split("_").str[0])
cohort = cohort.assign(regions=regions)
cohort[cohort.phenotype["site"] == "site01"]

# %% [markdown]
# ## Static connectivity
#
# `static` takes one series or many of different lengths, and gives one matrix for each. The kinds
# have nilearn's names.

# %%
series = cohort.timeseries
fc = static(series, kind="correlation")
partial = static(series, kind="partial correlation", shrinkage="ledoit_wolf")
fc.shape, partial.shape

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
left.set_title("correlation")
right.set_title("partial correlation")
plot_matrix(fc[0], regions=cohort.regions, axes=left)
axes = plot_matrix(partial[0], regions=cohort.regions, axes=right)

# %% [markdown]
# ## What shrinkage does
#
# Partial correlations invert the covariance, and a scan of a hundred filtered volumes holds little
# information for that. Shrinkage pulls the covariance towards a multiple of the identity before it
# is inverted. To see whether that helps, compute the matrix from each half of the scan and
# correlate the edges of the two halves.

# %%
upper = np.triu_indices(cohort.n_regions, k=1)
first = [x[: len(x) // 2] for x in series]
second = [x[len(x) // 2 :] for x in series]


def mean_agreement(some, others):
    """Correlate the edges of two matrices of each participant, and average."""
    pairs = zip(some, others, strict=True)
    return np.mean([np.corrcoef(a[upper], b[upper])[0, 1] for a, b in pairs])


rows = {}
for shrinkage in (None, "ledoit_wolf", 0.9):
    a, b, whole = (
        static(part, kind="partial correlation", shrinkage=shrinkage)
        for part in (first, second, series)
    )
    rows[str(shrinkage)] = {
        "agreement of halves": mean_agreement(a, b),
        "agreement with correlation": mean_agreement(whole, fc),
    }
pd.DataFrame.from_dict(rows, orient="index").rename_axis("shrinkage").round(2)

# %% [markdown]
# Without shrinkage, the two halves of a scan have less in common. With too much of it, partial
# correlations become correlations again. Ledoit-Wolf chooses the amount from the data. nilearn
# shrinks by default; brainograph shrinks when you ask.
#
# Fewer volumes than regions have no partial correlation at all, and the message says what to do:

# %%
try:
    static(series[0][:20], kind="partial correlation")
except ValueError as error:
    print(error)

# %% [markdown]
# ## A connectome on a glass brain
#
# The atlas image gave the regions their MNI coordinates. Here are the strongest tenth of the edges,
# averaged over the eight participants.

# %%
figure = plt.figure(figsize=(9, 3.2))
display = plot_connectome(fc.mean(axis=0), cohort.regions, edge_threshold="90%", axes=figure.gca())

# %% [markdown]
# ## Sliding windows
#
# Repetition times differ between sites, so windows are given **in seconds**: 60 s at each site,
# whatever the number of volumes. A tapered window (Hamming) is a true weighted correlation.

# %%
times = cohort.phenotype["repetition_time"].to_numpy()
windows = sliding_window(series, 60.0, step=4.0, t_r=times, window="hamming")
pd.DataFrame(
    {
        "repetition time (s)": times,
        "volumes": [len(x) for x in series],
        "windows": [len(w) for w in windows],
    },
    index=cohort.participant_ids,
)

# %%
starts = window_starts(len(series[0]), 60.0, step=4.0, t_r=t_r)
centres = starts * t_r + 30
figure, axes = plt.subplots(figsize=(8.5, 3.4), layout="constrained")
axes = plot_windows(windows[0], seconds=centres, regions=cohort.regions, axes=axes)

# %% [markdown]
# Single edges swing widely, their mean does not. Beware of reading states into this: these series
# are stationary by construction, and short windows of a constant correlation swing too.
#
# ## From a matrix to a graph
#
# A correlation matrix has a weight for each pair. `sparsify` keeps the strong ones and says what
# happens to negative weights (`sign="positive"` drops them; graph convolutions such as `GCNConv`
# turn negative weights into NaN). `spanning_tree=True` keeps every region connected.

# %%
adjacency = sparsify(fc[0], density=0.15, spanning_tree=True)
x, names = node_features(
    fc[0],
    kinds=["strength", "clustering", "alff", "coordinates"],
    adjacency=adjacency,
    series=series[0],
    t_r=t_r,
    coordinates=cohort.regions[["x", "y", "z"]],
)
graph = brain_graph(adjacency, x=x, y=1, participant_id=cohort.participant_ids[0])
graph

# %% [markdown]
# `graph` is a plain PyTorch Geometric `Data`, no class of ours: `x` has a row for each region
# (here the columns below), `edge_index` the pairs in both directions, `edge_weight` their weights,
# `y` the target.

# %%
pd.DataFrame(graph.x.double(), index=cohort.regions.index, columns=names).head(4).round(2)

# %% [markdown]
# ## networkx and graph measures
#
# The same graph in networkx, with region names and attributes:

# %%
network = to_networkx(graph, regions=cohort.regions)
print(network)
print(network.nodes["Default_PCC_L"])

# %%
regional, whole = graph_measures(adjacency, regions=cohort.regions.index)
regional.sort_values("betweenness", ascending=False).head(5).round(2)

# %%
whole.round(2).to_frame("value")

# %% [markdown]
# ## A dynamic brain graph
#
# All windows of a scan become one `Data`: node `w * R + r` is region `r` in window `w`. No edge
# joins two windows, so any layer for static graphs runs on it unchanged.

# %%
dynamic = dynamic_brain_graph(sparsify(windows[0], density=0.15))
dynamic

# %%
layer = GCNConv(cohort.n_regions, 8)
out = layer(dynamic.x, dynamic.edge_index, dynamic.edge_weight)
out.view(dynamic.num_windows, cohort.n_regions, -1).shape  # windows, regions, channels

# %% [markdown]
# ## Saving and loading
#
# A cohort is a folder of TSV, `.npy` and JSON files: no pickle, nothing that only Python reads.
# Loading leaves the arrays on disk until they are used.

# %%
cohort = cohort.assign(connectivity={"fc": fc, "partial": partial})
cohort.save("cohort")
print(*sorted(str(p) for p in Path("cohort").rglob("*") if p.is_file()), sep="\n")
Cohort.load("cohort")

# %% [markdown]
# ## The same from the command line

# %%
command = """
brainograph build fmriprep cohort_2 --layout fmriprep
    --atlas fmriprep/atlas.nii.gz --atlas-names fmriprep/atlas.tsv
    --connectivity fc=correlation
"""
subprocess.run(command.split(), check=True, capture_output=True)
again = Cohort.load("cohort_2")
print("the same matrices:", np.array_equal(again.connectivity["fc"], fc))

# %% [markdown]
# ## Structural scans
#
# A T1-weighted image has no time series, so there is nothing to correlate. `read_images` measures
# each region instead (mean intensity, spread, volume), and its network is **morphometric
# similarity**: how alike the intensity distributions of two regions are, within one brain. For
# FreeSurfer's thickness and area tables there is `read_freesurfer`.

# %%
structural = read_images(
    "fmriprep/{participant_id}/anat/*_T1w.nii.gz",
    modality="T1w",
    participants="fmriprep/participants.tsv",
    atlas="fmriprep/atlas.nii.gz",
    atlas_names="fmriprep/atlas.tsv",
    progress=False,
)
structural

# %%
figure, axes = plt.subplots(figsize=(5.4, 4.2), layout="constrained")
axes.set_title("morphometric similarity")
axes = plot_matrix(structural.connectivity["morph"][0], regions=cohort.regions, axes=axes)

# %% [markdown]
# The matrix goes the same way as a correlation: `sparsify`, `brain_graph`, `to_networkx`.
#
# Next: [a population GCN, honestly](plot_02_population_gcn.ipynb).

# %%
os.chdir(start)
workplace.cleanup()
