"""What networks say of themselves: the regions a pooling keeps, attention to channels and time."""

from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from brainograph.cohort import Cohort
from brainograph.estimators.subject.base import SubjectGraph
from brainograph.estimators.wrappers.wrapper import unwrapped
from brainograph.inspection.opening import Model
from brainograph.inspection.subject_view import Logits, subject_views
from brainograph.inspection.view import View, tidy_rows
from brainograph.nn import MSTGC, STAGIN, BrainBatch, BrainGCN

__all__ = ["AttentionLevel", "attention"]

AttentionLevel = Literal["region", "window"]


def attention(model: Model, cohort: Cohort, *, level: AttentionLevel = "region") -> pd.DataFrame:
    """Read out where a network with attention or pooling looked.

    * :class:`~brainograph.nn.BrainGCN` with pooling: how much of each region it lets through.
    * :class:`~brainograph.nn.MSTGC`: the weight of each channel (the column ``channel``, of which
      the last, ``common``, is what all channels share), by region or by window.
    * :class:`~brainograph.nn.STAGIN`: attention of its readout to regions, or the attention that
      each window gets from the others, both averaged over layers.

    Attention shows what a network looked at and not what moved its decision; compare it with
    :func:`~brainograph.inspection.occlude`.

    Parameters
    ----------
    model : fitted SubjectGraphClassifier or SubjectGraphRegressor
        The mean over its members is returned.
    cohort : Cohort (S)
        Whose scans are looked at.
    level : {"region", "window"}
        What attention is averaged for.

    Returns
    -------
    DataFrame
        ``participant_id``, ``channel`` (of MSTGC), ``region``, or ``start`` and ``stop`` (volumes)
        of a window, and ``importance``.

    Raises
    ------
    ValueError
        If the network has nothing of the kind.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.estimators import SubjectGraphClassifier, Training
    >>> cohort = simulate_cohort(n_subjects=12, n_regions=8)
    >>> y = cohort.phenotype["diagnosis"].to_numpy()
    >>> params = {"pooling": "topk", "readout": "mean"}
    >>> training = Training(max_epochs=1, validation_fraction=0)
    >>> model = SubjectGraphClassifier("BrainGCN", params=params, training=training, device="cpu")
    >>> attention(model.fit(cohort, y), cohort[:1]).shape
    (8, 3)
    """
    if level not in get_args(AttentionLevel):
        raise ValueError(f"level must be one of {get_args(AttentionLevel)}, got {level!r}.")
    *_, model = unwrapped(model)
    if not isinstance(model, SubjectGraph):
        raise ValueError(
            f"a {type(model).__name__} has no attention to read out. Write attribute(model, cohort)"
            " or occlude(model, cohort)."
        )
    ids = np.array(cohort.participant_ids, dtype=object)
    members = []
    for i, network in enumerate(model._members):
        read = _reader(network, level)
        views = subject_views(model, i, cohort, cohort)
        parts = [table for view in views for table in read(network, view, ids[view.rows])]
        members.append(pd.concat(parts, ignore_index=True))
    mean = np.mean([table["importance"] for table in members], axis=0)
    return members[0].assign(importance=mean)


def _reader(network: nn.Module, level: AttentionLevel) -> Any:
    """Return what reads the attention of a network, or say that it has none."""
    if isinstance(network, BrainGCN) and len(network.pools) and level == "region":
        return _survival
    if isinstance(network, MSTGC) and (level == "region" or network.window is not None):
        return _channels_of_regions if level == "region" else _channels_of_windows
    if isinstance(network, STAGIN) and (level == "window" or network.readouts[0].kind != "mean"):
        return _readout if level == "region" else _temporal
    raise ValueError(
        f"this {type(network).__name__} has no attention or pooling by {level}. Networks that do: "
        'BrainGCN(pooling="topk") by region; MSTGC and STAGIN by region and window. Or write '
        "occlude(model, cohort)."
    )


def _batch(view: View) -> BrainBatch:
    logits: Any = view.logits
    return logits.batch if isinstance(logits, Logits) else BrainBatch()


