"""What a cluster is: its size and labels, the rows that stand for it, the features that set it apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from aaetools.analysis.cluster_agreement import contingency
from aaetools.analysis.intervals import wilson_interval
from aaetools.analysis.results import ClusterProfile, FeatureEffect, Interval

__all__ = ["centre_distances", "cluster_profiles", "feature_effects"]

_BATCH_VALUES = 2**22
_SMALLEST_SD = 0.01

Labels = NDArray[np.int64]


def cluster_profiles(
    Z: NDArray[Any],
    clusters: Labels,
    n_clusters: int,
    *,
    labels: Labels | None = None,
    class_names: Sequence[str] = (),
    X: NDArray[Any] | None = None,
    feature_names: Sequence[str] = (),
    row_ids: NDArray[Any] | None = None,
    n_rows: int = 5,
    n_features: int = 5,
) -> tuple[ClusterProfile, ...]:
    """Describe each cluster.

    Parameters
    ----------
    Z, clusters
        Codes, shape (n, d), and the cluster of each, shape (n,), -1 for noise.
    n_clusters
        Number of clusters; one may be empty.
    labels
        Class of each row, shape (n,), -1 where not known.
    class_names
        Names of the classes.
    X, feature_names
        Features of the rows, shape (n, n_features), and their names.
    row_ids
        Identifiers of the rows, shape (n,).
    n_rows, n_features
        How many typical and unusual rows and how many features are named at most.
    """
    distance = centre_distances(Z, clusters)
    table = np.zeros((n_clusters, 0), dtype=np.int64)
    if labels is not None and (labels >= 0).any() and n_clusters:
        counted = contingency(clusters, labels)
        table = np.zeros((n_clusters, counted.shape[1]), dtype=np.int64)
        table[: len(counted)] = counted
    effects = [()] * n_clusters if X is None else feature_effects(X, clusters, n_clusters, feature_names, n_features)
    profiles = []
    for cluster in range(n_clusters):
        members = np.flatnonzero(clusters == cluster)
        order = members[np.argsort(distance[members], kind="stable")]
        n_known = int(table[cluster].sum())
        top = int(table[cluster].argmax()) if n_known else -1
        # a row is not named as both: a small cluster has typical rows only
        typical, unusual = order[:n_rows], order[n_rows:][::-1][:n_rows]
        profiles.append(
            ClusterProfile(
                cluster=cluster,
                size=len(members),
                share=len(members) / max(len(Z), 1),
                majority_label=class_names[top] if n_known else None,
                purity=wilson_interval(int(table[cluster, top]), n_known) if n_known else None,
                typical_rows=tuple(int(row) for row in typical),
                unusual_rows=tuple(int(row) for row in unusual),
                features=effects[cluster],
                typical_ids=() if row_ids is None else tuple(str(row) for row in row_ids[typical]),
                unusual_ids=() if row_ids is None else tuple(str(row) for row in row_ids[unusual]),
            )
        )
    return tuple(profiles)


def centre_distances(Z: NDArray[Any], clusters: Labels) -> NDArray[np.float64]:
    """Return the distance of each code to the mean of its cluster, shape (n,); NaN for noise."""
    distance = np.full(len(Z), np.nan)
    for cluster in np.unique(clusters[clusters >= 0]):
        members = clusters == cluster
        codes = Z[members].astype(np.float64)
        distance[members] = np.sqrt(np.square(codes - codes.mean(axis=0)).sum(axis=1))
    return distance


def feature_effects(
    X: NDArray[Any], clusters: Labels, n_clusters: int, feature_names: Sequence[str] = (), n_features: int = 5
) -> list[tuple[FeatureEffect, ...]]:
    """Return for each cluster the features whose mean lies farthest from that of all other rows, farthest first.

    Features that never vary are left out, and so is a cluster without rows or without other rows to compare with.

    Notes
    -----
    Cohen's d with Hedges' correction and the large-sample standard error of Hedges and Olkin (1985). Where a feature
    hardly varies within the two groups, their common standard deviation is taken as a hundredth of that over all
    rows: such a feature has a very large effect, not an infinite one. The intervals do not allow for the choice of
    the largest effects, nor for the clusters having been found in codes of these very features: they describe.
    """
    rows = np.asarray(X)
    names = [str(name) for name in feature_names] or [f"feature {i}" for i in range(rows.shape[1])]
    counts, means, squares = _moments(rows, clusters, n_clusters)
    total, whole = counts.sum(), (counts[:, None] * means).sum(axis=0) / max(counts.sum(), 1)
    # the last group is noise: part of "elsewhere" for every cluster
    spread = squares.sum(axis=0) + (counts[:, None] * np.square(means - whole)).sum(axis=0)
    overall = np.sqrt(spread / max(total, 1))
    varies = overall > 1e-9 * np.maximum(np.abs(whole), np.finfo(np.float64).tiny)
    found: list[tuple[FeatureEffect, ...]] = []
    for cluster in range(n_clusters):
        n, rest = counts[cluster], total - counts[cluster]
        if n < 1 or rest < 1 or n + rest < 4:
            found.append(())
            continue
        elsewhere = (total * whole - n * means[cluster]) / rest
        between = n * rest / total * np.square(means[cluster] - elsewhere)
        common = np.sqrt(np.maximum(spread - between, 0) / (total - 2))
        common = np.maximum(common, _SMALLEST_SD * overall)
        with np.errstate(divide="ignore", invalid="ignore"):
            d = np.where(varies, _hedges(total - 2) * (means[cluster] - elsewhere) / common, 0.0)
        half = 1.96 * np.sqrt(total / (n * rest) + np.square(d) / (2 * total))
        order = np.lexsort((np.arange(len(d)), -np.abs(d)))
        found.append(
            tuple(
                FeatureEffect(
                    feature=names[i],
                    effect=Interval(float(d[i]), float(d[i] - half[i]), float(d[i] + half[i]), int(total)),
                    mean=float(means[cluster, i]),
                    mean_elsewhere=float(elsewhere[i]),
                )
                for i in order[:n_features]
                if varies[i]
            )
        )
    return found


def _hedges(freedom: float) -> float:
    """Return the factor that makes Cohen's d unbiased."""
    return float(np.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / np.sqrt(freedom / 2))


def _moments(
    X: NDArray[Any], clusters: Labels, n_clusters: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return rows, means and sums of squares about the mean, per cluster and, last, for noise."""
    groups = np.where(clusters < 0, n_clusters, clusters)
    counts = np.bincount(groups, minlength=n_clusters + 1).astype(np.float64)
    sums = np.zeros((n_clusters + 1, X.shape[1]))
    squares = np.zeros_like(sums)
    step = max(1, _BATCH_VALUES // max(X.shape[1], 1))
    for start in range(0, len(X), step):
        block = np.asarray(X[start : start + step], dtype=np.float64)
        member = (groups[start : start + step] == np.arange(n_clusters + 1)[:, None]).astype(np.float64)
        sums += member @ block
    means = sums / np.maximum(counts, 1)[:, None]
    for start in range(0, len(X), step):
        block = np.asarray(X[start : start + step], dtype=np.float64)
        own = groups[start : start + step]
        member = (own == np.arange(n_clusters + 1)[:, None]).astype(np.float64)
        squares += member @ np.square(block - means[own])
    return counts, means, squares
