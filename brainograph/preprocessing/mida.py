"""Maximum independence domain adaptation: components that say little of the site."""

from typing import Literal, Self, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import KernelCenterer
from sklearn.utils.validation import check_is_fitted

from brainograph.preprocessing.covariates import Covariates
from brainograph.preprocessing.sites import checked_features, site_names

__all__ = ["MIDA", "Kernel"]

Kernel = Literal["linear", "rbf"]
_SMALLEST = 1e-12  # of the norm of the problem: below is rounding


class MIDA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Project features to components of large variance that are independent of the site.

    .. math::

        \max_{W^T W = I} \mathrm{tr}\, W^T K (\mu I - D D^T) K W, \qquad Z = K W

    with K the centred kernel of the S rows of the fit and D their centred indicators of site:
    :math:`\mathrm{tr}(Z^T D D^T Z)` is the Hilbert-Schmidt independence criterion [1]_. It uses no
    label. Kunda et al. [2]_ fit it on the test rows too, which
    :class:`~brainograph.estimators.TransductiveClassifier` declares; by itself it learns only from
    what ``fit`` is given, and a new row enters by its kernel with these, whatever its site.

    The components come in the scale of the kernel, the largest first by far. Bring them to unit
    scale as a block (:class:`~brainograph.preprocessing.BlockScaler`): standardised one by one,
    noise would weigh as much as signal.

    Parameters
    ----------
    n_components : int, optional
        Components at the most; all by default. Those whose dependence on the site outweighs their
        variance, with an eigenvalue of 0 or below, are left out.
    kernel : {"linear", "rbf"}
        Kernel of the features.
    gamma : float, optional
        Of the rbf kernel :math:`\exp(-\gamma \lVert x - x' \rVert^2)`; by default 1 / (number of
        features x their variance).
    mu : float
        How much variance counts against independence, above 0. Along an indicator of site the
        cost is the number of its participants, so that values up to that of the smallest site
        differ little.

    Attributes
    ----------
    projection_ : array (S, n_components)
        W.
    eigenvalues_ : array (n_components,)
        Of the problem above, the largest first.
    components_ : array (n_components, F)
        Weights of the features, for the linear kernel.
    fitted_ : array (S, F)
        The rows of the fit, for the rbf kernel.

    References
    ----------
    .. [1] Yan, K., Kou, L. and Zhang, D. (2018). Learning domain-invariant subspace using domain
       features and independence maximization. IEEE Transactions on Cybernetics 48:288-299.
    .. [2] Kunda, M., Zhou, S., Gong, G. and Lu, H. (2022). Improving multi-site autism
       classification via site-dependence minimization and second-order functional connectivity.
       IEEE Transactions on Medical Imaging 42:55-65.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sites = np.repeat(["A", "B"], 50)
    >>> x = rng.standard_normal((100, 30)) + 2.0 * (sites == "B")[:, None]
    >>> z = MIDA(10).fit_transform(x, sites=sites)
    >>> gap = z[sites == "A"].mean(axis=0) - z[sites == "B"].mean(axis=0)
    >>> bool(np.abs(gap / z.std(axis=0)).max() < 0.01)
    True
    """

    transductive = False

    def __init__(
        self,
        n_components: int | None = None,
        *,
        kernel: Kernel = "linear",
        gamma: float | None = None,
        mu: float = 1.0,
    ) -> None:
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.mu = mu

    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        *,
        sites: ArrayLike,
        covariates: pd.DataFrame | ArrayLike | None = None,
    ) -> Self:
        """Find the components.

        Parameters
        ----------
        X : array (S, F)
            Features of all rows that it may learn from.
        y : ignored
            For the pipeline.
        sites : array (S,)
            Their sites, None where missing.
        covariates : DataFrame or array (S, K), optional
            What to keep, such as age and sex: of the indicators of site only what these do not
            explain (linearly) is to be independent of the components.

        Returns
        -------
        MIDA
            Itself.

        Raises
        ------
        ValueError
            If a value of ``X`` is missing, a parameter is out of range, there are fewer than two
            sites, or nothing but the site is in the features.
        """
        self._check_parameters()
        x = checked_features(self, X, reset=True)
        domain = self._domain(site_names(sites, len(x)), covariates)
        kernel = self._fit_kernel(x)
        leaning = domain.T @ kernel
        objective = self.mu * kernel @ kernel - leaning.T @ leaning
        last = len(x) - 1
        first = len(x) - min(self.n_components or last, last)
        values, vectors = eigh(objective, subset_by_index=(first, last))
        worth = values > _SMALLEST * np.abs(objective).sum(axis=0).max()
        if not worth.any():
            raise ValueError(
                "no component says more of anything else than of the site. Give more features or "
                "rows, or a larger mu."
            )
        values, vectors = values[worth], vectors[:, worth]
        strongest = np.abs(vectors).argmax(axis=0)
        vectors *= np.sign(vectors[strongest, np.arange(vectors.shape[1])])
        self.eigenvalues_, self.projection_ = values[::-1], vectors[:, ::-1]
        self._n_features_out = self.projection_.shape[1]
        if self.kernel == "linear":
            self.components_ = self.projection_.T @ (x - self.mean_)
        return self

    def _check_parameters(self) -> None:
        if self.kernel not in get_args(Kernel):
            raise ValueError(f"kernel must be one of {get_args(Kernel)}, got {self.kernel!r}.")
        if self.n_components is not None and self.n_components < 1:
            raise ValueError(
                f"n_components must be at least 1, got {self.n_components}. For all write None."
            )
        if not self.mu > 0:
            raise ValueError(f"mu must be above 0, got {self.mu}. Write for example mu=1.0.")

    def _domain(self, names: np.ndarray, covariates: pd.DataFrame | ArrayLike | None) -> np.ndarray:
        """Return the centred indicators of site (S, B), less what covariates explain of them."""
        sites = sorted({*names} - {None})
        if len(sites) < 2:
            raise ValueError(
                f"sites holds {sites}: MIDA compares sites and needs two at least. "
                "Leave it out for data of one site."
            )
        domain = np.equal.outer(names, np.array(sites, dtype=object)).astype(float)
        domain -= domain.mean(axis=0)
        if covariates is None:
            return domain
        design = Covariates().fit(covariates).transform(covariates)
        design = design - design.mean(axis=0)
        return domain - design @ (np.linalg.pinv(design) @ domain)

    def _fit_kernel(self, x: np.ndarray) -> np.ndarray:
        """Return the centred kernel (S, S) in double precision."""
        if self.kernel == "linear":
            self.mean_ = x.mean(axis=0, dtype=float)
            rows = x - self.mean_
            return rows @ rows.T
        self.fitted_ = x
        self.gamma_ = self.gamma or 1 / (x.shape[1] * (float(x.var(dtype=float)) or 1))
        kernel = rbf_kernel(x, gamma=self.gamma_).astype(float)
        self.centerer_ = KernelCenterer().fit(kernel)
        return self.centerer_.transform(kernel)

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Return the components (P, n_components) of any rows (P, F)."""
        check_is_fitted(self)
        x = checked_features(self, X)
        if self.kernel == "linear":
            return (x - self.mean_) @ self.components_.T
        kernel = rbf_kernel(x, self.fitted_, gamma=self.gamma_).astype(float)
        return self.centerer_.transform(kernel) @ self.projection_
