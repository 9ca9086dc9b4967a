"""How many clusters there are: four criteria, and the scores behind each choice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aaetools.analysis.cluster_quality import pairwise_stability, silhouette
from aaetools.analysis.clusterers import CLUSTERERS, MixtureClusters, fit_clusters
from aaetools.analysis.progress import Progress, tell
from aaetools.analysis.results import CountChoice, CountScore
from aaetools.exceptions import DataError

__all__ = ["CHOOSERS", "MAX_CLUSTERS", "choose_n_clusters"]

MAX_CLUSTERS = 20
"""Most clusters that are tried by default when neither the caller nor the labels say how many there are."""

_CHOICE_ROWS = 4_000
_GAP_ROWS = 1_000
_N_REFERENCES = 10
_N_PARTS = 10
_SHARE = 0.8
_MUCH = 5.0
"""Standard errors by which one gap is beyond doubt larger than another."""

Codes = NDArray[Any]
Labels = NDArray[np.int64]
Found = tuple[int, list[CountScore], str]
"""The number chosen, the score of each number tried, and the rule that decided."""
NAN = float("nan")


def choose_n_clusters(
    Z: ArrayLike,
    choose: str = "silhouette",
    method: str = "kmeans",
    random_state: int | None = None,
    *,
    max_clusters: int = MAX_CLUSTERS,
    progress: Progress | None = None,
) -> CountChoice:
    """Choose the number of clusters of codes, shape (n, d).

    Parameters
    ----------
    choose
        A name from :data:`CHOOSERS`.
    method
        The clusterer, a name from ``CLUSTERERS`` that takes a number of clusters.
    max_clusters
        The largest number that is tried; there are never more than distinct codes less one.
    progress
        Told of each number tried.

    Returns
    -------
    CountChoice
        On at most 4,000 rows (1,000 for the gap statistic), a random choice of them where there are more.

    Raises
    ------
    DataError
        For an unknown criterion, or a method that sets its number itself.
    """
    if choose not in CHOOSERS:
        raise DataError(f"unknown way to choose the number of clusters {choose!r}: choose from {', '.join(CHOOSERS)}")
    if method not in CLUSTERERS or CLUSTERERS[method].number != "asked":
        able = ", ".join(name for name, way in CLUSTERERS.items() if way.number == "asked")
        raise DataError(f"no number of clusters can be chosen for {method!r}: choose from {able}")
    if max_clusters < 1:
        raise DataError(f"the largest number of clusters to try must be at least 1, not {max_clusters}")
    codes = np.asarray(Z, dtype=np.float32)
    limit = _GAP_ROWS if choose == "gap" else _CHOICE_ROWS
    if len(codes) > limit:
        codes = codes[np.sort(np.random.default_rng(random_state).choice(len(codes), limit, replace=False))]
    most = min(max_clusters, len(np.unique(codes, axis=0)) - 1)
    scores: list[CountScore] = []
    best, reason = 1, "the codes are too alike to be told apart"
    if len(codes) < 4:
        reason = f"{len(codes)} rows are too few to look for clusters"
    elif most >= 2:
        best, scores, reason = CHOOSERS[choose](codes, method, most, random_state, progress)
        if best == max_clusters:
            reason += "; that is the most that was tried, there may be more"
    return CountChoice(choose, best, tuple(scores), len(codes), random_state, reason)


def _by_silhouette(Z: Codes, method: str, most: int, random_state: int | None, progress: Progress | None) -> Found:
    scores = []
    for k in _counted(2, most, progress):
        found = silhouette(Z, fit_clusters(Z, method, k, random_state)[0], random_state)
        scores.append(CountScore(k, NAN if found is None else found.value, NAN))
    known = [score for score in scores if not np.isnan(score.score)]
    if not known:
        return 1, scores, "the codes are too alike to be told apart"
    best = max(known, key=lambda score: score.score)  # the first, thus the smallest number, of equal ones
    return best.n_clusters, scores, f"highest silhouette ({best.score:.2f}) of 2 to {most} clusters"


def _by_bic(Z: Codes, method: str, most: int, random_state: int | None, progress: Progress | None) -> Found:
    scores = []
    rows = Z.astype(np.float64)
    for k in _counted(1, most, progress):
        fitted = MixtureClusters(k, n_init=2, random_state=random_state).fit(rows)
        scores.append(CountScore(k, float(fitted.mixture_.bic(rows)), NAN))
    best = min(scores, key=lambda score: score.score)
    return best.n_clusters, scores, f"lowest BIC of Gaussian mixtures with 1 to {most} components"


def _by_gap(Z: Codes, method: str, most: int, random_state: int | None, progress: Progress | None) -> Found:
    rng = np.random.default_rng(random_state)
    centred = Z.astype(np.float64) - Z.mean(axis=0, dtype=np.float64)
    turned = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    low, high = turned.min(axis=0), turned.max(axis=0)
    references = [rng.uniform(low, high, size=turned.shape) for _ in range(_N_REFERENCES)]
    scores = []
    # one number more than may be chosen: a break is seen from what comes after it
    for k in _counted(1, min(most + 1, len(np.unique(Z, axis=0)) - 1), progress):
        null = np.array([_log_within(uniform, method, k, random_state) for uniform in references])
        gap = float(null.mean()) - _log_within(turned, method, k, random_state)
        scores.append(CountScore(k, gap, float(null.std() * np.sqrt(1 + 1 / _N_REFERENCES))))
    best, rule = _where_the_gap_breaks_off(scores, most)
    first = next((s.n_clusters for s, t in pairwise(scores) if s.score >= t.score - t.standard_error), None)
    if first not in (best, None):
        rule += f" (Tibshirani's own rule stops at {first})"
    return best, scores, rule


def _where_the_gap_breaks_off(scores: list[CountScore], most: int) -> tuple[int, str]:
    """Return the number of clusters that gaps speak for, and the rule that decided."""
    gaps = np.array([score.score for score in scores])
    errors = np.array([score.standard_error for score in scores])
    if not (gaps > gaps[0] + _MUCH * np.maximum(errors, errors[0])).any():
        return 1, f"no gap of 2 to {most} clusters is clearly larger than that of one"
    growth = np.diff(gaps)
    if len(growth) < 2:
        return 2, "the gap of two clusters is clearly larger than that of one"
    best = int(np.argmax(growth[:-1] - growth[1:])) + 2
    return best, f"the gap ({gaps[best - 1]:.2f}) stops growing most sharply there, of 1 to {most} clusters"


def _log_within(Z: NDArray[np.float64], method: str, k: int, random_state: int | None) -> float:
    clusters = np.zeros(len(Z), np.int64) if k == 1 else fit_clusters(Z, method, k, random_state, quick=True)[0]
    squares = sum(np.square(Z[clusters == c] - Z[clusters == c].mean(axis=0)).sum() for c in np.unique(clusters))
    return float(np.log(max(squares, np.finfo(np.float64).tiny)))


def _by_stability(Z: Codes, method: str, most: int, random_state: int | None, progress: Progress | None) -> Found:
    size = round(_SHARE * len(Z))
    rng = np.random.default_rng(random_state)
    parts = [np.sort(rng.choice(len(Z), size, replace=False)) for _ in range(_N_PARTS)]
    fewest = min(len(np.unique(Z[rows], axis=0)) for rows in parts)  # a part may miss some of the distinct codes
    most = min(most, fewest - 1)
    scores = []
    for k in _counted(2, most, progress):
        found = np.full((_N_PARTS, len(Z)), -2, dtype=np.int64)
        for part, rows in enumerate(parts):
            found[part, rows] = fit_clusters(Z[rows], method, k, int(rng.integers(2**31)), quick=True)[0]
        scores.append(CountScore(k, *pairwise_stability(found)))
    if not scores:
        return 1, scores, "the codes are too alike to be told apart"
    top = max(scores, key=lambda score: score.score)
    level = top.score - top.standard_error
    best = max((score for score in scores if score.score >= level), key=lambda score: score.n_clusters)
    rule = "highest stability" if best is top else "largest number within one standard error of the highest stability"
    return best.n_clusters, scores, f"{rule} ({best.score:.2f}) of 2 to {most} clusters"


def _counted(first: int, last: int, progress: Progress | None) -> Any:
    for k in range(first, last + 1):
        tell(progress, "trying numbers of clusters", k - first, last - first + 1)
        yield k
    tell(progress, "trying numbers of clusters", last - first + 1, last - first + 1)


CHOOSERS: dict[str, Callable[[Codes, str, int, int | None, Progress | None], Found]] = {
    "silhouette": _by_silhouette,
    "bic": _by_bic,
    "gap": _by_gap,
    "stability": _by_stability,
}
"""Name -> function(codes, method, most, random_state, progress) that chooses a number of clusters up to ``most``.

``silhouette`` (Rousseeuw 1987; the default) takes the highest mean silhouette and is the cheapest; it cannot say "one".
``bic`` (Schwarz 1978) asks how many components a Gaussian mixture with full covariances is worth, whatever the method.
``gap`` (Tibshirani, Walther and Hastie 2001) compares the spread within clusters with that of uniform draws in the box
along the codes' principal axes. It says "one" where no other gap is five standard errors larger, else the number where
the gap's growth breaks off most sharply (Yan and Ye 2007). The first authors' rule, the smallest number whose gap is
within a standard error of the next one's, stops at one where groups lie equally far from each other, as those of our
priors do. ``stability`` (after Ben-Hur, Elisseeff and Guyon 2002) takes the largest number whose clusters come out
again on parts of the rows, within a standard error of the best; it cannot say "one" either.
"""
