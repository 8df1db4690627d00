"""ComBat: site effects in mean and variance, estimated by empirical Bayes and taken away."""

import warnings
from typing import Literal, Self, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from brainograph.preprocessing.covariates import Covariates
from brainograph.preprocessing.empirical_bayes import (
    Moments,
    Prior,
    inverse_gamma,
    nonparametric,
    parametric,
    variances,
)
from brainograph.preprocessing.sites import checked_features, site_names

__all__ = ["ComBat", "Unseen"]

Unseen = Literal["pooled", "unlabelled", "controls"]


class ComBat(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Take the shift and the scale of each site out of the features, and keep the covariates.

    .. math::

        x_{if} = \alpha_f + c_i \beta_f + \sigma_f (\gamma_{sf} + \sqrt{\delta_{sf}}\,
        \varepsilon_{if}), \qquad
        \hat x_{if} = \alpha_f + c_i \beta_f + \sigma_f (z_{if} - \gamma_{sf}) /
        \sqrt{\delta_{sf}}

    for participant i of site s, with z the standardised features. Shifts :math:`\gamma` and
    squared scales :math:`\delta` are shrunk towards what a site's features have in common
    (empirical Bayes) [1]_ [2]_. On the rows of the fit it equals neuroCombat 0.2.12.

    There is no way to give it the diagnosis: ``y`` is ignored, and a covariate that is named like
    it is refused. A feature that does not vary within sites has its site means taken away whole.

    Parameters
    ----------
    unseen : {"pooled", "unlabelled", "controls"}
        What a site is given that no row of the fit came from.

        ``"pooled"``: the reference of all sites, :math:`\gamma = 0` and :math:`\delta = 1`, so
        that its features stay as they are.

        ``"unlabelled"``: estimates from all of its rows that ``transform`` is given, without a
        label. The prior is what the sites of the fit say of a site: few rows are believed little.
        A row's result then depends on the other rows (``transductive``).

        ``"controls"``: the same from the rows that ``controls`` marks as known to be healthy.
        Their label has been used: predictions for them must not be scored, as a warning says.
    parametric : bool
        Whether the prior has a parametric form; otherwise it is the empirical distribution over
        features, whose time grows with their square.
    mean_only : bool
        Whether the scale is left alone.

    Attributes
    ----------
    sites_ : list of str
        The B sites of the fit.
    grand_mean_, pooled_std_ : array (F,)
        :math:`\alpha` and :math:`\sigma`.
    coef_ : array (D, F)
        :math:`\beta` of the covariates' columns.
    gamma_, delta_ : array (B, F)
        Shifts and squared scales. A site of one row is estimated as an unseen one would be.
    prior_ : Prior
        Of a site that was not seen.

    References
    ----------
    .. [1] Johnson, W. E., Li, C. and Rabinovic, A. (2007). Adjusting batch effects in microarray
       expression data using empirical Bayes methods. Biostatistics 8:118-127.
    .. [2] Fortin, J.-P., et al. (2018). Harmonization of cortical thickness measurements across
       scanners and sites. NeuroImage 167:104-120.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sites = np.repeat(["A", "B"], 50)
    >>> x = rng.standard_normal((100, 30)) + 2.0 * (sites == "B")[:, None]
    >>> harmonised = ComBat().fit_transform(x, sites=sites)
    >>> gap = harmonised[sites == "B"].mean() - harmonised[sites == "A"].mean()
    >>> bool(abs(gap) < 0.01)
    True
    """

    def __init__(
        self, unseen: Unseen = "pooled", *, parametric: bool = True, mean_only: bool = False
    ) -> None:
        self.unseen = unseen
        self.parametric = parametric
        self.mean_only = mean_only

    @property
    def transductive(self) -> bool:
        """Whether a row's result may depend on the rows that are transformed with it."""
        return self.unseen != "pooled"

    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        *,
        sites: ArrayLike,
        covariates: pd.DataFrame | ArrayLike | None = None,
    ) -> Self:
        """Estimate the effects of the sites.

        Parameters
        ----------
        X : array (S, F)
            Features of the training rows.
        y : ignored
            For the pipeline.
        sites : array (S,)
            Their sites. Rows whose site is missing (None) take no part.
        covariates : DataFrame or array (S, K), optional
            What to keep, such as age and sex. Text, booleans and the codes of sex are categories;
            a missing value becomes the training mean or the most frequent category.

        Returns
        -------
        ComBat
            Itself.

        Raises
        ------
        ValueError
            If a value of ``X`` is missing, there are fewer than two sites or features, or a
            covariate has one value at each site and therefore cannot be told from it.
        """
        if self.unseen not in get_args(Unseen):
            raise ValueError(f"unseen must be one of {get_args(Unseen)}, got {self.unseen!r}.")
        x = checked_features(self, X, reset=True)
        names = site_names(sites, len(x))
        known = np.array([name is not None for name in names])
        self.covariates_ = None if covariates is None else Covariates().fit(covariates)
        design = self._design(covariates, len(x))[known]
        x = x[known].astype(float)
        unique, codes = np.unique(names[known].astype(str), return_inverse=True)
        self.sites_: list[str] = unique.tolist()
        if len(self.sites_) < 2:
            raise ValueError(
                f"sites holds {self.sites_}: ComBat compares sites and needs two at least. "
                "Leave it out for data of one site."
            )
        self._learn(self._standardised(x, codes, design))
        return self

    def _design(self, covariates: pd.DataFrame | ArrayLike | None, n_subjects: int) -> np.ndarray:
        if (covariates is None) != (self.covariates_ is None):
            raise ValueError(
                f"covariates were {'not ' if self.covariates_ is None else ''}given to fit. Give "
                "the same to fit and transform."
            )
        if self.covariates_ is None:
            return np.zeros((n_subjects, 0))
        design = self.covariates_.transform(covariates)
        if len(design) != n_subjects:
            raise ValueError(f"covariates has {len(design)} rows for {n_subjects} participants.")
        return design

    def _standardised(self, x: np.ndarray, codes: np.ndarray, design: np.ndarray) -> list[Moments]:
        """Fit the linear model (Frisch-Waugh: covariates within sites); return each site's rest."""
        member = (codes == np.arange(len(self.sites_))[:, None]).astype(float)  # (B, S)
        counts = member.sum(axis=1)
        design_means = member @ design / counts[:, None]
        within = design - design_means[codes]
        self._check_confounded(design, within)
        self.coef_ = np.linalg.pinv(within) @ x
        means = member @ x / counts[:, None] - design_means @ self.coef_
        self.grand_mean_ = counts @ means / len(x)
        rest = x - design @ self.coef_
        rest -= means[codes]
        squares = member @ np.square(rest, out=rest)
        variance = squares.sum(axis=0) / len(x)
        self.varies_ = variance > np.square(1e-10 * np.abs(x).max(axis=0))
        if self.varies_.sum() < 2:
            raise ValueError(
                f"{self.varies_.sum()} of {x.shape[1]} features vary within sites, and ComBat "
                "needs two at least, from which it learns how sites differ. Use SiteCentering()."
            )
        self.pooled_std_ = np.sqrt(np.where(self.varies_, variance, 1))
        shifts = (means - self.grand_mean_) / self.pooled_std_
        squares /= self.pooled_std_**2
        return [Moments(int(n), *rows) for n, *rows in zip(counts, shifts, squares, strict=True)]

    def _check_confounded(self, design: np.ndarray, within: np.ndarray) -> None:
        names = self.covariates_.names_ if self.covariates_ is not None else []
        spread, inner = np.ptp(design, axis=0), np.abs(within).max(axis=0)
        confounded = [
            name
            for name, total, rest in zip(names, spread, inner, strict=True)
            if total > 0 and rest <= 1e-10 * total
        ]
        if confounded:
            raise ValueError(
                f"covariates {confounded} have one value at each site and cannot be told from the "
                "effect of the site. Leave them out."
            )

    def _learn(self, sites: list[Moments]) -> None:
        """Shrink the moments of the sites of the fit, those of one row by the prior of others."""
        n_features = len(self.varies_)
        self.gamma_ = np.zeros((len(sites), n_features))
        self.delta_ = np.ones((len(sites), n_features))
        large = [i for i, site in enumerate(sites) if site.n > 1]
        varying = [self._varying(site) for site in sites]
        for i in large:
            self.gamma_[i, self.varies_], self.delta_[i, self.varies_] = self._shrunk(varying[i])
        self.prior_ = self._prior_of_sites([varying[i] for i in large], self.delta_[large])
        for i, site in enumerate(sites):
            self.gamma_[i, ~self.varies_] = site.mean[~self.varies_]
            if site.n == 1:
                self.gamma_[i], self.delta_[i] = self._unseen_effects(site)

    def _varying(self, site: Moments) -> Moments:
        return Moments(site.n, site.mean[self.varies_], site.squares[self.varies_])

    def _shrunk(self, site: Moments) -> tuple[np.ndarray, np.ndarray]:
        """Return shift and squared scale of a site, with the prior over its own features."""
        scale = np.ones_like(site.mean) if self.mean_only else variances(site)
        if not self.parametric:
            return nonparametric(site, scale)
        mean, variance = float(site.mean.mean()), float(site.mean.var(ddof=1))
        if self.mean_only:
            return (variance * site.mean + mean) / (variance + 1), scale  # as if of one row
        return parametric(site, scale, Prior(mean, variance, *inverse_gamma(scale)))

    def _prior_of_sites(self, sites: list[Moments], delta: np.ndarray) -> Prior:
        """Return how a site that was not seen is expected to be: like the sites that were.

        The variance of shifts is that between sites, less what the means of few rows vary.
        """
        excess = [np.mean(site.mean**2) - np.mean(variances(site)) / site.n for site in sites]
        return Prior(0.0, max(0.0, float(np.mean(excess))), *inverse_gamma(delta[:, self.varies_]))

    def _unseen_effects(self, site: Moments) -> tuple[np.ndarray, np.ndarray]:
        """Return shift and squared scale (F,) of a site, shrunk by the prior of the others."""
        gamma, delta = site.mean.copy(), np.ones_like(site.mean)
        varying = self._varying(site)
        scale = np.ones_like(varying.mean) if self.mean_only else variances(varying)
        gamma[self.varies_], delta[self.varies_] = parametric(
            varying, scale, self.prior_, fixed_scale=self.mean_only
        )
        return gamma, delta

    def transform(
        self,
        X: ArrayLike,
        *,
        sites: ArrayLike,
        covariates: pd.DataFrame | ArrayLike | None = None,
        controls: ArrayLike | None = None,
    ) -> np.ndarray:
        """Return the harmonised features.

        Parameters
        ----------
        X : array (S, F)
            Features.
        sites : array (S,)
            Their sites. A row whose site is missing stays as it is.
        covariates : DataFrame or array (S, K), optional
            As in ``fit``.
        controls : bool array (S,), optional
            Who is known to be healthy; for ``unseen="controls"``.

        Returns
        -------
        array (S, F)
            In the precision of ``X``.

        Raises
        ------
        ValueError
            If nobody of an unseen site is a control, where ``unseen="controls"``.
        """
        check_is_fitted(self)
        x = checked_features(self, X)
        names = site_names(sites, len(x))
        expected = self.grand_mean_ + self._design(covariates, len(x)) @ self.coef_
        rest = x - expected
        healthy = self._controls(controls, len(x))
        for name in sorted({name for name in names if name is not None}):
            rows = np.flatnonzero(names == name)
            gamma, delta = self._effects(name, rest[rows], healthy[rows])
            rest[rows] = (rest[rows] - self.pooled_std_ * gamma) / np.sqrt(delta)
        return (expected + rest).astype(x.dtype, copy=False)

    def fit_transform(
        self,
        X: ArrayLike,
        y: object = None,
        *,
        sites: ArrayLike,
        covariates: pd.DataFrame | ArrayLike | None = None,
        controls: ArrayLike | None = None,
    ) -> np.ndarray:
        """Fit and return the harmonised features (S, F); no site is unseen."""
        return self.fit(X, sites=sites, covariates=covariates).transform(
            X, sites=sites, covariates=covariates, controls=controls
        )

    def _controls(self, controls: ArrayLike | None, n_subjects: int) -> np.ndarray:
        if controls is None:
            return np.zeros(n_subjects, dtype=bool)
        healthy = np.asarray(controls)
        if healthy.shape != (n_subjects,) or healthy.dtype != bool:
            raise ValueError(
                f"controls must be {n_subjects} booleans, got {healthy.dtype} of shape "
                f"{healthy.shape}. True marks who is known to be healthy."
            )
        return healthy

    def _effects(
        self, name: str, rest: np.ndarray, healthy: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return shift and squared scale (F,) of a site, given its rows less what is expected."""
        if name in self.sites_:
            row = self.sites_.index(name)
            return self.gamma_[row], self.delta_[row]
        if self.unseen == "pooled":
            return np.zeros(rest.shape[1]), np.ones(rest.shape[1])
        if self.unseen == "controls":
            if not healthy.any():
                raise ValueError(
                    f"site {name!r} was not in the fit and none of its {len(rest)} participants "
                    "is marked by controls. Mark those known to be healthy, or write "
                    'ComBat("pooled") or ComBat("unlabelled").'
                )
            warnings.warn(
                f"{healthy.sum()} participants calibrate site {name!r} as they are known to be "
                "healthy: leave them out of every score.",
                UserWarning,
                stacklevel=3,
            )
            rest = rest[healthy]
        z = rest / self.pooled_std_
        mean = z.mean(axis=0)
        return self._unseen_effects(Moments(len(z), mean, np.square(z - mean).sum(axis=0)))
