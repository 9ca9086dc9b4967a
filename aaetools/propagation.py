"""Label propagation over a nearest-neighbour graph: what the given labels say about the unlabelled rows.

The few-label recipe tells the discriminator the likeliest of these labels; encoder and decoder never see any.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import cg

__all__ = [
    "absorb_labels",
    "balance_shares",
    "can_be_counted",
    "class_shares",
    "counted_shares",
    "estimate_shares",
    "neighbor_graph",
    "predicted_shares",
    "propagate_labels",
    "propagation_pays",
    "reach",
    "spread_labels",
    "surest_labels",
]

_MOST_AXES = 40
"""Principal axes that distances are taken in where there are over twice as many features: the rest is mostly noise."""
_ENOUGH_ROWS = 10_000
"""Rows that are enough to find these axes from."""
_FOLDS = 5
_MOST_JUDGED = 1000
"""Given labels that are enough to judge propagation by."""
_ENOUGH_PER_CLASS = 10
"""Mean number of labels per class from which on classes are counted; with fewer, one label may swallow two clusters."""
_MOST_COUNTED = 10_000
"""Rows above which classes are not counted: solving for the absorbed mass takes long there."""
_FEWEST_RIGHT = 0.9
"""Share of hidden labels that counting must get right to be believed."""

Floats = NDArray[np.floating[Any]]


def neighbor_graph(
    X: Floats, n_neighbors: int = 10, *, one_sided: float = 0.1, views: Iterable[Floats] = ()
) -> sp.csr_matrix:
    """Return the weights of a mutual k-nearest-neighbour graph, a symmetric sparse matrix (n_rows, n_rows).

    Weights are self-tuning Gaussians exp(-d_ij^2 / (s_i s_j)), s_i being the distance to the fifth neighbour or the
    last (Zelnik-Manor and Perona 2004). An edge that only one of its ends counts among its neighbours keeps the share
    ``one_sided`` of its weight, so that the graph hangs together.

    Parameters
    ----------
    X
        Rows, shape (n_rows, n_features); of more than 80 features, the first 40 principal components are taken.
    views
        The same rows again, each time changed in a way that leaves their class alone, such as by an augmentation; one
        is held at a time. A row is as far from another as the nearest of its views, the unchanged row included.
    """
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors

    n_rows = len(X)
    if X.shape[1] > 2 * _MOST_AXES and n_rows > _MOST_AXES:
        some = np.sort(np.random.RandomState(0).permutation(n_rows)[:_ENOUGH_ROWS])
        axes = PCA(_MOST_AXES, svd_solver="randomized", random_state=0).fit(X[some])
        X, views = axes.transform(X), map(axes.transform, views)
    k = min(n_neighbors, n_rows - 1)
    search = NearestNeighbors(n_neighbors=k).fit(X)
    distance, neighbor = search.kneighbors()
    for view in views:
        farther, other = search.kneighbors(view, min(k + 1, n_rows))  # one more, because a row often finds itself
        distance, neighbor = _nearest(np.hstack([distance, farther]), np.hstack([neighbor, other]), k)
    scale = np.maximum(distance[:, min(5, k) - 1], 1e-12)
    weight = np.exp(-np.square(distance) / (scale[:, None] * scale[neighbor]))
    rows = np.repeat(np.arange(n_rows), k)
    graph = sp.csr_matrix((weight.ravel(), (rows, neighbor.ravel())), shape=(n_rows, n_rows))
    mutual, either = graph.minimum(graph.T), graph.maximum(graph.T)
    return sp.csr_matrix((1 - one_sided) * mutual + one_sided * either)


def _nearest(
    distance: NDArray[np.floating[Any]], neighbor: NDArray[np.int64], k: int
) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64]]:
    """Return the k nearest of each row's candidates, every other row once and the row itself never."""
    order = np.argsort(distance, axis=1, kind="stable")
    distance, neighbor = np.take_along_axis(distance, order, 1), np.take_along_axis(neighbor, order, 1)
    distance[neighbor == np.arange(len(neighbor))[:, None]] = np.inf
    # where one comes up again, at the same distance or farther off, it stands right behind itself in this order
    order = np.argsort(neighbor, axis=1, kind="stable")
    distance, neighbor = np.take_along_axis(distance, order, 1), np.take_along_axis(neighbor, order, 1)
    distance[:, 1:][neighbor[:, 1:] == neighbor[:, :-1]] = np.inf
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distance, order, 1), np.take_along_axis(neighbor, order, 1)


