"""Clusters without labels: rows of a class that nobody has labelled yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from aaetools.analysis.progress import Progress, tell
from aaetools.analysis.results import NovelClasses, NovelCluster
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import encode_labels
from aaetools.propagation import neighbor_graph, propagate_labels

__all__ = ["MAX_CLUSTERED", "ClusterTree", "find_novel_classes", "graph_embedding", "log_chance_of_no_label"]

MAX_CLUSTERED = 5_000
"""Rows that are clustered at most, since the tree needs all their distances; further rows follow their neighbour."""

_RESOLUTIONS = (1, 2, 3)
"""Axes of the embeddings, in numbers of classes (one more than the known ones): few axes show whole classes, more
show such as come in several forms."""
_SMALLEST = 10
"""Rows that a cluster has at least."""
_N_TYPICAL = 5

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClusterTree:
    """The nodes of a dendrogram that could be a class: each is a stretch of ``order``.

    Attributes
    ----------
    order
        Rows in the order of the leaves, shape (n_rows,).
    low, high
        Node v holds the rows ``order[low[v]:high[v]]``, shape (n_nodes,).
    """

    order: Codes
    low: Codes
    high: Codes

    @classmethod
    def of(cls, embedding: Floats) -> ClusterTree:
        """Build the tree by Ward's method and keep nodes of at least 10 rows and at most half of all."""
        from sklearn.cluster import ward_tree

        children = ward_tree(embedding)[0]
        n_rows = len(embedding)
        order: list[int] = []
        stack = [2 * n_rows - 2]
        while stack:
            node = stack.pop()
            if node < n_rows:
                order.append(node)
            else:
                stack.extend(children[node - n_rows][::-1].tolist())
        place = np.empty(n_rows, dtype=np.int64)
        place[order] = np.arange(n_rows)
        low, high = np.zeros(2 * n_rows - 1, dtype=np.int64), np.zeros(2 * n_rows - 1, dtype=np.int64)
        low[:n_rows], high[:n_rows] = place, place + 1
        for node, (left, right) in enumerate(children, start=n_rows):
            low[node], high[node] = min(low[left], low[right]), max(high[left], high[right])
        kept = (high - low >= _SMALLEST) & (high - low <= n_rows // 2)
        return cls(np.array(order), low[kept], high[kept])

    def count(self, marked: NDArray[Any]) -> Codes:
        """Count the marked rows of each node; shape (..., n_rows) becomes (..., n_nodes)."""
        sums = np.zeros((*marked.shape[:-1], marked.shape[-1] + 1), dtype=np.int64)
        np.cumsum(marked[..., self.order], axis=-1, out=sums[..., 1:])
        return np.asarray(sums[..., self.high] - sums[..., self.low])

    def rows(self, node: int) -> Codes:
        """Return the rows of a node."""
        return self.order[self.low[node] : self.high[node]]


def find_novel_classes(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    level: float = 0.05,
    n_permutations: int = 999,
    graph: sp.csr_matrix | None = None,
    random_state: int | None = 0,
    progress: Progress | None = None,
) -> NovelClasses:
    """Look for clusters of rows that have no label, where chance cannot explain that they have none.

    Parameters
    ----------
    model
        A fitted :class:`aaetools.AdversarialAutoencoder`; its scaling is used, and what it takes the found rows for
        is told.
    X, y
        Rows, shape (n_rows, n_features), and labels with gaps, shape (n_rows,).
    level
        Probability of finding a cluster where there is none.
    n_permutations
        Redraws of the labelled rows that the p-values are taken from.
    graph
        :func:`aaetools.propagation.neighbor_graph` of the scaled rows, if it is there already.
    random_state
        Seed of the redraws, and of the rows that are clustered where there are over :data:`MAX_CLUSTERED`.
    progress
        Told of the steps.

    Raises
    ------
    DataError
        For a level outside (0, 1), or too few redraws to reach it.
    LabelError
        With less than two labelled classes, or no unlabelled row.

    Notes
    -----
    The clusters are the nodes of three Ward trees over spectral embeddings of the nearest-neighbour graph (Ng, Jordan
    and Weiss 2002) of the *inputs*: the codes of a class that has no region of the prior are pushed into the regions
    of others. The null hypothesis is that the rows which have a label were drawn at random among the rows that
    propagation gives the same class. Under it the chance that a node has no label is a product of hypergeometric
    terms; the smallest over all nodes of all trees, with many redraws of the labelled rows, gives p-values that are
    corrected for all that was looked at (Westfall and Young 1993). Found clusters are then named a class of their own
    and propagated, which moves their borders to where the graph has them.

    A class is found only if its rows are a cluster of the inputs. Where labels were not drawn at random, say only
    among easy rows, the rows that were left out may be found as a cluster; that is then what they are.
    """
    if not 0 < level < 1:
        raise DataError(f"the level must lie between 0 and 1, not {level}")
    if 1 / (n_permutations + 1) > level:
        raise DataError(f"{n_permutations} permutations cannot reach the level {level}; take at least {1 / level:.0f}")
    x = model.scale(X)
    coding = encode_labels(y, getattr(model, "unlabeled", -1))
    if len(coding.codes) != len(x):
        raise LabelError(f"X has {len(x)} rows, but y has {len(coding.codes)} labels")
    n_classes = len(coding.classes)
    if n_classes < 2:
        raise LabelError(f"{n_classes} labelled classes: new ones can be told apart from two or more known ones only")
    if (coding.codes >= 0).all():
        raise LabelError("every row has a label, so no class can be without one")
    some = _rows_to_cluster(coding.codes, random_state)
    codes = coding.codes[some]
    if len(some) < 4 * _SMALLEST:
        raise DataError(f"{len(some)} rows are too few to look for clusters; give at least {4 * _SMALLEST}")

    n_steps = len(_RESOLUTIONS) + 2
    tell(progress, "building the graph", 0, n_steps)
    if graph is None or len(some) < len(x):
        graph = neighbor_graph(x[some])
    alike = propagate_labels(x[some], codes, n_classes, graph=graph)[0].argmax(axis=1)
    trees = []
    for step, factor in enumerate(_RESOLUTIONS, start=1):
        tell(progress, "clustering", step, n_steps)
        trees.append(ClusterTree.of(graph_embedding(graph, min(factor * (n_classes + 1), len(some) - 2))))
    tell(progress, "redrawing labels", n_steps - 1, n_steps)
    redrawn = _redraw(codes >= 0, alike, n_permutations, random_state)
    groups, p_values, expected, smallest, quantile = _search(trees, codes >= 0, alike, redrawn, level)
    member = _settle(x[some], graph, codes, n_classes, groups)
    tell(progress, "redrawing labels", n_steps, n_steps)

    everywhere = _follow_neighbor(x, some, member)
    clusters = tuple(
        _describe(model, X, x, np.flatnonzero(everywhere == k), some[group], p, e)
        for k, (group, p, e) in enumerate(zip(groups, p_values, expected, strict=True))
        if (everywhere == k).any()
    )
    n_labeled = int((coding.codes >= 0).sum())
    share = float((codes >= 0).mean())
    return NovelClasses(
        n_rows=len(x),
        n_labeled=n_labeled,
        n_compared=len(some),
        n_permutations=n_permutations,
        random_state=random_state,
        level=level,
        smallest_p_value=smallest,
        smallest_detectable=_smallest_detectable(share, quantile, len(some), len(x)),
        clusters=clusters,
        verdict=_verdict(clusters, smallest, n_labeled),
    )


def graph_embedding(graph: sp.csr_matrix, n_axes: int) -> Floats:
    """Return the leading eigenvectors of the normalised graph, rows scaled to length 1, shape (n_rows, n_axes).

    Notes
    -----
    Ng, Jordan and Weiss, "On spectral clustering", 2002, steps 2 to 4.
    """
    from scipy.sparse.linalg import eigsh

    root = sp.diags(1 / np.sqrt(np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1e-12)))
    start = np.random.RandomState(0).uniform(0.5, 1.5, graph.shape[0])
    vectors = eigsh(root @ graph @ root, k=n_axes, which="LA", v0=start)[1]
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def log_chance_of_no_label(inside: Codes, rows: Codes, labels: Codes) -> Floats:
    """Return the log-probability that none of a cluster's rows has a label, shape (n_clusters,).

    Parameters
    ----------
    inside
        Rows of each stratum in each cluster, shape (n_clusters, n_strata).
    rows, labels
        Rows and labels of each stratum, shape (n_strata,).

    Notes
    -----
    Sum over strata of log C(rows - inside, labels) / C(rows, labels).
    """
    from scipy.special import gammaln

    outside = rows - inside
    possible = outside >= labels
    left = np.where(possible, outside, labels)
    log_ratio = gammaln(left + 1) - gammaln(left - labels + 1) - gammaln(rows + 1) + gammaln(rows - labels + 1)
    return np.asarray(np.where(possible, log_ratio, -np.inf).sum(axis=1))


