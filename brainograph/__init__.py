"""Graph neural network connectomics: brain scans in, honest predictions out.

The sub-packages follow the path of the data: :mod:`~brainograph.io` reads files into a
:class:`~brainograph.cohort.Cohort`, :mod:`~brainograph.connectivity` and
:mod:`~brainograph.graphs` describe one subject at a time, :mod:`~brainograph.preprocessing`
learns across subjects, :mod:`~brainograph.estimators` are fitted and
:mod:`~brainograph.model_selection` evaluates them. For research use only.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_SUBMODULES = {
    "cohort",
    "connectivity",
    "datasets",
    "estimators",
    "graphs",
    "inspection",
    "io",
    "metrics",
    "model_selection",
    "nn",
    "preprocessing",
    "report",
}
__all__ = ["Cohort", "__version__", "merge", *sorted(_SUBMODULES)]


def __getattr__(name: str) -> Any:
    """Import a sub-package when it is first used: ``import brainograph`` stays light."""
    if name == "Cohort":
        return importlib.import_module("brainograph.cohort").Cohort
    if name == "merge":
        return importlib.import_module("brainograph.cohort_merge").merge
    if name in _SUBMODULES:
        return importlib.import_module(f"brainograph.{name}")
    raise AttributeError(f"module 'brainograph' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what can be imported."""
    return __all__
