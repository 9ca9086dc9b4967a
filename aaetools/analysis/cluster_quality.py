"""How good clusters are without labels: separation, and whether they come out again on a part of the rows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform
from scipy.stats import t as student
from sklearn.metrics import silhouette_samples

from aaetools.analysis.cluster_agreement import adjusted_rand, contingency
from aaetools.analysis.intervals import shifted_interval
from aaetools.analysis.progress import Progress, tell
from aaetools.analysis.results import Interval, Separation

__all__ = ["MAX_PAIR_ROWS", "MAX_QUALITY_ROWS", "pairwise_stability", "separation", "silhouette", "stability"]

MAX_PAIR_ROWS = 2_000
"""Rows that a silhouette, which takes all pairs of rows, is computed on at most."""

MAX_QUALITY_ROWS = 20_000
"""Rows that the other measures are computed on at most, and their bootstrap resamples."""

_STABILITY_ROWS = 4_000
_SHARE = 0.8
_RESAMPLES = 200

Labels = NDArray[np.int64]
Fit = Callable[[NDArray[Any], int | None], Labels]
"""Function (rows, random_state) that clusters rows."""


def separation(
    Z: NDArray[Any],
    clusters: Labels,
    fit: Fit | None = None,
    *,
    n_subsamples: int = 10,
    random_state: int | None = None,
    progress: Progress | None = None,
) -> Separation:
    """Measure how far clusters (n,), -1 for noise, of codes (n, d) are apart, and how stable they are.

    Parameters
    ----------
    fit
        What made the clusters; without it, or with fewer than two subsamples, there is no stability.
    n_subsamples
        Random parts of the rows, 80% each, that are clustered anew for the stability.
    """
    rng = np.random.default_rng(random_state)
    rows = np.flatnonzero(clusters >= 0)
    if len(rows) > MAX_QUALITY_ROWS:
        rows = np.sort(rng.choice(rows, MAX_QUALITY_ROWS, replace=False))
    names, codes = np.unique(clusters[rows], return_inverse=True)
    bouldin = harabasz = None
    if 2 <= len(names) < len(rows):
        bouldin, harabasz = _spread_indices(Z[rows].astype(np.float64), codes, len(names), rng)
    stable = None
    if fit is not None and n_subsamples > 1:
        stable = stability(Z, fit, n_subsamples=n_subsamples, random_state=random_state, progress=progress)
    return Separation(
        silhouette=silhouette(Z, clusters, random_state),
        davies_bouldin=bouldin,
        calinski_harabasz=harabasz,
        stability=stable,
        n_subsamples=0 if stable is None else n_subsamples,
    )


def silhouette(Z: NDArray[Any], clusters: Labels, random_state: int | None) -> Interval | None:
    """Return the mean silhouette (Rousseeuw 1987) of at most 2,000 rows, None where it is not defined.

    The interval is the mean's, by the normal approximation, for the clusters as they are.
    """
    rows = np.flatnonzero(clusters >= 0)
    if len(rows) > MAX_PAIR_ROWS:
        rows = np.sort(np.random.default_rng(random_state).choice(rows, MAX_PAIR_ROWS, replace=False))
    if not 2 <= len(np.unique(clusters[rows])) < len(rows):
        return None
    each = np.asarray(silhouette_samples(Z[rows], clusters[rows]), dtype=np.float64)
    mean, half = float(each.mean()), 1.96 * float(each.std(ddof=1) / np.sqrt(len(rows)))
    return Interval(mean, max(-1.0, mean - half), min(1.0, mean + half), len(rows))


def stability(
    Z: NDArray[Any],
    fit: Fit,
    *,
    n_subsamples: int = 10,
    random_state: int | None = None,
    progress: Progress | None = None,
) -> Interval | None:
    """Return how alike the clusters of random parts of the rows are, None with fewer than 10 rows.

    ``n_subsamples`` parts of 80% of the rows (of at most 4,000 random ones) are clustered; the value is the mean
    adjusted Rand index over all pairs of parts on the rows that both hold. Noise is compared as a group of its own.

    Notes
    -----
    After Ben-Hur, Elisseeff and Guyon, "A stability based method for discovering structure in clustered data",
    Pacific Symposium on Biocomputing 2002. The interval is the jackknife's over the parts, which share rows: it says
    how well these parts tell the mean, not what other data would give.
    """
    rng = np.random.default_rng(random_state)
    if len(Z) > _STABILITY_ROWS:
        Z = Z[np.sort(rng.choice(len(Z), _STABILITY_ROWS, replace=False))]
    n = len(Z)
    if n < 10:
        return None
    found = np.full((n_subsamples, n), -2, dtype=np.int64)  # -2: not in this part; -1 would be noise
    for part in range(n_subsamples):
        tell(progress, "clustering parts of the rows", part, n_subsamples)
        rows = np.sort(rng.choice(n, round(_SHARE * n), replace=False))
        found[part, rows] = fit(Z[rows], int(rng.integers(2**31)))
    tell(progress, "clustering parts of the rows", n_subsamples, n_subsamples)
    value, error = pairwise_stability(found)
    half = float(student.ppf(0.975, n_subsamples - 1)) * error
    return Interval(value, max(-1.0, value - half), min(1.0, value + half), n)


def pairwise_stability(found: NDArray[np.int64]) -> tuple[float, float]:
    """Return the mean adjusted Rand index of all pairs of clusterings, and its jackknife standard error.

    Parameters
    ----------
    found
        Cluster of each row in each clustering, shape (m, n); -1 is noise, -2 stands where a row took no part.
    """
    m = len(found)
    pairs = np.zeros((m, m))
    for a, b in combinations(range(m), 2):
        both = (found[a] > -2) & (found[b] > -2)
        table = contingency(found[a][both] + 1, found[b][both] + 1)
        pairs[a, b] = pairs[b, a] = float(adjusted_rand(table[None].astype(np.float64))[0])
    value = pairs.sum() / (m * (m - 1))
    if m < 3:
        return float(value), float("nan")
    without = (pairs.sum() - 2 * pairs.sum(axis=0)) / ((m - 1) * (m - 2))
    error = np.sqrt((m - 1) / m * np.square(without - without.mean()).sum())
    return float(value), float(error)


def _spread_indices(
    Z: NDArray[np.float64], clusters: Labels, k: int, rng: np.random.Generator
) -> tuple[Interval, Interval]:
    """Return Davies and Bouldin's (1979) and Calinski and Harabasz' (1974) index with bootstrap intervals.

    In the bootstrap the rows keep their clusters, and distances are to the centres of all rows. The draws are
    shifted to the estimate.
    """
    Z = Z - Z.mean(axis=0)
    ones = np.ones((1, len(Z)))
    members = [np.flatnonzero(clusters == cluster) for cluster in range(k)]
    centres = np.stack([Z[rows].mean(axis=0) for rows in members])
    distance = np.sqrt(np.square(Z - centres[clusters]).sum(axis=1))
    values = _indices_of_weights(ones, Z, members, distance)
    draws: list[NDArray[np.float64]] = []
    batch = max(1, 4_000_000 // len(Z))
    for start in range(0, _RESAMPLES, batch):
        size = min(batch, _RESAMPLES - start)
        weights = rng.multinomial(len(Z), np.full(len(Z), 1 / len(Z)), size=size).astype(np.float64)
        draws.append(_indices_of_weights(weights, Z, members, distance))
    sampled = np.concatenate(draws, axis=1)
    bouldin, harabasz = (
        shifted_interval(float(value), drawn, len(Z), lowest=0.0)
        for value, drawn in zip(values[:, 0], sampled, strict=True)
    )
    return bouldin, harabasz


def _indices_of_weights(
    weights: NDArray[np.float64],
    Z: NDArray[np.float64],
    members: list[NDArray[np.int64]],
    distance: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return both indices where row i counts weights[b, i] times, shape (2, len(weights))."""
    counts = np.stack([weights[:, rows].sum(axis=1) for rows in members], axis=1)
    safe = np.maximum(counts, 1)  # a cluster may be missing from a resample
    means = np.stack([weights[:, rows] @ Z[rows] for rows in members], axis=1) / safe[:, :, None]
    scatter = np.stack([weights[:, rows] @ distance[rows] for rows in members], axis=1) / safe
    total, k = weights.sum(axis=1), len(members)
    whole = np.einsum("bk,bkd->bd", counts, means) / total[:, None]
    between = np.einsum("bk,bk->b", counts, np.square(means - whole[:, None]).sum(axis=2))
    squares = weights @ np.square(Z).sum(axis=1) - total * np.square(whole).sum(axis=1)
    within = np.maximum(squares - between, 0)
    bouldin = np.empty(len(weights))
    for b in range(len(weights)):
        apart = squareform(pdist(means[b]))
        np.fill_diagonal(apart, np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            bouldin[b] = ((scatter[b][:, None] + scatter[b]) / apart).max(axis=1).mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        harabasz = np.where(within > 0, between / (k - 1) / (within / (total - k)), np.inf)
    return np.stack([bouldin, harabasz])
