"""Features of a table that a stacked denoising autoencoder has learnt without labels."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from brainograph.estimators.training.loop import train
from brainograph.nn.denoising_autoencoder import DenoisingAutoencoder

__all__ = ["DenoisingFeatures"]


class DenoisingFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Learn features of rows by undoing noise, layer after layer, without labels.

    For tables of phenotypes, records, genotypes or regional measures, scaled before::

        make_pipeline(Measures(), StandardScaler(), DenoisingFeatures(), RandomForestClassifier())

    With :class:`DeepFeatures` beside it in a ``FeatureUnion`` this is the intermediate fusion of
    Venugopalan et al. (:class:`~brainograph.nn.denoising_autoencoder.DenoisingAutoencoder`).

    Parameters
    ----------
    sizes : sequence of int
        Units of each layer; the last are the features.
    corruption : float
        Share of values that are set to zero in training.
    lr, weight_decay : float
        Of Adam.
    max_epochs, batch_size : int
        Of each layer.
    random_state : int
        Seed of weights, batches and noise.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((40, 12))
    >>> DenoisingFeatures((8, 3), max_epochs=2).fit_transform(x).shape
    (40, 3)
    """

    def __init__(
        self,
        sizes: Sequence[int] = (200, 100, 50),
        *,
        corruption: float = 0.3,
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        max_epochs: int = 50,
        batch_size: int = 32,
        random_state: int = 0,
    ) -> None:
        self.sizes = sizes
        self.corruption = corruption
        self.lr = lr
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from rows (S, F); labels play no part but to hide rows whose label is -1.

        Raises
        ------
        ValueError
            For values that are missing, and settings outside their range.
        """
        rows = torch.from_numpy(check_array(X, dtype=np.float32))
        if y is not None and np.asarray(y).dtype.kind in "iu":
            rows = rows[torch.from_numpy(np.asarray(y) != -1)]
        if not len(self.sizes) or self.max_epochs < 1 or self.batch_size < 1:
            raise ValueError(
                "sizes must name units, and max_epochs and batch_size be at least 1, got "
                f"{self.sizes}, {self.max_epochs} and {self.batch_size}."
            )
        *hidden, last = self.sizes
        with torch.random.fork_rng():
            torch.manual_seed(self.random_state)
            self._network = DenoisingAutoencoder(
                rows.shape[1], last, hidden_channels=hidden, corruption=self.corruption
            )
            self.loss_ = [self._fit_layer(rows, layer) for layer in range(len(self.sizes))]
        self.n_features_in_, self._n_features_out = rows.shape[1], last
        return self

    def _fit_layer(self, rows: torch.Tensor, layer: int) -> float:
        """Train one layer and return its last loss."""
        network = self._network
        parts = [*network.encoders[layer].parameters(), *network.decoders[layer].parameters()]
        optimizer = torch.optim.Adam(parts, lr=self.lr, weight_decay=self.weight_decay)
        history = train(
            network,
            lambda epoch: rows[torch.randperm(len(rows))].split(self.batch_size),
            loss=lambda batch: network.reconstruction_loss(batch, layer),
            optimizer=optimizer,
            max_epochs=self.max_epochs,
            seed=self.random_state,
        )
        return float(history["loss"].iloc[-1])

    @torch.no_grad()
    def transform(self, X: ArrayLike) -> np.ndarray:
        """Return the features (S, sizes[-1])."""
        check_is_fitted(self, "_network")
        rows = check_array(X, dtype=np.float32)
        if rows.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {rows.shape[1]} columns, the fit had {self.n_features_in_}.")
        return self._network(torch.from_numpy(rows)).double().numpy()
