"""What users fit: scikit-learn's contract, one training loop, any device."""

from brainograph.estimators.calibration import Calibrated
from brainograph.estimators.conformal import Conformal
from brainograph.estimators.deep_features import DeepFeatures
from brainograph.estimators.denoising import DenoisingFeatures
from brainograph.estimators.kernels import MultipleKernelClassifier
from brainograph.estimators.late_fusion import LateFusionClassifier
from brainograph.estimators.loading import load_model
from brainograph.estimators.population import PopulationGraphClassifier
from brainograph.estimators.population_network import PopulationNetworkClassifier
from brainograph.estimators.settings import Training
from brainograph.estimators.subject import SubjectGraphClassifier, SubjectGraphRegressor
from brainograph.estimators.transductive import TransductiveClassifier
from brainograph.estimators.uncertainty import MonteCarloDropout

__all__ = [
    "Calibrated",
    "Conformal",
    "DeepFeatures",
    "DenoisingFeatures",
    "LateFusionClassifier",
    "MonteCarloDropout",
    "MultipleKernelClassifier",
    "PopulationGraphClassifier",
    "PopulationNetworkClassifier",
    "SubjectGraphClassifier",
    "SubjectGraphRegressor",
    "Training",
    "TransductiveClassifier",
    "load_model",
]
