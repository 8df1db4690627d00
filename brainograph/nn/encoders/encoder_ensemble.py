"""Three small networks side by side, after MultiAz-Net."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from brainograph.nn.encoders.layers import average, conv_block

__all__ = ["EncoderEnsemble"]

Member = Literal["alexnet", "inception", "resnet"]


class EncoderEnsemble(nn.Module):
    r"""Networks like AlexNet, Inception and ResNet, whose features are put side by side.

    .. math:: h = \mathrm{ReLU}(W [f_1(x) \Vert f_2(x) \Vert f_3(x)] + b)

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image, and of what is given back.
    members : sequence of {"alexnet", "inception", "resnet"}
        Which, each small and in three dimensions.
    hidden_channels : int
        Of each member's first convolution; its last ones have four times as many.

    Raises
    ------
    ValueError
        For other members, or none.

    Notes
    -----
    Shapes: (B, C, D, H, W), of any size, to (B, out_channels).

    What the paper states: PET and MRI are fused, features of AlexNet, Inception-V3 and ResNet are
    put together, and a multi-objective grasshopper search sets the structure [1]_ (the abstract).
    What we chose: three-dimensional nets of a few layers that keep each one's idea (few wide
    strides; branches of several widths; shortcuts), of standardised filters, trained together; for
    the search, :class:`~brainograph.model_selection.SearchCV`.

    References
    ----------
    .. [1] Ismail et al., A meta-heuristic multi-objective optimization method for Alzheimer's
           disease detection based on multi-modal data, Mathematics 11(4):957, 2023.

    Examples
    --------
    >>> EncoderEnsemble(2, 16, hidden_channels=4)(torch.randn(2, 2, 8, 9, 8)).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 64,
        *,
        members: Sequence[Member] = ("alexnet", "inception", "resnet"),
        hidden_channels: int = 16,
    ) -> None:
        super().__init__()
        if not members or not set(members) <= set(get_args(Member)):
            raise ValueError(f"members must be some of {get_args(Member)}, got {members}.")
        self.out_channels = out_channels
        make = {"alexnet": _alexnet, "inception": _inception, "resnet": _resnet}
        self.members = nn.ModuleDict(
            {name: make[name](in_channels, hidden_channels) for name in members}
        )
        self.linear = nn.Linear(4 * hidden_channels * len(self.members), out_channels)

    def forward(self, image: Tensor) -> Tensor:
        """Return features (B, out_channels) of images (B, C, D, H, W)."""
        each = [average(member(image)) for member in self.members.values()]
        return torch.relu(self.linear(torch.cat(each, dim=1)))


def _alexnet(in_channels: int, width: int) -> nn.Sequential:
    """Wide strides first, then three convolutions of one size."""
    return nn.Sequential(
        conv_block(in_channels, width, kernel_size=7, stride=2, pool=True),
        conv_block(width, 2 * width, kernel_size=5, pool=True),
        conv_block(2 * width, 4 * width),
        conv_block(4 * width, 4 * width),
        conv_block(4 * width, 4 * width, pool=True),
    )


def _inception(in_channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        conv_block(in_channels, width, stride=2, pool=True),
        _Branches(width, 2 * width),
        nn.MaxPool3d(2, ceil_mode=True),
        _Branches(2 * width, 4 * width),
    )


def _resnet(in_channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        conv_block(in_channels, width, stride=2, pool=True),
        _Shortcut(width, 2 * width),
        _Shortcut(2 * width, 4 * width),
    )


class _Branches(nn.Module):
    """Widths one, three, five (as two of three) and a maximum, a quarter of the channels each."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        part = out_channels // 4
        self.branches = nn.ModuleList(
            [
                conv_block(in_channels, part, kernel_size=1),
                nn.Sequential(conv_block(in_channels, part, kernel_size=1), conv_block(part, part)),
                nn.Sequential(
                    conv_block(in_channels, part, kernel_size=1),
                    conv_block(part, part),
                    conv_block(part, part),
                ),
                nn.Sequential(
                    nn.MaxPool3d(3, stride=1, padding=1),
                    conv_block(in_channels, out_channels - 3 * part, kernel_size=1),
                ),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class _Shortcut(nn.Module):
    """Two convolutions, the first with stride two, and a shortcut past them."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            conv_block(in_channels, out_channels, stride=2), conv_block(out_channels, out_channels)
        )
        self.past = nn.Conv3d(in_channels, out_channels, 1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.convs(x) + self.past(x)
