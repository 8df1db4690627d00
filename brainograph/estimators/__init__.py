"""What users fit: scikit-learn's contract, one training loop, any device."""

from brainograph.estimators.loading import load_model
from brainograph.estimators.population import PopulationGraphClassifier
from brainograph.estimators.settings import Training
from brainograph.estimators.subject import SubjectGraphClassifier, SubjectGraphRegressor
from brainograph.estimators.transductive import TransductiveClassifier

__all__ = [
    "PopulationGraphClassifier",
    "SubjectGraphClassifier",
    "SubjectGraphRegressor",
    "Training",
    "TransductiveClassifier",
    "load_model",
]
