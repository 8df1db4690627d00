"""Attribution by gradients: integrated gradients and saliency, by region, edge, window."""

import warnings
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from brainograph.cohort import Cohort
from brainograph.estimators import LateFusionClassifier
from brainograph.estimators.wrappers.wrapper import unwrapped
from brainograph.inspection.members import explain_members
from brainograph.inspection.opening import Model, open_model
from brainograph.inspection.view import NotThereError, Read, View, chosen_classes, margin, tidy_rows

__all__ = ["Level", "Method", "attribute", "captum_explainer"]

Method = Literal["integrated_gradients", "saliency"]
Level = Literal["region", "edge", "window", "phenotype", "input"]
_AT_ONCE = 64  # participants times steps


def attribute(
    model: Model,
    cohort: Cohort,
    *,
    method: Method = "integrated_gradients",
    level: Level = "region",
    target: object | None = None,
    background: Cohort | None = None,
    n_steps: int = 32,
    width: int = 20,
) -> pd.DataFrame:
    r"""Share a prediction out among the regions, edges, windows or phenotypes that it was read of.

    Explained is the log-odds F of a class (with more than two, its logit less the mean of the
    others; of a regression, the standardised number). Integrated gradients [1]_ give each value

    .. math:: (x_i - b_i) \int_0^1 \frac{\partial F(b + a (x - b))}{\partial x_i} da

    which sum to :math:`F(x) - F(b)`; saliency is :math:`|\partial F / \partial x_i|`. The baseline
    b is the mean of ``background``, and 0 for series and images. A region has half of each of its
    edges. In a population graph the features of neighbours count as well as one's own; where a
    population network learns features, one's own do, and who is heard counts as fixed. Of fused
    decisions each member is explained, and counts by its share.

    Parameters
    ----------
    model : fitted estimator
        Of subjects or of a population, of kernels or fused decisions, or a pipeline with a linear
        model at its end. The mean over its members is returned.
    cohort : Cohort (S)
        Whose predictions are explained.
    method : {"integrated_gradients", "saliency"}
        Computed by captum (``pip install brainograph[explain]``).
    level : {"region", "edge", "window", "phenotype", "input"}
        What values are summed over: windows are of series, ``"input"`` is all that is read under
        one name. Images have the last one only; see :func:`~brainograph.inspection.grad_cam`.
    target : label or array of labels (S,), optional
        The class to explain; by default the second of two, or the predicted one of several.
    background : Cohort, optional
        Whose mean stands for no information; by default the labelled participants of a population
        graph, and ``cohort`` elsewhere.
    n_steps : int
        Steps of the integral; one is exact for a linear model.
    width : int (volumes)
        Of a window.

    Returns
    -------
    DataFrame
        ``participant_id``, ``class``, ``input``, what ``level`` says (``region``; ``region_a`` and
        ``region_b``; ``start`` and ``stop`` in volumes; ``phenotype``) and ``importance``.

    Raises
    ------
    ValueError
        If nothing the model reads has the level, or no gradient reaches it: correlations in
        sliding windows are computed without one, and occlusion or attention explains them.
    ImportError
        Without captum.

    References
    ----------
    .. [1] Sundararajan, M., Taly, A. and Yan, Q. (2017). Axiomatic attribution for deep networks.
       ICML.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.preprocessing import Edges
    >>> cohort = simulate_cohort(n_subjects=40)
    >>> model = make_pipeline(Edges(), LogisticRegression())
    >>> model = model.fit(cohort, cohort.phenotype["diagnosis"])
    >>> attribute(model, cohort[:2], n_steps=1).head(1).columns.tolist()
    ['participant_id', 'class', 'input', 'region', 'importance']
    """
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {get_args(Method)}, got {method!r}.")
    if level not in get_args(Level):
        raise ValueError(f"level must be one of {get_args(Level)}, got {level!r}.")
    target_codes = chosen_classes(model, cohort, target)
    *_, inner = unwrapped(model)
    if isinstance(inner, LateFusionClassifier):
        labels = inner.classes_[target_codes]
        how: Any = {"method": method, "level": level, "target": labels, "background": background}
        how |= {"n_steps": n_steps, "width": width}
        return explain_members(inner, cohort, lambda member: attribute(member, cohort, **how))
    tables = []
    for views in open_model(model, cohort, background=background):
        parts = [
            _tables(view, model, cohort, target_codes, method, level, n_steps, width)
            for view in views
        ]
        tables.append(pd.concat([one for part in parts for one in part], ignore_index=True))
    mean = np.mean([table["importance"] for table in tables], axis=0)
    return tables[0].assign(importance=mean)


def _tables(
    view: View,
    model: Model,
    cohort: Cohort,
    target: np.ndarray,
    method: Method,
    level: Level,
    n_steps: int,
    width: int,
) -> list[pd.DataFrame]:
    """Return a table for each input of a view that has the level."""
    groups = {name: _groups(read, level, view, width, name) for name, read in view.reads.items()}
    groups = {name: one for name, one in groups.items() if len(one[1])}
    if not groups:
        raise NotThereError(
            f"the model reads {list(view.reads)}, nothing of which has the level {level!r}. Choose "
            f"another of {get_args(Level)}."
        )
    values = _attributions(view, target, method, n_steps)
    classes = getattr(model, "classes_", None)
    ids = np.array(cohort.participant_ids, dtype=object)[view.rows]
    tables = []
    for name, (codes, labels) in groups.items():
        if name not in values:
            continue
        total = _sums(values[name], codes, len(labels))
        chosen = None if classes is None else classes[target[view.rows]]
        table = tidy_rows(ids, chosen, labels, total)
        if level == "window" and view.lengths is not None:
            table = table[table["start"].to_numpy() < np.repeat(view.lengths, len(labels))]
        tables.append(table)
    return tables


