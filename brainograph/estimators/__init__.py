"""What users fit: scikit-learn's contract, one training loop, any device."""

from brainograph.estimators.deep_features import DeepFeatures
from brainograph.estimators.denoising import DenoisingFeatures
from brainograph.estimators.kernels import MultipleKernelClassifier
from brainograph.estimators.late_fusion import LateFusionClassifier
from brainograph.estimators.population.estimator import PopulationGraphClassifier
from brainograph.estimators.population.network import PopulationNetworkClassifier
from brainograph.estimators.population.transductive import TransductiveClassifier
from brainograph.estimators.saving.loading import load_model
from brainograph.estimators.subject.estimator import SubjectGraphClassifier, SubjectGraphRegressor
from brainograph.estimators.training.settings import Training
from brainograph.estimators.wrappers.calibration import Calibrated
from brainograph.estimators.wrappers.conformal import Conformal
from brainograph.estimators.wrappers.uncertainty import MonteCarloDropout

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
