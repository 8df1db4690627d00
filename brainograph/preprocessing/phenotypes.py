"""Phenotypes: columns of the participants table as features, the diagnosis in disguise refused."""

import difflib
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort

__all__ = ["Phenotypes", "check_phenotypes"]

# Words of a column's name, * for any ending. "mo_ca" and "MoCA" are read as "moca" too.
_DIAGNOSTIC = {
    "the diagnosis itself": "dx* diagnos* dsm* icd asd autis* asperger* pddnos adhd* illness "
    "disease",
    "a score of autism": "ados* adi adir scq srs aq vineland* cars gars",
    "a score of attention": "conners* asrs",
    "a score of dementia": "mmse* mmscore moca* cdr* cdglobal adas* npi npiq faq gds hachinski "
    "braak*",
    "a score of psychosis": "panss* saps sans bprs*",
    "a score of mood": "ymrs* hamd* hdrs* hama madrs* bdi* phq gad ybocs*",
    "a score of movement": "updrs* mdsupdrs* hoehn* hy ledd",
    "a measure of severity": "severity symptom* edss nihss comorbid* onset",
    "treatment of the disease": "med meds medicat* medicine* stimulant* antipsychotic* "
    "antidepressant* levodopa lithium treatment",
}
# A whole name of these words, one of them of the second list: "is_patient", "StudyGroup".
_BESIDE = "is|research|study|clinical|healthy?|subject|participant|binary|name|code"
_CLASS = "group|label|target|patients?|cases?|controls?|status|condition|class|diag|hcs?"
_GROUP = re.compile(f"(?:{_BESIDE})*(?:{_CLASS})(?:{_BESIDE}|{_CLASS})*")
# What is numbered and by what, side by side in a name; the last list only as the whole name.
_NUMBERED = (
    "subject sub subj participant patient pt case record bids anon anonymized scan session ses "
    "image file"
)
_NUMBER = "id ids no nr num number key"
_IDENTIFIER = {a + b for a in _NUMBERED.split() for b in _NUMBER.split()}
_IDENTIFIER |= {"eid", "guid", "uuid", "mrn", "filename"}
_WHOLE_IDENTIFIER = (
    "participant id sub subject rid pid sid uid x index row rowid rowno rownumber rownum number "
    "unnamed"
)
_CODES = ("site", "siteid", "sex", "gender", "scanner", "scannerid")  # numbers without an order


def _letters(name: str) -> str:
    return re.sub("[^a-z]", "", name.lower())


def _words(name: str) -> set[str]:
    """Return the lower-case words of a name and each two neighbours joined; digits drop out."""
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    return {*words, *map("".join, pairwise(words))}


def _suspicion(name: str) -> str | None:
    """Return why a column of this name gives the diagnosis away, None if nothing is known."""
    words = _words(name)
    if _GROUP.fullmatch(_letters(name)):
        return "the diagnosis itself"
    if "duration" in words and words & {"illness", "disease", "symptoms", "untreated"}:
        return "a measure of severity"
    for reason, patterns in _DIAGNOSTIC.items():
        for pattern in patterns.split():
            stem = pattern.rstrip("*")
            if any(w.startswith(stem) if pattern.endswith("*") else w == stem for w in words):
                return reason
    return None


def check_phenotypes(
    columns: Iterable[str], *, allow_diagnostic: bool = False, target: str | None = None
) -> None:
    """Refuse columns that give the label away, by their names.

    Parameters
    ----------
    columns : iterable of str
        Columns that a model is to see, as features or as edges.
    allow_diagnostic : bool
        Let columns pass that are derived from the diagnosis. Identifiers and the target never
        pass.
    target : str, optional
        The column that is predicted.

    Raises
    ------
    ValueError
        It names every refused column, why, and what to write.

    Examples
    --------
    >>> check_phenotypes(["age", "sex", "site", "FIQ", "mean_fd"])
    >>> check_phenotypes(["age", "ADOS_TOTAL"])
    Traceback (most recent call last):
    ...
    ValueError: 'ADOS_TOTAL' looks like a score of autism: who has it, or its value, tells the
    diagnosis. Leave it out, or write allow_diagnostic=True if that is meant.
    """
    if isinstance(columns, str):
        raise ValueError(f"columns must be a list, got {columns!r}. Write [{columns!r}].")
    refused = []
    for name in map(str, columns):
        if target is not None and name == target:
            refused.append(f"{name!r} is what is predicted. Leave it out.")
        elif _letters(name) in _WHOLE_IDENTIFIER.split() or _words(name) & _IDENTIFIER:
            refused.append(
                f"{name!r} looks like an identifier: participants are often numbered by group, "
                "and in ABIDE the subject number alone predicts the diagnosis with AUC .99. "
                "Leave it out; if it is a measurement, rename the column."
            )
        elif not allow_diagnostic and (reason := _suspicion(name)):
            refused.append(
                f"{name!r} looks like {reason}: who has it, or its value, tells the diagnosis. "
                "Leave it out, or write allow_diagnostic=True if that is meant."
            )
    if refused:
        raise ValueError("\n".join(refused))


