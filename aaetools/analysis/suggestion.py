"""Which rows to label next: doubtful ones, such as stand for many others, and those of components with few labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from aaetools.analysis.posterior import tempered_posterior
from aaetools.analysis.progress import Progress, tell
from aaetools.analysis.results import SuggestedRow, Suggestions
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import LabelCoding, encode_labels
from aaetools.propagation import neighbor_graph, reach, spread_labels

__all__ = ["MAX_CANDIDATES", "STRATEGIES", "Candidates", "Opinion", "Pick", "diffusion_similarity", "suggest_labels"]

MAX_CANDIDATES = 3_000
"""Rows that are compared with each other at most; of more rows a random part is looked at."""

_SHORTLIST = 10
"""Of the most uncertain rows so many times the wanted number are looked at, and spread over."""
_SURE = 0.1
"""What a row without any doubt still counts, beside one (1.1) that nothing is known about."""
_NEAR = 0.9
"""How far labels are spread to find doubt: what travels far says of every row something, and seems sure."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Opinion:
    """What somebody takes each row for.

    Attributes
    ----------
    whose
        The beginning of a sentence about it.
    probability
        Shape (n, n_classes), rows sum to 1.
    classes
        Names of the classes.
    """

    whose: str
    probability: Floats
    classes: tuple[str, ...]

    def doubt(self) -> Floats:
        """Return 1 minus the margin between the two likeliest classes, in [0, 1]."""
        best = np.sort(self.probability, axis=1)[:, -2:]
        return np.asarray(1 - (best[:, 1] - best[:, 0]))

    def best(self) -> Rows:
        """Return the likeliest class of each row."""
        return np.asarray(self.probability.argmax(axis=1))

    def of(self, row: int) -> str:
        """Say what a row is taken for."""
        second, first = np.argsort(self.probability[row], kind="stable")[-2:]
        p = self.probability[row]
        if p[first] > 0.9:
            return f"{self.whose} say {self.classes[first]} ({p[first]:.2f})"
        return (
            f"{self.whose} waver between {self.classes[first]} ({p[first]:.2f}) "
            f"and {self.classes[second]} ({p[second]:.2f})"
        )


@dataclass(frozen=True, eq=False)
class Candidates:
    """What strategies choose from.

    Attributes
    ----------
    x
        Scaled inputs, shape (n, n_features).
    labeled
        Whether a row has a label, shape (n,).
    similarity
        From :func:`diffusion_similarity`, shape (n, n).
    by_labels
        What the given labels say, spread over the graph of the inputs; None with less than two labelled classes.
    by_model
        The model's tempered class posterior; None where it was fitted without labels.
    random_state
        Seed.
    """

    x: NDArray[np.float32]
    labeled: NDArray[np.bool_]
    similarity: Floats
    by_labels: Opinion | None
    by_model: Opinion | None
    random_state: int | None


@dataclass(frozen=True)
class Pick:
    """A row to label: its position among the candidates, what it gains, and why."""

    row: int
    score: float
    reason: str


def by_uncertainty(candidates: Candidates, n: int) -> list[Pick]:
    """Choose rows near the borders between classes, spread by k-means so that they do not repeat each other.

    Notes
    -----
    Margin sampling (Scheffer et al. 2001) on a shortlist that is clustered, as in Zhdanov, "Diverse mini-batch active
    learning", 2019.
    """
    from sklearn.cluster import KMeans

    opinion = _model_opinion(candidates)
    doubt = opinion.doubt()
    free = np.flatnonzero(~candidates.labeled)
    listed = free[np.argsort(-doubt[free], kind="stable")][: _SHORTLIST * n]
    x = candidates.x[listed].astype(np.float64)
    if n >= len(np.unique(x, axis=0)):
        chosen = listed[:n]
    else:
        found = KMeans(n, n_init=1, random_state=candidates.random_state).fit(
            x, sample_weight=np.maximum(doubt[listed], 1e-6)
        )
        away = np.square(x - found.cluster_centers_[found.labels_]).sum(axis=1)
        chosen = np.array([listed[members[away[members].argmin()]] for members in _members(found.labels_, n)])
        left = [row for row in listed if row not in set(chosen.tolist())]  # a cluster may have come out empty
        chosen = np.concatenate([chosen, left[: n - len(chosen)]]).astype(np.int64)
    chosen = chosen[np.argsort(-doubt[chosen], kind="stable")]
    return [Pick(int(row), float(doubt[row]), opinion.of(int(row))) for row in chosen]


