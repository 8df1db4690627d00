"""Whatever learns across subjects: transformers that are fitted on training rows only."""

from brainograph.preprocessing.edges import Edges
from brainograph.preprocessing.inputs import check_regions
from brainograph.preprocessing.measures import Measures
from brainograph.preprocessing.tangent import TangentSpace, geometric_mean

__all__ = ["Edges", "Measures", "TangentSpace", "check_regions", "geometric_mean"]
