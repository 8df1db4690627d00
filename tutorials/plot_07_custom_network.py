# %% [markdown]
# # A network of your own
#
# You have an idea for a network on brain graphs. This tutorial writes one in twenty lines, puts it
# into `cross_validate` beside its controls, asks what its edges are worth, saves it, and then does
# the same in a training loop of its own with PyTorch Geometric.
#
# The idea may be good. Whether it is, the other lines of the table say.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from torch import nn
from torch_geometric.loader import DataLoader
from torch_geometric.nn import DenseGraphConv, GraphConv, global_mean_pool

from brainograph.datasets import BrainGraphDataset, export_cohort, simulate_cohort
from brainograph.estimators import SubjectGraphClassifier, Training
from brainograph.graphs import sparsify
from brainograph.inspection import plot_connectome, plot_matrix, plot_models, plot_roc
from brainograph.metrics import compare
from brainograph.model_selection import (
    Splits,
    audit_predictions,
    cross_validate,
    default_controls,
    repeated_stratified,
)

start, workplace = Path.cwd(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
os.chdir(workplace.name)
BLUE, ORANGE = "#0072B2", "#D55E00"

# %% [markdown]
# ## What a network is given
#
# 160 simulated participants; in patients, six regions are more strongly correlated (Cohen's d = 2).
# A network says in `reads` what it wants of them: `"series"`, `"connectivity/NAME"`,
# `"measures/NAME"`, `"images/NAME"`, `"phenotypes"`. It gets a `BrainBatch` of tensors.

# %%
cohort = simulate_cohort(160, effect=2.0, n_sites=2, missing=0.0, random_state=0)
y = cohort.phenotype["diagnosis"].to_numpy()  # 1 patient, 0 control
print(cohort)
axes = plot_matrix(cohort.connectivity["fc"][0], regions=cohort.regions)

# %% [markdown]
# The network below will keep the strongest fifth of these edges. On the brain they are:

# %%
display = plot_connectome(
    sparsify(cohort.connectivity["fc"][0], density=0.2), cohort.regions, edge_threshold="0%"
)

# %% [markdown]
# ## Twenty lines
#
# Two graph convolutions of PyTorch Geometric over the regions. Each region starts as the row of its
# correlations; what is left of it after two rounds of listening is read out region by region.
#
# `n_regions` and `n_classes` come from the cohort; everything after the star is yours.


# %%
class TinyGraphNet(nn.Module):
    """Two graph convolutions on the strongest edges, and a linear layer on all regions."""

    reads = ("connectivity/fc",)

    def __init__(self, n_regions, n_classes, *, hidden_channels=16, density=0.2, dropout=0.5):
        super().__init__()
        self.density = density
        self.first = DenseGraphConv(n_regions, hidden_channels)
        self.norm = nn.LayerNorm(hidden_channels)
        self.second = DenseGraphConv(hidden_channels, 4)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(4 * n_regions, n_classes))

    def forward(self, batch):
        """Map matrices (B, R, R) to logits (B, K)."""
        fc = batch.connectivity["fc"]
        x = fc - torch.diag_embed(fc.diagonal(dim1=1, dim2=2))
        weakest = x.flatten(1).quantile(1 - self.density, dim=1)[:, None, None]
        adj = x.clamp(min=0) * (x > weakest)
        hidden = self.norm(self.first(x, adj)).relu()
        return self.head(self.second(hidden, adj).relu().flatten(1))


# %% [markdown]
# Layer, not batch normalisation: a participant must get the same answer alone and in company. That
# is easily tried.

# %%
model = SubjectGraphClassifier(
    TinyGraphNet,
    training=Training(lr=0.003, weight_decay=0.05, batch_size=16, max_epochs=40, patience=15),
    device="cpu",
    random_state=0,
)
model.fit(cohort[:120], y[:120])
together = model.predict_proba(cohort[120:])
alone = np.concatenate([model.predict_proba(cohort[[i]]) for i in range(120, 160)])
print("the same alone and together:", np.allclose(alone, together, atol=1e-6))

# %% [markdown]
# `fit` stopped early by a part of its own training participants:

# %%
history = model.history_.loc[0]
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.plot(history.index, history["loss"], color=BLUE, label="training")
axes.plot(history.index, history["validation"], color=ORANGE, linestyle="--", label="validation")
axes.set(xlabel="epoch", ylabel="cross-entropy")
axes.spines[["top", "right"]].set_visible(False)
legend = axes.legend(frameon=False)

# %% [markdown]
# ## Beside its controls
#
# The same folds for everybody. `no_edges` is the same network with a density of 0: every region
# alone. Test labels are -1 when `fit` is called.

