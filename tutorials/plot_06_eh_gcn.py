# %% [markdown]
# # A population network that learns its features: EH-GCN
#
# A population GCN joins participants by phenotypes and by the similarity of their features.
# EH-GCN [Tian et al. 2023] learns those features with the graph: a network reads each brain, a
# second one listens to the neighbours, and both are trained together. This tutorial goes through
# all of it on simulated data: hidden labels, a **new participant** who is joined to the fitted
# graph without a new training, a **modality added** to a trained network, and the choice of
# regions, which reviewers missed in the paper.

# %%
import os
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brainograph.connectivity import static
from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationNetworkClassifier, Training
from brainograph.inspection import plot_models, plot_roc
from brainograph.model_selection import cross_validate, repeated_stratified
from brainograph.preprocessing import Edges

start, workplace = Path.cwd(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
os.chdir(workplace.name)
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#888888"

# %%
cohort = simulate_cohort(160, n_regions=20, effect=2.0, n_sites=2, missing=0.0, random_state=0)
cohort = cohort.assign(connectivity={"fc": static(cohort.timeseries)})
y = cohort.phenotype["diagnosis"].to_numpy().astype(int)
affected = cohort.regions["affected"].to_numpy()
print(cohort, f"\n{affected.sum()} of {cohort.n_regions} regions are affected")

# %% [markdown]
# ## Hidden labels
#
# `fit` takes everybody; `-1` says that a label is unknown. The network sees these participants and
# not their diagnosis, and answers for them from their place in the graph (*transductive*). Twenty
# more are kept out entirely.

# %%
rng = np.random.default_rng(0)
order = rng.permutation(len(cohort))
new, hidden = order[:20], order[20:60]
known = np.setdiff1d(order, new)
shown = y.copy()
shown[hidden] = -1
model = PopulationNetworkClassifier(
    "EHGCN",
    params={
        "graphs": {"BrainGCN": {"hidden_channels": 16, "concat_channels": 4, "dropout": 0.2}},
        "channels": 16,
        "hidden_channels": 16,
        "selection": "l1",
        "selection_weight": 0.3,
    },
    categorical=["sex"],
    continuous={"age": 2.0},
    n_neighbors=10,
    training=Training(lr=0.01, max_epochs=80, patience=25, weight_decay=0.05),
    device="cpu",
    random_state=0,
)
model.fit(cohort[known], shown[known])
print(
    f"hidden labels: AUC {roc_auc_score(y[hidden], model.predict_proba(cohort[hidden])[:, 1]):.2f}"
)
print(pd.Series(model.regime(cohort)).value_counts().to_string())

# %%
history = model.history_.loc[0]
axes = history[["loss", "validation"]].plot(color=[GREY, BLUE], figsize=(5.6, 3))
_ = axes.set(xlabel="epoch", ylabel="loss")
# %% [markdown]
# The population graph that it has learnt, by the similarity of its own codes and by phenotypes:

# %%
graph = nx.from_scipy_sparse_array(model.graphs_[0])
place = nx.spring_layout(graph, weight="weight", seed=0)
labels = y[cohort.locate(model.participant_ids_)]
figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
nx.draw_networkx_edges(graph, place, ax=axes, alpha=0.06)
for value, color, marker in ((0, BLUE, "o"), (1, ORANGE, "^")):
    nodes = np.flatnonzero(labels == value).tolist()
    nx.draw_networkx_nodes(
        graph, place, nodes, node_color=color, node_shape=marker, node_size=30, ax=axes
    )
axes.set_title("circles: controls, triangles: patients")
axes.set_axis_off()

# %% [markdown]
# ## A new participant
#
# Somebody new is encoded, joined to the fitted participants, and listens to them. Nobody listens
# to the newcomer: no other answer changes, alone or together with others.

# %%
started = time.perf_counter()
alone = model.predict_proba(cohort[new[:1]])
print(f"one newcomer, encoded and answered in {1000 * (time.perf_counter() - started):.0f} ms")
together = model.predict_proba(cohort[new])
print("the same beside nineteen others:", np.allclose(alone, together[:1], atol=1e-6))
print(f"newcomers: AUC {roc_auc_score(y[new], together[:, 1]):.2f}")

# %% [markdown]
# ## Which regions?
#
# `selection="l1"` puts a gate on every region and charges for each that is open. The simulation
# knows which regions are affected. The gates differ by little (look at the axis), and on the whole
# in the right order:

# %%
scores = model.networks_[0].region_scores().numpy()
print(f"affected regions have the wider gates: AUC {roc_auc_score(affected, scores):.2f}")
figure, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
ranked = np.argsort(scores)[::-1]
axes.scatter(range(len(ranked)), scores[ranked], color=np.where(affected[ranked], ORANGE, GREY))
axes.set_xticks(range(len(ranked)), cohort.regions.index[ranked], rotation=90, fontsize=7)
_ = axes.set_ylabel("gate (orange: affected)")
# %% [markdown]
# ## A modality is added
#
# Cortical thickness arrives later. A network with one more branch takes over all weights of the
# trained one and goes on learning; nothing is begun anew.

# %%
model.save("functional")
thickness = {"network": "BrainGCN", "node_features": ["measures/thickness", "profile"]}
wider = PopulationNetworkClassifier(
    **{
        **model.get_params(deep=False),
        "params": {
            **model.params,
            "graphs": {**model.params["graphs"], "thickness": {**thickness, "concat_channels": 4}},
        },
        "pretrained": "functional",
    }
)
wider.fit(cohort[known], shown[known])
print(wider.networks_[0].modalities)
print(f"newcomers: AUC {roc_auc_score(y[new], wider.predict_proba(cohort[new])[:, 1]):.2f}")

# %% [markdown]
# ## What is it worth?
#
# The same folds for the network, the network without edges, and logistic regression on the edges.
# Where the last is as good, neither the encoder nor the graph has earned its place.

# %%
models = {
    "EH-GCN": model,
    "no_edges": PopulationNetworkClassifier(**{**model.get_params(deep=False), "combine": "none"}),
    "edges_logistic": make_pipeline(
        Edges(), StandardScaler(), LogisticRegression(C=1e-3, max_iter=1000)
    ),
}
splits = repeated_stratified(cohort, y, n_splits=3, by=[], random_state=0)
results = cross_validate(models, cohort, y, splits=splits, regimes=("inductive",), progress=False)
table = results.scores(n_bootstrap=200)
print(table[table["metric"] == "auc"][["model", "value", "low", "high"]].round(2).to_string())
axes = plot_models(table)

# %%
axes = plot_roc(results.predictions)
# %%
os.chdir(start)
