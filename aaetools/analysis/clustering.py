"""Clusters of latent codes, how many there are and why, and how they agree with labels held back."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, silhouette_score
from sklearn.mixture import GaussianMixture

from aaetools.analysis.classification import wilson_interval
from aaetools.analysis.results import Agreement, Clustering
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import UNLABELED, encode_labels

__all__ = [
    "CLUSTERERS",
    "MAX_CLUSTERS",
    "choose_n_clusters",
    "cluster_agreement",
    "cluster_latents",
    "contingency",
    "gaussian_mixture_clusters",
    "kmeans_clusters",
    "prior_component_clusters",
]

MAX_CLUSTERS = 20
"""Most clusters that are tried when neither the caller nor the labels say how many there are."""

_SILHOUETTE_ROWS = 2_000
_CHOICE_ROWS = 4_000
_MANY_ROWS = 20_000

Labels = NDArray[np.int64]


def kmeans_clusters(Z: NDArray[Any], n_clusters: int, random_state: int | None, prior: Any = None) -> Labels:
    """Return k-means clusters, shape (n,); fewer restarts above 20,000 rows."""
    n_init = 10 if len(Z) <= _MANY_ROWS else 3
    with warnings.catch_warnings():
        # Codes that differ by rounding only: fewer clusters than asked for are found, and the sizes show it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(n_clusters, n_init=n_init, random_state=random_state).fit_predict(Z)
    return np.asarray(found, dtype=np.int64)


def gaussian_mixture_clusters(Z: NDArray[Any], n_clusters: int, random_state: int | None, prior: Any = None) -> Labels:
    """Return the most likely component of a Gaussian mixture with full covariances, shape (n,)."""
    # The mixture is scale-dependent through this floor only; relative to the codes' own variance it is not.
    floor = max(1e-6 * float(np.var(Z, axis=0).mean()), 1e-12)
    mixture = GaussianMixture(n_clusters, reg_covar=floor, n_init=3, random_state=random_state)
    with warnings.catch_warnings():
        # A last step of the likelihood above the tolerance moves hardly any row to another component.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(mixture.fit_predict(Z.astype(np.float64)), dtype=np.int64)


def prior_component_clusters(Z: NDArray[Any], n_clusters: int, random_state: int | None, prior: Any = None) -> Labels:
    """Return the prior's most probable class component of each code, shape (n,); nothing is fitted."""
    import torch

    if prior is None or prior.n_components == 0:
        raise DataError("clusters from the prior's components need a prior with class components")
    if n_clusters != prior.n_components:
        raise DataError(f"the prior has {prior.n_components} components, so it cannot give {n_clusters} clusters")
    with torch.no_grad():
        posterior = prior.class_log_posterior(torch.as_tensor(Z, dtype=torch.float32))
    return np.asarray(posterior.argmax(dim=1).cpu().numpy(), dtype=np.int64)


CLUSTERERS: dict[str, Callable[[NDArray[Any], int, int | None, Any], Labels]] = {
    "kmeans": kmeans_clusters,
    "gaussian_mixture": gaussian_mixture_clusters,
    "prior": prior_component_clusters,
}
"""Name -> function(Z, n_clusters, random_state, prior) -> cluster of each row, -1 for noise."""


def cluster_latents(
    Z: ArrayLike,
    n_clusters: int | None = None,
    labels: ArrayLike | None = None,
    method: str = "kmeans",
    random_state: int | None = None,
    *,
    n_classes: int | None = None,
    prior: Any = None,
) -> tuple[Labels, Clustering]:
    """Cluster latent codes and compare the clusters with known labels.

    Parameters
    ----------
    Z
        Latent codes, shape (n, d).
    n_clusters
        Number of clusters. None takes ``n_classes``, else the number of classes in ``labels``, else the
        number from 2 to 20 with the highest silhouette.
    labels
        Labels to compare with, shape (n,), missing (-1, None, NaN) where not known. Give only labels that
        training did not see: agreement with labels that shaped the codes says little.
    method
        A name from ``CLUSTERERS``.
    random_state
        Seed of starts and subsamples.
    n_classes
        Number of classes that are known to exist.
    prior
        The prior of the codes; needed by ``method="prior"``.

    Returns
    -------
    labels : ndarray of int64, shape (n,)
        Cluster of each row; numbered by falling size, except for ``method="prior"``, where the number is the
        component's.
    clustering : Clustering

    Raises
    ------
    DataError
        For codes that are not finite, an unknown method, or more clusters than rows.
    """
    codes = np.asarray(Z, dtype=np.float32)
    if codes.ndim != 2 or len(codes) == 0:
        raise DataError(f"codes must have shape (rows, latent axes) with at least one row, not {codes.shape}")
    if not np.isfinite(codes).all():
        raise DataError(f"the code of row {int(np.argmin(np.isfinite(codes).all(axis=1)))} is not finite")
    if method not in CLUSTERERS:
        raise DataError(f"unknown clustering method {method!r}: choose from {', '.join(sorted(CLUSTERERS))}")
    known = None if labels is None else encode_labels(labels, UNLABELED)
    if known is not None and len(known.codes) != len(codes):
        raise LabelError(f"{len(known.codes)} labels were given for {len(codes)} codes")
    if n_classes is None and known is not None:
        n_classes = len(known.classes)

    wanted, reason = _how_many(codes, n_clusters, n_classes, method, random_state, prior)
    if method == "prior":
        found = CLUSTERERS[method](codes, wanted, random_state, prior)
    else:
        distinct = len(np.unique(codes, axis=0)) if wanted > 1 else 1
        if distinct < wanted:
            reason += f"; only {distinct} distinct codes exist"
            wanted = distinct
        found = CLUSTERERS[method](codes, wanted, random_state, prior) if wanted > 1 else np.zeros(len(codes), np.int64)
        found = _by_size(found)
    agreement = None
    if known is not None and (known.codes >= 0).any():
        compared = known.codes >= 0
        agreement = cluster_agreement(found[compared], known.codes[compared])
    sizes = np.bincount(found[found >= 0], minlength=wanted)
    clustering = Clustering(
        method=method,
        n_clusters=wanted,
        reason=reason,
        sizes=tuple(int(size) for size in sizes),
        silhouette=_silhouette(codes, found, random_state),
        agreement=agreement,
        verdict="",
    )
    return found, _with_verdict(clustering)


