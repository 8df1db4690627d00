"""What users fit: scikit-learn's contract, one training loop, any device."""

from brainograph.estimators.population import PopulationGraphClassifier

__all__ = ["PopulationGraphClassifier"]