def by_coverage(candidates: Candidates, n: int) -> list[Pick]:
    """Choose rows that stand for many others which no label is near (facility location, greedily).

    It needs no label and no posterior: with none it is the way to start.
    """
    chosen, gains = _facilities(candidates, n, np.ones(len(candidates.x)))
    stands_for = _stands_for(candidates, chosen)
    return [
        Pick(int(row), float(gain), _near(count)) for row, gain, count in zip(chosen, gains, stands_for, strict=True)
    ]


def by_components(candidates: Candidates, n: int) -> list[Pick]:
    """Deal labels out to the components of the prior by their number of rows, the under-served ones first.

    The next label goes to the component with the most rows per label (Sainte-Lague's divisors), and within it to the
    row that stands for the most others.
    """
    opinion = _model_opinion(candidates)
    component, n_classes = opinion.best(), len(opinion.classes)
    rows = np.bincount(component, minlength=n_classes)
    labels = np.bincount(component[candidates.labeled], minlength=n_classes)
    open_rows = rows - labels
    quota = np.zeros(n_classes, dtype=np.int64)
    for _ in range(n):
        need = np.where(open_rows > quota, rows / (2 * (labels + quota) + 1), -1)
        quota[need.argmax()] += 1
    picks = []
    for k in np.flatnonzero(quota):
        chosen, gains = _facilities(candidates, int(quota[k]), (component == k).astype(np.float64), component == k)
        reason = (
            f"component {opinion.classes[k]} has {labels[k]} label{'' if labels[k] == 1 else 's'} for {rows[k]} rows"
        )
        picks += [Pick(int(row), float(gain), reason) for row, gain in zip(chosen, gains, strict=True)]
    return sorted(picks, key=lambda pick: -pick.score)


def by_hybrid(candidates: Candidates, n: int) -> list[Pick]:
    """Choose rows that stand for many others of which the given labels leave doubt: coverage weighted by doubt.

    The doubt is that of the labels spread over the graph of the inputs, not the model's: an encoder that was pushed
    into separate regions is sure of nearly every row, also of those that it has wrong.
    """
    opinion = candidates.by_labels
    if opinion is None:
        raise LabelError(
            "strategy 'hybrid' needs labels of two classes at least; begin with 'coverage', which needs none"
        )
    chosen, gains = _facilities(candidates, n, _SURE + opinion.doubt())
    stands_for = _stands_for(candidates, chosen)
    return [
        Pick(int(row), float(gain), f"{opinion.of(int(row))}; {_near(count)}")
        for row, gain, count in zip(chosen, gains, stands_for, strict=True)
    ]


STRATEGIES: dict[str, Callable[[Candidates, int], list[Pick]]] = {
    "components": by_components,
    "coverage": by_coverage,
    "hybrid": by_hybrid,
    "uncertainty": by_uncertainty,
}
"""Name -> function(candidates, n) -> n picks among rows without a label, the best first."""


