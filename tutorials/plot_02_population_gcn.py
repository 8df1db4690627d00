# %% [markdown]
# # A population GCN, honestly
#
# In a **population graph** each participant is a node. Participants who are alike are joined, and
# a graph convolutional network (GCN) lets each one listen to its neighbours before it says patient
# or control [Parisot et al. 2018].
#
# Such models are easy to get wrong in one's own favour. This tutorial builds one, asks what it is
# worth beside simple controls, and shows what a leak and what an honest null look like. No PyTorch
# is needed: the classifier has scikit-learn's `fit` and `predict_proba`.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationGraphClassifier
from brainograph.inspection import plot_models, plot_population_graph, plot_roc, plot_sites
from brainograph.metrics import compare
from brainograph.model_selection import (
    cross_validate,
    default_controls,
    leave_one_site_out,
    repeated_stratified,
)
from brainograph.report import verdicts, write_report

start, workplace = Path.cwd(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
os.chdir(workplace.name)

# %% [markdown]
# ## A cohort whose answer is known
#
# 200 simulated participants from three sites. In patients, six regions are more strongly
# correlated (Cohen's d = 1.5); scanners differ, patients are unevenly spread over sites, and cells
# are missing.

# %%
cohort = simulate_cohort(
    200, effect=1.5, site_effect=0.5, prevalence=[0.4, 0.5, 0.6], missing=0.08, random_state=0
)
print(cohort)
cohort.phenotype.head()

# %%
y = cohort.phenotype["diagnosis"].to_numpy()  # 1 patient, 0 control
pd.crosstab(cohort.phenotype["site"], cohort.phenotype["diagnosis"])

# %% [markdown]
# ## Fitting: the -1 rule
#
# A population graph holds the participants you want to predict, too. Their scans and phenotypes
# may be seen; their labels may not. As in scikit-learn's semi-supervised estimators, a participant
# **without a label has `y == -1`**. We hide the labels of every fifth participant.

# %%
splits = repeated_stratified(cohort, y, n_splits=5, by=["site"], random_state=0)
known, hidden = next(iter(splits)).rows(cohort)
y_visible = y.copy()
y_visible[hidden] = -1

model = PopulationGraphClassifier(n_members=3, random_state=0)  # the mean of three networks
model.fit(cohort, y_visible)

probability = model.predict_proba(cohort[hidden])[:, 1]
print("regime:", *set(model.regime(cohort[hidden])))
print("AUC on hidden labels:", round(roc_auc_score(y[hidden], probability), 2))

# %% [markdown]
# There is no test mask that could be forgotten: the hidden labels never entered `fit`. Early
# stopping, feature scaling and the width of the similarity kernel use labelled participants only.
#
# This was **transductive**: the hidden participants were part of the graph during training.

# %% [markdown]
# ## The graph
#
# Two participants are joined if they have the same site, the same sex, or ages within two years,
# and the more strongly the more alike their connectivity. Who lacks a value gains no edge by it.

# %%
people = cohort.phenotype.loc[model.participant_ids_]
adjacency = model.graph_.toarray()

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
left.set_title("by site")
right.set_title("by diagnosis")
plot_population_graph(adjacency, people, color_by="site", axes=left)
axes = plot_population_graph(adjacency, people, color_by="diagnosis", axes=right)

# %% [markdown]
# The six clusters are three sites by two sexes; those outside lack their sex. The graph hardly
# knows the diagnosis. Averaging over neighbours can take
# noise away; it can also average patients with controls. Which of the two it is has to be measured.

# %% [markdown]
# ## New participants
#
# A model for the clinic meets people who were not there when it was fitted. They are predicted by
# the same method, **inductively**: each is joined to the fitted graph alone and listens to it.

# %%
inductive = PopulationGraphClassifier(n_members=3, random_state=0).fit(cohort[known], y[known])

newcomers = cohort[hidden]
together = inductive.predict_proba(newcomers)[:, 1]
alone = np.array([inductive.predict_proba(newcomers[[i]])[0, 1] for i in range(len(newcomers))])
print("regime:", *set(inductive.regime(newcomers)))
print("AUC of new participants:", round(roc_auc_score(y[hidden], together), 2))
print("the same alone and together:", np.allclose(alone, together))

# %% [markdown]
# ## Edges that give the answer away
#
# Edges are made from phenotypes, so a phenotype that follows from the diagnosis smuggles it in,
# with every label hidden. ADOS scores are the classic: only those with suspected autism have one.

# %%
rng = np.random.default_rng(0)
ados = pd.Series(rng.normal(12, 3, len(y)).round(), index=cohort.phenotype.index)
leaky = cohort.assign(phenotype=cohort.phenotype.assign(ADOS_TOTAL=ados.where(y == 1)))
try:
    PopulationGraphClassifier(continuous={"ADOS_TOTAL": 20}).fit(leaky, y_visible)
except ValueError as error:
    print(error)

# %% [markdown]
# Insist, with `allow_diagnostic=True`, and see what would have come of it. Whoever has a score is
# joined to all who have one, and that alone is nearly the answer.

# %%
cheat = PopulationGraphClassifier(
    categorical=(), continuous={"ADOS_TOTAL": 20}, allow_diagnostic=True, random_state=0
)
tempting = cross_validate(cheat, leaky, y, splits=splits, progress=False).scores()
print("AUC with a leak:", tempting.set_index("metric").loc["auc", "value"].round(2))

# %% [markdown]
# Identifiers are refused as well. In ABIDE, the subject number alone predicts the diagnosis,
# because participants were numbered by group.

# %% [markdown]
# ## Cross-validation beside controls
#
# One split is an anecdote: with 40 participants, an AUC has a standard error of almost 0.1.
# `cross_validate` predicts everyone by models that have not seen their
# label, in both regimes, and puts the **controls** beside the model on the same folds: what the
# majority class, phenotypes, head motion, a logistic regression on the same edges, one in tangent
# space, and the same network without a graph would have reached.

# %%
splits = repeated_stratified(cohort, y, n_splits=5, n_repeats=2, by=["site"], random_state=0)
results = cross_validate(
    {"population_gcn": model, **default_controls(cohort, model)},
    cohort,
    y,
    splits=splits,
    regimes=["transductive", "inductive"],
    progress=False,
    title="A population GCN on simulated participants",
)
results.predictions.head()

# %% [markdown]
# Everything below is computed from this one table of predictions. The intervals are from
# resampled participants.

# %%
scores = results.scores()
wanted = ["auc", "balanced_accuracy", "sensitivity", "specificity"]
chosen = scores[scores["metric"].isin(wanted)]
table = chosen.pivot_table(
    index=["model", "regime"], columns="metric", values="value", sort=False
).round(2)
table

# %%
axes = plot_models(scores)

# %%
axes = plot_roc(results.predictions)

# %%
axes = plot_sites(results.scores(by="site"))

# %% [markdown]
# ## The verdict
#
# Two models on the same participants are compared **in pairs**: the interval is of the difference
# of their AUCs, the p value from a t test corrected for the training participants that folds share.

# %%
differences = compare(results.predictions, "population_gcn")
columns = ["model", "regime", "difference", "low", "high", "p_value"]
differences[columns].round(3)

# %%
for verdict in verdicts(results.predictions, "population_gcn"):
    print(f"{verdict.regime}: {verdict.headline}\n")

# %% [markdown]
# - **Better than chance** is the least one can ask. Had `motion` or `phenotype` been there too, the
#   model might have learned just that.
# - **`no_edges`** is the same network with every participant alone. If it does as well, the graph
#   adds nothing, whatever the AUC.
# - Without edges both regimes do the same, so **`no_edges`** in one and in the other differs by the
#   luck of training alone. The intervals do not contain that luck; differences of this size mean
#   little.
# - **`edges_logistic`** is what the same data give without a network. The difference planted here
#   is linear in the edges, which is what a logistic regression is made for. On small samples of
#   real data, too, it is hard to beat. A model that does not beat it is not wrong, but it is no
#   finding about graphs.
# - **Transductive** or **inductive** is a matter of what you claim: the first assumes that the
#   patients' scans are there when the model is trained.
#
# Trying other settings until the verdict changes would use the test labels up. Choose settings
# inside the training folds, or on another cohort.

# %% [markdown]
# ## A site that was never seen
#
# Leave-one-site-out asks whether the model travels. People of a new site share no site with
# anybody, only sex and age.

# %%
by_site = cross_validate(
    {"population_gcn": model, "edges_logistic": default_controls(cohort)["edges_logistic"]},
    cohort,
    y,
    splits=leave_one_site_out(cohort, y),
    regimes=["inductive"],
    progress=False,
).scores(by="site")
by_site[by_site["metric"] == "auc"].pivot_table(
    index="model", columns="group", values="value", sort=False
).round(2)

# %% [markdown]
# ## What an honest null looks like
#
# Shuffle the labels and run the same thing again. Nothing is left to find, so an honest pipeline
# lands around 0.5; one that lands above has a leak. The spread is what chance does with 200
# participants. To save time, the model is one network here, for the true labels too.

# %%
single = PopulationGraphClassifier(random_state=0)


def auc_of(labels, seed):
    """Cross-validate one network on these labels; return its AUC."""
    folds = repeated_stratified(cohort, labels, n_splits=5, by=["site"], random_state=seed)
    found = cross_validate(single, cohort, labels, splits=folds, progress=False)
    return found.scores(n_bootstrap=1).set_index("metric").loc["auc", "value"]


null = np.array([auc_of(rng.permutation(y), seed) for seed in range(20)])
observed = auc_of(y, 0)
print(f"permuted labels: mean AUC {null.mean():.2f}, from {null.min():.2f} to {null.max():.2f}")
print(f"true labels: AUC {observed:.2f}")

# %%
figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
axes.hist(null, bins=np.arange(0.3, 0.85, 0.025), color="0.75", label="permuted labels")
axes.axvline(0.5, color="0.4", linestyle="--", linewidth=1, label="chance")
axes.axvline(observed, color="#0072B2", linewidth=2.4, label="true labels")
axes.set(xlabel="AUC", ylabel="cross-validations")
axes.spines[["top", "right"]].set_visible(False)
legend = axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))

