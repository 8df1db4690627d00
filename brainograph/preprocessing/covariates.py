"""Covariates: what harmonisation keeps, as a design matrix."""

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from brainograph.preprocessing.phenotypes import Phenotypes

__all__ = ["Covariates"]


class Covariates(TransformerMixin, BaseEstimator):
    """Encode covariates: numbers standardised, categories one column each but the first.

    A missing number becomes the training mean; a category that is missing or that training did
    not have becomes the most frequent one. Names that give the diagnosis away are refused by
    :func:`~brainograph.preprocessing.check_phenotypes`.

    Attributes
    ----------
    names_ : list of str
        The columns of the design.

    Examples
    --------
    >>> table = pd.DataFrame({"age": [20.0, 40.0, None], "sex": ["male", None, "female"]})
    >>> covariates = Covariates().fit(table)
    >>> covariates.names_
    ['age', 'sex=male']
    >>> covariates.transform(table)
    array([[-1.,  1.],
           [ 1.,  0.],
           [ 0.,  0.]])
    """

    def fit(self, X: pd.DataFrame | ArrayLike, y: object = None) -> Self:
        """Learn means and categories from a table, or an array of numbers, (S, K)."""
        table = _table(X)
        self.encoder_ = Phenotypes([str(name) for name in table]).fit(table)
        columns = self.encoder_.get_feature_names_out().tolist()
        shares = self.encoder_.transform(table).sum(axis=0)
        self.blocks_ = []  # the columns of each category, and which of them fills gaps
        left_out = {columns.index(f"{name} missing") for name in self.encoder_.indicated_}
        for name, categories in self.encoder_.categories_.items():
            block = [columns.index(f"{name}={category}") for category in categories]
            if block:
                self.blocks_.append((block, block[int(np.argmax(shares[block]))]))
                left_out.add(block[0])
        self.kept_ = [i for i in range(len(columns)) if i not in left_out]
        self.names_ = [columns[i] for i in self.kept_]
        return self

    def transform(self, X: pd.DataFrame | ArrayLike) -> np.ndarray:
        """Return the design (S, D)."""
        check_is_fitted(self)
        design = self.encoder_.transform(_table(X))
        for block, most_frequent in self.blocks_:
            design[~design[:, block].any(axis=1), most_frequent] = 1
        return design[:, self.kept_]


def _table(X: pd.DataFrame | ArrayLike) -> pd.DataFrame:
    if isinstance(X, pd.DataFrame):
        return X.set_axis(X.columns.map(str), axis=1)
    values = np.asarray(X)
    values = values[:, None] if values.ndim == 1 else values
    return pd.DataFrame(values, columns=[f"covariate {i}" for i in range(values.shape[1])])
