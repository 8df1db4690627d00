import numpy as np
import torch

from brainograph.datasets import simulate_cohort
from brainograph.estimators import PopulationGraphClassifier
from brainograph.estimators.population import estimator
from brainograph.estimators.population.row_space import expand, rotate


def test_nothing_of_the_participants_is_lost():
    x = torch.randn(6, 40, generator=torch.Generator().manual_seed(0))
    x[5] = x[0] + x[1]  # rank 5
    rotated, basis = rotate(x)
    assert rotated.shape == (6, 5)
    torch.testing.assert_close(rotated @ basis.T, x, atol=1e-5, rtol=0)
    torch.testing.assert_close(basis.T @ basis, torch.eye(5), atol=1e-5, rtol=0)
    weight = torch.randn(2, 5)
    torch.testing.assert_close(x @ expand(weight, basis).T, rotated @ weight.T, atol=1e-4, rtol=0)


def test_the_optimum_is_that_of_all_features(monkeypatch):
    cohort = simulate_cohort(n_subjects=60, n_regions=30, random_state=0)
    y = cohort.phenotype["diagnosis"].to_numpy().astype(int)
    y[:15] = -1
    model = PopulationGraphClassifier(
        num_layers=0, optimizer="lbfgs", skip_smoothing=1.0, combine="phenotype", n_members=1,
        categorical=("sex",), continuous={}, validation_fraction=0.0, max_epochs=20,
        skip_weight_decay=0.05, device="cpu",
    )  # fmt: skip
    rotated = model.fit(cohort, y).predict_proba(cohort)
    identity = lambda x: (x, torch.eye(x.shape[1]))  # noqa: E731
    monkeypatch.setattr(estimator, "rotate", identity)
    direct = model.fit(cohort, y).predict_proba(cohort)
    np.testing.assert_allclose(rotated, direct, atol=2e-3)