# %%
controls = default_controls(cohort, motion=[], phenotypes=["site", "age", "sex"])
no_edges = clone(model).set_params(params={"density": 0.0})
results = cross_validate(
    {
        "tiny_graph_net": model,
        "no_edges": no_edges,
        **{name: controls[name] for name in ("phenotype", "edges_logistic", "mlp")},
    },
    cohort,
    y,
    splits=repeated_stratified(cohort, y, n_splits=5, random_state=0),
    progress=False,
)
scores = results.scores()
axes = plot_models(scores)

# %%
axes = plot_roc(results.predictions)

# %%
differences = compare(results.predictions, "tiny_graph_net")
differences[["model", "difference", "low", "high", "p_value"]].round(3)

# %% [markdown]
# - **`phenotype`**: is it more than who was recruited where?
# - **`no_edges`**: are the graph convolutions worth anything, or would a perceptron on the rows of
#   the matrix do? Here the interval holds 0: as far as this cohort can tell, it would.
# - **`edges_logistic`**: what the same matrices give without a network. The difference that was
#   planted here is linear in the edges, so this is as good as it gets, and better than our idea.
#
# Trying other widths and densities until the table looks better would use the test labels up:
# `SearchCV(model, {"params__hidden_channels": [8, 16, 32]})` is a model that searches within its
# training participants.

# %% [markdown]
# ## Saving it
#
# The folder holds weights and settings, and no code: whoever opens it brings the class.

# %%
model.save("model")
again = SubjectGraphClassifier.load("model", network=TinyGraphNet)
print("the same predictions:", np.allclose(again.predict_proba(cohort[120:]), together))

# %% [markdown]
# ## A training loop of your own
#
# Some ideas do not fit an estimator. `BrainGraphDataset` is a data set of PyTorch Geometric, and
# graphs are made when they are asked for. It holds everybody's labels, so **split first**.

# %%
dataset = BrainGraphDataset(cohort, "diagnosis", density=0.2, features=["profile", "strength"])
split = next(iter(repeated_stratified(cohort, y, n_splits=4, random_state=0)))
train, test = split.rows(cohort)
fitting, validation = train[:100], train[100:]
print(dataset[0])


class Loose(nn.Module):
    """A convolution on graphs of any size, and their mean."""

    def __init__(self):
        super().__init__()
        self.conv = GraphConv(dataset.num_node_features, 32)
        self.head = nn.Linear(32, 2)

    def forward(self, data):
        """Map a batch of graphs to logits."""
        hidden = self.conv(data.x, data.edge_index, data.edge_weight).relu()
        return self.head(global_mean_pool(hidden, data.batch))


# %%
torch.manual_seed(0)
loose = Loose()
optimizer = torch.optim.AdamW(loose.parameters(), lr=0.005, weight_decay=0.05)
held_out = next(iter(DataLoader(dataset[validation], batch_size=len(validation))))
loader = DataLoader(list(dataset[fitting]), batch_size=20, shuffle=True)
curve = []
for _ in range(25):
    for batch in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(loose(batch), batch.y)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        curve.append(nn.functional.cross_entropy(loose(held_out), held_out.y).item())

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.plot(curve, color=ORANGE, linestyle="--", label="validation")
axes.set(xlabel="epoch", ylabel="cross-entropy")
axes.spines[["top", "right"]].set_visible(False)
legend = axes.legend(frameon=False)

# %% [markdown]
# Predictions are a table, whoever made them, and can be audited without the code: who is on which
# side, scans that are there twice, files sorted by group, confounds.

# %%
with torch.no_grad():
    tested = next(iter(DataLoader(dataset[test], batch_size=len(test))))
    probability = loose(tested).softmax(dim=1)[:, 1].numpy()
made = pd.DataFrame({"participant_id": tested.participant_id, "repeat": 0, "fold": 0})
made = made.assign(y_true=y[test], y_score=probability)
found = audit_predictions(made, cohort, y, splits=Splits("one fold", (split,)))
for row in found.findings.itertuples():
    print(f"{row.status:>5}  {row.message}")

# %% [markdown]
# ## For other programs
#
# The same graphs as GraphML, for networkx, igraph, Gephi and Cytoscape; `format="brainnet"` is for
# BrainNet Viewer, `"pyg"` one file for PyTorch Geometric, `"tsv"` plain matrices.

# %%
folder = export_cohort(cohort[:3], "graphs", format="graphml", density=0.2)
graph = nx.read_graphml(folder / f"{cohort.participant_ids[0]}.graphml")
print(graph.number_of_nodes(), "regions and", graph.number_of_edges(), "edges")

# %% [markdown]
# Where to go from here: `"series"` and several matrices in `reads`, a `loss` of the network's own,
# and pretraining are on the documentation's page on a network of your own.

# %%
os.chdir(start)
workplace.cleanup()
