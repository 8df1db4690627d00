"""Whatever learns across subjects: transformers that are fitted on training rows only."""

from brainograph.preprocessing.block_scaler import BlockScaler
from brainograph.preprocessing.centering import CenterBy
from brainograph.preprocessing.edges import Edges
from brainograph.preprocessing.inputs import check_regions
from brainograph.preprocessing.measures import Measures
from brainograph.preprocessing.parcellation import Parcellation
from brainograph.preprocessing.phenotypes import Phenotypes, check_phenotypes
from brainograph.preprocessing.selection import RidgeRFE
from brainograph.preprocessing.tangent import TangentSpace, geometric_mean

__all__ = [
    "BlockScaler",
    "CenterBy",
    "Edges",
    "Measures",
    "Parcellation",
    "Phenotypes",
    "RidgeRFE",
    "TangentSpace",
    "check_phenotypes",
    "check_regions",
    "geometric_mean",
]
