# %% [markdown]
# # Dynamic brain graphs and MSTGC
#
# A **dynamic brain graph** is a sequence of graphs, one for each sliding window of a scan. This
# tutorial makes a cohort in which patients and controls differ in nothing but how much a few edges
# *swing*, looks at windows, variability of edges and brain states, and trains MSTGC [Xu et al.
# 2023] beside simple models on the same folds.
#
# A network is not better for being larger. Here the simple summary of the windows wins, and the
# table says so.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from brainograph.datasets import simulate_cohort
from brainograph.estimators import SubjectGraphClassifier, Training
from brainograph.graphs import cohort_windows, dynamic_brain_graphs, edge_variability
from brainograph.inspection import (
    plot_dwell_times,
    plot_matrix,
    plot_models,
    plot_state_sequences,
    plot_states,
    plot_windows,
)
from brainograph.model_selection import cross_validate, repeated_stratified
from brainograph.nn import MSTGC, BrainBatch
from brainograph.preprocessing import BrainStates, Edges

start, workplace = Path.cwd(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
os.chdir(workplace.name)
BLUE, ORANGE = "#0072B2", "#D55E00"

# %% [markdown]
# ## A cohort that differs in time only
#
# In patients the correlation among six regions goes up and down in blocks of 20 volumes (40 s),
# around the mean that controls have, too. `effect=0.0`: the static connectivity is drawn alike.

# %%
cohort = simulate_cohort(
    300,
    n_regions=10,
    n_volumes=(160, 200),
    effect=0.0,
    dynamic_effect=5.0,
    n_sites=1,
    random_state=0,
)
y = cohort.phenotype["diagnosis"].to_numpy().astype(int)  # 1 patient, 0 control
affected = cohort.regions["affected"].to_numpy()
LENGTH, STEP = 40.0, 10.0  # s: 20 and 5 volumes
print(cohort)

# %% [markdown]
# ## The windows of one participant
#
# `cohort_windows` goes from participant to participant and keeps none: the windows of 1,000
# participants with 200 regions would take 13 GB.

# %%
patient, control = np.flatnonzero(y == 1)[0], np.flatnonzero(y == 0)[0]
windows = list(cohort_windows(cohort[[patient, control]], LENGTH, step=STEP))
figure, panels = plt.subplots(2, 1, figsize=(8.6, 5.6), layout="constrained", sharey=True)
for axes, one, title in zip(panels, windows, ("a patient", "a control"), strict=True):
    seconds = LENGTH / 2 + STEP * np.arange(len(one))
    plot_windows(one, seconds=seconds, regions=cohort.regions, axes=axes).set_title(title)

# %% [markdown]
# Both swing: correlations of 20 volumes have a sampling error of about 0.2, whatever the brain
# does. No single scan shows the difference; a group must be compared with a group.
#
# As graphs for PyTorch Geometric, with all windows of a participant in one `Data`:

# %%
graph = next(dynamic_brain_graphs(cohort[[patient]], LENGTH, step=STEP, density=0.2))
print(graph.num_windows, "windows,", graph.num_nodes, "nodes,", graph.num_edges, "edges")

# %% [markdown]
# ## Variability of the edges
#
# The standard deviation of each edge (Fisher's z) over the windows of a scan, and its difference
# between the groups beside that of static connectivity.

# %%
variability = np.stack([edge_variability(one) for one in cohort_windows(cohort, LENGTH, step=STEP)])
static = cohort.connectivity["fc"]


def group_difference(matrices):
    """Return the difference of the groups in each edge, in pooled standard deviations."""
    patients, controls = matrices[y == 1], matrices[y == 0]
    spread = np.sqrt((patients.var(axis=0) + controls.var(axis=0)) / 2)
    apart = patients.mean(axis=0) - controls.mean(axis=0)
    return np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 1e-6)


figure, panels = plt.subplots(1, 2, figsize=(9.4, 4.2), layout="constrained")
for axes, matrices, title in zip(
    panels, (static, variability), ("static connectivity", "variability over windows"), strict=True
):
    plot_matrix(group_difference(matrices), regions=cohort.regions, axes=axes)
    axes.images[0].set_clim(-2.5, 2.5)
    axes.images[0].colorbar.set_label("Cohen's d")
    axes.set_title(title, fontsize="medium")

# %% [markdown]
# ## Brain states
#
# Four recurring patterns, found by k-means over the windows of all participants [Allen et al.
# 2014]. This is a description, so everybody may take part; within a cross-validation `BrainStates`
# is a step of a pipeline and learns from training rows alone.

# %%
states = BrainStates(4, length=LENGTH, step=STEP).fit(cohort)
visits = states.visits(cohort)
fractions = visits.groupby("state")["fraction"].mean()
drawn = plot_states(states.centroids_, regions=cohort.regions, fractions=fractions.tolist())

# %%
some = np.concatenate([np.flatnonzero(y == 1)[:12], np.flatnonzero(y == 0)[:12]])
axes = plot_state_sequences(states.predict(cohort[some]), 4, step_seconds=STEP)
label = axes.set_ylabel("12 controls below, 12 patients above")

# %%
group = cohort.phenotype["diagnosis"].map({0: "control", 1: "patient"})
axes = plot_dwell_times(visits, group)
limits = axes.set_ylim(0, 130)  # three controls stay in state 0 for longer
visits.assign(group=visits["participant_id"].map(group)).pivot_table(
    index="state", columns="group", values=["fraction", "dwell_seconds"]
).round(2)

