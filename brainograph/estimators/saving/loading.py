"""Open a model folder, whichever estimator wrote it."""

import os
from pathlib import Path

from brainograph.estimators.kernels import MultipleKernelClassifier
from brainograph.estimators.late_fusion import LateFusionClassifier
from brainograph.estimators.population.estimator import PopulationGraphClassifier
from brainograph.estimators.population.network import PopulationNetworkClassifier
from brainograph.estimators.population.transductive import TransductiveClassifier
from brainograph.estimators.saving.persistence import read_facts
from brainograph.estimators.subject.estimator import SubjectGraphClassifier, SubjectGraphRegressor
from brainograph.estimators.wrappers.calibration import Calibrated
from brainograph.estimators.wrappers.conformal import Conformal
from brainograph.estimators.wrappers.uncertainty import MonteCarloDropout

__all__ = ["load_model"]

Saved = (
    Calibrated
    | Conformal
    | LateFusionClassifier
    | MonteCarloDropout
    | MultipleKernelClassifier
    | PopulationGraphClassifier
    | PopulationNetworkClassifier
    | SubjectGraphClassifier
    | SubjectGraphRegressor
    | TransductiveClassifier
)
_ESTIMATORS = {
    estimator.__name__: estimator
    for estimator in (
        Calibrated,
        Conformal,
        LateFusionClassifier,
        MonteCarloDropout,
        MultipleKernelClassifier,
        PopulationGraphClassifier,
        PopulationNetworkClassifier,
        SubjectGraphClassifier,
        SubjectGraphRegressor,
        TransductiveClassifier,
    )
}


def load_model(folder: str | os.PathLike[str]) -> Saved:
    """Open a model folder; nothing that came with it is run.

    Parameters
    ----------
    folder : path
        What ``save`` of an estimator, or ``brainograph fit``, wrote.

    Returns
    -------
    estimator
        Fitted, of the class that wrote the folder.

    Raises
    ------
    FileNotFoundError
        If the folder is not a model.
    ValueError
        If a file was changed, or the folder holds an estimator that this version does not have.
    """
    facts = read_facts(Path(folder))
    if facts["estimator"] not in _ESTIMATORS:
        raise ValueError(
            f"{folder} holds a {facts['estimator']}, which this version cannot open; it knows "
            f"{sorted(_ESTIMATORS)}. Write `pip install --upgrade brainograph`."
        )
    return _ESTIMATORS[facts["estimator"]].load(folder)