# %% [markdown]
# ## Sharing the model
#
# A fitted model is a folder without pickle: opening one from a stranger runs no code of theirs.
# It holds the features and edge phenotypes of the fitted participants, whom new ones are joined
# to, and no label. Think of that before you share it.

# %%
inductive.save("model")
print(*sorted(path.name for path in Path("model").iterdir()), sep="\n")
loaded = PopulationGraphClassifier.load("model")
print("the same predictions:", np.allclose(loaded.predict_proba(newcomers)[:, 1], together))

# %% [markdown]
# ## The report
#
# The results are a folder of tables, and the report is one HTML page made from it: the verdict,
# every score and picture, the folds, versions and hashes.

# %%
results.save("results")
page = write_report("results")
print(*sorted(path.name for path in Path("results").iterdir()), sep="\n")
print(f"{page.name} has {page.stat().st_size / 1024:.0f} KiB and loads nothing from elsewhere")

# %% [markdown]
# The same from the command line, with the settings in one file:
#
# ```
# brainograph crossval configs/demo.yaml results --set cohort=cohort --jobs 2
# brainograph report results
# ```
#
# Reference: Parisot et al., *Disease prediction using graph convolutional networks: application to
# autism spectrum disorder and Alzheimer's disease*, Medical Image Analysis 48, 2018.

# %%
os.chdir(start)
workplace.cleanup()
