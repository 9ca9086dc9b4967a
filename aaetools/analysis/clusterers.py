"""Ways to cluster latent codes: scikit-learn's estimators, and two that it lacks, all of them clusterers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, ClusterMixin, clone
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans, SpectralClustering
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from aaetools.exceptions import DataError

__all__ = [
    "CLUSTERERS",
    "ClusterMethod",
    "MixtureClusters",
    "PriorComponents",
    "SampledClusters",
    "fit_clusters",
    "method_of",
]

_MANY_ROWS = 20_000
_PAIR_ROWS = 5_000
_TREE_ROWS = 10_000
_BATCH = 4_096

Labels = NDArray[np.int64]


class PriorComponents(ClusterMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn publishes no types
    """Give each code the prior's most probable class component; nothing is learned from the codes.

    Parameters
    ----------
    prior
        A prior with class components, such as ``model.prior_``, or a name from ``aaetools.priors.PRIORS``, of
        which one is then made for the codes' width.
    n_clusters
        Components of a prior given by name; a prior object brings its own number.

    Attributes
    ----------
    prior_
        The prior.
    labels_ : ndarray of int64, shape (n,)
        Component of each code of ``fit``. A component without codes leaves its number out.

    Examples
    --------
    >>> import numpy as np
    >>> from aaetools.priors import make_prior
    >>> prior = make_prior("simplex", n_dims=2, n_classes=3)
    >>> PriorComponents(prior).fit_predict(prior.means.numpy()).tolist()
    [0, 1, 2]
    """

    def __init__(self, prior: Any = "simplex", n_clusters: int = 8) -> None:
        self.prior = prior
        self.n_clusters = n_clusters

    def fit(self, X: ArrayLike, y: object = None) -> PriorComponents:
        """Assign codes, shape (n, d); DataError where the prior has other dimensions or no components."""
        codes = validate_data(self, X, dtype=np.float32)
        if isinstance(self.prior, str):
            from aaetools.priors import make_prior

            self.prior_ = make_prior(self.prior, n_dims=codes.shape[1], n_classes=_positive(self.n_clusters))
        else:
            self.prior_ = self.prior
        if self.prior_ is None or self.prior_.n_components == 0:
            raise DataError("clusters from the prior's components need a prior with class components")
        if self.prior_.n_dims != codes.shape[1]:
            raise DataError(f"the prior has {self.prior_.n_dims} dimensions and the codes {codes.shape[1]}")
        self.labels_ = self._proba(codes).argmax(axis=1)
        return self

    def predict(self, X: ArrayLike) -> Labels:
        """Return the most probable component of each code, shape (n,)."""
        return np.asarray(self.predict_proba(X).argmax(axis=1), dtype=np.int64)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each component given the code, shape (n, n_components)."""
        check_is_fitted(self)
        return self._proba(validate_data(self, X, dtype=np.float32, reset=False))

    def _proba(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        with torch.no_grad():
            parts = [
                # a copy: torch warns of arrays that it could not write to
                self.prior_.class_log_posterior(torch.as_tensor(codes[start : start + _BATCH].copy())).exp().cpu()
                for start in range(0, len(codes), _BATCH)
            ]
        return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)


