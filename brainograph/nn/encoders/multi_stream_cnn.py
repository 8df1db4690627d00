"""A stream of convolutions for each modality, after Ge et al. 2018 and Qian et al. 2020."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from brainograph.nn.encoders.layers import Plane, average, conv_block, slices_of

__all__ = ["MultiStreamCNN"]


class MultiStreamCNN(nn.Module):
    r"""Each channel of the image has a CNN of its own; their features are put side by side.

    .. math:: h = \mathrm{ReLU}(W [f_1(x_1) \Vert \dots \Vert f_M(x_M)] + b)

    Parameters
    ----------
    in_channels, out_channels : int
        Modalities, and channels of what is given back.
    dims : {2, 3}
        Whether slices are read, whose features are averaged, or the volume.
    plane : {"sagittal", "coronal", "axial"}
        Of the slices.
    n_slices : int, optional
        So many, evenly spaced; all by default.
    channels : sequence of int
        Of each convolution of a stream.

    Raises
    ------
    ValueError
        For other numbers of dimensions or planes.

    Notes
    -----
    Shapes: (B, M, D, H, W), of any size, to (B, out_channels).

    What the papers state: a two-dimensional CNN for each MRI sequence (T1 with contrast, T2,
    FLAIR) and an aggregation of their features tell the grades of glioma [1]_; two streams read
    B-mode and Doppler ultrasound of the breast [2]_; two streams with saliency read two kinds of
    skin images [3]_ (abstracts). What we chose: layer sizes; standardised filters; concatenation
    and a linear layer; the mean over slices; saliency is left to Grad-CAM afterwards.

    References
    ----------
    .. [1] Ge et al., Deep learning and multi-sensor fusion for glioma classification using
           multistream 2D convolutional networks, EMBC 2018.
    .. [2] Qian et al., A combined ultrasonic B-mode and color Doppler system for the
           classification of breast masses using neural network, European Radiology 30, 2020.
    .. [3] Ge et al., Skin disease recognition using deep saliency features and multimodal learning
           of dermoscopy and clinical images, MICCAI 2017.

    Examples
    --------
    >>> encoder = MultiStreamCNN(3, 16, channels=(4, 8), n_slices=2)
    >>> encoder(torch.randn(2, 3, 8, 9, 8)).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 64,
        *,
        dims: int = 2,
        plane: Plane = "axial",
        n_slices: int | None = None,
        channels: Sequence[int] = (16, 32, 64, 128),
    ) -> None:
        super().__init__()
        if dims not in (2, 3):
            raise ValueError(f"dims must be 2 for slices or 3 for the volume, got {dims}.")
        self.out_channels = out_channels
        self.dims, self.plane, self.n_slices = dims, plane, n_slices
        widths = [1, *channels]
        self.streams = nn.ModuleList(
            nn.Sequential(
                *(
                    conv_block(before, after, pool=True, dims=dims)
                    for before, after in pairwise(widths)
                )
            )
            for _ in range(in_channels)
        )
        self.linear = nn.Linear(in_channels * widths[-1], out_channels)

    def forward(self, image: Tensor) -> Tensor:
        """Return features (B, out_channels) of images (B, M, D, H, W)."""
        each = [self._features(stream, image[:, [m]]) for m, stream in enumerate(self.streams)]
        return torch.relu(self.linear(torch.cat(each, dim=1)))

    def _features(self, stream: nn.Module, image: Tensor) -> Tensor:
        """Return one stream's features (B, channels) of one modality (B, 1, D, H, W)."""
        if self.dims == 3:
            return average(stream(image))
        slices = slices_of(image, self.plane, self.n_slices)
        return average(stream(slices.flatten(0, 1))).unflatten(0, slices.shape[:2]).mean(1)
