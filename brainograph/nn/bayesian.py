"""Networks that draw: a mean-field last layer, and dropout that stays on to predict."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BayesianLinear", "bayesian_head", "divergence", "sampling"]

_DROPOUTS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)


class BayesianLinear(nn.Module):
    r"""A linear layer whose weights are independent normal distributions.

    .. math:: w_{ij} \sim N(\mu_{ij}, \sigma_{ij}^2), \quad
              y = x \mu^\top + b + \sqrt{x^2 (\sigma^2)^\top + \sigma_b^2} \odot \epsilon,
              \quad \epsilon \sim N(0, 1)

    In training mode the output is drawn as above, by local reparameterisation [1]_: each row has
    weights of its own, and gradients reach the means and the deviations. In evaluation mode the
    means are used, so that a prediction is the same each time; within :func:`sampling` it is drawn.

    Parameters
    ----------
    in_features, out_features : int
        As of ``torch.nn.Linear``.
    prior_scale : float, optional
        Deviation of each weight before anything is known, :math:`1 / \sqrt{in\_features}` by
        default: the outputs of standardised features then have a deviation of about 1.

    Notes
    -----
    Shapes: (..., in_features) to (..., out_features).

    What the paper states: [1]_ the local reparameterisation; [2]_ the loss, which is the misfit
    plus :meth:`kl` over the number of training rows. What we chose: the prior's default, and
    deviations that start at a tenth of it.

    References
    ----------
    .. [1] Kingma, Salimans & Welling, Variational dropout and the local reparameterization trick,
           NeurIPS 2015.
    .. [2] Blundell et al., Weight uncertainty in neural networks, ICML 2015.

    Examples
    --------
    >>> layer = BayesianLinear(3, 2).eval()
    >>> x = torch.ones(1, 3)
    >>> bool((layer(x) == layer(x)).all())
    True
    >>> with sampling(layer):
    ...     bool((layer(x) == layer(x)).any())
    False
    """

    def __init__(
        self, in_features: int, out_features: int, *, prior_scale: float | None = None
    ) -> None:
        super().__init__()
        if prior_scale is not None and prior_scale <= 0:
            raise ValueError(f"prior_scale must be above 0, got {prior_scale}. Write 1.0.")
        self.prior_scale = in_features**-0.5 if prior_scale is None else prior_scale
        self.mean = nn.Linear(in_features, out_features)
        start = math.log(math.expm1(0.1 * self.prior_scale))
        self.weight_rho = nn.Parameter(torch.full((out_features, in_features), start))
        self.bias_rho = nn.Parameter(torch.full((out_features,), start))

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of mean weights, or one that is drawn."""
        mean = self.mean(x)
        if not self.training:
            return mean
        weight, bias = functional.softplus(self.weight_rho), functional.softplus(self.bias_rho)
        variance = functional.linear(x.square(), weight.square(), bias.square())
        return mean + variance.sqrt() * torch.randn_like(mean)

    def kl(self) -> Tensor:
        r"""Return the divergence of the weights from what was thought of them before, in nats.

        .. math:: KL = \sum \log \frac{\sigma_0}{\sigma} +
                  \frac{\sigma^2 + \mu^2}{2 \sigma_0^2} - \frac12
        """
        total = self.weight_rho.new_zeros(())
        for mean, rho in ((self.mean.weight, self.weight_rho), (self.mean.bias, self.bias_rho)):
            scale = functional.softplus(rho) / self.prior_scale
            total = (
                total
                + (
                    (scale.square() + (mean / self.prior_scale).square() - 1) / 2 - scale.log()
                ).sum()
            )
        return total


def bayesian_head(network: nn.Module, n_outputs: int) -> nn.Module:
    """Put a :class:`BayesianLinear` in the place of the last linear layer, and return the network.

    Parameters
    ----------
    network : Module
        Any that ends in a linear layer.
    n_outputs : int
        K, by which that layer is known.

    Raises
    ------
    ValueError
        If there is no linear layer of so many outputs.

    Examples
    --------
    >>> bayesian_head(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), 2)[-1].mean
    Linear(in_features=8, out_features=2, bias=True)
    """
    last = [
        (name, module)
        for name, module in network.named_modules()
        if type(module) is nn.Linear and module.out_features == n_outputs
    ]
    if not last:
        raise ValueError(
            f"{type(network).__name__} does not end in a linear layer of {n_outputs} outputs. "
            'Write head="linear", and n_members=5 for the uncertainty of an ensemble.'
        )
    path, old = last[-1]
    parent, _, name = path.rpartition(".")
    network.get_submodule(parent).register_module(
        name, BayesianLinear(old.in_features, old.out_features)
    )
    return network


def divergence(network: nn.Module) -> Tensor | None:
    """Return the sum of :meth:`BayesianLinear.kl` of a network, None if it has no such layer."""
    terms = [module.kl() for module in network.modules() if isinstance(module, BayesianLinear)]
    return torch.stack(terms).sum() if terms else None


@contextmanager
def sampling(
    network: nn.Module, *, random_state: int = 0, shared: bool = False
) -> Iterator[nn.Module]:
    """Let dropout and :class:`BayesianLinear` draw, and nothing else behave as in training.

    Parameters
    ----------
    network : Module
        Left in the mode in which it was, as is torch's generator.
    random_state : int
        Seed of what is drawn.
    shared : bool
        Whether dropout draws once for all rows (N, ...), as if weights were dropped: then what a
        row says does not depend on how many others there are.

    References
    ----------
    Gal & Ghahramani, Dropout as a Bayesian approximation: representing model uncertainty in deep
    learning, ICML 2016.

    Examples
    --------
    >>> network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)).eval()
    >>> with sampling(network):
    ...     [module.training for module in network]
    [False, True]
    >>> network[1].training
    False
    """
    before = [(module, module.training) for module in network.modules()]
    hooks = []
    try:
        for module, _ in before:
            if shared and isinstance(module, nn.Dropout):
                hooks.append(module.eval().register_forward_hook(_drop_for_all))
                continue
            rate = getattr(module, "dropout", None)  # of attention and recurrent layers
            module.training = isinstance(module, (*_DROPOUTS, BayesianLinear)) or (
                isinstance(rate, float) and rate > 0
            )
        with torch.random.fork_rng():
            torch.manual_seed(random_state)
            yield network
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in before:
            module.training = mode


def _drop_for_all(module: nn.Dropout, given: tuple[Tensor, ...], kept: Tensor) -> Tensor:
    """Drop the same channels of all rows (N, ...)."""
    return kept * functional.dropout(torch.ones_like(kept[:1]), module.p)
