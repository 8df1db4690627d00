import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from brainograph.estimators.subject.training import _Objective
from brainograph.nn.bayesian import BayesianLinear, bayesian_head, divergence, sampling
from brainograph.nn.brain_batch import BrainBatch


def set_to(layer, weight, bias, scale):
    """Give a layer known means and one deviation."""
    rho = math.log(math.expm1(scale))
    with torch.no_grad():
        layer.mean.weight.fill_(weight)
        layer.mean.bias.fill_(bias)
        layer.weight_rho.fill_(rho)
        layer.bias_rho.fill_(rho)
    return layer


class TestBayesianLinear:
    def test_the_divergence_by_hand(self):
        layer = set_to(BayesianLinear(1, 1, prior_scale=1.0), weight=1.0, bias=0.0, scale=0.5)
        of_weight = math.log(1 / 0.5) + (0.25 + 1) / 2 - 0.5
        of_bias = math.log(1 / 0.5) + 0.25 / 2 - 0.5
        assert layer.kl().item() == pytest.approx(of_weight + of_bias, abs=1e-6)

    def test_the_divergence_is_torchs(self):
        layer = BayesianLinear(3, 2, prior_scale=0.7)
        with torch.no_grad():
            layer.weight_rho.normal_()
        scale = torch.nn.functional.softplus
        pairs = ((layer.mean.weight, layer.weight_rho), (layer.mean.bias, layer.bias_rho))
        expected = sum(
            kl_divergence(Normal(m, scale(r)), Normal(torch.zeros_like(m), 0.7)).sum()
            for m, r in pairs
        )
        torch.testing.assert_close(layer.kl(), expected)

    def test_draws_have_the_mean_and_deviation_of_the_weights(self):
        layer = set_to(BayesianLinear(2, 1), weight=0.5, bias=-1.0, scale=0.3).train()
        drawn = layer(torch.tensor([[1.0, 2.0]]).expand(40_000, 2))
        assert drawn.mean().item() == pytest.approx(0.5 * 3 - 1, abs=0.01)
        assert drawn.std().item() == pytest.approx(0.3 * math.sqrt(1 + 4 + 1), rel=0.02)

    def test_evaluation_uses_the_means(self):
        layer = set_to(BayesianLinear(2, 1), weight=0.5, bias=-1.0, scale=0.3).eval()
        assert layer(torch.tensor([[1.0, 2.0]])).item() == pytest.approx(0.5)

    def test_gradients_reach_means_and_deviations(self):
        layer = BayesianLinear(3, 2)
        (layer(torch.ones(4, 3)).square().sum() + layer.kl()).backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())

    def test_a_prior_of_no_width_is_refused(self):
        with pytest.raises(ValueError, match="prior_scale must be above 0, got 0"):
            BayesianLinear(3, 2, prior_scale=0)


class TestHead:
    def test_only_the_last_layer_of_k_outputs_is_replaced(self):
        network = bayesian_head(
            nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 2), nn.Linear(2, 5)), 2
        )
        assert [type(m).__name__ for m in network] == ["Linear", "ReLU", "BayesianLinear", "Linear"]

    def test_a_network_without_such_a_layer_is_refused(self):
        with pytest.raises(ValueError, match="does not end in a linear layer of 3 outputs"):
            bayesian_head(nn.Sequential(nn.Linear(4, 2)), 3)

    def test_the_divergence_over_the_rows_is_added_to_the_loss(self):
        class Network(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = BayesianLinear(1, 2)

            def forward(self, batch):
                return self.head(batch.phenotypes)

        network = Network().eval()
        batch = BrainBatch(phenotypes=torch.ones(3, 1))
        target, weight = torch.tensor([0, 1, 0]), torch.ones(3)
        objective = _Objective(network, regression=False, n_rows=7)
        misfit = nn.functional.cross_entropy(network(batch), target)
        expected = misfit + network.head.kl() / 7
        torch.testing.assert_close(objective(batch, target, weight), expected)
        assert divergence(nn.Linear(2, 2)) is None


class TestSampling:
    def test_a_unit_is_kept_as_often_as_it_should(self):
        network = nn.Dropout(0.25).eval()
        with sampling(network):
            kept = network(torch.ones(20_000)) > 0
        assert kept.float().mean().item() == pytest.approx(0.75, abs=0.01)

    def test_attention_and_recurrent_dropout_are_on_and_norms_are_not(self):
        network = nn.ModuleList(
            [
                nn.MultiheadAttention(4, 1, dropout=0.1),
                nn.LSTM(4, 4, num_layers=2, dropout=0.1),
                nn.LSTM(4, 4),
                nn.BatchNorm1d(4),
                nn.Dropout2d(0.1),
            ]
        ).eval()
        with sampling(network):
            assert [m.training for m in network] == [True, True, False, False, True]
        assert not any(m.training for m in network.modules())

    def test_the_seed_decides_and_torchs_generator_is_left_alone(self):
        network, x = nn.Dropout(0.5), torch.ones(50)
        state = torch.random.get_rng_state()

        def draw(seed):
            with sampling(network, random_state=seed):
                return network(x)

        assert torch.equal(draw(1), draw(1))
        assert not torch.equal(draw(1), draw(2))
        assert torch.equal(torch.random.get_rng_state(), state)