# %% [markdown]
# Patients leave every state sooner than controls do, and they are more often in state 3, in which
# the affected regions are tied most closely.
#
# ## MSTGC
#
# MSTGC reads every window in two or more channels, here correlation and correlation with a lag of
# one volume. Each channel has a graph convolution of its own and all share another; attention
# weighs them at each node. The windows are computed from the series in each batch and never stored.
# `SubjectGraphClassifier` trains it as scikit-learn would: early stopping looks at a part of the
# training rows, never at the test fold.
#
# We average over windows (`temporal="mean"`); the paper's two LSTM layers are the default. They
# take more participants and more epochs than a tutorial has.

# %%
network = SubjectGraphClassifier(
    MSTGC,
    params={
        "channels": ("dynamic", "lag:1"),
        "window": 20,
        "step": 5,
        "density": 1.0,
        "hidden_channels": 16,
        "out_channels": 8,
        "temporal": "mean",
        "dropout": 0.2,
    },
    training=Training(lr=0.01, batch_size=16, max_epochs=30, patience=30),
    device="cpu",
    random_state=0,
)


def swings(cohort):
    """Return the variability of each edge (S, R (R - 1) / 2), one participant at a time."""
    edges = np.triu_indices(cohort.n_regions, 1)
    scans = cohort_windows(cohort, LENGTH, step=STEP)
    return np.stack([edge_variability(windows)[edges] for windows in scans])


def logistic(*steps):
    return make_pipeline(*steps, StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))


models = {
    "MSTGC": network,
    "states": logistic(BrainStates(4, length=LENGTH, step=STEP)),
    "variability": logistic(FunctionTransformer(swings)),
    "static": logistic(Edges()),
}
splits = repeated_stratified(cohort, y, n_splits=3, random_state=0)
results = cross_validate(models, cohort, y, splits=splits, progress=False)
scores = results.scores(n_bootstrap=200)
scores[scores["metric"] == "auc"].round(2)

# %%
axes = plot_models(scores)

# %% [markdown]
# Static connectivity knows next to nothing, as planted. The variability of edges is a summary made
# for this very difference and a logistic regression of it is hard to beat. MSTGC must find out by
# itself what to look at, from 200 participants. On real data nobody knows the right summary;
# compare all of them on the same folds.
#
# ## How the training went
#
# One fit, on the training rows of the first fold. While the loss goes on falling, that of the
# validation rows soon rises: the network learns its training rows by heart. The weights of the
# lowest validation loss are kept (the dot).

# %%
train, test = next(iter(splits)).rows(cohort)
network.fit(cohort[train], y[train])
history = network.history_.loc[0]
figure, axes = plt.subplots(figsize=(6.2, 3.2), layout="constrained")
axes.plot(history.index, history["loss"], color=BLUE, label="training, with contrastive terms")
axes.plot(history.index, history["validation"], color=ORANGE, linestyle="--", label="validation")
best = history["validation"].idxmin()
axes.scatter([best], [history.loc[best, "validation"]], color=ORANGE, zorder=3)
axes.set(xlabel="epoch", ylabel="loss")
axes.spines[["top", "right"]].set_visible(False)
legend = axes.legend(frameon=False)

# %% [markdown]
# ## Which channel it listens to
#
# The attention of each node, averaged over the windows of all test participants: of the two
# channels and of the convolution that they share. It says where the network looked, not what is
# true, and with one fit it says it of one fit.

# %%
series = [torch.from_numpy((x - x.mean(0)) / x.std(0)) for x in cohort[test].timeseries]
batch = BrainBatch(
    series=torch.nn.utils.rnn.pad_sequence(series, batch_first=True),
    lengths=torch.tensor([len(x) for x in series]),
)
with torch.no_grad():
    attention, owner = network._members[0].channel_attention(batch)
table = pd.DataFrame(
    attention.mean(0).numpy(), index=cohort.regions.index, columns=["dynamic", "lag:1", "shared"]
)
figure, axes = plt.subplots(figsize=(7.4, 3.4), layout="constrained")
left = np.zeros(len(table))
for name, color in zip(table, (BLUE, "#E69F00", "0.75"), strict=True):
    axes.barh(table.index, table[name], left=left, color=color, label=name)
    left += table[name].to_numpy()
axes.axvline(1 / 3, color="white", linewidth=1, linestyle="--")
axes.axvline(2 / 3, color="white", linewidth=1, linestyle="--")
axes.set(xlabel="weight; dashed: all alike", xlim=(0, 1))
axes.spines[["top", "right", "left"]].set_visible(False)
axes.tick_params(axis="y", length=0, labelsize="small")
legend = axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))

# %% [markdown]
# ## Small samples
#
# Two things help where scans are few. `augmentation=WindowJitter(4, min_volumes=20)` lets the
# windows start elsewhere in every epoch. And a model that is fitted with `y = -1` for everybody
# learns to recognise a participant in two pieces of the scan (`augmentation=WindowCrop(0.7,
# min_volumes=20)`); save it, and give its folder as `pretrained=` to the next, with
# `freeze=("specific", "common")` if the convolutions shall stay as they are.
#
# References: Xu et al., *MSTGC*, IEEE Transactions on Neural Systems and Rehabilitation Engineering
# 31, 2023; Allen et al., *Tracking whole-brain connectivity dynamics in the resting state*,
# Cerebral Cortex 24, 2014; Hindriks et al., *Can sliding-window correlations reveal dynamic
# functional connectivity in resting-state fMRI?*, NeuroImage 127, 2016.

# %%
os.chdir(start)
workplace.cleanup()
