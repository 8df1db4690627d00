import pytest
import torch
from monai.networks import nets
from torch import nn

from brainograph.nn.encoders import MonaiEncoder


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match=r"name must be one of \('resnet10'.*got 'resnet11'"):
        MonaiEncoder(name="resnet11")


@pytest.mark.parametrize("name", ["resnet10", "resnet50", "densenet121", "efficientnet-b0"])
def test_nothing_is_normalised_over_the_batch(name):
    modules = list(MonaiEncoder(name=name).modules())
    assert not [m for m in modules if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert [m for m in modules if isinstance(m, nn.GroupNorm)]


def test_it_is_the_network_of_monai_but_for_its_norms():
    """In both a norm of given statistics does nothing else."""
    torch.manual_seed(0)
    ours = MonaiEncoder(1, 5, params={"widen_factor": 0.25})
    theirs = nets.resnet10(n_input_channels=1, num_classes=5, widen_factor=0.25, conv1_t_stride=2)
    for network in (ours.network, theirs):
        norms = (nn.GroupNorm, nn.BatchNorm3d)
        for name in [n for n, m in network.named_modules() if isinstance(m, norms)]:
            network.set_submodule(name, nn.Identity())
    theirs.load_state_dict(ours.network.state_dict())
    image = torch.randn(1, 1, 12, 12, 12)
    assert torch.equal(ours(image), theirs(image))


def test_a_small_efficientnet_sees_an_image():
    encoder = MonaiEncoder(1, 4, name="efficientnet-b0").eval()
    with torch.no_grad():
        assert encoder(torch.randn(1, 1, 16, 16, 16)).shape == (1, 4)