def suggest_labels(
    model: Any,
    X: ArrayLike,
    y: ArrayLike | None,
    n: int,
    *,
    strategy: str = "auto",
    graph: sp.csr_matrix | None = None,
    random_state: int | None = 0,
    progress: Progress | None = None,
) -> Suggestions:
    """Choose the rows whose labels would help most.

    Parameters
    ----------
    model
        A fitted :class:`aaetools.AdversarialAutoencoder`; one that was fitted without labels will do.
    X, y
        Rows, shape (n_rows, n_features), and their labels with gaps, shape (n_rows,); None for no labels at all.
    n
        Rows to choose.
    strategy
        A name of :data:`STRATEGIES`; "auto" is "hybrid", or "coverage" with less than two labelled classes.
    graph
        :func:`aaetools.propagation.neighbor_graph` of the scaled rows, if it is there already.
    random_state
        Seed of whatever is random in a strategy, and of the rows that are looked at where there are over
        :data:`MAX_CANDIDATES`.
    progress
        Told of the steps.

    Raises
    ------
    DataError, LabelError
        For an unknown strategy, or more rows than are unlabelled.

    Notes
    -----
    The similarity of two rows is the normalised diffusion kernel of the nearest-neighbour graph of the inputs,
    :func:`diffusion_similarity`. Rows are chosen one after the other so that the sum, over all rows, of the greatest
    similarity to a labelled or chosen row grows most: facility location, for which that greedy choice is within
    1 - 1/e of the best (Nemhauser et al. 1978). The model's posterior is tempered, see
    :func:`aaetools.training.consistency.posterior_temperature`; as it comes it is nearly always 0 or 1.
    """
    x = model.scale(X)
    coding = encode_labels(np.full(len(x), -1) if y is None else y, getattr(model, "unlabeled", -1))
    codes = coding.codes
    if len(codes) != len(x):
        raise LabelError(f"X has {len(x)} rows, but y has {len(codes)} labels")
    if strategy != "auto" and strategy not in STRATEGIES:
        raise DataError(f"unknown strategy {strategy!r}: choose from auto, {', '.join(sorted(STRATEGIES))}")
    n_free = int((codes < 0).sum())
    if not 1 <= n <= n_free:
        raise DataError(f"{n} rows to label were asked for, but {n_free} of {len(x)} rows are unlabelled")
    looked_at = _rows_to_compare(codes, random_state)
    n_open = int((codes[looked_at] < 0).sum())
    if n > n_open:
        raise DataError(
            f"{n} rows to label were asked for, but of {len(x)} rows only {n_open} unlabelled ones are compared; "
            "ask for fewer at a time"
        )
    tell(progress, "comparing rows", 0, 2)
    classes = tuple(str(label) for label in model.classes_)
    if graph is None or len(looked_at) < len(x):
        graph = neighbor_graph(x[looked_at])
    by_model = None
    if len(classes) >= 2:
        by_model = Opinion("the model's codes", tempered_posterior(model, X)[looked_at], classes)
    candidates = Candidates(
        x=x[looked_at],
        labeled=codes[looked_at] >= 0,
        similarity=diffusion_similarity(graph),
        by_labels=_label_opinion(graph, coding, looked_at),
        by_model=by_model,
        random_state=random_state,
    )
    tell(progress, "choosing rows", 1, 2)
    name = strategy
    if strategy == "auto":
        name = "coverage" if candidates.by_labels is None else "hybrid"
    picks = STRATEGIES[name](candidates, n)
    tell(progress, "choosing rows", 2, 2)
    best = None if candidates.by_model is None else candidates.by_model.best()
    return Suggestions(
        strategy=name,
        n=n,
        n_rows=len(x),
        n_labeled=int((codes >= 0).sum()),
        n_compared=len(looked_at),
        random_state=random_state,
        rows=tuple(
            SuggestedRow(
                row=int(looked_at[pick.row]),
                label_pred=None if best is None else classes[int(best[pick.row])],
                score=pick.score,
                reason=pick.reason,
            )
            for pick in picks
        ),
        verdict=_verdict(name, n, len(x), int((codes >= 0).sum()), len(looked_at)),
    )


def diffusion_similarity(graph: sp.csr_matrix, alpha: float | None = None) -> Floats:
    """Return how near rows are along a graph, in [0, 1] with 1 on the diagonal, shape (n_rows, n_rows).

    It is (I - alpha S)^-1, the kernel by which labels are spread (Zhou et al. 2004), scaled to a unit diagonal: how
    much of a label on one row arrives at another.

    Parameters
    ----------
    graph
        From :func:`aaetools.propagation.neighbor_graph`.
    alpha
        How far labels travel; :func:`aaetools.propagation.reach` by default.
    """
    n_rows = graph.shape[0]
    alpha = reach(n_rows) if alpha is None else alpha
    root = sp.diags(1 / np.sqrt(np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1e-12)))
    kernel = np.linalg.inv(np.eye(n_rows) - alpha * (root @ graph @ root).toarray())
    scale = np.sqrt(np.diag(kernel))
    return np.asarray(np.clip(kernel / scale[:, None] / scale[None], 0, 1))