def _groups(
    read: Read, level: Level, view: View, width: int, name: str
) -> tuple[list[np.ndarray], pd.DataFrame]:
    """Return the group of each value (one array, or one for each end of an edge) and its labels."""
    first, second = read.place("first").ravel(), read.place("second").ravel()
    if level == "input":
        return [np.zeros(len(first), dtype=int)], pd.DataFrame({"input": [name]})
    if level == "region":
        there = np.unique(first[first >= 0])
        there = np.union1d(there, second[second >= 0])
        return [_codes(end, there) for end in (first, second)], _labels(
            name, region=[view.regions[i] for i in there]
        )
    if level == "edge":
        low, high = np.minimum(first, second), np.maximum(first, second)
        pair = np.where((low >= 0) & (low < high), low * len(view.regions) + high, -1)
        there = np.unique(pair[pair >= 0])
        a, b = np.divmod(there, len(view.regions))
        return [_codes(pair, there)], _labels(
            name, region_a=[view.regions[i] for i in a], region_b=[view.regions[i] for i in b]
        )
    if level == "window":
        volume = read.place("volume").ravel()
        window = np.where(volume >= 0, volume // width, -1)
        there = np.unique(window[window >= 0])
        stop = np.minimum((there + 1) * width, volume.max() + 1)
        return [_codes(window, there)], _labels(name, start=there * width, stop=stop)
    phenotype = read.place("phenotype").ravel()
    there = np.unique(phenotype[phenotype >= 0])
    return [_codes(phenotype, there)], _labels(name, phenotype=[view.phenotypes[i] for i in there])


def _labels(name: str, **columns: Any) -> pd.DataFrame:
    table = pd.DataFrame(columns)
    table.insert(0, "input", name)
    return table


def _codes(places: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the position of each place in ``there``; one past its end for none."""
    return np.where(places >= 0, np.searchsorted(there, places), len(there))


def _sums(values: Tensor, codes: list[np.ndarray], n_groups: int) -> np.ndarray:
    """Sum values (B, E) over their groups (B, G); with two ends each has half."""
    total = values.new_zeros(len(values), n_groups + 1)
    for code in codes:
        total.index_add_(1, torch.from_numpy(code).to(values.device), values / len(codes))
    return total[:, :n_groups].double().cpu().numpy()


def _attributions(
    view: View, target: np.ndarray, method: Method, n_steps: int
) -> dict[str, Tensor]:
    """Return captum's attribution of each value (B, E) that a gradient reaches."""
    names = _reached(view, target)
    explainer = captum_explainer(view, names, method)
    shared = any(len(read.values) == 1 < len(view.rows) for read in view.reads.values())
    at_once = 1 if shared else max(1, _AT_ONCE // n_steps)
    parts: dict[str, list[Tensor]] = {name: [] for name in names}
    for rows in view.positions.split(at_once):
        values = [view.of(name, rows).detach().clone().requires_grad_() for name in names]
        behind = [view.reads[n].baseline.expand_as(v) for n, v in zip(names, values, strict=True)]
        options: dict[str, Any] = {"abs": True}
        if method == "integrated_gradients":
            options = {"baselines": tuple(behind), "n_steps": n_steps}
            options["internal_batch_size"] = len(rows) if shared else None
        codes = torch.from_numpy(target[view.rows[rows.numpy()]])
        found = explainer.attribute(tuple(values), additional_forward_args=(rows, codes), **options)
        for name, one in zip(names, found, strict=True):
            n_values = int(np.prod(view.reads[name].shape))
            parts[name].append(one.detach().reshape(len(one), -1, n_values).sum(dim=1))
    return {name: torch.cat(part) for name, part in parts.items()}


def captum_explainer(view: View, names: list[str], method: Method) -> Any:
    """Return captum's explainer of the margin, a function of the values and of who is asked."""
    try:
        from captum.attr import IntegratedGradients, Saliency
    except ImportError as error:
        raise ImportError(
            "attributions need captum. Write `pip install brainograph[explain]`."
        ) from error

    def score(*given: Tensor) -> Tensor:
        *values, rows, codes = given
        others = {name: view.of(name, rows) for name in view.reads if name not in names}
        logits = view.logits(others | dict(zip(names, values, strict=True)), rows)
        return margin(logits, codes.to(logits.device))

    return {"integrated_gradients": IntegratedGradients, "saliency": Saliency}[method](score)


def _reached(view: View, target: np.ndarray) -> list[str]:
    """Return the inputs that a gradient reaches, and warn of the others."""
    rows = view.positions[:1]
    values = {name: view.of(name, rows).detach().clone().requires_grad_() for name in view.reads}
    codes = torch.from_numpy(target[view.rows[:1]])
    logits = view.logits(values, rows)
    score = margin(logits, codes.to(logits.device)).sum()
    found: tuple[Tensor | None, ...] = (None,) * len(values)
    if score.requires_grad:
        found = torch.autograd.grad(score, list(values.values()), allow_unused=True)
    reached = [name for name, one in zip(values, found, strict=True) if one is not None]
    if not reached:
        raise NotThereError(
            f"no gradient reaches what the model reads ({list(values)}): correlations in windows "
            "are computed without one. Write occlude(model, cohort), or attention(model, cohort)."
        )
    if missed := [name for name in values if name not in reached]:
        warnings.warn(
            f"no gradient reaches {missed}, of which these importances say nothing; occlude does.",
            stacklevel=2,
        )
    return reached
