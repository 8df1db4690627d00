"""A network on every brain graph that nodes, edges and parcellations can make."""

from collections.abc import Sequence
from itertools import product

from sklearn.base import clone

from brainograph.estimators.subject.estimator import SubjectGraphClassifier, SubjectGraphRegressor
from brainograph.estimators.training.settings import Training

__all__ = ["graph_grid"]

_TOPK = {
    "conv": "graphconv",
    "pooling": "topk",
    "ratio": 0.5,
    "num_layers": 2,
    "readout": "mean+max",
    "jumping": "sum",
    "density": 0.05,
}


def graph_grid(
    *,
    nodes: Sequence[str | Sequence[str]] = ("profile", "strength", ("profile", "strength")),
    edges: Sequence[str | Sequence[str]] = ("fc", "partial", ("fc", "partial")),
    parcellations: Sequence[str | None] = (None,),
    estimator: SubjectGraphClassifier | SubjectGraphRegressor | None = None,
) -> dict[str, SubjectGraphClassifier | SubjectGraphRegressor]:
    """Return one estimator for each kind of brain graph, to be cross-validated on the same folds.

    Three kinds of nodes, three of edges and two parcellations are the 18 graphs of Chen et al.
    (2023), whose TopK network is the default.

    Parameters
    ----------
    nodes : sequence of str, or of sequences of str
        ``node_features`` of :class:`~brainograph.nn.BrainGCN`: "profile", "identity", "degree",
        "strength", "measures/NAME", "profile/NAME". Several in a tuple stand side by side.
    edges : sequence of str, or of sequences of str
        Names in ``cohort.connectivity``. Of several in a tuple the weights are multiplied.
    parcellations : sequence of str or None
        Names in ``cohort.parcellations``; None stands for the cohort's own regions.
    estimator : SubjectGraphClassifier or SubjectGraphRegressor, optional
        What is fitted on each graph: its network takes ``edges`` and ``node_features``, its other
        settings stay.

    Returns
    -------
    dict of str to estimator
        By names such as ``"fc+partial_edges__profile_nodes__cc200"``, for
        :func:`~brainograph.model_selection.cross_validate`.

    Raises
    ------
    ValueError
        If an axis is empty, or two graphs are the same.

    References
    ----------
    .. [1] Chen et al., Classification of schizophrenia using a graph convolutional network on
           multimodal features, Frontiers in Neuroscience 17:1140801, 2023.

    Examples
    --------
    >>> volumes = ("measures/volume", "measures/thickness")
    >>> grid = graph_grid(
    ...     nodes=("profile", volumes, ("profile", *volumes)),
    ...     edges=("fc", "morph", ("fc", "morph")),
    ...     parcellations=(None, "cc200"),
    ... )
    >>> len(grid)
    18
    >>> list(grid)[1]
    'fc_edges__volume+thickness_nodes'
    >>> grid["fc+morph_edges__profile_nodes__cc200"].params["edges"]
    ('fc', 'morph')
    """
    if estimator is None:
        # The paper gives neither layer sizes nor a schedule. At a constant rate the validation loss
        # stops training before the network has learnt.
        training = Training(
            lr=1e-3, lr_schedule="one_cycle", weight_decay=0.1, max_epochs=30, patience=30
        )
        estimator = SubjectGraphClassifier("BrainGCN", params=_TOPK, training=training)
    grid = {}
    for parcellation, edge, node in product(
        parcellations, map(_several, edges), map(_several, nodes)
    ):
        name = f"{_joined(edge)}_edges__{_joined(node)}_nodes"
        name = name if parcellation is None else f"{name}__{parcellation}"
        if name in grid:
            raise ValueError(f"two graphs are {name!r}. Name each kind of nodes and edges once.")
        params = {**(estimator.params or {}), "edges": edge, "node_features": node}
        grid[name] = clone(estimator).set_params(params=params, parcellation=parcellation)
    if not grid:
        raise ValueError("nodes, edges and parcellations must each name at least one kind.")
    return grid


def _several(kinds: str | Sequence[str]) -> tuple[str, ...]:
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def _joined(kinds: tuple[str, ...]) -> str:
    """Return a name that may stand in the name of a file."""
    return "+".join(kind.removeprefix("measures/").replace("/", "-") for kind in kinds)