@torch.no_grad()
def _survival(network: BrainGCN, view: View, ids: np.ndarray) -> list[pd.DataFrame]:
    scores = network.region_scores(_batch(view)).double().cpu().numpy()
    return [tidy_rows(ids, None, pd.DataFrame({"region": view.regions}), scores)]


@torch.no_grad()
def _channels_of_regions(network: MSTGC, view: View, ids: np.ndarray) -> list[pd.DataFrame]:
    weights, owner = network.channel_attention(_batch(view))  # (N, R, views)
    names = _channel_names(network, weights)
    labels = pd.DataFrame(
        {"channel": np.repeat(names, len(view.regions)), "region": view.regions * len(names)}
    )
    means = [weights[owner == i].mean(dim=0).T.flatten() for i in range(len(ids))]
    return [tidy_rows(ids, None, labels, torch.stack(means).double().cpu().numpy())]


@torch.no_grad()
def _channels_of_windows(network: MSTGC, view: View, ids: np.ndarray) -> list[pd.DataFrame]:
    weights, owner = network.channel_attention(_batch(view))
    names = _channel_names(network, weights)
    tables = []
    for i in range(len(ids)):
        mean = weights[owner == i].mean(dim=1)  # (W, views)
        labels = _windows(len(mean), network.window or 0, network.step)
        for name, one in zip(names, mean.T, strict=True):
            rows = labels.assign(channel=name)[["channel", "start", "stop"]]
            tables.append(tidy_rows(ids[[i]], None, rows, one[None].double().cpu().numpy()))
    return tables


def _channel_names(network: MSTGC, weights: Tensor) -> list[str]:
    names = list(network.channels)
    return names if weights.shape[2] == len(names) else [*names, "common"]


def _windows(n_windows: int, width: int, step: int) -> pd.DataFrame:
    start = np.arange(n_windows) * step
    return pd.DataFrame({"start": start, "stop": start + width})


@torch.no_grad()
def _readout(network: STAGIN, view: View, ids: np.ndarray) -> list[pd.DataFrame]:
    """Average the attention of the readouts to regions over layers and windows."""
    said: list[Tensor] = []

    def note(module: Any, given: Any, out: Any) -> None:
        (h,) = given
        said.append(module.attention(h))

    hooks = [readout.register_forward_hook(note) for readout in network.readouts]
    batch = _batch(view)
    network(batch)
    for hook in hooks:
        hook.remove()
    n_windows = _counts(network, batch)
    owner = torch.repeat_interleave(torch.arange(len(ids)), torch.from_numpy(n_windows))
    mean = torch.stack(said).mean(dim=0).cpu()  # (N, R)
    means = torch.stack([mean[owner == i].mean(dim=0) for i in range(len(ids))])
    return [tidy_rows(ids, None, pd.DataFrame({"region": view.regions}), means.double().numpy())]


def _counts(network: STAGIN, batch: BrainBatch) -> np.ndarray:
    """Return the windows of each scan (B,)."""
    return ((batch.lengths - network.window) // network.step + 1).cpu().numpy()


def _temporal(network: STAGIN, view: View, ids: np.ndarray) -> list[pd.DataFrame]:
    """Average what each window gets from the others over heads, layers and asking windows."""
    given: list[tuple[Any, Any]] = []

    def note(module: nn.Module, args: Any, kwargs: Any) -> None:
        given.append((args, kwargs))

    attentions: list[Any] = [layer.self_attn for layer in network.over_time]
    hooks = [one.register_forward_pre_hook(note, with_kwargs=True) for one in attentions]
    batch = _batch(view)
    network(batch)  # with gradients: without, PyTorch takes a short cut past the hooks
    for hook in hooks:
        hook.remove()
    weights = []
    with torch.no_grad():
        for module, (args, kwargs) in zip(attentions, given, strict=True):
            again = {**kwargs, "need_weights": True, "average_attn_weights": True}
            weights.append(module(*args, **again)[1])  # (B, W, W)
    mean = torch.stack(weights).mean(dim=0).double().cpu().numpy()
    tables = []
    for i, n_windows in enumerate(_counts(network, batch)):
        received = mean[i, :n_windows, :n_windows].mean(axis=0)
        labels = _windows(n_windows, network.window, network.step)
        tables.append(tidy_rows(ids[[i]], None, labels, received[None]))
    return tables
