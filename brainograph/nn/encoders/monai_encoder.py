"""The generic image networks of MONAI as encoders."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from torch import Tensor, nn
from torch.nn.functional import pad

from brainograph.nn.encoders.layers import group_norm

__all__ = ["MonaiEncoder"]

Name = Literal["resnet10", "resnet18", "resnet34", "resnet50", "densenet121", "efficientnet-b0"]
_SMALLEST = 32  # voxels a side, below which DenseNet and EfficientNet have nothing left


class MonaiEncoder(nn.Module):
    """A network of :mod:`monai.networks.nets`, without batch normalisation.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image, and of what is given back.
    name : {"resnet10", "resnet18", "resnet34", "resnet50", "densenet121", "efficientnet-b0"}
        Which.
    dims : {2, 3}
        Axes of the images.
    params : mapping, optional
        More of the MONAI class's own parameters: ``{"widen_factor": 0.5}``.

    Raises
    ------
    ValueError
        For another name or number of axes.

    Notes
    -----
    Shapes: (B, C, D, H, W), of any size, to (B, out_channels), by the network's last linear layer;
    with ``dims=2`` (B, C, H, W).

    What the papers state: residual [1]_, dense [2]_ and mobile [3]_ convolutional networks in two
    dimensions; MONAI has them in three. What we chose: groups of channels are normalised instead
    of the batch, so that a participant is the same alone and in a batch; ResNet's first
    convolution moves by two voxels, as in two dimensions; images for DenseNet and EfficientNet are
    padded to 32 voxels a side. No weights are fetched: give ``pretrained`` to the estimator.

    References
    ----------
    .. [1] He et al., Deep residual learning for image recognition, CVPR 2016.
    .. [2] Huang et al., Densely connected convolutional networks, CVPR 2017.
    .. [3] Tan and Le, EfficientNet: rethinking model scaling for convolutional neural networks,
           ICML 2019.

    Examples
    --------
    >>> import torch
    >>> encoder = MonaiEncoder(name="resnet10", params={"widen_factor": 0.25})
    >>> encoder(torch.randn(2, 1, 12, 14, 12)).shape
    torch.Size([2, 128])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 128,
        *,
        name: Name = "resnet10",
        dims: int = 3,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if name not in get_args(Name):
            raise ValueError(f"name must be one of {get_args(Name)}, got {name!r}.")
        if dims not in (2, 3):
            raise ValueError(f"dims must be 2 or 3, got {dims}.")
        self.out_channels = out_channels
        self.name = name
        network = _make(name, dims, in_channels, out_channels, dict(params or {}))
        self.network = _without_batch(network)

    def forward(self, image: Tensor) -> Tensor:
        """Return features (B, out_channels) of images (B, C, D, H, W)."""
        if not self.name.startswith("resnet"):
            lacking = [max(_SMALLEST - size, 0) for size in reversed(image.shape[2:])]
            image = pad(image, [part for n in lacking for part in (n // 2, n - n // 2)])
        return self.network(image)


def _make(
    name: str, dims: int, in_channels: int, out_channels: int, params: dict[str, Any]
) -> nn.Module:
    """Return the MONAI network, whose last layer is linear."""
    from monai.networks import nets  # seconds

    if name == "densenet121":
        return nets.DenseNet121(dims, in_channels, out_channels, **params)
    if name == "efficientnet-b0":
        return nets.EfficientNetBN(
            name,
            pretrained=False,
            spatial_dims=dims,
            in_channels=in_channels,
            num_classes=out_channels,
            **params,
        )
    resnet: dict[str, Any] = {"conv1_t_stride": 2} | params
    return getattr(nets, name)(
        spatial_dims=dims, n_input_channels=in_channels, num_classes=out_channels, **resnet
    )


def _without_batch(network: nn.Module) -> nn.Module:
    """Replace norms over the batch; ResNet's ``norm`` reaches its first layer only."""
    for name, module in list(network.named_modules()):
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
            network.set_submodule(name, group_norm(module.num_features))
    return network
