"""Harmonisation of a cohort's features: sites and covariates come from the phenotype table."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from brainograph.cohort import Cohort
from brainograph.preprocessing.phenotypes import check_phenotypes

__all__ = ["Harmonized", "check_against_labels"]

_FEWEST = 10  # labelled rows in which a covariate cannot well equal the label by accident


class Harmonized(TransformerMixin, BaseEstimator):
    """Features of a cohort with the effect of the site taken out.

    The labels do not reach the harmoniser: its ``fit`` gets features, sites and covariates. The
    diagnosis is refused as a covariate, by its name and, where ``fit`` is given labels, by its
    values. What to do with sites that training did not have is the harmoniser's choice.

    Parameters
    ----------
    features : transformer
        From a :class:`~brainograph.cohort.Cohort` to (S, F).
    harmonizer : transformer
        :class:`SiteCentering`, :class:`ComBat`, :class:`MIDA` or one of yours with ``sites`` and
        perhaps ``covariates`` and ``controls`` among the arguments of ``fit`` and ``transform``.
    site : str
        The phenotype of the site.
    covariates : sequence of str
        Phenotypes to keep, for a harmoniser that takes them. Missing numbers become the training
        mean and missing categories the most frequent one.
    controls : str, optional
        A boolean phenotype that marks participants known to be healthy who calibrate a site that
        training did not have, for ``ComBat("controls")``. Their label has been used, so that they
        must not be among those who are scored: ComBat warns.

    Attributes
    ----------
    features_, harmonizer_ : transformers
        The fitted ones.

    Raises
    ------
    ValueError
        If the phenotype table lacks a column, or a column gives the diagnosis away.

    Examples
    --------
    >>> from brainograph.datasets import simulate_cohort
    >>> from brainograph.preprocessing import ComBat, Edges
    >>> cohort = simulate_cohort(n_subjects=60, site_effect=2.0)
    >>> Harmonized(Edges(), ComBat()).fit_transform(cohort).shape
    (60, 190)
    """

    def __init__(
        self,
        features: TransformerMixin,
        harmonizer: TransformerMixin,
        *,
        site: str = "site",
        covariates: Sequence[str] = ("age", "sex"),
        controls: str | None = None,
    ) -> None:
        self.features = features
        self.harmonizer = harmonizer
        self.site = site
        self.covariates = covariates
        self.controls = controls

    @property
    def transductive(self) -> bool:
        """Whether a participant's features may depend on who is transformed with them."""
        return getattr(self.harmonizer, "transductive", False)

    def fit(self, cohort: Cohort, y: np.ndarray | None = None) -> Self:
        """Fit the features, with labels if they need them, and the harmoniser, without.

        Parameters
        ----------
        cohort : Cohort (S)
            The training rows.
        y : array (S,), optional
            Their labels, -1 where there is none.

        Returns
        -------
        Harmonized
            Itself.
        """
        self._fit(cohort, y)
        return self

    def _fit(self, cohort: Cohort, y: np.ndarray | None) -> np.ndarray:
        """Fit and return the features (S, F) as they were before."""
        columns = self._columns()
        _check_names(columns)
        if y is not None:
            check_against_labels(cohort.phenotype, columns[1:], y)
        self.features_ = clone(self.features)
        x = np.asarray(self.features_.fit_transform(cohort, y))
        harmonizer = clone(self.harmonizer)
        self.harmonizer_ = harmonizer.fit(x, **self._metadata(cohort, harmonizer.fit))
        return x

    def fit_transform(self, cohort: Cohort, y: np.ndarray | None = None) -> np.ndarray:
        """Fit and return the harmonised features (S, F), made once."""
        return self._harmonized(self._fit(cohort, y), cohort)

    def transform(self, cohort: Cohort) -> np.ndarray:
        """Return the harmonised features (S, F)."""
        check_is_fitted(self)
        return self._harmonized(np.asarray(self.features_.transform(cohort)), cohort)

    def _harmonized(self, x: np.ndarray, cohort: Cohort) -> np.ndarray:
        return self.harmonizer_.transform(x, **self._metadata(cohort, self.harmonizer_.transform))

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return the names that the harmoniser gives the features."""
        check_is_fitted(self)
        return self.harmonizer_.get_feature_names_out(self.features_.get_feature_names_out())

    def _columns(self) -> list[str]:
        """Return the phenotypes that the harmoniser sees, the site first."""
        taken = {*_arguments(self.harmonizer.fit), *_arguments(self.harmonizer.transform)}
        columns = [self.site, *(self.covariates if "covariates" in taken else ())]
        return [*columns, self.controls] if self.controls and "controls" in taken else columns

    def _metadata(self, cohort: Cohort, method: Callable[..., Any]) -> dict[str, Any]:
        """Return what a method of the harmoniser takes, from the phenotype table."""
        arguments = _arguments(method)
        metadata: dict[str, Any] = {}
        if "sites" in arguments:
            metadata["sites"] = _column(cohort, self.site, "site")
        if "covariates" in arguments and len(self.covariates):
            columns = {c: _column(cohort, c, "covariates") for c in self.covariates}
            metadata["covariates"] = pd.DataFrame(columns)
        if "controls" in arguments and self.controls:
            metadata["controls"] = _marked(_column(cohort, self.controls, "controls"))
        return metadata


def check_against_labels(
    phenotype: pd.DataFrame, columns: Iterable[str], y: np.ndarray | Sequence[int]
) -> None:
    """Refuse a column whose values tell the label of every labelled row.

    That is: no value, or for numbers no side of a threshold, has rows of two labels. Fewer than
    ten labelled rows are not judged.

    Raises
    ------
    ValueError
        It names the column.

    Examples
    --------
    >>> phenotype = pd.DataFrame({"arm": list("abababababab"), "sex": list("mmmmmmffffff")})
    >>> check_against_labels(phenotype, ["sex"], [0, 1] * 6)
    >>> check_against_labels(phenotype, ["arm"], [0, 1] * 6)
    Traceback (most recent call last):
    ...
    ValueError: 'arm' tells the label of all 12 labelled participants: harmonisation would keep the
    diagnosis, of test participants too. Leave it out.
    """
    labels = np.asarray(y)
    labelled = labels != -1
    labels = labels[labelled]
    if len(labels) < _FEWEST or len(np.unique(labels)) < 2:
        return
    for name in columns:
        values = phenotype.get(name, pd.Series(index=phenotype.index))[labelled]
        if _tells(values, labels) or _tells(values.isna(), labels):
            raise ValueError(
                f"{name!r} tells the label of all {len(labels)} labelled participants: "
                "harmonisation would keep the diagnosis, of test participants too. Leave it out."
            )


def _tells(values: pd.Series, labels: np.ndarray) -> bool:
    """Tell whether each repeated value, or each side of a threshold, has one label."""
    known = values.notna().to_numpy()
    values, labels = values[known], labels[known]
    if len(labels) < _FEWEST or len(np.unique(labels)) < 2:
        return False
    if (pd.Series(labels).groupby(values.to_numpy()).nunique() > 1).any():
        return False
    if values.nunique() <= len(values) / 2 or not pd.api.types.is_numeric_dtype(values):
        return values.nunique() <= len(values) / 2
    in_order = labels[values.argsort().to_numpy()]
    return bool((np.diff(in_order) != 0).sum() == len(np.unique(labels)) - 1)


def _check_names(columns: Sequence[str]) -> None:
    try:
        check_phenotypes(columns)
    except ValueError as error:
        insist = ", or write allow_diagnostic=True if that is meant"
        raise ValueError(str(error).replace(insist, "")) from None


def _arguments(method: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(method).parameters)


def _column(cohort: Cohort, name: str, argument: str) -> pd.Series:
    if name not in cohort.phenotype:
        raise ValueError(
            f"the cohort has no phenotype {name!r} to harmonise with; it has "
            f"{cohort.phenotype.columns.tolist()}. Write {argument}= with these."
        )
    return cohort.phenotype[name]


def _marked(column: pd.Series) -> np.ndarray:
    """Return a boolean phenotype (S,), False where missing."""
    marked = column.map({True: True, False: False})
    if (marked.isna() & column.notna()).any():
        raise ValueError(
            f"controls must name a phenotype of true and false, {column.name!r} holds "
            f"{column.dropna().unique()[:5].tolist()}. Make one of the participants known to be "
            "healthy who are not to be scored."
        )
    return marked.eq(True).to_numpy(dtype=bool)