def reach(n_rows: int) -> float:
    """Return how far labels travel by default: alpha = 0.99, less below 500 rows.

    A label is passed on about 1 / (1 - alpha) times. More often than a fifth of the number of rows, it would have
    been everywhere and say nothing.
    """
    return min(0.99, max(0.5, 1 - 5 / n_rows))


def spread_labels(
    graph: sp.csr_matrix, codes: NDArray[np.int64], n_classes: int, *, alpha: float = 0.99
) -> NDArray[np.float64]:
    """Spread labels over a graph: how much of each class's mass reaches each row.

    Solves (I - alpha S) F = Y with S the symmetrically normalised weights (Zhou et al. 2004, equation 4) by conjugate
    gradients, and gives every class the same mass.

    Parameters
    ----------
    codes
        Class codes, -1 where unlabelled, shape (n_rows,).
    alpha
        How far labels travel, in (0, 1).

    Returns
    -------
    ndarray of float64, shape (n_rows, n_classes), positive, columns sum to 1
    """
    n_rows = len(codes)
    degree = np.asarray(graph.sum(axis=1)).ravel()
    root = sp.diags(1 / np.sqrt(np.maximum(degree, 1e-12)))
    system = (sp.eye(n_rows) - alpha * (root @ graph @ root)).tocsr()
    spread = np.empty((n_rows, n_classes))
    for k in range(n_classes):
        spread[:, k], _ = cg(system, (codes == k).astype(np.float64), rtol=1e-8, maxiter=2000)
    spread = np.maximum(spread, 1e-12)
    return np.asarray(spread / spread.sum(axis=0))