def _rows_to_cluster(codes: Codes, random_state: int | None) -> Codes:
    """Return at most ``MAX_CLUSTERED`` rows, at most half of them labelled, each class by its share."""
    if len(codes) <= MAX_CLUSTERED:
        return np.arange(len(codes))
    random = np.random.RandomState(random_state)
    labeled = random.permutation(np.flatnonzero(codes >= 0))
    firsts = labeled[np.unique(codes[labeled], return_index=True)[1]]
    labeled = np.union1d(firsts, labeled[: MAX_CLUSTERED // 2])
    free = random.permutation(np.flatnonzero(codes < 0))[: MAX_CLUSTERED - len(labeled)]
    return np.sort(np.concatenate([labeled, free]))


def _redraw(
    labeled: NDArray[np.bool_], strata: Codes, n_permutations: int, random_state: int | None
) -> NDArray[np.bool_]:
    """Draw anew which rows of each stratum have a label, shape (n_permutations, n_rows)."""
    random = np.random.default_rng(random_state)
    drawn = np.zeros((n_permutations, len(labeled)), dtype=bool)
    for k in np.unique(strata):
        rows = np.flatnonzero(strata == k)
        drawn[:, rows] = random.permuted(np.tile(labeled[rows], (n_permutations, 1)), axis=1)
    return drawn


def _search(
    trees: list[ClusterTree],
    labeled: NDArray[np.bool_],
    strata: Codes,
    redrawn: NDArray[np.bool_],
    level: float,
) -> tuple[list[Codes], list[float], list[float], float, float]:
    """Return the clusters without labels that chance does not explain, the least explicable first.

    Returns
    -------
    groups, p_values, expected
        Rows, corrected p-value and expected number of labels of each.
    smallest
        The smallest p-value of all.
    quantile
        The log-probability that is significant at the level.
    """
    values = np.unique(strata)
    in_stratum = strata[None] == values[:, None]
    rows, labels = in_stratum.sum(axis=1), (in_stratum & labeled).sum(axis=1)
    least = np.zeros(len(redrawn))
    found: list[tuple[float, int, int, float]] = []
    for number, tree in enumerate(trees):
        inside = tree.count(in_stratum).T
        size = inside.sum(axis=1)
        # many small clusters fit into the data, few large ones: a small one must be the more improbable
        score = log_chance_of_no_label(inside, rows, labels) - np.log(size)
        for some in np.array_split(np.arange(len(redrawn)), max(1, len(redrawn) * len(size) // 2_000_000)):
            unlabeled = tree.count(redrawn[some]) == 0
            least[some] = np.minimum(least[some], np.where(unlabeled, score, 0.0).min(axis=1, initial=0.0))
        expected = inside @ (labels / rows)
        empty = np.flatnonzero(tree.count(labeled) == 0)
        found += [(float(score[node]), number, int(node), float(expected[node])) for node in empty]
    found.sort()
    taken = np.zeros(len(labeled), dtype=bool)
    groups, p_values, hoped = [], [], []
    smallest = 1.0
    for score, number, node, expected_labels in found:
        p_value = float((1 + (least <= score).sum()) / (1 + len(least)))
        smallest = min(smallest, p_value)
        if p_value > level:
            break
        members = trees[number].rows(node)
        if not taken[members].any():
            taken[members] = True
            groups.append(members)
            p_values.append(p_value)
            hoped.append(expected_labels)
    return groups, p_values, hoped, smallest, float(np.quantile(least, level))


def _settle(x: NDArray[Any], graph: sp.csr_matrix, codes: Codes, n_classes: int, groups: list[Codes]) -> Codes:
    """Return the new cluster of each row, -1 for the known classes, after propagating both.

    A new cluster passes on as many labels as a known class has on average: more would outweigh these.
    """
    if not groups:
        return np.full(len(codes), -1)
    told = codes.copy()
    n_told = max(3, round(int((codes >= 0).sum()) / n_classes))
    random = np.random.RandomState(0)
    for k, group in enumerate(groups):
        told[random.permutation(group)[:n_told]] = n_classes + k
    best = propagate_labels(x, told, n_classes + len(groups), graph=graph)[0].argmax(axis=1)
    return np.where((best >= n_classes) & (codes < 0), best - n_classes, -1)


def _follow_neighbor(x: NDArray[Any], some: Codes, member: Codes) -> Codes:
    """Give the rows that were not clustered the cluster of their nearest neighbour among those that were."""
    if len(some) == len(x):
        return member
    from sklearn.neighbors import KNeighborsClassifier

    found = np.asarray(KNeighborsClassifier(1).fit(x[some], member).predict(x))
    found[some] = member
    return found


def _describe(
    model: Any, X: ArrayLike, x: NDArray[Any], rows: Codes, core: Codes, p_value: float, expected: float
) -> NovelCluster:
    rest = np.ones(len(x), dtype=bool)
    rest[rows] = False
    error = np.asarray(model.reconstruction_error(X), dtype=np.float64)
    away = np.square(x[core] - x[core].mean(axis=0)).sum(axis=1)
    taken_for: tuple[tuple[str, int], ...] = ()
    if len(model.classes_) >= 2:
        counts = np.bincount(np.asarray(model.predict_proba(X))[rows].argmax(axis=1), minlength=len(model.classes_))
        often = np.argsort(-counts, kind="stable")
        taken_for = tuple((str(model.classes_[k]), int(counts[k])) for k in often if counts[k])
    return NovelCluster(
        size=len(rows),
        p_value=p_value,
        expected_labels=expected,
        taken_for=taken_for,
        error_ratio=float(error[rows].mean() / max(error[rest].mean(), 1e-12)) if rest.any() else float("nan"),
        typical=tuple(int(row) for row in core[np.argsort(away, kind="stable")[:_N_TYPICAL]]),
        rows=tuple(int(row) for row in rows),
    )


def _smallest_detectable(share: float, quantile: float, n_compared: int, n_rows: int) -> int | None:
    """Return the size at which a cluster without labels is significant if its likes have the usual share of labels."""
    sizes = np.arange(_SMALLEST, n_compared // 2 + 1)
    enough = np.flatnonzero(sizes * np.log1p(-share) - np.log(sizes) <= quantile)
    return round(int(sizes[enough[0]]) * n_rows / n_compared) if len(enough) else None


def _verdict(clusters: tuple[NovelCluster, ...], smallest: float, n_labeled: int) -> str:
    if not clusters:
        return f"No cluster is without labels beyond chance (smallest p = {smallest:.2g}, {n_labeled} labels)."
    sizes = ", ".join(str(cluster.size) for cluster in clusters)
    one = len(clusters) == 1
    return (
        f"{len(clusters)} cluster{'' if one else 's'} of {sizes} rows without a labelled class "
        f"(p = {smallest:.2g}): label a few of the typical rows to see whether {'it is a' if one else 'they are'} new "
        f"class{'' if one else 'es'}."
    )