class MixtureClusters(ClusterMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn publishes no types
    """Clusters are the components of a Gaussian mixture with full covariances.

    scikit-learn's GaussianMixture is a density estimator and no clusterer: it has no ``labels_``. The floor under
    the variances is relative to the data's own, so the clusters do not depend on the data's scale.

    Parameters
    ----------
    n_clusters
        Number of components.
    n_init
        Starts, of which the one with the highest likelihood is kept.
    random_state
        Seed of the starts.

    Attributes
    ----------
    mixture_ : sklearn.mixture.GaussianMixture
    labels_ : ndarray of int64, shape (n,)
        The most likely component of each row of ``fit``.
    """

    def __init__(self, n_clusters: int = 8, n_init: int = 3, random_state: Any = None) -> None:
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: object = None) -> MixtureClusters:
        """Fit the mixture to rows, shape (n, d)."""
        rows = validate_data(self, X, dtype=np.float64)
        n_clusters = _positive(self.n_clusters)
        if n_clusters > len(rows):
            raise DataError(f"n_samples={len(rows)} should be >= n_clusters={n_clusters}")
        floor = max(1e-6 * float(np.var(rows, axis=0).mean()), 1e-12)
        self.mixture_ = GaussianMixture(n_clusters, reg_covar=floor, n_init=self.n_init, random_state=self.random_state)
        # k-means, which starts the mixture, is not for other kinds of array; validate_data has made this numpy's
        with warnings.catch_warnings(), config_context(array_api_dispatch=False):
            # A last step of the likelihood above the tolerance moves hardly any row to another component.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.labels_ = np.asarray(self.mixture_.fit_predict(rows), dtype=np.int64)
        return self

    def predict(self, X: ArrayLike) -> Labels:
        """Return the most likely component of each row, shape (n,)."""
        return np.asarray(self.predict_proba(X).argmax(axis=1), dtype=np.int64)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each component given the row, shape (n, n_clusters)."""
        check_is_fitted(self)
        return np.asarray(self.mixture_.predict_proba(validate_data(self, X, dtype=np.float64, reset=False)))


class SampledClusters(ClusterMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn publishes no types
    """Fit a clusterer to at most ``max_rows`` random rows; every other row joins its nearest fitted row.

    For methods that hold all pairs of rows. A row whose nearest fitted row is noise (-1) is noise.

    Parameters
    ----------
    estimator
        The clusterer; only ``fit_predict`` is asked of it. DBSCAN-like ones may return -1.
    max_rows
        Rows that it is fitted to at most.
    random_state
        Seed of the choice of rows.

    Attributes
    ----------
    estimator_
        The fitted clusterer.
    sample_indices_ : ndarray of int64
        Rows that it was fitted to, rising.
    labels_ : ndarray of int64, shape (n,)
    """

    def __init__(self, estimator: Any = None, max_rows: int = _PAIR_ROWS, random_state: Any = None) -> None:
        self.estimator = estimator
        self.max_rows = max_rows
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: object = None) -> SampledClusters:
        """Cluster rows, shape (n, d)."""
        rows = validate_data(self, X, dtype=[np.float64, np.float32])
        n, most = len(rows), _positive(self.max_rows)
        chosen = np.arange(n)
        if n > most:
            chosen = np.sort(check_random_state(self.random_state).choice(n, most, replace=False))
        self.sample_indices_ = chosen
        self.estimator_ = AgglomerativeClustering() if self.estimator is None else clone(self.estimator)
        self._fitted_labels = np.asarray(self.estimator_.fit_predict(rows[chosen]), dtype=np.int64)
        self._neighbors = NearestNeighbors(n_neighbors=1).fit(rows[chosen])
        self.labels_ = self._fitted_labels.copy()
        if n > most:
            self.labels_ = self._nearest(rows)
            self.labels_[chosen] = self._fitted_labels  # of equal rows one may have gone elsewhere
        return self

    def predict(self, X: ArrayLike) -> Labels:
        """Return the cluster of the nearest fitted row for each row, shape (n,)."""
        check_is_fitted(self)
        return self._nearest(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))

    def _nearest(self, rows: NDArray[Any]) -> Labels:
        return np.asarray(self._fitted_labels[self._neighbors.kneighbors(rows, return_distance=False)[:, 0]])


def _positive(value: Any) -> int:
    if not isinstance(value, Integral) or value < 1:
        raise DataError(f"a number of clusters or rows must be a whole number of at least 1, not {value!r}")
    return int(value)


@dataclass(frozen=True)
class ClusterMethod:
    """A way to cluster codes.

    Attributes
    ----------
    make
        Function (n_clusters, n_rows, random_state, prior) that returns an unfitted clusterer with ``fit_predict``.
    number
        Whether the number of clusters is "asked" for, "found" by the method itself, or the "prior"'s.
    max_rows
        Rows that the clusterer is fitted to at most; further rows join their nearest fitted row. None for no limit.
    """

    make: Callable[[int, int, int | None, Any], Any]
    number: Literal["asked", "found", "prior"] = "asked"
    max_rows: int | None = None


def _kmeans(n_clusters: int, n_rows: int, random_state: int | None, prior: Any) -> Any:
    return KMeans(n_clusters, n_init=10 if n_rows <= _MANY_ROWS else 3, random_state=random_state)


def _gaussian_mixture(n_clusters: int, n_rows: int, random_state: int | None, prior: Any) -> Any:
    return MixtureClusters(n_clusters, n_init=3 if n_rows <= _MANY_ROWS else 1, random_state=random_state)


def _hdbscan(n_clusters: int, n_rows: int, random_state: int | None, prior: Any) -> Any:
    # a hundredth of the rows: scikit-learn's 5 splits a thousand rows into dozens of tiny clusters
    size = min(max(5, min(n_rows, _TREE_ROWS) // 100), max(n_rows, 2))
    return SampledClusters(
        HDBSCAN(min_cluster_size=size, min_samples=min(5, size), copy=True), _TREE_ROWS, random_state
    )


def _agglomerative(n_clusters: int, n_rows: int, random_state: int | None, prior: Any) -> Any:
    return SampledClusters(AgglomerativeClustering(n_clusters, linkage="ward"), _PAIR_ROWS, random_state)


def _spectral(n_clusters: int, n_rows: int, random_state: int | None, prior: Any) -> Any:
    if n_clusters >= min(n_rows, _PAIR_ROWS):
        raise DataError(f"spectral clustering of {n_rows} rows needs fewer clusters than rows, not {n_clusters}")
    graph = SpectralClustering(
        n_clusters,
        affinity="nearest_neighbors",
        n_neighbors=min(10, n_rows),
        assign_labels="cluster_qr",
        random_state=random_state,
    )
    return SampledClusters(graph, _PAIR_ROWS, random_state)


def _prior(n_clusters: int, n_rows: int, random_state: int | None, prior: Any) -> Any:
    return PriorComponents(prior)


CLUSTERERS: dict[str, ClusterMethod] = {
    "kmeans": ClusterMethod(_kmeans),
    "gaussian_mixture": ClusterMethod(_gaussian_mixture),
    "hdbscan": ClusterMethod(_hdbscan, number="found", max_rows=_TREE_ROWS),
    "agglomerative": ClusterMethod(_agglomerative, max_rows=_PAIR_ROWS),
    "spectral": ClusterMethod(_spectral, max_rows=_PAIR_ROWS),
    "prior": ClusterMethod(_prior, number="prior"),
}
"""Name -> way to cluster codes; -1 in what a clusterer returns is noise."""


def method_of(method: str | Any) -> ClusterMethod:
    """Return the entry of :data:`CLUSTERERS`, or one for a clusterer of the caller's own.

    Raises
    ------
    DataError
        For an unknown name, or an object that is no clusterer.
    """
    if isinstance(method, str):
        if method not in CLUSTERERS:
            raise DataError(f"unknown clustering method {method!r}: choose from {', '.join(CLUSTERERS)}")
        return CLUSTERERS[method]
    if not (hasattr(method, "fit_predict") and hasattr(method, "get_params")):
        raise DataError(f"{type(method).__name__} is no clusterer: it needs fit_predict, as scikit-learn's have")
    return ClusterMethod(lambda n_clusters, n_rows, random_state, prior: clone(method), number="found")


def fit_clusters(
    Z: NDArray[Any],
    method: str | Any,
    n_clusters: int,
    random_state: int | None,
    prior: Any = None,
    *,
    min_cluster_size: int | None = None,
    quick: bool = False,
) -> tuple[Labels, Any]:
    """Cluster rows, shape (n, d), and return the cluster of each, -1 for noise, and the fitted clusterer.

    ``min_cluster_size`` is HDBSCAN's. ``quick`` takes at most three starts, for fits that are repeated many times.
    """
    estimator = method_of(method).make(n_clusters, len(Z), random_state, prior)
    if method == "hdbscan" and min_cluster_size is not None:
        size = min(min_cluster_size, max(len(Z), 2))
        estimator.set_params(estimator__min_cluster_size=size, estimator__min_samples=min(5, size))
    if quick and isinstance(method, str) and "n_init" in estimator.get_params():
        estimator.set_params(n_init=min(3, estimator.n_init))
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        # Codes that differ by rounding only: fewer clusters than asked for are found, and the sizes show it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # A graph of neighbours in separate pieces is what well separated clusters look like.
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="sklearn")  # equal rows in HDBSCAN
        found = estimator.fit_predict(Z)
    return np.asarray(found, dtype=np.int64), estimator
