# %% [markdown]
# # An imaging branch fused with brain graphs
#
# Some patients differ in how their regions work together, others in how much tissue there is.
# A network that sees graphs finds the first, one that sees images the second. This tutorial makes
# a cohort in which **each modality holds half of the signal**, trains each branch alone and both
# fused, looks at which modality spoke for whom, and takes images away from some participants.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from nilearn.image import math_img, mean_img
from nilearn.plotting import plot_anat, plot_stat_map

from brainograph.connectivity import static
from brainograph.datasets import simulate_cohort, simulate_images
from brainograph.estimators import SubjectGraphClassifier, Training
from brainograph.inspection import plot_models
from brainograph.io import Volumes
from brainograph.metrics import compare
from brainograph.model_selection import cross_validate, repeated_stratified

start, workplace = Path.cwd(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
os.chdir(workplace.name)
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#888888"

# %% [markdown]
# ## A cohort with two kinds of patients
#
# A quarter of the participants are patients with altered connectivity. `half=True` makes as many
# more, whose connectivity is that of controls and who lack grey matter around two regions. One
# participant in ten has no image.

# %%
cohort = simulate_cohort(220, n_regions=12, prevalence=0.25, effect=7.0, n_sites=1, random_state=0)
cohort = cohort.assign(connectivity={"fc": static(cohort.timeseries)})
cohort = simulate_images(
    cohort, "images", modalities=["GM"], resolution=12, effect=14.0, radius=30, half=True,
    missing=0.1, random_state=0,
)  # fmt: skip
y = cohort.phenotype["diagnosis"].to_numpy().astype(int)
truth = cohort.provenance["truth"]["images"]
atrophy = np.isin(cohort.participant_ids, truth["carriers"])
kind = np.select([y == 0, atrophy], ["control", "patient, tissue"], "patient, connectivity")
print(cohort)
print(pd.Series(kind).value_counts().to_string())

# %% [markdown]
# `Volumes` says how image files become arrays of one grid: orientation, spacing, mask and
# intensities. Each file is read when its batch comes, or once if `cache` names a folder.

# %%
volumes = Volumes(spacing=None, shape=None, mask="auto", normalize="zscore", cache="cache")
there = cohort.images["GM"].notna().to_numpy()
first = cohort.images["GM"][there & atrophy].iloc[0]
print(volumes.record(first))
picture = plot_anat(first, title="Grey matter of a patient", display_mode="z", cut_coords=4)
# %% [markdown]
# What is planted, as the mean of those patients less the mean of the controls:

# %%
files = cohort.images["GM"]
means = [mean_img(files[there & rows].tolist()) for rows in (atrophy, y == 0)]
picture = plot_stat_map(
    math_img("a - b", a=means[0], b=means[1]), display_mode="z", cut_coords=4, cmap="RdBu_r"
)

# %% [markdown]
# ## Three networks on the same folds
#
# `GraphImagingNet` takes any graph network, any image encoder and any fusion. Gates weigh the two
# for each participant; whoever lacks an image is judged by the graph alone. `modality_dropout`
# takes a modality away now and then in training, so that each learns to stand alone.

# %%
GRAPH = {"BrainGCN": {"hidden_channels": 16, "concat_channels": 4, "dropout": 0.1}}
IMAGE = {"GM": {"encoder": "SFCN", "channels": [8, 16, 16], "out_channels": 16}}
training = Training(
    lr=0.005, lr_schedule="one_cycle", max_epochs=25, batch_size=16, validation_fraction=0.0
)


def network(**params):
    return SubjectGraphClassifier(
        "GraphImagingNet",
        params={"channels": 16, "dropout": 0.1, "auxiliary_weight": 0.3, **params},
        volumes=volumes,
        training=training,
        device="cpu",
        random_state=0,
    )


fused = network(graphs=GRAPH, images=IMAGE, fusion="gated", modality_dropout=0.2)
with_image = cohort[there]
splits = repeated_stratified(with_image, y[there], n_splits=2, by=[], random_state=0)
models = {
    "fused": fused,
    "graph": network(graphs=GRAPH),
    "image": network(graphs=[], images=IMAGE),
}
results = cross_validate(
    models, with_image, y[there], splits=splits, regimes=("inductive",), progress=False
)
scores = results.scores(n_bootstrap=200)
print(scores[scores["metric"] == "auc"][["model", "value", "low", "high"]].round(2).to_string())
axes = plot_models(scores)
# %% [markdown]
# Both branches find their half and are blind for the other; fused, they see both. The intervals of
# the differences are over participants; two folds are too few for the test over folds.

# %%
gain = compare(results.predictions, "fused")
print(gain[["model", "difference", "low", "high"]].round(2).to_string(index=False))

# %% [markdown]
# ## Who was seen by what?
#
# `contributions` are the gates' weights, for each participant and modality, summing to 1. They are
# a property of the network and say nothing about causes; here they can be checked, since we know
# who carries what.

# %%
half = np.arange(len(cohort)) % 2 == 0
fused.fit(cohort[half], y[half])
test = ~half
weights = fused.contributions(cohort[test]).assign(kind=kind[test], image=there[test])
print(weights.groupby(["kind", "image"])[["BrainGCN", "GM"]].mean().round(2))

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
shown = weights[weights["image"]]
for row, (name, group) in enumerate(shown.groupby("kind")):
    spread = np.linspace(-0.15, 0.15, len(group))
    axes.scatter(group["GM"], row + spread, s=14, color=ORANGE if "tissue" in name else BLUE)
axes.set_yticks(range(shown["kind"].nunique()), sorted(shown["kind"].unique()))
_ = axes.set_xlabel("weight of the image")
# %% [markdown]
# ## Without images
#
# Any non-empty subset of modalities predicts. Taking an image away gives exactly the prediction
# that the network makes for somebody who never had one; only what the image knew is gone:

# %%
blind = cohort[test].assign(images=cohort[test].images.assign(GM=None))
with_graph_only, with_all = (
    fused.predict_proba(blind)[:, 1],
    fused.predict_proba(cohort[test])[:, 1],
)
lacking = ~there[test]
print(
    "the same for those who had no image:", np.allclose(with_all[lacking], with_graph_only[lacking])
)
table = pd.DataFrame({"kind": kind[test], "with image": with_all, "without": with_graph_only})
print(table[there[test]].groupby("kind").mean().round(2))

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for name, color, marker in (
    ("control", BLUE, "o"),
    ("patient, connectivity", GREY, "s"),
    ("patient, tissue", ORANGE, "^"),
):
    rows = table[there[test] & (table["kind"] == name)]
    axes.scatter(rows["without"], rows["with image"], color=color, marker=marker, s=16, label=name)
axes.axline((0, 0), slope=1, color="black", linewidth=0.6)
axes.set(xlabel="probability without the image", ylabel="with it")
_ = axes.legend(frameon=False, fontsize=8)

# %%
os.chdir(start)