def choose_n_clusters(Z: NDArray[Any], method: str = "kmeans", random_state: int | None = None) -> tuple[int, float]:
    """Return the number of clusters, 2 to ``MAX_CLUSTERS``, with the highest silhouette, and that silhouette.

    Ties go to the smaller number. Above 4,000 rows a random subsample decides.
    """
    rng = np.random.default_rng(random_state)
    if len(Z) > _CHOICE_ROWS:
        Z = Z[np.sort(rng.choice(len(Z), _CHOICE_ROWS, replace=False))]
    most = min(MAX_CLUSTERS, len(np.unique(Z, axis=0)) - 1)
    best, height = 1, -np.inf
    for k in range(2, most + 1):
        score = _silhouette(Z, CLUSTERERS[method](Z, k, random_state, None), random_state)
        if score is not None and score > height:
            best, height = k, score
    return best, float(height)


def contingency(clusters: ArrayLike, labels: ArrayLike) -> NDArray[np.int64]:
    """Count rows per cluster and class, shape (n_clusters, n_classes), but for rows with -1 in either."""
    clusters, labels = np.asarray(clusters, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    both = (clusters >= 0) & (labels >= 0)
    shape = (int(clusters.max(initial=-1)) + 1, int(labels.max(initial=-1)) + 1)
    table = np.zeros(shape, dtype=np.int64)
    np.add.at(table, (clusters[both], labels[both]), 1)
    return table


def cluster_agreement(clusters: Labels, labels: Labels) -> Agreement:
    """Compare clusters (n,) with class codes (n,) of the same rows.

    Accuracy counts the rows whose cluster maps to their class under the best one-to-one matching (Hungarian
    method); a cluster without a partner and a row in no cluster (-1) count as errors.
    """
    table = contingency(clusters, labels)
    matched = int(table[linear_sum_assignment(table, maximize=True)].sum()) if table.size else 0
    return Agreement(
        accuracy=wilson_interval(matched, len(labels)),
        adjusted_rand=float(adjusted_rand_score(labels, clusters)),
        adjusted_mutual_info=float(adjusted_mutual_info_score(labels, clusters)),
        n=len(labels),
    )


def _how_many(
    Z: NDArray[Any],
    n_clusters: int | None,
    n_classes: int | None,
    method: str,
    random_state: int | None,
    prior: Any,
) -> tuple[int, str]:
    if n_clusters is not None:
        if n_clusters < 1:
            raise DataError(f"the number of clusters must be at least 1, not {n_clusters}")
        if n_clusters > len(Z):
            raise DataError(f"{n_clusters} clusters were asked for but there are only {len(Z)} rows")
        return n_clusters, "given"
    if method == "prior" and prior is not None:
        return int(prior.n_components), "number of components of the prior"
    if n_classes is not None and n_classes > 1:
        return min(n_classes, len(Z)), "number of known classes"
    if len(Z) < 4:
        return 1, f"{len(Z)} rows are too few to look for clusters"
    best, height = choose_n_clusters(Z, method, random_state)
    if best == 1:
        return 1, "the codes are too alike to be told apart"
    return best, f"highest silhouette ({height:.2f}) of 2 to {min(MAX_CLUSTERS, len(Z) - 1)} clusters"


def _by_size(clusters: Labels) -> Labels:
    """Number clusters by falling size; noise (-1) stays."""
    values, sizes = np.unique(clusters[clusters >= 0], return_counts=True)
    rank = np.empty(int(values.max(initial=-1)) + 1, dtype=np.int64)
    rank[values[np.argsort(-sizes, kind="stable")]] = np.arange(len(values))
    return np.where(clusters >= 0, rank[clusters], -1)


def _silhouette(Z: NDArray[Any], clusters: Labels, random_state: int | None) -> float | None:
    """Return the mean silhouette of at most 2,000 rows, or None where it is not defined."""
    rows = np.flatnonzero(clusters >= 0)
    if len(rows) > _SILHOUETTE_ROWS:
        rows = np.sort(np.random.default_rng(random_state).choice(rows, _SILHOUETTE_ROWS, replace=False))
    n_found = len(np.unique(clusters[rows]))
    if not 2 <= n_found < len(rows):
        return None
    return float(silhouette_score(Z[rows], clusters[rows]))


def _with_verdict(clustering: Clustering) -> Clustering:
    noun = "cluster" if clustering.n_clusters == 1 else "clusters"
    text = f"{clustering.n_clusters} {noun} ({clustering.reason})"
    if clustering.agreement is not None:
        accuracy = clustering.agreement.accuracy
        text += (
            f"; matched one to one they give {accuracy.value:.1%} of {accuracy.n} rows their label "
            f"({accuracy.low:.1%} to {accuracy.high:.1%}; adjusted Rand "
            f"{clustering.agreement.adjusted_rand:.2f})"
        )
    elif clustering.silhouette is not None:
        shape = (
            "well apart"
            if clustering.silhouette >= 0.5
            else "touching"
            if clustering.silhouette >= 0.25
            else "overlapping"
        )
        text += f", {shape} (silhouette {clustering.silhouette:.2f})"
    return replace(clustering, verdict=text + ".")
