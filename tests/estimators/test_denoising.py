import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from brainograph.estimators.denoising import DenoisingFeatures
from brainograph.nn.denoising_autoencoder import DenoisingAutoencoder

SIZES = (32, 8)


@pytest.fixture(scope="module")
def table():
    """Twenty columns of three hidden causes and noise."""
    rng = np.random.default_rng(0)
    causes = rng.standard_normal((200, 3))
    return causes, causes @ rng.standard_normal((3, 20)) + 0.3 * rng.standard_normal((200, 20))


@pytest.fixture(scope="module")
def fitted(table):
    return DenoisingFeatures(SIZES, lr=0.005, max_epochs=30).fit(table[1][:150])


def test_hidden_causes_are_found_without_labels(table, fitted):
    causes, x = table
    z = fitted.transform(x)
    found = LinearRegression().fit(z[:150], causes[:150]).score(z[150:], causes[150:])
    assert found > 0.8
    assert fitted.loss_[0] < 0.5 * x.var()


def test_the_loss_of_a_layer_by_hand():
    network = DenoisingAutoencoder(2, 1, hidden_channels=(2,), corruption=0.0)
    with torch.no_grad():
        for linear in (network.encoders[0], network.decoders[0]):
            linear.weight.copy_(torch.eye(2))
            linear.bias.zero_()
        network.encoders[1].weight.copy_(torch.tensor([[1.0, 0.0]]))
        network.decoders[1].weight.copy_(torch.tensor([[1.0], [0.0]]))
        network.encoders[1].bias.zero_()
        network.decoders[1].bias.zero_()
    x = torch.tensor([[3.0, -1.0], [1.0, 2.0]])
    assert network.reconstruction_loss(x, 0) == 1 / 4  # the negative value is lost
    assert network.reconstruction_loss(x, 1) == 2**2 / 4  # of (3, 0) and (1, 2) the 2 is lost
    assert network(x).flatten().tolist() == [3.0, 1.0]


def test_only_the_layer_that_is_trained_moves():
    network = DenoisingAutoencoder(5, 2, hidden_channels=(4,))
    network.reconstruction_loss(torch.randn(6, 5), 1).backward()
    moved = {name for name, weights in network.named_parameters() if weights.grad is not None}
    assert moved == {
        f"{kind}.1.{w}" for kind in ("encoders", "decoders") for w in ("weight", "bias")
    }


def test_the_same_seed_gives_the_same_features(table, fitted):
    again = clone(fitted).fit(table[1][:150])
    assert np.array_equal(again.transform(table[1]), fitted.transform(table[1]))


def test_rows_whose_label_is_hidden_are_not_looked_at(table):
    y = np.arange(150) % 3 - 1
    broken = np.where((y == -1)[:, None], 1e6, table[1][:150])
    quick = DenoisingFeatures(SIZES, max_epochs=2)
    first, second = (clone(quick).fit(x, y).transform(table[1]) for x in (table[1][:150], broken))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"corruption": 1.0}, r"corruption must be in \[0, 1\), got 1.0. For 30 %"),
        ({"sizes": ()}, "sizes must name units"),
        ({"max_epochs": 0}, "max_epochs and batch_size be at least 1"),
    ],
)
def test_bad_settings_are_refused(table, settings, message):
    with pytest.raises(ValueError, match=message):
        DenoisingFeatures(**settings).fit(table[1])


def test_other_columns_are_refused(table, fitted):
    with pytest.raises(ValueError, match="X has 7 columns, the fit had 20"):
        fitted.transform(table[1][:, :7])
