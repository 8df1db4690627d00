"""A fusion by its name."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from brainograph.nn.fusion.add import AddFusion
from brainograph.nn.fusion.base import Fusion
from brainograph.nn.fusion.concat import ConcatFusion
from brainograph.nn.fusion.cross_attention import CrossAttentionFusion
from brainograph.nn.fusion.gated import GatedFusion
from brainograph.nn.fusion.hierarchical import HierarchicalFusion
from brainograph.nn.fusion.tensor import TensorFusion
from brainograph.nn.hyperparameters import check_parameters

__all__ = ["FusionName", "make_fusion"]

FusionName = Literal["concat", "add", "tensor", "gated", "cross_attention", "hierarchical"]
_CLASSES: dict[str, type[Fusion]] = {
    "concat": ConcatFusion,
    "add": AddFusion,
    "tensor": TensorFusion,
    "gated": GatedFusion,
    "cross_attention": CrossAttentionFusion,
}


def make_fusion(
    name: FusionName,
    stages: Sequence[Sequence[int]],
    out_channels: int,
    params: Mapping[str, Any] | None = None,
) -> Fusion:
    """Return a fusion of features.

    Parameters
    ----------
    name : {"concat", "add", "tensor", "gated", "cross_attention", "hierarchical"}
        Which.
    stages : sequence of sequence of int
        Features of each stage of each modality; all but ``hierarchical`` see them side by side.
    out_channels : int
        Features of the result.
    params : mapping, optional
        Hyper-parameters of the fusion.

    Raises
    ------
    ValueError
        If there is no such fusion, or it has no such parameter.

    Examples
    --------
    >>> make_fusion("tensor", [[4], [7]], 5, {"rank": 3}).in_channels
    (4, 7)
    """
    if name not in get_args(FusionName):
        raise ValueError(f"fusion must be one of {get_args(FusionName)}, got {name!r}.")
    params = dict(params or {})
    if name == "hierarchical":
        check_parameters(HierarchicalFusion, params, given=2)
        return HierarchicalFusion(stages, out_channels)
    check_parameters(_CLASSES[name], params, given=2)
    return _CLASSES[name]([sum(one) for one in stages], out_channels, **params)