def _rows_to_compare(codes: Rows, random_state: int | None) -> Rows:
    """Return at most ``MAX_CANDIDATES`` rows, at most half of them labelled."""
    if len(codes) <= MAX_CANDIDATES:
        return np.arange(len(codes))
    random = np.random.RandomState(random_state)
    labeled = random.permutation(np.flatnonzero(codes >= 0))[: MAX_CANDIDATES // 2]
    free = random.permutation(np.flatnonzero(codes < 0))[: MAX_CANDIDATES - len(labeled)]
    return np.sort(np.concatenate([labeled, free]))


def _facilities(
    candidates: Candidates, n: int, weight: Floats, allowed: NDArray[np.bool_] | None = None
) -> tuple[Rows, Floats]:
    """Choose n unlabelled rows greedily by facility location; return them and what each gained, as a share of all."""
    similarity = candidates.similarity
    reached = similarity[:, candidates.labeled].max(axis=1, initial=0.0)
    closed = candidates.labeled.copy() if allowed is None else candidates.labeled | ~allowed
    chosen, gains = [], []
    for _ in range(n):
        gain = weight @ np.maximum(similarity - reached[:, None], 0)
        gain[closed] = -1
        row = int(gain.argmax())
        closed[row] = True
        reached = np.maximum(reached, similarity[:, row])
        chosen.append(row)
        gains.append(max(float(gain[row]), 0.0) / max(float(weight.sum()), 1e-12))
    return np.array(chosen, dtype=np.int64), np.array(gains)


def _stands_for(candidates: Candidates, chosen: Rows) -> Rows:
    """Count the unlabelled rows that are nearer to each chosen row than to another or to a labelled one."""
    labeled = np.flatnonzero(candidates.labeled)
    nearest = candidates.similarity[:, np.concatenate([labeled, chosen])].argmax(axis=1) - len(labeled)
    return np.bincount(nearest[(nearest >= 0) & ~candidates.labeled], minlength=len(chosen))


def _members(clusters: NDArray[Any], n_clusters: int) -> list[NDArray[np.int64]]:
    found = [np.flatnonzero(clusters == k) for k in range(n_clusters)]
    return [rows for rows in found if len(rows)]


def _model_opinion(candidates: Candidates) -> Opinion:
    if candidates.by_model is None:
        raise LabelError(
            "the model was fitted without labels, so it is unsure of nothing and has no components; "
            "use strategy 'coverage' or 'hybrid'"
        )
    return candidates.by_model


def _label_opinion(graph: sp.csr_matrix, coding: LabelCoding, rows: Rows) -> Opinion | None:
    codes = coding.codes[rows]
    present = np.unique(codes[codes >= 0])
    if len(present) < 2:
        return None
    number = np.full(len(coding.classes) + 1, -1)  # the last place is that of code -1
    number[present] = np.arange(len(present))
    spread = spread_labels(graph, number[codes], len(present), alpha=min(_NEAR, reach(len(codes))))
    classes = tuple(str(label) for label in coding.classes[present])
    return Opinion("the labels nearby", spread / spread.sum(axis=1, keepdims=True), classes)


def _near(count: int) -> str:
    return f"nearest to {count} unlabelled row{'' if count == 1 else 's'}"


def _verdict(strategy: str, n: int, n_rows: int, n_labeled: int, n_compared: int) -> str:
    text = f"{n} of {n_rows - n_labeled} unlabelled rows chosen by {strategy}"
    if n_compared < n_rows:
        text += f" among {n_compared} rows drawn at random"
    return f"{text}; {n_labeled} rows have a label already."
