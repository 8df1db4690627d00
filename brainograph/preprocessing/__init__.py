"""Whatever learns across subjects: transformers that are fitted on training rows only."""

from brainograph.preprocessing.block_scaler import BlockScaler
from brainograph.preprocessing.combat import ComBat
from brainograph.preprocessing.edges import Edges
from brainograph.preprocessing.harmonization import Harmonized
from brainograph.preprocessing.inputs import check_regions
from brainograph.preprocessing.measures import Measures
from brainograph.preprocessing.mida import MIDA
from brainograph.preprocessing.parcellation import Parcellation
from brainograph.preprocessing.phenotypes import Phenotypes, check_phenotypes
from brainograph.preprocessing.selection import RidgeRFE
from brainograph.preprocessing.sites import SiteCentering
from brainograph.preprocessing.states import BrainStates
from brainograph.preprocessing.tangent import TangentSpace, geometric_mean

__all__ = [
    "MIDA",
    "BlockScaler",
    "BrainStates",
    "ComBat",
    "Edges",
    "Harmonized",
    "Measures",
    "Parcellation",
    "Phenotypes",
    "RidgeRFE",
    "SiteCentering",
    "TangentSpace",
    "check_phenotypes",
    "check_regions",
    "geometric_mean",
]