class Phenotypes(TransformerMixin, BaseEstimator):
    """Make a design matrix of phenotype columns.

    Numbers are standardised by the training rows; a missing one becomes the mean (0), beside an
    indicator column if training rows had missing ones. Text, booleans, categories, and the codes
    of site, sex and scanner become one column for each training category; a category that training
    did not have, or a missing one, is 0 in all.

    Parameters
    ----------
    columns : sequence of str
        Columns of ``cohort.phenotype``.
    allow_diagnostic : bool
        See :func:`check_phenotypes`.

    Attributes
    ----------
    means_, scales_ : dict of column to float
        Of the numeric columns.
    indicated_ : list of str
        Numeric columns with missing values in training.
    categories_ : dict of column to list of str
        Of the other columns.
    n_features_in_ : int
        The number of columns.

    Examples
    --------
    >>> phenotype = pd.DataFrame({"age": [20.0, 40.0, None], "sex": ["male", "female", "male"]})
    >>> phenotypes = Phenotypes(["age", "sex"]).fit(phenotype)
    >>> phenotypes.get_feature_names_out().tolist()
    ['age', 'age missing', 'sex=female', 'sex=male']
    >>> phenotypes.transform(phenotype)
    array([[-1.,  0.,  0.,  1.],
           [ 1.,  0.,  1.,  0.],
           [ 0.,  1.,  0.,  1.]])
    """

    def __init__(self, columns: Sequence[str], *, allow_diagnostic: bool = False) -> None:
        self.columns = columns
        self.allow_diagnostic = allow_diagnostic

    def fit(self, X: Cohort | pd.DataFrame, y: object = None) -> Self:
        """Learn means, scales and categories.

        Parameters
        ----------
        X : Cohort or DataFrame (S, .)
            The training rows.
        y : ignored
            For the pipeline.

        Returns
        -------
        Phenotypes
            Itself.

        Raises
        ------
        ValueError
            If a column is missing, refused by :func:`check_phenotypes`, or has nearly as many
            categories as rows.
        """
        check_phenotypes(self.columns, allow_diagnostic=self.allow_diagnostic)
        table = _columns_of(X, self.columns)
        self.means_: dict[str, float] = {}
        self.scales_: dict[str, float] = {}
        self.categories_: dict[str, list[str]] = {}
        self.indicated_: list[str] = []
        for name in table:
            if _is_numeric(table[name]) and _letters(name) not in _CODES:
                self._learn_number(name, _numbers(table[name]))
            else:
                self._learn_categories(name, _texts(table[name]))
        self.n_features_in_ = len(self.columns)
        return self

    def _learn_number(self, name: str, values: np.ndarray) -> None:
        known = values[~np.isnan(values)]
        self.means_[name] = float(known.mean()) if len(known) else 0.0
        self.scales_[name] = float(known.std() or 1.0) if len(known) else 1.0
        if len(known) < len(values):
            self.indicated_.append(name)

    def _learn_categories(self, name: str, values: pd.Series) -> None:
        categories = sorted(values.dropna().unique())
        if len(categories) > max(20, len(values) / 2):
            convert = f", or convert it: pd.to_numeric(phenotype[{name!r}])"
            raise ValueError(
                f"phenotype column {name!r} has {len(categories)} categories in {len(values)} "
                "rows: an identifier, free text, or numbers stored as text. Leave it out"
                f"{'' if _letters(name) in _CODES else convert}."
            )
        self.categories_[name] = categories

    def transform(self, X: Cohort | pd.DataFrame) -> np.ndarray:
        """Return the design matrix (S, number of ``get_feature_names_out()``).

        Raises
        ------
        ValueError
            If a column is missing, or one that was numeric is not.
        """
        check_is_fitted(self)
        table = _columns_of(X, self.columns)
        blocks = [np.zeros((len(table), 0))]
        for name in table:
            if name in self.means_:
                values = _numbers(table[name])
                scaled = (values - self.means_[name]) / self.scales_[name]
                blocks.append(np.nan_to_num(scaled)[:, None])
                if name in self.indicated_:
                    blocks.append(np.isnan(values)[:, None])
            else:
                texts = _texts(table[name]).to_numpy(dtype=object)
                blocks.append(texts[:, None] == np.array(self.categories_[name], dtype=object))
        return np.concatenate(blocks, axis=1, dtype=float)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return ``column``, ``column missing`` or ``column=category`` for each column."""
        check_is_fitted(self)
        names: list[str] = []
        for name in self.columns:
            names += [name] if name in self.means_ else []
            names += [f"{name} missing"] if name in self.indicated_ else []
            names += [f"{name}={category}" for category in self.categories_.get(name, ())]
        return np.array(names, dtype=object)


def _columns_of(X: Cohort | pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    phenotype = X.phenotype if isinstance(X, Cohort) else X
    for name in columns:
        if name not in phenotype.columns:
            there = [str(column) for column in phenotype.columns]
            near = difflib.get_close_matches(name.lower(), [column.lower() for column in there], 1)
            hint = next((f" Write {c!r}." for c in there if near and c.lower() == near[0]), "")
            raise ValueError(f"phenotype has no column {name!r}; it has {there}.{hint}")
    return phenotype[list(columns)]


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _numbers(column: pd.Series) -> np.ndarray:
    """Return float64, NaN where missing or infinite."""
    try:
        values = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"phenotype column {column.name!r} was numeric at fit and is not now: {error}. "
            "Give it numbers, NaN where missing."
        ) from error
    return np.where(np.isfinite(values), values, np.nan)


def _texts(column: pd.Series) -> pd.Series:
    """Return text, missing kept; 1 and 1.0 are the same code."""
    if _is_numeric(column):
        return column.astype(object).map("{:.15g}".format, na_action="ignore")
    return column.astype(object).map(str, na_action="ignore")
