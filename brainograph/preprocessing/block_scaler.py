"""Scale a block of features as a whole, so that blocks of other widths weigh alike."""

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

__all__ = ["BlockScaler"]


class BlockScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Centre the features and divide all by one number: the root mean square of their norm.

    .. math:: (x_i - \bar x) / s,\qquad s^2 = \tfrac{1}{S} \sum_i \lVert x_i - \bar x \rVert^2

    Features keep their relative variance, which :class:`~sklearn.preprocessing.StandardScaler`
    takes away; side by side, blocks of 6,000 and of 60 features contribute alike. It is the unit
    mean diagonal of multiple kernel learning, for a linear kernel.

    Attributes
    ----------
    mean_ : array (F,)
        Mean of the rows it was fitted on.
    scale_ : float
        The divisor; 1 for features that do not vary.

    Examples
    --------
    >>> x = BlockScaler().fit_transform(np.array([[0.0, 0.0], [6.0, 8.0]]))
    >>> x
    array([[-0.6, -0.8],
           [ 0.6,  0.8]])
    """

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> "BlockScaler":
        """Learn mean and scale from (S, F)."""
        X = np.asarray(X)
        self.n_features_in_ = X.shape[1]
        self.mean_ = X.mean(axis=0)
        scale = float(np.sqrt(np.mean(np.sum((X - self.mean_) ** 2, axis=1, dtype=float))))
        self.scale_ = scale if scale > 0 else 1.0
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the scaled features (S, F)."""
        check_is_fitted(self)
        return (np.asarray(X) - self.mean_) / self.scale_