def absorb_labels(graph: sp.csr_matrix, codes: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Return where a random walk over the graph from each row ends: the classes of the labelled row it meets first.

    The harmonic function of Zhu et al. 2003 (equation 5). Labelled rows end walks, so a class gets the rows around its
    labels however many they are, where :func:`spread_labels` gives every class the same mass.

    Parameters
    ----------
    codes
        Class codes, -1 where unlabelled, shape (n_rows,).

    Returns
    -------
    ndarray of float64, shape (n_rows, n_classes), positive, rows sum to 1; labelled rows are nearly one-hot
    """
    free = np.flatnonzero(codes < 0)
    ends = np.eye(n_classes)[np.maximum(codes, 0)] * (codes >= 0)[:, None]
    if len(free):
        # the little that is added lets walks end anywhere, where no label can be reached too
        degree = np.asarray(graph.sum(axis=1)).ravel() + 1e-6
        system = (sp.diags(degree) - graph).tocsr()[free][:, free]
        inverse_degree = sp.diags(1 / degree[free])
        reached = graph[free] @ ends
        for k in range(n_classes):
            ends[free, k], _ = cg(system, reached[:, k], rtol=1e-8, maxiter=5000, M=inverse_degree)
    ends = np.maximum(ends, 1e-12)
    return np.asarray(ends / ends.sum(axis=1, keepdims=True))


def class_shares(
    found: NDArray[np.float64], codes: NDArray[np.int64], *, tolerance: float = 0.08
) -> NDArray[np.float64]:
    """Estimate the share of each class among all rows from what the labels and what the graph says.

    The labels' own shares are the first guess, but labels are often drawn in equal numbers from unequal classes. So up
    to a total variation of ``tolerance`` between the two the labels' shares stand, from twice that on those found in
    the graph, and between the two in proportion.

    Parameters
    ----------
    found
        Shares that the graph says, shape (n_classes,).
    codes
        Class codes, -1 where unlabelled, shape (n_rows,).

    Returns
    -------
    ndarray of float64, shape (n_classes,), positive, sums to 1
    """
    given = np.bincount(codes[codes >= 0], minlength=len(found)) / max((codes >= 0).sum(), 1)
    keep = np.clip(2 - 0.5 * np.abs(found - given).sum() / tolerance, 0, 1)
    shares = np.maximum(keep * given + (1 - keep) * found, 1 / len(codes))
    return np.asarray(shares / shares.sum())


def estimate_shares(
    graph: sp.csr_matrix, codes: NDArray[np.int64], n_classes: int, *, alpha: float | None = None
) -> NDArray[np.float64]:
    """Estimate the share of each class among all rows of a graph, see :func:`class_shares`.

    Where there are ten labels per class, and where classes are clusters, the rows that :func:`absorb_labels` gives to
    each class are counted: hidden labels, a fifth at a time, must be found again in 90% of cases. Then they are
    believed sooner than the labels' shares (tolerance 0.03).

    Else, and on more than 10,000 rows, class-mass normalisation (Zhu et al. 2003, section 4) predicts the shares.
    Labels that travel far even the classes out; how large a class is shows in those that stay near. So they travel no
    farther than 0.8, nor than ``alpha``, by default :func:`reach`.
    """
    if can_be_counted(graph, codes, n_classes):
        return class_shares(counted_shares(graph, codes, n_classes), codes, tolerance=0.03)
    far = reach(len(codes)) if alpha is None else alpha
    return class_shares(predicted_shares(graph, codes, n_classes, alpha=far), codes)


def counted_shares(graph: sp.csr_matrix, codes: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Return the share of the rows that :func:`absorb_labels` gives to each class, shape (n_classes,)."""
    ends = absorb_labels(graph, codes, n_classes).argmax(axis=1)
    return np.asarray(np.bincount(ends, minlength=n_classes) / len(codes))


def predicted_shares(
    graph: sp.csr_matrix, codes: NDArray[np.int64], n_classes: int, *, alpha: float = 0.8
) -> NDArray[np.float64]:
    """Return the shares that class-mass normalisation predicts, shape (n_classes,); labels go no farther than 0.8."""
    spread = spread_labels(graph, codes, n_classes, alpha=min(alpha, reach(len(codes)), 0.8))
    given = np.bincount(codes[codes >= 0], minlength=n_classes) / max((codes >= 0).sum(), 1)
    return np.asarray(np.bincount((spread * given).argmax(axis=1), minlength=n_classes) / len(codes))


def can_be_counted(graph: sp.csr_matrix, codes: NDArray[np.int64], n_classes: int) -> bool:
    """Tell whether labels are many enough, rows few enough, and hidden labels found again by :func:`absorb_labels`."""
    given = np.random.RandomState(0).permutation(np.flatnonzero(codes >= 0))
    if len(given) < _ENOUGH_PER_CLASS * n_classes or len(codes) > _MOST_COUNTED:
        return False
    right = 0
    for hidden in np.array_split(given, _FOLDS):
        left = codes.copy()
        left[hidden] = -1
        right += int((absorb_labels(graph, left, n_classes)[hidden].argmax(axis=1) == codes[hidden]).sum())
    return right >= _FEWEST_RIGHT * len(given)


def balance_shares(
    probabilities: NDArray[np.float64],
    shares: NDArray[np.float64],
    *,
    sharpness: float = 3.0,
    n_rounds: int = 50,
) -> NDArray[np.float64]:
    """Sharpen class probabilities and scale the classes until their mean shares are those given.

    Alternating row and column scaling (Sinkhorn and Knopp 1967).

    Parameters
    ----------
    probabilities
        Shape (n_rows, n_classes), rows sum to 1.
    shares
        Wanted share of each class, shape (n_classes,), sums to 1.
    """
    powered = np.maximum(probabilities, 1e-12) ** sharpness
    factor = np.ones(len(shares))
    for _ in range(n_rounds):
        balanced = powered * factor
        balanced /= balanced.sum(axis=1, keepdims=True)
        factor *= shares / np.maximum(balanced.mean(axis=0), 1e-9)
    balanced = powered * factor
    return np.asarray(balanced / balanced.sum(axis=1, keepdims=True))


def propagate_labels(
    X: Floats,
    codes: NDArray[np.int64],
    n_classes: int,
    *,
    n_neighbors: int = 10,
    alpha: float | None = None,
    shares: NDArray[np.float64] | None = None,
    graph: sp.csr_matrix | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say what the given labels make of every row: graph, spreading, balance.

    Parameters
    ----------
    X
        Rows, shape (n_rows, n_features).
    codes
        Class codes, -1 where unlabelled, shape (n_rows,); every class needs a labelled row.
    alpha
        How far labels travel; :func:`reach` by default.
    shares
        Share of each class, shape (n_classes,); by default from :func:`estimate_shares`.
    graph
        The graph of these rows, if it is there already.

    Returns
    -------
    probabilities
        Shape (n_rows, n_classes), rows sum to 1; rows with a given label are one-hot.
    shares
        Share of each class, shape (n_classes,).
    """
    graph = neighbor_graph(X, n_neighbors) if graph is None else graph
    alpha = reach(len(X)) if alpha is None else alpha
    spread = spread_labels(graph, codes, n_classes, alpha=alpha)
    if shares is None:
        shares = estimate_shares(graph, codes, n_classes, alpha=alpha)
    probabilities = balance_shares(spread / spread.sum(axis=1, keepdims=True), shares)
    given = codes >= 0
    probabilities[given] = np.eye(n_classes)[codes[given]]
    return probabilities, shares


def surest_labels(
    probabilities: NDArray[np.float64], codes: NDArray[np.int64], share: float = 1.0
) -> NDArray[np.int64]:
    """Return the likeliest class of the surest rows of each class, and -1 for the others; given labels stand.

    Parameters
    ----------
    probabilities
        From :func:`propagate_labels`, shape (n_rows, n_classes).
    codes
        Given class codes, -1 where unlabelled, shape (n_rows,).
    share
        Share of the rows of each class that are sure enough, in (0, 1].
    """
    likeliest, sureness = probabilities.argmax(axis=1), probabilities.max(axis=1)
    told = np.full(len(codes), -1)
    for k in range(probabilities.shape[1]):
        rows = np.flatnonzero(likeliest == k)
        surest = np.argsort(-sureness[rows], kind="stable")[: int(np.ceil(share * len(rows)))]
        told[rows[surest]] = k
    return np.where(codes >= 0, codes, told)


def propagation_pays(X: Floats, graph: sp.csr_matrix, codes: NDArray[np.int64], n_classes: int, *, seed: int) -> bool:
    """Let the given labels say whether neighbours in the graph tend to share a class.

    Cross-validation on the given labels: a fold of them is hidden and predicted, by spreading the others over the
    graph and by a support vector machine that learns from the others alone. Propagation is refused where the machine
    is ahead by more than the standard error of the paired difference, which is what happens where classes are no
    clusters, unless the spread labels are ahead once they are balanced to the estimated shares: what they are told
    apart by may be the sizes of the classes alone. Labels too few to be cross-validated refuse nothing.

    Parameters
    ----------
    X
        Rows, shape (n_rows, n_features).
    graph
        From :func:`neighbor_graph`.
    """
    given = np.flatnonzero(codes >= 0)
    given = np.random.RandomState(seed).permutation(given)[:_MOST_JUDGED]
    if np.bincount(codes[given], minlength=n_classes).min() < 2:
        return True
    folds = _folds(codes, given, n_classes, seed)
    by_machine = _found_by_machine(X, codes, folds, seed)
    gain = _found_by_graph(graph, codes, folds, n_classes, None) - by_machine
    if gain.mean() >= -gain.std() / np.sqrt(len(gain)):
        return True
    shares = estimate_shares(graph, codes, n_classes)
    return bool((_found_by_graph(graph, codes, folds, n_classes, shares) - by_machine).mean() > 0)


_Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]
"""Rows whose labels are seen and rows whose labels are hidden, in turn."""


def _folds(codes: NDArray[np.int64], given: NDArray[np.int64], n_classes: int, seed: int) -> _Folds:
    """Deal labelled rows out to folds, class by class."""
    from sklearn.model_selection import StratifiedKFold

    fewest = int(np.bincount(codes[given], minlength=n_classes).min())
    folds = StratifiedKFold(min(_FOLDS, fewest), shuffle=True, random_state=seed)
    return [(given[seen], given[hidden]) for seen, hidden in folds.split(given[:, None], codes[given])]


def _found_by_machine(X: Floats, codes: NDArray[np.int64], folds: _Folds, seed: int) -> NDArray[np.float64]:
    """Return 1 for each hidden label that a support vector machine finds again, else 0, fold after fold."""
    from sklearn.svm import SVC

    found = []
    for seen, hidden in folds:
        machine = SVC(C=10.0, random_state=seed).fit(X[seen], codes[seen])
        found.append(machine.predict(X[hidden]) == codes[hidden])
    return np.concatenate(found).astype(float)


def _found_by_graph(
    graph: sp.csr_matrix,
    codes: NDArray[np.int64],
    folds: _Folds,
    n_classes: int,
    shares: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Return 1 for each hidden label that spreading finds again, else 0; balanced to ``shares`` if there are any."""
    found = []
    for seen, hidden in folds:
        left = np.full_like(codes, -1)
        left[seen] = codes[seen]
        spread = spread_labels(graph, left, n_classes, alpha=reach(len(codes)))
        if shares is not None:
            spread = balance_shares(spread / spread.sum(axis=1, keepdims=True), shares)
        found.append(spread[hidden].argmax(axis=1) == codes[hidden])
    return np.concatenate(found).astype(float)
