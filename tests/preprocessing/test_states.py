"""States are found where they were planted, and only training participants form them."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brainograph.connectivity import sliding_window
from brainograph.datasets import simulate_cohort
from brainograph.preprocessing import BrainStates

PATTERNS = np.zeros((3, 4, 4))
for k, (i, j) in enumerate([(0, 1), (1, 2), (2, 3)]):
    PATTERNS[k, i, j] = PATTERNS[k, j, i] = 1.0


def planted(rng, lengths=(60, 45, 30)):
    """Windows near one of three patterns, of which 0 is the most and 2 the least frequent."""
    truth = [rng.choice(3, n, p=[0.6, 0.3, 0.1]) for n in lengths]
    windows = []
    for sequence in truth:
        noise = rng.normal(0, 0.05, (len(sequence), 4, 4))
        windows.append(PATTERNS[sequence] + (noise + noise.transpose(0, 2, 1)) / 2)
    return windows, truth


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(16, n_regions=8, dynamic_effect=6.0)


def states(**params):
    return BrainStates(**{"n_states": 3, "length": 40.0, "step": 8.0, **params})


@pytest.mark.parametrize("fit_on", ["all", "exemplars"])
def test_planted_states_are_found(rng, fit_on):
    windows, truth = planted(rng)
    model = BrainStates(3, fit_on=fit_on).fit(windows)
    if fit_on == "exemplars":  # exemplars need not have the frequencies of all windows
        order = np.abs(model.centroids_[:, None] - PATTERNS).sum((2, 3)).argmin(1)
        assert sorted(order) == [0, 1, 2]
        found = [order[one] for one in model.predict(windows)]
    else:
        np.testing.assert_allclose(model.centroids_, PATTERNS, atol=0.05)
        found = model.predict(windows)
    for ours, planted_one in zip(found, truth, strict=True):
        np.testing.assert_array_equal(ours, planted_one)


def test_centroids_are_means_of_their_windows(cohort):
    model = states().fit(cohort)
    z = [sliding_window(one, 20, step=4, kind="fisher z") for one in cohort.timeseries]
    sequences = np.concatenate(model.predict(cohort))
    pooled = np.concatenate(z)
    for k in range(3):
        np.testing.assert_allclose(model.centroids_[k], pooled[sequences == k].mean(0), atol=1e-4)
    apart = ((pooled - model.centroids_[sequences]) ** 2).sum() / 2  # each pair stands twice
    assert model.inertia_ == pytest.approx(apart, rel=1e-4)
    shares = np.bincount(sequences, minlength=3)
    assert (np.diff(shares) <= 0).all()


def test_new_participants_change_nothing(cohort):
    model = states().fit(cohort[:10])
    centroids = model.centroids_.copy()
    together = model.predict(cohort[10:])
    for row, sequence in zip(range(10, 16), together, strict=True):
        np.testing.assert_array_equal(model.predict(cohort[[row]])[0], sequence)
    np.testing.assert_array_equal(model.centroids_, centroids)
    assert not np.allclose(states().fit(cohort).centroids_, centroids)


def test_the_order_of_participants_and_the_seed(cohort):
    model = states().fit(cohort)
    other = clone(model).fit(cohort[np.arange(16)[::-1]])
    np.testing.assert_array_equal(model.centroids_, other.centroids_)
    np.testing.assert_array_equal(model.transform(cohort), other.transform(cohort))


def test_tables_name_participants_and_seconds(cohort):
    model = states().fit(cohort)
    visits, transitions = model.visits(cohort), model.transitions(cohort)
    assert visits["participant_id"].unique().tolist() == cohort.participant_ids
    np.testing.assert_allclose(visits["dwell_seconds"], visits["dwell_windows"] * 8)
    sums = visits.groupby("participant_id")["fraction"].sum()
    np.testing.assert_allclose(sums, 1)
    steps = transitions.groupby("participant_id", sort=False)["count"].sum()
    assert steps.tolist() == [len(one) - 1 for one in model.predict(cohort)]


def test_seconds_are_those_of_whole_volumes(cohort):
    phenotype = cohort.phenotype.assign(repetition_time=[3.0] + [2.0] * 15)
    model = states(step=4.0).fit(cohort.assign(phenotype=phenotype))
    visits = model.visits(cohort.assign(phenotype=phenotype)).dropna()
    ratio = visits["dwell_seconds"] / visits["dwell_windows"]
    first = visits["participant_id"] == cohort.participant_ids[0]
    assert set(ratio[first]) == {3.0}  # 4 s are 1.3 volumes of 3 s: one
    np.testing.assert_allclose(ratio[~first], 4.0)


def test_features(cohort):
    model = states().fit(cohort)
    features, visits = model.transform(cohort), model.visits(cohort)
    names = model.get_feature_names_out().tolist()
    assert names[0] == "state 0 fraction"
    assert names[3] == "state 0 dwell"
    assert names[-1] == "transition rate"
    assert features.shape == (16, len(names))
    one = visits[visits["participant_id"] == cohort.participant_ids[2]]
    np.testing.assert_allclose(features[2, :3], one["fraction"])
    np.testing.assert_allclose(features[2, 3:6], one["dwell_seconds"].fillna(0))
    n = len(model.predict(cohort)[2])
    assert features[2, 6] == pytest.approx(one["n_transitions"].iloc[0] / (n - 1))


def test_states_see_a_planted_swing_inside_a_pipeline():
    cohort = simulate_cohort(60, n_regions=10, effect=0, dynamic_effect=8.0, n_volumes=(120, 120))
    y = cohort.phenotype["diagnosis"].to_numpy()
    model = make_pipeline(
        states(n_states=4, length=30.0), StandardScaler(), LogisticRegression(max_iter=1000)
    )
    assert (cross_val_predict(model, cohort, y, cv=3) == y).mean() > 0.7


def test_errors(cohort, rng):
    windows, _ = planted(rng, lengths=(2,))
    with pytest.raises(ValueError, match=r"at most the 2 windows, got 3\. Write n_states=5"):
        BrainStates(3).fit(windows)
    with pytest.raises(ValueError, match="fit_on must be one of 'all', 'exemplars', got 'some'"):
        BrainStates(3, fit_on="some").fit(cohort)
    model = states().fit(cohort)
    with pytest.raises(ValueError, match="the regions are not those of the fit"):
        model.predict(simulate_cohort(2, n_regions=6))
    with pytest.raises(ValueError, match="500 s is longer than 16 of 16 scans"):
        states(length=500.0).fit(cohort)
