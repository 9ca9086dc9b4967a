"""How clusters agree with known labels: matching, indices, the adversarial autoencoder paper's own measure."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import expected_mutual_information

from aaetools.analysis.intervals import shifted_interval, wilson_interval
from aaetools.analysis.results import Agreement, Interval, Proportion

__all__ = ["adjusted_rand", "cluster_agreement", "contingency", "head_accuracy", "head_rows", "overlap_measures"]

_RESAMPLES = 400
_Z2 = 1.959964**2
_CELLS = 4_000_000

Labels = NDArray[np.int64]


def contingency(clusters: ArrayLike, labels: ArrayLike) -> NDArray[np.int64]:
    """Count rows per cluster and class, shape (n_clusters, n_classes), but for rows with -1 in either."""
    clusters, labels = np.asarray(clusters, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    both = (clusters >= 0) & (labels >= 0)
    shape = (int(clusters.max(initial=-1)) + 1, int(labels.max(initial=-1)) + 1)
    cells = clusters[both] * shape[1] + labels[both]
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.int64)


def cluster_agreement(
    clusters: Labels,
    labels: Labels,
    certainty: NDArray[np.float64] | None = None,
    random_state: int | None = None,
) -> Agreement:
    """Compare clusters (n,), -1 for noise, with class codes (n,) of the same rows.

    Parameters
    ----------
    clusters
        Cluster of each row. Noise counts as an error in the accuracies and the purity; for the other measures the
        noise rows are a group of their own.
    labels
        Class of each row, 0 or more.
    certainty
        How certainly each row is in its cluster, shape (n,), for the paper's measure; without it there is none.
    random_state
        Seed of the bootstrap.

    Notes
    -----
    The intervals of shares are Wilson's. Those of the indices are from 400 bootstrap samples of the rows, shifted so
    that their mean is the estimate: resampling alone inflates mutual information. To each sample come 3.8 rows
    without any agreement, as Agresti and Coull (1998) add successes and failures to a proportion, or a perfect
    agreement of ten rows would have an interval without width. Expected mutual information is that of the observed
    margins throughout. The clusters are taken as fixed: how much they themselves depend on the rows is what
    stability measures.
    """
    noise = clusters < 0
    table = contingency(clusters, labels)
    n = len(labels)
    matched = int(table[linear_sum_assignment(table, maximize=True)].sum()) if table.size else 0
    groups = contingency(np.where(noise, clusters.max(initial=-1) + 1, clusters), labels)
    found = overlap_measures(groups, random_state)
    return Agreement(
        accuracy=wilson_interval(matched, n),
        purity=wilson_interval(int(table.max(axis=1, initial=0).sum()), n),
        paper_accuracy=None if certainty is None else head_accuracy(clusters, labels, certainty),
        n=n,
        n_noise=int(noise.sum()),
        random_state=random_state,
        **found,
    )


def head_rows(clusters: Labels, certainty: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the position of the most certain row of each cluster, in the order of clusters; noise has none."""
    order = np.lexsort((np.arange(len(clusters)), -certainty))
    present = order[clusters[order] >= 0]
    return np.asarray(present[np.unique(clusters[present], return_index=True)[1]], dtype=np.int64)


def head_accuracy(clusters: Labels, labels: Labels, certainty: NDArray[np.float64]) -> Proportion:
    """Return the paper's measure: each cluster takes the label of its most certain row, the other rows are scored.

    The rows that named the clusters are not scored; noise counts as an error. 1 minus this is the error of Makhzani
    et al. (2015), section 6, where the naming rows come from a validation set and the scored ones from the test set.
    """
    heads = head_rows(clusters, certainty)
    names = np.full(int(clusters.max(initial=-1)) + 2, -1, dtype=np.int64)  # the last entry is for noise, -1
    names[clusters[heads]] = labels[heads]
    scored = np.ones(len(labels), dtype=bool)
    scored[heads] = False
    return wilson_interval(int((names[clusters] == labels)[scored].sum()), int(scored.sum()))


def adjusted_rand(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Hubert and Arabie's index of contingency tables, shape (..., rows, columns); chance is 0, identity 1."""
    n = tables.sum(axis=(-2, -1))
    together = (np.square(tables).sum(axis=(-2, -1)) - n) / 2
    by_row = (np.square(tables.sum(axis=-1)).sum(axis=-1) - n) / 2
    by_column = (np.square(tables.sum(axis=-2)).sum(axis=-1) - n) / 2
    chance = by_row * by_column / np.maximum(n * (n - 1) / 2, 1)
    return _ratio(together - chance, (by_row + by_column) / 2 - chance)


def overlap_measures(table: NDArray[np.int64], random_state: int | None = None) -> dict[str, Interval]:
    """Return the indices of a contingency table, shape (n_clusters, n_classes), with bootstrap intervals.

    The keys are fields of :class:`Agreement`.
    """
    n = int(table.sum())
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if n == 0:
        return {name: Interval(float("nan"), float("nan"), float("nan"), 0) for name in _LOWEST}
    chance = float(expected_mutual_information(table, n)) if min(table.shape) > 1 else 0.0
    values = {name: float(value[0]) for name, value in _indices(table[None].astype(np.float64), chance).items()}
    draws = _resampled(table, n, chance, np.random.default_rng(random_state))
    return {name: shifted_interval(values[name], draws[name], n, lowest, 1.0) for name, lowest in _LOWEST.items()}


_LOWEST = {
    "adjusted_rand": -1.0,
    "adjusted_mutual_info": -1.0,
    "normalized_mutual_info": 0.0,
    "v_measure": 0.0,
    "homogeneity": 0.0,
    "completeness": 0.0,
}


def _resampled(
    table: NDArray[np.int64], n: int, chance: float, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Return every index on bootstrap samples of the rows, each of shape (_RESAMPLES,)."""
    independent = np.outer(table.sum(axis=1), table.sum(axis=0)) / n**2
    shares = (table + _Z2 * independent) / (n + _Z2)
    shares /= shares.sum()
    parts: list[dict[str, NDArray[np.float64]]] = []
    batch = max(1, min(_RESAMPLES, _CELLS // table.size))
    for start in range(0, _RESAMPLES, batch):
        drawn = rng.multinomial(n, shares.ravel(), size=min(batch, _RESAMPLES - start))
        parts.append(_indices(drawn.reshape(-1, *table.shape).astype(np.float64), chance))
    return {name: np.concatenate([part[name] for part in parts]) for name in _LOWEST}


def _indices(tables: NDArray[np.float64], chance: float) -> dict[str, NDArray[np.float64]]:
    n = tables.sum(axis=(1, 2))
    shares = tables / n[:, None, None]
    of_clusters, of_classes = _entropy(shares.sum(axis=2)), _entropy(shares.sum(axis=1))
    mutual = np.maximum(of_clusters + of_classes - _entropy(shares.reshape(len(shares), -1)), 0)
    mean = (of_clusters + of_classes) / 2
    homogeneity, completeness = _ratio(mutual, of_classes), _ratio(mutual, of_clusters)
    v = np.where(mean > 0, _ratio(mutual, mean), 1.0)
    return {
        "adjusted_rand": adjusted_rand(tables),
        "adjusted_mutual_info": _ratio(mutual - chance, mean - chance),
        "normalized_mutual_info": v,
        "v_measure": v,
        "homogeneity": homogeneity,
        "completeness": completeness,
    }


def _entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(-(shares * logs).sum(axis=-1))


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide, with 1 where there is nothing to agree about (0 of 0)."""
    return np.divide(part, whole, out=np.ones_like(whole), where=np.abs(whole) > 1e-12)
