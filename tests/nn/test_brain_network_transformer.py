import pytest
import torch

from brainograph.nn import BrainBatch, BrainNetworkTransformer


@pytest.mark.parametrize(("n_regions", "n_clusters"), [(10, 4), (13, 100)])
def test_the_centers_are_orthonormal_and_no_more_than_the_features(n_regions, n_clusters):
    network = BrainNetworkTransformer(n_regions, 2, n_clusters=n_clusters)
    width = n_regions + network.position.shape[1]
    assert width % 4 == 0
    assert network.position.shape[1] >= 8
    assert network.centers.shape == (width, min(n_clusters, width))
    gram = network.centers.mT @ network.centers
    assert torch.allclose(gram, torch.eye(len(gram)), atol=1e-5)
    assert "centers" in network.state_dict()
    assert "centers" not in dict(network.named_parameters())


def test_it_learns_which_two_regions_are_coupled():
    """Classes differ in one edge; held-out participants are told apart."""
    torch.manual_seed(0)
    y = torch.arange(120) % 2
    series = torch.randn(120, 40, 10)
    series[:, :, 1] += (2.0 * y - 1)[:, None] * series[:, :, 0]
    fc = torch.stack([torch.corrcoef(one.T) for one in series])
    network = BrainNetworkTransformer(10, 2, n_clusters=4)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(60):
        optimizer.zero_grad()
        logits = network(BrainBatch(connectivity={"fc": fc[:80]}))
        torch.nn.functional.cross_entropy(logits, y[:80]).backward()
        optimizer.step()
    held_out = network.eval()(BrainBatch(connectivity={"fc": fc[80:]}))
    assert (held_out.argmax(1) == y[80:]).float().mean() > 0.9
