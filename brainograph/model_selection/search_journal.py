"""The journal of a search: the score of each trial, so that a killed search goes on."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from brainograph.cohort import Cohort
from brainograph.files import json_text, write_json

__all__ = ["Journal"]


class Journal:
    """The scores of the candidates that were tried, in memory and, with a folder, in a file.

    The file is named by the participants and their labels, so each outer fold has its own, and is
    written whole after each trial. It says which search it belongs to and refuses any other.

    Parameters
    ----------
    search : str
        All that the scores depend on besides the data.
    cohort : Cohort (S)
        The participants of the search.
    y : array (S,)
        Their labels.
    folder : path, optional
        Where the file is.

    Raises
    ------
    ValueError
        If the file is of another search.

    Examples
    --------
    >>> import pandas as pd
    >>> cohort = Cohort(pd.DataFrame(index=["a", "b"]), pd.DataFrame(index=["r1"]))
    >>> journal = Journal("svm", cohort, np.array([0, 1]))
    >>> journal.add({"C": 1.0}, 0.7)
    >>> journal.score_of({"C": 1.0}), journal.score_of({"C": 2.0})
    (0.7, None)
    """

    def __init__(
        self,
        search: str,
        cohort: Cohort,
        y: np.ndarray,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        self._trials: dict[str, dict[str, Any]] = {}
        self._path: Path | None = None
        if folder is None:
            return
        fold = hashlib.sha256("\t".join(cohort.participant_ids).encode() + y.tobytes()).hexdigest()
        made_of = f"{search} {cohort.fingerprint()} {fold}"
        self._search = hashlib.sha256(made_of.encode()).hexdigest()
        self._path = Path(folder) / f"{fold[:16]}.json"
        if self._path.is_file():
            content = json.loads(self._path.read_text(encoding="utf-8"))
            if content["search"] != self._search:
                raise ValueError(
                    f"{self._path} holds the trials of another search: of other data, another "
                    "space, estimator or setting. Give each search a journal folder of its own, "
                    "or delete this one to begin anew."
                )
            self._trials = {json_text(trial["params"]): trial for trial in content["trials"]}

    def score_of(self, params: dict[str, Any]) -> float | None:
        """Return the score of a candidate that was tried, or None."""
        trial = self._trials.get(json_text(params))
        return None if trial is None else trial["score"]

    def add(self, params: dict[str, Any], score: float) -> None:
        """Keep the score of a candidate."""
        self._trials[json_text(params)] = {"params": params, "score": score}
        if self._path is not None:
            trials = list(self._trials.values())
            write_json({"search": self._search, "trials": trials}, self._path)
